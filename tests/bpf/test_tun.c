// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tun_egress and tun_ingress: verdicts, counters and marks; what is refused, and how. */
#include "bpf/harness.h"

#include <arpa/inet.h>

#define STACK4 "10.0.0.1"
#define STACK6 "fd68:6561:6472:6163::1"
#define REPLY_MARK 0x6874ffffU

/* What becomes of a packet: one line each. `drop` counts only where the action is not OK. */
static const struct fate {
	const char *kind;
	int action;
	uint32_t queue; /* with HARNESS_OK */
	enum drop_reason drop;
} fates[] = {
	{ "tcp4_syn", HARNESS_OK, 1, 0 },
	{ "tcp4_ack", HARNESS_OK, 1, 0 },
	{ "tcp4_dns", HARNESS_OK, 1, 0 },
	{ "udp4", HARNESS_OK, 1, 0 },
	{ "udp4_dns", HARNESS_OK, 0, 0 },
	{ "udp4_dns_stack", HARNESS_OK, 0, 0 },
	{ "udp6_dns", HARNESS_OK, 0, 0 },
	{ "udp6_dns_first", HARNESS_OK, 1, 0 },
	{ "udp4_middle", HARNESS_OK, 1, 0 },
	{ "echo4", HARNESS_OK, 1, 0 },
	{ "echo6_stack", HARNESS_OK, 1, 0 },
	{ "tcp6_chain", HARNESS_OK, 1, 0 },
	{ "too_big6", HARNESS_OK, 1, 0 },
	{ "tcp4_stack", HARNESS_REDIRECT, 0, DROP_STACK_PORT },
	{ "udp6_stack", HARNESS_REDIRECT, 0, DROP_STACK_PORT },
	{ "sctp4", HARNESS_REDIRECT, 0, DROP_PROTOCOL },
	{ "esp6_chain", HARNESS_REDIRECT, 0, DROP_PROTOCOL },
	{ "no_next6", HARNESS_DROP, 0, DROP_PROTOCOL },
	{ "udp4_port_zero", HARNESS_DROP, 0, DROP_PORT_ZERO },
	{ "spoofed4", HARNESS_DROP, 0, DROP_SOURCE },
	{ "spoofed6", HARNESS_DROP, 0, DROP_SOURCE },
	{ "from_mapped6", HARNESS_DROP, 0, DROP_SOURCE },
	{ "loopback4", HARNESS_DROP, 0, DROP_DESTINATION },
	{ "mapped6", HARNESS_DROP, 0, DROP_DESTINATION },
	{ "udp6_routed", HARNESS_DROP, 0, DROP_DESTINATION },
	{ "multicast4", HARNESS_DROP, 0, DROP_LINK_LOCAL },
	{ "router_solicitation6", HARNESS_DROP, 0, DROP_LINK_LOCAL },
	{ "timestamp4", HARNESS_DROP, 0, DROP_ICMP_TYPE },
	{ "udp6_9_headers", HARNESS_DROP, 0, DROP_HEADER_CHAIN },
	{ "udp6_2_fragment_headers", HARNESS_DROP, 0, DROP_FRAGMENT_BAD },
};

static void each_kind_meets_its_fate_and_counter(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(fates) / sizeof(fates[0]); i++) {
		struct harness *h = harness_open(16);
		const struct fate *f = &fates[i];
		int action = harness_egress(h, harness_kind(f->kind));

		if (action != f->action)
			fail_msg("%s: action %d, expected %d", f->kind, action, f->action);
		if (action == HARNESS_OK && h->mark != (QUEUE_MARK | f->queue))
			fail_msg("%s: mark %x", f->kind, h->mark);
		if (harness_drops_all(h) != (action != HARNESS_OK) ||
		    (action != HARNESS_OK && harness_drops(h, f->drop) != 1))
			fail_msg("%s: wrong drop counter", f->kind);
		if (harness_stat(h, STAT_REJECTS) != (action == HARNESS_REDIRECT))
			fail_msg("%s: wrong count of refusals", f->kind);
		assert_int_equal(harness_stat(h, STAT_UP_PACKETS), 1);
		harness_close(h);
	}
}

static void malformed_packets_are_dropped_and_counted(void **state)
{
	struct harness *h = harness_open(16);
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(harness_kind("udp4"), bytes);
	struct bpf_program *prog = h->skel->progs.tun_egress;

	assert_int_equal(harness_run(h, prog, bytes, len - 1, NULL, 1), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_MALFORMED), 1);
	assert_int_equal(harness_run(h, prog, bytes, 3, NULL, 1), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_MALFORMED), 2);
	bytes[0] = 0x95;
	assert_int_equal(harness_run(h, prog, bytes, len, NULL, 1), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_IP_VERSION), 1);
	harness_close(h);
}

/* Is what the program left exactly the packet that `c` describes? */
static void expect_out(struct harness *h, const struct craft *c, const char *what)
{
	uint8_t want[CRAFT_MAX];
	size_t len = craft(c, want), i;

	if (h->out_len < len)
		fail_msg("%s: %zu bytes, expected %zu", what, h->out_len, len);
	for (i = 0; i < len; i++)
		if (h->out[HARNESS_L2 + i] != want[i])
			fail_msg("%s: byte %zu is %02x, expected %02x", what, i,
				 h->out[HARNESS_L2 + i], want[i]);
	assert_true(craft_checksums_right(h->out + HARNESS_L2, len));
	assert_int_equal(h->mark, REPLY_MARK);
}

static void syn_is_answered_by_reset(void **state)
{
	struct harness *h = harness_open(16);
	struct craft syn = { .proto = IPPROTO_TCP,
			     .dst = STACK4,
			     .sport = 4000,
			     .dport = 80,
			     .tcp_flags = CRAFT_SYN,
			     .seq = 0xffffffff,
			     .tcp_options = 20 };
	struct craft rst = { .proto = IPPROTO_TCP,
			     .src = STACK4,
			     .dst = "10.0.0.2",
			     .sport = 80,
			     .dport = 4000,
			     .tcp_flags = CRAFT_RST | CRAFT_ACK,
			     .ack = 0 };

	assert_int_equal(harness_egress(h, &syn), HARNESS_REDIRECT);
	expect_out(h, &rst, "RST to a SYN");
	syn.ip_options = 40;
	syn.payload = 7;
	syn.seq = 10;
	rst.ack = 18;
	assert_int_equal(harness_egress(h, &syn), HARNESS_REDIRECT);
	expect_out(h, &rst, "RST to a SYN with data behind IP options");
	syn.version = rst.version = 6;
	syn.dst = rst.src = STACK6;
	rst.dst = "fd68:6561:6472:6163::2";
	syn.chain = "hd";
	assert_int_equal(harness_egress(h, &syn), HARNESS_REDIRECT);
	expect_out(h, &rst, "RST to a SYN over IPv6 behind extension headers");
	harness_close(h);
}

static void segment_with_ack_is_answered_by_reset_at_its_ack(void **state)
{
	struct harness *h = harness_open(16);
	struct craft ack = { .proto = IPPROTO_TCP,
			     .dst = STACK4,
			     .sport = 4000,
			     .dport = 80,
			     .tcp_flags = CRAFT_ACK,
			     .seq = 5,
			     .ack = 0x12345678,
			     .payload = 1000 };
	struct craft rst = { .proto = IPPROTO_TCP,
			     .src = STACK4,
			     .dst = "10.0.0.2",
			     .sport = 80,
			     .dport = 4000,
			     .tcp_flags = CRAFT_RST,
			     .seq = 0x12345678 };

	assert_int_equal(harness_egress(h, &ack), HARNESS_REDIRECT);
	expect_out(h, &rst, "RST to an ACK");
	harness_close(h);
}

static void reset_is_never_answered(void **state)
{
	struct harness *h = harness_open(16);
	struct craft rst = { .proto = IPPROTO_TCP,
			     .dst = STACK4,
			     .sport = 4000,
			     .dport = 80,
			     .tcp_flags = CRAFT_RST };

	assert_int_equal(harness_egress(h, &rst), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_STACK_PORT), 1);
	assert_int_equal(harness_stat(h, STAT_REJECTS), 0);
	harness_close(h);
}

/* Refuses `up` and expects an ICMP error of this type that quotes `quoted` bytes of it. */
static void expect_icmp(struct harness *h, const struct craft *up, uint8_t type, uint8_t code,
			uint32_t rest, size_t quoted)
{
	uint8_t sent[CRAFT_MAX];
	size_t len = craft(up, sent);
	bool v6 = up->version == 6;
	struct craft icmp = { .version = up->version,
			      .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			      .src = up->dst,
			      .dst = v6 ? "fd68:6561:6472:6163::2" : "10.0.0.2",
			      .icmp_type = type,
			      .icmp_code = code,
			      .icmp_rest = rest,
			      .data = sent,
			      .payload = quoted };

	assert_true(quoted <= len);
	assert_int_equal(harness_run(h, h->skel->progs.tun_egress, sent, len, NULL, 1),
			 HARNESS_REDIRECT);
	expect_out(h, &icmp, "ICMP error");
}

static void udp_is_answered_by_port_unreachable(void **state)
{
	struct harness *h = harness_open(16);
	struct craft udp = { .proto = IPPROTO_UDP, .dst = STACK4, .sport = 4000, .dport = 123 };

	expect_icmp(h, &udp, 3, 3, 0, 28);
	udp.payload = 1; /* an odd length */
	expect_icmp(h, &udp, 3, 3, 0, 29);
	udp.payload = 3;
	udp.ip_options = 8;
	expect_icmp(h, &udp, 3, 3, 0, 39);
	udp.payload = 1400;
	expect_icmp(h, &udp, 3, 3, 0, 548);
	udp = (struct craft){
		.version = 6, .proto = IPPROTO_UDP, .dst = STACK6, .sport = 1, .dport = 2
	};
	expect_icmp(h, &udp, 1, 4, 0, 48);
	udp.payload = 5;
	expect_icmp(h, &udp, 1, 4, 0, 53);
	udp.payload = 1400;
	expect_icmp(h, &udp, 1, 4, 0, 1232);
	assert_int_equal(harness_drops(h, DROP_STACK_PORT), 7);
	harness_close(h);
}

static void every_length_of_quote_has_a_right_checksum(void **state)
{
	struct harness *h = harness_open(16);
	unsigned int payload;

	for (payload = 0; payload < 1300; payload++) {
		struct craft udp = { .version = 6,
				     .proto = IPPROTO_UDP,
				     .dst = STACK6,
				     .sport = 1,
				     .dport = 2,
				     .payload = payload };
		size_t quoted = 48 + payload;

		expect_icmp(h, &udp, 1, 4, 0, quoted < 1232 ? quoted : 1232);
		udp.version = 4;
		udp.dst = STACK4;
		quoted = 28 + payload;
		expect_icmp(h, &udp, 3, 3, 0, quoted < 548 ? quoted : 548);
	}
	harness_close(h);
}

static void unknown_protocol_is_answered_by_its_own_error(void **state)
{
	struct harness *h = harness_open(16);
	struct craft other = { .proto = IPPROTO_SCTP, .dst = "192.0.2.9", .payload = 12 };

	expect_icmp(h, &other, 3, 2, 0, 32);
	other = (struct craft){
		.version = 6, .proto = IPPROTO_SCTP, .dst = "2001:db8::9", .payload = 12
	};
	expect_icmp(h, &other, 4, 1, 6, 52);
	other.chain = "hd"; /* the pointer names the byte in the second header */
	expect_icmp(h, &other, 4, 1, 48, 68);
	harness_close(h);
}

static void later_fragments_are_never_answered(void **state)
{
	struct harness *h = harness_open(1);
	struct craft last = { .proto = IPPROTO_SCTP, .payload = 8, .offset = 8 };

	assert_int_equal(harness_egress(h, &last), HARNESS_OK); /* the worker gathers them */
	assert_int_equal(harness_stat(h, STAT_FRAGMENTS), 1);
	assert_int_equal(harness_stat(h, STAT_REJECTS), 0);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 1);
	harness_close(h);
}

static void refused_flow_is_told_once_and_not_kept(void **state)
{
	struct harness *h = harness_open(16);
	struct harness_events events;
	struct craft syn = { .proto = IPPROTO_TCP,
			     .dst = STACK4,
			     .sport = 4000,
			     .dport = 80,
			     .tcp_flags = CRAFT_SYN,
			     .payload = 3 };
	int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(harness_egress(h, &syn), HARNESS_REDIRECT);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 1);
	assert_int_equal(events.event[0].type, EVENT_FLOW_END);
	assert_int_equal(events.event[0].info.end, END_REJECTED);
	assert_int_equal(events.event[0].flow.verdict, VERDICT_REJECT);
	assert_int_equal(events.event[0].flow.state, FLOW_CLOSED);
	assert_int_equal(events.event[0].flow.bytes_up, 3);
	assert_int_equal(events.event[0].key.dport, htons(80));
	assert_int_equal(harness_flows(h), 0);
	syn.tcp_flags = CRAFT_ACK; /* a stray segment is no flow */
	syn.sport = 4001;
	harness_egress(h, &syn);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 0);
	harness_close(h);
}

static void full_table_refuses_new_flows_and_keeps_the_old(void **state)
{
	struct harness *h = harness_open(4);
	struct craft udp = { .proto = IPPROTO_UDP, .dport = 9, .dst = "192.0.2.7", .payload = 1 };
	unsigned int i, refused = 0;

	for (i = 0; i < 64; i++) {
		udp.sport = 1000 + i;
		refused += harness_egress(h, &udp) == HARNESS_REDIRECT;
	}
	/* A preallocated hash has a few spare entries per CPU. */
	assert_in_range(harness_flows(h), 4, 4 + libbpf_num_possible_cpus());
	assert_int_equal(refused, 64 - harness_flows(h));
	assert_int_equal(harness_drops(h, DROP_FLOW_CAP), refused);
	udp.sport = 1000;
	assert_int_equal(harness_egress(h, &udp), HARNESS_OK);
	udp.sport = 1063;
	expect_icmp(h, &udp, 3, 3, 0, 29);
	udp = (struct craft){ .proto = IPPROTO_TCP, .sport = 1, .dport = 2, .tcp_flags = CRAFT_SYN };
	assert_int_equal(harness_egress(h, &udp), HARNESS_REDIRECT);
	harness_close(h);
}

static void own_packet_is_a_loop_averted(void **state)
{
	struct harness *h = harness_open(16);
	struct settings s = tun_settings();
	struct __sk_buff ctx = { .mark = HEADRACE_MARK };
	struct bpf_program *prog = h->skel->progs.tun_egress;
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(harness_kind("udp4"), bytes);

	assert_int_equal(harness_run(h, prog, bytes, len, &ctx, 1), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_LOOP), 1);
	/* With a cgroup the mark alone is not enough: this process is in another. */
	s.own_cgroup = 12345;
	harness_settings(h, &s);
	assert_int_equal(harness_run(h, prog, bytes, len, &ctx, 1), HARNESS_OK);
	ctx.mark = 1;
	assert_int_equal(harness_run(h, prog, bytes, len, &ctx, 1), HARNESS_OK);
	assert_int_equal(harness_drops(h, DROP_LOOP), 1);
	harness_close(h);
}

static void refusal_on_its_way_back_passes_without_mark(void **state)
{
	struct harness *h = harness_open(16);
	struct __sk_buff ctx = { .mark = REPLY_MARK };
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(harness_kind("udp4"), bytes);

	assert_int_equal(harness_run(h, h->skel->progs.tun_ingress, bytes, len, &ctx, 1),
			 HARNESS_OK);
	assert_int_equal(h->mark, 0);
	assert_int_equal(harness_stat(h, STAT_DOWN_PACKETS), 1);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 0);
	harness_close(h);
}

static void what_passes_is_not_changed(void **state)
{
	struct harness *h = harness_open(16);
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(harness_kind("tcp4_options"), bytes);

	assert_int_equal(harness_egress(h, harness_kind("tcp4_options")), HARNESS_OK);
	assert_int_equal(h->out_len, len);
	assert_memory_equal(h->out + HARNESS_L2, bytes, len);
	harness_close(h);
}

static void nothing_passes_before_settings_are_written(void **state)
{
	struct harness *h = harness_open(16);
	struct settings none = { 0 };

	harness_settings(h, &none);
	assert_int_equal(harness_egress(h, harness_kind("udp4")), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_SOURCE), 1);
	harness_close(h);
}

static void steering_reads_the_mark(void **state)
{
	struct harness *h = harness_open(16);
	struct __sk_buff ctx = { .mark = QUEUE_MARK | 5 };
	struct bpf_program *prog = h->skel->progs.tun_steer;
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(harness_kind("udp4"), bytes);

	assert_int_equal(harness_run(h, prog, bytes, len, &ctx, 1), 5);
	ctx.mark = 5; /* not ours: the first worker */
	assert_int_equal(harness_run(h, prog, bytes, len, &ctx, 1), 1);
	harness_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_meets_its_fate_and_counter),
		cmocka_unit_test(malformed_packets_are_dropped_and_counted),
		cmocka_unit_test(syn_is_answered_by_reset),
		cmocka_unit_test(segment_with_ack_is_answered_by_reset_at_its_ack),
		cmocka_unit_test(reset_is_never_answered),
		cmocka_unit_test(udp_is_answered_by_port_unreachable),
		cmocka_unit_test(every_length_of_quote_has_a_right_checksum),
		cmocka_unit_test(unknown_protocol_is_answered_by_its_own_error),
		cmocka_unit_test(later_fragments_are_never_answered),
		cmocka_unit_test(refused_flow_is_told_once_and_not_kept),
		cmocka_unit_test(full_table_refuses_new_flows_and_keeps_the_old),
		cmocka_unit_test(own_packet_is_a_loop_averted),
		cmocka_unit_test(refusal_on_its_way_back_passes_without_mark),
		cmocka_unit_test(what_passes_is_not_changed),
		cmocka_unit_test(nothing_passes_before_settings_are_written),
		cmocka_unit_test(steering_reads_the_mark),
	};

	return cmocka_run_group_tests_name("bpf/tun", tests, NULL, NULL);
}
