// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An application's end of connections. See the header. */
#include "lib/peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"

#define TURN_MS 2
#define FIRST_PORT 20000
#define LAST_PORT 60000
#define UPLOAD_SEGMENT 1400
#define SEND_BYTES (1 << 20)

struct peer_link peer_link;

const uint8_t *peer_bytes(void)
{
	static uint8_t bytes[PEER_BYTES];
	uint32_t x = 1;

	if (bytes[1] != 0)
		return bytes;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(x >> 24) | 1;
	}
	return bytes;
}

/* Real time, whatever the engine's clock says. */
static int64_t real_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- one segment ------------------------------------------------------------------------ */

struct peer peer_new(void)
{
	static uint16_t port = FIRST_PORT;
	struct peer p = {
		.path = { .src = peer_link.app, .dst = peer_link.server, .dport = peer_link.port },
		.isn = 1000,
		.window = 65535,
		.mss = 1460,
		.scale = 7,
		.up = -1,
	};

	p.path.sport = htons(port);
	port = port == LAST_PORT ? FIRST_PORT : port + 1;
	return p;
}

struct peer peer_new_silent(void)
{
	struct peer p = peer_new();

	p.path.dst = peer_link.silent;
	return p;
}

void peer_put(const struct peer *p, const struct segment *s)
{
	static uint8_t packet[SEGMENT_PACKET_MAX];

	peer_link.put(packet, segment_build(packet, &p->path, s));
}

static struct segment peer_segment(const struct peer *p, uint8_t flags, const void *data,
				   size_t len)
{
	struct segment s = {
		.flags = flags,
		.seq = p->seq,
		.ack = flags & SEG_ACK ? p->ack : 0,
		.window = p->window,
		.payload = data,
		.len = len,
		.scale = -1,
	};

	if (flags & SEG_SYN) {
		s.mss = p->mss;
		s.scale = p->scale;
		s.sack_permitted = true;
	}
	return s;
}

void peer_send(struct peer *p, uint8_t flags, const void *data, size_t len)
{
	struct segment s = peer_segment(p, flags, data, len);

	peer_put(p, &s);
	if (!(flags & SEG_RST))
		p->seq += (uint32_t)len + !!(flags & SEG_SYN) + !!(flags & SEG_FIN);
}

void peer_ack(struct peer *p)
{
	peer_send(p, SEG_ACK, NULL, 0);
}

void peer_send_at(const struct peer *p, uint8_t flags, int32_t ahead, int32_t ack_ahead,
		  const void *data, size_t len)
{
	struct segment s = peer_segment(p, flags, data, len);

	s.seq += (uint32_t)ahead;
	s.ack += (uint32_t)ack_ahead;
	peer_put(p, &s);
}

/* A packet of this connection, if one is there. */
static bool peer_take(const struct peer *p, struct segment *ret_s)
{
	static uint8_t packet[SEGMENT_PACKET_MAX];
	struct packet_path path;
	bool complete;
	ssize_t n;

	for (;;) {
		n = peer_link.take(packet, sizeof(packet), &complete);
		if (n < 0)
			return false;
		if (!segment_parse(packet, (size_t)n, complete, &path, ret_s))
			continue; /* not TCP; its checksum is part of the path's check below */
		if (addr_eq(&path.src, &p->path.dst) && addr_eq(&path.dst, &p->path.src) &&
		    path.sport == p->path.dport && path.dport == p->path.sport)
			return true;
	}
}

bool peer_wait(const struct peer *p, struct segment *ret_s, int ms)
{
	int64_t end = real_ms() + ms;

	do {
		if (peer_take(p, ret_s))
			return true;
		peer_link.turn(-1, TURN_MS);
	} while (real_ms() <= end);
	return peer_take(p, ret_s);
}

struct segment peer_expect(const struct peer *p, uint8_t flags)
{
	struct segment s;

	for (;;) {
		assert_true(peer_wait(p, &s, PEER_WAIT_MS));
		if ((s.flags & flags) == flags)
			return s;
		assert_int_equal(s.len, 0);
	}
}

void peer_expect_challenge(const struct peer *p)
{
	struct segment s;

	assert_true(peer_wait(p, &s, PEER_WAIT_MS));
	assert_int_equal(s.flags, SEG_ACK);
	assert_int_equal(s.len, 0);
	assert_int_equal(s.seq, p->ack);
	assert_int_equal(s.ack, p->seq);
}

void peer_expect_silence(const struct peer *p)
{
	struct segment s;

	assert_false(peer_wait(p, &s, PEER_QUIET_MS));
}

void peer_expect_gone(const struct peer *p)
{
	struct segment s;

	while (peer_take(p, &s))
		;
	peer_send_at(p, SEG_ACK, 0, 77, NULL, 0);
	assert_true(peer_wait(p, &s, PEER_WAIT_MS));
	assert_int_equal(s.flags, SEG_RST);
	assert_int_equal(s.seq, p->ack + 77);
}

/* --- opening ---------------------------------------------------------------------------- */

static int accept_now(void)
{
	return accept4(peer_link.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* What an earlier test that failed has left is nobody's. */
static void accept_leftovers(void)
{
	int fd;

	while ((fd = accept_now()) >= 0)
		close(fd);
}

void peer_syn(struct peer *p)
{
	accept_leftovers();
	p->seq = p->isn;
	peer_send(p, SEG_SYN, NULL, 0);
}

void peer_syn_again(const struct peer *p, uint32_t isn)
{
	peer_send_at(p, SEG_SYN, (int32_t)(isn - p->seq), 0, NULL, 0);
}

void peer_handshake(struct peer *p)
{
	struct segment s = peer_expect(p, SEG_SYN | SEG_ACK);

	assert_int_equal(s.ack, p->seq);
	p->ack = s.seq + 1;
	peer_ack(p);
}

/* Whatever peer_upstream_writes() is given, at once. */
static void accept_writes(int fd)
{
	int bytes = SEND_BYTES;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

void peer_accept(struct peer *p)
{
	int64_t end = real_ms() + PEER_WAIT_MS;

	while (real_ms() <= end) {
		p->up = accept_now();
		if (p->up >= 0) {
			accept_writes(p->up);
			return;
		}
		peer_link.turn(peer_link.listener, TURN_MS);
	}
	fail_msg("no connection upstream");
}

void peer_expect_no_upstream(void)
{
	peer_link.turn(peer_link.listener, TURN_MS);
	assert_int_equal(accept_now(), -1);
}

void peer_open(struct peer *p)
{
	peer_syn(p);
	peer_handshake(p);
	peer_accept(p);
}

struct peer peer_opened(void)
{
	struct peer p = peer_new();

	peer_open(&p);
	return p;
}

/* --- upstream --------------------------------------------------------------------------- */

void peer_upstream_reads(const struct peer *p, const void *data, size_t len)
{
	const uint8_t *wanted = data;
	static uint8_t buf[65536];
	int64_t end = real_ms() + PEER_WAIT_MS;

	while (len > 0) {
		ssize_t n = recv(p->up, buf, len < sizeof(buf) ? len : sizeof(buf), MSG_DONTWAIT);

		if (n > 0) {
			assert_memory_equal(buf, wanted, (size_t)n);
			wanted += n;
			len -= (size_t)n;
			continue;
		}
		assert_true(n < 0 && errno == EAGAIN && real_ms() <= end);
		peer_link.turn(p->up, TURN_MS);
	}
}

int peer_upstream_ends(const struct peer *p)
{
	int64_t end = real_ms() + PEER_WAIT_MS;

	while (real_ms() <= end) {
		uint8_t byte;
		ssize_t n = recv(p->up, &byte, 1, MSG_DONTWAIT);

		assert_true(n <= 0); /* bytes that nobody sent, or that should have been read */
		if (n == 0 || errno != EAGAIN)
			return n == 0 ? 0 : errno;
		peer_link.turn(p->up, TURN_MS);
	}
	fail_msg("upstream's connection did not end");
	return -1;
}

void peer_upstream_writes(const struct peer *p, const void *data, size_t len)
{
	assert_int_equal(send(p->up, data, len, MSG_NOSIGNAL), len);
}

void peer_upstream_closes(struct peer *p)
{
	close(p->up);
	p->up = -1;
}

/* --- bytes ------------------------------------------------------------------------------ */

/* Of a segment, which may go round the end of the bytes. */
static void compare_round(const uint8_t *got, size_t len, const uint8_t *ring, size_t round,
			  size_t at)
{
	while (len > 0) {
		size_t n = round - at % round;

		if (n > len)
			n = len;
		assert_memory_equal(got, ring + at % round, n);
		got += n;
		at += n;
		len -= n;
	}
}

/* Takes what a segment brings of a stream, `at` bytes of which are in; returns how much. */
static size_t reads_segment(struct peer *p, const uint8_t *ring, size_t round, size_t at)
{
	struct segment s;
	size_t skip;

	assert_true(peer_wait(p, &s, PEER_WAIT_MS));
	assert_false(s.flags & SEG_RST);
	skip = p->ack - s.seq;
	if (skip >= s.len)
		return 0;
	compare_round(s.payload + skip, s.len - skip, ring, round, at);
	p->ack += (uint32_t)(s.len - skip);
	peer_ack(p);
	return s.len - skip;
}

void peer_reads(struct peer *p, const void *data, size_t len)
{
	size_t got = 0;

	while (got < len)
		got += reads_segment(p, data, len, got);
	assert_int_equal(got, len);
}

void peer_works(struct peer *p)
{
	static uint32_t count;
	uint32_t up = ++count, down = ~count;

	peer_send(p, SEG_ACK | SEG_PSH, &up, sizeof(up));
	peer_upstream_reads(p, &up, sizeof(up));
	peer_upstream_writes(p, &down, sizeof(down));
	peer_reads(p, &down, sizeof(down));
}

void peer_uploads(struct peer *p, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t start = at % PEER_BYTES, n = PEER_BYTES - start;

		if (n > UPLOAD_SEGMENT)
			n = UPLOAD_SEGMENT;
		if (n > len - at)
			n = len - at;
		peer_send(p, SEG_ACK, peer_bytes() + start, n);
		peer_upstream_reads(p, peer_bytes() + start, n);
		at += n;
	}
}

/* What upstream's socket takes of the stream from `at` on. */
static size_t writes_some(const struct peer *p, size_t at, size_t len)
{
	size_t start = at % PEER_BYTES, n = PEER_BYTES - start;
	ssize_t r;

	if (n > len - at)
		n = len - at;
	r = send(p->up, peer_bytes() + start, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	assert_true(r >= 0 || errno == EAGAIN);
	return r > 0 ? (size_t)r : 0;
}

void peer_downloads(struct peer *p, size_t len)
{
	size_t written = 0, got = 0;

	while (got < len) {
		for (size_t n = 1; n > 0 && written < len; written += n)
			n = writes_some(p, written, len);
		got += reads_segment(p, peer_bytes(), PEER_BYTES, got);
	}
	assert_int_equal(got, len);
}

void peer_drop(struct peer *p)
{
	if (p->up >= 0)
		close(p->up);
	p->up = -1;
	peer_send_at(p, SEG_RST, 0, 0, NULL, 0);
	peer_link.turn(-1, TURN_MS);
}
