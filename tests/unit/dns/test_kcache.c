// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* kcache.c: what is given to the kernel half, in which form, and how it is taken back. */
#include "support.h"

#include "datapath/dns.h"
#include "dns/kcache.h"

static struct datapath datapath;
static struct kcache *k;
static struct wire w;

/* --- the map, in memory ---------------------------------------------------------------------- */

static struct {
	struct dns_state state;
	bool missing; /* there is no BPF */
	int refuse; /* what putting fails with */
	unsigned int entries;
	struct dns_answer_key key[DNS_ANSWERS_MAX];
	struct dns_answer answer[DNS_ANSWERS_MAX];
	unsigned int clears, removes;
} map;

static int place_of(const struct dns_answer_key *key)
{
	for (unsigned int i = 0; i < map.entries; i++)
		if (!memcmp(&map.key[i], key, sizeof(*key)))
			return (int)i;
	return -1;
}

int datapath_dns_state(const struct datapath *dp, struct dns_state *ret_state)
{
	*ret_state = map.state;
	return map.missing ? -ENOENT : 0;
}

int datapath_dns_epoch_add(struct datapath *dp, unsigned int by)
{
	map.state.epoch += by;
	return 0;
}

int datapath_dns_answer_put(struct datapath *dp, const struct dns_answer_key *key,
			    const struct dns_answer *answer)
{
	int at = place_of(key);

	if (map.refuse || (at < 0 && map.entries == DNS_ANSWERS_MAX))
		return map.refuse ? map.refuse : -E2BIG;
	at = at < 0 ? (int)map.entries++ : at;
	map.key[at] = *key;
	map.answer[at] = *answer;
	return 0;
}

int datapath_dns_answer_get(const struct datapath *dp, const struct dns_answer_key *key,
			    struct dns_answer *ret_answer)
{
	int at = place_of(key);

	if (at < 0)
		return -ENOENT;
	*ret_answer = map.answer[at];
	return 0;
}

int datapath_dns_answer_remove(struct datapath *dp, const struct dns_answer_key *key)
{
	int at = place_of(key);

	if (at < 0)
		return -ENOENT;
	map.removes++;
	map.entries--;
	map.key[at] = map.key[map.entries];
	map.answer[at] = map.answer[map.entries];
	return 0;
}

int datapath_dns_answers_clear(struct datapath *dp)
{
	map.clears++;
	map.entries = 0;
	return 0;
}

/* --- world ----------------------------------------------------------------------------------- */

static int setup(void **state)
{
	memset(&map, 0, sizeof(map));
	map.state.seed[0] = 0x1234567890abcdef;
	map.state.seed[1] = 0xfedcba0987654321;
	map.state.epoch = 6;
	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(kcache_new(&datapath, &k), 0);
	kcache_enable(k, true);
	return 0;
}

static int teardown(void **state)
{
	kcache_free(k);
	clock_inject(NULL);
	return 0;
}

static struct cache_key key_of(const char *name, uint16_t type, uint16_t flags)
{
	struct cache_key key = { .type = type, .class = CLASS_IN, .flags = flags };
	struct wire n;

	n.len = 0;
	wire_name(&n, name);
	memcpy(key.name.wire, n.b, n.len);
	key.name.len = (uint8_t)n.len;
	return key;
}

static void put_wire(uint32_t policy, const struct cache_key *key, uint32_t seconds)
{
	struct msg_question question;

	assert_int_equal(msg_question_get(w.b, w.len, &question), 0);
	kcache_put(k, policy, key, w.b, w.len, question.end, seconds);
}

/* An answer with one address. */
static void put(uint32_t policy, const char *name, uint16_t flags, uint32_t seconds)
{
	struct cache_key key = key_of(name, TYPE_A, flags);

	wire_begin(&w, 77, MSG_QR | MSG_RD | MSG_RA);
	wire_question(&w, name, TYPE_A);
	wire_a(&w, seconds, "192.0.2.1");
	put_wire(policy, &key, seconds);
}

static struct kcache_figures figures(void)
{
	struct kcache_figures f;

	kcache_figures(k, &f);
	return f;
}

static void skip_seconds(uint64_t seconds)
{
	test_now_ns += seconds * NSEC_PER_SEC;
}

/* --- form ------------------------------------------------------------------------------------ */

static void an_answer_has_the_form_that_the_kernel_half_gives(void **state)
{
	struct cache_key key = key_of("www.example.test", TYPE_A, CACHE_DO | MSG_AD);
	const struct dns_answer *a = &map.answer[0];
	size_t without_opt;

	wire_begin(&w, 0xabcd, MSG_QR | MSG_AA | MSG_RD | MSG_AD | MSG_CD);
	wire_question(&w, "WWW.example.TEST", TYPE_A);
	wire_a(&w, 300, "192.0.2.1");
	wire_soa(&w, 200, 100);
	without_opt = w.len;
	wire_opt(&w, 1232, true, NULL, 0);
	put_wire(3, &key, 100);
	assert_int_equal(map.entries, 1);
	assert_int_equal(map.key[0].policy, 3);
	assert_int_equal(map.key[0].type, TYPE_A);
	assert_int_equal(map.key[0].flags, DNS_ANSWER_DO | DNS_ANSWER_AD);
	assert_int_equal(a->len, without_opt);
	assert_int_equal(msg_get16(a->msg), 0);
	assert_int_equal(msg_get16(a->msg + 2), MSG_QR | MSG_RA | MSG_AD);
	assert_int_equal(msg_get16(a->msg + 6), 1);
	assert_int_equal(msg_get16(a->msg + 8), 1);
	assert_int_equal(msg_get16(a->msg + 10), 0);
	assert_int_equal(a->ttls, 2);
	assert_int_equal(msg_get32(a->msg + a->ttl_offset[0]), 300);
	assert_int_equal(msg_get32(a->msg + a->ttl_offset[1]), 200);
	assert_int_equal(a->name_len, key.name.len);
	assert_memory_equal(a->name, key.name.wire, key.name.len);
	assert_int_equal(a->check, a->check_end);
	assert_int_equal(a->epoch, 6);
	assert_int_equal(a->stored_ns, test_now_ns);
	assert_int_equal(a->expires_ns, test_now_ns + 90 * NSEC_PER_SEC);
}

static void no_two_answers_have_the_same_check(void **state)
{
	put(0, "a.test", 0, 60);
	put(0, "b.test", 0, 60);
	assert_int_not_equal(map.answer[0].check, map.answer[1].check);
}

static void policies_types_and_flags_are_kept_apart(void **state)
{
	struct cache_key aaaa = key_of("a.test", TYPE_AAAA, 0);

	put(0, "a.test", 0, 60);
	put(1, "a.test", 0, 60);
	put(0, "a.test", CACHE_DO, 60);
	put(0, "a.test", MSG_AD, 60);
	put_wire(0, &aaaa, 60);
	assert_int_equal(map.entries, 5);
	put(1, "a.test", 0, 90);
	assert_int_equal(map.entries, 5);
	assert_int_equal(figures().entries, 5);
	assert_int_equal(figures().stored, 6);
}

static void denials_are_kept(void **state)
{
	struct cache_key key = key_of("no.test", TYPE_A, 0);

	wire_begin(&w, 1, MSG_QR | RCODE_NXDOMAIN);
	wire_question(&w, "no.test", TYPE_A);
	wire_soa(&w, 200, 100);
	put_wire(0, &key, 100);
	assert_int_equal(map.entries, 1);
	assert_int_equal(msg_get16(map.answer[0].msg + 2), MSG_QR | MSG_RA | RCODE_NXDOMAIN);
}

static void unfit_with(unsigned int flags, unsigned int type, uint16_t key_flags, int records)
{
	struct cache_key key = key_of("big.test", (uint16_t)type, key_flags);
	uint64_t before = figures().unfit;

	wire_begin(&w, 1, MSG_QR | flags);
	wire_question(&w, "big.test", type);
	for (int i = 0; i < records; i++)
		wire_a(&w, 60, "192.0.2.1");
	put_wire(0, &key, 60);
	assert_int_equal(map.entries, 0);
	assert_int_equal(figures().unfit, before + 1);
}

static void what_the_kernel_half_cannot_give_is_left_out(void **state)
{
	struct cache_key chaos = key_of("a.test", TYPE_A, 0), deep;
	char name[256] = "";

	unfit_with(MSG_TC, TYPE_A, 0, 1);
	unfit_with(0, TYPE_A, MSG_CD, 1);
	unfit_with(0, TYPE_ANY, 0, 1);
	unfit_with(0, TYPE_OPT, 0, 1);
	unfit_with(0, TYPE_A, 0, DNS_ANSWER_TTLS + 1);
	for (int i = 0; i <= DNS_LABELS_MAX; i++)
		strcat(name, "a.");
	name[strlen(name) - 1] = '\0';
	deep = key_of(name, TYPE_A, 0);
	put_wire(0, &deep, 60);
	chaos.class = 3;
	put_wire(0, &chaos, 60);
	assert_int_equal(map.entries, 0);
}

static void messages_are_kept_up_to_their_limit(void **state)
{
	struct cache_key key = key_of("t.test", 16, 0);
	uint8_t text[DNS_ANSWER_BYTES] = { 0 };
	size_t room;

	for (int over = 0; over < 2; over++) {
		wire_begin(&w, 1, MSG_QR);
		wire_question(&w, "t.test", 16);
		room = DNS_ANSWER_BYTES - w.len - 12; /* the record's own header */
		wire_record(&w, SECTION_ANSWER, NULL, 16, 60, text, room + (size_t)over);
		kcache_flush(k);
		put_wire(0, &key, 60);
		assert_int_equal(figures().unfit, over);
		assert_int_equal(w.len, DNS_ANSWER_BYTES + over);
	}
}

static void an_opt_that_is_not_the_last_record_is_not_understood(void **state)
{
	struct cache_key key = key_of("a.test", TYPE_A, 0);

	wire_begin(&w, 1, MSG_QR);
	wire_question(&w, "a.test", TYPE_A);
	wire_opt(&w, 1232, false, NULL, 0);
	wire_record(&w, SECTION_ADDITIONAL, NULL, TYPE_A, 60, "\1\2\3\4", 4);
	put_wire(0, &key, 60);
	assert_int_equal(map.entries, 0);
	assert_int_equal(figures().unfit, 1);
}

/* --- forgetting ------------------------------------------------------------------------------ */

static void removes_a_name_of_all_policies_and_nothing_else(void **state)
{
	struct cache_key key = key_of("a.test", TYPE_A, 0);

	put(0, "a.test", 0, 60);
	put(1, "a.test", CACHE_DO, 60);
	put(0, "b.a.test", 0, 60);
	put(0, "xa.test", 0, 60);
	kcache_remove(k, &key.name, false);
	assert_int_equal(map.entries, 2);
	put(0, "a.test", 0, 60);
	kcache_remove(k, &key.name, true);
	assert_int_equal(map.entries, 1);
	assert_int_equal(map.answer[0].name[0], 2); /* xa */
	assert_int_equal(figures().entries, 1);
	key = key_of("", TYPE_A, 0);
	kcache_remove(k, &key.name, true);
	assert_int_equal(map.entries, 0);
}

/* The kernel half compares epochs: a flush has to touch nothing else. */
static void a_flush_is_one_step_of_the_epoch(void **state)
{
	put(0, "a.test", 0, 60);
	kcache_flush(k);
	assert_int_equal(map.state.epoch, 8);
	assert_int_equal(map.removes, 0);
	put(0, "a.test", 0, 60);
	assert_int_equal(map.entries, 1);
	assert_int_equal(map.answer[0].epoch, 8);
}

static void turned_off_it_keeps_and_gives_nothing(void **state)
{
	struct cache_key key = key_of("a.test", TYPE_A, 0);

	put(0, "a.test", 0, 60);
	kcache_enable(k, false);
	assert_int_equal(map.state.epoch, 8);
	put(0, "b.test", 0, 60);
	assert_int_equal(map.entries, 1);
	assert_int_equal(kcache_hits(k, 0, &key), 0);
	kcache_enable(k, false);
	assert_int_equal(map.state.epoch, 8);
}

static void without_bpf_nothing_is_kept(void **state)
{
	map.missing = true;
	kcache_enable(k, true);
	put(0, "a.test", 0, 60);
	assert_int_equal(map.entries, 0);
}

static void what_a_dead_resolver_left_is_removed(void **state)
{
	struct kcache *second;

	put(0, "a.test", 0, 60);
	assert_int_equal(kcache_new(&datapath, &second), 0);
	assert_int_equal(map.entries, 0);
	kcache_free(second);
}

static void hits_are_those_of_the_kernel_half(void **state)
{
	struct cache_key key = key_of("a.test", TYPE_A, 0);

	assert_int_equal(kcache_hits(k, 0, &key), 0);
	put(0, "a.test", 0, 60);
	map.answer[0].hits = 9;
	assert_int_equal(kcache_hits(k, 0, &key), 9);
	assert_int_equal(kcache_hits(k, 1, &key), 0);
}

/* --- room ------------------------------------------------------------------------------------ */

static void fill_up(uint32_t seconds)
{
	char name[32];

	for (unsigned int i = 0; i < DNS_ANSWERS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		put(i % 3, name, 0, seconds);
	}
	assert_int_equal(map.entries, DNS_ANSWERS_MAX);
}

static void a_full_map_gives_up_nothing_that_is_good(void **state)
{
	fill_up(60);
	put(0, "more.test", 0, 60);
	assert_int_equal(figures().no_room, 1);
	assert_int_equal(figures().entries, DNS_ANSWERS_MAX);
	put(0, "n0.test", 0, 60); /* what is there is replaced nevertheless */
	assert_int_equal(figures().no_room, 1);
	assert_int_equal(map.removes, 0);
}

static void what_is_over_makes_room(void **state)
{
	fill_up(60);
	skip_seconds(54); /* nine tenths */
	put(0, "more.test", 0, 60);
	assert_int_equal(figures().no_room, 0);
	assert_int_equal(map.entries, DNS_ANSWERS_MAX);
	assert_int_equal(map.removes, 1);
	map.state.epoch++;
	put(0, "another.test", 0, 60);
	assert_int_equal(map.removes, 2);
	assert_int_equal(figures().entries, DNS_ANSWERS_MAX);
}

static void a_map_that_refuses_leaves_nothing_in_the_index(void **state)
{
	map.refuse = -E2BIG;
	put(0, "a.test", 0, 60);
	assert_int_equal(figures().entries, 0);
	assert_int_equal(figures().no_room, 1);
	map.refuse = 0;
	put(0, "a.test", 0, 60);
	assert_int_equal(figures().entries, 1);
}

/* Whatever is done in whatever order: the index says what is in the map. */
static void index_and_map_stay_alike(void **state)
{
	uint32_t random = 1;
	char name[32];

	for (int i = 0; i < 20000; i++) {
		struct cache_key key;

		random = random * 1664525 + 1013904223;
		snprintf(name, sizeof(name), "n%u.d%u.test", random >> 16 & 15, random >> 20 & 3);
		key = key_of(name + (random >> 22 & 1 ? 0 : strcspn(name, ".") + 1), TYPE_A, 0);
		switch (random >> 28) {
		case 0:
			kcache_remove(k, &key.name, random >> 23 & 1);
			break;
		case 1:
			skip_seconds(1);
			break;
		default:
			put(random >> 24 & 3, name, 0, 1 + (random >> 26 & 3));
		}
		assert_int_equal(figures().entries, map.entries);
	}
	assert_true(figures().stored > 10000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_answer_has_the_form_that_the_kernel_half_gives),
		TEST(no_two_answers_have_the_same_check),
		TEST(policies_types_and_flags_are_kept_apart),
		TEST(denials_are_kept),
		TEST(what_the_kernel_half_cannot_give_is_left_out),
		TEST(messages_are_kept_up_to_their_limit),
		TEST(an_opt_that_is_not_the_last_record_is_not_understood),
		TEST(removes_a_name_of_all_policies_and_nothing_else),
		TEST(a_flush_is_one_step_of_the_epoch),
		TEST(turned_off_it_keeps_and_gives_nothing),
		TEST(without_bpf_nothing_is_kept),
		TEST(what_a_dead_resolver_left_is_removed),
		TEST(hits_are_those_of_the_kernel_half),
		TEST(a_full_map_gives_up_nothing_that_is_good),
		TEST(what_is_over_makes_room),
		TEST(a_map_that_refuses_leaves_nothing_in_the_index),
		TEST(index_and_map_stay_alike),
	};

	return cmocka_run_group_tests_name("dns/kcache", tests, NULL, NULL);
}
