// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two generations of rules lie side by side (bpf/contract_rules.h): the idle one is written,
 * then rule_state.epoch in one piece. The maps within are made anew for each load, of fitting
 * size, so that the old ones' memory is given back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/fd.h"
#include "datapath/kernel_internal.h"
#include "datapath/rules.h"
#include "policy/tables.h"

#define STATE_BYTES 4096 /* a page: what a map of one entry is mapped by */
#define PORTS_BYTES (2UL * RULE_PORTS * sizeof(uint64_t))

static void inner_init(struct rules_inner *r)
{
	*r = (struct rules_inner){ .sets = -1, .values = -1, .prefixes = -1 };
}

void rules_maps_init(struct rules_maps *r)
{
	r->state = NULL;
	r->ports = NULL;
	inner_init(&r->now);
	inner_init(&r->next);
}

static int map_memory(int fd, size_t bytes, void **ret_at)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret_at = at;
	return 0;
}

int rules_maps_open(struct rules_maps *r, const struct kernel_maps *m)
{
	int err = map_memory(m->rule_state, STATE_BYTES, (void **)&r->state);

	return err ? err : map_memory(m->rule_ports, PORTS_BYTES, (void **)&r->ports);
}

static void inner_close(struct rules_inner *r)
{
	r->sets = fd_close(r->sets);
	r->values = fd_close(r->values);
	r->prefixes = fd_close(r->prefixes);
}

void rules_maps_close(struct rules_maps *r)
{
	inner_close(&r->now);
	inner_close(&r->next);
	if (r->state)
		munmap(r->state, STATE_BYTES);
	if (r->ports)
		munmap(r->ports, PORTS_BYTES);
	rules_maps_init(r);
}

/* Writes `num` entries. Kernels, and types of maps, without batches get them one by one. */
static int put_all(int fd, const void *keys, size_t key_bytes, const void *values,
		   size_t value_bytes, uint32_t num)
{
	uint32_t done = num;
	int err;

	if (!num)
		return 0;
	err = bpf_map_update_batch(fd, keys, values, &done, NULL);
	if (!err)
		return 0;
	for (uint32_t i = 0; i < num; i++) {
		err = bpf_map_update_elem(fd, (const char *)keys + i * key_bytes,
					  (const char *)values + i * value_bytes, BPF_ANY);
		if (err)
			return err;
	}
	return 0;
}

static int make_map(enum bpf_map_type type, const char *name, uint32_t key_bytes,
		    uint32_t value_bytes, uint32_t entries, uint32_t flags, int *ret_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, name, key_bytes, value_bytes, entries ? entries : 1, &opts);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* Only where something may appear later. */
static uint32_t spare(const struct policy_tables *t, uint32_t entries)
{
	const uint32_t living = 1U << RULE_CGROUP | 1U << RULE_EXE | 1U << RULE_DEVICE;

	return t->table.dims & living ? entries : 0;
}

static int make_sets(struct rules_inner *r, const struct policy_tables *t)
{
	uint32_t *places, i;
	int err;

	err = make_map(BPF_MAP_TYPE_ARRAY, "rule_set_map", sizeof(uint32_t),
		       sizeof(struct rule_set), t->sets + spare(t, KERNEL_SETS_SPARE),
		       BPF_F_INNER_MAP, &r->sets);
	if (err)
		return err;
	places = calloc(t->sets, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (i = 0; i < t->sets; i++)
		places[i] = i;
	err = put_all(r->sets, places, sizeof(*places), t->set, sizeof(*t->set), t->sets);
	free(places);
	return err;
}

static int make_values(struct rules_inner *r, const struct policy_tables *t)
{
	int err = make_map(BPF_MAP_TYPE_HASH, "rule_value_map", sizeof(struct rule_value),
			   sizeof(uint32_t), t->values + spare(t, KERNEL_VALUES_SPARE),
			   BPF_F_NO_PREALLOC, &r->values);

	if (err)
		return err;
	return put_all(r->values, t->value, sizeof(*t->value), t->value_set, sizeof(*t->value_set),
		       t->values);
}

static int make_prefixes(struct rules_inner *r, const struct policy_tables *t)
{
	int err;

	err = make_map(BPF_MAP_TYPE_LPM_TRIE, "rule_prefix_map", sizeof(struct rule_prefix),
		       sizeof(uint32_t), t->prefixes, BPF_F_NO_PREALLOC, &r->prefixes);
	if (err)
		return err;
	return put_all(r->prefixes, t->prefix, sizeof(*t->prefix), t->prefix_set,
		       sizeof(*t->prefix_set), t->prefixes);
}

/* Where no rule asks for ports, nobody looks there. Entries lie 8 bytes apart (array maps). */
static void put_ports(const struct rules_maps *r, const struct policy_tables *t, uint32_t which)
{
	uint64_t *to = r->ports + which * RULE_PORTS;

	for (uint32_t i = 0; t->port_set && i < RULE_PORTS; i++)
		*(uint32_t *)&to[i] = t->port_set[i];
}

static int clear_hits(const struct kernel_maps *m, uint32_t rules, uint32_t which)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	uint64_t *zeroes;

	if (cpus < 0)
		return cpus;
	zeroes = calloc((size_t)cpus, sizeof(*zeroes));
	if (!zeroes)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i <= rules; i++) {
		uint32_t key = which * (RULES_MAX + 1) + i;

		err = bpf_map_update_elem(m->rule_hits, &key, zeroes, BPF_ANY);
	}
	free(zeroes);
	return err;
}

/* Makes the maps of a generation. On failure the caller closes them. */
static int make_inner(struct rules_inner *r, const struct policy_tables *t)
{
	int err = make_sets(r, t);

	if (!err)
		err = make_values(r, t);
	if (!err)
		err = make_prefixes(r, t);
	return err;
}

/*
 * Who read the epoch before this one may still be at work on the generation that is idle now:
 * writing to a map of maps waits until every program that ran has ended.
 */
static int wait_for_readers(const struct kernel *k)
{
	uint32_t which = k->rules.state->epoch & 1;

	if (k->rules.now.sets < 0)
		return 0;
	return bpf_map_update_elem(k->maps.rule_sets, &which, &k->rules.now.sets, BPF_ANY);
}

static int put_generation(const struct kernel *k, const struct rules_inner *r,
			  const struct policy_tables *t, uint32_t which)
{
	const struct kernel_maps *m = &k->maps;
	int err = bpf_map_update_elem(m->rule_sets, &which, &r->sets, BPF_ANY);

	if (!err)
		err = bpf_map_update_elem(m->rule_values, &which, &r->values, BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(m->rule_prefixes, &which, &r->prefixes, BPF_ANY);
	if (!err)
		err = clear_hits(m, t->table.rules, which);
	if (!err)
		err = bpf_map_update_elem(m->rule_tables, &which, &t->table, BPF_ANY);
	if (!err)
		put_ports(&k->rules, t, which);
	return err;
}

int kernel_rules_prepare(struct kernel *k, const struct policy_tables *t)
{
	struct rules_inner *next = &k->rules.next;
	int err;

	if (!k->features.bpf)
		return 0;
	inner_close(next);
	err = make_inner(next, t);
	if (!err)
		err = wait_for_readers(k);
	if (!err)
		err = put_generation(k, next, t, (k->rules.state->epoch + 1) & 1);
	if (err)
		inner_close(next);
	return err;
}

void kernel_rules_cancel(struct kernel *k)
{
	inner_close(&k->rules.next);
}

void kernel_rules_commit(struct kernel *k, bool reset)
{
	struct rules_maps *r = &k->rules;
	uint32_t epoch;

	if (r->next.sets < 0)
		return;
	inner_close(&r->now);
	r->now = r->next;
	inner_init(&r->next);
	epoch = r->state->epoch + 1;
	__atomic_store_n(&r->state->epoch, epoch, __ATOMIC_RELEASE);
	r->since_ms = clock_ms();
	if (reset)
		__atomic_store_n(&r->state->valid_from, epoch, __ATOMIC_RELEASE);
}

int kernel_rules_load(struct kernel *k, const struct policy_tables *t, bool reset)
{
	int err = kernel_rules_prepare(k, t);

	if (!err)
		kernel_rules_commit(k, reset);
	return err;
}

void kernel_rules_on_cgroup(struct kernel *k, void (*fn)(void *arg, uint64_t cgroup), void *arg)
{
	k->events.cgroup_fn = fn;
	k->events.cgroup_arg = arg;
}

uint32_t kernel_rules_epoch(const struct kernel *k)
{
	return k->features.bpf ? k->rules.state->epoch : 0;
}

int kernel_rules_hits(const struct kernel *k, uint64_t ret_hits[RULES_MAX + 1])
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	uint64_t *each;

	memset(ret_hits, 0, (RULES_MAX + 1) * sizeof(*ret_hits));
	if (!k->features.bpf)
		return 0;
	if (cpus < 0)
		return cpus;
	each = calloc((size_t)cpus, sizeof(*each));
	if (!each)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i <= RULES_MAX; i++) {
		uint32_t key = (k->rules.state->epoch & 1) * (RULES_MAX + 1) + i;

		err = bpf_map_lookup_elem(k->maps.rule_hits, &key, each);
		for (int cpu = 0; !err && cpu < cpus; cpu++)
			ret_hits[i] += each[cpu];
	}
	free(each);
	return err;
}

int kernel_rules_set_put(struct kernel *k, uint32_t place, const struct rule_set *set)
{
	int err = k->rules.now.sets < 0 ?
			  0 :
			  bpf_map_update_elem(k->rules.now.sets, &place, set, BPF_ANY);

	return err == -E2BIG ? -ENOSPC : err;
}

int kernel_rules_value_put(struct kernel *k, enum rule_dim dim, uint64_t a, uint64_t b,
			   uint32_t set)
{
	const struct rule_value key = { .dim = dim, .a = a, .b = b };
	int err;

	if (k->rules.now.values < 0)
		return 0;
	err = bpf_map_update_elem(k->rules.now.values, &key, &set, BPF_ANY);
	return err == -E2BIG ? -ENOSPC : err;
}

int kernel_rules_value_remove(struct kernel *k, enum rule_dim dim, uint64_t a, uint64_t b)
{
	const struct rule_value key = { .dim = dim, .a = a, .b = b };

	return k->rules.now.values < 0 ? 0 : bpf_map_delete_elem(k->rules.now.values, &key);
}

int kernel_rules_seeds(const struct kernel *k, struct dns_state *ret_dns)
{
	__u32 zero = 0;

	*ret_dns = (struct dns_state){ 0 };
	return k->features.bpf ? bpf_map_lookup_elem(k->maps.dns_state, &zero, ret_dns) : 0;
}

int kernel_rules_try(struct kernel *k, struct rule_try_args *args)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(*args));
	int err, program;

	if (!k->features.bpf)
		return -EOPNOTSUPP;
	program = k->programs.rules_try;
	if (program < 0)
		program = kernel_program_fd(k, "rules_try");
	if (program < 0)
		return program;
	k->programs.rules_try = program;
	err = bpf_prog_test_run_opts(program, &opts);
	if (!err && opts.retval)
		err = -EIO;
	return err;
}
