// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * route.c and route_plan.c on tables of a network namespace of their own, looked at by ip(8):
 * root. An uplink with default routes of both families, strict filtering, and a TUN.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "netdev/link.h"
#include "netdev/netns.h"
#include "netdev/tun.h"
#include "supervisor/route.h"
#include "unit/supervisor/turn.h"

#define SNAPSHOT_MAX 32768
#define FAR4 "198.51.100.7"
#define FAR6 "2001:db8:7::7"
#define GATEWAY4 "192.0.2.1"
#define GATEWAY6 "2001:db8::1"
#define SNAPSHOT                                                                                   \
	"ip rule; ip -6 rule; ip route show table all; ip -6 route show table all | "              \
	"sed 's/expires [0-9]*sec//'; cat /proc/sys/net/ipv4/conf/*/rp_filter "                    \
	"/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"

static char err[ERROR_TEXT_MAX], dir[] = "/tmp/headrace-route-XXXXXX";
static int home = -1;
static struct tun tun;
static struct subnet v4, v6;
static struct loop *loop;
static struct routing routing;
static unsigned int uplink_changes;
static bool told_late; /* of the uplink, when there were routes to the TUN already */
static char before[SNAPSHOT_MAX], after[SNAPSHOT_MAX];

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void output(const char *command, char *buf, size_t size)
{
	FILE *p = popen(command, "r");
	size_t n;

	assert_non_null(p);
	n = fread(buf, 1, size - 1, p);
	buf[n] = '\0';
	pclose(p);
}

/* Does the first line that the command prints have this word? */
static bool says(const char *command, const char *word)
{
	char text[1024];

	output(command, text, sizeof(text));
	return strstr(text, word);
}

#define LEADS_TO_TUN(what) assert_true(says("ip route get " what " 2>&1", tun.name))
#define LEADS_TO_UPLINK(what) assert_true(says("ip route get " what " 2>&1", "up0"))

static void set_subnet(struct subnet *s, const char *prefix, const char *stack, const char *device,
		       unsigned int bits)
{
	assert_int_equal(addr_parse(prefix, &s->prefix), 0);
	assert_int_equal(addr_parse(stack, &s->stack), 0);
	assert_int_equal(addr_parse(device, &s->device), 0);
	s->bits = bits;
}

static void make_devices(void)
{
	run("ip link set lo up && ip link add up0 type veth peer name peer0 &&"
	    "ip link set up0 addrgenmode none && ip link set peer0 addrgenmode none &&"
	    "ip link set up0 up && ip link set peer0 up &&"
	    "ip addr add 192.0.2.2/24 dev up0 && ip route add default via " GATEWAY4 " dev up0 &&"
	    "ip -6 addr add 2001:db8::2/64 dev up0 nodad &&"
	    "ip -6 route add default via " GATEWAY6 " dev up0 metric 1024 &&"
	    "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter &&"
	    "echo 1 > /proc/sys/net/ipv4/conf/up0/rp_filter");
	assert_int_equal(tun_open(&tun, 1, err), 0);
	assert_int_equal(link_configure(tun.ifindex, 1500, 100), 0);
	assert_int_equal(link_up(tun.ifindex), 0);
	set_subnet(&v4, "10.0.0.0", "10.0.0.1", "10.0.0.2", 24);
	set_subnet(&v6, "fd68::", "fd68::1", "fd68::2", 64);
	assert_int_equal(link_add_address(tun.ifindex, &v4.device, 24), 0);
	assert_int_equal(link_add_address(tun.ifindex, &v6.device, 64), 0);
}

static void uplink_changed(struct routing *r)
{
	uplink_changes++;
	told_late |= says("ip route get " FAR4 " 2>&1", tun.name) ||
		     says("ip route get " FAR6 " 2>&1", tun.name);
}

static const struct routing_ops ops = { .uplink_changed = uplink_changed };

static int setup(void **state)
{
	int ns = -1;

	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)
		return 0;
	assert_non_null(mkdtemp(dir));
	if (netns_new(&ns, err) || netns_enter(ns, &home) || loop_new(&loop))
		return -1;
	fd_close(ns);
	make_devices();
	return 0;
}

static int teardown(void **state)
{
	if (home < 0)
		return 0;
	routing_stop(&routing);
	tun_close(&tun);
	loop_free(loop);
	netns_leave(home);
	return rmdir(dir);
}

static struct conf_route conf_of(enum conf_route_way way)
{
	return (struct conf_route){ .way = way, .table = 26738, .priority = 9100, .specific = true };
}

static int start(const struct conf_route *conf)
{
	const struct routing_wish wish = { .instance = "test",
					   .directory = dir,
					   .conf = conf,
					   .v4 = &v4,
					   .v6 = &v6,
					   .tun = tun.name,
					   .tun_ifindex = tun.ifindex,
					   .dns = true };

	routing_init(&routing, loop, &ops);
	return routing_start(&routing, &wish, err);
}

static void begin(const struct conf_route *conf)
{
	output(SNAPSHOT, before, sizeof(before));
	if (start(conf))
		fail_msg("%s", err);
}

static void nothing_is_left(void)
{
	output(SNAPSHOT, after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(rmdir(dir) || mkdir(dir, 0700), 0);
}

static void end(void)
{
	routing_stop(&routing);
	nothing_is_left();
}

/* After a test that failed. */
static int stop(void **state)
{
	routing_stop(&routing);
	return 0;
}

#define NEEDS_ROOT()                                                                               \
	do {                                                                                       \
		if (home < 0)                                                                      \
			skip();                                                                    \
	} while (0)

static void check_captured(void)
{
	LEADS_TO_TUN(FAR4);
	LEADS_TO_TUN(FAR6);
	LEADS_TO_TUN("10.0.0.1");
	LEADS_TO_TUN("fd68::1");
	LEADS_TO_TUN(FAR4 " from 10.0.0.2");
	LEADS_TO_TUN(FAR6 " from fd68::2");
	/* flows opened from outside, link neighbours */
	LEADS_TO_UPLINK(FAR4 " from 192.0.2.2");
	LEADS_TO_UPLINK(FAR6 " from 2001:db8::2");
	LEADS_TO_UPLINK("192.0.2.9");
	LEADS_TO_UPLINK("2001:db8::9");
	LEADS_TO_UPLINK("224.0.0.251");
}

static void check_bound(void)
{
	LEADS_TO_UPLINK(FAR4 " oif up0");
	LEADS_TO_UPLINK(FAR6 " oif up0");
	assert_true(says("ip route get " FAR4 " oif up0", "via " GATEWAY4));
	assert_true(says("cat /proc/sys/net/ipv4/conf/up0/rp_filter", "2"));
	assert_int_not_equal(routing_bound_to(&routing, AF_INET), 0);
	assert_int_not_equal(routing_bound_to(&routing, AF_INET6), 0);
	assert_int_not_equal(uplink_changes, 0);
	assert_false(told_late);
}

static void check_mode_dns(void)
{
	assert_int_equal(routing_set_mode(&routing, CONF_ROUTE_DNS, err), 0);
	LEADS_TO_UPLINK(FAR4);
	LEADS_TO_UPLINK(FAR6);
	LEADS_TO_TUN("10.0.0.1");
	LEADS_TO_TUN("fd68::1");
	assert_int_equal(routing_set_mode(&routing, CONF_ROUTE_FIREWALL, err), 0);
	check_captured();
}

static void table_captures_what_is_not_marked(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_TABLE);

	NEEDS_ROOT();
	begin(&conf);
	check_captured();
	LEADS_TO_UPLINK(FAR4 " mark 0x68720000");
	LEADS_TO_UPLINK(FAR4 " mark 0x68720001");
	LEADS_TO_UPLINK(FAR6 " mark 0x68720000");
	LEADS_TO_TUN(FAR4 " mark 0x68720002");
	/* a resolver on the link is asked by way of the TUN, too */
	LEADS_TO_TUN("192.0.2.53 ipproto udp dport 53");
	LEADS_TO_TUN("2001:db8::53 ipproto tcp dport 53");
	LEADS_TO_UPLINK("192.0.2.53 ipproto udp dport 54");
	assert_int_equal(routing_bound_to(&routing, AF_INET), 0);
	assert_true(says("cat /proc/sys/net/ipv4/conf/up0/rp_filter", "1"));
	end();
}

static void table_changes_its_mode(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_TABLE);

	NEEDS_ROOT();
	begin(&conf);
	check_mode_dns();
	assert_int_equal(routing_set_mode(&routing, CONF_ROUTE_DNS, err), 0);
	/* flows that are open go on where they went */
	LEADS_TO_TUN(FAR4 " from 10.0.0.2");
	LEADS_TO_TUN(FAR6 " from fd68::2");
	end();
}

static void a_mark_of_choice_is_captured_alone(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_TABLE);

	NEEDS_ROOT();
	conf.fwmark = (struct pass_mark){ .value = 1338, .mask = UINT32_MAX };
	conf.table = 1338;
	conf.priority = 10;
	begin(&conf);
	LEADS_TO_TUN(FAR4 " mark 1338");
	LEADS_TO_TUN(FAR6 " mark 1338");
	LEADS_TO_UPLINK(FAR4);
	LEADS_TO_UPLINK(FAR6);
	LEADS_TO_UPLINK(FAR4 " mark 1337");
	end();
}

static void ranges_are_captured_alone_and_direct_ones_are_not(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_TABLE);

	NEEDS_ROOT();
	conf.ranges = 2;
	assert_int_equal(addr_parse("10.10.0.0", &conf.range[0].addr), 0);
	conf.range[0].bits = 16;
	assert_int_equal(addr_parse("2001:db8:7::", &conf.range[1].addr), 0);
	conf.range[1].bits = 48;
	conf.directs = 1;
	assert_int_equal(addr_parse("10.10.9.0", &conf.direct[0].addr), 0);
	conf.direct[0].bits = 24;
	begin(&conf);
	LEADS_TO_TUN("10.10.1.1");
	LEADS_TO_TUN(FAR6);
	LEADS_TO_UPLINK("10.10.9.1");
	LEADS_TO_UPLINK(FAR4);
	LEADS_TO_UPLINK("2001:db8:8::1");
	end();
}

static void bind_puts_a_default_route_first(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_BIND);

	NEEDS_ROOT();
	begin(&conf);
	check_captured();
	check_bound();
	check_mode_dns();
	end();
}

static void host_routes_replace_the_default_route(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_HOST);

	NEEDS_ROOT();
	conf.directs = 1;
	assert_int_equal(addr_parse("203.0.113.0", &conf.direct[0].addr), 0);
	conf.direct[0].bits = 24;
	begin(&conf);
	check_captured();
	check_bound();
	LEADS_TO_UPLINK("203.0.113.5");
	assert_false(says("ip route show default", "via " GATEWAY4 " dev up0 \n"));
	check_mode_dns();
	end();
}

static void halves_leave_the_default_route_alone(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_HALVES);

	NEEDS_ROOT();
	begin(&conf);
	check_captured();
	check_bound();
	LEADS_TO_TUN("9.9.9.9");
	assert_true(says("ip route show default", "via " GATEWAY4 " dev up0"));
	assert_true(says("ip route show 0.0.0.0/1", tun.name));
	assert_true(says("ip route show 128.0.0.0/1", tun.name));
	assert_true(says("ip -6 route show ::/1", tun.name));
	assert_true(says("ip -6 route show 8000::/1", tun.name));
	check_mode_dns();
	end();
}

static void without_ipv6_it_does_not_go_by_the_uplink(void **state)
{
	static const enum conf_route_way ways[] = { CONF_ROUTE_TABLE, CONF_ROUTE_BIND,
						    CONF_ROUTE_HOST, CONF_ROUTE_HALVES };
	struct subnet had = v6;

	NEEDS_ROOT();
	v6.bits = 0;
	for (unsigned int i = 0; i < 4; i++) {
		struct conf_route conf = conf_of(ways[i]);

		begin(&conf);
		LEADS_TO_TUN(FAR4);
		LEADS_TO_TUN(FAR6); /* whose programs refuse it */
		LEADS_TO_UPLINK(FAR6 " from 2001:db8::2");
		LEADS_TO_UPLINK("2001:db8::9");
		end();
	}
	v6 = had;
}

static void there_has_to_be_an_uplink(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_HALVES);

	NEEDS_ROOT();
	run("ip route del default; ip -6 route del default");
	output(SNAPSHOT, before, sizeof(before));
	assert_int_equal(start(&conf), -ENETUNREACH);
	assert_non_null(strstr(err, "'halves' needs a default route"));
	nothing_is_left();
	run("ip route add default via " GATEWAY4 " dev up0; "
	    "ip -6 route add default via " GATEWAY6 " dev up0 metric 1024");
}

static void rules_that_somebody_flushes_come_again(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_TABLE);

	NEEDS_ROOT();
	begin(&conf);
	run("ip rule flush && ip rule add priority 32766 lookup main && "
	    "ip rule add priority 32767 lookup default");
	LEADS_TO_UPLINK(FAR4);
	TURN_UNTIL(loop, routing.repaired >= 6);
	check_captured();
	run("ip route flush table 26738; ip -6 route flush table 26738");
	TURN_UNTIL(loop,
		   says("ip route get " FAR4, tun.name) && says("ip route get " FAR6, tun.name));
	end();
}

static void it_follows_the_default_route(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_HALVES);

	NEEDS_ROOT();
	begin(&conf);
	uplink_changes = 0;
	run("ip link add up1 type veth peer name peer1 && ip link set up1 up && "
	    "ip link set peer1 up && ip addr add 203.0.113.2/24 dev up1 && "
	    "ip route replace default via 203.0.113.1 dev up1");
	TURN_UNTIL(loop, uplink_changes == 1);
	assert_true(says("cat /proc/sys/net/ipv4/conf/up0/rp_filter", "1")); /* it is no uplink */
	assert_true(says("cat /proc/sys/net/ipv4/conf/up1/rp_filter", "2"));
	assert_true(says("ip route get " FAR4 " oif up1", "via 203.0.113.1"));
	assert_true(says("ip route get " FAR4 " from 192.0.2.2", "up1"));
	LEADS_TO_TUN(FAR4);
	run("ip route replace default via " GATEWAY4 " dev up0 && ip link del up1");
	TURN_UNTIL(loop, uplink_changes == 2);
	assert_false(told_late);
	check_captured();
	end();
}

#define DELETE_DEFAULTS                                                                            \
	"ip route del default via " GATEWAY4 " dev up0 && "                                        \
	"ip -6 route del default via " GATEWAY6 " dev up0"
#define ADD_DEFAULT4 "ip route append default via " GATEWAY4 " dev up0"
#define ADD_DEFAULT6 "ip -6 route add default via " GATEWAY6 " dev up0 metric 1024"
#define ADD_MULTIPATH6                                                                             \
	"ip -6 route add default metric 1024 nexthop via " GATEWAY6 " dev up0 "                    \
	"nexthop via 2001:db8::3 dev up0"

static void the_default_route_goes(void)
{
	run(DELETE_DEFAULTS);
	TURN_UNTIL(loop, routing.error[0]);
	assert_non_null(strstr(routing.error, "needs a default route"));
	LEADS_TO_TUN(FAR4);
	LEADS_TO_TUN(FAR6);
}

static void a_default_route_that_goes_and_returns_is_captured(void **state)
{
	static const enum conf_route_way ways[] = { CONF_ROUTE_BIND, CONF_ROUTE_HALVES };

	NEEDS_ROOT();
	for (unsigned int i = 0; i < 2; i++) {
		struct conf_route conf = conf_of(ways[i]);

		begin(&conf);
		the_default_route_goes();
		run(ADD_DEFAULT4 " && " ADD_DEFAULT6);
		TURN_UNTIL(loop, !routing.error[0]);
		check_captured();
		check_bound();
		the_default_route_goes();
		run(ADD_DEFAULT6); /* alone */
		TURN_UNTIL(loop, !routing.error[0]);
		assert_int_not_equal(routing_bound_to(&routing, AF_INET6), 0);
		LEADS_TO_TUN(FAR4);
		LEADS_TO_TUN(FAR6);
		run(ADD_DEFAULT4);
		TURN_UNTIL(loop, routing_bound_to(&routing, AF_INET));
		check_captured();
		end();
	}
}

static void an_unusable_one_of_ipv6_leaves_ipv4_captured(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_HALVES);

	NEEDS_ROOT();
	begin(&conf);
	run("ip -6 route del default via " GATEWAY6 " dev up0 && " ADD_MULTIPATH6 " && "
	    "ip route replace default via 192.0.2.3 dev up0");
	TURN_UNTIL(loop, routing.error[0]);
	assert_non_null(strstr(routing.error, "the default route of IPv6"));
	LEADS_TO_TUN(FAR4);
	LEADS_TO_TUN(FAR6);
	assert_true(says("ip route get " FAR4 " oif up0", "via 192.0.2.3"));
	assert_int_not_equal(routing_bound_to(&routing, AF_INET), 0);
	assert_int_equal(routing_bound_to(&routing, AF_INET6), 0);
	routing_stop(&routing);
	assert_int_equal(start(&conf), -EOVERFLOW); /* that begins with it is told */
	LEADS_TO_UPLINK(FAR4);
	run("ip -6 route del default metric 1024 && " ADD_DEFAULT6 " && "
	    "ip route replace default via " GATEWAY4 " dev up0");
	nothing_is_left();
}

static void one_of_ipv6_that_is_usable_again_is_followed(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_HALVES);

	NEEDS_ROOT();
	begin(&conf);
	run(DELETE_DEFAULTS " && " ADD_MULTIPATH6);
	TURN_UNTIL(loop, strstr(routing.error, "the default route of IPv6"));
	run("ip -6 route del default metric 1024 && " ADD_DEFAULT6 " && " ADD_DEFAULT4);
	TURN_UNTIL(loop, !routing.error[0]);
	check_captured();
	check_bound();
	end();
}

/* The gateway is on no link that the kernel knows of: no route by it can be made. */
static void what_could_not_be_made_is_tried_at_the_next_change(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_HALVES);

	NEEDS_ROOT();
	begin(&conf);
	run("ip route replace default via 198.18.0.1 dev up0 onlink");
	TURN_UNTIL(loop, routing.error[0]);
	assert_int_equal(loop_once(loop, 0), 0);
	assert_false(timer_is_armed(&routing.repair)); /* by what it did itself */
	run("ip route add 198.18.0.1 dev up0");
	TURN_UNTIL(loop, !routing.error[0]);
	LEADS_TO_TUN(FAR4);
	LEADS_TO_TUN(FAR6);
	uplink_changes = 0;
	run("ip route replace default via " GATEWAY4 " dev up0");
	TURN_UNTIL(loop, uplink_changes == 1);
	check_captured();
	run("ip route del 198.18.0.1 dev up0");
	end();
}

/* A process that is killed once it is in force. */
static void crash(const struct conf_route *conf)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (start(conf))
			_exit(1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void what_a_crash_leaves_is_taken_back(void **state)
{
	static const enum conf_route_way ways[] = { CONF_ROUTE_TABLE, CONF_ROUTE_BIND,
						    CONF_ROUTE_HOST, CONF_ROUTE_HALVES };

	NEEDS_ROOT();
	for (unsigned int i = 0; i < 4; i++) {
		struct conf_route conf = conf_of(ways[i]);

		output(SNAPSHOT, before, sizeof(before));
		crash(&conf);
		output(SNAPSHOT, after, sizeof(after));
		assert_string_not_equal(before, after);
		assert_int_equal(undo_clean_stale(dir), 1);
		nothing_is_left();
		/* ... and by the next start */
		crash(&conf);
		assert_int_equal(start(&conf), 0);
		LEADS_TO_TUN(FAR4);
		end();
	}
}

static void the_record_of_one_that_lives_is_left_alone(void **state)
{
	struct conf_route conf = conf_of(CONF_ROUTE_TABLE);

	NEEDS_ROOT();
	begin(&conf);
	assert_int_equal(undo_clean_stale(dir), 0);
	LEADS_TO_TUN(FAR4);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(table_captures_what_is_not_marked, stop),
		cmocka_unit_test_teardown(table_changes_its_mode, stop),
		cmocka_unit_test_teardown(a_mark_of_choice_is_captured_alone, stop),
		cmocka_unit_test_teardown(ranges_are_captured_alone_and_direct_ones_are_not, stop),
		cmocka_unit_test_teardown(bind_puts_a_default_route_first, stop),
		cmocka_unit_test_teardown(host_routes_replace_the_default_route, stop),
		cmocka_unit_test_teardown(halves_leave_the_default_route_alone, stop),
		cmocka_unit_test_teardown(without_ipv6_it_does_not_go_by_the_uplink, stop),
		cmocka_unit_test_teardown(there_has_to_be_an_uplink, stop),
		cmocka_unit_test_teardown(rules_that_somebody_flushes_come_again, stop),
		cmocka_unit_test_teardown(it_follows_the_default_route, stop),
		cmocka_unit_test_teardown(a_default_route_that_goes_and_returns_is_captured, stop),
		cmocka_unit_test_teardown(an_unusable_one_of_ipv6_leaves_ipv4_captured, stop),
		cmocka_unit_test_teardown(one_of_ipv6_that_is_usable_again_is_followed, stop),
		cmocka_unit_test_teardown(what_could_not_be_made_is_tried_at_the_next_change, stop),
		cmocka_unit_test_teardown(what_a_crash_leaves_is_taken_back, stop),
		cmocka_unit_test_teardown(the_record_of_one_that_lives_is_left_alone, stop),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
