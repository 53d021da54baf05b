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

static struct kernel_programs programs(void)
{
	struct kernel_programs p = { .dns_tun = pass_program("dns_tun"),
				     .tun_egress = pass_program("tun_egress"),
				     .tun_ingress = pass_program("tun_ingress") };

	if (p.tun_egress == -EPERM)
		skip();
	assert_true(p.dns_tun >= 0 && p.tun_egress >= 0 && p.tun_ingress >= 0);
	return p;
}

static void programs_close(struct kernel_programs *p)
{
	close(p->dns_tun);
	close(p->tun_egress);
	close(p->tun_ingress);
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

/* As attachment_attach() where there is no tcx. */
static void attach_by_hand(struct attachment *a, struct kernel_programs *p)
{
	attachment_init(a);
	a->ifindex = if_nametoindex(DEVICE);
	a->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(a->netns >= 0);
	assert_int_equal(attach_clsact(a, p), 0);
}

static void clsact_is_removed_with_its_filters(void **state)
{
	struct kernel_programs p = programs();
	struct attachment a;
	int tun = tun_open();

	attach_by_hand(&a, &p);
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
	struct kernel_programs p = programs();
	struct attachment a;
	int tun = tun_open();

	assert_int_equal(system("PATH=$PATH:/usr/sbin:/sbin tc qdisc add dev " DEVICE " clsact"),
			 0);
	attach_by_hand(&a, &p);
	assert_true(has("filter show dev " DEVICE " egress"));
	attachment_detach(&a);
	assert_true(has_qdisc());
	assert_false(has("filter show dev " DEVICE " egress"));
	close(tun);
	programs_close(&p);
}

/* Main is in the host's namespace when it detaches, the device in another. */
static void detaches_in_the_namespace_of_the_device(void **state)
{
	struct kernel_programs p = programs();
	int tun = tun_open(), there, here;
	struct attachment a;

	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	attach_by_hand(&a, &p);
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

/* What dns_tun leaves is tun_egress's: not the other way round. */
static void assert_tcx_order(const struct kernel_programs *p)
{
	__u32 ids[4] = { 0 }, flags, num = 4;

	assert_int_equal(bpf_prog_query((int)if_nametoindex(DEVICE),
					(enum bpf_attach_type)ATTACH_TCX_EGRESS, 0, &flags, ids,
					&num),
			 0);
	assert_int_equal(num, 2);
	assert_int_equal(ids[0], id_of(p->dns_tun));
	assert_int_equal(ids[1], id_of(p->tun_egress));
}

static void best_way_is_taken_and_named(void **state)
{
	struct kernel_programs p = programs();
	const char *how = NULL;
	struct attachment a;
	int tun = tun_open();

	attachment_init(&a);
	assert_int_equal(attachment_attach(&a, &p, if_nametoindex(DEVICE), &how), 0);
	assert_true(!strcmp(how, "tcx") || !strcmp(how, "clsact"));
	assert_int_equal(!strcmp(how, "tcx"), a.link[0] >= 0 && a.link[2] >= 0);
	if (!strcmp(how, "tcx"))
		assert_tcx_order(&p);
	assert_int_equal(attachment_attach(&a, &p, if_nametoindex(DEVICE), &how), -EALREADY);
	attachment_detach(&a);
	attachment_detach(&a);
	assert_false(has_qdisc());
	close(tun);
	programs_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clsact_is_removed_with_its_filters),
		cmocka_unit_test(clsact_of_someone_else_stays),
		cmocka_unit_test(detaches_in_the_namespace_of_the_device),
		cmocka_unit_test(best_way_is_taken_and_named),
	};

	if (geteuid() != 0 || unshare(CLONE_NEWNET))
		return 77;
	return cmocka_run_group_tests_name("datapath/attach", tests, NULL, NULL);
}
