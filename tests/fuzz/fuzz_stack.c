// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The TCP stack, lwIP included, driven by an input that says what an application, upstream
 * and the clock do next. The application is hostile: any flags, numbers, windows, overlaps.
 *
 * Every byte of a stream follows from its sequence number, so whatever is sent twice agrees,
 * and both directions are checked: what the owner is given must be the application's stream
 * without a hole, and what leaves must be upstream's at that number.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stack/internal.h"
#include "tests/fuzz/fuzz.h"

#define CONNS 2
#define HEADERS 100
#define BUFFERED_MAX (8U << 20) /* two windows and two send buffers, with slack */

struct side {
	struct conn conn;
	uint16_t port;
	bool open; /* conn_open() was called and it was not released since */
	uint32_t isn; /* the application's */
	uint32_t next; /* its next byte */
	uint32_t taken; /* sequence number behind what the owner took */
	uint32_t our_isn;
	uint32_t got; /* what the application would acknowledge */
	uint32_t pushed; /* sequence number behind what upstream gave */
	bool finished;
};

static struct side sides[CONNS];
static struct stack *stack;
static struct loop *loop;
static uint64_t now_ns;
static bool output_fails;
static bool sacks; /* segments carry SACK blocks */
static size_t take;
static size_t ip_bytes; /* of a header: 20 or 40 */

static uint64_t fuzz_clock(void)
{
	return now_ns;
}

static uint8_t byte_at(uint32_t seq)
{
	return (uint8_t)(seq * 31 + (seq >> 8) * 7);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* A segment leaves: its bytes must be upstream's. */
static void check_output(struct side *s, const uint8_t *tcp, size_t len)
{
	size_t header = (size_t)(tcp[12] >> 4) * 4;
	uint32_t seq = get32(tcp + 4);

	require(header >= 20 && header <= len);
	if (tcp[13] & 0x02) {
		s->our_isn = seq;
		s->got = seq + 1;
		s->pushed = s->pushed ? s->pushed : seq + 1;
		return;
	}
	for (size_t i = header; i < len; i++)
		require(tcp[i] == byte_at(seq + (uint32_t)(i - header)));
	if (len > header)
		require((int32_t)(seq + (uint32_t)(len - header) - s->pushed) <= 0);
	if (seq == s->got)
		s->got += (uint32_t)(len - header) + (tcp[13] & 0x01);
}

static int fuzz_output(void *arg, const struct iovec *iov, int iovcnt,
		       const struct queue_offload *off)
{
	static uint8_t packet[65536];
	size_t len = 0;

	require(iovcnt > 0 && iovcnt <= QUEUE_IOV_MAX);
	for (int i = 0; i < iovcnt; i++) {
		require(len + iov[i].iov_len <= sizeof(packet));
		memcpy(packet + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	require(len >= ip_bytes + 20 && packet[0] >> 4 == (ip_bytes == 40 ? 6 : 4));
	if (off && off->gso_type != GSO_NONE)
		require(off->gso_size >= 88 && len - off->hdr_len > off->gso_size);
	if (output_fails)
		return -1;
	for (int i = 0; i < CONNS; i++) {
		const uint8_t *tcp = packet + ip_bytes;

		if ((tcp[2] << 8 | tcp[3]) == sides[i].port)
			check_output(&sides[i], tcp, len - ip_bytes);
	}
	return 0;
}

static size_t fuzz_received(struct conn *c, const struct iovec *iov, int iovcnt)
{
	struct side *s = container_of(c, struct side, conn);
	size_t n = 0;

	for (int i = 0; i < iovcnt; i++) {
		for (size_t k = 0; k < iov[i].iov_len && take > 0; k++, n++, take--) {
			require(((uint8_t *)iov[i].iov_base)[k] == byte_at(s->taken));
			s->taken++;
		}
	}
	return n;
}

static void fuzz_gone(struct conn *c)
{
	require(c->state == CONN_CLOSED && !c->pcb && c->end != CONN_END_NONE);
}

static void put_ip(uint8_t *packet, size_t l4_len)
{
	size_t at = ip_bytes == 40 ? 4 : 2, len = ip_bytes == 40 ? l4_len : 20 + l4_len;

	packet[0] = ip_bytes == 40 ? 0x60 : 0x45;
	packet[at] = (uint8_t)(len >> 8);
	packet[at + 1] = (uint8_t)len;
	if (ip_bytes == 40) {
		packet[6] = IPPROTO_TCP;
		packet[7] = 64;
		memcpy(packet + 8, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
		memcpy(packet + 24, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		return;
	}
	packet[8] = 64;
	packet[9] = IPPROTO_TCP;
	memcpy(packet + 12, "\x0a\0\0\2\xc0\0\2\1", 8);
}

static size_t put_random_options(uint8_t *option, struct input *in, uint8_t flags)
{
	size_t len = flags & 0x02 || next8(in) > 250 ? next8(in) % 11 * 4 : 0;

	for (size_t i = 0; i < len; i++)
		option[i] = (uint8_t)next8(in);
	return len;
}

/* Blocks at distances from what is acknowledged that may and may not be in flight. */
static size_t put_sack(uint8_t *option, struct input *in, uint32_t ack)
{
	size_t blocks = next8(in) % 4 + 1;

	option[0] = 1;
	option[1] = 1;
	option[2] = 5;
	option[3] = (uint8_t)(2 + blocks * 8);
	for (size_t i = 0; i < blocks; i++) {
		uint32_t start = ack + next16(in) * 16;

		put32(option + 4 + i * 8, start);
		put32(option + 8 + i * 8, start + next16(in) * 16);
	}
	return 4 + blocks * 8;
}

/* The segment of `s` at seq; options are whatever the input says. */
static void send_segment(struct side *s, struct input *in, uint8_t flags, uint32_t seq,
			 uint32_t ack, uint16_t window, size_t len)
{
	static uint8_t packet[65536];
	uint8_t *tcp = packet + ip_bytes;
	size_t header, total;
	struct packet head;

	memset(packet, 0, HEADERS);
	header = 20 +
		 (sacks ? put_sack(tcp + 20, in, ack) : put_random_options(tcp + 20, in, flags));
	total = ip_bytes + header + len;
	put_ip(packet, header + len);
	tcp[0] = (uint8_t)(s->port >> 8);
	tcp[1] = (uint8_t)s->port;
	tcp[3] = 80;
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = flags;
	tcp[14] = (uint8_t)(window >> 8);
	tcp[15] = (uint8_t)window;
	for (size_t i = 0; i < len; i++)
		tcp[header + i] = byte_at(seq + (uint32_t)i);
	require(packet_parse(&head, packet, packet + total, 0) == 0);
	if (s->open)
		conn_input(&s->conn, &head, packet);
	else if (conn_open(&s->conn, &head, packet) == 0)
		s->open = true;
}

static void open_side(struct side *s, struct input *in)
{
	s->isn = next16(in) << 16 | 0xfff0;
	s->next = s->isn + 1;
	s->taken = s->next;
	s->pushed = 0;
	s->finished = false;
	conn_init(&s->conn, stack);
	send_segment(s, in, 0x02, s->isn, 0, (uint16_t)next16(in), 0);
}

static void act_wild(struct side *s, struct input *in)
{
	uint8_t flags = (uint8_t)next8(in);
	uint32_t seq = s->next + (uint32_t)(int16_t)next16(in);
	uint32_t ack = s->got + (next8(in) & 1 ? (uint32_t)(int16_t)next16(in) : 0);
	uint16_t window = (uint16_t)next16(in);
	uint32_t len = next8(in);

	send_segment(s, in, flags, seq, ack, window, len & 1 ? len * 200 : len / 2);
}

static void act_in_order(struct side *s, struct input *in)
{
	uint32_t len = next16(in) % 60000;
	uint8_t fin = next8(in) > 240;

	send_segment(s, in, 0x10 | fin, s->next, s->got, (uint16_t)next16(in), len);
	s->next += len + fin;
}

/* Lengths above a half stand for as many buffers as there are. */
static void act_push(struct side *s, struct input *in)
{
	size_t room = 0, len = next16(in) + 1;
	struct iovec iov[CONN_RESERVE_MAX];
	int count = conn_reserve(&s->conn, iov, len > 32768 ? CONN_RESERVE_MAX : 1);

	if (!count)
		return;
	for (int i = 0; i < count; i++)
		room += iov[i].iov_len;
	len = len > 32768 ? len * CONN_RESERVE_MAX : len;
	len = len < room ? len : room;
	for (size_t at = 0; at < len; at++)
		((uint8_t *)iov[at / iov->iov_len].iov_base)[at % iov->iov_len] =
			byte_at(s->pushed + (uint32_t)at);
	s->pushed += (uint32_t)len;
	require(conn_commit(&s->conn, len) == 0);
}

static void act_time(struct input *in)
{
	uint32_t steps = next8(in) % 64 + 1;

	while (steps-- > 0) {
		now_ns += 125 * NSEC_PER_MSEC;
		require(loop_once(loop, 0) == 0);
	}
}

/* Says what arrived, in front of which something may be missing. */
static void act_sack(struct side *s, struct input *in)
{
	uint32_t ack = s->got - next16(in) * 16;

	sacks = true;
	send_segment(s, in, 0x10, s->next, ack, (uint16_t)next16(in), 0);
	sacks = false;
}

static void act(struct side *s, struct input *in)
{
	uint32_t what;

	take = next16(in);
	what = next8(in);
	if (what >= 0xe0) {
		act_sack(s, in);
		return;
	}
	switch (what % 9) {
	case 0:
	case 1:
		act_wild(s, in);
		break;
	case 2:
		act_in_order(s, in);
		break;
	case 3:
		send_segment(s, in, 0x10, s->next, s->got, (uint16_t)next16(in), 0);
		break;
	case 4:
		act_push(s, in);
		break;
	case 5:
		conn_resume(&s->conn);
		break;
	case 6:
		conn_finish(&s->conn);
		break;
	case 7:
		act_time(in);
		break;
	default:
		output_fails = next8(in) & 1;
		break;
	}
}

static void step(struct side *s, struct input *in)
{
	if (!s->open) {
		open_side(s, in);
	} else if (s->conn.pcb) {
		act(s, in);
	} else {
		conn_resume(&s->conn);
		conn_release(&s->conn);
		s->open = false;
	}
	require(!tcp_active_pcbs && !tcp_tw_pcbs && !stack->inside);
	require(stack_buffer_bytes(stack) < BUFFERED_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct stack_ops ops = { fuzz_output, fuzz_received, fuzz_gone };
	struct stack_options opt = { .ops = &ops, .mtu = 1500 };
	struct input in = { data, size };

	now_ns = NSEC_PER_SEC;
	clock_inject(fuzz_clock);
	require(loop_new(&loop) == 0);
	opt.loop = loop;
	ip_bytes = size > 0 && data[0] & 2 ? 40 : 20;
	opt.tso = next8(&in) & 1;
	opt.buffers_max = next8(&in) << 16; /* none at all, to 16 MB */
	require(addr_parse("10.0.0.1", &opt.address4) == 0);
	require(stack_new(&opt, &stack) == 0);
	memset(sides, 0, sizeof(sides));
	output_fails = false;
	for (int i = 0; i < CONNS; i++) {
		sides[i].port = (uint16_t)(4000 + i);
		conn_init(&sides[i].conn, stack);
	}
	while (in.left > 0)
		step(&sides[next8(&in) % CONNS], &in);
	for (int i = 0; i < CONNS; i++)
		conn_release(&sides[i].conn);
	stack_trim(stack);
	require(stack_buffer_bytes(stack) == 0);
	stack_free(stack);
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}
