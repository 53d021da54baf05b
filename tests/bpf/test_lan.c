// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What of a LAN client's packets passes, and what the rules make of the rest. */
#include "bpf/lan_world.h"

#define OTHER_DEVICE 4000

/* --- what passes --------------------------------------------------------------------------- */

#define FROM6 V6, .src = CLIENT6

static const struct passes {
	const char *name;
	struct craft c;
	enum kernel_stat stat;
} passes[] = {
	{ "mDNS", UDP(CLIENT4, 5353, "224.0.0.251", 5353, ), STAT_PASS_ESSENTIAL },
	{ "multicast v6", UDP(CLIENT6, 5353, "ff02::fb", 5353, V6), STAT_PASS_ESSENTIAL },
	{ "broadcast", UDP(CLIENT4, 7, "255.255.255.255", 7, ), STAT_PASS_ESSENTIAL },
	{ "link-local", TCP(CLIENT4, "169.254.169.254", CRAFT_SYN, ), STAT_PASS_ESSENTIAL },
	{ "link-local v6", TCP(CLIENT6, "fe80::1", CRAFT_SYN, V6), STAT_PASS_ESSENTIAL },
	{ "from link-local v6", TCP("fe80::7", OUTSIDE6, CRAFT_SYN, V6), STAT_PASS_ESSENTIAL },
	{ "DHCP", UDP("0.0.0.0", 68, "255.255.255.255", 67, ), STAT_PASS_ESSENTIAL },
	{ "DHCPv6", UDP("fe80::7", 546, "ff02::1:2", 547, V6), STAT_PASS_ESSENTIAL },
	{ "neighbour solicitation",
	  { FROM6, .proto = IPPROTO_ICMPV6, .dst = "ff02::1:ff00:1", .icmp_type = 135,
	    .payload = 16 },
	  STAT_PASS_ESSENTIAL },
	{ "IGMP",
	  { .proto = 2, .src = CLIENT4, .dst = "224.0.0.22", .payload = 16 },
	  STAT_PASS_ESSENTIAL },
};

static void what_no_rule_decides_passes_and_is_counted(void **state)
{
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		const struct passes *p = &passes[i];
		uint64_t before = harness_stat(h, p->stat);
		int action;

		empty(h->skel->maps.direct_flows);
		action = up(&p->c);

		if (action != -1 || harness_stat(h, p->stat) != before + 1)
			fail_msg("%s: action %d, counted %d times", p->name, action,
				 (int)(harness_stat(h, p->stat) - before));
	}
}

static void near_misses_are_the_rules_business(void **state)
{
	static const struct craft near[] = {
		UDP(CLIENT4, 68, OUTSIDE4, 69, ),
		UDP(CLIENT4, 7, "169.253.1.1", 7, ),
		UDP("169.254.7.7", 7, OUTSIDE4, 7, ), /* routed, and masqueraded */
		UDP(CLIENT6, 7, "fec0::1", 7, V6),
		TCP(CLIENT4, "223.255.255.255", CRAFT_SYN, ),
		UDP("240.0.0.7", 7, OUTSIDE4, 7, ), /* likewise */
		/* what a link needs goes no further than the host */
		UDP(CLIENT4, 68, OUTSIDE4, 67, ),
		UDP(CLIENT6, 546, OUTSIDE6, 547, V6),
		ECHO(CLIENT6, OUTSIDE6, IPPROTO_ICMPV6, 135, V6),
		ECHO(CLIENT6, OUTSIDE6, IPPROTO_ICMPV6, 143, V6),
		{ .proto = 2, .src = CLIENT4, .dst = OUTSIDE4, .payload = 16 },
		/* answers and errors about nothing */
		ECHO(CLIENT4, OUTSIDE4, IPPROTO_ICMP, 0, ),
		ECHO(CLIENT4, OUTSIDE4, IPPROTO_ICMP, 13, ),
		ECHO(CLIENT4, OUTSIDE4, IPPROTO_ICMP, 42, ),
		ECHO(CLIENT4, OUTSIDE4, IPPROTO_ICMP, 3, ),
		ECHO(CLIENT6, OUTSIDE6, IPPROTO_ICMPV6, 129, V6),
		ECHO(CLIENT6, OUTSIDE6, IPPROTO_ICMPV6, 2, V6),
		/* tunnels of a client's are the rules' */
		{ .proto = 4, .src = CLIENT4, .dst = OUTSIDE4, .payload = 40 },
		{ .proto = 41, .src = CLIENT4, .dst = OUTSIDE4, .payload = 40 },
		{ .proto = 47, .src = CLIENT4, .dst = OUTSIDE4, .payload = 40 },
		{ .proto = 50, .src = CLIENT4, .dst = OUTSIDE4, .payload = 40 },
		{ .proto = 253, .src = CLIENT4, .dst = OUTSIDE4, .payload = 40 },
		{ FROM6, .proto = 59, .dst = OUTSIDE6, .payload = 40 },
		{ FROM6, .proto = 136, .dst = OUTSIDE6, .payload = 40 },
		/* segments of no flow */
		TCP(CLIENT4, OUTSIDE4, CRAFT_ACK, .payload = 3),
		TCP(CLIENT4, OUTSIDE4, CRAFT_SYN | CRAFT_ACK, ),
		TCP(CLIENT4, OUTSIDE4, CRAFT_RST, ),
		TCP(CLIENT4, OUTSIDE4, CRAFT_SYN | CRAFT_FIN, ),
		TCP(CLIENT6, OUTSIDE6, 0, V6),
	};
	uint64_t before = harness_drops(h, DROP_RULE);

	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		assert_int_equal(up(&near[i]), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_RULE), before + sizeof(near) / sizeof(near[0]));
}

/* Older than we are, or opened from outside: what is to be forwarded cannot be any more. */
static void segments_of_older_flows_pass_where_rules_do_not_forbid_them(void **state)
{
	static const struct craft older[] = {
		TCP(CLIENT4, OUTSIDE4, CRAFT_ACK, .payload = 3),
		TCP(CLIENT4, OUTSIDE4, CRAFT_SYN | CRAFT_ACK, ),
		TCP(CLIENT4, OUTSIDE4, CRAFT_RST, ),
		TCP(CLIENT6, OUTSIDE6, CRAFT_ACK, V6),
	};

	all(VERDICT_FORWARD, EPOCH, 0);
	for (size_t i = 0; i < sizeof(older) / sizeof(older[0]); i++) {
		uint64_t before = harness_stat(h, STAT_PASS_OLDER);

		empty(h->skel->maps.direct_flows);
		assert_int_equal(up(&older[i]), -1);
		assert_int_equal(harness_stat(h, STAT_PASS_OLDER), before + 1);
	}
	empty(h->skel->maps.direct_flows);
	all(VERDICT_REJECT, EPOCH, 0);
	assert_int_equal(up(&older[0]), HARNESS_REDIRECT);
	assert_int_equal(h->out[HARNESS_L2 + 33], CRAFT_RST);
}

/* Of a flow of the host's own, which is captured: its answers would go to the client. */
static void nobody_sends_as_the_host(void **state)
{
	static const struct addr own4 = { { TUN_MAPPED, 192, 0, 2, 10 } };
	uint64_t before = harness_drops(h, DROP_SOURCE);
	struct craft c = udp4;
	uint32_t one = 1;

	all(VERDICT_FORWARD, EPOCH, 0);
	put(h->skel->maps.host_addrs, &own4, &one);
	c.src = "192.0.2.10";
	assert_int_equal(up(&c), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_SOURCE), before + 1);
	c.sport = 68; /* what a link needs passes: an address may be in use twice */
	c.dport = 67;
	c.dst = "255.255.255.255";
	assert_int_equal(up(&c), -1);
}

static void own_addresses_pass(void **state)
{
	static const struct addr own4 = { { TUN_MAPPED, 192, 168, 7, 1 } };
	uint64_t before = harness_stat(h, STAT_PASS_LOCAL);
	struct craft c = udp4;
	uint32_t one = 1;

	c.dst = "192.168.7.1";
	c.dport = 53; /* who asks the host itself is answered by it */
	assert_int_not_equal(up(&c), -1);
	put(h->skel->maps.host_addrs, &own4, &one);
	assert_int_equal(up(&c), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_LOCAL), before + 1);
}

/* --- prefixes that are local as a whole ---------------------------------------------------- */

/* bits: of 128. */
static void local_prefix(const char *text, uint32_t bits, uint32_t version)
{
	struct host_prefix key = { .bits = bits, .addr = { TUN_MAPPED } };

	assert_int_equal(inet_pton(version == 4 ? AF_INET : AF_INET6, text,
				   key.addr + (version == 4 ? 12 : 0)),
			 1);
	put(h->skel->maps.host_prefixes, &key, &version);
}

static void addresses_of_a_local_prefix_pass(void **state)
{
	static const struct craft more[] = {
		TCP(CLIENT4, OUTSIDE4, CRAFT_SYN | CRAFT_ACK, ), /* it was called by the host */
		TCP(CLIENT6, OUTSIDE6, CRAFT_RST, V6),
		UDP(CLIENT4, 4000, OUTSIDE4, 53, ),
		UDP(CLIENT6, 4000, OUTSIDE6, 53, V6),
		ECHO(CLIENT4, OUTSIDE4, IPPROTO_ICMP, 3, ),
		ECHO(CLIENT6, OUTSIDE6, IPPROTO_ICMPV6, 129, V6),
		SCTP(CLIENT4, OUTSIDE4),
		UDP(CLIENT4, 9, OUTSIDE4, 9, .id = 7, .more = true, .payload = 1472),
		{ .proto = IPPROTO_UDP,
		  .src = CLIENT4,
		  .dst = OUTSIDE4,
		  .id = 8,
		  .offset = 1480,
		  .payload = 99 }, /* whose first nobody has seen */
	};
	size_t num = sizeof(more) / sizeof(more[0]);
	uint64_t before = harness_stat(h, STAT_PASS_LOCAL);

	local_prefix("198.51.100.0", 96 + 24, 4);
	local_prefix("2001:db8:9::", 48, 6);
	for (size_t i = 0; i < KINDS_NUM; i++)
		assert_int_equal(up(kinds[i]), -1);
	for (size_t i = 0; i < num; i++)
		assert_int_equal(up(&more[i]), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_LOCAL), before + KINDS_NUM + num);
	assert_int_equal(entries(h->skel->maps.direct_flows), 0);
	assert_int_equal(entries(h->skel->maps.flows), 0);
}

static void addresses_beside_a_local_prefix_are_decided(void **state)
{
	local_prefix("198.51.101.0", 96 + 24, 4);
	local_prefix("2001:db8:9:1::", 64, 6);
	for (size_t i = 0; i < KINDS_NUM; i++)
		assert_int_equal(up(kinds[i]), HARNESS_DROP);
	local_prefix("::", 0, 6); /* all of IPv6, and nothing of IPv4 */
	for (size_t i = 0; i < KINDS_NUM; i++)
		assert_int_equal(up(kinds[i]), kinds[i]->version == 6 ? -1 : HARNESS_DROP);
	local_prefix("0.0.0.0", 96, 4);
	assert_int_equal(up(&udp4), -1);
}

/* Forwards udp4, of a capture point, to the TUN: its flow is in `flows`. */
static void udp4_is_captured(enum capture_point where)
{
	struct __sk_buff ctx = { 0 };

	all(VERDICT_FORWARD, EPOCH, 0);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
	memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
	ctx.cb[2] = (ctx.cb[2] & 0xffffff) | (uint32_t)where << 24;
	assert_int_equal(run_prog(h->skel->progs.tun_egress, &udp4, &ctx), HARNESS_OK);
	assert_int_equal(entries(h->skel->maps.flows), 1);
}

static void flow_of_before_a_prefix_was_local_goes_on_until_it_is_decided_anew(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_LOCAL);
	struct harness_events events;

	udp4_is_captured(CAPTURE_LAN);
	local_prefix("198.51.100.0", 96 + 24, 4);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
	harness_read_events(h, &events);
	all(VERDICT_FORWARD, EPOCH + 1, EPOCH + 1);
	assert_int_equal(up(&udp4), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_LOCAL), before + 1);
	assert_int_equal(entries(h->skel->maps.flows), 0);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 1);
	assert_int_equal(events.event[0].info.end, END_RULES);
}

/* The host's own flow, of which a packet comes from a client: none of it, nor a new one. */
static void nobody_sends_as_an_address_of_a_local_prefix(void **state)
{
	uint64_t before = harness_drops(h, DROP_SOURCE);

	udp4_is_captured(CAPTURE_EGRESS);
	local_prefix("192.168.0.0", 96 + 16, 4);
	assert_int_equal(up(&udp4), HARNESS_DROP);
	assert_int_equal(up(&syn4), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_SOURCE), before + 2);
	if (layer3)
		return;
	device_is(CAPTURE_LAN, CAPTURE_BRIDGED);
	frame(neighbour_mac, client_mac);
	assert_int_equal(up(&syn4), -1); /* between two clients: theirs */
}

static void marks_pass_first(void **state)
{
	struct settings s = capture_settings();
	struct __sk_buff ctx = { .mark = 0x110 };
	struct bpf_program *prog = layer3 ? h->skel->progs.lan_ingress3 :
					    h->skel->progs.lan_ingress;

	s.pass_mark[0] = (struct pass_mark){ .value = 0x10, .mask = 0xff };
	harness_settings(h, &s);
	assert_int_equal(run_prog(prog, &udp4, &ctx), -1);
	ctx.mark = 0x111;
	assert_int_equal(run_prog(prog, &udp4, &ctx), HARNESS_DROP);
}

static void device_nobody_captures_is_left_alone(void **state)
{
	empty(h->skel->maps.capture_devices);
	assert_int_equal(up(&udp4), -1);
}

static void no_ip_passes(void **state)
{
	struct bpf_program *prog = layer3 ? h->skel->progs.lan_ingress3 :
					    h->skel->progs.lan_ingress;
	uint64_t before = harness_stat(h, STAT_PASS_PROTOCOL);
	uint8_t bytes[12] = { 0 };

	assert_int_equal(harness_run(h, prog, bytes, sizeof(bytes), NULL, 1), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_PROTOCOL), before + 1);
}

/* --- bridges ------------------------------------------------------------------------------- */

static void frames_between_ports_of_a_bridge_pass(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_BRIDGED);

	if (layer3)
		return;
	frame(neighbour_mac, client_mac);
	assert_int_equal(up(&udp4), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_BRIDGED), before + 1);
	frame(bridge_mac, client_mac);
	assert_int_equal(up(&udp4), HARNESS_DROP);
}

/* Where they are captured a rule has to name them, and DNS among them is their own. */
/* The bridge takes it for its own, and routes what is in it. The device is lo: without any. */
static void frame_to_the_address_of_a_bridges_port_is_the_hosts(void **state)
{
	static const uint8_t ports_mac[6] = { 0 };

	if (layer3)
		return;
	frame(ports_mac, client_mac);
	assert_int_equal(up(&udp4), HARNESS_DROP);
	all(VERDICT_FORWARD, EPOCH, 0);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
}

/* Between two clients: discovery, DHCP, and what ICMP does not ask. */
static void what_a_link_needs_passes_between_ports_of_a_bridge(void **state)
{
	static const struct craft essential[] = {
		UDP(CLIENT4, 68, "192.168.7.21", 67, ),
		ECHO(CLIENT6, "2001:db8:7::21", IPPROTO_ICMPV6, 135, V6),
		ECHO(CLIENT4, "192.168.7.21", IPPROTO_ICMP, 0, ),
		ECHO(CLIENT4, "192.168.7.21", IPPROTO_ICMP, 3, ),
	};

	if (layer3)
		return;
	device_is(CAPTURE_LAN, CAPTURE_BRIDGED);
	frame(neighbour_mac, client_mac);
	rule(RULE_DEVICE, DEVICE, VERDICT_DROP, VERDICT_DIRECT);
	for (size_t i = 0; i < sizeof(essential) / sizeof(essential[0]); i++)
		assert_int_equal(up(&essential[i]), -1);
	assert_int_equal(up(&udp4), HARNESS_DROP);
}

static void bridged_frames_are_a_rules_not_the_fallbacks(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_BRIDGED);
	struct craft dns = udp4;
	uint64_t mac = 0;

	if (layer3)
		return;
	dns.dport = 53;
	device_is(CAPTURE_LAN, CAPTURE_BRIDGED);
	frame(neighbour_mac, client_mac);
	assert_int_equal(up(&udp4), -1);
	assert_int_equal(up(&dns), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_BRIDGED), before + 2);
	memcpy(&mac, client_mac, 6);
	rule(RULE_MAC, mac, VERDICT_DROP, VERDICT_FORWARD);
	assert_int_equal(up(&udp4), HARNESS_DROP);
	frame(neighbour_mac, neighbour_mac);
	assert_int_equal(up(&udp4), -1);
	frame(bridge_mac, neighbour_mac);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
}

/* What the bridge's own program meets next, or has met before, is decided and counted once. */
static void port_of_a_captured_bridge_leaves_the_rest_to_it(void **state)
{
	struct craft answer = back(&udp4, 0, 40);

	if (layer3)
		return;
	device_is(CAPTURE_LAN, CAPTURE_BRIDGED | CAPTURE_PORT);
	frame(bridge_mac, client_mac);
	assert_int_equal(up(&udp4), -1);
	assert_int_equal(entries(h->skel->maps.direct_flows), 0);
	rule(RULE_DEVICE, DEVICE, VERDICT_DIRECT, VERDICT_FORWARD);
	frame(neighbour_mac, client_mac);
	assert_int_equal(up(&udp4), -1);
	frame(client_mac, bridge_mac);
	assert_int_equal(down_from(&answer, UPLINK), -1);
	assert_int_equal(direct_flow(NULL).packets_down, 0);
	frame(client_mac, neighbour_mac);
	assert_int_equal(down_from(&answer, UPLINK), -1);
	assert_int_equal(direct_flow(NULL).packets_down, 1);
}

/* --- what the rules say -------------------------------------------------------------------- */

static void direct_passes_unchanged_and_is_entered(void **state)
{
	uint64_t before = harness_stat(h, STAT_DIRECT_FLOWS);

	all(VERDICT_DIRECT, EPOCH, 0);
	for (size_t i = 0; i < KINDS_NUM; i++) {
		uint8_t bytes[CRAFT_MAX];
		size_t len = craft(kinds[i], bytes);
		struct flow_key key;
		struct flow f;

		empty(h->skel->maps.direct_flows);
		assert_int_equal(up(kinds[i]), -1);
		assert_int_equal(h->out_len, len);
		assert_memory_equal(h->out + HARNESS_L2, bytes, len);
		f = direct_flow(&key);
		assert_int_equal(f.verdict, VERDICT_DIRECT);
		assert_int_equal(f.capture, CAPTURE_LAN);
		assert_int_equal(f.ifindex, DEVICE);
		assert_int_equal(f.epoch, EPOCH);
		assert_int_equal(f.packets_up, 1);
		assert_int_equal(f.bytes_up, kinds[i]->payload);
		assert_memory_equal(f.mac, layer3 ? (const uint8_t[6]){ 0 } : client_mac, 6);
		assert_int_equal(key.proto, kinds[i]->proto);
	}
	assert_int_equal(harness_stat(h, STAT_DIRECT_FLOWS), before + KINDS_NUM);
}

static void forward_goes_to_the_tun_and_the_flow_names_the_client(void **state)
{
	all(VERDICT_FORWARD, EPOCH, 0);
	for (size_t i = 0; i < KINDS_NUM; i++) {
		struct __sk_buff ctx = { 0 };
		struct flow_key key;
		struct flow f;

		empty(h->skel->maps.flows);
		assert_int_equal(up(kinds[i]), HARNESS_REDIRECT);
		memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
		assert_int_equal(run_prog(h->skel->progs.tun_egress, kinds[i], &ctx), HARNESS_OK);
		f = harness_flow(h, &key);
		assert_int_equal(f.verdict, VERDICT_FORWARD);
		assert_int_equal(f.capture, CAPTURE_LAN);
		assert_int_equal(f.ifindex, DEVICE);
		assert_int_equal(f.epoch, EPOCH);
		assert_memory_equal(f.mac, layer3 ? (const uint8_t[6]){ 0 } : client_mac, 6);
		assert_int_equal(up(kinds[i]), HARNESS_REDIRECT); /* a known one */
	}
}

static void errors_about_our_answers_are_the_workers(void **state)
{
	static const struct craft *const both[] = { &udp4, &udp6 };

	for (size_t i = 0; i < 2; i++) {
		struct craft answer = back(both[i], 0, 30), error = *both[i];
		struct __sk_buff ctx = { 0 };
		uint8_t quoted[CRAFT_MAX];

		error.proto = i ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		error.icmp_type = i ? 1 : 3;
		error.icmp_code = i ? 4 : 3;
		error.sport = error.dport = 0;
		error.data = quoted;
		error.payload = craft(&answer, quoted);
		all(VERDICT_DROP, EPOCH, 0);
		assert_int_equal(up(&error), HARNESS_DROP); /* about nothing that we know */
		all(VERDICT_FORWARD, EPOCH, 0);
		assert_int_equal(up(both[i]), HARNESS_REDIRECT);
		memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
		assert_int_equal(run_prog(h->skel->progs.tun_egress, both[i], &ctx), HARNESS_OK);
		assert_int_equal(up(&error), HARNESS_REDIRECT);
		assert_int_equal(h->cb[2], VERDICT_FORWARD << 16 | CAPTURE_LAN << 24);
		memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
		assert_int_equal(run_prog(h->skel->progs.tun_egress, &error, &ctx), HARNESS_OK);
		assert_int_equal(h->mark & QUEUE_MARK_MASK, QUEUE_MARK);
	}
}

/* udp4, by a device of that number, to the TUN. */
static struct flow sent_by(const uint8_t *mac, uint32_t ifindex)
{
	struct __sk_buff ctx = { 0 };
	struct flow_key key;

	frame(bridge_mac, mac);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
	memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
	ctx.cb[3] = ifindex;
	assert_int_equal(run_prog(h->skel->progs.tun_egress, &udp4, &ctx), HARNESS_OK);
	return harness_flow(h, &key);
}

static void answers_follow_a_client_and_nobody_who_sends_as_he(void **state)
{
	struct flow f;

	all(VERDICT_FORWARD, EPOCH, 0);
	assert_int_equal(sent_by(client_mac, DEVICE).ifindex, DEVICE);
	f = sent_by(neighbour_mac, OTHER_DEVICE);
	assert_int_equal(f.ifindex, DEVICE);
	assert_memory_equal(f.mac, layer3 ? (const uint8_t[6]){ 0 } : client_mac, 6);
	assert_int_equal(f.packets_up, 2);
	/* without addresses of frames it is for routes to say, and there are none */
	f = sent_by(client_mac, OTHER_DEVICE);
	assert_int_equal(f.ifindex, layer3 ? DEVICE : OTHER_DEVICE);
}

/* What is known of a flow does not depend on what the rules say by now. */
static void captured_flow_stays_captured(void **state)
{
	struct __sk_buff ctx = { 0 };

	all(VERDICT_FORWARD, EPOCH, 0);
	assert_int_equal(up(&syn4), HARNESS_REDIRECT);
	memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
	assert_int_equal(run_prog(h->skel->progs.tun_egress, &syn4, &ctx), HARNESS_OK);
	all(VERDICT_DROP, EPOCH + 1, 0);
	assert_int_equal(up(&ack4), HARNESS_REDIRECT);
	assert_int_equal(h->cb[4], EPOCH);
	assert_int_equal(entries(h->skel->maps.direct_flows), 0);
}

static void refusal_goes_back_to_the_client(void **state)
{
	struct craft rst = TCP_BACK(OUTSIDE4, CLIENT4, CRAFT_RST | CRAFT_ACK, .ack = 10);
	uint64_t before = harness_drops(h, DROP_RULE_REJECT);
	struct harness_events events;
	uint8_t want[CRAFT_MAX];
	size_t len = craft(&rst, want);

	all(VERDICT_REJECT, EPOCH, 0);
	assert_int_equal(up(&syn4), HARNESS_REDIRECT);
	assert_int_equal(h->out_len, len);
	assert_memory_equal(h->out + HARNESS_L2, want, len);
	if (!layer3) {
		assert_memory_equal(h->out, client_mac, 6);
		assert_memory_equal(h->out + 6, bridge_mac, 6);
	}
	harness_read_events(h, &events);
	assert_int_equal(events.count, 1);
	assert_int_equal(events.event[0].info.end, END_REJECTED);
	assert_int_equal(events.event[0].flow.capture, CAPTURE_LAN);
	assert_int_equal(up(&udp6), HARNESS_REDIRECT);
	assert_int_equal(up(&echo4), HARNESS_REDIRECT);
	assert_int_equal(harness_drops(h, DROP_RULE_REJECT), before + 3);
}

static void rules_by_client_and_device_decide(void **state)
{
	uint64_t mac = 0;

	rule(RULE_DEVICE, DEVICE, VERDICT_DROP, VERDICT_FORWARD);
	assert_int_equal(up(&udp4), HARNESS_DROP);
	rule(RULE_DEVICE, DEVICE + 1, VERDICT_DROP, VERDICT_FORWARD);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
	if (layer3)
		return;
	memcpy(&mac, client_mac, 6);
	rule(RULE_MAC, mac, VERDICT_DROP, VERDICT_FORWARD);
	assert_int_equal(up(&udp4), HARNESS_DROP);
	frame(bridge_mac, neighbour_mac);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
	assert_int_equal(h->cb[2] & 0xffff, 0);
}

static void protocol_without_flows_is_refused_where_it_would_be_forwarded(void **state)
{
	uint64_t before = harness_drops(h, DROP_PROTOCOL);

	all(VERDICT_FORWARD, EPOCH, 0);
	assert_int_equal(up(&sctp4), HARNESS_REDIRECT);
	assert_int_equal(h->out[HARNESS_L2 + 9], IPPROTO_ICMP);
	assert_int_equal(harness_drops(h, DROP_PROTOCOL), before + 1);
	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&sctp4), -1);
}

static void dns_is_the_resolvers(void **state)
{
	struct settings s = capture_settings();
	struct craft c = udp4;

	c.dport = 53;
	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&c), HARNESS_REDIRECT);
	assert_int_equal(h->cb[2], VERDICT_DNS << 16 | CAPTURE_LAN << 24);
	c = syn6;
	c.dport = 53;
	assert_int_equal(up(&c), HARNESS_REDIRECT);
	s.dns_intercept = 0;
	harness_settings(h, &s);
	assert_int_equal(up(&c), -1);
}

static void device_of_dns_alone_passes_the_rest(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_OTHER);
	struct craft c = udp4;

	device_is(CAPTURE_LAN, CAPTURE_DNS_ONLY);
	for (size_t i = 0; i < KINDS_NUM; i++)
		assert_int_equal(up(kinds[i]), -1);
	assert_int_equal(up(&ack4), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_OTHER), before + KINDS_NUM + 1);
	assert_int_equal(entries(h->skel->maps.direct_flows), 0);
	c.dport = 53;
	assert_int_equal(up(&c), HARNESS_REDIRECT);
}

static void captured_traffic_has_its_way_out_when_main_is_gone(void **state)
{
	uint64_t passed = harness_stat(h, STAT_PASS_STALE), refused = harness_drops(h, DROP_STALE);
	struct settings s = capture_settings();

	s.heartbeat_ns = 1;
	s.stale_ns = 1;
	harness_settings(h, &s);
	all(VERDICT_FORWARD, EPOCH, 0);
	assert_int_equal(up(&syn4), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_STALE), passed + 1);
	s.closed = 1;
	harness_settings(h, &s);
	assert_int_equal(up(&syn4), HARNESS_REDIRECT);
	assert_int_equal(harness_drops(h, DROP_STALE), refused + 1);
	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&udp4), -1); /* direct flows never notice */
}

#define T(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_no_rule_decides_passes_and_is_counted),
		T(near_misses_are_the_rules_business),
		T(segments_of_older_flows_pass_where_rules_do_not_forbid_them),
		T(nobody_sends_as_the_host),
		T(own_addresses_pass),
		T(addresses_of_a_local_prefix_pass),
		T(addresses_beside_a_local_prefix_are_decided),
		T(flow_of_before_a_prefix_was_local_goes_on_until_it_is_decided_anew),
		T(nobody_sends_as_an_address_of_a_local_prefix),
		T(marks_pass_first),
		T(device_nobody_captures_is_left_alone),
		T(no_ip_passes),
		T(frames_between_ports_of_a_bridge_pass),
		T(frame_to_the_address_of_a_bridges_port_is_the_hosts),
		T(what_a_link_needs_passes_between_ports_of_a_bridge),
		T(bridged_frames_are_a_rules_not_the_fallbacks),
		T(port_of_a_captured_bridge_leaves_the_rest_to_it),
		T(direct_passes_unchanged_and_is_entered),
		T(forward_goes_to_the_tun_and_the_flow_names_the_client),
		T(errors_about_our_answers_are_the_workers),
		T(answers_follow_a_client_and_nobody_who_sends_as_he),
		T(captured_flow_stays_captured),
		T(refusal_goes_back_to_the_client),
		T(rules_by_client_and_device_decide),
		T(protocol_without_flows_is_refused_where_it_would_be_forwarded),
		T(dns_is_the_resolvers),
		T(device_of_dns_alone_passes_the_rest),
		T(captured_traffic_has_its_way_out_when_main_is_gone),
	};
	int failed = cmocka_run_group_tests_name("bpf/lan, Ethernet", tests, open_all, close_all);

	layer3 = true;
	return failed +
	       cmocka_run_group_tests_name("bpf/lan, no link header", tests, open_all, close_all);
}
