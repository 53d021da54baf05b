// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Flows of LAN clients: counted and followed both ways, opened from outside, and under rules
 * that have changed.
 */
#include "bpf/lan_world.h"

/* --- flows that pass ----------------------------------------------------------------------- */

static void connection_is_counted_and_followed_to_its_end(void **state)
{
	struct craft synack = back(&syn4, CRAFT_SYN | CRAFT_ACK, 0);
	struct craft data = back(&syn4, CRAFT_ACK, 100),
		     fin = back(&syn4, CRAFT_FIN | CRAFT_ACK, 7);
	struct craft last = TCP(CLIENT4, OUTSIDE4, CRAFT_FIN | CRAFT_ACK, .payload = 1),
		     ack = TCP(CLIENT4, OUTSIDE4, CRAFT_ACK, );
	struct harness_events events;
	struct flow f;

	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&syn4), -1);
	assert_int_equal(up(&syn4), -1); /* again, as it was lost: no new flow */
	all(VERDICT_DROP, EPOCH + 1, 0);
	assert_int_equal(down_from(&synack, UPLINK), -1);
	assert_int_equal(direct_flow(NULL).state, FLOW_OPEN);
	assert_int_equal(up(&ack4), -1);
	assert_int_equal(down_from(&data, UPLINK), -1);
	assert_int_equal(down_from(&fin, UPLINK), -1);
	assert_int_equal(direct_flow(NULL).state, FLOW_CLOSING);
	assert_int_equal(up(&last), -1);
	f = direct_flow(NULL);
	assert_int_equal(f.state, FLOW_CLOSED);
	assert_int_equal(f.packets_up, 4);
	assert_int_equal(f.bytes_up, 4);
	assert_int_equal(f.packets_down, 3);
	assert_int_equal(f.bytes_down, 107);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 2);
	assert_int_equal(events.event[0].type, EVENT_FLOW_NEW);
	assert_int_equal(events.event[1].type, EVENT_FLOW_END);
	assert_int_equal(events.event[1].info.end, END_FINISHED);
	assert_int_equal(events.event[1].flow.bytes_down, 107);
	/* the last ACK is of that flow, and no older one */
	assert_int_equal(up(&ack), -1);
	assert_int_equal(direct_flow(NULL).flags, 0);
	assert_int_equal(direct_flow(NULL).state, FLOW_CLOSED);
	/* a SYN begins another, which the rules of now decide */
	assert_int_equal(up(&syn4), HARNESS_DROP);
}

static void datagrams_are_counted_answered_or_not(void **state)
{
	static const struct craft *const both[] = { &udp4, &udp6 };

	all(VERDICT_DIRECT, EPOCH, 0);
	for (size_t i = 0; i < 2; i++) {
		struct craft answer = back(both[i], 0, 11), options = *both[i];
		struct flow f;

		empty(h->skel->maps.direct_flows);
		for (int n = 0; n < 3; n++)
			assert_int_equal(up(both[i]), -1);
		assert_int_equal(direct_flow(NULL).state, FLOW_OPENING);
		assert_int_equal(down_from(&answer, UPLINK), -1);
		assert_int_equal(down_from(&answer, UPLINK), -1);
		if (i) /* headers that take a longer look */
			options.chain = "d";
		else
			options.ip_options = 8;
		assert_int_equal(up(&options), -1);
		f = direct_flow(NULL);
		assert_int_equal(f.state, FLOW_OPEN);
		assert_int_equal(f.packets_up, 4);
		assert_int_equal(f.bytes_up, 20);
		assert_int_equal(f.packets_down, 2);
		assert_int_equal(f.bytes_down, 22);
	}
}

static void resets_end_a_flow_with_their_side(void **state)
{
	struct craft rst = back(&syn4, CRAFT_RST, 0), own = TCP(CLIENT4, OUTSIDE4, CRAFT_RST, );
	struct harness_events events;

	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&syn4), -1);
	assert_int_equal(down_from(&rst, UPLINK), -1);
	harness_read_events(h, &events);
	assert_int_equal(events.event[1].info.end, END_UPSTREAM_RESET);
	assert_int_equal(up(&syn4), -1);
	assert_int_equal(direct_flow(NULL).packets_up, 1); /* a new one */
	assert_int_equal(up(&own), -1);
	assert_int_equal(up(&own), -1); /* which is told once */
	harness_read_events(h, &events);
	assert_int_equal(events.count, 2);
	assert_int_equal(events.event[1].info.end, END_APP_RESET);
}

static void older_flow_is_entered_as_one(void **state)
{
	struct craft down = back(&syn4, CRAFT_ACK, 50);
	struct flow f;

	all(VERDICT_FORWARD, EPOCH, 0);
	assert_int_equal(up(&ack4), -1);
	f = direct_flow(NULL);
	assert_int_equal(f.flags, FLOW_OLDER);
	assert_int_equal(f.state, FLOW_OPEN);
	assert_int_equal(down_from(&down, UPLINK), -1);
	assert_int_equal(direct_flow(NULL).bytes_down, 50);
	all(VERDICT_DROP, EPOCH + 2, EPOCH + 2);
	assert_int_equal(up(&ack4), -1); /* no rule has decided it, and none will */
}

static void later_fragments_go_the_way_of_the_first(void **state)
{
	struct craft first =
		UDP(CLIENT4, 4000, OUTSIDE4, 9, .id = 7, .more = true, .payload = 1472);
	struct craft later = { .proto = IPPROTO_UDP,
			       .src = CLIENT4,
			       .dst = OUTSIDE4,
			       .id = 7,
			       .offset = 1480,
			       .payload = 99 };
	struct __sk_buff ctx = { 0 };

	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&first), -1);
	assert_int_equal(up(&later), -1);
	assert_int_equal(direct_flow(NULL).packets_up, 2);
	assert_int_equal(direct_flow(NULL).bytes_up, 1472 + 99);
	all(VERDICT_FORWARD, EPOCH, 0);
	first.id = later.id = 8;
	first.sport++;
	assert_int_equal(up(&first), HARNESS_REDIRECT);
	memcpy(ctx.cb, h->cb, sizeof(ctx.cb));
	assert_int_equal(run_prog(h->skel->progs.tun_egress, &first, &ctx), HARNESS_OK);
	assert_int_equal(up(&later), HARNESS_REDIRECT);
}

/* --- UDP from outside ---------------------------------------------------------------------- */

static void answer_to_who_asked_from_outside_passes(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_INBOUND);
	struct craft asked = back(&udp4, 0, 4);

	assert_int_equal(down_from(&asked, UPLINK), -1);
	assert_int_equal(up(&udp4), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_INBOUND), before + 1);
	assert_int_equal(direct_flow(NULL).flags, FLOW_INBOUND);
	asked = back(&udp6, 0, 4);
	assert_int_equal(down_from(&asked, UPLINK), -1);
	assert_int_equal(up(&udp6), -1);
}

/* A published port: whatever rules say of where the call came from. */
static void connection_from_outside_passes(void **state)
{
	uint64_t before = harness_stat(h, STAT_PASS_INBOUND);
	struct craft called = back(&syn4, CRAFT_SYN, 0), segment = back(&syn4, CRAFT_ACK, 9);
	struct craft answer = TCP(CLIENT4, OUTSIDE4, CRAFT_SYN | CRAFT_ACK, );

	assert_int_equal(down_from(&segment, UPLINK), -1); /* which opens nothing */
	assert_int_equal(up(&answer), HARNESS_DROP);
	assert_int_equal(down_from(&called, UPLINK), -1);
	assert_int_equal(up(&syn4), HARNESS_DROP); /* a connection of the client's own */
	assert_int_equal(up(&answer), -1);
	assert_int_equal(harness_stat(h, STAT_PASS_INBOUND), before + 1);
	assert_int_equal(direct_flow(NULL).flags, FLOW_INBOUND);
	assert_int_equal(up(&ack4), -1);
}

static void answer_to_a_ping_from_outside_passes(void **state)
{
	static const struct craft *const both[] = { &echo4, &echo6 };

	for (size_t i = 0; i < 2; i++) {
		struct craft ping = back(both[i], 0, 8), answer = *both[i];

		ping.sport = both[i]->sport; /* the identifier */
		answer.icmp_type = i ? 129 : 0;
		assert_int_equal(up(&answer), HARNESS_DROP);
		assert_int_equal(down_from(&ping, UPLINK), -1);
		assert_int_equal(up(&answer), -1);
	}
}

/* Its error about a packet from outside; of a flow that passes, or that came from there. */
static void errors_about_what_passes_pass(void **state)
{
	struct craft sent = back(&udp4, 0, 4), error = ECHO(CLIENT4, OUTSIDE4, IPPROTO_ICMP, 3, );
	uint8_t quoted[CRAFT_MAX];

	error.sport = 0;
	error.icmp_code = 3;
	error.data = quoted;
	error.payload = craft(&sent, quoted);
	assert_int_equal(up(&error), HARNESS_DROP);
	assert_int_equal(down_from(&sent, UPLINK), -1);
	assert_int_equal(up(&error), -1);
	empty(h->skel->maps.inbound_notes);
	assert_int_equal(up(&error), HARNESS_DROP);
	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&udp4), -1);
	all(VERDICT_DROP, EPOCH, 0);
	assert_int_equal(up(&error), -1);
}

/* Port 53 as well: a name server in a container, asked by another from its port 53. */
static void answer_to_a_name_server_outside_is_no_query(void **state)
{
	struct craft answer = UDP(CLIENT4, 53, OUTSIDE4, 53, ), asked = back(&answer, 0, 4);

	assert_int_equal(down_from(&asked, UPLINK), -1);
	assert_int_equal(up(&answer), -1);
}

static void what_the_host_or_the_tun_sends_opens_nothing(void **state)
{
	struct __sk_buff ctx = { .ingress_ifindex = UPLINK,
				 .cb = { CAPTURE_SECRET0, CAPTURE_SECRET1 } };
	struct craft asked = back(&udp4, 0, 4);

	assert_int_equal(down_from(&asked, 0), -1);
	assert_int_equal(down_from(&asked, CAPTURE_TUN_IFINDEX), -1);
	assert_int_equal(run_prog(layer3 ? h->skel->progs.lan_egress3 : h->skel->progs.lan_egress,
				  &asked, &ctx),
			 -1); /* answered where it came in */
	assert_int_equal(entries(h->skel->maps.inbound_notes), 0);
	assert_int_equal(up(&udp4), HARNESS_DROP);
}

static void answer_to_the_client_is_counted_and_no_flow_from_outside(void **state)
{
	struct craft answer = back(&udp4, 0, 40);

	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&udp4), -1);
	assert_int_equal(down_from(&answer, UPLINK), -1);
	assert_int_equal(direct_flow(NULL).bytes_down, 40);
	assert_int_equal(direct_flow(NULL).state, FLOW_OPEN);
	assert_int_equal(entries(h->skel->maps.inbound_notes), 0);
}

/* --- reload --flows reset ------------------------------------------------------------------ */

static void same_verdict_goes_on_under_the_new_rules(void **state)
{
	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&syn4), -1);
	all(VERDICT_DIRECT, EPOCH + 2, EPOCH + 2);
	assert_int_equal(up(&ack4), -1);
	assert_int_equal(direct_flow(NULL).epoch, EPOCH + 2);
	assert_int_equal(direct_flow(NULL).packets_up, 2);
}

static void connection_is_reset_where_the_new_rules_want_it_elsewhere(void **state)
{
	uint64_t before = harness_drops(h, DROP_RESET);
	struct harness_events events;

	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&syn4), -1);
	all(VERDICT_FORWARD, EPOCH + 2, EPOCH + 2);
	assert_int_equal(up(&ack4), HARNESS_REDIRECT);
	assert_int_equal(h->out[HARNESS_L2 + 33], CRAFT_RST);
	assert_int_equal(up(&ack4), HARNESS_REDIRECT); /* of who does not heed it */
	assert_int_equal(h->out[HARNESS_L2 + 33], CRAFT_RST);
	assert_int_equal(harness_drops(h, DROP_RESET), before + 2);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 2);
	assert_int_equal(events.event[1].info.end, END_RULES);
	assert_int_equal(up(&syn4), HARNESS_REDIRECT); /* a new one is forwarded */
	assert_int_equal(h->cb[2], VERDICT_FORWARD << 16 | CAPTURE_LAN << 24);
}

static void datagrams_follow_the_new_rules(void **state)
{
	all(VERDICT_DIRECT, EPOCH, 0);
	assert_int_equal(up(&udp4), -1);
	all(VERDICT_FORWARD, EPOCH + 2, EPOCH + 2);
	assert_int_equal(up(&udp4), HARNESS_REDIRECT);
	assert_int_equal(h->cb[2], VERDICT_FORWARD << 16 | CAPTURE_LAN << 24);
}

#define T(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(connection_is_counted_and_followed_to_its_end),
		T(datagrams_are_counted_answered_or_not),
		T(resets_end_a_flow_with_their_side),
		T(older_flow_is_entered_as_one),
		T(later_fragments_go_the_way_of_the_first),
		T(answer_to_who_asked_from_outside_passes),
		T(connection_from_outside_passes),
		T(answer_to_a_ping_from_outside_passes),
		T(errors_about_what_passes_pass),
		T(answer_to_a_name_server_outside_is_no_query),
		T(what_the_host_or_the_tun_sends_opens_nothing),
		T(answer_to_the_client_is_counted_and_no_flow_from_outside),
		T(same_verdict_goes_on_under_the_new_rules),
		T(connection_is_reset_where_the_new_rules_want_it_elsewhere),
		T(datagrams_follow_the_new_rules),
	};
	int failed =
		cmocka_run_group_tests_name("bpf/lan flows, Ethernet", tests, open_all, close_all);

	layer3 = true;
	return failed + cmocka_run_group_tests_name("bpf/lan flows, no link header", tests,
						    open_all, close_all);
}
