// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checklist: segments of a sender that guesses, and such as no TCP sends. */
#include "lib/checklist.h"

#include <errno.h>

#define FAR_AWAY (1 << 30)
#define WINDOW 65535 /* that a fresh connection is granted */
#define CHALLENGES_MAX 20 /* ten in 5 s, and a period may begin meanwhile */

static void reset_counts_by_its_exact_number_only(void **state)
{
	struct peer p = peer_opened();

	peer_send_at(&p, SEG_RST, 1, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_RST | SEG_ACK, WINDOW - 1, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_RST, -1, 0, NULL, 0);
	peer_send_at(&p, SEG_RST, WINDOW + 1, 0, NULL, 0);
	peer_send_at(&p, SEG_RST, FAR_AWAY, 0, NULL, 0);
	peer_expect_silence(&p);
	peer_works(&p);
	peer_send_at(&p, SEG_RST, 0, 0, NULL, 0);
	assert_int_equal(peer_upstream_ends(&p), ECONNRESET);
	peer_expect_gone(&p);
	peer_drop(&p);
}

static void syn_in_an_open_connection_is_challenged(void **state)
{
	static const int32_t places[] = { -1 /* ours again */, 0, 1000, FAR_AWAY, -FAR_AWAY };
	struct peer p = peer_opened();

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		peer_send_at(&p, SEG_SYN, places[i], 0, "evil", 4);
		peer_expect_challenge(&p);
	}
	peer_send_at(&p, SEG_SYN | SEG_ACK, 0, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_works(&p);
	peer_expect_no_upstream();
	peer_drop(&p);
}

static void acknowledgment_of_unsent_data_injects_nothing(void **state)
{
	struct peer p = peer_opened();

	peer_send_at(&p, SEG_ACK, 0, 1, "evil", 4);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_ACK | SEG_FIN, 0, FAR_AWAY, "evil", 4);
	peer_expect_challenge(&p);
	peer_works(&p);
	peer_drop(&p);
}

static void acknowledgment_older_than_any_window_injects_nothing(void **state)
{
	struct peer p = peer_new();

	p.scale = -1;
	peer_open(&p); /* no more than 65535 was ever granted */
	peer_works(&p);
	peer_send_at(&p, SEG_ACK, 0, -65536, "evil", 4);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_ACK, 0, -FAR_AWAY, "evil", 4);
	peer_expect_challenge(&p);
	peer_works(&p);
	peer_drop(&p);
}

static void data_without_acknowledgment_injects_nothing(void **state)
{
	struct peer p = peer_opened();

	peer_send_at(&p, 0, 0, 0, "evil", 4);
	peer_send_at(&p, SEG_PSH, 0, 0, "evil", 4);
	peer_send_at(&p, SEG_FIN, 0, 0, "evil", 4);
	peer_expect_silence(&p);
	peer_works(&p);
	peer_drop(&p);
}

static void segment_outside_the_window_changes_nothing(void **state)
{
	struct peer p = peer_opened(), shut;

	peer_works(&p);
	shut = p;
	shut.window = 0;
	peer_send_at(&shut, SEG_ACK, 1 << 20, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_send_at(&shut, SEG_ACK, 1 << 20, 0, "evil", 4);
	peer_expect_challenge(&p);
	peer_send_at(&shut, SEG_ACK, -4000, 0, "evil", 4);
	peer_expect_challenge(&p);
	peer_send_at(&shut, SEG_ACK | SEG_FIN, -FAR_AWAY, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_downloads(&p, 200000); /* the window is as it was */
	peer_works(&p);
	peer_drop(&p);
}

static void challenges_are_few(void **state)
{
	struct peer p = peer_opened();
	unsigned int count = 0;
	struct segment s;

	for (int i = 0; i < 300; i++) {
		peer_send_at(&p, SEG_RST, 1 + i, 0, NULL, 0);
		peer_send_at(&p, SEG_SYN, FAR_AWAY + i, 0, NULL, 0);
		peer_send_at(&p, SEG_ACK, 0, FAR_AWAY + i, "evil", 4);
	}
	while (peer_wait(&p, &s, PEER_QUIET_MS)) {
		assert_int_equal(s.flags, SEG_ACK);
		count++;
	}
	assert_in_range(count, 1, CHALLENGES_MAX);
	peer_works(&p);
	peer_drop(&p);
}

/* The application lost its state: its kernel answers our data as RFC 9293, 3.5.1 says. */
static void half_open_connection_ends_by_the_answer_to_data(void **state)
{
	struct peer p = peer_opened();
	struct segment s;

	peer_upstream_writes(&p, "hello", 5);
	s = peer_expect(&p, SEG_ACK);
	while (s.len == 0)
		s = peer_expect(&p, SEG_ACK);
	peer_put(&p, &(struct segment){ .flags = SEG_RST, .seq = s.ack, .scale = -1 });
	assert_int_equal(peer_upstream_ends(&p), ECONNRESET);
	peer_expect_gone(&p);
	peer_drop(&p);
}

/* And if it opens anew from the same port: challenge, RST, SYN again. */
static void half_open_connection_ends_by_the_challenge_of_a_syn(void **state)
{
	struct peer p = peer_opened(), anew = p;
	struct segment s;

	anew.isn = p.seq + 5000;
	peer_syn(&anew);
	s = peer_expect(&p, SEG_ACK);
	assert_int_equal(s.ack, p.seq);
	peer_put(&p, &(struct segment){ .flags = SEG_RST, .seq = s.ack, .scale = -1 });
	assert_int_equal(peer_upstream_ends(&p), ECONNRESET);
	peer_drop(&p);
	peer_open(&anew);
	peer_works(&anew);
	peer_drop(&anew);
}

/* Every set of the six flags but that of a SYN, to a port with and without a connection. */
static void no_absurd_set_of_flags_opens_or_ends_anything(void **state)
{
	struct peer p = peer_opened(), none = peer_new();
	struct segment s;

	none.ack = 5;
	for (int flags = 0; flags < 64; flags++) {
		bool opens = (flags & (SEG_SYN | SEG_ACK | SEG_RST | SEG_FIN)) == SEG_SYN;

		if (opens)
			continue;
		peer_send_at(&none, (uint8_t)flags, 0, 0, "evil", 4);
		if (!(flags & SEG_RST))
			assert_true(peer_expect(&none, SEG_RST).flags & SEG_RST);
		peer_send_at(&p, (uint8_t)flags, 1 << 22, 0, "evil", 4);
	}
	while (peer_wait(&p, &s, PEER_QUIET_MS))
		assert_int_equal(s.flags, SEG_ACK);
	peer_expect_no_upstream();
	peer_works(&p);
	peer_drop(&p);
}

static void syn_with_fin_or_reset_in_a_connection_is_ignored(void **state)
{
	struct peer p = peer_opened();

	peer_send_at(&p, SEG_SYN | SEG_FIN, 0, 0, NULL, 0);
	peer_send_at(&p, SEG_SYN | SEG_RST, 0, 0, NULL, 0);
	peer_send_at(&p, 0x3f, 0, 0, "evil", 4);
	peer_expect_silence(&p);
	peer_works(&p);
	peer_drop(&p);
}

const struct CMUnitTest checklist_blind[] = {
	cmocka_unit_test(reset_counts_by_its_exact_number_only),
	cmocka_unit_test(syn_in_an_open_connection_is_challenged),
	cmocka_unit_test(acknowledgment_of_unsent_data_injects_nothing),
	cmocka_unit_test(acknowledgment_older_than_any_window_injects_nothing),
	cmocka_unit_test(data_without_acknowledgment_injects_nothing),
	cmocka_unit_test(segment_outside_the_window_changes_nothing),
	cmocka_unit_test(challenges_are_few),
	cmocka_unit_test(half_open_connection_ends_by_the_answer_to_data),
	cmocka_unit_test(half_open_connection_ends_by_the_challenge_of_a_syn),
	cmocka_unit_test(no_absurd_set_of_flags_opens_or_ends_anything),
	cmocka_unit_test(syn_with_fin_or_reset_in_a_connection_is_ignored),
};
CHECKLIST(checklist_blind);
