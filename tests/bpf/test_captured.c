// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The TUN's programs and what capture points send there: what is let in, and where it goes back. */
#include "bpf/captured.h"

#define OUTSIDE4 "198.51.100.9"
#define HOST4 "192.0.2.10" /* outside the TUN's subnets */
#define HOST6 "2001:db8::10"
#define OUTSIDE6 "2001:db8:9::9"

static const struct craft up4 = {
	.proto = IPPROTO_UDP, .src = HOST4, .dst = OUTSIDE4, .sport = 4000, .dport = 9, .payload = 5
};

static const struct craft down4 = {
	.proto = IPPROTO_UDP, .src = OUTSIDE4, .dst = HOST4, .sport = 9, .dport = 4000, .payload = 6
};

static int egress(struct harness *h, const struct craft *c, const struct __sk_buff *ctx)
{
	uint8_t bytes[CRAFT_MAX];

	return harness_run(h, h->skel->progs.tun_egress, bytes, craft(c, bytes), ctx, 1);
}

static void captured_packet_opens_a_flow_whose_source_is_not_checked(void **state)
{
	struct __sk_buff ctx = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	struct flow_key key;
	struct flow f;

	assert_int_equal(egress(h, &up4, &ctx), HARNESS_OK);
	assert_int_equal(h->mark, QUEUE_MARK | 1);
	f = harness_flow(h, &key);
	assert_int_equal(f.capture, CAPTURE_EGRESS);
	assert_int_equal(f.ifindex, CAPTURE_IFINDEX);
	assert_int_equal(f.rule, CAPTURE_RULE);
	assert_int_equal(f.epoch, CAPTURE_EPOCH);
	assert_int_equal(f.verdict, VERDICT_FORWARD);
	harness_close(h);
}

/* The secret, both words of it, and a host's settings are what makes it a captured one. */
static void wrong_secret_is_a_packet_that_was_routed_here(void **state)
{
	struct __sk_buff right = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	struct settings s = capture_settings();
	struct __sk_buff wrong = right;

	wrong.cb[0]++;
	assert_int_equal(egress(h, &up4, &wrong), HARNESS_DROP);
	wrong = right;
	wrong.cb[1]++;
	assert_int_equal(egress(h, &up4, &wrong), HARNESS_DROP);
	s.host = 0;
	harness_settings(h, &s);
	assert_int_equal(egress(h, &up4, &right), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_SOURCE), 3);
	assert_int_equal(harness_flows(h), 0);
	harness_close(h);
}

static void loopback_addresses_are_let_in_from_lo_alone(void **state)
{
	struct __sk_buff lo = capture_ctx(1, CAPTURE_LOOPBACK, VERDICT_FORWARD);
	struct __sk_buff lan = capture_ctx(CAPTURE_IFINDEX, CAPTURE_LAN, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	struct craft c = up4;

	c.src = "127.0.0.1";
	c.dst = "127.0.0.9";
	assert_int_equal(egress(h, &c, &lo), HARNESS_OK);
	assert_int_equal(egress(h, &c, &lan), HARNESS_DROP);
	c.src = HOST4;
	assert_int_equal(egress(h, &c, &lan), HARNESS_DROP);
	assert_int_equal(harness_drops(h, DROP_SOURCE), 1);
	assert_int_equal(harness_drops(h, DROP_DESTINATION), 1);
	harness_close(h);
}

static void dns_of_captured_clients_is_the_resolvers_if_it_is_wanted(void **state)
{
	struct __sk_buff ctx = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_DNS);
	struct harness *h = capture_open(HARNESS_TUN);
	struct settings s = capture_settings();
	struct craft c = up4;

	c.dport = 53;
	assert_int_equal(egress(h, &c, &ctx), HARNESS_OK);
	assert_int_equal(h->mark, QUEUE_MARK | RESOLVER_QUEUE);
	s.dns_intercept = 0;
	harness_settings(h, &s);
	c.sport++;
	assert_int_equal(egress(h, &c, &ctx), HARNESS_OK);
	assert_int_equal(h->mark, QUEUE_MARK | 1);
	assert_int_equal(harness_stat(h, STAT_DNS), 1);
	harness_close(h);
}

/* An Ethernet header stands in front of the harness's own. */
static void expect_frame(struct harness *h, const uint8_t *to, uint16_t type, const struct craft *c)
{
	uint8_t from[] = CAPTURE_MAC, want[CRAFT_MAX];
	size_t len = craft(c, want);

	assert_int_equal(h->out_len, HARNESS_L2 + len);
	assert_memory_equal(h->out, to, 6);
	assert_memory_equal(h->out + 6, from, 6);
	assert_int_equal(h->out[12] << 8 | h->out[13], type);
	assert_memory_equal(h->out + 2 * HARNESS_L2, want, len);
}

static void answer_arrives_at_the_uplink_that_the_flow_left_by(void **state)
{
	struct __sk_buff ctx = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	uint8_t mac[] = CAPTURE_MAC;
	struct craft up6 = up4, down6 = down4;
	struct flow_key key;

	up6.version = down6.version = 6;
	up6.src = down6.dst = HOST6;
	up6.dst = down6.src = OUTSIDE6;
	capture_device_put(h, CAPTURE_IFINDEX, CAPTURE_EGRESS, 0);
	assert_int_equal(egress(h, &up4, &ctx), HARNESS_OK);
	assert_int_equal(harness_ingress(h, &down4), HARNESS_REDIRECT);
	expect_frame(h, mac, 0x0800, &down4);
	assert_int_equal(h->mark, 0);
	assert_int_equal(harness_flow(h, &key).bytes_down, 6);
	assert_int_equal(harness_flow(h, &key).state, FLOW_OPEN);
	assert_int_equal(egress(h, &up6, &ctx), HARNESS_OK);
	assert_int_equal(harness_ingress(h, &down6), HARNESS_REDIRECT);
	expect_frame(h, mac, 0x86dd, &down6);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 0);
	harness_close(h);
}

static void answer_needs_no_header_where_the_device_has_none(void **state)
{
	struct __sk_buff ctx = capture_ctx(CAPTURE_IFINDEX3, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	uint8_t want[CRAFT_MAX];
	size_t len = craft(&down4, want);

	capture_device_put(h, CAPTURE_IFINDEX3, CAPTURE_EGRESS, 0);
	assert_int_equal(egress(h, &up4, &ctx), HARNESS_OK);
	assert_int_equal(harness_ingress(h, &down4), HARNESS_REDIRECT);
	assert_int_equal(h->out_len, len);
	assert_memory_equal(h->out + HARNESS_L2, want, len);
	harness_close(h);
}

/* A flow follows its packets to another uplink. */
static void flow_that_leaves_by_another_device_is_answered_there(void **state)
{
	struct __sk_buff one = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct __sk_buff two = capture_ctx(CAPTURE_IFINDEX3, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	struct flow_key key;

	capture_device_put(h, CAPTURE_IFINDEX, CAPTURE_EGRESS, 0);
	capture_device_put(h, CAPTURE_IFINDEX3, CAPTURE_EGRESS, 0);
	assert_int_equal(egress(h, &up4, &one), HARNESS_OK);
	assert_int_equal(egress(h, &up4, &two), HARNESS_OK);
	assert_int_equal(harness_flow(h, &key).ifindex, CAPTURE_IFINDEX3);
	assert_int_equal(harness_ingress(h, &down4), HARNESS_REDIRECT);
	assert_int_equal(h->out_len, 20 + 8 + 6);
	harness_close(h);
}

/* The client behind a bridge's port has the address that its frames had. */
static void answer_to_a_port_of_a_bridge_names_the_client(void **state)
{
	struct __sk_buff ctx = capture_ctx(CAPTURE_IFINDEX, CAPTURE_LAN, VERDICT_FORWARD);
	const uint8_t client[6] = { 2, 0, 0, 0, 0, 0x11 };
	struct harness *h = capture_open(HARNESS_TUN);
	struct flow_key key;
	struct flow f;

	capture_device_put(h, CAPTURE_IFINDEX, CAPTURE_LAN, CAPTURE_BRIDGED);
	assert_int_equal(egress(h, &up4, &ctx), HARNESS_OK);
	f = harness_flow(h, &key);
	memcpy(f.mac, client, sizeof(f.mac)); /* which a capture program leaves in memory */
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(h->skel->maps.flows), &key, &f, 0), 0);
	assert_int_equal(harness_ingress(h, &down4), HARNESS_REDIRECT);
	expect_frame(h, client, 0x0800, &down4);
	harness_close(h);
}

static void icmp_error_goes_where_the_flow_that_it_quotes_was_captured(void **state)
{
	struct __sk_buff ctx = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	uint8_t mac[] = CAPTURE_MAC, quoted[CRAFT_MAX];
	struct craft error = { .proto = IPPROTO_ICMP,
			       .src = OUTSIDE4,
			       .dst = HOST4,
			       .icmp_type = 3,
			       .icmp_code = 3,
			       .data = quoted };

	capture_device_put(h, CAPTURE_IFINDEX, CAPTURE_EGRESS, 0);
	error.payload = craft(&up4, quoted);
	assert_int_equal(harness_ingress(h, &error), HARNESS_OK); /* about nothing known */
	assert_int_equal(egress(h, &up4, &ctx), HARNESS_OK);
	assert_int_equal(harness_ingress(h, &error), HARNESS_REDIRECT);
	expect_frame(h, mac, 0x0800, &error);
	error.payload = 20; /* no ports in it: whose it is, the last packet's rest may not say */
	assert_int_equal(harness_ingress(h, &error), HARNESS_OK);
	harness_close(h);
}

/* Of an SCTP packet that a capture point let through the error goes back to there. */
static void refusal_goes_back_to_the_capture_point(void **state)
{
	struct __sk_buff ctx = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct harness *h = capture_open(HARNESS_TUN);
	struct craft sctp = { .proto = IPPROTO_SCTP, .src = HOST4, .dst = OUTSIDE4, .payload = 12 };
	uint8_t mac[] = CAPTURE_MAC, sent[CRAFT_MAX];
	struct craft error = { .proto = IPPROTO_ICMP,
			       .src = OUTSIDE4,
			       .dst = HOST4,
			       .icmp_type = 3,
			       .icmp_code = 2,
			       .data = sent };

	capture_device_put(h, CAPTURE_IFINDEX, CAPTURE_EGRESS, 0);
	error.payload = craft(&sctp, sent);
	assert_int_equal(egress(h, &sctp, &ctx), HARNESS_REDIRECT);
	expect_frame(h, mac, 0x0800, &error);
	assert_int_equal(h->mark, 0);
	assert_int_equal(harness_drops(h, DROP_PROTOCOL), 1);
	assert_int_equal(harness_stat(h, STAT_REJECTS), 1);
	harness_close(h);
}

static void answer_of_no_flow_and_no_route_goes_up_from_the_tun(void **state)
{
	struct harness *h = capture_open(HARNESS_TUN);

	assert_int_equal(harness_ingress(h, &down4), HARNESS_OK);
	assert_int_equal(harness_stat(h, STAT_UNTRACKED), 1);
	assert_int_equal(h->out_len, 20 + 8 + 6);
	harness_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_packet_opens_a_flow_whose_source_is_not_checked),
		cmocka_unit_test(wrong_secret_is_a_packet_that_was_routed_here),
		cmocka_unit_test(loopback_addresses_are_let_in_from_lo_alone),
		cmocka_unit_test(dns_of_captured_clients_is_the_resolvers_if_it_is_wanted),
		cmocka_unit_test(answer_arrives_at_the_uplink_that_the_flow_left_by),
		cmocka_unit_test(answer_needs_no_header_where_the_device_has_none),
		cmocka_unit_test(flow_that_leaves_by_another_device_is_answered_there),
		cmocka_unit_test(answer_to_a_port_of_a_bridge_names_the_client),
		cmocka_unit_test(icmp_error_goes_where_the_flow_that_it_quotes_was_captured),
		cmocka_unit_test(refusal_goes_back_to_the_capture_point),
		cmocka_unit_test(answer_of_no_flow_and_no_route_goes_up_from_the_tun),
	};

	return cmocka_run_group_tests_name("bpf/captured", tests, NULL, NULL);
}
