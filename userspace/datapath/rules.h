/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rules as main writes them into the kernel half, and asks it about them. */
#ifndef DATAPATH_RULES_H
#define DATAPATH_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "datapath/kernel.h"

struct policy_tables;

/* Room for values that appear while rules are in force, and for sets that they need. */
#define KERNEL_VALUES_SPARE 16384
#define KERNEL_SETS_SPARE 1024

/*
 * Writes the tables into the generation that is not in force, which takes no effect until
 * kernel_rules_commit(): that cannot fail. On failure there is nothing to commit. 0 or -errno;
 * without BPF 0, and nothing happens.
 */
int kernel_rules_prepare(struct kernel *k, const struct policy_tables *t);
/*
 * Puts what was prepared in force, in one piece: no packet is decided by parts of two. `reset`:
 * flows that were decided before are decided anew by their next packet, else they go on as they
 * are. Harmless if nothing was prepared.
 */
void kernel_rules_commit(struct kernel *k, bool reset);
/* Lets go of what was prepared. Harmless if nothing was. */
void kernel_rules_cancel(struct kernel *k);
/* Both in one. 0 or -errno. */
int kernel_rules_load(struct kernel *k, const struct policy_tables *t, bool reset);

/*
 * Calls fn, from kernel_events_read(), with the id of each cgroup that nothing was known of when
 * a rule asked for it.
 */
void kernel_rules_on_cgroup(struct kernel *k, void (*fn)(void *arg, uint64_t cgroup), void *arg);

/* Of the generation in force: its number, and flows decided by each rule; [0] is the default. */
uint32_t kernel_rules_epoch(const struct kernel *k);
int kernel_rules_hits(const struct kernel *k, uint64_t ret_hits[RULES_MAX + 1]);

/*
 * Values that come and go are put into the generation in force: of RULE_CGROUP, RULE_EXE and
 * RULE_DEVICE. `set` is a place in its sets; one that the tables had not when they were loaded
 * is put there first, and there is room for KERNEL_SETS_SPARE of those. -ENOSPC: no room, then
 * all of it has to be loaded anew. 0 or -errno.
 */
int kernel_rules_set_put(struct kernel *k, uint32_t place, const struct rule_set *set);
int kernel_rules_value_put(struct kernel *k, enum rule_dim dim, uint64_t a, uint64_t b,
			   uint32_t set);
int kernel_rules_value_remove(struct kernel *k, enum rule_dim dim, uint64_t a, uint64_t b);

/* Seeds of the hashes of names. 0 or -errno. */
int kernel_rules_seeds(const struct kernel *k, struct dns_state *ret_dns);

/* Runs `rules_try`. 0 or -errno. */
int kernel_rules_try(struct kernel *k, struct rule_try_args *args);

#endif
