// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * facts.c: what is known of an address whose name was resolved, in the real kernel's maps beside
 * the service. Needs root (77 without).
 */
#include "kernel_world.h"

#include <sys/mman.h>

#include <bpf/bpf.h>

#include "bpf/dns_names.h"
#include "dns/facts.h"

#define LISTS "  lists: {ads: {file: /l/ads}, more: {file: /l/more}}\n"

static int list[2];

static int list_of(const char *text)
{
	int fd = memfd_create("list", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* As if the configuration had rules that ask for names, and for these lists. */
static struct conf *conf_with(const char *text, bool names, uint64_t lists)
{
	struct conf *c = conf_of(text);

	c->dns.rule_names = names;
	c->dns.rule_lists = lists;
	return c;
}

/* Main is not there: the service waits for a table of names, then goes on without. */
#define turn_ahead(cond)                                                                           \
	do {                                                                                       \
		for (int turns_ = 0; !(cond) && turns_ < 500; turns_++) {                          \
			advance_ms(20);                                                            \
			loop_once(loop, 0);                                                        \
		}                                                                                  \
		assert_true(cond);                                                                 \
	} while (0)

static void open_kernel(fake_fn say, struct conf *(*conf)(void))
{
	struct service_options options = {
		.mtu = 1500, .sockets_max = 500, .reply = take_reply, .list_fds = list
	};

	kernel = load_bpf(false);
	open_world(say);
	take_maps();
	datapath.domain_facts = descriptor(ROLE_FD_DOMAIN_FACTS);
	list[0] = list_of("ads.test\n||tree.test^\n@@||good.tree.test^\n");
	list[1] = list_of("||ads.test^\n");
	options.conf = conf();
	assert_int_equal(service_new(loop, &datapath, &options, &service), 0);
	conf_free(options.conf);
	turn_ahead(service->generation != NULL);
}

static int close_all(void **state)
{
	close_kernel(state);
	close(list[0]);
	close(list[1]);
	return 0;
}

static void change_to(struct conf *conf)
{
	unsigned int before = changes;

	assert_int_equal(service_reload(service, conf, list, changed, NULL), 0);
	conf_free(conf);
	turn_ahead(changes == before + 1);
}

/* Asks as client 10.0.0.N, and has the answer. */
static void resolve(uint8_t client, const char *name)
{
	unsigned int before = got.num;

	ask_of(client, 1000, (uint16_t)(before + 1), name);
	turn_until(loop, got.num == before + 1);
	assert_int_equal(rcode(), RCODE_NOERROR);
}

static struct addr client_addr(uint8_t client)
{
	struct client c = client_of(1);

	c.flow.saddr.b[15] = client;
	return client ? c.flow.saddr : (struct addr){ 0 };
}

/* What is known to client 10.0.0.N, 0 = anybody, of the address that the fake gives for `name`. */
static bool fact_of(uint8_t client, const char *name, struct domain_fact *ret_fact)
{
	struct domain_fact_key key = { .client = client_addr(client) };

	key.addr = addr_from_v4(htonl(0xc0000200U | (uint8_t)(name[0] | 0x20)));
	return !bpf_map_lookup_elem(datapath.domain_facts, &key, ret_fact);
}

static unsigned int hashes(const char *text, uint64_t ret_hash[RULE_NAMES_MAX])
{
	struct dns_state s;
	struct name name;

	assert_int_equal(name_from_text(text, &name), 0);
	assert_int_equal(datapath_dns_state(&datapath, &s), 0);
	return facts_hashes((const uint64_t *)s.seed, &name, ret_hash);
}

static void expect_name(uint8_t client, const char *address_of, const char *name)
{
	uint64_t hash[RULE_NAMES_MAX];
	struct domain_fact fact;

	assert_true(fact_of(client, address_of, &fact));
	assert_int_equal(fact.names, hashes(name, hash));
	assert_memory_equal(fact.name, hash, fact.names * sizeof(hash[0]));
}

static uint64_t lists_of(uint8_t client, const char *name)
{
	struct domain_fact fact;

	assert_true(fact_of(client, name, &fact));
	return fact.lists;
}

/* Does the kernel half give the answer for this name? */
static bool is_given(const char *name)
{
	struct dns_answer_key key = { .type = TYPE_A };
	uint64_t hash[RULE_NAMES_MAX];
	struct dns_answer answer;

	hashes(name, hash);
	key.hash = hash[0];
	return !bpf_map_lookup_elem(datapath.dns_answers, &key, &answer);
}

static struct conf *by_name(void)
{
	return conf_with(UPSTREAM, true, 0);
}

static struct conf *not_by_name(void)
{
	return conf_with(UPSTREAM, false, 0);
}

/* --- names ---------------------------------------------------------------------------------- */

static void hashes_are_the_names_then_its_parents_from_the_root_down(void **state)
{
	struct dns_state s = { .seed = { 11, 12 } };
	uint64_t hash[RULE_NAMES_MAX], root = dns_hash_root(&s), test, a;
	struct name name;

	test = dns_hash_label(&s, root, (const __u8 *)"test", 4);
	a = dns_hash_label(&s, test, (const __u8 *)"a", 1);
	name_from_text("www.a.test", &name);
	assert_int_equal(facts_hashes((const uint64_t *)s.seed, &name, hash), 4);
	assert_int_equal(hash[0], dns_hash_label(&s, a, (const __u8 *)"www", 3));
	assert_int_equal(hash[1], root);
	assert_int_equal(hash[2], test);
	assert_int_equal(hash[3], a);
	name_from_text(".", &name);
	assert_int_equal(facts_hashes((const uint64_t *)s.seed, &name, hash), 1);
	assert_int_equal(hash[0], root);
}

static void of_a_long_name_the_parents_next_to_the_root_are_kept(void **state)
{
	const uint64_t seed[2] = { 11, 12 };
	uint64_t deep[RULE_NAMES_MAX], flat[RULE_NAMES_MAX];
	struct name name;

	name_from_text("n.m.l.k.j.i.h.g.f.e.d.c.b.a.test", &name);
	assert_int_equal(facts_hashes(seed, &name, deep), RULE_NAMES_MAX);
	name_from_text("j.i.h.g.f.e.d.c.b.a.test", &name);
	assert_int_equal(facts_hashes(seed, &name, flat), RULE_NAMES_MAX);
	assert_memory_equal(&deep[1], &flat[1], (RULE_NAMES_MAX - 1) * sizeof(deep[0]));
	assert_int_not_equal(deep[0], flat[0]);
}

static void an_answer_is_known_to_its_client_and_to_all_others(void **state)
{
	struct domain_fact fact;

	open_kernel(say_address, by_name);
	resolve(2, "WWW.a.test");
	expect_name(2, "WWW", "www.a.test");
	expect_name(0, "WWW", "www.a.test");
	assert_false(fact_of(3, "WWW", &fact));
	assert_true(fact_of(2, "WWW", &fact));
	assert_int_equal(fact.expires_ns,
			 test_now_ns + (60000 + DNS_DOMAIN_GRACE_MS) * NSEC_PER_MSEC);
}

/* It may ask from 10.0.0.2 and connect from an address of IPv6. */
static void what_the_host_asks_is_known_to_all_its_addresses(void **state)
{
	struct domain_fact_key key = { .client.b[15] = FACT_HOST_BYTE };
	struct domain_fact fact;

	open_kernel(say_address, by_name);
	test_kernel.of_host = true;
	resolve(2, "www.test");
	test_kernel.of_host = false;
	resolve(3, "www.test");
	key.addr = addr_from_v4(htonl(0xc0000200U | 'w'));
	assert_int_equal(bpf_map_lookup_elem(datapath.domain_facts, &key, &fact), 0);
	assert_false(fact_of(2, "www", &fact));
	assert_true(fact_of(3, "www", &fact));
}

static void what_is_said_again_is_written_when_it_is_30_s_old(void **state)
{
	struct domain_fact fact, again;

	open_kernel(say_address, by_name);
	resolve(2, "www.test");
	assert_true(fact_of(2, "www", &fact));
	service_flush(service, NULL);
	advance_ms(20000);
	resolve(2, "www.test");
	assert_true(fact_of(2, "www", &again));
	assert_int_equal(again.expires_ns, fact.expires_ns);
	service_flush(service, NULL);
	advance_ms(20000);
	resolve(2, "www.test");
	assert_true(fact_of(2, "www", &again));
	assert_int_equal(again.expires_ns, fact.expires_ns + 40 * NSEC_PER_SEC);
	/* whoever asks between is not left out */
	resolve(3, "www.test");
	expect_name(3, "www", "www.test");
}

static void say_alias(struct fake *f, bool tcp, const uint8_t *query, size_t len,
		      struct wire *answer)
{
	uint8_t rdata[4] = { 192, 0, 2, (uint8_t)(query[13] | 0x20) };

	wire_answer_to(answer, query, len, 0);
	wire_record(answer, SECTION_ANSWER, NULL, TYPE_CNAME, 60, "\3cdn\4test\0", 10);
	wire_record(answer, SECTION_ANSWER, "cdn.test", TYPE_A, 60, rdata, 4);
}

static void behind_an_alias_the_name_that_was_asked_counts(void **state)
{
	open_kernel(say_alias, by_name);
	resolve(2, "www.test");
	expect_name(2, "www", "www.test");
}

static void say_nowhere(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			struct wire *answer)
{
	wire_answer_to(answer, query, len, 0);
	wire_soa(answer, 900, 30);
}

static void what_leads_nowhere_says_nothing(void **state)
{
	struct domain_fact fact;

	open_kernel(say_nowhere, by_name);
	resolve(2, "www.test");
	assert_false(fact_of(0, "www", &fact));
}

/* --- addresses of several names --------------------------------------------------------------- */

static void a_client_goes_by_its_own_latest_answer_others_by_the_latest(void **state)
{
	open_kernel(say_address, by_name);
	resolve(2, "a.test");
	resolve(3, "another.test");
	expect_name(2, "a", "a.test");
	expect_name(3, "a", "another.test");
	expect_name(0, "a", "another.test");
	resolve(2, "another.test");
	resolve(3, "a.test");
	expect_name(2, "a", "another.test");
	expect_name(3, "a", "a.test");
	expect_name(0, "a", "a.test");
}

static void the_kernel_half_gives_no_answer_of_an_address_that_two_names_have(void **state)
{
	open_kernel(say_address, by_name);
	resolve(2, "b.test");
	resolve(2, "a.test");
	assert_true(is_given("a.test"));
	assert_true(is_given("b.test"));
	resolve(3, "another.test");
	assert_false(is_given("another.test"));
	assert_false(is_given("a.test")); /* taken back */
	assert_true(is_given("b.test"));
	resolve(2, "a.test"); /* from the cache */
	assert_false(is_given("a.test"));
	expect_name(0, "a", "a.test");
}

static void without_a_rule_by_name_it_does(void **state)
{
	open_kernel(say_address, not_by_name);
	resolve(2, "a.test");
	resolve(3, "another.test");
	assert_true(is_given("a.test"));
	assert_true(is_given("another.test"));
	/* and no more as soon as there is one */
	change_to(by_name());
	resolve(3, "a.test");
	resolve(3, "another.test");
	expect_name(3, "a", "another.test");
	resolve(2, "a.test");
	assert_false(is_given("other.test"));
	expect_name(2, "a", "a.test");
}

static void an_address_is_free_again_when_its_names_are_forgotten(void **state)
{
	open_kernel(say_address, by_name);
	resolve(2, "a.test");
	resolve(2, "another.test");
	assert_false(is_given("another.test"));
	advance_ms(60000 + DNS_DOMAIN_GRACE_MS + 1);
	resolve(2, "another.test");
	assert_true(is_given("another.test"));
}

/* --- lists ---------------------------------------------------------------------------------- */

static struct conf *by_lists(void)
{
	return conf_with(UPSTREAM LISTS, true, 3);
}

static struct conf *by_second_list(void)
{
	return conf_with(UPSTREAM LISTS, true, 2);
}

static void a_fact_says_which_lists_have_the_name(void **state)
{
	open_kernel(say_address, by_lists);
	resolve(2, "ads.test");
	assert_int_equal(lists_of(2, "ads"), 3);
	resolve(2, "www.ads.test");
	assert_int_equal(lists_of(2, "www"), 2);
	resolve(2, "below.tree.test");
	assert_int_equal(lists_of(2, "below"), 1);
	resolve(2, "good.tree.test");
	assert_int_equal(lists_of(2, "good"), 0);
	resolve(2, "other.test");
	assert_int_equal(lists_of(2, "other"), 0);
}

/* A DNS rule by one of the lists must not make the other one vanish from the fact. */
static struct conf *blocking(void)
{
	return conf_with(UPSTREAM LISTS "  policies:\n    - name: p\n      rules:\n"
					"        - {domain: .ads.test, pass: true}\n"
					"        - {list: [more, ads], block: zero}\n",
			 true, 3);
}

static void dns_rules_by_the_same_lists_do_not_matter(void **state)
{
	open_kernel(say_address, blocking);
	resolve(2, "ads.test");
	assert_int_equal(lists_of(2, "ads"), 3);
}

static void after_a_change_of_lists_facts_are_renewed(void **state)
{
	open_kernel(say_address, by_lists);
	resolve(2, "ads.test");
	resolve(2, "www.ads.test");
	resolve(2, "below.tree.test");
	close(list[0]);
	list[0] = list_of("||www.ads.test^\n||below.tree.test^\n||test^\n");
	change_to(by_lists());
	turn_ahead(lists_of(0, "below") == 1 && lists_of(0, "www") == 3);
	turn_ahead(lists_of(2, "www") == 3);
	assert_int_equal(lists_of(2, "ads"), 3);
	change_to(by_second_list());
	turn_ahead(lists_of(2, "below") == 0 && lists_of(2, "www") == 2);
	expect_name(2, "www", "www.ads.test");
}

/* --- cost ----------------------------------------------------------------------------------- */

static void cost_is_told(void **state)
{
	struct msg_question question;
	struct addr client;
	uint64_t began;
	struct wire w;

	open_kernel(say_address, by_lists);
	wire_begin(&w, 1, MSG_QR);
	wire_question(&w, "www.example.test", TYPE_A);
	wire_a(&w, 300, "192.0.2.1");
	assert_int_equal(msg_question_get(w.b, w.len, &question), 0);
	client = client_addr(2);
	clock_inject(NULL);
	began = clock_ns();
	for (unsigned int i = 0; i < 20000; i++) {
		client.b[14] = (uint8_t)i;
		facts_note(service->facts, service->generation->policies, &client, &question, w.b,
			   w.len);
	}
	printf("an answer of one address: %u ns\n", (unsigned int)((clock_ns() - began) / 20000));
	began = clock_ns();
	for (unsigned int i = 0; i < 20000; i++)
		facts_note(service->facts, service->generation->policies, &client, &question, w.b,
			   w.len);
	printf("the same to the same client again: %u ns\n",
	       (unsigned int)((clock_ns() - began) / 20000));
	clock_inject(test_clock);
}

#define T(name) cmocka_unit_test_teardown(name, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_the_names_then_its_parents_from_the_root_down),
		cmocka_unit_test(of_a_long_name_the_parents_next_to_the_root_are_kept),
		T(an_answer_is_known_to_its_client_and_to_all_others),
		T(what_the_host_asks_is_known_to_all_its_addresses),
		T(what_is_said_again_is_written_when_it_is_30_s_old),
		T(behind_an_alias_the_name_that_was_asked_counts),
		T(what_leads_nowhere_says_nothing),
		T(a_client_goes_by_its_own_latest_answer_others_by_the_latest),
		T(the_kernel_half_gives_no_answer_of_an_address_that_two_names_have),
		T(without_a_rule_by_name_it_does),
		T(an_address_is_free_again_when_its_names_are_forgotten),
		T(a_fact_says_which_lists_have_the_name),
		T(dns_rules_by_the_same_lists_do_not_matter),
		T(after_a_change_of_lists_facts_are_renewed),
		T(cost_is_told),
	};

	if (own_bpffs() || system("ip link set lo up") != 0)
		return 77;
	support_instance();
	return cmocka_run_group_tests_name("dns/facts", tests, NULL, NULL);
}
