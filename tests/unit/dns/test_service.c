// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* service.c: from a client's query to its answer, with resolvers on loopback behind it. */
#include "service_world.h"

#include <time.h>

#include "dns/generation.h"
#include "dns/reply.h"

static void answers_from_upstream_with_the_clients_id_and_case(void **state)
{
	start(say_address, NULL);
	ask(1000, 0x1234, "WwW.example.TEST", TYPE_A);
	assert_int_equal(got.num, 0);
	turn_until(loop, got.num == 1);
	assert_int_equal(msg_get16(got.last.b), 0x1234);
	assert_memory_equal(got.last.b + 12, "\3WwW\7example\4TEST", 18);
	assert_int_equal(msg_get16(got.last.b + 6), 1);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(test_counters.stats.dns_queries, 1);
	assert_int_equal(test_counters.stats.dns_upstream, 1);
	assert_int_equal(test_counters.stats.dns_pending, 0);
}

static void notes_the_address_under_the_name_asked(void **state)
{
	start(say_address, NULL);
	ask(1000, 1, "WwW.example.TEST", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(test_kernel.domains, 1);
	assert_string_equal(test_kernel.domain, "www.example.test");
	assert_int_equal(addr_to_v4(&test_kernel.addr), htonl(0xc0000200 | 'w'));
	assert_int_equal(test_kernel.domain_expires_ns,
			 test_now_ns + (60000ULL + DNS_DOMAIN_GRACE_MS) * NSEC_PER_MSEC);
}

static void answers_from_the_cache_with_aged_ttl(void **state)
{
	struct msg_record record;
	struct msg_walk walk;

	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	advance_ms(21000);
	ask(1001, 2, "WWW.test", TYPE_A);
	assert_int_equal(got.num, 2);
	assert_int_equal(fake.asked, 1);
	assert_int_equal(msg_get16(got.last.b), 2);
	assert_memory_equal(got.last.b + 12, "\3WWW\4test", 9);
	msg_walk_begin(&walk, got.last.b, got.last.len, 12 + 10 + 4);
	assert_int_equal(msg_walk_next(&walk, &record), 1);
	assert_int_equal(record.ttl, 39);
	assert_int_equal(test_counters.stats.dns_cached, 1);
	assert_int_equal(test_counters.stats.dns_cache_entries, 1);
	advance_ms(39000);
	ask(1002, 3, "www.test", TYPE_A);
	turn_until(loop, got.num == 3);
	assert_int_equal(fake.asked, 2);
}

static void cached_answers_have_an_opt_for_those_who_sent_one(void **state)
{
	static struct wire w;

	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	wire_query(&w, 2, "www.test", TYPE_A);
	wire_opt(&w, 1232, false, "\0\12\0\10abcdefgh", 12);
	ask_wire(1001, &w);
	assert_int_equal(got.num, 2);
	assert_int_equal(msg_get16(got.last.b + 10), 1);
	/* the other client's cookie is not answered with ours */
	assert_memory_equal(got.last.b + got.last.len - 11, "\0\0\x29\4\xd0\0\0\0\0\0\0", 11);
}

/* N-14 */
static void n14_ten_thousand_queries_with_equal_ids_get_their_own_answers(void **state)
{
	static bool seen[65536];
	char name[32];

	start(say_address, NULL);
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < DNS_QUERIES_MAX; i++) {
		snprintf(name, sizeof(name), "%c%u.test", 'a' + i % 26, i);
		ask((uint16_t)(2000 + i), 7, name, TYPE_A);
	}
	assert_int_equal(test_counters.stats.dns_pending, DNS_QUERIES_MAX);
	for (int i = 0; i < 20000 && got.num < DNS_QUERIES_MAX; i++)
		loop_once(loop, 10);
	assert_int_equal(got.num, DNS_QUERIES_MAX);
	for (unsigned int i = 0; i < got.num; i++) {
		unsigned int n = got.port[i] - 2000U;

		snprintf(name, sizeof(name), "%c%u.test", 'a' + n % 26, n);
		assert_int_equal(got.id[i], 7);
		assert_string_equal(got.name[i], name);
		assert_false(seen[n]);
		seen[n] = true;
	}
	assert_int_equal(test_counters.stats.dns_servfail, 0);
}

static void c03_one_more_than_allowed_gets_servfail(void **state)
{
	struct service_options options = {
		.mtu = 1500, .queries_max = 4, .client_queries_max = 4, .sockets_max = 8
	};

	start(say_nothing, &options);
	for (uint16_t i = 0; i < 5; i++)
		ask(1000 + i, i, "www.test", TYPE_A);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.port[0], 1004);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.drops.dns_limit, 1);
}

static void one_client_has_its_share_of_queries_in_flight(void **state)
{
	struct service_options options = {
		.mtu = 1500, .queries_max = 4, .client_queries_max = 3, .sockets_max = 8
	};

	start(say_nothing, &options);
	for (uint16_t i = 0; i < 4; i++)
		ask(1000 + i, i, "www.test", TYPE_A);
	assert_int_equal(got.num, 1);
	assert_int_equal(got.port[0], 1003);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.drops.dns_source, 1);
	assert_int_equal(test_counters.drops.dns_limit, 0);
	assert_int_equal(datapath_budget(&datapath, BUDGET_DNS_QUERIES)->used, 3);
	assert_int_equal(datapath_budget(&datapath, BUDGET_DNS_QUERIES)->hits, 1);
}

static void the_oldest_query_of_who_has_most_makes_way_for_another_client(void **state)
{
	struct service_options options = {
		.mtu = 1500, .queries_max = 4, .client_queries_max = 4, .sockets_max = 8
	};

	start(say_nothing, &options);
	for (uint16_t i = 0; i < 4; i++)
		ask(1000 + i, i, "www.test", TYPE_A);
	ask_of(77, 2000, 9, "www.test");
	assert_int_equal(got.num, 1);
	assert_int_equal(got.port[0], 1000); /* the oldest, and not the new one */
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.drops.dns_source, 1);
	assert_int_equal(datapath_budget(&datapath, BUDGET_DNS_QUERIES)->evicted, 1);
	assert_int_equal(datapath_budget(&datapath, BUDGET_DNS_QUERIES)->used, 4);
}

static void equal_questions_share_one_upstream_query(void **state)
{
	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	ask(1001, 2, "WWW.TEST", TYPE_A);
	ask(1002, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 3);
	assert_int_equal(fake.asked, 1);
	assert_string_equal(got.name[1], "WWW.TEST");
}

/* C-04: cookies are between the client and us, and no part of the question. */
static void queries_that_differ_in_what_is_not_handed_on_share(void **state)
{
	static struct wire w;

	start(say_address, NULL);
	for (int i = 0; i < 2; i++) {
		wire_query(&w, 1, "www.test", TYPE_A);
		wire_opt(&w, 1232, false, i ? "\0\12\0\10abcdefgh" : "\0\12\0\10ijklmnop", 12);
		ask_wire((uint16_t)(1000 + i), &w);
	}
	turn_until(loop, got.num == 2);
	assert_int_equal(fake.asked, 1);
}

static void queries_with_different_options_do_not_share(void **state)
{
	static struct wire w;

	start(say_address, NULL);
	for (int i = 0; i < 2; i++) {
		wire_query(&w, 1, "www.test", TYPE_A);
		wire_opt(&w, 1232, false, "\0\3\0\0", i ? 4 : 0);
		ask_wire((uint16_t)(1000 + i), &w);
	}
	turn_until(loop, got.num == 2);
	assert_int_equal(fake.asked, 2);
}

static void a_clients_repetition_is_absorbed(void **state)
{
	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	settle_loop(loop);
	assert_int_equal(got.num, 1);
	assert_int_equal(fake.asked, 1);
}

static void n12_silence_upstream_is_servfail_after_the_limit(void **state)
{
	start(say_nothing, NULL);
	ask(1000, 0x4321, "Slow.test", TYPE_A);
	settle_loop(loop);
	advance_ms(4999);
	settle_loop(loop);
	assert_int_equal(got.num, 0);
	advance_ms(2);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(msg_get16(got.last.b), 0x4321);
	assert_string_equal(got.name[0], "Slow.test");
	assert_int_equal(test_counters.drops.dns_timeout, 1);
	assert_int_equal(test_counters.stats.dns_servfail, 1);
	assert_int_equal(test_counters.stats.dns_pending, 0);
}

/* N-15, within the resolver */
static void n15_a_silent_name_does_not_hold_up_others(void **state)
{
	start(say_nothing, NULL);
	ask(1000, 1, "slow.test", TYPE_A);
	settle_loop(loop);
	fake.say = say_address;
	ask(1001, 2, "fast.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_string_equal(got.name[0], "fast.test");
}

static void large_answers_are_cut_and_whole_over_tcp(void **state)
{
	struct client tcp = client_of(1001);
	static struct wire w;

	start(say_much, NULL);
	ask(1000, 1, "big.test", 16);
	turn_until(loop, got.num == 1);
	assert_int_equal(fake.asked, 1);
	assert_int_equal(fake.asked_tcp, 1);
	assert_true(msg_get16(got.last.b + 2) & MSG_TC);
	assert_int_equal(got.last.len, 12 + 10 + 4);
	assert_int_equal(msg_get16(got.last.b + 6), 0);
	tcp.flow.proto = IPPROTO_TCP;
	wire_query(&w, 2, "big.test", 16);
	service_query(service, &tcp, w.b, w.len);
	assert_int_equal(got.num, 2);
	assert_int_equal(fake.asked_tcp, 1);
	assert_false(msg_get16(got.last.b + 2) & MSG_TC);
	assert_int_equal(msg_get16(got.last.b + 6), 30);
}

/* N-16 */
static void n16_no_answer_exceeds_the_mtu_whatever_the_client_says(void **state)
{
	struct client v6 = client_of(1001);
	static struct wire w;

	start(say_much, NULL);
	wire_query(&w, 1, "big.test", 16);
	wire_opt(&w, 65535, false, NULL, 0);
	ask_wire(1000, &w);
	turn_until(loop, got.num == 1);
	assert_true(got.last.len <= 1500 - 28);
	assert_true(msg_get16(got.last.b + 2) & MSG_TC);
	memset(v6.flow.saddr.b, 1, 16);
	service_query(service, &v6, w.b, w.len);
	assert_true(got.last.len <= 1500 - 48);
	assert_int_equal(msg_get16(got.last.b + 10), 1);
}

static void expect_rcode(const struct wire *w, unsigned int want)
{
	unsigned int before = got.num;

	ask_wire(1000, w);
	assert_int_equal(got.num, before + 1);
	assert_int_equal(rcode(), want);
	assert_int_equal(msg_get16(got.last.b), msg_get16(w->b));
}

static void says_why_it_does_not_answer(void **state)
{
	static struct wire w;

	start(say_address, NULL);
	wire_begin(&w, 1, MSG_RD);
	expect_rcode(&w, RCODE_FORMERR);
	wire_query(&w, 2, "a.test", TYPE_A);
	wire_question(&w, "b.test", TYPE_A);
	expect_rcode(&w, RCODE_FORMERR);
	wire_query(&w, 3, "a.test", TYPE_A);
	wire_opt(&w, 512, false, NULL, 0);
	wire_opt(&w, 512, false, NULL, 0);
	expect_rcode(&w, RCODE_FORMERR);
	wire_begin(&w, 4, 5 << 11);
	wire_question(&w, "test", TYPE_SOA);
	expect_rcode(&w, RCODE_NOTIMP);
	wire_query(&w, 5, "test", TYPE_AXFR);
	expect_rcode(&w, RCODE_REFUSED);
	assert_int_equal(fake.asked, 0);
}

/* N-12 */
static void n12_drops_and_counts_what_is_no_query(void **state)
{
	static struct wire w;
	size_t whole;

	start(say_address, NULL);
	wire_query(&w, 1, "www.test", TYPE_A);
	wire_opt(&w, 1232, true, "\0\12\0\10abcdefgh", 12);
	whole = w.len;
	for (w.len = 0; w.len < whole; w.len++)
		ask_wire(1000, &w);
	assert_int_equal(test_counters.drops.dns_malformed, whole);
	w.len = whole;
	w.b[2] |= 0x80;
	ask_wire(1000, &w);
	assert_int_equal(test_counters.drops.dns_malformed, whole + 1);
	assert_int_equal(got.num, 0);
	assert_int_equal(test_counters.stats.dns_pending, 0);
}

static void without_descriptors_it_is_servfail_at_once(void **state)
{
	start(say_address, NULL);
	test_socket_error = -EMFILE;
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.drops.no_descriptor, 1);
}

static void an_unprotected_socket_is_not_used(void **state)
{
	start(say_address, NULL);
	test_socket_error = -EPERM;
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.drops.protect, 1);
	assert_int_equal(fake.asked, 0);
}

static void without_name_servers_it_is_servfail(void **state)
{
	struct service_options options = { .mtu = 1500,
					   .sockets_max = 8,
					   .resolv_conf = "/nonexistent/resolv.conf" };

	start(say_address, &options);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.drops.upstream_unreachable, 1);
}

static void a_flow_ends_as_answered_when_idle(void **state)
{
	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	assert_int_equal(test_kernel.notes, 1);
	assert_string_equal(test_kernel.info.domain, "www.test");
	turn_until(loop, got.num == 1);
	advance_ms(DNS_FLOW_IDLE_MS - 1);
	settle_loop(loop);
	assert_int_equal(test_kernel.ends, 0);
	advance_ms(1001);
	settle_loop(loop);
	assert_int_equal(test_kernel.ends, 1);
	assert_int_equal(test_kernel.info.end, END_ANSWERED);
	assert_string_equal(test_kernel.info.outbound, "resolver");
	assert_int_equal(test_kernel.info.upstream_port, fake.endpoint.port);
}

static void a_flow_without_answer_ends_as_unanswered(void **state)
{
	start(say_nothing, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	for (int i = 0; i < 17; i++) {
		advance_ms(1000);
		settle_loop(loop);
	}
	assert_int_equal(got.num, 1);
	assert_int_equal(test_kernel.ends, 1);
	assert_int_equal(test_kernel.info.end, END_UNANSWERED);
}

static void what_is_in_flight_at_the_end_gets_servfail(void **state)
{
	start(say_nothing, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	settle_loop(loop);
	service_free(service);
	service = NULL;
	assert_int_equal(got.num, 1);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_kernel.ends, 1);
}

static void queries_beyond_the_sockets_wait_their_turn(void **state)
{
	struct service_options options = { .mtu = 1500, .sockets_max = 2 };
	char name[16];

	start(say_address, &options);
	for (uint16_t i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		ask(1000 + i, i, name, TYPE_A);
	}
	turn_until(loop, got.num == 50);
	assert_int_equal(test_counters.stats.dns_servfail, 0);
}

/* RFC 2308 */
static void denials_are_kept_as_long_as_the_soa_says(void **state)
{
	start(say_denial, NULL);
	ask(1000, 1, "no.test", TYPE_A);
	turn_until(loop, got.num == 1);
	advance_ms(29999);
	ask(1001, 2, "no.test", TYPE_A);
	assert_int_equal(got.num, 2);
	assert_int_equal(rcode(), RCODE_NXDOMAIN);
	assert_int_equal(fake.asked, 1);
	advance_ms(1);
	ask(1002, 3, "no.test", TYPE_A);
	turn_until(loop, got.num == 3);
	assert_int_equal(fake.asked, 2);
}

static void failures_are_not_kept(void **state)
{
	start(say_failure, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_SERVFAIL);
	assert_int_equal(test_counters.stats.dns_servfail, 0); /* not ours */
	fake.say = say_address;
	ask(1001, 2, "www.test", TYPE_A);
	turn_until(loop, got.num == 2);
	assert_int_equal(rcode(), RCODE_NOERROR);
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void the_hosts_servers_are_followed(void **state)
{
	char path[] = "/tmp/headrace-test-resolv-XXXXXX";
	struct service_options options = { .mtu = 1500, .sockets_max = 8, .resolv_conf = path };

	close(mkstemp(path));
	put_file(path, "nameserver 127.0.0.1\n");
	start(say_address, &options);
	assert_int_equal(upstreams_group(service->upstreams, 0)->num, 1);
	put_file(path, "nameserver 127.0.0.2\nnameserver ::1\n");
	ask(1000, 1, "www.test", TYPE_AXFR); /* refused before anyone is asked */
	assert_int_equal(upstreams_group(service->upstreams, 0)->num, 1);
	advance_ms(BOOTSTRAP_CHECK_MS);
	ask(1001, 1, "www.test", TYPE_A);
	assert_int_equal(upstreams_group(service->upstreams, 0)->num, 2);
	assert_true(addr_is_loopback(
		&upstreams_group(service->upstreams, 0)->member[1]->address[0].addr));
	assert_ptr_equal(service->generation->group[0].upstreams,
			 upstreams_group(service->upstreams, 0));
	unlink(path);
}

static void remembers_the_last_queries(void **state)
{
	const struct history_entry *h;

	start(say_address, NULL);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	ask(1001, 1, "www.test", TYPE_A);
	h = history_get(&service->history, 0);
	assert_int_equal(h->source, SOURCE_CACHE);
	assert_int_equal(ntohs(h->client.port), 1001);
	h = history_get(&service->history, 1);
	assert_int_equal(h->source, SOURCE_UPSTREAM);
	assert_int_equal(h->upstream.port, fake.endpoint.port);
	assert_string_equal(h->name, "www.test");
	assert_int_equal(h->owner.uid, 1000);
	assert_int_equal(h->owner.pid, 77);
	assert_string_equal(h->owner.comm, "asks");
	assert_null(history_get(&service->history, 2));
}

static struct dns_log_entry kernel_entry(void)
{
	struct dns_log_entry e = { .time_ns = clock_ns() - 2 * NSEC_PER_SEC,
				   .client = addr_from_v4(htonl(0x0a000002)),
				   .port = htons(4000),
				   .type = TYPE_A,
				   .rcode = RCODE_NXDOMAIN,
				   .action = DNS_NXDOMAIN,
				   .rule = DNS_RULES_MAX,
				   .uid = 33,
				   .pid = 4711,
				   .comm = "curl",
				   .name_len = 10,
				   .name = "\3Ads\4test" };

	return e;
}

/* C-62: what the kernel half answered is in the log, with the time at which it was. */
static void c62_answers_of_the_kernel_half_are_noted(void **state)
{
	struct dns_log_entry e;
	const struct history_entry *h;

	start(say_address, NULL);
	e = kernel_entry();
	reply_note_kernel(service, &e);
	h = history_get(&service->history, 0);
	assert_int_equal(h->source, SOURCE_KERNEL);
	assert_int_equal(h->rcode, RCODE_NXDOMAIN);
	assert_int_equal(h->action, DNS_NXDOMAIN);
	assert_int_equal(h->client.port, htons(4000));
	assert_string_equal(h->name, "Ads.test");
	assert_int_equal(h->owner.uid, 33);
	assert_int_equal(h->owner.pid, 4711);
	assert_string_equal(h->owner.comm, "curl");
	assert_non_null(strstr(h->rule, " line "));
	assert_in_range(time(NULL) * 1000LL - h->time_ms, 0, 20000);
	e.policy = DNS_POLICIES_MAX; /* of a configuration that is no more */
	reply_note_kernel(service, &e);
	assert_string_equal(history_get(&service->history, 0)->rule, "");
	assert_int_equal(service->history.total, 2);
	e.name[0] = 60; /* not within its length */
	reply_note_kernel(service, &e);
	assert_int_equal(service->history.total, 2);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(answers_from_upstream_with_the_clients_id_and_case),
		T(c62_answers_of_the_kernel_half_are_noted),
		T(notes_the_address_under_the_name_asked),
		T(answers_from_the_cache_with_aged_ttl),
		T(cached_answers_have_an_opt_for_those_who_sent_one),
		T(n14_ten_thousand_queries_with_equal_ids_get_their_own_answers),
		T(c03_one_more_than_allowed_gets_servfail),
		T(one_client_has_its_share_of_queries_in_flight),
		T(the_oldest_query_of_who_has_most_makes_way_for_another_client),
		T(equal_questions_share_one_upstream_query),
		T(queries_that_differ_in_what_is_not_handed_on_share),
		T(queries_with_different_options_do_not_share),
		T(a_clients_repetition_is_absorbed),
		T(n12_silence_upstream_is_servfail_after_the_limit),
		T(n15_a_silent_name_does_not_hold_up_others),
		T(large_answers_are_cut_and_whole_over_tcp),
		T(n16_no_answer_exceeds_the_mtu_whatever_the_client_says),
		T(says_why_it_does_not_answer),
		T(n12_drops_and_counts_what_is_no_query),
		T(without_descriptors_it_is_servfail_at_once),
		T(an_unprotected_socket_is_not_used),
		T(without_name_servers_it_is_servfail),
		T(a_flow_ends_as_answered_when_idle),
		T(a_flow_without_answer_ends_as_unanswered),
		T(what_is_in_flight_at_the_end_gets_servfail),
		T(queries_beyond_the_sockets_wait_their_turn),
		T(denials_are_kept_as_long_as_the_soa_says),
		T(failures_are_not_kept),
		T(the_hosts_servers_are_followed),
		T(remembers_the_last_queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
