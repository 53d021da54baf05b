// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The checklist: the handshake and what a SYN may say. */
#include "lib/checklist.h"

#include <string.h>

#define OPTIONS_MAX 40

static void syn_again_is_answered_again_and_another_challenged(void **state)
{
	struct peer p = peer_new();
	uint32_t ours;

	peer_syn(&p);
	ours = peer_expect(&p, SEG_SYN | SEG_ACK).seq;
	p.ack = ours + 1;
	peer_syn_again(&p, p.isn);
	assert_int_equal(peer_expect(&p, SEG_SYN | SEG_ACK).seq, ours);
	peer_syn_again(&p, p.isn + 100);
	peer_expect_challenge(&p);
	peer_send_at(&p, SEG_SYN | SEG_ACK, -1, 0, NULL, 0);
	peer_expect_challenge(&p);
	peer_ack(&p);
	peer_accept(&p);
	peer_expect_no_upstream();
	peer_works(&p);
	peer_drop(&p);
}

/* Nothing was answered yet, so a SYN with other numbers is simply the one that counts. */
static void syn_again_while_connecting(void **state)
{
	struct peer p = peer_new_silent();

	peer_syn(&p);
	peer_syn_again(&p, p.isn);
	peer_expect_silence(&p);
	peer_send_at(&p, SEG_RST, 100, 0, NULL, 0);
	peer_syn_again(&p, p.isn + 5000);
	peer_send_at(&p, SEG_RST, 0, 0, NULL, 0); /* of the first */
	peer_send_at(&p, SEG_ACK, 0, 0, "evil", 4);
	peer_expect_silence(&p);
	peer_send_at(&p, SEG_RST, 5000, 0, NULL, 0);
	peer_expect_gone(&p);
}

static void data_in_a_syn_is_asked_for_again(void **state)
{
	struct peer p = peer_new();

	p.seq = p.isn;
	peer_send_at(&p, SEG_SYN, 0, 0, "early", 5);
	p.seq++;
	peer_handshake(&p);
	peer_accept(&p);
	peer_send(&p, SEG_ACK, "early", 5);
	peer_upstream_reads(&p, "early", 5);
	peer_works(&p);
	peer_drop(&p);
}

static void handshake_may_end_with_data_and_fin(void **state)
{
	struct peer p = peer_new();
	struct segment s;

	peer_syn(&p);
	s = peer_expect(&p, SEG_SYN | SEG_ACK);
	p.ack = s.seq + 1;
	peer_send(&p, SEG_ACK | SEG_FIN, "all", 3);
	peer_accept(&p);
	peer_upstream_reads(&p, "all", 3);
	assert_int_equal(peer_upstream_ends(&p), 0);
	peer_upstream_writes(&p, "answer", 6);
	peer_reads(&p, "answer", 6);
	peer_drop(&p);
}

/* RFC 9293, 3.10.7.4: the handshake's ACK must acknowledge this SYN-ACK. */
static void handshake_with_a_wrong_acknowledgment_is_refused(void **state)
{
	struct peer p = peer_new();
	struct segment s;

	peer_syn(&p);
	p.ack = peer_expect(&p, SEG_SYN | SEG_ACK).seq + 1;
	peer_send_at(&p, SEG_ACK, 0, 1000, "evil", 4);
	s = peer_expect(&p, SEG_RST);
	assert_int_equal(s.seq, p.ack + 1000);
	peer_send_at(&p, SEG_ACK, 1 << 20, 0, "evil", 4);
	peer_expect_challenge(&p);
	peer_ack(&p);
	peer_accept(&p);
	peer_works(&p);
	peer_drop(&p);
}

static void syn_with_fin_or_reset_opens_nothing(void **state)
{
	struct peer p = peer_new();

	p.seq = p.isn;
	peer_send_at(&p, SEG_SYN | SEG_RST, 0, 0, NULL, 0);
	peer_expect_silence(&p);
	peer_send_at(&p, SEG_SYN | SEG_FIN, 0, 0, NULL, 0);
	assert_int_equal(peer_expect(&p, SEG_RST | SEG_ACK).ack, p.isn + 2);
	peer_send_at(&p, SEG_SYN | SEG_ACK, 0, 5, NULL, 0);
	assert_int_equal(peer_expect(&p, SEG_RST).seq, p.ack + 5);
	peer_expect_no_upstream();
	peer_expect_gone(&p);
}

static void any_mss_carries_data(void **state)
{
	static const uint16_t sizes[] = { 0 /* no option */, 1, 88, 536, 1460, 65535 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct peer p = peer_new();

		p.mss = sizes[i];
		peer_open(&p);
		peer_works(&p);
		peer_downloads(&p, sizes[i] == 1 ? 20000 : 200000);
		peer_drop(&p);
	}
}

/* Opens with these options, whatever they say, and moves bytes. */
static void opens_with(const char *options, size_t len)
{
	struct peer p = peer_new();
	uint8_t padded[OPTIONS_MAX] = { 0 };
	struct segment syn = {
		.flags = SEG_SYN,
		.seq = p.isn,
		.window = p.window,
		.options = padded,
		.options_len = (len + 3) / 4 * 4,
		.scale = -1,
	};

	assert_true(len <= sizeof(padded));
	memcpy(padded, options, len);
	p.seq = p.isn + 1;
	peer_put(&p, &syn);
	peer_handshake(&p);
	peer_accept(&p);
	peer_works(&p);
	peer_downloads(&p, 20000);
	peer_drop(&p);
}

#define OPENS_WITH(options) opens_with(options, sizeof(options) - 1)

static void absurd_options_do_no_harm(void **state)
{
	OPENS_WITH("\2\4\0\0"); /* MSS 0 */
	OPENS_WITH("\2\0\5\xb4"); /* lengths that cannot be */
	OPENS_WITH("\2\1\5\xb4");
	OPENS_WITH("\2\3\5\xb4");
	OPENS_WITH("\2\xff\5\xb4");
	OPENS_WITH("\1\1\1\2"); /* cut off */
	OPENS_WITH("\1\1\2\4");
	OPENS_WITH("\1\2\4\5");
	OPENS_WITH("\1\1\3\3");
	OPENS_WITH("\1\1\1\4");
	OPENS_WITH("\x8\xa\1\1");
	OPENS_WITH("\3\3\xff\1"); /* window scale 255 */
	OPENS_WITH("\3\3\xf\1\3\3\0\1\2\4\0\1\2\4\xff\xff\4\2\4\2"); /* twice */
	OPENS_WITH("\x5\xa\1\2\3\4\5\6\7\x8"); /* SACK blocks in a SYN */
	OPENS_WITH("\x13\x12mmmmmmmmmmmmmmmm\0\0"); /* TCP MD5 */
	OPENS_WITH("\x22\xa"
		   "cookie88\x1e\4\0\x81\xfd\x6\x48\x44\0\0"); /* TFO, MPTCP, experiment */
	OPENS_WITH(
		"\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\2");
}

/* Outside the SYN no option may change the connection's sizes. */
static void options_of_later_segments_change_nothing(void **state)
{
	static const char *const options[] = { "\2\4\0\1", "\3\3\xe\1",	 "\4\2\2\0",
					       "\2\4\2\4", "\5\xff\1\1", "\x8\2\2\2" };
	struct peer p = peer_opened();

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		peer_put(&p, &(struct segment){ .flags = SEG_ACK,
						.seq = p.seq,
						.ack = p.ack,
						.window = p.window,
						.payload = (const uint8_t *)"x",
						.len = 1,
						.options = (const uint8_t *)options[i],
						.options_len = 4,
						.scale = -1 });
		p.seq++;
		peer_upstream_reads(&p, "x", 1);
		peer_downloads(&p, 150000);
	}
	peer_works(&p);
	peer_drop(&p);
}

/* Bytes that come before the first acknowledgment. */
static size_t flight_of(struct peer *p)
{
	uint32_t first = p->ack, last = first;
	struct segment s;

	peer_upstream_writes(p, peer_bytes(), 200000);
	s = peer_expect(p, SEG_ACK);
	do {
		if (s.len > 0 && (int32_t)(s.seq + (uint32_t)s.len - last) > 0)
			last = s.seq + (uint32_t)s.len;
	} while (peer_wait(p, &s, PEER_QUIET_MS));
	return last - first;
}

/* RFC 7323, 2.3: more than 14 means 14. */
static void window_scale_is_14_at_most(void **state)
{
	static const int scales[] = { 13, 14, 15, 255 };

	for (size_t i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
		struct peer p = peer_new();

		p.scale = scales[i];
		p.window = 1;
		peer_open(&p);
		assert_in_range(flight_of(&p), 1, scales[i] == 13 ? 8192 : 16384);
		peer_drop(&p);
	}
}

const struct CMUnitTest checklist_syn[] = {
	cmocka_unit_test(syn_again_is_answered_again_and_another_challenged),
	cmocka_unit_test(syn_again_while_connecting),
	cmocka_unit_test(data_in_a_syn_is_asked_for_again),
	cmocka_unit_test(handshake_may_end_with_data_and_fin),
	cmocka_unit_test(handshake_with_a_wrong_acknowledgment_is_refused),
	cmocka_unit_test(syn_with_fin_or_reset_opens_nothing),
	cmocka_unit_test(any_mss_carries_data),
	cmocka_unit_test(absurd_options_do_no_harm),
	cmocka_unit_test(options_of_later_segments_change_nothing),
	cmocka_unit_test(window_scale_is_14_at_most),
};
CHECKLIST(checklist_syn);
