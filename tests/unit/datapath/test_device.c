// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every way of attaching to an Ethernet device, on one end of a veth pair, and that nothing is
 * left. In network and mount namespaces of this process's own; needs root (77 without).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "userspace/datapath/device.c"

#include <arpa/inet.h>

#include "lib/own_bpffs.h"
#include "unit/datapath/support.h"

#define DEVICE "hrdev0"
#define PEER "hrdev1"

struct world {
	struct kernel *kernel;
	int ifindex;
};

static bool run(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "PATH=$PATH:/usr/sbin:/sbin; %s", command);
	return !system(line);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct settings s = { .mark = HEADRACE_MARK };

	assert_non_null(w);
	w->kernel = load_bpf(false);
	assert_int_equal(kernel_settings(w->kernel, &s), 0);
	kernel_heartbeat(w->kernel);
	assert_true(run("ip link add " DEVICE " type veth peer name " PEER));
	assert_true(run("ip link set " DEVICE " up; ip link set " PEER " up"));
	w->ifindex = (int)if_nametoindex(DEVICE);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	run("ip link del " DEVICE);
	kernel_unload(w->kernel);
	free(w);
	return 0;
}

static bool is_bare(void)
{
	return !run("tc qdisc show dev " DEVICE " | grep -q clsact") &&
	       !run("ip link show dev " DEVICE " | grep -q xdp");
}

static struct device *attach_as(struct world *w, enum device_mode mode)
{
	struct device *d = NULL;
	char err[256] = "";

	if (device_attach(w->kernel, DEVICE, w->ifindex, mode, &d, err))
		fail_msg("%s", err);
	return d;
}

static void traffic_control_by_the_best_way_there_is(void **state)
{
	struct device *d = attach_as(*state, DEVICE_TC);

	assert_true(!strcmp(device_how(d), "tcx") || !strcmp(device_how(d), "clsact"));
	device_detach(d);
	assert_true(is_bare());
	device_detach(NULL);
}

static void clsact_is_removed_with_its_filter(void **state)
{
	struct world *w = *state;
	struct device *d;

	w->kernel->attach = KERNEL_ATTACH_CLSACT;
	d = attach_as(w, DEVICE_TC);
	w->kernel->attach = KERNEL_ATTACH_AUTO;
	assert_string_equal(device_how(d), "clsact");
	assert_true(run("tc filter show dev " DEVICE " ingress | grep -q dns_eth"));
	device_detach(d);
	assert_true(is_bare());
}

static void xdp_in_the_driver_alone_or_shared(void **state)
{
	struct device *d = attach_as(*state, DEVICE_XDP);

	assert_true(!strcmp(device_how(d), "xdp") || !strcmp(device_how(d), "xdp, alone"));
	assert_true(run("ip link show dev " DEVICE " | grep -q 'xdp '"));
	print_message("mode: %s\n", device_how(d));
	device_detach(d);
	assert_true(is_bare());
}

static void a_virtual_device_gets_traffic_control(void **state)
{
	struct device *d = attach_as(*state, DEVICE_AUTO);

	assert_null(strstr(device_how(d), "xdp"));
	device_detach(d);
}

/* `return XDP_PASS`, attached as others do it who know of no dispatcher. */
static int foreign_program(int ifindex)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign", "GPL", insns, 2, NULL);

	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach(ifindex, fd, XDP_FLAGS_DRV_MODE, NULL), 0);
	return fd;
}

static void a_program_of_someone_else_is_told_and_stays(void **state)
{
	struct world *w = *state;
	struct device *d = NULL;
	char err[256] = "";
	int fd = foreign_program(w->ifindex);
	__u32 before = 0, after = 0;

	bpf_xdp_query_id(w->ifindex, XDP_FLAGS_DRV_MODE, &before);
	assert_int_equal(device_attach(w->kernel, DEVICE, w->ifindex, DEVICE_XDP, &d, err), -EBUSY);
	assert_non_null(strstr(err, DEVICE ": XDP in the driver: another program is there"));
	bpf_xdp_query_id(w->ifindex, XDP_FLAGS_DRV_MODE, &after);
	assert_int_equal(after, before);
	close(fd);
}

/* As if main had been killed: nobody detaches, and the beat stands still. */
static void what_a_killed_main_left_is_replaced(void **state)
{
	struct world *w = *state;
	struct device *left = attach_as(w, DEVICE_XDP), *d = NULL;
	struct settings s = w->kernel->settings;
	char err[256] = "";

	if (!strcmp(device_how(left), "xdp, alone"))
		assert_int_equal(device_attach(w->kernel, DEVICE, w->ifindex, DEVICE_XDP, &d, err),
				 -EBUSY);
	s.heartbeat_ns = clock_ns() - 2 * HEARTBEAT_STALE_NS;
	w->kernel->settings.heartbeat_ns = 0; /* settings alone take no beat back */
	assert_int_equal(kernel_settings(w->kernel, &s), 0);
	d = attach_as(w, DEVICE_XDP);
	kernel_heartbeat(w->kernel);
	device_detach(d);
	xdp_close(left);
	free(left);
	assert_true(is_bare());
}

static void a_device_that_vanished_is_let_go(void **state)
{
	struct device *tc = attach_as(*state, DEVICE_TC), *xdp = attach_as(*state, DEVICE_XDP);

	assert_true(run("ip link del " DEVICE));
	device_detach(tc);
	device_detach(xdp);
}

static void addresses_are_replaced_as_a_whole(void **state)
{
	struct world *w = *state;
	struct endpoint local[3] = { { .port = htons(53) }, { .port = htons(53) }, { .port = 1 } };
	struct dns_local_key key, next;
	int fd = w->kernel->maps.dns_local;

	assert_int_equal(addr_parse("10.1.1.1", &local[0].addr), 0);
	assert_int_equal(addr_parse("fd00::1", &local[1].addr), 0);
	assert_int_equal(kernel_local_set(w->kernel, local, 2), 0);
	assert_int_equal(kernel_local_set(w->kernel, local + 1, 1), 0);
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &key), 0);
	assert_int_equal(bpf_map_get_next_key(fd, &key, &next), -ENOENT);
	assert_true(addr_eq(&key.addr, &local[1].addr));
	assert_int_equal(kernel_local_set(w->kernel, NULL, 0), 0);
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &key), -ENOENT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(traffic_control_by_the_best_way_there_is),
		TEST(clsact_is_removed_with_its_filter),
		TEST(xdp_in_the_driver_alone_or_shared),
		TEST(a_virtual_device_gets_traffic_control),
		TEST(a_program_of_someone_else_is_told_and_stays),
		TEST(what_a_killed_main_left_is_replaced),
		TEST(a_device_that_vanished_is_let_go),
		TEST(addresses_are_replaced_as_a_whole),
	};

	if (own_bpffs())
		return 77;
	support_instance();
	return cmocka_run_group_tests_name("datapath/device", tests, NULL, NULL);
}
