// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* host_egress: what passes whatever the rules say, and what each verdict does. */
#include "bpf/host_world.h"

#define FROM6 .version = 6, .src = HOST6

/* What passes though the rules drop everything, and as what it is counted. */
static const struct passes {
	const char *name;
	struct craft c;
	enum kernel_stat stat;
	struct __sk_buff ctx;
} passes[] = {
	{ .name = "DHCP",
	  .c = { .proto = IPPROTO_UDP, .src = HOST4, .dst = OUTSIDE4, .sport = 68, .dport = 67 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "DHCPv6",
	  .c = { FROM6, .proto = IPPROTO_UDP, .dst = OUTSIDE6, .sport = 546, .dport = 547 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "mDNS",
	  .c = { .proto = IPPROTO_UDP,
		 .src = HOST4,
		 .dst = "224.0.0.251",
		 .sport = 5353,
		 .dport = 5353 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "multicast v6",
	  .c = { FROM6, .proto = IPPROTO_UDP, .dst = "ff02::fb", .sport = 5353, .dport = 5353 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "broadcast",
	  .c = { .proto = IPPROTO_UDP,
		 .src = HOST4,
		 .dst = "255.255.255.255",
		 .sport = 7,
		 .dport = 7 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "link-local",
	  .c = { .proto = IPPROTO_TCP,
		 .src = HOST4,
		 .dst = "169.254.169.254",
		 .sport = 7,
		 .dport = 80,
		 .tcp_flags = CRAFT_SYN },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "link-local v6",
	  .c = { FROM6, .proto = IPPROTO_TCP, .dst = "fe80::1", .sport = 7, .dport = 80,
		 .tcp_flags = CRAFT_SYN },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "neighbour solicitation",
	  .c = { FROM6, .proto = IPPROTO_ICMPV6, .dst = OUTSIDE6, .icmp_type = 135, .payload = 16 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "neighbour advertisement",
	  .c = { FROM6, .proto = IPPROTO_ICMPV6, .dst = OUTSIDE6, .icmp_type = 136, .payload = 16 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "MLDv2",
	  .c = { FROM6, .proto = IPPROTO_ICMPV6, .dst = OUTSIDE6, .icmp_type = 143, .payload = 16 },
	  .stat = STAT_PASS_ESSENTIAL },
	{ .name = "GRE",
	  .c = { .proto = 47, .src = HOST4, .dst = OUTSIDE4, .payload = 40 },
	  .stat = STAT_PASS_TUNNEL },
	{ .name = "ESP",
	  .c = { .proto = 50, .src = HOST4, .dst = OUTSIDE4, .payload = 40 },
	  .stat = STAT_PASS_TUNNEL },
	{ .name = "IPIP",
	  .c = { .proto = 4, .src = HOST4, .dst = OUTSIDE4, .payload = 40 },
	  .stat = STAT_PASS_TUNNEL },
	{ .name = "6in4",
	  .c = { .proto = 41, .src = HOST4, .dst = OUTSIDE4, .payload = 40 },
	  .stat = STAT_PASS_TUNNEL },
	{ .name = "GRE over IPv6",
	  .c = { FROM6, .proto = 47, .dst = OUTSIDE6, .payload = 40 },
	  .stat = STAT_PASS_TUNNEL },
	{ .name = "own mark",
	  .c = { .proto = IPPROTO_UDP, .src = HOST4, .dst = OUTSIDE4, .sport = 1, .dport = 2 },
	  .stat = STAT_PASS_OWN,
	  .ctx = { .mark = HEADRACE_MARK } },
	{ .name = "forwarded",
	  .c = { .proto = IPPROTO_UDP, .src = HOST4, .dst = OUTSIDE4, .sport = 1, .dport = 2 },
	  .stat = STAT_PASS_DECIDED,
	  .ctx = { .ingress_ifindex = 1 } },
};

static uint64_t stats_sum(enum kernel_stat from, enum kernel_stat to)
{
	uint64_t sum = 0;
	int i;

	for (i = from; i <= (int)to; i++)
		sum += harness_stat(h, i);
	return sum;
}

static void what_no_rule_decides_passes_and_is_counted(void **state)
{
	size_t i;

	rules_say(VERDICT_DROP, 0, 0);
	for (i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		const struct passes *p = &passes[i];
		uint64_t before = harness_stat(h, p->stat);
		uint64_t all = stats_sum(STAT_PASS_OWN, STAT_PASS_STALE);
		uint64_t drops = harness_drops_all(h);
		int action = run(&p->c, &p->ctx);

		if (action != -1 || harness_drops_all(h) != drops)
			fail_msg("%s, %s: action %d", p->name, where(), action);
		if (harness_stat(h, p->stat) != before + 1 ||
		    stats_sum(STAT_PASS_OWN, STAT_PASS_STALE) != all + 1)
			fail_msg("%s, %s: counted as something else", p->name, where());
	}
}

/* What the kernel alone sends on its own behalf anybody may write who has the right to. */
static const struct craft by_hand[] = {
	{ .proto = IPPROTO_ICMP, .src = HOST4, .dst = OUTSIDE4, .icmp_type = 0, .sport = 1 },
	{ FROM6, .proto = IPPROTO_ICMPV6, .dst = OUTSIDE6, .icmp_type = 129, .sport = 1 },
	{ .proto = IPPROTO_ICMP, .src = HOST4, .dst = OUTSIDE4, .icmp_type = 3, .payload = 28 },
	{ FROM6, .proto = IPPROTO_ICMPV6, .dst = OUTSIDE6, .icmp_type = 2, .payload = 48 },
	TCP(HOST4, OUTSIDE4, CRAFT_ACK, .payload = 9),
	TCP(HOST4, OUTSIDE4, CRAFT_RST, ),
	TCP(HOST6, OUTSIDE6, CRAFT_SYN | CRAFT_ACK, V6),
	TCP(HOST6, OUTSIDE6, CRAFT_SYN | CRAFT_FIN, V6),
};

static void what_is_written_by_hand_is_decided(void **state)
{
	for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++) {
		const struct craft *c = &by_hand[i];
		int wanted = c->tcp_flags & CRAFT_RST ? HARNESS_DROP : HARNESS_REDIRECT;
		uint64_t stray = harness_drops(h, DROP_STRAY);

		empty(h->skel->maps.direct_flows);
		rules_say(VERDICT_DROP, 0, 0);
		assert_int_equal(run(c, NULL), HARNESS_DROP);
		rules_say(VERDICT_FORWARD, 0, 0);
		assert_int_equal(run(c, NULL), wanted);
		assert_int_equal(harness_drops(h, DROP_STRAY), stray + (c->tcp_flags != 0));
		rules_say(VERDICT_DIRECT, 0, 0);
		assert_int_equal(run(c, NULL), -1);
	}
}

/* In strict mode: who may write tunnels' packets passes for a tunnel otherwise. */
static void tunnels_written_by_hand_are_decided_in_strict_mode(void **state)
{
	static const uint8_t tunnels[] = { 4, 41, 47, 50, 51, 97, 115 };
	struct settings s = capture_settings();
	struct craft c = sctp4;

	rules_say(VERDICT_REJECT, 0, 0);
	for (size_t i = 0; i < sizeof(tunnels); i++) {
		c.proto = tunnels[i];
		s.strict_priority = 0;
		settings_are(&s);
		assert_int_equal(run(&c, NULL), -1);
		s.strict_priority = 7;
		settings_are(&s);
		assert_int_equal(run(&c, NULL), HARNESS_REDIRECT);
		assert_int_equal(h->out[HARNESS_L2 + 9], IPPROTO_ICMP);
	}
}

/* Half of what is essential is nothing of the kind. */
static void near_misses_are_the_rules_business(void **state)
{
	struct craft c = udp4;

	rules_say(VERDICT_DROP, 0, 0);
	c.dport = 67;
	assert_int_equal(run(&c, NULL), HARNESS_DROP);
	c.sport = 68;
	c.dport = 9;
	assert_int_equal(run(&c, NULL), HARNESS_DROP);
	c.dst = "169.253.1.1";
	assert_int_equal(run(&c, NULL), HARNESS_DROP);
	assert_int_equal(run(&echo4, NULL), HARNESS_DROP);
	assert_int_equal(run(&sctp4, NULL), HARNESS_DROP);
}

static void marks_of_an_operators_choice_pass_first_and_are_counted_each(void **state)
{
	struct settings s = capture_settings();
	struct __sk_buff ctx = { .mark = 0x1210 };
	uint32_t second = 1, first = 0;
	size_t cpus = libbpf_num_possible_cpus(), i;
	__u64 passed[cpus], sum = 0;

	rules_say(VERDICT_DROP, 0, 0);
	s.pass_mark[0] = (struct pass_mark){ .value = 0x20, .mask = 0xff };
	s.pass_mark[1] = (struct pass_mark){ .value = 0x10, .mask = 0xff };
	settings_are(&s);
	assert_int_equal(run(&udp4, &ctx), -1);
	ctx.mark = 0x11;
	assert_int_equal(run(&udp4, &ctx), HARNESS_DROP);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(h->skel->maps.pass_marks), &second, passed), 0);
	for (i = 0; i < cpus; i++)
		sum += passed[i];
	assert_int_equal(sum, 1);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(h->skel->maps.pass_marks), &first, passed),
			 0);
	for (i = 0; i < cpus; i++)
		assert_int_equal(passed[i], 0);
}

/* The mark alone lets nobody pass where there is a cgroup: this process is in another. */
static void own_mark_of_another_cgroup_is_any_packet(void **state)
{
	struct settings s = capture_settings();
	struct __sk_buff ctx = { .mark = HEADRACE_MARK };

	rules_say(VERDICT_DROP, 0, 0);
	s.own_cgroup = 12345;
	settings_are(&s);
	assert_int_equal(run(&udp4, &ctx), HARNESS_DROP);
	assert_int_equal(run(&ack4, &ctx), HARNESS_DROP);
}

static void own_addresses_are_no_ones_business(void **state)
{
	struct addr broadcast = { { TUN_MAPPED, 192, 0, 2, 255 } };
	uint64_t before = harness_stat(h, STAT_PASS_LOCAL);
	struct craft c = udp4;
	uint32_t one = 1;

	rules_say(VERDICT_DROP, 0, 0);
	put(h->skel->maps.host_addrs, &broadcast, &one);
	c.dst = "192.0.2.255";
	assert_int_equal(run(&c, NULL), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_LOCAL), before + 1);
}

static void frames_of_others_pass_and_to_groups_their_packet_counts(void **state)
{
	uint64_t decided = harness_stat(h, STAT_PASS_DECIDED);
	struct capture_device d = { .mac = CAPTURE_MAC, .capture = CAPTURE_EGRESS, .l2 = 14 };
	const uint8_t own[6] = CAPTURE_MAC;
	uint32_t ifindex = DEVICE;

	if (layer3)
		return;
	rules_say(VERDICT_DROP, 0, 0);
	put(h->skel->maps.capture_devices, &ifindex, &d);
	memcpy(h->macs + 6, own, 6);
	assert_int_equal(run(&udp4, NULL), HARNESS_DROP);
	h->macs[11]++; /* a macvlan's own */
	assert_int_equal(run(&udp4, NULL), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_DECIDED), decided + 1);
	memcpy(h->macs + 6, own, 6);
	h->macs[0] = 1; /* a cluster's */
	assert_int_equal(run(&udp4, NULL), HARNESS_DROP);
}

static const struct craft *const kinds[] = { &syn4, &syn6, &udp4, &udp6, &echo4, &echo6 };
#define KINDS_NUM (sizeof(kinds) / sizeof(kinds[0]))

static void direct_passes_unchanged_and_is_entered(void **state)
{
	uint64_t before = harness_stat(h, STAT_DIRECT_FLOWS);
	size_t i;

	rules_say(VERDICT_DIRECT, 0, 0);
	for (i = 0; i < KINDS_NUM; i++) {
		uint8_t bytes[CRAFT_MAX];
		size_t len = craft(kinds[i], bytes);

		assert_int_equal(run(kinds[i], NULL), -1);
		assert_int_equal(h->out_len, len);
		assert_memory_equal(h->out + HARNESS_L2, bytes, len);
	}
	assert_int_equal(harness_stat(h, STAT_DIRECT_FLOWS), before + KINDS_NUM);
}

static void forward_goes_to_the_tun_with_what_was_decided(void **state)
{
	uint64_t before = harness_stat(h, STAT_CAPTURED);
	size_t i;

	rules_say(VERDICT_FORWARD, 6, 2);
	for (i = 0; i < KINDS_NUM; i++) {
		assert_int_equal(run(kinds[i], NULL), HARNESS_REDIRECT);
		assert_int_equal(h->cb[0], CAPTURE_SECRET0);
		assert_int_equal(h->cb[1], CAPTURE_SECRET1);
		assert_int_equal(h->cb[2], VERDICT_FORWARD << 16 | CAPTURE_EGRESS << 24);
		assert_int_equal(h->cb[3], DEVICE);
		assert_int_equal(h->cb[4], 6);
	}
	assert_int_equal(harness_stat(h, STAT_CAPTURED), before + KINDS_NUM);
}

/* As a role ends it; `key` is the flow's of syn4. */
static void end_of_syn4(enum capture_point point)
{
	struct flow_end_args args = { .created_ns = NOW_NS, .info = { .end = END_LIMIT } };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));
	struct flow f = { .capture = point, .state = FLOW_OPEN, .verdict = VERDICT_FORWARD };

	args.key = (struct flow_key){ .saddr = { { TUN_MAPPED, 192, 0, 2, 10 } },
				      .daddr = { { TUN_MAPPED, 198, 51, 100, 9 } },
				      .sport = htons(syn4.sport),
				      .dport = htons(syn4.dport),
				      .proto = IPPROTO_TCP };
	put(h->skel->maps.flows, &args.key, &f);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(h->skel->progs.flow_end), &opts),
			 0);
	assert_int_equal(opts.retval, 0);
}

static void rest_of_a_captured_flow_is_no_older_flow(void **state)
{
	struct craft rst = TCP_BACK(OUTSIDE4, HOST4, CRAFT_RST, .seq = 0x1234);
	const uint8_t macs[12] = { 2, 0, 0, 0, 0, 0x88, 2, 0, 0, 0, 0, 0x77 };
	uint64_t before = harness_drops(h, DROP_STRAY);

	end_of_syn4(CAPTURE_EGRESS);
	memcpy(h->macs, macs, sizeof(macs));
	assert_int_equal(run(&ack4, NULL), HARNESS_REDIRECT);
	expect_answer(&rst);
	assert_int_equal(harness_drops(h, DROP_STRAY), before + 1);
	assert_int_equal(run(&syn4, NULL), HARNESS_REDIRECT);
	assert_int_equal(h->cb[2], VERDICT_FORWARD << 16 | CAPTURE_EGRESS << 24);
	assert_int_equal(harness_drops(h, DROP_STRAY), before + 1);
}

static void rest_of_a_flow_of_the_tun_is_none_of_an_uplinks(void **state)
{
	rules_say(VERDICT_DIRECT, 0, 0);
	end_of_syn4(CAPTURE_TUN);
	assert_int_equal(run(&ack4, NULL), -1);
}

static void drop_is_counted(void **state)
{
	uint64_t before = harness_drops(h, DROP_RULE);
	size_t i;

	rules_say(VERDICT_DROP, 0, 0);
	for (i = 0; i < KINDS_NUM; i++)
		assert_int_equal(run(kinds[i], NULL), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_RULE), before + KINDS_NUM);
}

static void refuse_by_icmp(const struct craft *up, uint8_t type, uint8_t code)
{
	bool v6 = up->version == 6;
	uint8_t sent[CRAFT_MAX];
	struct craft icmp = { .version = up->version,
			      .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			      .src = up->dst,
			      .dst = up->src,
			      .icmp_type = type,
			      .icmp_code = code,
			      .data = sent };

	icmp.payload = craft(up, sent);
	assert_int_equal(run(up, NULL), HARNESS_REDIRECT);
	expect_answer(&icmp);
}

static void refusals_are_answered_in_place(void **state)
{
	const uint8_t macs[12] = { 2, 0, 0, 0, 0, 0x88, 2, 0, 0, 0, 0, 0x77 };
	struct craft rst = TCP_BACK(OUTSIDE4, HOST4, CRAFT_RST | CRAFT_ACK, .ack = 10);
	uint64_t before = harness_drops(h, DROP_RULE_REJECT);
	struct harness_events events;

	memcpy(h->macs, macs, sizeof(macs));
	rules_say(VERDICT_REJECT, 0, 0);
	assert_int_equal(run(&syn4, NULL), HARNESS_REDIRECT);
	expect_answer(&rst);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 1);
	assert_int_equal(events.event[0].info.end, END_REJECTED);
	assert_int_equal(events.event[0].flow.capture, CAPTURE_EGRESS);
	rst.version = 6;
	rst.src = OUTSIDE6;
	rst.dst = HOST6;
	assert_int_equal(run(&syn6, NULL), HARNESS_REDIRECT);
	expect_answer(&rst);
	refuse_by_icmp(&udp4, 3, 3);
	refuse_by_icmp(&udp6, 1, 4);
	refuse_by_icmp(&echo4, 3, 13);
	refuse_by_icmp(&echo6, 1, 1);
	refuse_by_icmp(&sctp4, 3, 2);
	assert_int_equal(harness_drops(h, DROP_RULE_REJECT), before + 7);
}

/* What a worker cannot carry must not slip by. */
static void protocol_without_flows_is_refused_where_it_would_be_forwarded(void **state)
{
	uint64_t before = harness_drops(h, DROP_PROTOCOL);

	assert_int_equal(run(&sctp4, NULL), HARNESS_REDIRECT);
	assert_int_equal(harness_drops(h, DROP_PROTOCOL), before + 1);
	assert_int_equal(h->out[HARNESS_L2 + 9], IPPROTO_ICMP);
	rules_say(VERDICT_DIRECT, 0, 0);
	assert_int_equal(run(&sctp4, NULL), -1);
}

static void dns_is_the_resolvers_whatever_the_rules_say(void **state)
{
	struct settings s = capture_settings();
	struct craft c = udp4;

	c.dport = 53;
	rules_say(VERDICT_DIRECT, 0, 0);
	assert_int_equal(run(&c, NULL), HARNESS_REDIRECT);
	assert_int_equal(h->cb[2], VERDICT_DNS << 16 | CAPTURE_EGRESS << 24);
	c = syn6;
	c.dport = 53;
	assert_int_equal(run(&c, NULL), HARNESS_REDIRECT);
	assert_int_equal(h->cb[2], VERDICT_DNS << 16 | CAPTURE_EGRESS << 24);
	s.dns_intercept = 0;
	settings_are(&s);
	assert_int_equal(run(&c, NULL), -1);
}

static void device_of_dns_alone_passes_the_rest(void **state)
{
	struct capture_device d = { .capture = CAPTURE_EGRESS, .flags = CAPTURE_DNS_ONLY };
	uint64_t before = harness_stat(h, STAT_PASS_OTHER);
	uint32_t ifindex = DEVICE;
	struct craft c = udp4;

	put(h->skel->maps.capture_devices, &ifindex, &d);
	assert_int_equal(run(&udp4, NULL), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_OTHER), before + 1);
	c.dport = 53;
	assert_int_equal(run(&c, NULL), HARNESS_REDIRECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_no_rule_decides_passes_and_is_counted, begin),
		cmocka_unit_test_setup(what_is_written_by_hand_is_decided, begin),
		cmocka_unit_test_setup(tunnels_written_by_hand_are_decided_in_strict_mode, begin),
		cmocka_unit_test_setup(near_misses_are_the_rules_business, begin),
		cmocka_unit_test_setup(marks_of_an_operators_choice_pass_first_and_are_counted_each,
				       begin),
		cmocka_unit_test_setup(own_mark_of_another_cgroup_is_any_packet, begin),
		cmocka_unit_test_setup(own_addresses_are_no_ones_business, begin),
		cmocka_unit_test_setup(frames_of_others_pass_and_to_groups_their_packet_counts,
				       begin),
		cmocka_unit_test_setup(direct_passes_unchanged_and_is_entered, begin),
		cmocka_unit_test_setup(forward_goes_to_the_tun_with_what_was_decided, begin),
		cmocka_unit_test_setup(rest_of_a_captured_flow_is_no_older_flow, begin),
		cmocka_unit_test_setup(rest_of_a_flow_of_the_tun_is_none_of_an_uplinks, begin),
		cmocka_unit_test_setup(drop_is_counted, begin),
		cmocka_unit_test_setup(refusals_are_answered_in_place, begin),
		cmocka_unit_test_setup(
			protocol_without_flows_is_refused_where_it_would_be_forwarded, begin),
		cmocka_unit_test_setup(dns_is_the_resolvers_whatever_the_rules_say, begin),
		cmocka_unit_test_setup(device_of_dns_alone_passes_the_rest, begin),
	};
	int failed =
		cmocka_run_group_tests_name("bpf/egress, Ethernet", tests, open_all, close_all);

	layer3 = true;
	return failed + cmocka_run_group_tests_name("bpf/egress, no link header", tests, open_all,
						    close_all);
}
