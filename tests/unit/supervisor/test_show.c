// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* show.c: keys, units, and text that a role wrote and nobody trusts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "supervisor/show.h"

static struct flow_event event;

static int setup(void **state)
{
	memset(&event, 0, sizeof(event));
	event.time_ns = 5 * NSEC_PER_SEC;
	event.type = EVENT_FLOW_END;
	addr_parse("10.0.0.2", &event.key.saddr);
	addr_parse("192.0.2.80", &event.key.daddr);
	event.key.sport = htons(40000);
	event.key.dport = htons(80);
	event.key.proto = IPPROTO_TCP;
	event.flow = (struct flow){ .first_seen_ns = 2 * NSEC_PER_SEC,
				    .last_seen_ns = 4 * NSEC_PER_SEC,
				    .bytes_up = 100,
				    .bytes_down = 5000000000,
				    .packets_up = 3,
				    .packets_down = 4,
				    .uid = 1000,
				    .queue = 1,
				    .verdict = VERDICT_FORWARD,
				    .state = FLOW_CLOSED };
	event.info.end = END_FINISHED;
	event.info.upstream = event.key.daddr;
	event.info.upstream_port = event.key.dport;
	strcpy(event.info.outbound, "direct");
	strcpy(event.info.domain, "www.example.org");
	return 0;
}

static const char *text_of(json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static json_int_t number_of(json_t *o, const char *key)
{
	assert_true(json_is_integer(json_object_get(o, key)));
	return json_integer_value(json_object_get(o, key));
}

static void writes_the_documented_keys(void **state)
{
	json_t *o = show_event(&event, &(struct show_flow){ 0 });

	assert_string_equal(text_of(o, "type"), "end");
	assert_string_equal(text_of(o, "proto"), "tcp");
	assert_string_equal(text_of(o, "saddr"), "10.0.0.2");
	assert_int_equal(number_of(o, "sport"), 40000);
	assert_string_equal(text_of(o, "daddr"), "192.0.2.80");
	assert_int_equal(number_of(o, "dport"), 80);
	assert_string_equal(text_of(o, "verdict"), "forward");
	assert_string_equal(text_of(o, "state"), "closed");
	assert_string_equal(text_of(o, "end"), "finished");
	assert_int_equal(number_of(o, "bytes_up"), 100);
	assert_int_equal(number_of(o, "bytes_down"), 5000000000);
	assert_int_equal(number_of(o, "packets_up"), 3);
	assert_int_equal(number_of(o, "packets_down"), 4);
	assert_int_equal(number_of(o, "duration_ms"), 3000);
	assert_int_equal(number_of(o, "idle_ms"), 1000);
	assert_string_equal(text_of(o, "domain"), "www.example.org");
	assert_string_equal(text_of(o, "outbound"), "direct");
	assert_string_equal(text_of(o, "upstream"), "192.0.2.80:80");
	assert_int_equal(number_of(o, "uid"), 1000);
	assert_int_equal(number_of(o, "slot"), 1);
	json_decref(o);
}

static void names_owner_rule_and_carrier(void **state)
{
	const struct show_flow names = { .cgroup = "/system.slice/web.service/worker",
					 .device = "lan0",
					 .rule_name = "work" };
	json_t *o;

	event.flow.pid = 42;
	memcpy(event.flow.comm, "curl\0\xff", 6);
	event.flow.cgroup_id = 77;
	event.flow.rule = 3;
	event.flow.epoch = 9;
	event.flow.capture = CAPTURE_LAN;
	event.flow.flags = FLOW_INBOUND;
	memcpy(event.flow.mac, "\2\0\0\0\xab\1", 6);
	o = show_event(&event, &names);
	assert_int_equal(number_of(o, "pid"), 42);
	assert_string_equal(text_of(o, "process"), "curl");
	assert_string_equal(text_of(o, "cgroup"), "/system.slice/web.service/worker");
	assert_string_equal(text_of(o, "unit"), "web.service");
	assert_string_equal(text_of(o, "mac"), "02:00:00:00:ab:01");
	assert_string_equal(text_of(o, "device"), "lan0");
	assert_int_equal(number_of(o, "rule"), 3);
	assert_string_equal(text_of(o, "rule_name"), "work");
	assert_int_equal(number_of(o, "epoch"), 9);
	assert_string_equal(text_of(o, "capture"), "lan");
	assert_string_equal(text_of(o, "opened"), "outside");
	assert_string_equal(text_of(o, "carrier"), "worker 1");
	json_decref(o);
	event.flow.verdict = VERDICT_DIRECT;
	event.flow.flags = FLOW_OLDER;
	o = show_event(&event, &(struct show_flow){ .cgroup = "/.service/x.slice" });
	assert_string_equal(text_of(o, "carrier"), "kernel");
	assert_string_equal(text_of(o, "opened"), "before");
	assert_null(json_object_get(o, "unit"));
	json_decref(o);
	event.flow.verdict = VERDICT_DNS;
	event.flow.queue = RESOLVER_QUEUE;
	o = show_event(&event, &(struct show_flow){ .cgroup = "/a.scope" });
	assert_string_equal(text_of(o, "carrier"), "resolver");
	assert_string_equal(text_of(o, "unit"), "a.scope");
	json_decref(o);
}

static void leaves_out_what_is_not_known(void **state)
{
	json_t *o;

	memset(&event.info, 0, sizeof(event.info));
	event.flow.uid = 65534;
	o = show_event(&event, &(struct show_flow){ 0 });
	assert_null(json_object_get(o, "domain"));
	assert_null(json_object_get(o, "upstream"));
	assert_null(json_object_get(o, "outbound"));
	assert_null(json_object_get(o, "end"));
	assert_null(json_object_get(o, "uid"));
	assert_null(json_object_get(o, "cgroup_id"));
	assert_null(json_object_get(o, "pid"));
	assert_null(json_object_get(o, "process"));
	assert_null(json_object_get(o, "mac"));
	assert_null(json_object_get(o, "unit"));
	json_decref(o);
}

static void survives_values_out_of_range_and_unclean_text(void **state)
{
	json_t *o;

	memset(event.info.domain, 0xff, sizeof(event.info.domain)); /* no NUL, no UTF-8 */
	event.info.domain[1] = '\n';
	event.info.end = 200;
	event.flow.verdict = 200;
	event.flow.state = 200;
	event.key.proto = 132;
	event.flow.first_seen_ns = UINT64_MAX;
	o = show_event(&event, &(struct show_flow){ 0 });
	assert_non_null(o);
	assert_int_equal(strlen(text_of(o, "domain")), DOMAIN_TEXT_MAX - 1);
	assert_memory_equal(text_of(o, "domain"), "????", 4);
	assert_string_equal(text_of(o, "end"), "?");
	assert_string_equal(text_of(o, "verdict"), "?");
	assert_string_equal(text_of(o, "state"), "?");
	assert_string_equal(text_of(o, "proto"), "132");
	assert_int_equal(number_of(o, "duration_ms"), 0);
	json_decref(o);
}

static void new_event_has_no_info_of_its_flow(void **state)
{
	json_t *o;

	event.type = EVENT_FLOW_NEW; /* `info` was not part of the record: whatever lies there */
	o = show_event(&event, &(struct show_flow){ 0 });
	assert_string_equal(text_of(o, "type"), "new");
	assert_null(json_object_get(o, "domain"));
	json_decref(o);
}

static void drops_have_names_and_texts(void **state)
{
	json_t *o = show_drop("kernel", DROP_LOOP, 12);

	assert_string_equal(text_of(o, "where"), "kernel");
	assert_string_equal(text_of(o, "reason"), "loop_averted");
	assert_true(strlen(text_of(o, "text")) > 10);
	assert_int_equal(number_of(o, "count"), 12);
	json_decref(o);
}

static void zero_counters_are_left_out(void **state)
{
	struct drop_counters d = { .ttl = 3 };
	json_t *o = show_drop_counters(&d);

	assert_int_equal(json_object_size(o), 1);
	assert_int_equal(number_of(o, "ttl"), 3);
	json_decref(o);
}

static void counters_are_shown_by_their_fields(void **state)
{
	struct kernel_stats k = { .up_packets = 1, .events_lost = 2 };
	struct role_stats r = { .tcp_open = 3, .restarts = 4 };
	json_t *o = show_kernel_stats(&k);

	assert_int_equal(json_object_size(o), STAT_NUM);
	assert_int_equal(number_of(o, "up_packets"), 1);
	assert_int_equal(number_of(o, "events_lost"), 2);
	json_object_clear(o);
	show_role_stats(o, &r);
	assert_int_equal(json_object_size(o), RSTAT_NUM);
	assert_int_equal(number_of(o, "tcp_open"), 3);
	assert_int_equal(number_of(o, "restarts"), 4);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(writes_the_documented_keys, setup),
		cmocka_unit_test_setup(names_owner_rule_and_carrier, setup),
		cmocka_unit_test_setup(leaves_out_what_is_not_known, setup),
		cmocka_unit_test_setup(survives_values_out_of_range_and_unclean_text, setup),
		cmocka_unit_test_setup(new_event_has_no_info_of_its_flow, setup),
		cmocka_unit_test_setup(drops_have_names_and_texts, setup),
		cmocka_unit_test_setup(zero_counters_are_left_out, setup),
		cmocka_unit_test_setup(counters_are_shown_by_their_fields, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
