// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP load of the soak test: RATE new connections per second, each an exchange of another
 * kind and size (soak.h), and beside them BULKS long transfers up and as many down, paced to
 * BYTES per second each. Both ends check every byte.
 *
 *   tcp ADDRESS4 ADDRESS6 PORT RATE BULKS BYTES SEED
 *
 * PORT is the server's; nobody listens on PORT + 1, and the SYNs to PORT + 2 are lost. On
 * SIGTERM nothing new is opened; the program ends when what is open has ended, and prints
 * what failed (soak.h). Status 1: wrong bytes.
 */
#include "tests/soak/soak.h"

#include <netinet/tcp.h>

#define CONNS_MAX 8192
#define BULKS_MAX 64 /* up and down together */
#define BURST 400 /* connections opened at once after a pause */
#define EXCHANGE_BITS 17 /* sizes below 128 KiB */
#define ABORT_SERVER_UP (1 << 20) /* the server's RST must meet data on their way */
#define BULK_BYTES (96 << 20)
#define STALL_MS 60000
#define SILENT_MS 8000 /* at most */
#define EVENTS_MAX 256

enum state { CONN_FREE, CONN_CONNECTING, CONN_OPEN };

struct conn {
	int fd;
	enum state state;
	enum kind kind;
	int family;
	unsigned int port; /* local */
	struct request request;
	size_t request_sent;
	uint64_t up;
	uint64_t down;
	struct verdict_line verdict;
	size_t verdict_got;
	uint64_t abort_at; /* KIND_ABORT_CLIENT: after so many bytes both ways */
	uint64_t since_ms;
	uint64_t progress_ms;
	uint64_t give_up_ms; /* KIND_SILENT and KIND_BLACKHOLE */
	uint64_t allowance; /* bulk: bytes until the next tick */
	uint32_t events; /* asked of epoll */
	bool shut; /* KIND_HALF: our FIN was sent */
	bool down_ended; /* the server's FIN came */
};

static struct conn conns[CONNS_MAX];
static struct address to[2][3]; /* family; served, refused, lost */
static unsigned int rate;
static unsigned int bulks;
static unsigned int bulk_rate;
static int epoll_fd;

static struct {
	uint64_t opened[KIND_NUM];
	uint64_t done[KIND_NUM];
	uint64_t failed[KIND_NUM];
	uint64_t open;
	uint64_t late; /* not opened in time: no place, or no CPU time */
	uint64_t wrong;
	uint64_t up_bytes;
	uint64_t down_bytes;
} counters;

static void print_kinds(const char *name, const uint64_t *n)
{
	printf("\"%s\":{", name);
	for (unsigned int k = 0; k < KIND_NUM; k++)
		printf("%s\"%s\":%llu", k ? "," : "", kind_names[k], (unsigned long long)n[k]);
	printf("},");
}

static void print_counters(bool final)
{
	printf("{\"counters\":{");
	print_kinds("opened", counters.opened);
	print_kinds("done", counters.done);
	print_kinds("failed", counters.failed);
	printf("\"open\":%llu,\"late\":%llu,\"wrong\":%llu,\"up_bytes\":%llu,"
	       "\"down_bytes\":%llu,\"final\":%s}}\n",
	       (unsigned long long)counters.open, (unsigned long long)counters.late,
	       (unsigned long long)counters.wrong, (unsigned long long)counters.up_bytes,
	       (unsigned long long)counters.down_bytes, final ? "true" : "false");
}

static bool is_bulk(const struct conn *c)
{
	return c->kind == KIND_BULK_UP || c->kind == KIND_BULK_DOWN;
}

static bool has_verdict(const struct conn *c)
{
	return c->kind != KIND_DOWN_FIRST && c->kind != KIND_ABORT_SERVER && c->kind != KIND_SILENT;
}

/* --- ends ----------------------------------------------------------------------------------- */

static void conn_free(struct conn *c)
{
	counters.open--;
	c->state = CONN_FREE;
}

static void conn_done(struct conn *c)
{
	counters.done[c->kind]++;
	close(c->fd);
	conn_free(c);
}

static void conn_failed(struct conn *c, const char *what)
{
	struct failure f = { .proto = "tcp",
			     .kind = kind_names[c->kind],
			     .what = what,
			     .family = c->family,
			     .port = c->port,
			     .id = c->request.seed,
			     .since_ms = c->since_ms };

	counters.failed[c->kind]++;
	tell_failure(&f);
	close(c->fd);
	conn_free(c);
}

static void conn_wrong(struct conn *c, const char *what)
{
	counters.wrong++;
	conn_failed(c, what);
}

/* An error of the socket, which may be what was wanted. */
static void conn_error(struct conn *c, int error)
{
	bool wanted = c->kind == KIND_REFUSED	   ? error == ECONNREFUSED :
		      c->kind == KIND_ABORT_SERVER ? error == ECONNRESET || error == EPIPE :
						     false;

	if (wanted)
		conn_done(c);
	else
		conn_failed(c, strerrorname_np(error));
}

/* --- one connection ------------------------------------------------------------------------- */

static bool has_sent_all(const struct conn *c)
{
	return c->request_sent == sizeof(c->request) && c->up == c->request.up;
}

static void listen_for(struct conn *c, uint32_t wanted)
{
	struct epoll_event event = { .events = wanted, .data.ptr = c };

	if (wanted != c->events)
		epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
	c->events = wanted;
}

/* How far a stream may go now: all the way, or a paced one's share of this tick. */
static uint64_t reach(const struct conn *c, uint64_t at, uint64_t end)
{
	return is_bulk(c) && end - at > c->allowance ? at + c->allowance : end;
}

/* 0, or -errno. */
static int conn_write(struct conn *c)
{
	uint64_t before = c->up;
	ssize_t n;
	int r;

	if (c->request_sent < sizeof(c->request)) {
		n = send(c->fd, (uint8_t *)&c->request + c->request_sent,
			 sizeof(c->request) - c->request_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->request_sent += (size_t)n;
	}
	if (c->request_sent < sizeof(c->request) || (c->kind == KIND_DOWN_FIRST && !c->down_ended))
		return 0;
	r = stream_send(c->fd, c->request.seed, &c->up, reach(c, c->up, c->request.up));
	counters.up_bytes += c->up - before;
	if (c->up != before)
		c->progress_ms = now_ms();
	if (c->kind == KIND_BULK_UP)
		c->allowance -= c->up - before;
	if (r == 0 && c->kind == KIND_HALF && !c->shut && has_sent_all(c)) {
		c->shut = true;
		shutdown(c->fd, SHUT_WR);
	}
	return r;
}

/* The verdict, when all of the stream is there. As stream_take(). */
static int take_verdict(struct conn *c)
{
	ssize_t n = recv(c->fd, (uint8_t *)&c->verdict + c->verdict_got,
			 sizeof(c->verdict) - c->verdict_got, MSG_DONTWAIT);

	if (n == 0)
		return STREAM_END;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->verdict_got += (size_t)n;
	if (c->verdict_got == sizeof(c->verdict) && c->verdict.check != mix(c->request.seed))
		return STREAM_WRONG;
	return 0;
}

/* 0, STREAM_END, STREAM_WRONG or -errno. */
static int conn_read(struct conn *c)
{
	uint64_t before = c->down;
	size_t verdict_before = c->verdict_got;
	int r = 0;

	if (c->down < c->request.down || !has_verdict(c) || c->verdict_got == sizeof(c->verdict)) {
		uint64_t end = reach(c, c->down, c->request.down);

		if (end == c->down && end < c->request.down)
			return 0;
		r = stream_take(c->fd, c->request.seed ^ DOWN_SALT, &c->down, end);
	}
	if (r == 0 && has_verdict(c) && c->down == c->request.down &&
	    c->verdict_got < sizeof(c->verdict))
		r = take_verdict(c);
	counters.down_bytes += c->down - before;
	if (c->kind == KIND_BULK_DOWN)
		c->allowance -= c->down - before;
	if (c->down != before || c->verdict_got != verdict_before)
		c->progress_ms = now_ms();
	return r;
}

/* The server's FIN came: was everything before it? */
static void conn_ended(struct conn *c)
{
	if (c->kind == KIND_ABORT_SERVER) {
		conn_failed(c, "an end instead of a reset");
	} else if (c->kind == KIND_SILENT || c->down != c->request.down ||
		   (has_verdict(c) && c->verdict_got < sizeof(c->verdict))) {
		conn_failed(c, "early end");
	} else if (c->kind == KIND_DOWN_FIRST && !has_sent_all(c)) {
		c->down_ended = true;
	} else {
		conn_done(c);
	}
}

static uint64_t patience_from(uint64_t ms)
{
	return ms + SILENT_MS / 4 + random_below(SILENT_MS * 3 / 4);
}

static void conn_connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		conn_error(c, error);
	} else if (c->kind == KIND_REFUSED || c->kind == KIND_BLACKHOLE) {
		conn_failed(c, "connected to nobody");
	} else {
		c->state = CONN_OPEN;
		c->progress_ms = now_ms();
		if (c->kind == KIND_SILENT) /* the server is to know what it does not answer */
			c->give_up_ms = patience_from(c->progress_ms);
	}
}

/* Reads and writes what can be; the connection may be gone afterwards. */
static void conn_work(struct conn *c)
{
	int r = conn_write(c);

	/* A reset that was told to send() is not told to recv() again: that would see an end. */
	if (r == 0 && !c->down_ended) {
		int got = conn_read(c);

		if (got == STREAM_WRONG) {
			conn_wrong(c, "wrong bytes down");
			return;
		}
		if (got == STREAM_END) {
			conn_ended(c);
			if (c->state == CONN_FREE)
				return;
			r = conn_write(c);
		} else if (got < 0) {
			r = got;
		}
	}
	if (r < 0)
		conn_error(c, -r);
	else if (c->kind == KIND_ABORT_CLIENT && c->up + c->down >= c->abort_at) {
		counters.done[c->kind]++;
		close_reset(c->fd);
		conn_free(c);
	} else if (c->kind == KIND_DOWN_FIRST && c->down_ended && has_sent_all(c)) {
		conn_done(c);
	} else if (!is_bulk(c)) {
		bool writes = !has_sent_all(c) && (c->kind != KIND_DOWN_FIRST || c->down_ended);

		if (c->request_sent < sizeof(c->request))
			writes = true;
		listen_for(c, (c->down_ended ? 0 : EPOLLIN) | (writes ? EPOLLOUT : 0));
	}
}

static void conn_event(struct conn *c)
{
	if (c->state == CONN_CONNECTING) {
		conn_connected(c);
		if (c->state == CONN_OPEN && is_bulk(c))
			listen_for(c, 0);
	}
	if (c->state == CONN_OPEN)
		conn_work(c);
}

/* --- opening -------------------------------------------------------------------------------- */

static struct request make_request(enum kind kind)
{
	struct request rq = { .magic = REQUEST_MAGIC,
			      .kind = kind,
			      .up = random_size(EXCHANGE_BITS),
			      .down = random_size(EXCHANGE_BITS) };

	rq.seed = mix(random_state + random_below(1ULL << 32));
	if (kind == KIND_ABORT_SERVER)
		rq.up = ABORT_SERVER_UP;
	if (kind == KIND_SILENT)
		rq.up = rq.down = 0;
	if (kind == KIND_BULK_UP)
		rq.up = BULK_BYTES / 2 + random_below(BULK_BYTES / 2);
	if (kind == KIND_BULK_DOWN)
		rq.down = BULK_BYTES / 2 + random_below(BULK_BYTES / 2);
	rq.check = request_check(&rq);
	return rq;
}

static struct conn *free_conn(void)
{
	static unsigned int next;

	for (unsigned int i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &conns[next++ % CONNS_MAX];

		if (c->state == CONN_FREE)
			return c;
	}
	return NULL;
}

static void conn_open(enum kind kind)
{
	unsigned int ipv6 = (unsigned int)random_below(2);
	const struct address *a = &to[ipv6][kind == KIND_REFUSED   ? 1 :
					    kind == KIND_BLACKHOLE ? 2 :
								     0];
	struct epoll_event event = { .events = EPOLLOUT };
	struct conn *c = free_conn();
	int one = 1;

	if (!c) {
		counters.late++;
		return;
	}
	*c = (struct conn){ .kind = kind,
			    .family = ipv6 ? 6 : 4,
			    .state = CONN_CONNECTING,
			    .request = make_request(kind),
			    .events = EPOLLOUT,
			    .since_ms = now_ms() };
	c->progress_ms = c->since_ms;
	c->abort_at = random_below(c->request.up + c->request.down + 1);
	if (kind == KIND_BLACKHOLE)
		c->give_up_ms = patience_from(c->since_ms);
	c->fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	event.data.ptr = c;
	if (c->fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
		die("socket");
	if (random_below(2))
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	counters.open++;
	counters.opened[kind]++;
	if (connect(c->fd, (const struct sockaddr *)&a->sa, a->len) < 0 && errno != EINPROGRESS)
		conn_failed(c, strerrorname_np(errno));
	else
		c->port = local_port(c->fd);
}

/* Of 100 connections so many are of each kind. */
static enum kind random_kind(void)
{
	static const struct {
		enum kind kind;
		unsigned int percent;
	} shares[] = {
		{ KIND_EXCHANGE, 34 },	   { KIND_HALF, 26 },	  { KIND_DOWN_FIRST, 10 },
		{ KIND_ABORT_CLIENT, 11 }, { KIND_SILENT, 4 },	  { KIND_ABORT_SERVER, 10 },
		{ KIND_REFUSED, 4 },	   { KIND_BLACKHOLE, 1 },
	};
	unsigned int at = (unsigned int)random_below(100);
	unsigned int i = 0;

	while (at >= shares[i].percent)
		at -= shares[i++].percent;
	return shares[i].kind;
}

static void open_new(void)
{
	for (uint64_t n = take_due(rate, BURST, &counters.late); n > 0; n--)
		conn_open(random_kind());
}

/* Every tick: paced transfers get their share, at the end of the load all that they can take;
 * those that have ended are begun anew. */
static void tick_bulks(unsigned int elapsed_ms)
{
	unsigned int running[2] = { 0 };

	for (unsigned int i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &conns[i];

		if (c->state == CONN_FREE || !is_bulk(c))
			continue;
		running[c->kind == KIND_BULK_DOWN]++;
		if (c->state != CONN_OPEN)
			continue;
		c->allowance = stopping ? BULK_BYTES : (uint64_t)bulk_rate * elapsed_ms / 1000;
		conn_work(c);
	}
	for (; !stopping && running[0] < bulks; running[0]++)
		conn_open(KIND_BULK_UP);
	for (; !stopping && running[1] < bulks; running[1]++)
		conn_open(KIND_BULK_DOWN);
}

/* Every second: those that wait for nobody give up, those that do not get on have failed. */
static void end_old(void)
{
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &conns[i];

		if (c->state == CONN_FREE)
			continue;
		if (c->give_up_ms && now >= c->give_up_ms)
			conn_done(c);
		else if (now - c->progress_ms > STALL_MS)
			conn_failed(c, c->state == CONN_OPEN ? "stalled" : "connect stalled");
	}
}

static void run_once(void)
{
	static uint64_t ticked_ms, swept_ms, told_ms;
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epoll_fd, events, EVENTS_MAX, TICK_MS);
	uint64_t paused = take_pause();
	uint64_t now = now_ms();

	for (unsigned int i = 0; paused && i < CONNS_MAX; i++)
		conns[i].progress_ms = after_pause(conns[i].progress_ms, paused);
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;

		if (c->state != CONN_FREE)
			conn_event(c);
	}
	if (now - ticked_ms >= TICK_MS) {
		tick_bulks(ticked_ms && now - ticked_ms < 1000 ? (unsigned int)(now - ticked_ms) :
								 TICK_MS);
		ticked_ms = now;
		if (!stopping)
			open_new();
	}
	if (now - swept_ms >= 1000) {
		swept_ms = now;
		end_old();
	}
	if (now - told_ms >= COUNTERS_S * 1000) {
		told_ms = now;
		print_counters(false);
	}
}

int main(int argc, char **argv)
{
	unsigned int port;

	if (argc != 8) {
		fprintf(stderr, "usage: tcp ADDRESS4 ADDRESS6 PORT RATE BULKS BYTES SEED\n");
		return 2;
	}
	port = parse_count(argv[3], 65533);
	for (unsigned int i = 0; i < 6; i++)
		to[i / 3][i % 3] = parse_address(argv[1 + i / 3], port + i % 3);
	rate = parse_count(argv[4], 100000);
	bulks = parse_count(argv[5], BULKS_MAX / 2);
	bulk_rate = parse_count(argv[6], 1U << 30);
	random_state = parse_count(argv[7], 1U << 31);
	catch_signals();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	while (!stopping || counters.open)
		run_once();
	print_counters(true);
	return counters.wrong > 0;
}
