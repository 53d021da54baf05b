// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The flow table as packets go by: entries, counters, states, events, fragments. */
#include "bpf/harness.h"

#include <arpa/inet.h>

#define APP "10.0.0.2"
#define HOST "192.0.2.7"

/* A TCP segment between the application and HOST; up unless `down`. */
static struct craft segment(bool down, uint8_t flags, uint16_t payload)
{
	return (struct craft){ .proto = IPPROTO_TCP,
			       .src = down ? HOST : APP,
			       .dst = down ? APP : HOST,
			       .sport = down ? 443 : 40000,
			       .dport = down ? 40000 : 443,
			       .tcp_flags = flags,
			       .payload = payload };
}

static void up(struct harness *h, uint8_t flags, uint16_t payload)
{
	struct craft c = segment(false, flags, payload);

	assert_int_equal(harness_egress(h, &c), HARNESS_OK);
}

static void down(struct harness *h, uint8_t flags, uint16_t payload)
{
	struct craft c = segment(true, flags, payload);

	assert_int_equal(harness_ingress(h, &c), HARNESS_OK);
}

static int state_of(struct harness *h)
{
	struct flow_key key;

	return harness_flow(h, &key).state;
}

static void syn_opens_a_flow_and_tells_of_it(void **state)
{
	struct harness *h = harness_open(16);
	struct harness_events events;
	struct flow_key key;
	struct flow f;

	up(h, CRAFT_SYN, 0);
	f = harness_flow(h, &key);
	assert_memory_equal(key.saddr.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02", 16);
	assert_memory_equal(key.daddr.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07", 16);
	assert_int_equal(key.sport, htons(40000));
	assert_int_equal(key.dport, htons(443));
	assert_int_equal(key.proto, IPPROTO_TCP);
	assert_int_equal(f.state, FLOW_OPENING);
	assert_int_equal(f.verdict, VERDICT_FORWARD);
	assert_int_equal(f.capture, CAPTURE_TUN);
	assert_int_equal(f.queue, 1);
	assert_int_equal(f.ifindex, 1);
	assert_int_equal(f.packets_up, 1);
	assert_int_equal(f.bytes_up, 0);
	assert_true(f.first_seen_ns > 0 && f.last_seen_ns == f.first_seen_ns);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 1);
	assert_int_equal(events.size[0], offsetof(struct flow_event, info));
	assert_int_equal(events.event[0].type, EVENT_FLOW_NEW);
	assert_memory_equal(&events.event[0].key, &key, sizeof(key));
	assert_memory_equal(&events.event[0].flow, &f, sizeof(f));
	assert_int_equal(harness_stat(h, STAT_FLOWS_NEW), 1);
	up(h, CRAFT_SYN, 0); /* sent again: the same flow, and no event */
	harness_read_events(h, &events);
	assert_int_equal(events.count, 0);
	assert_int_equal(harness_flow(h, &key).packets_up, 2);
	harness_close(h);
}

static void counters_are_of_payload_both_ways(void **state)
{
	struct harness *h = harness_open(16);
	struct flow_key key;
	struct flow f;

	up(h, CRAFT_SYN, 0);
	down(h, CRAFT_SYN | CRAFT_ACK, 0);
	up(h, CRAFT_ACK, 100);
	up(h, CRAFT_ACK, 23);
	down(h, CRAFT_ACK, 1000);
	f = harness_flow(h, &key);
	assert_int_equal(f.bytes_up, 123);
	assert_int_equal(f.packets_up, 3);
	assert_int_equal(f.bytes_down, 1000);
	assert_int_equal(f.packets_down, 2);
	assert_int_equal(harness_stat(h, STAT_UP_PACKETS), 3);
	assert_int_equal(harness_stat(h, STAT_UP_BYTES), 3 * 40 + 123);
	assert_int_equal(harness_stat(h, STAT_DOWN_BYTES), 2 * 40 + 1000);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 0);
	harness_close(h);
}

static void gso_packet_counts_as_its_segments(void **state)
{
	struct harness *h = harness_open(16);
	struct __sk_buff from_stack = { .gso_segs = 2, .gso_size = 1000 };
	struct __sk_buff from_role = { .gso_size = 700 }; /* a TUN's writer sets no gso_segs */
	struct craft c = segment(false, CRAFT_ACK, 2000);
	uint8_t bytes[CRAFT_MAX];
	struct flow_key key;
	size_t len;

	up(h, CRAFT_SYN, 0);
	len = craft(&c, bytes);
	harness_run(h, h->skel->progs.tun_egress, bytes, len, &from_stack, 1);
	c = segment(true, CRAFT_ACK, 2000);
	len = craft(&c, bytes);
	harness_run(h, h->skel->progs.tun_ingress, bytes, len, &from_role, 1);
	assert_int_equal(harness_flow(h, &key).packets_up, 3);
	assert_int_equal(harness_flow(h, &key).bytes_up, 2000);
	assert_int_equal(harness_flow(h, &key).packets_down, 3);
	assert_int_equal(harness_flow(h, &key).bytes_down, 2000);
	assert_int_equal(harness_stat(h, STAT_UP_PACKETS), 3);
	harness_close(h);
}

static void states_follow_the_packets(void **state)
{
	struct harness *h = harness_open(16);

	up(h, CRAFT_SYN, 0);
	assert_int_equal(state_of(h), FLOW_OPENING);
	down(h, CRAFT_SYN | CRAFT_ACK, 0);
	assert_int_equal(state_of(h), FLOW_OPEN);
	up(h, CRAFT_ACK | CRAFT_FIN, 0);
	assert_int_equal(state_of(h), FLOW_CLOSING);
	down(h, CRAFT_ACK, 10);
	assert_int_equal(state_of(h), FLOW_CLOSING);
	down(h, CRAFT_ACK | CRAFT_FIN, 0);
	assert_int_equal(state_of(h), FLOW_CLOSED);
	up(h, CRAFT_ACK, 0);
	assert_int_equal(state_of(h), FLOW_CLOSED);
	harness_close(h);
}

static void reset_closes_from_either_side(void **state)
{
	struct harness *h = harness_open(16);

	up(h, CRAFT_SYN, 0);
	down(h, CRAFT_RST | CRAFT_ACK, 0);
	assert_int_equal(state_of(h), FLOW_CLOSED);
	harness_close(h);
	h = harness_open(16);
	up(h, CRAFT_SYN, 0);
	down(h, CRAFT_SYN | CRAFT_ACK, 0);
	up(h, CRAFT_RST, 0);
	assert_int_equal(state_of(h), FLOW_CLOSED);
	harness_close(h);
}

static void only_a_syn_opens_a_tcp_flow(void **state)
{
	struct harness *h = harness_open(16);

	up(h, CRAFT_ACK, 10);
	up(h, CRAFT_FIN | CRAFT_ACK, 0);
	up(h, CRAFT_SYN | CRAFT_ACK, 0);
	up(h, CRAFT_SYN | CRAFT_FIN, 0);
	up(h, CRAFT_RST, 0);
	down(h, CRAFT_ACK, 10);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 6);
	harness_close(h);
}

/* Brings a flow to its end by FINs (`orderly`) or RST; gives it `end` as its role's reason. */
static void open_and_close(struct harness *h, bool orderly, enum flow_end end)
{
	struct flow_info info = { .end = end, .domain = "old.test" };
	struct harness_events events;
	struct flow_key key;

	up(h, CRAFT_SYN, 0);
	down(h, CRAFT_SYN | CRAFT_ACK, 0);
	up(h, CRAFT_ACK, 50);
	if (orderly) {
		up(h, CRAFT_ACK | CRAFT_FIN, 0);
		down(h, CRAFT_ACK | CRAFT_FIN, 0);
	} else {
		up(h, CRAFT_RST, 0);
	}
	harness_flow(h, &key);
	if (end)
		bpf_map_update_elem(bpf_map__fd(h->skel->maps.flow_info), &key, &info, 0);
	harness_read_events(h, &events);
}

static const struct {
	bool orderly;
	enum flow_end noted;
	enum flow_end expected;
} reopened[] = {
	{ true, END_NONE, END_FINISHED },
	{ false, END_NONE, END_REPLACED },
	{ false, END_APP_RESET, END_APP_RESET },
	{ true, END_IDLE, END_IDLE },
};

static void syn_on_a_closed_flow_ends_it_and_opens_anew(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(reopened) / sizeof(reopened[0]); i++) {
		struct harness *h = harness_open(16);
		struct harness_events events;
		struct flow_info info;
		struct flow_key key;

		open_and_close(h, reopened[i].orderly, reopened[i].noted);
		up(h, CRAFT_SYN, 0);
		harness_read_events(h, &events);
		assert_int_equal(events.count, 2);
		assert_int_equal(events.event[0].type, EVENT_FLOW_END);
		assert_int_equal(events.event[0].info.end, reopened[i].expected);
		assert_int_equal(events.event[0].flow.bytes_up, 50);
		if (reopened[i].noted)
			assert_string_equal(events.event[0].info.domain, "old.test");
		assert_int_equal(events.event[1].type, EVENT_FLOW_NEW);
		assert_int_equal(harness_flow(h, &key).state, FLOW_OPENING);
		assert_int_equal(harness_flow(h, &key).packets_up, 1);
		assert_int_not_equal(
			bpf_map_lookup_elem(bpf_map__fd(h->skel->maps.flow_info), &key, &info), 0);
		assert_int_equal(harness_stat(h, STAT_FLOWS_CLOSED), 1);
		harness_close(h);
	}
}

static void syn_on_an_open_flow_is_only_counted(void **state)
{
	struct harness *h = harness_open(16);
	struct flow_key key;

	up(h, CRAFT_SYN, 0);
	down(h, CRAFT_SYN | CRAFT_ACK, 0);
	up(h, CRAFT_SYN, 0);
	assert_int_equal(harness_flow(h, &key).packets_up, 2);
	assert_int_equal(harness_stat(h, STAT_FLOWS_NEW), 1);
	harness_close(h);
}

static void datagrams_open_a_flow_and_answers_count(void **state)
{
	struct harness *h = harness_open(16);
	struct craft answer = { .proto = IPPROTO_UDP,
				.src = HOST,
				.dst = APP,
				.sport = 6000,
				.dport = 5000,
				.payload = 5 };
	struct flow_key key;
	struct flow f;

	assert_int_equal(harness_egress(h, harness_kind("udp4")), HARNESS_OK);
	assert_int_equal(harness_ingress(h, &answer), HARNESS_OK);
	f = harness_flow(h, &key);
	assert_int_equal(f.state, FLOW_OPEN);
	assert_int_equal(f.bytes_up, 33);
	assert_int_equal(f.bytes_down, 5);
	harness_close(h);
}

static void dns_flow_is_the_resolvers(void **state)
{
	struct harness *h = harness_open(16);
	struct flow_key key;
	struct flow f;

	assert_int_equal(harness_egress(h, harness_kind("udp6_dns")), HARNESS_OK);
	f = harness_flow(h, &key);
	assert_int_equal(f.verdict, VERDICT_DNS);
	assert_int_equal(f.queue, RESOLVER_QUEUE);
	assert_int_equal(harness_stat(h, STAT_DNS), 1);
	harness_close(h);
}

static void echo_is_a_flow_by_its_identifier(void **state)
{
	struct harness *h = harness_open(16);
	struct craft reply = { .version = 6,
			       .proto = IPPROTO_ICMPV6,
			       .icmp_type = 129,
			       .sport = 4242,
			       .src = "2001:db8::7",
			       .dst = "fd68:6561:6472:6163::2",
			       .payload = 56 };
	struct flow_key key;
	struct flow f;

	assert_int_equal(harness_egress(h, harness_kind("echo6")), HARNESS_OK);
	assert_int_equal(harness_ingress(h, &reply), HARNESS_OK);
	f = harness_flow(h, &key);
	assert_int_equal(key.sport, htons(4242));
	assert_int_equal(key.dport, 0);
	assert_int_equal(f.bytes_up, 56);
	assert_int_equal(f.bytes_down, 56);
	harness_close(h);
}

static void icmp_errors_pass_without_a_flow(void **state)
{
	struct harness *h = harness_open(16);

	assert_int_equal(harness_egress(h, harness_kind("unreachable4")), HARNESS_OK);
	assert_int_equal(harness_ingress(h, harness_kind("unreachable4")), HARNESS_OK);
	assert_int_equal(harness_flows(h), 0);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 2);
	harness_close(h);
}

static void fragments_count_for_the_flow_of_their_first(void **state)
{
	struct harness *h = harness_open(16);
	struct flow_key key;
	struct flow f;

	assert_int_equal(harness_egress(h, harness_kind("udp4_first")), HARNESS_OK);
	assert_int_equal(harness_egress(h, harness_kind("udp4_middle")), HARNESS_OK);
	assert_int_equal(harness_egress(h, harness_kind("udp4_last")), HARNESS_OK);
	f = harness_flow(h, &key);
	assert_int_equal(key.dport, htons(9));
	assert_int_equal(f.bytes_up, 1472 + 1480 + 1);
	assert_int_equal(f.packets_up, 3);
	assert_int_equal(harness_stat(h, STAT_FRAGMENTS), 3);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 0);
	harness_close(h);
}

static void fragments_to_the_application_count_too(void **state)
{
	struct harness *h = harness_open(16);
	struct craft c = { .version = 6,
			   .proto = IPPROTO_UDP,
			   .sport = 9,
			   .dport = 5002,
			   .src = "2001:db8::7",
			   .dst = "fd68:6561:6472:6163::2",
			   .chain = "f",
			   .id = 5,
			   .payload = 1440,
			   .more = true };
	struct flow_key key;

	assert_int_equal(harness_egress(h, harness_kind("udp6_first")), HARNESS_OK);
	assert_int_equal(harness_ingress(h, &c), HARNESS_OK);
	c.offset = 1448;
	c.more = false;
	c.payload = 60;
	assert_int_equal(harness_ingress(h, &c), HARNESS_OK);
	assert_int_equal(harness_flow(h, &key).bytes_down, 1500);
	c.id = 6; /* of another packet */
	assert_int_equal(harness_ingress(h, &c), HARNESS_OK);
	assert_int_equal(harness_flow(h, &key).bytes_down, 1500);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 1);
	harness_close(h);
}

static void garbage_to_the_application_passes_uncounted(void **state)
{
	struct harness *h = harness_open(16);
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(harness_kind("udp4"), bytes);

	bytes[3] = 200;
	assert_int_equal(harness_run(h, h->skel->progs.tun_ingress, bytes, len, NULL, 1),
			 HARNESS_OK);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 1);
	assert_int_equal(harness_drops_all(h), 0);
	harness_close(h);
}

static void lost_events_are_counted(void **state)
{
	struct harness *h = harness_open(65536);
	struct craft c = { .proto = IPPROTO_UDP };
	unsigned int i, fits = EVENTS_BYTES / (8 + offsetof(struct flow_event, info));

	for (i = 0; i < fits + 10; i++) {
		c.sport = 1 + i % 60000;
		c.dport = 1000 + i / 60000;
		assert_int_equal(harness_egress(h, &c), HARNESS_OK);
	}
	assert_int_equal(harness_flows(h), fits + 10);
	assert_in_range(harness_stat(h, STAT_EVENTS_LOST), 1, 20);
	harness_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syn_opens_a_flow_and_tells_of_it),
		cmocka_unit_test(counters_are_of_payload_both_ways),
		cmocka_unit_test(gso_packet_counts_as_its_segments),
		cmocka_unit_test(states_follow_the_packets),
		cmocka_unit_test(reset_closes_from_either_side),
		cmocka_unit_test(only_a_syn_opens_a_tcp_flow),
		cmocka_unit_test(syn_on_a_closed_flow_ends_it_and_opens_anew),
		cmocka_unit_test(syn_on_an_open_flow_is_only_counted),
		cmocka_unit_test(datagrams_open_a_flow_and_answers_count),
		cmocka_unit_test(dns_flow_is_the_resolvers),
		cmocka_unit_test(echo_is_a_flow_by_its_identifier),
		cmocka_unit_test(icmp_errors_pass_without_a_flow),
		cmocka_unit_test(fragments_count_for_the_flow_of_their_first),
		cmocka_unit_test(fragments_to_the_application_count_too),
		cmocka_unit_test(garbage_to_the_application_passes_uncounted),
		cmocka_unit_test(lost_events_are_counted),
	};

	return cmocka_run_group_tests_name("bpf/flow", tests, NULL, NULL);
}
