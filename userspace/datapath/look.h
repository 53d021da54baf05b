/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Single entries of the kernel half's maps, for those who explain what it does. */
#ifndef DATAPATH_LOOK_H
#define DATAPATH_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel.h"

/* The rules in force. All zero without BPF. */
struct kernel_rules {
	uint32_t epoch;
	uint32_t valid_from;
	uint64_t since_ms; /* clock_ms() when they came into force, 0 = there never were any */
	enum verdict fallback; /* VERDICT_NONE = there never were any */
};

void kernel_rules_look(const struct kernel *k, struct kernel_rules *ret_rules);

/* As last written. */
const struct settings *kernel_settings_now(const struct kernel *k);
/* Is there a capture point on this device? */
bool kernel_capture_look(const struct kernel *k, uint32_t ifindex,
			 struct capture_device *ret_device);
/* Is it an address of the host's own, by itself or as one of a prefix? */
bool kernel_is_host_addr(const struct kernel *k, const struct addr *addr);

/* How a client came to an address: by whose answer. */
enum kernel_fact { FACT_NONE, FACT_CLIENT, FACT_ANYBODY };
enum kernel_fact kernel_fact_look(const struct kernel *k, const struct addr *client,
				  const struct addr *addr, struct domain_fact *ret_fact);
/* The name that clients of the policy of `client` last had for `addr`, "" = none. Returns buf. */
const char *kernel_name_look(const struct kernel *k, const struct addr *client,
			     const struct addr *addr, char buf[DOMAIN_TEXT_MAX]);
/* Addresses that `name` (lower case) was resolved to and that it still holds, each once. */
unsigned int kernel_addresses_look(const struct kernel *k, const char *name, struct addr *ret_addr,
				   unsigned int max);

/* 0 = there is none; a path as kernel_cgroup_path() gives it. */
uint64_t kernel_cgroup_id(const char *path);
/* Path of the first cgroup of this last name ("foo.service"). False: there is none. */
bool kernel_cgroup_find(const char *unit, char *ret_path, size_t size);

#endif
