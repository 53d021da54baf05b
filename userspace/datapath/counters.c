// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counters: main's mapping of all roles' entries, which lives in the map `role_counters` or,
 * without BPF, in a memfd of the same layout; and sums of the kernel half's per-CPU ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "datapath/kernel_internal.h"

#define COUNTERS_BYTES (ROLES_MAX * sizeof(struct role_counters))

void counters_init(struct counters *c)
{
	c->memfd = -1;
	c->entries = NULL;
}

static int memfd_open(struct counters *c)
{
	int err;

	c->memfd = memfd_create("headrace-counters", MFD_CLOEXEC);
	if (c->memfd < 0)
		return -errno;
	if (!ftruncate(c->memfd, COUNTERS_BYTES))
		return 0;
	err = -errno;
	c->memfd = fd_close(c->memfd);
	return err;
}

int counters_open(struct counters *c, int map_fd)
{
	void *all;
	int err;

	if (map_fd < 0) {
		err = memfd_open(c);
		if (err)
			return err;
		map_fd = c->memfd;
	}
	all = mmap(NULL, COUNTERS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (all == MAP_FAILED) {
		err = -errno;
		counters_close(c);
		return err;
	}
	c->entries = all;
	return 0;
}

void counters_close(struct counters *c)
{
	if (c->entries)
		munmap(c->entries, COUNTERS_BYTES);
	c->entries = NULL;
	c->memfd = fd_close(c->memfd);
}

struct role_counters *kernel_role_counters(struct kernel *k, unsigned int slot)
{
	return &k->counters.entries[slot];
}

/* Sums entry 0 of a per-CPU array whose value is `fields` 64-bit numbers. */
static void sum_cpus(int fd, __u64 *ret_sum, size_t fields)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *values;
	__u32 zero = 0;
	size_t i;

	memset(ret_sum, 0, fields * sizeof(*ret_sum));
	if (fd < 0 || cpus < 1)
		return;
	values = calloc(cpus, fields * sizeof(*values));
	if (values && !bpf_map_lookup_elem(fd, &zero, values))
		for (i = 0; i < cpus * fields; i++)
			ret_sum[i % fields] += values[i];
	free(values);
}

void kernel_read_drops(struct kernel *k, struct drop_counters *ret_sum)
{
	sum_cpus(k->maps.drops, (__u64 *)ret_sum, DROP_NUM);
}

void kernel_read_stats(struct kernel *k, struct kernel_stats *ret_sum)
{
	sum_cpus(k->maps.stats, (__u64 *)ret_sum, STAT_NUM);
}
