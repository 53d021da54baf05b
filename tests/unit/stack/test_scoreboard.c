// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stack/scoreboard.h"

#define UNA 0xffffff00U /* wraps soon */
#define END (UNA + 10000)
#define PACKET 1000

static struct scoreboard b;

static int up(void **state)
{
	scoreboard_init(&b, UNA);
	return 0;
}

static bool sack(uint32_t start, uint32_t end)
{
	return scoreboard_sack(&b, UNA + start, UNA + end);
}

static bool resend(uint32_t start, uint32_t end)
{
	if (!scoreboard_has_room(&b))
		return false;
	scoreboard_resend(&b, UNA + start, UNA + end, END);
	return true;
}

static void assert_lost(uint32_t start, uint32_t end)
{
	uint32_t got_start, got_end;

	assert_true(scoreboard_next_lost(&b, &got_start, &got_end));
	assert_int_equal(got_start - UNA, start);
	assert_int_equal(got_end - UNA, end);
}

static void assert_nothing_lost(void)
{
	uint32_t start, end;

	assert_false(scoreboard_next_lost(&b, &start, &end));
}

static void nothing_is_lost_at_first(void **state)
{
	assert_nothing_lost();
	assert_int_equal(scoreboard_pipe(&b, END), 10000);
}

static void what_three_packets_overtook_is_lost(void **state)
{
	assert_true(sack(1000, 3000));
	scoreboard_detect(&b, 3 * PACKET);
	assert_nothing_lost();
	assert_int_equal(scoreboard_pipe(&b, END), 8000);
	assert_true(sack(4000, 5000));
	scoreboard_detect(&b, 3 * PACKET);
	assert_lost(0, 1000); /* and not 3000 to 4000: overtaken by one only */
	assert_int_equal(b.sacked, 3000);
	assert_int_equal(scoreboard_pipe(&b, END), 6000);
}

static void blocks_join_and_news_is_told_once(void **state)
{
	assert_true(sack(2000, 3000));
	assert_true(sack(1000, 2000));
	assert_false(sack(1000, 3000));
	assert_false(sack(1500, 2500));
	assert_true(sack(500, 3500));
	assert_int_equal(b.count, 1);
	assert_int_equal(b.sacked, 3000);
}

static void acknowledgement_cuts(void **state)
{
	sack(1000, 3000);
	sack(4000, 5000);
	scoreboard_ack(&b, UNA + 2000);
	assert_int_equal(b.sacked, 2000);
	assert_int_equal(b.count, 2);
	scoreboard_ack(&b, UNA + 1000); /* old: nothing */
	assert_int_equal(b.una, UNA + 2000);
	scoreboard_ack(&b, UNA + 5000);
	assert_int_equal(b.sacked, 0);
	assert_int_equal(b.count, 0);
	assert_int_equal(scoreboard_pipe(&b, END), 5000);
}

static void what_is_sent_again_is_in_flight(void **state)
{
	sack(2000, 5000);
	scoreboard_detect(&b, 3 * PACKET);
	assert_lost(0, 2000);
	assert_true(resend(0, 1000));
	assert_lost(1000, 2000);
	assert_int_equal(scoreboard_pipe(&b, END), 6000);
	assert_true(resend(1000, 2000));
	assert_nothing_lost();
	assert_int_equal(scoreboard_pipe(&b, END), 7000);
}

static void lost_again_if_three_later_ones_arrive(void **state)
{
	sack(4000, 8000);
	scoreboard_detect(&b, 3 * PACKET);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(resend(i * PACKET, (i + 1) * PACKET));
	sack(2000, 3000);
	assert_nothing_lost(); /* the first was overtaken by two */
	sack(3000, 4000);
	assert_lost(0, 1000);
	assert_int_equal(scoreboard_pipe(&b, END), 3000);
}

static void an_acknowledged_retransmission_has_arrived_too(void **state)
{
	sack(1000, 2000);
	sack(6000, 9000);
	scoreboard_detect(&b, 3 * PACKET);
	assert_true(resend(5000, 6000));
	for (uint32_t i = 2; i < 5; i++)
		assert_true(resend(i * PACKET, (i + 1) * PACKET));
	scoreboard_ack(&b, UNA + 5000);
	assert_lost(5000, 6000);
}

static void lost_again_if_newer_data_arrives(void **state)
{
	sack(1000, 4000);
	scoreboard_detect(&b, 3 * PACKET);
	assert_true(resend(0, 1000));
	assert_nothing_lost();
	assert_true(sack(10000, 11000)); /* END was the highest byte sent */
	assert_lost(0, 1000);
	scoreboard_resend(&b, UNA, UNA + 1000, END + 1000);
	assert_nothing_lost();
}

static void a_part_of_a_retransmission_is_lost_again(void **state)
{
	sack(4000, 7000);
	scoreboard_detect(&b, 3 * PACKET);
	assert_true(resend(0, 4000));
	sack(1000, 2000);
	scoreboard_lose(&b);
	assert_lost(0, 1000);
	assert_true(resend(0, 1000));
	assert_lost(2000, 4000);
	assert_true(resend(2000, 3000));
	assert_lost(3000, 4000);
	assert_int_equal(b.sacked, 4000);
}

static void losing_all_forgets_what_arrived(void **state)
{
	sack(1000, 4000);
	scoreboard_lose_all(&b, END);
	assert_lost(0, 10000);
	assert_int_equal(scoreboard_pipe(&b, END), 0);
	sack(1000, 4000);
	assert_lost(0, 1000);
}

static void more_holes_than_places_are_not_noted(void **state)
{
	uint32_t i;

	for (i = 0; sack(i * 20 + 10, i * 20 + 20); i++)
		assert_true(i < SCOREBOARD_SPANS);
	assert_true(i >= SCOREBOARD_SPANS - 2);
	assert_int_equal(b.sacked, i * 10);
	scoreboard_detect(&b, 30);
	assert_lost(0, 10);
	assert_false(resend(0, 10));
	scoreboard_ack(&b, UNA + 100);
	assert_true(resend(100, 110));
}

/* Every byte's fate kept one by one, against the spans. */
#define BYTES 400
static struct {
	bool arrived;
	uint32_t order;
} model[BYTES];
static uint32_t model_una;

static void check_model(void)
{
	uint32_t sacked = 0, previous = b.una;

	for (uint32_t i = model_una; i < BYTES; i++)
		sacked += model[i].arrived;
	assert_int_equal(b.sacked, sacked);
	for (uint32_t i = 0; i < b.count; i++) {
		const struct span *s = &b.spans[i];

		assert_true((int32_t)(s->start - previous) >= 0 && s->start != s->end);
		for (uint32_t at = s->start; at != s->end; at++) {
			assert_int_equal(model[at - UNA].arrived, s->order == 0);
			assert_int_equal(model[at - UNA].order, s->order);
		}
		previous = s->end;
	}
}

static void model_sack(uint32_t start, uint32_t end)
{
	if (!sack(start, end))
		return;
	for (uint32_t i = start; i < end; i++) {
		model[i].arrived = true;
		model[i].order = 0;
	}
}

static void model_resend(void)
{
	uint32_t start, end;

	if (!scoreboard_has_room(&b) || !scoreboard_next_lost(&b, &start, &end))
		return;
	if (end - start > 3)
		end = start + 1 + (uint32_t)rand() % 3;
	scoreboard_resend(&b, start, end, UNA + BYTES);
	for (uint32_t i = start - UNA; i < end - UNA; i++) {
		assert_false(model[i].arrived);
		model[i].order = b.order;
	}
}

static void spans_are_what_they_say(void **state)
{
	srand(1);
	for (int run = 0; run < 200; run++) {
		scoreboard_init(&b, UNA);
		memset(model, 0, sizeof(model));
		model_una = 0;
		for (int step = 0; step < 200; step++) {
			uint32_t start = model_una + 1 + (uint32_t)rand() % (BYTES - model_una);
			uint32_t end = start + 1 + (uint32_t)rand() % 30;

			if (end > BYTES)
				break;
			if (rand() % 10 == 0) {
				model_una = start;
				scoreboard_ack(&b, UNA + start);
			} else if (rand() % 2) {
				model_sack(start, end);
			} else {
				scoreboard_detect(&b, (uint32_t)rand() % 50 + 1);
				model_resend();
			}
			if (rand() % 50 == 0)
				scoreboard_lose(&b);
			check_model();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_lost_at_first, up),
		cmocka_unit_test_setup(what_three_packets_overtook_is_lost, up),
		cmocka_unit_test_setup(blocks_join_and_news_is_told_once, up),
		cmocka_unit_test_setup(acknowledgement_cuts, up),
		cmocka_unit_test_setup(what_is_sent_again_is_in_flight, up),
		cmocka_unit_test_setup(lost_again_if_three_later_ones_arrive, up),
		cmocka_unit_test_setup(an_acknowledged_retransmission_has_arrived_too, up),
		cmocka_unit_test_setup(lost_again_if_newer_data_arrives, up),
		cmocka_unit_test_setup(a_part_of_a_retransmission_is_lost_again, up),
		cmocka_unit_test_setup(losing_all_forgets_what_arrived, up),
		cmocka_unit_test_setup(more_holes_than_places_are_not_noted, up),
		cmocka_unit_test_setup(spans_are_what_they_say, up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
