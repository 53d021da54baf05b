// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* table.c and filter.c in a network namespace of their own, made by ip and tc: root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netdev/filter.h"
#include "netdev/table.h"

static struct net_table table;

static void run(const char *command)
{
	char text[2048];

	snprintf(text, sizeof(text), "set -e; PATH=$PATH:/usr/sbin:/sbin; %s", command);
	if (system(text))
		fail_msg("%s", command);
}

static int read_it(void **state)
{
	run("ip link set lo up;"
	    "ip link add up0 type veth peer name up1; ip link set up0 up mtu 1400;"
	    "ip addr add 192.0.2.1/24 dev up0; ip -6 addr add 2001:db8::1/64 dev up0 nodad;"
	    "ip link set up1 up;"
	    "ip link add br0 type bridge; ip link set br0 up;"
	    "ip link add port0 type veth peer name port1; ip link set port0 master br0 up;"
	    "ip link add hop0 type veth peer name hop1; ip link set hop0 up; ip link set hop1 up;"
	    "ip route add 198.51.100.0/24 nexthop dev up1 nexthop dev hop0;"
	    "ip link add six0 type veth peer name six1; ip link set six0 up; ip link set six1 up;"
	    "ip -6 route add 2001:db8:7::/48 dev six0 table 77;"
	    "ip tuntap add tun0 mode tun");
	return net_table_read(&table);
}

static int done(void **state)
{
	net_table_done(&table);
	return 0;
}

static const struct net_link *named(const char *name)
{
	const struct net_link *l = net_table_find(&table, (int)if_nametoindex(name));

	if (!l)
		fail_msg("%s is not there", name);
	assert_string_equal(l->name, name);
	return l;
}

static void devices_are_as_they_are(void **state)
{
	const struct net_link *up = named("up0");

	assert_true(up->up && up->has_mac && !up->bridge);
	assert_int_equal(up->mtu, 1400);
	assert_int_equal(up->type, ARPHRD_ETHER);
	assert_int_equal(named("lo")->type, ARPHRD_LOOPBACK);
	assert_true(named("br0")->bridge);
	assert_int_equal(named("port0")->master, named("br0")->ifindex);
	assert_int_equal(named("up0")->master, 0);
	assert_false(named("port1")->up);
	assert_false(named("tun0")->has_mac);
	assert_int_equal(named("tun0")->type, ARPHRD_NONE);
	assert_null(net_table_find(&table, 9999));
}

static void routed_are_those_with_a_route_that_leads_somewhere(void **state)
{
	assert_true(named("up0")->routed);
	assert_true(named("up1")->routed); /* of several next hops */
	assert_true(named("hop0")->routed);
	assert_true(named("six0")->routed); /* by another table */
	/* fe80::/64 and ff00::/8 alone */
	assert_false(named("hop1")->routed);
	assert_false(named("six1")->routed);
	assert_false(named("br0")->routed);
}

static bool is_local(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	for (size_t i = 0; i < table.locals; i++)
		if (addr_eq(&a, &table.local[i]))
			return true;
	return false;
}

static void local_are_all_addresses_of_the_host(void **state)
{
	assert_true(is_local("192.0.2.1"));
	assert_true(is_local("192.0.2.255"));
	assert_true(is_local("127.0.0.1"));
	assert_true(is_local("::1"));
	assert_true(is_local("2001:db8::1"));
	assert_false(is_local("192.0.2.2"));
	assert_false(is_local("192.0.2.0"));
	assert_false(is_local("2001:db8::2"));
}

static bool has_prefix(const struct net_table *t, const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	for (size_t i = 0; i < t->local_prefixes; i++)
		if (addr_eq(&p.addr, &t->local_prefix[i].addr) && p.bits == t->local_prefix[i].bits)
			return true;
	return false;
}

/* In other tables they are for packets that a rule picks out; loopback is a matter of its own. */
static void local_prefixes_are_those_of_the_table_local(void **state)
{
	struct net_table t;

	assert_int_equal(table.local_prefixes, 0);
	run("ip route add local 198.18.0.0/15 dev lo; ip -6 route add local 2001:db8:a::/48 dev lo;"
	    "ip route add local 203.0.113.7/32 dev lo;"
	    "ip route add local default dev lo table 100;"
	    "ip -6 route add local default dev lo table 100;"
	    "ip route add local 203.0.113.0/24 dev lo table 100");
	assert_int_equal(net_table_read(&t), 0);
	assert_true(has_prefix(&t, "198.18.0.0/15"));
	assert_true(has_prefix(&t, "2001:db8:a::/48"));
	assert_int_equal(t.local_prefixes, 2);
	net_table_done(&t);
	run("ip route del local 198.18.0.0/15 dev lo; ip route add local default dev lo table local;"
	    "ip -6 route del local 2001:db8:a::/48 dev lo");
	assert_int_equal(net_table_read(&t), 0);
	assert_true(has_prefix(&t, "0.0.0.0/0")); /* and not ::/0 */
	assert_int_equal(t.local_prefixes, 1);
	net_table_done(&t);
	run("ip route del local default dev lo table local");
}

struct seen {
	unsigned int num;
	struct filter last;
};

static void see(void *arg, const struct filter *f)
{
	struct seen *s = arg;

	s->num++;
	s->last = *f;
}

static void filters_of_both_directions_are_told(void **state)
{
	int up = (int)if_nametoindex("up0");
	struct seen s = { 0 };

	assert_int_equal(filter_each(up, see, &s), 0);
	assert_int_equal(s.num, 0);
	run("tc qdisc add dev up0 clsact;"
	    "tc filter add dev up0 ingress pref 3 handle 0x11 bpf bytecode '1,6 0 0 0'");
	assert_int_equal(filter_each(up, see, &s), 0);
	assert_int_equal(s.num, 1);
	assert_false(s.last.egress);
	assert_int_equal(s.last.handle, 0x11);
	assert_int_equal(s.last.priority, 3);
	assert_int_equal(s.last.program, 0); /* of the old kind, without an id */
	run("tc filter add dev up0 egress pref 5 handle 0x12 bpf bytecode '1,6 0 0 0'");
	assert_int_equal(filter_each(up, see, &s), 0);
	assert_int_equal(s.num, 3);
	assert_true(s.last.egress);
	assert_int_equal(s.last.priority, 5);
	assert_int_equal(s.last.ifindex, up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_as_they_are),
		cmocka_unit_test(routed_are_those_with_a_route_that_leads_somewhere),
		cmocka_unit_test(local_are_all_addresses_of_the_host),
		cmocka_unit_test(local_prefixes_are_those_of_the_table_local),
		cmocka_unit_test(filters_of_both_directions_are_told),
	};

	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) || unshare(CLONE_NEWNET))
		return 77;
	return cmocka_run_group_tests_name("netdev/table", tests, read_it, done);
}
