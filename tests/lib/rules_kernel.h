/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Of the kernel half only the maps of rules, and the program that says what they decide. */
#ifndef LIB_RULES_KERNEL_H
#define LIB_RULES_KERNEL_H

#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/kernel_internal.h"
#include "datapath/rules.h"
#include "headrace.skel.h"

/* -errno, of which -EPERM is no right to load BPF programs; else closed by rules_kernel_close(). */
static inline int rules_kernel_load(struct headrace **ret_skel)
{
	struct headrace *skel = headrace__open();
	struct bpf_program *prog;
	int err;

	if (!skel)
		return -errno;
	bpf_object__for_each_program(prog, skel->obj)
		bpf_program__set_autoload(prog, prog == skel->progs.rules_try);
	err = headrace__load(skel);
	if (err)
		headrace__destroy(skel);
	else
		*ret_skel = skel;
	return err;
}

static inline int rules_kernel_open(struct headrace *skel, struct kernel *kernel)
{
	kernel->features.bpf = true;
	kernel->maps = (struct kernel_maps){
		.rule_state = bpf_map__fd(skel->maps.rule_state),
		.rule_tables = bpf_map__fd(skel->maps.rule_tables),
		.rule_sets = bpf_map__fd(skel->maps.rule_sets),
		.rule_values = bpf_map__fd(skel->maps.rule_values),
		.rule_prefixes = bpf_map__fd(skel->maps.rule_prefixes),
		.rule_ports = bpf_map__fd(skel->maps.rule_ports),
		.rule_hits = bpf_map__fd(skel->maps.rule_hits),
		.domain_facts = bpf_map__fd(skel->maps.domain_facts),
	};
	kernel->programs.rules_try = bpf_program__fd(skel->progs.rules_try);
	rules_maps_init(&kernel->rules);
	return rules_maps_open(&kernel->rules, &kernel->maps);
}

static inline void rules_kernel_close(struct headrace *skel, struct kernel *kernel)
{
	rules_maps_close(&kernel->rules);
	headrace__destroy(skel);
}

#endif
