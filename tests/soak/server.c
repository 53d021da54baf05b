// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The far end of the soak test's TCP load: does what a connection's first bytes ask for
 * (soak.h), checks what it gets, and says what went wrong. One thread, one epoll, no buffer
 * per connection: content is made again at the position where a send stopped.
 *
 *   server [wrong] ADDRESS PORT...     until SIGTERM; wrong: sends other bytes than it should
 */
#include "tests/soak/soak.h"

#include <netinet/tcp.h>

#define PEERS_MAX 16384
#define LISTENERS_MAX 8
#define STALL_MS 90000
#define EVENTS_MAX 256

struct peer {
	int fd; /* -1 = free */
	int family;
	struct request request;
	size_t request_got;
	uint64_t up;
	uint64_t down;
	uint64_t since_ms;
	uint64_t progress_ms;
	uint32_t events; /* asked of epoll */
	bool up_ended; /* FIN of the client */
	bool told; /* the verdict was sent */
};

static struct peer peers[PEERS_MAX];
static int listeners[LISTENERS_MAX];
static unsigned int listeners_num;
static int epoll_fd;
static uint64_t down_salt = DOWN_SALT; /* another one: for the test of the test */

static struct {
	uint64_t accepted;
	uint64_t finished;
	uint64_t nothing; /* ended before their request was whole */
	uint64_t failed;
	uint64_t wrong;
	uint64_t open;
	uint64_t refused; /* no place */
	uint64_t up_bytes;
	uint64_t down_bytes;
} counters;

static void print_counters(bool final)
{
	printf("{\"counters\":{\"accepted\":%llu,\"finished\":%llu,\"nothing\":%llu,"
	       "\"failed\":%llu,\"wrong\":%llu,\"open\":%llu,\"no_place\":%llu,"
	       "\"up_bytes\":%llu,\"down_bytes\":%llu,\"final\":%s}}\n",
	       (unsigned long long)counters.accepted, (unsigned long long)counters.finished,
	       (unsigned long long)counters.nothing, (unsigned long long)counters.failed,
	       (unsigned long long)counters.wrong, (unsigned long long)counters.open,
	       (unsigned long long)counters.refused, (unsigned long long)counters.up_bytes,
	       (unsigned long long)counters.down_bytes, final ? "true" : "false");
}

static bool has_verdict(const struct peer *p)
{
	uint32_t k = p->request.kind;

	return k == KIND_EXCHANGE || k == KIND_HALF || k == KIND_BULK_UP || k == KIND_BULK_DOWN ||
	       k == KIND_ABORT_CLIENT;
}

static void peer_free(struct peer *p)
{
	counters.open--;
	close(p->fd);
	p->fd = -1;
}

static void peer_failed(struct peer *p, const char *what)
{
	struct failure f = { .proto = "tcp",
			     .kind = kind_names[p->request.kind],
			     .what = what,
			     .family = p->family,
			     .id = p->request.seed,
			     .since_ms = p->since_ms };

	counters.failed++;
	tell_failure(&f);
	peer_free(p);
}

static void peer_wrong(struct peer *p, const char *what)
{
	counters.wrong++;
	peer_failed(p, what);
}

/* The connection is at its end, in order or not. */
static void peer_ended(struct peer *p, const char *how)
{
	if (p->request_got < sizeof(p->request)) {
		counters.nothing++;
		peer_free(p);
	} else if (p->request.kind == KIND_ABORT_CLIENT || p->request.kind == KIND_SILENT ||
		   p->request.kind == KIND_ABORT_SERVER) {
		counters.finished++;
		peer_free(p);
	} else {
		peer_failed(p, how);
	}
}

static int peer_take_request(struct peer *p)
{
	ssize_t n = recv(p->fd, (uint8_t *)&p->request + p->request_got,
			 sizeof(p->request) - p->request_got, MSG_DONTWAIT);

	if (n == 0)
		return STREAM_END;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	p->request_got += (size_t)n;
	if (p->request_got < sizeof(p->request))
		return 0;
	if (p->request.magic == REQUEST_MAGIC && p->request.kind < KIND_NUM &&
	    p->request.check == request_check(&p->request))
		return 0;
	p->request.kind = 0; /* has to have a name */
	return STREAM_WRONG;
}

/* 0, or -1 if the peer is gone. */
static int peer_read(struct peer *p)
{
	uint64_t before = p->up + p->request_got;
	int r = 0;

	if (p->request_got < sizeof(p->request))
		r = peer_take_request(p);
	if (r == 0 && p->request_got == sizeof(p->request) && p->request.kind != KIND_ABORT_SERVER)
		r = stream_take(p->fd, p->request.seed, &p->up, p->request.up);
	counters.up_bytes += p->up + p->request_got - before;
	if (p->up + p->request_got != before)
		p->progress_ms = now_ms();
	if (r == STREAM_WRONG) {
		peer_wrong(p, "wrong bytes up");
		return -1;
	}
	if (r == STREAM_END && p->request_got == sizeof(p->request) && p->up == p->request.up &&
	    p->request.kind != KIND_SILENT) {
		p->up_ended = true;
		return 0;
	}
	if (r == STREAM_END) {
		peer_ended(p, "early end");
		return -1;
	}
	if (r < 0) {
		peer_ended(p, strerrorname_np(-r));
		return -1;
	}
	return 0;
}

/* What is to be done once all of `up` and `down` has gone. 1 = the peer is gone. */
static int peer_complete(struct peer *p)
{
	struct verdict_line line = { mix(p->request.seed) };

	if (p->request.kind == KIND_ABORT_SERVER) {
		counters.finished++;
		counters.open--;
		close_reset(p->fd);
		p->fd = -1;
		return 1;
	}
	if (p->request.kind == KIND_DOWN_FIRST) {
		if (!p->told)
			shutdown(p->fd, SHUT_WR);
		p->told = true;
		if (!p->up_ended)
			return 0;
	} else if (has_verdict(p)) {
		if (p->up < p->request.up || (p->request.kind == KIND_HALF && !p->up_ended))
			return 0;
		/* A full buffer does not take these 8 bytes: tried again when it is empty. */
		if (send(p->fd, &line, sizeof(line), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
			if (errno == EAGAIN)
				return 0;
			peer_ended(p, strerrorname_np(errno));
			return 1;
		}
	}
	counters.finished++;
	peer_free(p);
	return 1;
}

/* 0, or -1 if the peer is gone. */
static int peer_write(struct peer *p)
{
	uint64_t before = p->down;
	int r;

	if (p->request_got < sizeof(p->request) || p->request.kind == KIND_SILENT)
		return 0;
	r = stream_send(p->fd, p->request.seed ^ down_salt, &p->down, p->request.down);
	counters.down_bytes += p->down - before;
	if (p->down != before)
		p->progress_ms = now_ms();
	if (r < 0) {
		peer_ended(p, strerrorname_np(-r));
		return -1;
	}
	return p->down == p->request.down && peer_complete(p) ? -1 : 0;
}

static bool wants_to_write(const struct peer *p)
{
	if (p->request_got < sizeof(p->request) || p->request.kind == KIND_SILENT)
		return false;
	if (p->down < p->request.down)
		return true;
	return has_verdict(p) && p->up == p->request.up &&
	       (p->request.kind != KIND_HALF || p->up_ended);
}

/* Data that is left unread on purpose must not wake us for ever. */
static bool reads(const struct peer *p)
{
	return !p->up_ended &&
	       (p->request_got < sizeof(p->request) || p->request.kind != KIND_ABORT_SERVER);
}

static void peer_event(struct peer *p, uint32_t events)
{
	struct epoll_event event = { .data.ptr = p };

	if (!p->up_ended && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && peer_read(p) < 0)
		return;
	if (peer_write(p) < 0)
		return;
	if (p->up_ended && events & (EPOLLHUP | EPOLLERR)) {
		peer_ended(p, "reset after its end");
		return;
	}
	event.events = (reads(p) ? EPOLLIN : 0) | (wants_to_write(p) ? EPOLLOUT : 0);
	if (event.events != p->events)
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &event);
	p->events = event.events;
}

static struct peer *free_peer(void)
{
	static unsigned int next;

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &peers[next++ % PEERS_MAX];

		if (p->fd < 0)
			return p;
	}
	return NULL;
}

static void accept_peers(int listener)
{
	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		int fd = accept4(listener, (struct sockaddr *)&from, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct epoll_event event = { .events = EPOLLIN };
		struct peer *p;
		int one = 1;

		if (fd < 0)
			return;
		p = free_peer();
		if (!p) {
			counters.refused++;
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		*p = (struct peer){ .fd = fd, .events = EPOLLIN, .since_ms = now_ms() };
		p->family = from.ss_family == AF_INET6 ? 6 : 4;
		p->progress_ms = p->since_ms;
		event.data.ptr = p;
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
		counters.accepted++;
		counters.open++;
	}
}

static void end_stalled(void)
{
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		if (peers[i].fd >= 0 && now - peers[i].progress_ms > STALL_MS)
			peer_ended(&peers[i], "stalled");
	}
}

static void listen_on(const char *address, const char *port)
{
	struct address a = parse_address(address, parse_count(port, 65535));
	int fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = { .events = EPOLLIN };
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&a.sa, a.len) < 0 || listen(fd, 4096) < 0)
		die("listen");
	event.data.ptr = &listeners[listeners_num];
	listeners[listeners_num++] = fd;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll_ctl");
}

static void serve_once(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epoll_fd, events, EVENTS_MAX, 1000);
	uint64_t paused = take_pause();

	for (unsigned int i = 0; paused && i < PEERS_MAX; i++)
		peers[i].progress_ms = after_pause(peers[i].progress_ms, paused);
	for (int i = 0; i < n; i++) {
		void *who = events[i].data.ptr;

		if (who >= (void *)listeners && who < (void *)(listeners + LISTENERS_MAX))
			accept_peers(*(int *)who);
		else if (((struct peer *)who)->fd >= 0)
			peer_event(who, events[i].events);
	}
}

int main(int argc, char **argv)
{
	uint64_t told = now_ms();

	if (argc > 1 && !strcmp(argv[1], "wrong")) {
		down_salt++;
		argc--;
		argv++;
	}
	if (argc < 3 || argc % 2 == 0 || argc > 1 + 2 * LISTENERS_MAX) {
		fprintf(stderr, "usage: server [wrong] ADDRESS PORT...\n");
		return 2;
	}
	catch_signals();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < PEERS_MAX; i++)
		peers[i].fd = -1;
	for (int i = 1; i < argc; i += 2)
		listen_on(argv[i], argv[i + 1]);
	while (!stopping) {
		serve_once();
		if (now_ms() - told >= COUNTERS_S * 1000) {
			told = now_ms();
			end_stalled();
			print_counters(false);
		}
	}
	print_counters(true);
	return counters.wrong > 0;
}
