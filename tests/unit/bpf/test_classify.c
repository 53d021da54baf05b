// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The classifier on the host: the verdict on every kind of packet, and queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "bpf/classify.h"
#include "lib/craft.h"
#include "lib/tun_settings.h"

#define DECIDES(...) .d = { __VA_ARGS__ }
#define FORWARD DECIDES(VERDICT_FORWARD, 0, 1, 1)
#define LOCAL DECIDES(VERDICT_LOCAL, 0, 1, 1)
#define DNS_QUEUE DECIDES(VERDICT_DNS, 0, 0, 0)
#define DNS_WORKER DECIDES(VERDICT_DNS, 0, 1, 1)
#define DNS_RELAYED DECIDES(VERDICT_DNS, 0, 0, 1)
#define DROPPED(why) DECIDES(VERDICT_DROP, why, 0, 0)
#define REJECTED(why) DECIDES(VERDICT_REJECT, why, 0, 0)

/* Expected with one worker and a resolver's queue; a negative reason: the parser's. */
static const struct expected {
	const char *kind;
	struct decision d;
	int parse;
} expected[] = {
	{ "tcp4_syn", FORWARD },
	{ "tcp4_ack", FORWARD },
	{ "tcp4_fin", FORWARD },
	{ "tcp4_rst", FORWARD },
	{ "tcp4_options", FORWARD },
	{ "tcp4_dns", DNS_WORKER },
	{ "tcp4_stack", REJECTED(DROP_STACK_PORT) },
	{ "udp4", FORWARD },
	{ "udp4_empty", FORWARD },
	{ "udp4_dns", DNS_QUEUE },
	{ "udp4_dns_stack", DNS_QUEUE },
	{ "udp4_stack", REJECTED(DROP_STACK_PORT) },
	{ "udp4_port_zero", DROPPED(DROP_PORT_ZERO) },
	{ "udp4_first", FORWARD },
	{ "udp4_middle", FORWARD },
	{ "udp4_last", FORWARD },
	{ "echo4", FORWARD },
	{ "echo4_stack", LOCAL },
	{ "echo4_reply", DROPPED(DROP_ICMP_TYPE) },
	{ "unreachable4", FORWARD },
	{ "timestamp4", DROPPED(DROP_ICMP_TYPE) },
	{ "icmp6_in_4", REJECTED(DROP_PROTOCOL) },
	{ "sctp4", REJECTED(DROP_PROTOCOL) },
	{ "protocol0_4", REJECTED(DROP_PROTOCOL) },
	{ "multicast4", DROPPED(DROP_LINK_LOCAL) },
	{ "broadcast4", DROPPED(DROP_LINK_LOCAL) },
	{ "subnet_broadcast4", DROPPED(DROP_LINK_LOCAL) },
	{ "class_e4", DROPPED(DROP_LINK_LOCAL) },
	{ "link_local4", DROPPED(DROP_LINK_LOCAL) },
	{ "loopback4", DROPPED(DROP_DESTINATION) },
	{ "this_host4", DROPPED(DROP_DESTINATION) },
	{ "spoofed4", DROPPED(DROP_SOURCE) },
	{ "from_loopback4", DROPPED(DROP_SOURCE) },
	{ "tcp6_syn", FORWARD },
	{ "tcp6_stack", REJECTED(DROP_STACK_PORT) },
	{ "tcp6_chain", FORWARD },
	{ "udp6", FORWARD },
	{ "udp6_dns", DNS_QUEUE },
	{ "udp6_dns_stack", DNS_QUEUE },
	{ "udp6_stack", REJECTED(DROP_STACK_PORT) },
	{ "udp6_8_headers", FORWARD },
	{ "udp6_9_headers", .parse = -DROP_HEADER_CHAIN },
	{ "udp6_long_header", .parse = -DROP_HEADER_CHAIN },
	{ "udp6_routed", .parse = -DROP_DESTINATION },
	{ "udp6_late_hop", REJECTED(DROP_PROTOCOL) },
	{ "udp6_first", FORWARD },
	{ "udp6_last", FORWARD },
	{ "udp6_atomic", FORWARD },
	{ "udp6_2_fragment_headers", .parse = -DROP_FRAGMENT_BAD },
	{ "udp6_dns_first", DNS_RELAYED },
	{ "echo6", FORWARD },
	{ "echo6_stack", LOCAL },
	{ "too_big6", FORWARD },
	{ "neighbour6", DROPPED(DROP_ICMP_TYPE) },
	{ "router_solicitation6", DROPPED(DROP_LINK_LOCAL) },
	{ "icmp4_in_6", REJECTED(DROP_PROTOCOL) },
	{ "no_next6", DROPPED(DROP_PROTOCOL) },
	{ "esp6_chain", REJECTED(DROP_PROTOCOL) },
	{ "loopback6", DROPPED(DROP_DESTINATION) },
	{ "unspecified6", DROPPED(DROP_DESTINATION) },
	{ "mapped6", DROPPED(DROP_DESTINATION) },
	{ "from_mapped6", DROPPED(DROP_SOURCE) },
	{ "link_local6", DROPPED(DROP_LINK_LOCAL) },
	{ "spoofed6", DROPPED(DROP_SOURCE) },
};

static int parse(struct packet *p, const struct craft *c)
{
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(c, bytes);

	return packet_parse(p, bytes, bytes + len, 0);
}

static struct decision decide(const struct craft *c, const struct settings *s)
{
	struct packet p;

	assert_int_equal(parse(&p, c), 0);
	return packet_classify(&p, s, CAPTURE_TUN);
}

static const struct craft *kind(const char *name)
{
	size_t i;

	for (i = 0; i < craft_kinds_num; i++)
		if (!strcmp(craft_kinds[i].name, name))
			return &craft_kinds[i];
	fail_msg("no kind %s", name);
	return NULL;
}

static void decides_every_kind_as_expected(void **state)
{
	struct settings s = tun_settings();
	struct packet p;
	size_t i;

	assert_int_equal(sizeof(expected) / sizeof(expected[0]), craft_kinds_num);
	for (i = 0; i < craft_kinds_num; i++) {
		const struct expected *e = &expected[i];
		struct decision d;
		int ret = parse(&p, kind(e->kind));

		if (ret != e->parse)
			fail_msg("%s: parser says %d, expected %d", e->kind, ret, e->parse);
		if (ret)
			continue;
		d = packet_classify(&p, &s, CAPTURE_TUN);
		if (memcmp(&d, &e->d, sizeof(d)))
			fail_msg("%s: verdict %d reason %d slot %d queue %d", e->kind, d.verdict,
				 d.reason, d.slot, d.queue);
	}
}

static void any_source_lets_in_what_can_be_answered(void **state)
{
	struct settings s = tun_settings();

	s.any_source = 1;
	assert_int_equal(decide(kind("spoofed4"), &s).verdict, VERDICT_FORWARD);
	assert_int_equal(decide(kind("spoofed6"), &s).verdict, VERDICT_FORWARD);
	assert_int_equal(decide(kind("from_loopback4"), &s).reason, DROP_SOURCE);
	assert_int_equal(decide(kind("from_mapped6"), &s).reason, DROP_SOURCE);
	assert_int_equal(decide(&(struct craft){ .proto = IPPROTO_UDP,
						 .sport = 1,
						 .dport = 1,
						 .src = "224.0.0.1" },
				&s)
				 .reason,
			 DROP_SOURCE);
}

static void family_that_is_off_has_no_source(void **state)
{
	struct settings s = tun_settings();

	s.tun6_bits = 0;
	assert_int_equal(decide(kind("udp6"), &s).reason, DROP_SOURCE);
	assert_int_equal(decide(kind("udp4"), &s).verdict, VERDICT_FORWARD);
}

static void prefix_is_compared_to_the_bit(void **state)
{
	struct craft c = { .proto = IPPROTO_UDP, .sport = 1, .dport = 1 };
	struct settings s = tun_settings();

	s.tun4_bits = 29;
	c.src = "10.0.0.7";
	assert_int_equal(decide(&c, &s).verdict, VERDICT_FORWARD);
	c.src = "10.0.0.8";
	assert_int_equal(decide(&c, &s).reason, DROP_SOURCE);
	s.tun4_bits = 32;
	c.src = "10.0.0.2";
	assert_int_equal(decide(&c, &s).reason, DROP_SOURCE); /* the prefix is 10.0.0.0 */
	c.version = 6;
	s.tun6_bits = 126;
	c.src = "fd68:6561:6472:6163::3";
	assert_int_equal(decide(&c, &s).verdict, VERDICT_FORWARD);
	c.src = "fd68:6561:6472:6163::4";
	assert_int_equal(decide(&c, &s).reason, DROP_SOURCE);
}

static void without_a_resolver_queue_workers_have_all(void **state)
{
	struct settings s = tun_settings();
	struct decision d;

	s.resolver_queue = 0;
	d = decide(kind("udp4_dns"), &s);
	assert_int_equal(d.verdict, VERDICT_DNS);
	assert_int_equal(d.slot, RESOLVER_QUEUE);
	assert_int_equal(d.queue, 0);
	d = decide(kind("udp4"), &s);
	assert_int_equal(d.slot, 1);
	assert_int_equal(d.queue, 0);
}

/* dns.intercept: false. In `headrace run` that is no choice: settings.route is of a host. */
static void dns_that_routes_lead_here_may_be_left_alone(void **state)
{
	static const char *const kinds[] = { "udp4_dns", "tcp4_dns", "udp6_dns" };
	struct settings s = tun_settings();

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		s.route = s.dns_intercept = 0;
		assert_int_equal(decide(kind(kinds[i]), &s).verdict, VERDICT_DNS);
		s.route = 1;
		assert_int_equal(decide(kind(kinds[i]), &s).verdict, VERDICT_FORWARD);
		s.dns_intercept = 1;
		assert_int_equal(decide(kind(kinds[i]), &s).verdict, VERDICT_DNS);
	}
	s.dns_intercept = 0;
	assert_int_equal(decide(kind("udp4_dns_stack"), &s).verdict, VERDICT_DNS);
	assert_int_equal(decide(kind("udp6_dns_stack"), &s).verdict, VERDICT_DNS);
}

static void fragments_of_a_datagram_have_one_queue(void **state)
{
	struct settings s = tun_settings();

	for (s.workers = 1; s.workers <= WORKERS_MAX; s.workers++) {
		uint8_t queue = decide(kind("udp4_first"), &s).queue;

		assert_in_range(queue, 1, s.workers);
		assert_int_equal(decide(kind("udp4_middle"), &s).queue, queue);
		assert_int_equal(decide(kind("udp4_last"), &s).queue, queue);
		assert_int_equal(decide(kind("udp6_first"), &s).queue,
				 decide(kind("udp6_last"), &s).queue);
	}
}

/* The slot of a first fragment is the one of whole packets, whoever gathers the rest. */
static void first_fragments_are_of_their_flows_worker(void **state)
{
	struct settings s = tun_settings();
	unsigned int elsewhere = 0, port;

	s.workers = 4;
	for (port = 5000; port < 5100; port++) {
		struct craft c = { .proto = IPPROTO_UDP, .sport = port, .dport = 9, .payload = 8 };
		struct decision whole = decide(&c, &s), first;

		c.id = port;
		c.more = true;
		first = decide(&c, &s);
		assert_int_equal(whole.slot, whole.queue);
		assert_int_equal(first.slot, whole.slot);
		elsewhere += first.queue != whole.queue;
	}
	assert_in_range(elsewhere, 50, 95);
}

/* 4,000 flows over 4 workers: no worker has a fifth more or less than its share. */
static void spreads(struct craft *c, uint16_t *what, struct settings *s)
{
	unsigned int seen[4] = { 0 }, i;

	s->workers = 4;
	for (i = 0; i < 4000; i++) {
		struct decision d;

		*what = 32768 + i;
		d = decide(c, s);
		assert_in_range(d.queue, 1, 4);
		assert_int_equal(d.slot, d.queue);
		seen[d.queue - 1]++;
	}
	for (i = 0; i < 4; i++)
		assert_in_range(seen[i], 800, 1200);
}

static void flows_spread_over_the_workers(void **state)
{
	struct settings s = tun_settings();
	struct craft tcp = { .proto = IPPROTO_TCP, .dport = 443 };
	struct craft udp = { .proto = IPPROTO_UDP, .dport = 443 };
	struct craft echo = { .proto = IPPROTO_ICMP, .icmp_type = ICMP4_ECHO };
	struct craft udp6 = { .version = 6, .proto = IPPROTO_UDP, .dport = 443 };
	struct craft to = { .proto = IPPROTO_UDP, .sport = 4000 };
	int i;

	for (i = 0; i < 3; i++) {
		s.steer_seed = 0x12345678 * i;
		spreads(&tcp, &tcp.sport, &s);
		spreads(&udp, &udp.sport, &s);
		spreads(&echo, &echo.sport, &s);
		spreads(&udp6, &udp6.sport, &s);
		spreads(&to, &to.dport, &s);
	}
}

static void the_seed_moves_flows(void **state)
{
	struct settings a = tun_settings(), b = tun_settings();
	unsigned int moved = 0, port;

	a.workers = b.workers = 2;
	b.steer_seed = 1;
	for (port = 1000; port < 2000; port++) {
		struct craft c = { .proto = IPPROTO_TCP, .sport = port, .dport = 443 };

		moved += decide(&c, &a).queue != decide(&c, &b).queue;
	}
	assert_in_range(moved, 400, 600);
}

/* Packets up, answers down and what main and roles know of it (the key) name one worker. */
static void a_flows_key_names_its_worker(void **state)
{
	struct settings s = tun_settings();
	unsigned int port;

	s.steer_seed = 0xdecade;
	for (port = 1; port < 500; port++) {
		struct craft up = { .proto = IPPROTO_UDP, .sport = port, .dport = 4433 };
		struct craft down = { .proto = IPPROTO_UDP,
				      .src = "192.0.2.7",
				      .dst = "10.0.0.2",
				      .sport = 4433,
				      .dport = port };
		struct flow_key key;
		struct packet p;

		s.workers = 2 + port % (WORKERS_MAX - 1);
		assert_int_equal(parse(&p, &up), 0);
		packet_key_up(&p, &key);
		assert_int_equal(decide(&up, &s).slot, 1 + flow_worker(&key, &s));
		assert_int_equal(parse(&p, &down), 0);
		packet_key_down(&p, &key);
		assert_int_equal(decide(&up, &s).slot, 1 + flow_worker(&key, &s));
	}
}

static void both_directions_have_one_key(void **state)
{
	struct craft up = { .proto = IPPROTO_TCP, .sport = 7, .dport = 80 };
	struct craft down = {
		.proto = IPPROTO_TCP, .src = "192.0.2.7", .dst = "10.0.0.2", .sport = 80, .dport = 7
	};
	struct flow_key a, b;
	struct packet p;

	assert_int_equal(parse(&p, &up), 0);
	packet_key_up(&p, &a);
	assert_int_equal(parse(&p, &down), 0);
	packet_key_down(&p, &b);
	assert_memory_equal(&a, &b, sizeof(a));
	up = (struct craft){ .version = 6, .proto = IPPROTO_ICMPV6, .icmp_type = 128, .sport = 3 };
	down = (struct craft){ .version = 6,
			       .proto = IPPROTO_ICMPV6,
			       .icmp_type = 129,
			       .sport = 3,
			       .src = "2001:db8::7",
			       .dst = "fd68:6561:6472:6163::2" };
	assert_int_equal(parse(&p, &up), 0);
	packet_key_up(&p, &a);
	assert_int_equal(parse(&p, &down), 0);
	packet_key_down(&p, &b);
	assert_memory_equal(&a, &b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_every_kind_as_expected),
		cmocka_unit_test(any_source_lets_in_what_can_be_answered),
		cmocka_unit_test(family_that_is_off_has_no_source),
		cmocka_unit_test(prefix_is_compared_to_the_bit),
		cmocka_unit_test(without_a_resolver_queue_workers_have_all),
		cmocka_unit_test(dns_that_routes_lead_here_may_be_left_alone),
		cmocka_unit_test(fragments_of_a_datagram_have_one_queue),
		cmocka_unit_test(first_fragments_are_of_their_flows_worker),
		cmocka_unit_test(flows_spread_over_the_workers),
		cmocka_unit_test(the_seed_moves_flows),
		cmocka_unit_test(a_flows_key_names_its_worker),
		cmocka_unit_test(both_directions_have_one_key),
	};

	return cmocka_run_group_tests_name("bpf/classify", tests, NULL, NULL);
}
