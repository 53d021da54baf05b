/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rules as main writes them into the kernel half, and asks it about them. */
#ifndef DATAPATH_RULES_H
#define DATAPATH_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "datapath/kernel.h"

struct policy_tables;

/* Room for cgroups beside those in the tables: each has an entry once it was looked at. */
#define KERNEL_CGROUPS_MAX 16384

/*
 * Puts the tables in force in one piece: no packet is decided by parts of two. `reset`: flows
 * that were decided before are decided anew by their next packet, else they go on as they are.
 * On failure what was in force is in force. 0 or -errno; without BPF 0, and nothing happens.
 */
int kernel_rules_load(struct kernel *k, const struct policy_tables *t, bool reset);

/* Of the generation in force: its number, and flows decided by each rule; [0] is the default. */
uint32_t kernel_rules_epoch(const struct kernel *k);
int kernel_rules_hits(const struct kernel *k, uint64_t ret_hits[RULES_MAX + 1]);

/*
 * A cgroup was looked at: `set` is a place in the tables in force, 0 = no rule names it or one
 * above it. -ENOSPC: KERNEL_CGROUPS_MAX are known. 0 or -errno.
 */
int kernel_rules_cgroup_put(struct kernel *k, uint64_t cgroup, uint32_t set);
int kernel_rules_cgroup_remove(struct kernel *k, uint64_t cgroup);

/* Runs `rules_try`. 0 or -errno. */
int kernel_rules_try(const struct kernel *k, struct rule_try_args *args);

#endif
