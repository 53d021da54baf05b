// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Loopback: both directions pass the same hook. */
#include "bpf/lan_world.h"

#define LO4 "127.0.0.1"
#define LO6 "::1"

static const struct craft lo_syn4 = TCP(LO4, LO4, CRAFT_SYN, );
static const struct craft lo_syn6 = TCP(LO6, LO6, CRAFT_SYN, V6);
static const struct craft lo_udp4 = UDP(LO4, 4000, LO4, 9, );
static const struct craft lo_udp6 = UDP(LO6, 4000, LO6, 9, V6);
static const struct craft lo_echo4 = {
	.proto = IPPROTO_ICMP, .src = LO4, .dst = LO4, .icmp_type = 8, .sport = 3
};
static const struct craft *const lo_kinds[] = { &lo_syn4, &lo_syn6, &lo_udp4, &lo_udp6, &lo_echo4 };
#define LO_KINDS_NUM (sizeof(lo_kinds) / sizeof(lo_kinds[0]))

static int begin_lo(void **state)
{
	begin(state);
	device_is(CAPTURE_LOOPBACK, 0);
	memset(h->macs, 0, sizeof(h->macs));
	return 0;
}

static void loopback_goes_where_the_rules_say(void **state)
{
	for (size_t i = 0; i < LO_KINDS_NUM; i++) {
		struct __sk_buff ctx = { 0 };
		struct flow_key key;
		struct flow f;

		all(VERDICT_DROP, EPOCH, 0);
		assert_int_equal(lo(lo_kinds[i], 0), HARNESS_DROP);
		all(VERDICT_FORWARD, EPOCH, 0);
		empty(h->skel->maps.flows);
		assert_int_equal(lo(lo_kinds[i], 0), HARNESS_REDIRECT);
		assert_int_equal(h->cb[2], VERDICT_FORWARD << 16 | CAPTURE_LOOPBACK << 24);
		memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
		assert_int_equal(run_prog(h->skel->progs.tun_egress, lo_kinds[i], &ctx),
				 HARNESS_OK);
		f = harness_flow(h, &key);
		assert_int_equal(f.capture, CAPTURE_LOOPBACK);
		all(VERDICT_DIRECT, EPOCH, 0);
		empty(h->skel->maps.flows);
		assert_int_equal(lo(lo_kinds[i], 0), -1);
	}
}

static void own_addresses_that_are_no_loopback_pass(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_LOCAL);

	assert_int_equal(lo(&udp4, 0), -1);
	assert_int_equal(lo(&udp6, 0), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_LOCAL), before + 2);
}

static void answers_of_local_servers_are_told_by_the_reversed_key(void **state)
{
	struct craft synack = back(&lo_syn4, CRAFT_SYN | CRAFT_ACK, 0);
	struct craft answer = back(&lo_udp6, 0, 60);
	struct flow f;

	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(lo(&lo_syn4, 0), -1);
	all(VERDICT_DROP, EPOCH + 1, 0);
	assert_int_equal(lo(&synack, 0), -1);
	f = direct_flow(NULL);
	assert_int_equal(f.packets_down, 1);
	assert_int_equal(f.state, FLOW_OPEN);
	empty(h->skel->maps.direct_flows);
	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(lo(&lo_udp6, 0), -1);
	all(VERDICT_DROP, EPOCH + 1, 0);
	assert_int_equal(lo(&answer, 0), -1);
	assert_int_equal(direct_flow(NULL).bytes_down, 60);
}

static void our_own_and_what_answers_it_passes(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_OWN);

	for (size_t i = 0; i < 4; i++) {
		struct craft answer = back(lo_kinds[i], CRAFT_SYN | CRAFT_ACK, 0);

		assert_int_equal(lo(lo_kinds[i], HEADRACE_MARK), -1);
		assert_int_equal(lo(&answer, 0), -1);
	}
	assert_int_equal(harness_stat(h, STAT_PASS_OWN), before + 4);
	assert_int_equal(entries(h->skel->maps.direct_flows), 0);
}

static void loopback_of_dns_alone_passes_the_rest(void **state)
{
	struct craft c = lo_udp4;

	device_is(CAPTURE_LOOPBACK, CAPTURE_DNS_ONLY);
	for (size_t i = 0; i < LO_KINDS_NUM; i++)
		assert_int_equal(lo(lo_kinds[i], 0), -1);
	assert_int_equal(entries(h->skel->maps.direct_flows), 0);
	c.dport = 53;
	c.dst = "127.0.0.53";
	assert_int_equal(lo(&c, 0), HARNESS_REDIRECT);
	assert_int_equal(h->cb[2], VERDICT_DNS << 16 | CAPTURE_LOOPBACK << 24);
	assert_int_equal(lo(&c, HEADRACE_MARK), -1); /* our own question to a resolver there */
}

#define T(name) cmocka_unit_test_setup(name, begin_lo)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(loopback_goes_where_the_rules_say),
		T(own_addresses_that_are_no_loopback_pass),
		T(answers_of_local_servers_are_told_by_the_reversed_key),
		T(our_own_and_what_answers_it_passes),
		T(loopback_of_dns_alone_passes_the_rest),
	};

	return cmocka_run_group_tests_name("bpf/lo", tests, open_all, close_all);
}
