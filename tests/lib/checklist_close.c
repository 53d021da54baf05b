// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checklist: FIN in all its ways, RST in every state, TIME_WAIT. */
#include "lib/checklist.h"

#include <errno.h>

#define LONG_STEP_MS 250
#define LONG_STEPS 120

/* Our FIN, as often as it takes a timer to send it; its number. */
static uint32_t wait_fin(const struct peer *p)
{
	struct segment s;

	for (int i = 0; i < LONG_STEPS; i++) {
		while (peer_wait(p, &s, 0)) {
			if (s.flags & SEG_FIN)
				return s.seq + (uint32_t)s.len;
		}
		peer_link.pass(LONG_STEP_MS);
	}
	fail_msg("no FIN");
	return 0;
}

static void wait_ack(const struct peer *p)
{
	while (peer_expect(p, SEG_ACK).ack != p->seq)
		;
}

static void fin_with_data_again_and_data_behind_it(void **state)
{
	struct peer p = peer_opened();

	peer_send(&p, SEG_ACK | SEG_FIN, "bye", 3);
	wait_ack(&p);
	peer_upstream_reads(&p, "bye", 3);
	assert_int_equal(peer_upstream_ends(&p), 0);
	peer_send_at(&p, SEG_ACK | SEG_FIN, -4, 0, "bye", 3);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_ACK | SEG_FIN, -1, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_ACK, 0, 0, "late", 4);
	peer_upstream_writes(&p, "answer", 6);
	peer_reads(&p, "answer", 6);
	assert_int_equal(peer_upstream_ends(&p), 0);
	peer_upstream_closes(&p);
	p.ack = wait_fin(&p) + 1;
	peer_ack(&p);
	peer_expect_gone(&p);
}

static void fin_before_its_data_waits_for_it(void **state)
{
	struct peer p = peer_opened();

	peer_send_at(&p, SEG_ACK | SEG_FIN, 5, 0, NULL, 0);
	peer_works(&p); /* four of the five bytes, and an answer */
	peer_send(&p, SEG_ACK, "x", 1);
	p.seq++;
	peer_upstream_reads(&p, "x", 1);
	assert_int_equal(peer_upstream_ends(&p), 0);
	peer_drop(&p);
}

static void our_fin_comes_again_until_it_is_acknowledged(void **state)
{
	struct peer p = peer_opened();
	uint32_t fin;

	peer_upstream_writes(&p, "last", 4);
	peer_upstream_closes(&p);
	peer_reads(&p, "last", 4);
	fin = wait_fin(&p);
	assert_int_equal(fin, p.ack);
	assert_int_equal(wait_fin(&p), fin);
	p.ack = fin + 1;
	peer_send(&p, SEG_ACK | SEG_FIN, NULL, 0);
	peer_expect_challenge(&p);
	peer_drop(&p);
}

static void both_close_at_once(void **state)
{
	struct peer p = peer_opened();

	peer_upstream_closes(&p);
	assert_int_equal(wait_fin(&p), p.ack);
	peer_send(&p, SEG_ACK | SEG_FIN, NULL, 0); /* sent before ours came */
	wait_ack(&p);
	p.ack++;
	peer_ack(&p);
	peer_send_at(&p, SEG_ACK | SEG_FIN, -1, 0, NULL, 0); /* again */
	peer_expect_challenge(&p);
}

/* --- RST in every state ----------------------------------------------------------------- */

static void at_opening(struct peer *p)
{
	peer_syn(p);
	p->ack = peer_expect(p, SEG_SYN | SEG_ACK).seq + 1;
	peer_accept(p);
}

static void at_close_wait(struct peer *p)
{
	peer_open(p);
	peer_send(p, SEG_ACK | SEG_FIN, NULL, 0);
	wait_ack(p);
	assert_int_equal(peer_upstream_ends(p), 0);
}

static void at_last_ack(struct peer *p)
{
	at_close_wait(p);
	peer_upstream_closes(p);
	wait_fin(p);
}

static void at_fin_wait_1(struct peer *p)
{
	peer_open(p);
	peer_upstream_closes(p);
	wait_fin(p);
}

static void at_fin_wait_2(struct peer *p)
{
	at_fin_wait_1(p);
	p->ack++;
	peer_ack(p);
}

static void at_closing(struct peer *p)
{
	at_fin_wait_1(p);
	peer_send(p, SEG_ACK | SEG_FIN, NULL, 0);
	wait_ack(p);
}

/* Only the exact one ends the connection, and upstream learns of it if it is still there. */
static void reset_at(void (*reach)(struct peer *p))
{
	struct peer p = peer_new();

	reach(&p);
	peer_send_at(&p, SEG_RST, 7, 0, NULL, 0);
	assert_int_equal(peer_expect(&p, SEG_ACK).ack, p.seq);
	peer_send_at(&p, SEG_RST, -7, 0, NULL, 0);
	peer_send_at(&p, SEG_RST, 0, 0, NULL, 0);
	if (p.up >= 0)
		assert_true(peer_upstream_ends(&p) == ECONNRESET);
	peer_expect_gone(&p);
	peer_drop(&p);
}

static void reset_while_connecting(void **state)
{
	struct peer p = peer_new_silent();

	peer_syn(&p);
	peer_send_at(&p, SEG_RST, 7, 0, NULL, 0);
	peer_send_at(&p, SEG_ACK, 0, 0, NULL, 0);
	peer_expect_silence(&p);
	peer_send_at(&p, SEG_RST, 0, 0, NULL, 0);
	peer_expect_gone(&p);
}

static void reset_in_every_state(void **state)
{
	reset_at(at_opening);
	reset_at(peer_open);
	reset_at(at_fin_wait_1);
	reset_at(at_fin_wait_2);
	reset_at(at_closing);
}

/* Upstream has had the FIN, so its socket says EPIPE or nothing: only the engine is looked at. */
static void reset_after_the_applications_fin(void **state)
{
	struct peer p = peer_new();

	at_close_wait(&p);
	peer_send_at(&p, SEG_RST, 7, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_RST, 0, 0, NULL, 0);
	peer_expect_gone(&p);
	peer_drop(&p);
	reset_at(at_last_ack);
}

/* --- TIME_WAIT -------------------------------------------------------------------------- */

static void into_time_wait(struct peer *p)
{
	peer_open(p);
	peer_upstream_closes(p);
	p->ack = wait_fin(p) + 1;
	peer_send(p, SEG_ACK | SEG_FIN, NULL, 0);
	wait_ack(p);
}

static void time_wait_answers_and_is_not_reset(void **state)
{
	struct peer p = peer_new();

	into_time_wait(&p);
	peer_send_at(&p, SEG_RST, 0, 0, NULL, 0); /* RFC 1337 */
	peer_send_at(&p, SEG_ACK, 0, 0, NULL, 0);
	peer_send_at(&p, SEG_FIN, -1, 0, NULL, 0); /* no ACK: no segment */
	peer_send_at(&p, SEG_ACK | SEG_FIN, -1, 0, NULL, 0);
	peer_expect_challenge(&p);
}

static void time_wait_gives_way_to_a_newer_syn(void **state)
{
	struct peer p = peer_new(), anew;

	into_time_wait(&p);
	anew = p;
	anew.isn = p.seq;
	peer_open(&anew);
	peer_works(&anew);
	peer_drop(&anew);
}

/* RFC 6191: it may be a duplicate; the application that means it says so by a RST. */
static void time_wait_challenges_an_older_syn(void **state)
{
	struct peer p = peer_new(), anew;

	into_time_wait(&p);
	anew = p;
	peer_syn_again(&p, p.isn);
	peer_expect_challenge(&p);
	peer_syn_again(&p, p.isn - 100000);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_RST, 1, 0, NULL, 0);
	peer_send_at(&p, SEG_ACK | SEG_FIN, -1, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_expect_no_upstream();
	peer_send_at(&p, SEG_RST, 0, 0, NULL, 0);
	peer_open(&anew);
	peer_works(&anew);
	peer_drop(&anew);
}

static void port_of_a_connection_that_the_application_closed_is_free(void **state)
{
	struct peer p = peer_new(), anew;

	at_last_ack(&p);
	p.ack++;
	peer_ack(&p);
	peer_expect_gone(&p);
	anew = p;
	anew.isn = p.isn - 5000;
	peer_open(&anew);
	peer_works(&anew);
	peer_drop(&anew);
}

const struct CMUnitTest checklist_close[] = {
	cmocka_unit_test(fin_with_data_again_and_data_behind_it),
	cmocka_unit_test(fin_before_its_data_waits_for_it),
	cmocka_unit_test(our_fin_comes_again_until_it_is_acknowledged),
	cmocka_unit_test(both_close_at_once),
	cmocka_unit_test(reset_while_connecting),
	cmocka_unit_test(reset_in_every_state),
	cmocka_unit_test(reset_after_the_applications_fin),
	cmocka_unit_test(time_wait_answers_and_is_not_reset),
	cmocka_unit_test(time_wait_gives_way_to_a_newer_syn),
	cmocka_unit_test(time_wait_challenges_an_older_syn),
	cmocka_unit_test(port_of_a_connection_that_the_application_closed_is_free),
};
CHECKLIST(checklist_close);
