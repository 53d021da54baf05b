// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * strict.c on a device of a network namespace of its own, where a filter of traffic control
 * drops everything: what gets to the other end went round it. Root, and nftables in the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "netdev/netns.h"
#include "supervisor/strict.c"
#include "unit/supervisor/turn.h"

#define MAGIC "led back to traffic control"
#define TABLE "netdev headrace_test_1"

static char err[ERROR_TEXT_MAX];
static int home = -1, far_fd = -1;
static struct loop *loop;
static struct strict strict;
static struct settings settings;
static const char uplink[1][IF_NAMESIZE] = { "up0" };

static bool ok(const char *command)
{
	return !system(command);
}

static int setup(void **state)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int ns = -1;

	if (geteuid() != 0)
		return 0;
	if (netns_new(&ns, err) || netns_enter(ns, &home) || loop_new(&loop))
		return -1;
	fd_close(ns);
	if (!ok("ip link add up0 type veth peer name far0 && ip link set up0 up && "
		"ip link set far0 up && ip addr add 192.0.2.2/24 dev up0 && "
		"ip neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev up0"))
		return -1;
	far_fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
	at.sll_ifindex = (int)if_nametoindex("far0");
	strict_init(&strict, loop);
	return bind(far_fd, (struct sockaddr *)&at, sizeof(at));
}

static int teardown(void **state)
{
	if (home < 0)
		return 0;
	fd_close(far_fd);
	loop_free(loop);
	return netns_leave(home);
}

#define NEEDS_NFTABLES()                                                                           \
	do {                                                                                       \
		if (home < 0 || !ok("nft add table netdev probe 2>/dev/null && "                   \
				    "nft delete table netdev probe"))                              \
			skip();                                                                    \
	} while (0)

/* An IPv4 packet, written by hand into a packet socket that goes round traffic control or not. */
static void send_by_hand(bool bypass, uint32_t mark, uint32_t priority)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_IP),
				  .sll_halen = ETH_ALEN };
	uint8_t packet[20 + sizeof(MAGIC)] = { 0x45, [8] = 64, [9] = 17 };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1;

	packet[3] = sizeof(packet);
	memcpy(packet + 12, "\xc0\x00\x02\x02\xc6\x33\x64\x07", 8);
	memcpy(packet + 20, MAGIC, sizeof(MAGIC));
	to.sll_ifindex = (int)if_nametoindex("up0");
	memset(to.sll_addr, 2, ETH_ALEN);
	assert_true(fd >= 0);
	if (bypass)
		assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)),
				 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)), 0);
	/* one that is sent again counts as lost here: ENOBUFS */
	sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

/* Has it come to the other end? What is sent on a veth is there when send() returns. */
static bool arrives(void)
{
	uint8_t frame[2048];
	bool found = false;
	ssize_t n;

	while ((n = recv(far_fd, frame, sizeof(frame), 0)) >= 0)
		found = found || memmem(frame, (size_t)n, MAGIC, sizeof(MAGIC));
	return found;
}

static void send_by_stack(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	assert_int_equal(sendto(fd, MAGIC, sizeof(MAGIC), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(MAGIC));
	close(fd);
}

static void begin(void)
{
	memset(&settings, 0, sizeof(settings));
	settings.pass_mark[0] = (struct pass_mark){ .value = 0x10, .mask = 0xff };
	strict_init(&strict, loop);
	if (strict_start(&strict, "test-1", &settings, err))
		fail_msg("%s", err);
	if (strict_set_devices(&strict, uplink, 1))
		fail_msg("%s", strict.error);
}

static int stop(void **state)
{
	if (home < 0)
		return 0;
	strict_stop(&strict);
	return ok("tc qdisc del dev up0 clsact 2>/dev/null; nft flush ruleset 2>/dev/null; true") ?
		       0 :
		       -1;
}

/* A filter of two instructions: r0 = TC_ACT_SHOT; exit. */
static void drop_all(void)
{
	static const struct bpf_insn shot[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex("up0"),
		    .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "shot", "GPL", shot, 2, NULL);
	assert_true(opts.prog_fd >= 0);
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

static void what_goes_round_traffic_control_is_led_back(void **state)
{
	NEEDS_NFTABLES();
	drop_all();
	arrives();
	send_by_hand(true, 0, 0);
	assert_true(arrives()); /* so it can be done */
	begin();
	send_by_hand(true, 0, 0);
	assert_false(arrives());
	/* neither mark alone opens it */
	send_by_hand(true, settings.strict_mark, 0);
	assert_false(arrives());
	send_by_hand(true, 0, settings.strict_priority);
	assert_false(arrives());
	strict_stop(&strict);
	send_by_hand(true, 0, 0);
	assert_true(arrives());
}

static void nothing_else_is_stopped(void **state)
{
	NEEDS_NFTABLES();
	begin();
	arrives();
	send_by_hand(true, 0, 0);
	assert_true(arrives()); /* nobody drops it there */
	send_by_hand(false, 0, 0);
	assert_true(arrives());
	send_by_stack();
	assert_true(arrives());
	/* marks of the operator's choice go as they went */
	drop_all();
	send_by_hand(true, 0x510, 0);
	assert_true(arrives());
}

static void the_marks_are_not_those_of_others(void **state)
{
	NEEDS_NFTABLES();
	for (int i = 0; i < 20; i++) {
		struct settings s = { .pass_mark = { { .value = 0, .mask = 1 } } };

		choose_marks(&s);
		assert_true(s.strict_mark & 1);
		assert_int_not_equal(s.strict_priority, 0);
		assert_int_not_equal(s.strict_mark >> 16, HEADRACE_MARK >> 16);
	}
}

static void what_is_flushed_is_put_back(void **state)
{
	NEEDS_NFTABLES();
	begin();
	drop_all();
	assert_true(ok("nft flush ruleset"));
	TURN_UNTIL(loop, strict.repaired == 1);
	send_by_hand(true, 0, 0);
	assert_false(arrives());
	assert_true(ok("nft flush table " TABLE));
	TURN_UNTIL(loop, strict.repaired == 2);
	send_by_hand(true, 0, 0);
	assert_false(arrives());
	/* what others do with their tables is theirs */
	assert_true(ok("nft add table inet others && nft delete table inet others"));
	for (int i = 0; i < 5; i++)
		loop_once(loop, 20);
	assert_int_equal(strict.repaired, 2);
}

static void tables_of_others_stay(void **state)
{
	NEEDS_NFTABLES();
	assert_true(ok("nft add table inet others"));
	assert_true(ok("nft add chain inet others mine"));
	begin();
	strict_stop(&strict);
	assert_true(ok("nft list chain inet others mine >/dev/null"));
	assert_false(ok("nft list table " TABLE " 2>/dev/null"));
}

static void it_follows_the_uplinks(void **state)
{
	static const char two[2][IF_NAMESIZE] = { "up0", "up1" };

	NEEDS_NFTABLES();
	begin();
	assert_true(ok("ip link add up1 type veth peer name far1"));
	assert_int_equal(strict_set_devices(&strict, two, 2), 0);
	assert_true(ok("nft list table " TABLE " | grep -q 'device.*up1'"));
	assert_true(ok("ip link del up1"));
	assert_int_equal(strict_set_devices(&strict, uplink, 1), 0);
	assert_false(ok("nft list table " TABLE " | grep -q up1"));
	assert_int_equal(strict_set_devices(&strict, NULL, 0), 0);
	assert_false(ok("nft list table " TABLE " 2>/dev/null"));
}

static void a_device_that_is_not_there_is_an_error_that_is_shown(void **state)
{
	static const char none[1][IF_NAMESIZE] = { "none0" };
	json_t *shown;

	NEEDS_NFTABLES();
	begin();
	assert_int_not_equal(strict_set_devices(&strict, none, 1), 0);
	shown = strict_show(&strict);
	assert_non_null(strstr(json_string_value(json_object_get(shown, "error")), "nftables"));
	json_decref(shown);
	assert_int_equal(strict_set_devices(&strict, uplink, 1), 0);
	shown = strict_show(&strict);
	assert_int_equal(json_array_size(json_object_get(shown, "devices")), 1);
	json_decref(shown);
}

static void what_a_crash_leaves_is_removed(void **state)
{
	NEEDS_NFTABLES();
	assert_true(ok("nft add table " TABLE "; nft add table netdev headrace_test_2"));
	strict_clean("test-1");
	assert_false(ok("nft list table " TABLE " 2>/dev/null"));
	assert_true(ok("nft list table netdev headrace_test_2 >/dev/null"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_goes_round_traffic_control_is_led_back, stop),
		cmocka_unit_test_teardown(nothing_else_is_stopped, stop),
		cmocka_unit_test_teardown(the_marks_are_not_those_of_others, stop),
		cmocka_unit_test_teardown(what_is_flushed_is_put_back, stop),
		cmocka_unit_test_teardown(tables_of_others_stay, stop),
		cmocka_unit_test_teardown(it_follows_the_uplinks, stop),
		cmocka_unit_test_teardown(a_device_that_is_not_there_is_an_error_that_is_shown,
					  stop),
		cmocka_unit_test_teardown(what_a_crash_leaves_is_removed, stop),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
