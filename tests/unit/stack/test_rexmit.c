// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A download over a simulated network: every packet of 1,460 bytes and every ACK takes half a
 * round trip, some are lost, late or doubled by a seeded generator, and the receiver says what
 * it has as RFC 2018 wants it. Time is simulated as well, so each run is the same.
 */
#include "unit/stack/stack_bench.h"

#define MSS 1460
#define WRITE (40 * MSS)
#define PIECES 1600 /* of the download, about 2.3 MB */
#define QUEUE_MAX 8192
#define RECENT 3 /* SACK blocks of an ACK */
#define SEEDS 8

struct network {
	uint32_t rtt_ms;
	uint32_t lost, late, doubled; /* of 1,000 */
	uint32_t limit_ms; /* for the download */
	uint32_t stall_ms; /* longest time without a new piece */
};

/* A packet or ACK that is under way. */
struct flying {
	uint32_t at_ms; /* 0 = none */
	uint32_t piece; /* ACK: what is expected next */
	unsigned int blocks;
	uint32_t block[RECENT][2];
};

static struct flying packets[QUEUE_MAX], acks[QUEUE_MAX];
static bool have[PIECES + 1];
static uint32_t recent[RECENT]; /* pieces that came early, the last one first */
static uint32_t next_piece, isn, now_ms, random_state;
static const struct network *net;

static uint32_t chance(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % 1000;
}

static void fly_once(struct flying *queue, struct flying f)
{
	f.at_ms = now_ms + (net->rtt_ms + 1) / 2 + (chance() < net->late ? net->rtt_ms : 0);
	for (int i = 0; i < QUEUE_MAX; i++) {
		if (queue[i].at_ms == 0) {
			queue[i] = f;
			return;
		}
	}
	fail();
}

static void fly(struct flying *queue, struct flying f)
{
	if (chance() < net->lost)
		return;
	fly_once(queue, f);
	if (chance() < net->doubled)
		fly_once(queue, f);
}

static uint8_t byte_at(uint32_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

/* What the stack has written leaves in packets of one piece. */
static void send_caught(void)
{
	for (unsigned int i = 0; i < sb.count; i++) {
		const struct segment *s = &sb.caught[i].s;
		uint32_t at = s->seq - isn;

		assert_int_equal(at % MSS, 0);
		assert_int_equal(s->len % MSS, 0);
		assert_true(at + s->len <= PIECES * MSS);
		for (uint32_t k = 0; k < s->len; k += 97)
			assert_int_equal(s->payload[k], byte_at(at + k));
		for (uint32_t k = 0; k < s->len; k += MSS)
			fly(packets, (struct flying){ .piece = (at + k) / MSS });
	}
	sb.count = 0;
}

static void add_block(struct flying *ack, uint32_t piece)
{
	uint32_t start = piece, end = piece + 1;

	if (piece <= next_piece || !have[piece])
		return;
	while (have[start - 1])
		start--;
	while (have[end])
		end++;
	for (unsigned int i = 0; i < ack->blocks; i++) {
		if (ack->block[i][0] == start)
			return;
	}
	ack->block[ack->blocks][0] = start;
	ack->block[ack->blocks++][1] = end;
}

static void receive(uint32_t piece)
{
	struct flying ack = { 0 };

	have[piece] = true;
	while (next_piece < PIECES && have[next_piece])
		next_piece++;
	if (piece > next_piece) {
		memmove(recent + 1, recent, sizeof(recent) - sizeof(*recent));
		recent[0] = piece;
	}
	ack.piece = next_piece;
	for (int i = 0; i < RECENT; i++)
		add_block(&ack, recent[i]);
	fly(acks, ack);
}

static void acknowledge(const struct flying *f)
{
	sb.ack = isn + f->piece * MSS;
	sb.with.sack_blocks = f->blocks;
	for (unsigned int i = 0; i < f->blocks; i++) {
		sb.with.sack[i].start = isn + f->block[i][0] * MSS;
		sb.with.sack[i].end = isn + f->block[i][1] * MSS;
	}
	sb_send(SEG_ACK, NULL, 0);
	send_caught();
}

static void arrive(void)
{
	for (int i = 0; i < QUEUE_MAX; i++) {
		if (packets[i].at_ms && packets[i].at_ms <= now_ms) {
			packets[i].at_ms = 0;
			receive(packets[i].piece);
		}
	}
	for (int i = 0; i < QUEUE_MAX; i++) {
		if (acks[i].at_ms && acks[i].at_ms <= now_ms) {
			acks[i].at_ms = 0;
			acknowledge(&acks[i]);
		}
	}
}

static uint32_t push(uint32_t pushed)
{
	static uint8_t data[WRITE];

	while (pushed < PIECES * MSS && conn_room(&sb.conn)) {
		for (uint32_t i = 0; i < WRITE; i++)
			data[i] = byte_at(pushed + i);
		assert_int_equal(sb_push(data, WRITE), 0);
		pushed += WRITE;
		send_caught();
	}
	return pushed;
}

static void download_once(const struct network *n, uint32_t seed)
{
	uint32_t pushed = 0, progress = 0;

	net = n;
	now_ms = 1;
	next_piece = 0;
	random_state = seed;
	memset(packets, 0, sizeof(packets));
	memset(acks, 0, sizeof(acks));
	memset(have, 0, sizeof(have));
	memset(recent, 0, sizeof(recent));
	sb_syn();
	sb_skip(n->rtt_ms);
	sb_send(SEG_ACK, NULL, 0);
	isn = sb.ack;
	sb.count = 0;
	while (sb.conn.pcb->lastack != isn + PIECES * MSS) {
		uint32_t before = next_piece;

		pushed = push(pushed);
		now_ms++;
		sb_skip(1);
		send_caught();
		arrive();
		progress = next_piece != before ? now_ms : progress;
		assert_true(next_piece == PIECES || now_ms - progress <= n->stall_ms);
		assert_true(now_ms <= n->limit_ms);
	}
	assert_int_equal(next_piece, PIECES);
	assert_int_equal(sb.conn.tx_held, 0);
}

static void download(const struct network *n, int (*up)(void **state))
{
	uint32_t longest = 0;

	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		up(NULL);
		download_once(n, seed);
		sb_down(NULL);
		longest = now_ms > longest ? now_ms : longest;
	}
	print_message("rtt %u ms, lost %u, late %u, doubled %u of 1000: at most %u ms\n", n->rtt_ms,
		      n->lost, n->late, n->doubled, longest);
}

static void nothing_is_lost(void **state)
{
	download(&(struct network){ .rtt_ms = 20, .limit_ms = 80, .stall_ms = 30 }, sb_up);
}

static void one_percent_at_1_ms(void **state)
{
	download(&(struct network){ 1, 10, 0, 10, .limit_ms = 200, .stall_ms = 50 }, sb_up);
}

static void five_percent_at_1_ms(void **state)
{
	download(&(struct network){ 1, 50, 0, 10, .limit_ms = 400, .stall_ms = 250 }, sb_up);
}

static void one_percent_at_20_ms(void **state)
{
	download(&(struct network){ 20, 10, 0, 10, .limit_ms = 400, .stall_ms = 250 }, sb_up);
}

static void five_percent_at_20_ms(void **state)
{
	download(&(struct network){ 20, 50, 0, 10, .limit_ms = 1000, .stall_ms = 400 }, sb_up);
}

static void five_percent_without_gso(void **state)
{
	download(&(struct network){ 20, 50, 0, 10, .limit_ms = 1000, .stall_ms = 400 },
		 sb_up_plain);
}

static void five_percent_at_100_ms(void **state)
{
	download(&(struct network){ 100, 50, 0, 10, .limit_ms = 3000, .stall_ms = 900 }, sb_up);
}

static void much_out_of_order(void **state)
{
	download(&(struct network){ 20, 0, 100, 50, .limit_ms = 400, .stall_ms = 100 }, sb_up);
}

static void everything_at_once(void **state)
{
	download(&(struct network){ 20, 200, 100, 50, .limit_ms = 4000, .stall_ms = 1500 }, sb_up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(one_percent_at_1_ms),
		cmocka_unit_test(five_percent_at_1_ms),
		cmocka_unit_test(one_percent_at_20_ms),
		cmocka_unit_test(five_percent_at_20_ms),
		cmocka_unit_test(five_percent_without_gso),
		cmocka_unit_test(five_percent_at_100_ms),
		cmocka_unit_test(much_out_of_order),
		cmocka_unit_test(everything_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
