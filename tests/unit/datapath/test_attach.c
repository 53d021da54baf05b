// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Both ways of attaching, on whatever kernel this is: the step down to clsact is taken by
 * hand. In a network namespace of this process's own; needs root (77 without).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "userspace/datapath/attach.c"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#define DEVICE "hrattach0"

/* `return 0` is a tc program that passes everything. */
static int pass_program(const char *name)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", insns, 2, NULL);
}

#define HOOKS 3

/* As those of the TUN. */
struct programs {
	struct hook hook[HOOKS];
};

static struct programs programs(void)
{
	struct programs p = { { { pass_program("dns_tun"), BPF_TC_EGRESS, 0 },
				{ pass_program("tun_egress"), BPF_TC_EGRESS, 0 },
				{ pass_program("tun_ingress"), BPF_TC_INGRESS, 0 } } };

	if (p.hook[0].program == -EPERM)
		skip();
	for (int i = 0; i < HOOKS; i++)
		assert_true(p.hook[i].program >= 0);
	return p;
}

static void programs_close(struct programs *p)
{
	for (int i = 0; i < HOOKS; i++)
		close(p->hook[i].program);
}

static int tun_open(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = DEVICE };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static bool has(const char *what)
{
	char command[128];

	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin tc %s | grep -q bpf", what);
	return !system(command);
}

static bool has_qdisc(void)
{
	return !system("PATH=$PATH:/usr/sbin:/sbin tc qdisc show dev " DEVICE " | grep -q clsact");
}

static int attach_way(struct attachment *a, const struct programs *p, enum attachment_place place,
		      enum kernel_attach way, const char **ret_how)
{
	return attachment_attach(a, p->hook, HOOKS, (int)if_nametoindex(DEVICE), place, way,
				 ret_how);
}

/* As where there is no tcx. */
static void attach_filters(struct attachment *a, const struct programs *p)
{
	const char *how = NULL;

	attachment_init(a);
	assert_int_equal(attach_way(a, p, ATTACH_LAST, KERNEL_ATTACH_CLSACT, &how), 0);
	assert_string_equal(how, "clsact");
}

static void clsact_is_removed_with_its_filters(void **state)
{
	struct programs p = programs();
	struct attachment a;
	int tun = tun_open();

	attach_filters(&a, &p);
	assert_true(has_qdisc());
	/* pref: the order in which they run */
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 1.*dns_tun'"));
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 2.*tun_egress'"));
	assert_true(has("filter show dev " DEVICE " ingress"));
	attachment_detach(&a);
	assert_false(has_qdisc());
	assert_int_equal(a.ifindex, 0);
	close(tun);
	programs_close(&p);
}

static void clsact_of_someone_else_stays(void **state)
{
	struct programs p = programs();
	struct attachment a;
	int tun = tun_open();

	assert_int_equal(system("PATH=$PATH:/usr/sbin:/sbin tc qdisc add dev " DEVICE " clsact"),
			 0);
	assert_int_equal(system("PATH=$PATH:/usr/sbin:/sbin tc filter add dev " DEVICE
				" egress pref 1 protocol ip bpf bytecode '1,6 0 0 0'"),
			 0);
	attach_filters(&a, &p);
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 2.*dns_tun'"));
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 3.*tun_egress'"));
	attachment_detach(&a);
	assert_true(has_qdisc());
	assert_int_equal(system("PATH=$PATH:/usr/sbin:/sbin tc filter show dev " DEVICE
				" egress | grep -q bytecode"),
			 0);
	assert_false(has("filter show dev " DEVICE " egress | grep tun_egress"));
	close(tun);
	programs_close(&p);
}

/* Main is in the host's namespace when it detaches, the device in another. */
static void detaches_in_the_namespace_of_the_device(void **state)
{
	struct programs p = programs();
	int tun = tun_open(), there, here;
	struct attachment a;

	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	attach_filters(&a, &p);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	attachment_detach(&a);
	assert_int_equal(if_nametoindex(DEVICE), 0); /* back in the new one */
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	assert_false(has_qdisc());
	close(here);
	close(there);
	close(tun);
	programs_close(&p);
}

static __u32 id_of(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(prog_fd, &info, &len), 0);
	return info.id;
}

/* The programs on the device's egress are these three at most, in this order. */
static void assert_tcx_order(const int *prog_fd, __u32 wanted)
{
	__u32 ids[4] = { 0 }, flags, num = 4;

	assert_int_equal(bpf_prog_query((int)if_nametoindex(DEVICE),
					(enum bpf_attach_type)ATTACH_TCX_EGRESS, 0, &flags, ids,
					&num),
			 0);
	assert_int_equal(num, wanted);
	for (__u32 i = 0; i < wanted; i++)
		assert_int_equal(ids[i], id_of(prog_fd[i]));
}

static void best_way_is_taken_and_named(void **state)
{
	struct programs p = programs();
	const char *how = NULL;
	struct attachment a;
	int tun = tun_open();

	attachment_init(&a);
	assert_int_equal(attach_way(&a, &p, ATTACH_LAST, KERNEL_ATTACH_AUTO, &how), 0);
	assert_true(!strcmp(how, "tcx") || !strcmp(how, "clsact"));
	assert_int_equal(!strcmp(how, "tcx"), a.hook[0].link >= 0 && a.hook[2].link >= 0);
	if (!strcmp(how, "tcx"))
		assert_tcx_order((int[]){ p.hook[0].program, p.hook[1].program }, 2);
	assert_int_equal(attach_way(&a, &p, ATTACH_LAST, KERNEL_ATTACH_AUTO, &how), -EALREADY);
	attachment_detach(&a);
	attachment_detach(&a);
	assert_false(has_qdisc());
	close(tun);
	programs_close(&p);
}

/* By their qdisc, or one of them alone; what others have there stays. */
static void filters_that_somebody_removes_are_put_back(void **state)
{
	struct programs p = programs();
	struct attachment a;
	int tun = tun_open();

	attach_filters(&a, &p);
	assert_int_equal(attachment_repair(&a), 0);
	assert_int_equal(system("PATH=$PATH:/usr/sbin:/sbin tc qdisc del dev " DEVICE " clsact"),
			 0);
	assert_int_equal(attachment_repair(&a), 1);
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 1.*dns_tun'"));
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 2.*tun_egress'"));
	assert_true(has("filter show dev " DEVICE " ingress | grep tun_ingress"));
	assert_int_equal(system("PATH=$PATH:/usr/sbin:/sbin tc filter del dev " DEVICE
				" egress pref 2 && "
				"PATH=$PATH:/usr/sbin:/sbin tc filter add dev " DEVICE
				" egress pref 7 protocol ip bpf bytecode '1,6 0 0 0'"),
			 0);
	assert_int_equal(attachment_repair(&a), 1);
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 2.*tun_egress'"));
	assert_int_equal(attachment_repair(&a), 0);
	attachment_detach(&a);
	assert_true(has("filter show dev " DEVICE " egress | grep -w 'pref 7'"));
	assert_false(has("filter show dev " DEVICE " egress | grep -w tun_egress"));
	close(tun);
	programs_close(&p);
}

static void links_need_no_repair_and_a_device_that_is_gone_is_told(void **state)
{
	struct programs p = programs();
	struct attachment a;
	int tun = tun_open();
	const char *how = NULL;

	attachment_init(&a);
	assert_int_equal(attachment_repair(&a), 0);
	assert_int_equal(attach_way(&a, &p, ATTACH_LAST, KERNEL_ATTACH_AUTO, &how), 0);
	assert_int_equal(attachment_repair(&a), 0);
	attachment_detach(&a);
	attach_filters(&a, &p);
	close(tun);
	assert_true(attachment_repair(&a) < 0);
	attachment_detach(&a);
	programs_close(&p);
}

/* What others let pass would not be seen by who comes behind them. */
static void those_that_go_first_go_before_others(void **state)
{
	int tun = tun_open(), others = pass_program("others"), link;
	const struct hook hook = { others, BPF_TC_EGRESS, 0 };
	struct programs p = programs();
	const char *how = NULL;
	struct attachment a;

	link = tcx_attach(&hook, (int)if_nametoindex(DEVICE), ATTACH_LAST);
	if (link == -EINVAL)
		skip(); /* a kernel without tcx */
	attachment_init(&a);
	assert_int_equal(attach_way(&a, &p, ATTACH_FIRST, KERNEL_ATTACH_TCX, &how), 0);
	assert_string_equal(how, "tcx");
	assert_tcx_order((int[]){ p.hook[0].program, p.hook[1].program, others }, 3);
	attachment_detach(&a);
	assert_tcx_order(&others, 1);
	close(link);
	close(others);
	close(tun);
	programs_close(&p);
}

static void nothing_is_left_of_a_failure(void **state)
{
	struct programs p = programs();
	const char *how = NULL;
	struct attachment a;
	int tun = tun_open();

	p.hook[2].program = -1;
	attachment_init(&a);
	assert_true(attach_way(&a, &p, ATTACH_FIRST, KERNEL_ATTACH_AUTO, &how) < 0);
	assert_false(has_qdisc());
	assert_tcx_order(NULL, 0);
	assert_int_equal(a.ifindex, 0);
	close(tun);
	close(p.hook[0].program);
	close(p.hook[1].program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clsact_is_removed_with_its_filters),
		cmocka_unit_test(clsact_of_someone_else_stays),
		cmocka_unit_test(detaches_in_the_namespace_of_the_device),
		cmocka_unit_test(best_way_is_taken_and_named),
		cmocka_unit_test(filters_that_somebody_removes_are_put_back),
		cmocka_unit_test(links_need_no_repair_and_a_device_that_is_gone_is_told),
		cmocka_unit_test(those_that_go_first_go_before_others),
		cmocka_unit_test(nothing_is_left_of_a_failure),
	};

	if (geteuid() != 0 || unshare(CLONE_NEWNET))
		return 77;
	return cmocka_run_group_tests_name("datapath/attach", tests, NULL, NULL);
}
