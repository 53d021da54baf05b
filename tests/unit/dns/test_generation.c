// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Policies, safety and changes of configuration, from a client's query to its answer. */
#include "service_world.h"

#include <fcntl.h>
#include <sys/mman.h>

#define UPSTREAM                                                                                   \
	"dns:\n"                                                                                   \
	"  loop-check: false\n"                                                                    \
	"  upstreams: {fake: {type: plain, address: '%s', port: %u}}\n"                            \
	"  groups: {default: {upstreams: [fake]}}\n"

#define TWO_POLICIES                                                                               \
	UPSTREAM "  block-ttl: 60s\n"                                                              \
		 "  policies:\n"                                                                   \
		 "    - name: kids\n"                                                              \
		 "      clients: [10.0.0.0/24]\n"                                                  \
		 "      rules:\n"                                                                  \
		 "        - {domain: good.games.test, pass: true}\n"                               \
		 "        - {domain: .games.test, block: nxdomain}\n"                              \
		 "        - {domain: zero.test, type: [A], block: zero}\n"                         \
		 "        - {domain: none.test, block: nodata}\n"                                  \
		 "        - {domain: not.test, block: refused}\n"                                  \
		 "        - {domain: nas.test, address: [192.168.1.9, 'fd00::9']}\n"               \
		 "        - {domain: search.test, cname: safe.search.test}\n"                      \
		 "    - name: work\n"                                                              \
		 "      clients: [10.0.1.0/24]\n"                                                  \
		 "      rules:\n"                                                                  \
		 "        - {domain: good.games.test, block: nxdomain}\n"                          \
		 "    - {name: guests, clients: [10.0.2.0/24], restricted: true,\n"                \
		 "       rules: [{domain: portal.test, pass: true}]}\n"                            \
		 "    - {name: rest}\n"

/* The same by a client of 10.0.NET.2. */
static void ask_from(uint8_t net, uint16_t id, const char *name, unsigned int type)
{
	struct client client = client_of(1000);
	static struct wire w;

	wire_query(&w, id, name, type);
	client.flow.saddr.b[14] = net;
	service_query(service, &client, w.b, w.len);
}

static unsigned int answers(void)
{
	return msg_get16(got.last.b + 6);
}

/* The last four bytes of the answer, which are an A record's. */
static uint32_t last_address(void)
{
	return msg_get32(got.last.b + got.last.len - 4);
}

static void c10_rules_decide_in_order_and_by_client(void **state)
{
	start_with(say_address, TWO_POLICIES);
	ask_from(0, 1, "www.games.test", TYPE_A);
	assert_int_equal(got.num, 1);
	assert_int_equal(rcode(), RCODE_NXDOMAIN);
	assert_int_equal(test_counters.stats.dns_blocked, 1);
	ask_from(0, 2, "good.games.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(rcode(), RCODE_NOERROR);
	ask_from(1, 3, "good.games.test", TYPE_A);
	assert_int_equal(got.num, 3);
	assert_int_equal(rcode(), RCODE_NXDOMAIN);
	ask_from(1, 4, "www.games.test", TYPE_A);
	turn_until(loop, got.num == 4);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(fake.asked, 2);
}

static void c10_who_asks_for_all_classes_is_blocked_like_others(void **state)
{
	struct client client = client_of(1000);
	static struct wire w;

	start_with(say_address, TWO_POLICIES);
	wire_query(&w, 1, "www.games.test", TYPE_A);
	msg_put16(w.b + w.len - 2, CLASS_ANY);
	service_query(service, &client, w.b, w.len);
	assert_int_equal(got.num, 1);
	assert_int_equal(rcode(), RCODE_NXDOMAIN);
	assert_int_equal(fake.asked, 0);
}

static void c10_a_block_has_the_mode_that_the_rule_says(void **state)
{
	start_with(say_address, TWO_POLICIES);
	ask_from(0, 1, "Zero.test", TYPE_A);
	assert_int_equal(got.num, 1);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(answers(), 1);
	assert_int_equal(last_address(), 0);
	assert_int_equal(first_ttl(), 60);
	ask_from(0, 2, "none.test", TYPE_A);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(answers(), 0);
	ask_from(0, 3, "not.test", TYPE_A);
	assert_int_equal(rcode(), RCODE_REFUSED);
	assert_int_equal(test_counters.drops.dns_policy, 1);
	assert_int_equal(got.num, 3);
	assert_int_equal(fake.asked, 0);
	assert_string_equal(history_get(&service->history, 0)->rule, "kids line 14");
	assert_int_equal(history_get(&service->history, 0)->source, SOURCE_POLICY);
}

static void c10_a_rewrite_gives_the_addresses_of_its_type(void **state)
{
	start_with(say_address, TWO_POLICIES);
	ask_from(0, 1, "nas.test", TYPE_A);
	assert_int_equal(answers(), 1);
	assert_int_equal(last_address(), 0xc0a80109);
	assert_int_equal(test_kernel.domains, 1); /* flows to it have a name, too */
	ask_from(0, 2, "nas.test", TYPE_AAAA);
	assert_int_equal(answers(), 1);
	assert_int_equal(got.last.b[got.last.len - 16], 0xfd);
	ask_from(0, 3, "nas.test", TYPE_MX);
	assert_int_equal(answers(), 0);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(fake.asked, 0);
}

static void c10_a_rewrite_to_a_name_resolves_that(void **state)
{
	start_with(say_address, TWO_POLICIES);
	for (uint16_t i = 0; i < 2; i++) { /* by the upstream, then from the cache */
		ask_from(0, i, "Search.test", TYPE_A);
		turn_until(loop, got.num == 1U + i);
		assert_int_equal(rcode(), RCODE_NOERROR);
		assert_memory_equal(got.last.b + 12, "\6Search\4test", 12);
		assert_int_equal(answers(), 2);
		assert_int_equal(last_address(), 0xc0000200 | 's');
	}
	assert_int_equal(fake.asked, 1);
	ask_from(0, 3, "search.test", TYPE_CNAME);
	assert_int_equal(got.num, 3);
	assert_int_equal(answers(), 1);
	ask_from(1, 4, "search.test", TYPE_A);
	turn_until(loop, got.num == 4);
	assert_int_equal(answers(), 1);
}

static void c02_a_restricted_policy_refuses_what_no_rule_decides(void **state)
{
	start_with(say_address, TWO_POLICIES);
	ask_from(2, 1, "www.test", TYPE_A);
	assert_int_equal(got.num, 1);
	assert_int_equal(rcode(), RCODE_REFUSED);
	assert_int_equal(test_counters.drops.dns_policy, 1);
	ask_from(2, 2, "portal.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(rcode(), RCODE_NOERROR);
}

static void ask_address(const char *from, uint16_t id)
{
	struct client client = client_of(1000);
	static struct wire w;

	assert_int_equal(addr_parse(from, &client.flow.saddr), 0);
	wire_query(&w, id, "headrace.test", TYPE_A);
	service_query(service, &client, w.b, w.len);
}

static void c02_foreign_clients_are_refused_unless_allowed(void **state)
{
	static const char *const near[] = { "127.0.0.1",   "10.1.2.3",	   "172.31.0.1",
					    "192.168.0.1", "100.64.0.1",   "169.254.0.1",
					    "::1",	   "fe80::1",	   "fd00::1",
					    "203.0.113.7", "2001:db8:1::1" };
	static const char *const foreign[] = { "203.0.114.1", "8.8.8.8", "100.128.0.1",
					       "2001:db8:2::1" };

	start_with(say_address, UPSTREAM "  allow: [203.0.113.0/24, '2001:db8:1::/48']\n");
	for (uint16_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
		ask_address(near[i], i);
		assert_int_equal(got.num, i + 1);
		assert_int_equal(rcode(), RCODE_NOERROR);
	}
	assert_int_equal(test_counters.drops.dns_foreign, 0);
	for (uint16_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		ask_address(foreign[i], i);
		assert_int_equal(rcode(), RCODE_REFUSED);
		assert_int_equal(test_counters.drops.dns_foreign, i + 1);
	}
}

static void c02_no_question_and_an_empty_name_are_formerr(void **state)
{
	static struct wire w;

	start_with(say_address, UPSTREAM);
	wire_begin(&w, 1, MSG_RD);
	ask_wire(1000, &w);
	assert_int_equal(rcode(), RCODE_FORMERR);
	ask(1000, 2, "", TYPE_A);
	assert_int_equal(got.num, 2);
	assert_int_equal(rcode(), RCODE_FORMERR);
	assert_int_equal(fake.asked, 0);
}

/* C-05 names ctrld.test; ours is headrace.test. */
static void c05_the_self_check_name_is_answered_here(void **state)
{
	start_with(say_nothing, UPSTREAM);
	ask(1000, 1, "headrace.test", TYPE_A);
	assert_int_equal(got.num, 1);
	assert_int_equal(last_address(), 0);
	assert_int_equal(answers(), 1);
	ask(1000, 2, "Headrace.TEST", TYPE_AAAA);
	assert_int_equal(answers(), 1);
	assert_int_equal(got.num, 2);
}

static void change_to(const char *text);

static void say_private(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			struct wire *answer)
{
	wire_answer_to(answer, query, len, 0);
	wire_record(answer, SECTION_ANSWER, NULL, TYPE_A, 60, "\300\250\1\1", 4);
}

static void what_a_near_upstream_says_may_be_private(void **state)
{
	start_with(say_private, UPSTREAM);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(answers(), 1);
	assert_int_equal(test_counters.drops.dns_rebind, 0);
}

static void near_is_who_has_no_other_address(void **state)
{
	start_with(say_private, "dns:\n  loop-check: false\n"
				"  upstreams: {fake: {type: tcp, addresses: ['%s:%u']}}\n");
	ask(1000, 1, "a.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(answers(), 1);
	change_to("dns:\n  loop-check: false\n"
		  "  upstreams: {fake: {type: tcp, addresses: ['%s:%u', 192.0.2.1]}}\n");
	ask(1000, 2, "a.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(answers(), 0);
}

static void rebinding_is_no_data_and_why_is_told(void **state)
{
	start_with(say_private, UPSTREAM "  rebind-protection: true\n"
					 "  private-domains: [.home.arpa]\n");
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(answers(), 0);
	assert_int_equal(test_counters.drops.dns_rebind, 1);
	assert_int_equal(test_kernel.domains, 0);
	assert_string_equal(history_get(&service->history, 0)->rule, "rebinding protection");
	ask(1000, 2, "nas.home.arpa", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(answers(), 1);
}

static void judged(const char *name, bool of_host, bool want)
{
	struct name n;

	assert_int_equal(name_from_text(name, &n), 0);
	assert_int_equal(generation_may_be_private(service->generation, &n, of_host), want);
}

static void private_domains_may_lead_to_private_addresses(void **state)
{
	start_with(say_private,
		   UPSTREAM "  private-domains: [.home.arpa, '*.below.test', a.test]\n");
	judged("www.test", false, false);
	judged("www.test", true, true);
	judged("nas.home.arpa", false, true);
	judged("home.arpa", false, true);
	judged("x.below.test", false, true);
	judged("below.test", false, false);
	judged("a.test", false, true);
	judged("x.a.test", false, false);
}

static void c30_a_query_for_a_flush_domain_empties_the_cache(void **state)
{
	start_with(say_address, UPSTREAM "  cache: {flush-domains: [flush.test]}\n");
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	ask(1000, 2, "flush.test", TYPE_A);
	turn_until(loop, got.num == 2);
	ask(1000, 3, "www.test", TYPE_A);
	assert_int_equal(got.num, 2);
	turn_until(loop, got.num == 3);
	assert_int_equal(fake.asked, 3);
}

/* --- changes ------------------------------------------------------------------------------- */

static struct {
	unsigned int num;
	int status;
	char text[256];
} changed;

static void take_change(void *arg, int status, const struct conf_errors *errors)
{
	changed.num++;
	changed.status = status;
	snprintf(changed.text, sizeof(changed.text), "%.200s", errors->text);
}

static void change_to(const char *text)
{
	struct conf *conf = conf_of(text);
	unsigned int before = changed.num;

	assert_int_equal(service_reload(service, conf, NULL, take_change, NULL), 0);
	conf_free(conf);
	turn_until(loop, changed.num == before + 1);
}

#define BLOCKED UPSTREAM "  policies: [{rules: [{domain: .test, block: nxdomain}]}]\n"

static void a_change_counts_from_the_next_query_on(void **state)
{
	start_with(say_address, UPSTREAM);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	change_to(BLOCKED);
	assert_int_equal(changed.status, 0);
	ask(1000, 2, "www.test", TYPE_A);
	assert_int_equal(got.num, 2);
	assert_int_equal(rcode(), RCODE_NXDOMAIN);
	/* the upstream is the same: what is cached is still good */
	change_to(UPSTREAM);
	ask(1000, 3, "www.test", TYPE_A);
	assert_int_equal(got.num, 3);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(fake.asked, 1);
}

static void other_upstreams_have_another_scope(void **state)
{
	start_with(say_address, UPSTREAM);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	change_to("dns:\n  loop-check: false\n"
		  "  upstreams: {fake: {type: plain, address: '%s', port: %u, timeout: 1s}}\n"
		  "  groups: {default: {upstreams: [fake]}}\n");
	ask(1000, 2, "www.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(fake.asked, 2);
}

/* What one group takes for an answer another one passes over. */
static void other_failover_codes_have_another_scope(void **state)
{
	start_with(say_denial, UPSTREAM);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	change_to("dns:\n  loop-check: false\n"
		  "  upstreams: {fake: {type: plain, address: '%s', port: %u}}\n"
		  "  groups: {default: {upstreams: [fake], failover-rcodes: [NXDOMAIN]}}\n");
	assert_int_equal(changed.status, 0);
	ask(1000, 2, "www.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(fake.asked, 2);
}

static void a_query_in_flight_ends_under_the_generation_it_began_with(void **state)
{
	start_with(say_nothing, UPSTREAM);
	ask(1000, 1, "www.test", TYPE_A);
	settle_loop(loop);
	change_to(BLOCKED);
	fake.say = say_address;
	ask(1000, 2, "www.test", TYPE_A);
	assert_int_equal(got.num, 1);
	assert_int_equal(rcode(), RCODE_NXDOMAIN);
	advance_ms(600);
	turn_until(loop, got.num == 2);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(got.id[1], 1);
}

static void a_query_in_flight_keeps_its_time(void **state)
{
	start_with(say_nothing, UPSTREAM "  timeout: 8s\n");
	ask(1000, 1, "slow.test", TYPE_A);
	settle_loop(loop);
	change_to(UPSTREAM "  timeout: 2s\n");
	ask(1001, 2, "quick.test", TYPE_A);
	settle_loop(loop);
	advance_ms(2100); /* the younger one is not kept by the older one's time */
	turn_until(loop, got.num == 1);
	assert_int_equal(got.id[0], 2);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	change_to(UPSTREAM "  timeout: 30s\n");
	advance_ms(5800);
	settle_loop(loop);
	assert_int_equal(got.num, 1);
	advance_ms(200);
	turn_until(loop, got.num == 2);
	assert_int_equal(got.id[1], 1);
	assert_int_equal(test_counters.drops.dns_timeout, 2);
}

static void one_change_at_a_time(void **state)
{
	struct conf *conf;

	start_with(say_address, UPSTREAM);
	conf = conf_of(BLOCKED);
	changed.num = 0;
	assert_int_equal(service_reload(service, conf, NULL, take_change, NULL), 0);
	assert_int_equal(service_reload(service, conf, NULL, take_change, NULL), -EBUSY);
	conf_free(conf);
	turn_until(loop, changed.num == 1);
	assert_int_equal(changed.status, 0);
}

static int list_of(const char *text)
{
	int fd = memfd_create("list", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void lists_are_part_of_a_change(void **state)
{
	struct conf *conf;
	int fd = list_of("ads.test\n0.0.0.0 tracker.test\nnot a name!\n");

	start_with(say_address, UPSTREAM);
	conf = conf_of(UPSTREAM "  lists: {ads: {file: /ads}}\n"
				"  policies: [{rules: [{list: [ads], block: zero}]}]\n");
	changed.num = 0;
	assert_int_equal(service_reload(service, conf, &fd, take_change, NULL), 0);
	conf_free(conf);
	turn_until(loop, changed.num == 1);
	close(fd);
	assert_int_equal(changed.status, 0);
	assert_non_null(strstr(changed.text, "3"));
	ask(1000, 1, "www.tracker.test", TYPE_A);
	ask(1000, 2, "ads.test", TYPE_A);
	assert_non_null(strstr(history_get(&service->history, 0)->rule, "list ads"));
	assert_int_equal(test_counters.stats.dns_blocked >= 1, 1);
}

static void a_change_that_cannot_be_leaves_all_as_it_was(void **state)
{
	struct generation *before;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct conf *conf;

	start_with(say_address, UPSTREAM);
	before = service->generation;
	close(fd);
	fd = -1; /* a list that cannot be read */
	conf = conf_of(UPSTREAM "  lists: {ads: {file: /ads}}\n"
				"  policies: [{rules: [{list: [ads], block: zero}]}]\n");
	changed.num = 0;
	if (service_reload(service, conf, &fd, take_change, NULL) == 0) {
		turn_until(loop, changed.num == 1);
		assert_true(changed.status < 0);
	}
	conf_free(conf);
	assert_ptr_equal(service->generation, before);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_NOERROR);
}

/*
 * Two configurations take turns while queries come: one blocks a.test and gives b.test an
 * address, the other the other way round. Every query is answered, and the two of a pair that
 * was asked at once never as if by two policies.
 */
#define EITHER(blocked, given)                                                                     \
	UPSTREAM "  policies: [{rules: [{domain: " blocked ", block: nxdomain},\n"                 \
		 "    {domain: " given ", address: [192.0.2.77]}]}]\n"

static void a_hundred_changes_under_load_lose_and_mix_nothing(void **state)
{
	unsigned int asked = 0, seen[2] = { 0 };

	start_with(say_address, EITHER("a.test", "b.test"));
	for (unsigned int round = 0; round < 100; round++) {
		struct conf *conf = conf_of(round & 1 ? EITHER("a.test", "b.test") :
							EITHER("b.test", "a.test"));
		unsigned int first;

		changed.num = 0;
		assert_int_equal(service_reload(service, conf, NULL, take_change, NULL), 0);
		conf_free(conf);
		for (unsigned int turn = 0; !changed.num || turn < 5; turn++) {
			ask(1000, (uint16_t)asked++, "a.test", TYPE_A);
			first = rcode();
			ask(1000, (uint16_t)asked++, "b.test", TYPE_A);
			assert_int_equal(got.num, asked);
			assert_int_equal(first == RCODE_NXDOMAIN, rcode() == RCODE_NOERROR);
			seen[first == RCODE_NXDOMAIN]++;
			loop_once(loop, 0);
			got.num = asked = asked > 10000 ? 0 : asked;
		}
		assert_int_equal(changed.status, 0);
	}
	assert_true(seen[0] > 100 && seen[1] > 100);
	assert_int_equal(test_counters.stats.dns_servfail, 0);
	assert_int_equal(fake.asked, 0);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(c10_rules_decide_in_order_and_by_client),
		T(c10_who_asks_for_all_classes_is_blocked_like_others),
		T(c10_a_block_has_the_mode_that_the_rule_says),
		T(c10_a_rewrite_gives_the_addresses_of_its_type),
		T(c10_a_rewrite_to_a_name_resolves_that),
		T(c02_a_restricted_policy_refuses_what_no_rule_decides),
		T(c02_foreign_clients_are_refused_unless_allowed),
		T(c02_no_question_and_an_empty_name_are_formerr),
		T(c05_the_self_check_name_is_answered_here),
		T(what_a_near_upstream_says_may_be_private),
		T(near_is_who_has_no_other_address),
		T(rebinding_is_no_data_and_why_is_told),
		T(private_domains_may_lead_to_private_addresses),
		T(c30_a_query_for_a_flush_domain_empties_the_cache),
		T(a_change_counts_from_the_next_query_on),
		T(other_upstreams_have_another_scope),
		T(other_failover_codes_have_another_scope),
		T(a_query_in_flight_ends_under_the_generation_it_began_with),
		T(a_query_in_flight_keeps_its_time),
		T(one_change_at_a_time),
		T(lists_are_part_of_a_change),
		T(a_change_that_cannot_be_leaves_all_as_it_was),
		T(a_hundred_changes_under_load_lose_and_mix_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
