// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * host_egress and host_ingress: when main is down, what is known of flows, and what becomes of
 * them when the rules change.
 */
#include "bpf/host_world.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Both ways of being down: no heartbeat, and no TUN. */
static void when_down_is_open_captured_traffic_passes(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_STALE);
	struct settings s = capture_settings();
	struct craft dns = udp4;

	dns.dport = 53;
	s.heartbeat_ns = 0;
	settings_are(&s);
	assert_int_equal(run(&syn4, NULL), -1);
	assert_int_equal(run(&dns, NULL), -1);
	s = capture_settings();
	s.tun_ifindex = NO_DEVICE;
	settings_are(&s);
	assert_int_equal(run(&udp6, NULL), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_STALE), before + 3);
}

static void when_down_is_closed_captured_traffic_is_refused_and_direct_is_not(void **state)
{
	uint64_t before = harness_drops(h, DROP_STALE);
	struct settings s = capture_settings();

	s.closed = 1;
	s.heartbeat_ns = 0;
	settings_are(&s);
	assert_int_equal(run(&syn4, NULL), HARNESS_REDIRECT);
	assert_int_equal(h->out[HARNESS_L2 + 33], CRAFT_RST | CRAFT_ACK);
	assert_int_equal(run(&udp4, NULL), HARNESS_REDIRECT);
	assert_int_equal(h->out[HARNESS_L2 + 9], IPPROTO_ICMP);
	assert_int_equal(harness_drops(h, DROP_STALE), before + 2);
	rules_say(VERDICT_DIRECT, 0, 0);
	assert_int_equal(run(&syn6, NULL), -1);
	assert_int_equal(run(&udp6, NULL), -1);
}

/* main's own word for how old a beat may be; 0 is 5 s */
static void heartbeat_is_stale_after_what_settings_say(void **state)
{
	struct settings s = capture_settings();
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	s.heartbeat_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	s.stale_ns = 3600 * 1000000000ULL;
	settings_are(&s);
	assert_int_equal(run(&syn4, NULL), HARNESS_REDIRECT);
	s.heartbeat_ns = 1;
	s.stale_ns = 1;
	settings_are(&s);
	assert_int_equal(run(&syn4, NULL), -1);
	s.stale_ns = 0;
	s.heartbeat_ns = now.tv_sec * 1000000000ULL + 3600 * 1000000000ULL; /* 5 s after that */
	settings_are(&s);
	assert_int_equal(run(&syn4, NULL), HARNESS_REDIRECT);
	s.heartbeat_ns = 1;
	s.stale_ns = now.tv_sec * 1000000000ULL + 3600 * 1000000000ULL;
	settings_are(&s);
	assert_int_equal(run(&syn4, NULL), HARNESS_REDIRECT);
}

static void datagrams_go_on_as_their_flow_was_decided(void **state)
{
	rules_say(VERDICT_DIRECT, 1, 0);
	assert_int_equal(run(&udp4, NULL), -1);
	rules_say(VERDICT_DROP, 2, 0); /* reload --flows keep */
	assert_int_equal(run(&udp4, NULL), -1);
	assert_int_equal(run(&udp6, NULL), HARNESS_DROP);
	rules_say(VERDICT_DROP, 3, 3); /* reload --flows reset */
	assert_int_equal(run(&udp4, NULL), HARNESS_DROP);
}

static struct flow_key key_of(const struct craft *c)
{
	struct flow_key key = { .sport = htons(c->sport),
				.dport = htons(c->dport),
				.proto = c->proto };
	const struct addr mapped = { { TUN_MAPPED } };

	key.saddr = key.daddr = mapped;
	assert_int_equal(inet_pton(AF_INET, c->src, key.saddr.b + 12), 1);
	assert_int_equal(inet_pton(AF_INET, c->dst, key.daddr.b + 12), 1);
	return key;
}

/* Enters the flow of `c` as tun_egress does. */
static void flow_put(const struct craft *c, enum capture_point capture, uint32_t epoch)
{
	struct flow f = { .verdict = VERDICT_FORWARD,
			  .capture = capture,
			  .epoch = epoch,
			  .ifindex = DEVICE,
			  .state = FLOW_OPEN };
	struct flow_key key = key_of(c);

	put(h->skel->maps.flows, &key, &f);
}

static bool flow_get(struct bpf_map *map, const struct craft *c, struct flow *ret_flow)
{
	struct flow_key key = key_of(c);

	return !bpf_map_lookup_elem(bpf_map__fd(map), &key, ret_flow);
}

static void segments_of_a_captured_connection_are_captured(void **state)
{
	rules_say(VERDICT_DIRECT, 1, 0);
	flow_put(&ack4, CAPTURE_EGRESS, 0);
	assert_int_equal(run(&ack4, NULL), HARNESS_REDIRECT);
	assert_int_equal(run(&syn4, NULL), HARNESS_REDIRECT); /* sent again */
	empty(h->skel->maps.flows);
	flow_put(&ack4, CAPTURE_TUN, 0); /* routed to the TUN: none of this device's */
	assert_int_equal(run(&ack4, NULL), -1);
}

static void captured_connection_is_reset_when_new_rules_want_it_elsewhere(void **state)
{
	struct craft rst = TCP_BACK(OUTSIDE4, HOST4, CRAFT_RST, .seq = 0x1234);
	const uint8_t macs[12] = { 2, 0, 0, 0, 0, 0x88, 2, 0, 0, 0, 0, 0x77 };
	uint64_t before = harness_drops(h, DROP_RESET);
	struct harness_events events;
	struct flow f;

	memcpy(h->macs, macs, sizeof(macs));
	flow_put(&ack4, CAPTURE_EGRESS, 1);
	rules_say(VERDICT_FORWARD, 2, 2);
	assert_int_equal(run(&ack4, NULL), HARNESS_REDIRECT);
	assert_int_equal(h->cb[0], CAPTURE_SECRET0);
	assert_true(flow_get(h->skel->maps.flows, &ack4, &f));
	assert_int_equal(f.epoch, 2); /* it goes on under the new ones */
	rules_say(VERDICT_DIRECT, 3, 3);
	assert_int_equal(run(&ack4, NULL), HARNESS_REDIRECT);
	expect_answer(&rst);
	assert_int_equal(harness_drops(h, DROP_RESET), before + 1);
	assert_false(flow_get(h->skel->maps.flows, &ack4, &f));
	harness_read_events(h, &events);
	assert_int_equal(events.count, 1);
	assert_int_equal(events.event[0].info.end, END_RULES);
	assert_int_equal(events.event[0].flow.epoch, 2);
}

static void direct_connection_is_reset_when_new_rules_want_it_elsewhere(void **state)
{
	uint64_t before = harness_drops(h, DROP_RESET);
	struct flow f;

	rules_say(VERDICT_DIRECT, 1, 0);
	assert_int_equal(run(&syn4, NULL), -1);
	assert_int_equal(run(&ack4, NULL), -1);
	rules_say(VERDICT_DIRECT, 2, 2);
	assert_int_equal(run(&ack4, NULL), -1);
	rules_say(VERDICT_FORWARD, 3, 3);
	assert_int_equal(run(&ack4, NULL), HARNESS_REDIRECT);
	assert_int_equal(h->out[HARNESS_L2 + 33], CRAFT_RST);
	assert_int_equal(harness_drops(h, DROP_RESET), before + 1);
	assert_true(flow_get(h->skel->maps.direct_flows, &ack4, &f));
	assert_int_equal(f.state, FLOW_CLOSED);
}

static void fragments_go_the_way_of_their_first(void **state)
{
	struct craft first = { .proto = IPPROTO_UDP,
			       .src = HOST4,
			       .dst = OUTSIDE4,
			       .sport = 1,
			       .dport = 2,
			       .payload = 1472,
			       .id = 9,
			       .more = true };
	struct craft last = { .proto = IPPROTO_UDP,
			      .src = HOST4,
			      .dst = OUTSIDE4,
			      .payload = 8,
			      .id = 9,
			      .offset = 1480 };
	struct __sk_buff ctx = capture_ctx(DEVICE, CAPTURE_EGRESS, VERDICT_FORWARD);
	uint8_t bytes[CRAFT_MAX];

	assert_int_equal(run(&first, NULL), HARNESS_REDIRECT);
	assert_int_equal(harness_run(h, h->skel->progs.tun_egress, bytes, craft(&first, bytes),
				     &ctx, 1),
			 HARNESS_OK); /* where the redirect goes */
	assert_int_equal(run(&last, NULL), HARNESS_REDIRECT);
	empty(h->skel->maps.flows);
	rules_say(VERDICT_DIRECT, 0, 0);
	first.id = last.id = 10;
	assert_int_equal(run(&first, NULL), -1);
	rules_say(VERDICT_DROP, 0, 0);
	assert_int_equal(run(&last, NULL), -1);
	first.id = last.id = 11;
	first.sport = 3;
	assert_int_equal(run(&first, NULL), HARNESS_DROP);
	rules_say(VERDICT_DIRECT, 0, 0);
	assert_int_equal(run(&last, NULL), HARNESS_DROP);
}

/* What nothing is known of but addresses does not slip by rules about them. */
static void fragments_whose_first_was_not_seen_are_decided_by_their_addresses(void **state)
{
	struct craft last = { .proto = IPPROTO_UDP,
			      .src = HOST4,
			      .dst = OUTSIDE4,
			      .payload = 8,
			      .id = 20,
			      .offset = 1480 };
	uint64_t untracked = harness_stat(h, STAT_UNTRACKED);

	rules_say(VERDICT_FORWARD, 0, 0);
	assert_int_equal(run(&last, NULL), HARNESS_REDIRECT); /* its first may come later */
	rules_say(VERDICT_REJECT, 0, 0);
	assert_int_equal(run(&last, NULL), HARNESS_DROP);
	rules_say(VERDICT_DIRECT, 0, 0);
	assert_int_equal(run(&last, NULL), -1);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), untracked + 1);
}

/* DHCP with more options than usual; nobody knows a flow of it. */
static void fragments_of_what_passes_pass(void **state)
{
	struct craft first = { .proto = IPPROTO_UDP,
			       .src = HOST4,
			       .dst = OUTSIDE4,
			       .sport = 68,
			       .dport = 67,
			       .payload = 1472,
			       .id = 21,
			       .more = true };
	struct craft last = first;

	last.more = false;
	last.payload = 8;
	last.offset = 1480;
	rules_say(VERDICT_DROP, 0, 0);
	assert_int_equal(run(&first, NULL), -1);
	assert_int_equal(run(&last, NULL), -1);
	last.id = 22;
	assert_int_equal(run(&last, NULL), HARNESS_DROP);
}

/* A server's socket that somebody called from outside answers; one that nobody called asks. */
static void datagrams_answer_who_called_from_outside(void **state)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	uint64_t before = harness_stat(h, STAT_PASS_INBOUND);
	struct craft in = udp4, out = udp4;
	socklen_t len = sizeof(at);
	struct flow f;

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	rules_say(VERDICT_DROP, 0, 0);
	in.src = out.dst = OUTSIDE4;
	in.dst = out.src = "127.0.0.1";
	in.dport = out.sport = ntohs(at.sin_port);
	in.sport = out.dport = 9;
	assert_int_equal(run(&out, NULL), HARNESS_DROP);
	assert_int_equal(run_in(&in), -1);
	assert_int_equal(run(&out, NULL), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_INBOUND), before + 1);
	assert_true(flow_get(h->skel->maps.direct_flows, &out, &f));
	assert_int_equal(f.flags, FLOW_INBOUND);
	out.dport++; /* another one outside has not called */
	assert_int_equal(run(&out, NULL), HARNESS_DROP);
	close(fd);
	in.sport = out.dport = 10; /* nobody is there to be called */
	assert_int_equal(run_in(&in), -1);
	assert_int_equal(run(&out, NULL), HARNESS_DROP);
}

static void answers_of_direct_flows_are_counted(void **state)
{
	struct craft down = udp4;
	struct flow f;

	down.src = OUTSIDE4;
	down.dst = HOST4;
	down.sport = 9;
	down.dport = 4000;
	down.payload = 70;
	rules_say(VERDICT_DIRECT, 0, 0);
	assert_int_equal(run(&udp4, NULL), -1);
	assert_int_equal(run_in(&down), -1);
	assert_true(flow_get(h->skel->maps.direct_flows, &udp4, &f));
	assert_int_equal(f.bytes_up, 5);
	assert_int_equal(f.bytes_down, 70);
	assert_int_equal(f.packets_down, 1);
	assert_int_equal(f.state, FLOW_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(when_down_is_open_captured_traffic_passes, begin),
		cmocka_unit_test_setup(
			when_down_is_closed_captured_traffic_is_refused_and_direct_is_not, begin),
		cmocka_unit_test_setup(heartbeat_is_stale_after_what_settings_say, begin),
		cmocka_unit_test_setup(datagrams_go_on_as_their_flow_was_decided, begin),
		cmocka_unit_test_setup(segments_of_a_captured_connection_are_captured, begin),
		cmocka_unit_test_setup(
			captured_connection_is_reset_when_new_rules_want_it_elsewhere, begin),
		cmocka_unit_test_setup(direct_connection_is_reset_when_new_rules_want_it_elsewhere,
				       begin),
		cmocka_unit_test_setup(fragments_go_the_way_of_their_first, begin),
		cmocka_unit_test_setup(
			fragments_whose_first_was_not_seen_are_decided_by_their_addresses, begin),
		cmocka_unit_test_setup(fragments_of_what_passes_pass, begin),
		cmocka_unit_test_setup(datagrams_answer_who_called_from_outside, begin),
		cmocka_unit_test_setup(answers_of_direct_flows_are_counted, begin),
	};
	int failed = cmocka_run_group_tests_name("bpf/egress_flows, Ethernet", tests, open_all,
						 close_all);

	layer3 = true;
	return failed + cmocka_run_group_tests_name("bpf/egress_flows, no link header", tests,
						    open_all, close_all);
}
