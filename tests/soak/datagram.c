// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * UDP and ping load of the soak test: RATE datagrams per second of 12 to 60,000 bytes, whole
 * and fragmented, v4 and v6, over sockets that live for some seconds each, to an echo server.
 * What comes back must be what was sent, once.
 *
 *   datagram ADDRESS4 ADDRESS6 PORT RATE SEED
 *
 * A datagram that does not come back within LOST_MS is told as "lost": whether it may be is
 * for others to say. On SIGTERM the program waits for what is on its way. Status 1: wrong
 * bytes, or an answer that came twice.
 */
#include "tests/soak/soak.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>

#define SOCKETS 48
#define SOCKET_MS 20000 /* a socket lives at most so long, and a quarter of it at least */
#define PINGS 8 /* so many of the sockets ping */
#define PENDING_MAX 16384 /* power of two */
#define LOST_MS 10000
#define BURST 20
#define DATAGRAM_MAX 65536
#define BUFFER (4 << 20)
#define PING_HEAD 8

struct datagram_head {
	uint32_t magic;
	uint32_t seq;
	uint32_t size; /* of the payload, this included */
};

struct socket {
	int fd; /* -1 = free */
	int family;
	bool ping;
	unsigned int port;
	uint64_t end_ms;
};

struct pending {
	uint32_t seq;
	uint32_t size; /* 0 = free */
	uint64_t sent_ms;
	const char *kind;
	int family;
	unsigned int port;
};

static struct socket sockets[SOCKETS];
static struct pending pending[PENDING_MAX];
static struct address to[2];
static unsigned int rate;
static uint32_t next_seq;
static uint64_t seed;
static int epoll_fd;

static struct {
	uint64_t sent;
	uint64_t back;
	uint64_t lost;
	uint64_t refused; /* by the local kernel: an ICMP error, or no room */
	uint64_t wrong;
	uint64_t twice;
	uint64_t late; /* not sent in time, or back after it was given up */
	uint64_t sockets;
	uint64_t open; /* on their way */
} counters;

static void print_counters(bool final)
{
	printf("{\"counters\":{\"sent\":%llu,\"back\":%llu,\"lost\":%llu,\"refused\":%llu,"
	       "\"wrong\":%llu,\"twice\":%llu,\"late\":%llu,\"sockets\":%llu,\"open\":%llu,"
	       "\"final\":%s}}\n",
	       (unsigned long long)counters.sent, (unsigned long long)counters.back,
	       (unsigned long long)counters.lost, (unsigned long long)counters.refused,
	       (unsigned long long)counters.wrong, (unsigned long long)counters.twice,
	       (unsigned long long)counters.late, (unsigned long long)counters.sockets,
	       (unsigned long long)counters.open, final ? "true" : "false");
}

static void tell(const struct pending *p, const char *what)
{
	struct failure f = { .proto = strncmp(p->kind, "ping", 4) ? "udp" : "icmp",
			     .kind = p->kind,
			     .what = what,
			     .family = p->family,
			     .port = p->port,
			     .id = p->seq,
			     .since_ms = p->sent_ms };

	tell_failure(&f);
}

static struct pending *pending_of(uint32_t seq)
{
	return &pending[seq & (PENDING_MAX - 1)];
}

static void pending_end(struct pending *p)
{
	p->size = 0;
	counters.open--;
}

/* --- sockets -------------------------------------------------------------------------------- */

static void socket_open(struct socket *s, bool ping)
{
	unsigned int ipv6 = (unsigned int)random_below(2);
	int protocol = !ping ? 0 : ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = s };
	int buffer = BUFFER;

	*s = (struct socket){ .family = ipv6 ? 6 : 4, .ping = ping };
	s->end_ms = now_ms() + SOCKET_MS / 4 + random_below(SOCKET_MS * 3 / 4);
	s->fd = socket(to[ipv6].sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (s->fd < 0)
		die("socket");
	setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (connect(s->fd, (struct sockaddr *)&to[ipv6].sa, to[ipv6].len) < 0)
		die("connect");
	s->port = local_port(s->fd);
	counters.sockets++;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &event) < 0)
		die("epoll_ctl");
}

/* Old sockets are replaced when nothing is on its way to them any more. */
static void renew_sockets(void)
{
	bool busy[65536] = { false };
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < PENDING_MAX; i++) {
		if (pending[i].size)
			busy[pending[i].port & 0xffff] = true;
	}
	for (unsigned int i = 0; i < SOCKETS; i++) {
		struct socket *s = &sockets[i];

		if (s->fd >= 0 && (now < s->end_ms || busy[s->port & 0xffff]))
			continue;
		if (s->fd >= 0)
			close(s->fd);
		socket_open(s, i < PINGS);
	}
}

/* --- sending -------------------------------------------------------------------------------- */

/* Half of them fit into one packet; the others are fragments, now and then dozens. */
static uint32_t random_payload(bool ping)
{
	uint32_t head = sizeof(struct datagram_head);
	unsigned int at = (unsigned int)random_below(20);

	if (at < 10)
		return head + (uint32_t)random_below(1200);
	if (at < 19 || ping)
		return head + 1400 + (uint32_t)random_below(7000);
	return head + (uint32_t)random_below(60000);
}

static const char *kind_of(const struct socket *s, uint32_t size)
{
	bool whole = size <= 1400;

	if (s->ping)
		return whole ? "ping" : "ping_fragmented";
	return whole ? "whole" : "fragmented";
}

static size_t build(const struct socket *s, uint8_t *data, uint32_t seq, uint32_t size)
{
	struct datagram_head head = { REQUEST_MAGIC, seq, size };
	size_t at = s->ping ? PING_HEAD : 0;

	if (s->ping) {
		struct icmphdr icmp = { .type = s->family == 6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO };

		icmp.un.echo.sequence = htons((uint16_t)seq);
		memcpy(data, &icmp, PING_HEAD);
	}
	memcpy(data + at, &head, sizeof(head));
	content_fill(data + at + sizeof(head), seed + seq, sizeof(head), size - sizeof(head));
	return at + size;
}

static void send_one(void)
{
	static uint8_t data[DATAGRAM_MAX];
	struct socket *s = &sockets[random_below(SOCKETS)];
	uint32_t size = random_payload(s->ping);
	uint32_t seq = next_seq++;
	struct pending *p = pending_of(seq);
	size_t len = build(s, data, seq, size);

	if (s->fd < 0 || now_ms() >= s->end_ms)
		return;
	if (p->size) {
		counters.late++;
		return;
	}
	*p = (struct pending){ .seq = seq,
			       .size = size,
			       .sent_ms = now_ms(),
			       .kind = kind_of(s, size),
			       .family = s->family,
			       .port = s->port };
	counters.open++;
	counters.sent++;
	if (send(s->fd, data, len, MSG_NOSIGNAL) < 0) {
		counters.refused++;
		tell(p, strerrorname_np(errno));
		pending_end(p);
	}
}

static void send_due(void)
{
	for (uint64_t n = take_due(rate, BURST, &counters.late); n > 0; n--)
		send_one();
}

/* --- receiving ------------------------------------------------------------------------------ */

static void take(const struct socket *s, const uint8_t *data, size_t len)
{
	struct datagram_head head;
	struct pending *p;

	memcpy(&head, data, sizeof(head));
	p = pending_of(head.seq);
	if (len < sizeof(head) || head.magic != REQUEST_MAGIC || head.size != len ||
	    head.seq >= next_seq ||
	    !content_is(data + sizeof(head), seed + head.seq, sizeof(head), len - sizeof(head))) {
		struct pending none = { .kind = kind_of(s, (uint32_t)len),
					.family = s->family,
					.port = s->port,
					.seq = head.seq };

		counters.wrong++;
		tell(&none, "wrong bytes");
	} else if (p->size && p->seq == head.seq && p->port == s->port) {
		counters.back++;
		pending_end(p);
	} else if (p->seq == head.seq && now_ms() - p->sent_ms < LOST_MS) {
		counters.twice++;
		tell(p, "twice");
	} else {
		counters.late++;
	}
}

static void receive(struct socket *s)
{
	static uint8_t data[DATAGRAM_MAX];

	for (;;) {
		ssize_t n = recv(s->fd, data, sizeof(data), MSG_DONTWAIT);
		size_t skip = s->ping ? PING_HEAD : 0;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			/* An ICMP error; what it was about is told as lost. */
			counters.refused++;
			continue;
		}
		take(s, data + skip, (size_t)n > skip ? (size_t)n - skip : 0);
	}
}

static void end_lost(void)
{
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < PENDING_MAX; i++) {
		struct pending *p = &pending[i];

		if (!p->size || now - p->sent_ms < LOST_MS)
			continue;
		counters.lost++;
		tell(p, "lost");
		pending_end(p);
	}
}

static void run_once(void)
{
	static uint64_t swept_ms, told_ms;
	struct epoll_event events[SOCKETS];
	int n = epoll_wait(epoll_fd, events, SOCKETS, TICK_MS);
	uint64_t now = now_ms();

	(void)take_pause();
	for (int i = 0; i < n; i++)
		receive(events[i].data.ptr);
	if (now - swept_ms >= 1000) {
		swept_ms = now;
		end_lost();
		if (!stopping)
			renew_sockets();
	}
	if (!stopping)
		send_due();
	if (now - told_ms >= COUNTERS_S * 1000) {
		told_ms = now;
		print_counters(false);
	}
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr, "usage: datagram ADDRESS4 ADDRESS6 PORT RATE SEED\n");
		return 2;
	}
	to[0] = parse_address(argv[1], parse_count(argv[3], 65535));
	to[1] = parse_address(argv[2], parse_count(argv[3], 65535));
	rate = parse_count(argv[4], 100000);
	random_state = parse_count(argv[5], 1U << 31);
	seed = mix(random_state);
	catch_signals();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < SOCKETS; i++)
		sockets[i].fd = -1;
	while (!stopping || counters.open)
		run_once();
	print_counters(true);
	return counters.wrong + counters.twice > 0;
}
