// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* uplinks_plan.c: which devices of a made-up host are captured, and as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "bpf/contract.h"
#include "supervisor/uplinks_plan.h"

#define NUM(array) (sizeof(array) / sizeof((array)[0]))
#define PLANS_MAX 32
#define TUN 20

#define LINK(index, label, kind, bytes, ...)                                                       \
	{                                                                                          \
		.ifindex = (index), .name = (label), .type = (kind), .mtu = (bytes),               \
		.has_mac = (kind) == ARPHRD_ETHER, .mac = { 2, 0, 0, 0, 0, (index) }, __VA_ARGS__  \
	}

/* A host with two networks, a tunnel, containers, a gateway's LAN, and odd ones. */
static struct net_link links[] = {
	LINK(1, "lo", ARPHRD_LOOPBACK, 65536, .up = true, .routed = true),
	LINK(2, "eth0", ARPHRD_ETHER, 1500, .up = true, .routed = true),
	LINK(3, "wlan0", ARPHRD_ETHER, 1400, .up = true, .routed = true),
	LINK(4, "wg0", ARPHRD_NONE, 1420, .up = true, .routed = true),
	LINK(5, "eth9", ARPHRD_ETHER, 1500, .up = true), /* no route */
	LINK(6, "eth8", ARPHRD_ETHER, 1500, .routed = true), /* down */
	LINK(7, "docker0", ARPHRD_ETHER, 1500, .up = true, .routed = true, .bridge = true),
	LINK(8, "veth1", ARPHRD_ETHER, 1500, .up = true, .master = 7),
	LINK(9, "lan0", ARPHRD_ETHER, 1380, .up = true, .routed = true),
	LINK(10, "ib0", ARPHRD_INFINIBAND, 1500, .up = true, .routed = true),
	LINK(11, "bond0", ARPHRD_ETHER, 9000, .up = true, .routed = true),
	LINK(12, "eth7", ARPHRD_ETHER, 1500, .up = true, .routed = true, .master = 11),
	LINK(TUN, "headrace0", ARPHRD_NONE, 1500, .up = true, .routed = true),
};

static const struct net_table table = { .link = links, .links = NUM(links) };
static struct uplink_plan plan[PLANS_MAX];
static size_t plans;

static void make_plan(const struct conf_capture *conf)
{
	plans = uplinks_plan(conf, &table, TUN, plan, PLANS_MAX);
}

static const struct uplink_plan *planned(const char *name)
{
	for (size_t i = 0; i < plans; i++)
		if (!strcmp(plan[i].name, name))
			return &plan[i];
	return NULL;
}

static void assert_captured(const char *name, enum capture_point as, unsigned int l2)
{
	const struct uplink_plan *p = planned(name);

	if (!p || p->why_not[0])
		fail_msg("%s is not captured: %s", name, p ? p->why_not : "not planned");
	assert_int_equal(p->device.capture, as);
	assert_int_equal(p->device.l2, l2);
}

static void assert_none(const char *name)
{
	if (planned(name))
		fail_msg("%s is planned", name);
}

static void assert_not(const char *name, const char *why)
{
	const struct uplink_plan *p = planned(name);

	if (!p || !strstr(p->why_not, why))
		fail_msg("%s: '%s', expected '%s'", name, p ? p->why_not : "not planned", why);
}

static void auto_is_what_is_up_and_leads_somewhere(void **state)
{
	const struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_AUTO };

	make_plan(&conf);
	assert_captured("eth0", CAPTURE_EGRESS, 14);
	assert_memory_equal(planned("eth0")->device.mac, links[1].mac, 6);
	assert_captured("wlan0", CAPTURE_EGRESS, 14);
	assert_captured("wg0", CAPTURE_EGRESS, 0);
	assert_memory_equal(planned("wg0")->device.mac, "\0\0\0\0\0\0", 6);
	assert_captured("docker0", CAPTURE_EGRESS, 14);
	assert_captured("bond0", CAPTURE_EGRESS, 14);
	assert_none("lo");
	assert_none("eth9");
	assert_none("eth8");
	assert_none("veth1");
	assert_none("headrace0");
	assert_not("ib0", "type 32");
}

static void what_is_lan_is_no_uplink(void **state)
{
	struct conf_point lan[] = { { .name = "docker*" },
				    { .name = "lan0", .dns_only = true },
				    { .name = "veth*" } };
	const struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_AUTO,
					   .lan = lan,
					   .lans = NUM(lan) };

	make_plan(&conf);
	assert_captured("docker0", CAPTURE_LAN, 14);
	assert_int_equal(planned("docker0")->device.flags, 0);
	assert_captured("lan0", CAPTURE_LAN, 14);
	assert_int_equal(planned("lan0")->device.flags, CAPTURE_DNS_ONLY);
	assert_not("veth1", "a port of docker0");
	assert_captured("eth0", CAPTURE_EGRESS, 14);
}

/* Of what the ports send each other the bridge itself sees nothing. */
static void a_port_adds_to_its_bridge_what_ports_send_each_other(void **state)
{
	struct conf_point lan[] = { { .name = "docker*" }, { .name = "veth*", .bridged = true } };
	const struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_AUTO,
					   .lan = lan,
					   .lans = NUM(lan) };

	make_plan(&conf);
	assert_captured("docker0", CAPTURE_LAN, 14);
	assert_captured("veth1", CAPTURE_LAN, 14);
	assert_int_equal(planned("veth1")->device.flags, CAPTURE_BRIDGED | CAPTURE_PORT);
}

static void a_port_has_the_address_of_its_bridge(void **state)
{
	struct conf_point lan[] = { { .name = "veth*", .bridged = true } };
	const struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_NONE,
					   .lan = lan,
					   .lans = NUM(lan) };

	make_plan(&conf);
	assert_int_equal(plans, 1);
	assert_captured("veth1", CAPTURE_LAN, 14);
	assert_int_equal(planned("veth1")->device.flags, CAPTURE_BRIDGED);
	assert_memory_equal(planned("veth1")->device.mac, links[6].mac, 6);
}

static void named_ones_need_neither_route_nor_be_up(void **state)
{
	struct conf_point up[] = { { .name = "eth[89]" }, { .name = "ppp0" }, { .name = "ppp*" } };
	const struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_NAMED,
					   .uplink = up,
					   .uplinks = NUM(up) };

	make_plan(&conf);
	assert_captured("eth8", CAPTURE_EGRESS, 14);
	assert_captured("eth9", CAPTURE_EGRESS, 14);
	assert_none("eth0");
	assert_not("ppp0", "no such device");
	assert_int_equal(planned("ppp0")->ifindex, 0);
	assert_none("ppp*");
	assert_int_equal(plans, 3);
}

static void loopback_where_it_is_asked_for(void **state)
{
	struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_NONE,
				     .loopback = CONF_LOOPBACK_YES };

	make_plan(&conf);
	assert_int_equal(plans, 1);
	assert_captured("lo", CAPTURE_LOOPBACK, 14);
	assert_int_equal(planned("lo")->device.flags, 0);
	conf.loopback = CONF_LOOPBACK_DNS;
	make_plan(&conf);
	assert_int_equal(planned("lo")->device.flags, CAPTURE_DNS_ONLY);
}

static void no_more_than_there_is_room(void **state)
{
	const struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_AUTO };
	struct uplink_plan few[3];

	memset(&few[2], 0xee, sizeof(few[2]));
	assert_int_equal(uplinks_plan(&conf, &table, TUN, few, 2), 2);
	assert_int_equal(few[2].name[0], (char)0xee);
}

static void the_tun_takes_what_any_of_them_sends(void **state)
{
	struct conf_point lan[] = { { .name = "lan0" } };
	struct conf_capture conf = { .uplinks_mode = CONF_UPLINKS_AUTO };

	make_plan(&conf);
	assert_int_equal(uplinks_mtu(plan, plans, 1500), 9000);
	assert_int_equal(uplinks_mtu(plan, plans, 16000), 16000);
	assert_int_equal(uplinks_worker_mtu(&conf, plan, plans, 9000), 9000);
	conf.loopback = CONF_LOOPBACK_YES;
	make_plan(&conf);
	assert_int_equal(uplinks_mtu(plan, plans, 1500), 65535);
	/* nothing cuts what is sent to clients into pieces */
	conf.lan = lan;
	conf.lans = 1;
	make_plan(&conf);
	assert_int_equal(uplinks_worker_mtu(&conf, plan, plans, 9000), 1380);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_is_what_is_up_and_leads_somewhere),
		cmocka_unit_test(what_is_lan_is_no_uplink),
		cmocka_unit_test(a_port_adds_to_its_bridge_what_ports_send_each_other),
		cmocka_unit_test(a_port_has_the_address_of_its_bridge),
		cmocka_unit_test(named_ones_need_neither_route_nor_be_up),
		cmocka_unit_test(loopback_where_it_is_asked_for),
		cmocka_unit_test(no_more_than_there_is_room),
		cmocka_unit_test(the_tun_takes_what_any_of_them_sends),
	};

	return cmocka_run_group_tests_name("supervisor/uplinks_plan", tests, NULL, NULL);
}
