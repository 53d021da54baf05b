// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which programs a capture point has, and the maps that main writes for them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/addr.h"
#include "datapath/hooks.h"
#include "datapath/kernel_internal.h"

#define L2_NUM 2 /* with a header of Ethernet, and without any */

struct hooks {
	struct attachment attachment;
	const char *how;
	char pin[ATTACHMENT_HOOKS][PIN_PATH_MAX]; /* of links, "" = none */
};

static const struct point {
	const char *ingress[L2_NUM]; /* NULL = none */
	const char *egress[L2_NUM];
} points[CAPTURE_NUM] = {
	[CAPTURE_EGRESS] = { { "host_ingress", "host_ingress3" },
			     { "host_egress", "host_egress3" } },
	[CAPTURE_LAN] = { { "lan_ingress", "lan_ingress3" }, { "lan_egress", "lan_egress3" } },
	[CAPTURE_LOOPBACK] = { { NULL }, { "lo_egress" } },
};

static int add_hook(struct kernel *k, const char *name, enum bpf_tc_attach_point point,
		    struct hook *hook, unsigned int *hooks, char err[256])
{
	int fd = kernel_program_fd(k, name);

	if (fd < 0) {
		snprintf(err, 256, "the program %s cannot be loaded: %s", name, strerror(-fd));
		return fd;
	}
	hook[(*hooks)++] = (struct hook){ .program = fd, .point = point };
	return 0;
}

static int find_hooks(struct kernel *k, enum capture_point point, unsigned int l2,
		      struct hook *hook, unsigned int *ret_hooks, char err[256])
{
	const char *ingress = points[point].ingress[!l2], *egress = points[point].egress[!l2];
	int ret = 0;

	*ret_hooks = 0;
	if (ingress)
		ret = add_hook(k, ingress, BPF_TC_INGRESS, hook, ret_hooks, err);
	if (egress && !ret)
		ret = add_hook(k, egress, BPF_TC_EGRESS, hook, ret_hooks, err);
	if (!ret && !*ret_hooks) {
		snprintf(err, 256, "there is no such capture point");
		ret = -EINVAL;
	}
	return ret;
}

int kernel_attach_capture(struct kernel *k, int ifindex, enum capture_point point, unsigned int l2,
			  struct hooks **ret_hooks, char err[256])
{
	struct hook hook[ATTACHMENT_HOOKS];
	unsigned int hooks;
	struct hooks *h;
	int ret;

	ret = find_hooks(k, point, l2, hook, &hooks, err);
	if (ret)
		return ret;
	h = calloc(1, sizeof(*h));
	if (!h) {
		snprintf(err, 256, "out of memory");
		return -ENOMEM;
	}
	attachment_init(&h->attachment);
	ret = attachment_attach(&h->attachment, hook, hooks, ifindex, ATTACH_FIRST, k->attach,
				&h->how);
	if (ret) {
		snprintf(err, 256, "traffic control: %s", strerror(-ret));
		free(h);
		return ret;
	}
	*ret_hooks = h;
	return 0;
}

int kernel_pin_capture(struct kernel *k, struct hooks *h)
{
	const struct attachment *a = &h->attachment;
	int err = 0;

	for (unsigned int i = 0; i < a->hooks; i++) {
		char name[32];

		if (!k->settings.closed)
			pins_drop(h->pin[i]);
		if (!k->settings.closed || h->pin[i][0] || a->hook[i].link < 0)
			continue; /* filters of clsact stay by themselves */
		snprintf(name, sizeof(name), "link-%d-%u", a->ifindex, i);
		err = err ? err : pins_add(&k->pins, name, a->hook[i].link, h->pin[i]);
	}
	return err;
}

int kernel_repair_capture(struct hooks *h)
{
	return attachment_repair(&h->attachment);
}

int kernel_repair_tun(struct kernel *k)
{
	int tun = attachment_repair(&k->tun), dns;

	if (tun < 0)
		return tun;
	dns = attachment_repair(&k->late.attachment);
	return dns ? dns : tun;
}

void kernel_detach_capture(struct hooks *h)
{
	if (!h)
		return;
	for (unsigned int i = 0; i < ATTACHMENT_HOOKS; i++)
		pins_drop(h->pin[i]);
	attachment_detach(&h->attachment);
	free(h);
}

const char *hooks_how(const struct hooks *h)
{
	return h->how;
}

/* --- what the programs have to know ------------------------------------------------------- */

int kernel_capture_device_set(struct kernel *k, uint32_t ifindex, const struct capture_device *d)
{
	int err;

	if (k->maps.capture_devices < 0)
		return 0;
	if (d)
		return bpf_map_update_elem(k->maps.capture_devices, &ifindex, d, BPF_ANY);
	err = bpf_map_delete_elem(k->maps.capture_devices, &ifindex);
	return err == -ENOENT ? 0 : err;
}

/* --- addresses ------------------------------------------------------------------------------ */

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct addr));
}

static int by_prefix(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct host_prefix));
}

/* `keys` are sorted. */
static void remove_others(int fd, const void *keys, size_t num, size_t size, unsigned int max,
			  int (*compare)(const void *, const void *))
{
	char key[sizeof(struct host_prefix)], at[sizeof(struct host_prefix)];
	bool more = !bpf_map_get_next_key(fd, NULL, key);

	for (unsigned int i = 0; more && i < max; i++) {
		memcpy(at, key, size);
		more = !bpf_map_get_next_key(fd, at, key);
		if (!num || !bsearch(at, keys, num, size, compare))
			bpf_map_delete_elem(fd, at);
	}
}

int kernel_host_addrs_set(struct kernel *k, const struct addr *addr, size_t num)
{
	int fd = k->maps.host_addrs, err = 0;
	struct addr *sorted;
	__u32 value = 1;

	if (fd < 0)
		return 0;
	sorted = malloc((num ? num : 1) * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	if (num) {
		memcpy(sorted, addr, num * sizeof(*sorted));
		qsort(sorted, num, sizeof(*sorted), by_addr);
	}
	for (size_t i = 0; !err && i < num; i++)
		err = bpf_map_update_elem(fd, &sorted[i], &value, BPF_ANY);
	remove_others(fd, sorted, num, sizeof(*sorted), HOST_ADDRS_MAX, by_addr);
	free(sorted);
	return err;
}

int kernel_host_prefixes_set(struct kernel *k, const struct prefix *prefix, size_t num)
{
	int fd = k->maps.host_prefixes, err = 0;
	struct host_prefix *sorted;
	__u32 version;

	if (fd < 0)
		return 0;
	sorted = calloc(num ? num : 1, sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < num; i++) {
		version = addr_is_v4(&prefix[i].addr) ? 4 : 6;
		sorted[i].bits = prefix[i].bits + (version == 4 ? 96 : 0);
		memcpy(sorted[i].addr, prefix[i].addr.b, sizeof(sorted[i].addr));
		if (!err)
			err = bpf_map_update_elem(fd, &sorted[i], &version, BPF_ANY);
	}
	qsort(sorted, num, sizeof(*sorted), by_prefix);
	remove_others(fd, sorted, num, sizeof(*sorted), HOST_PREFIXES_MAX, by_prefix);
	free(sorted);
	return err;
}

/* --- counters ------------------------------------------------------------------------------- */

void kernel_read_pass_marks(struct kernel *k, uint64_t ret_sum[PASS_MARKS_MAX])
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *each;

	memset(ret_sum, 0, PASS_MARKS_MAX * sizeof(*ret_sum));
	if (k->maps.pass_marks < 0 || cpus <= 0)
		return;
	each = calloc((size_t)cpus, sizeof(*each));
	for (__u32 i = 0; each && i < PASS_MARKS_MAX; i++)
		if (!bpf_map_lookup_elem(k->maps.pass_marks, &i, each))
			for (int cpu = 0; cpu < cpus; cpu++)
				ret_sum[i] += each[cpu];
	free(each);
}
