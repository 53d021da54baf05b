/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses of the host's own that are local as a part of a prefix (AnyIP): for packets of no
 * flow that is known. Single addresses are in `host_addrs`, which costs less.
 */
#ifndef BPF_LOCAL_H
#define BPF_LOCAL_H

#include "bpf/maps.h"
#include "bpf/parse.h"

/* `a` is an address of p. A short prefix of IPv6 may have the mapped addresses of IPv4 in it. */
static __always_inline int addr_is_of_local_prefix(const struct packet *p, const struct addr *a)
{
	struct host_prefix key = { .bits = 128 };
	__u32 *version;

	__builtin_memcpy(key.addr, a->b, sizeof(key.addr));
	version = bpf_map_lookup_elem(&host_prefixes, &key);
	return version && *version == p->version;
}

#endif
