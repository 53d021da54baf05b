/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bench for the stack alone: what it writes is caught in memory, what the application
 * sends is made by hand, and the owner takes as many bytes as it is told to.
 */
#ifndef UNIT_STACK_STACK_BENCH_H
#define UNIT_STACK_STACK_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "lib/segment.h"
#include "stack/internal.h"

#define CAUGHT_MAX 256
#define TAKEN_MAX (1 << 20)

struct caught {
	struct packet_path path;
	struct segment s;
	struct queue_offload off;
	bool offloaded;
	size_t len;
	uint8_t packet[SEGMENT_PACKET_MAX];
};

static struct {
	struct stack *stack;
	struct loop *loop;
	struct conn conn;
	uint64_t now_ns;
	int output_error; /* what output() returns */
	struct caught caught[CAUGHT_MAX];
	unsigned int count;
	size_t take; /* bytes that received() takes at most, in all */
	uint8_t taken[TAKEN_MAX];
	size_t taken_len;
	bool abort_in_received;
	unsigned int gone;
	/* the application's end */
	struct packet_path path;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	bool no_sack;
	struct segment with; /* SACK blocks of its segments */
} sb;

static uint64_t sb_clock(void)
{
	return sb.now_ns;
}

static int sb_output(void *arg, const struct iovec *iov, int iovcnt,
		     const struct queue_offload *off)
{
	struct caught *c = &sb.caught[sb.count];

	assert_ptr_equal(arg, &sb);
	if (sb.output_error)
		return sb.output_error;
	assert_true(sb.count < CAUGHT_MAX);
	assert_true(iovcnt <= QUEUE_IOV_MAX);
	c->len = 0;
	for (int i = 0; i < iovcnt; i++) {
		assert_true(c->len + iov[i].iov_len <= sizeof(c->packet));
		memcpy(c->packet + c->len, iov[i].iov_base, iov[i].iov_len);
		c->len += iov[i].iov_len;
	}
	c->offloaded = off != NULL;
	if (off)
		c->off = *off;
	assert_true(segment_parse(c->packet, c->len, !off, &c->path, &c->s));
	sb.count++;
	return 0;
}

static size_t sb_received(struct conn *c, const struct iovec *iov, int iovcnt)
{
	size_t n = 0;

	for (int i = 0; i < iovcnt && n < sb.take; i++) {
		size_t len = iov[i].iov_len < sb.take - n ? iov[i].iov_len : sb.take - n;

		assert_true(sb.taken_len + len <= TAKEN_MAX);
		memcpy(sb.taken + sb.taken_len, iov[i].iov_base, len);
		sb.taken_len += len;
		n += len;
	}
	sb.take -= n;
	if (sb.abort_in_received)
		conn_abort(c);
	return n;
}

static void sb_gone(struct conn *c)
{
	assert_ptr_equal(c, &sb.conn);
	assert_null(c->pcb);
	sb.gone++;
}

static void sb_up_with(const char *app, const char *to, bool tso)
{
	static const struct stack_ops ops = { sb_output, sb_received, sb_gone };
	struct stack_options opt = {
		.ops = &ops,
		.arg = &sb,
		.mtu = 1500,
		.tso = tso,
		.buffers_max = 64 << 20,
	};

	memset(&sb, 0, sizeof(sb));
	sb.now_ns = 1000 * NSEC_PER_SEC;
	clock_inject(sb_clock);
	assert_int_equal(loop_new(&sb.loop), 0);
	opt.loop = sb.loop;
	assert_int_equal(addr_parse("10.0.0.1", &opt.address4), 0);
	assert_int_equal(stack_new(&opt, &sb.stack), 0);
	conn_init(&sb.conn, sb.stack);
	assert_int_equal(addr_parse(app, &sb.path.src), 0);
	assert_int_equal(addr_parse(to, &sb.path.dst), 0);
	sb.path.sport = htons(4000);
	sb.path.dport = htons(80);
	sb.seq = 0xfffffff0; /* wraps soon */
	sb.window = 65535;
	sb.take = TAKEN_MAX;
}

static __attribute__((unused)) int sb_up(void **state)
{
	sb_up_with("10.0.0.2", "192.0.2.255", true);
	return 0;
}

static __attribute__((unused)) int sb_up6(void **state)
{
	sb_up_with("fd68::2", "2001:db8::1", true);
	return 0;
}

static __attribute__((unused)) int sb_up_plain(void **state)
{
	sb_up_with("10.0.0.2", "192.0.2.1", false);
	return 0;
}

static __attribute__((unused)) int sb_down(void **state)
{
	conn_release(&sb.conn);
	stack_trim(sb.stack);
	assert_int_equal(stack_buffer_bytes(sb.stack), 0);
	stack_free(sb.stack);
	loop_free(sb.loop);
	clock_inject(NULL);
	return 0;
}

static __attribute__((unused)) void sb_skip(unsigned int ms)
{
	for (unsigned int step; ms > 0; ms -= step) {
		step = ms < 125 ? ms : 125;
		sb.now_ns += step * NSEC_PER_MSEC;
		assert_int_equal(loop_once(sb.loop, 0), 0);
	}
}

/* Builds a segment; `head` is its parsed form. */
static uint8_t *sb_segment(uint8_t flags, const void *data, size_t len, struct packet *ret_head)
{
	static uint8_t packet[SEGMENT_PACKET_MAX];
	struct segment s = {
		.flags = flags,
		.seq = sb.seq,
		.ack = sb.ack,
		.window = sb.window,
		.payload = data,
		.len = len,
		.mss = 1460,
		.scale = 7,
		.sack_permitted = !sb.no_sack,
		.sack_blocks = sb.with.sack_blocks,
	};
	size_t n;

	memcpy(s.sack, sb.with.sack, sizeof(s.sack));
	n = segment_build(packet, &sb.path, &s);
	assert_int_equal(packet_parse(ret_head, packet, packet + n, 0), 0);
	if (!(flags & SEG_RST))
		sb.seq += (uint32_t)len + !!(flags & SEG_SYN) + !!(flags & SEG_FIN);
	return packet;
}

static __attribute__((unused)) void sb_send(uint8_t flags, const void *data, size_t len)
{
	struct packet head;
	uint8_t *packet = sb_segment(flags, data, len, &head);

	conn_input(&sb.conn, &head, packet);
}

static __attribute__((unused)) struct segment *sb_last(void)
{
	assert_true(sb.count > 0);
	return &sb.caught[sb.count - 1].s;
}

static __attribute__((unused)) void sb_syn(void)
{
	struct packet head;
	uint8_t *packet = sb_segment(SEG_SYN, NULL, 0, &head);

	assert_int_equal(conn_open(&sb.conn, &head, packet), 0);
	assert_int_equal(sb.conn.state, CONN_OPENING);
	assert_int_equal(sb_last()->flags, SEG_SYN | SEG_ACK);
	sb.ack = sb_last()->seq + 1;
}

static __attribute__((unused)) void sb_open(void)
{
	sb_syn();
	sb_send(SEG_ACK, NULL, 0);
	assert_int_equal(sb.conn.state, CONN_OPEN);
	sb.count = 0;
}

/* Upstream's next bytes; 0 or what conn_commit() says. */
static __attribute__((unused)) int sb_push(const void *data, size_t len)
{
	struct iovec iov;

	assert_int_equal(conn_reserve(&sb.conn, &iov, 1), 1);
	assert_true(len <= iov.iov_len);
	memcpy(iov.iov_base, data, len);
	return conn_commit(&sb.conn, len);
}

#define SB_TEST(f) cmocka_unit_test_setup_teardown(f, sb_up, sb_down)
#define SB_TEST6(f) cmocka_unit_test_setup_teardown(f, sb_up6, sb_down)
#define SB_TEST_PLAIN(f) cmocka_unit_test_setup_teardown(f, sb_up_plain, sb_down)

#endif
