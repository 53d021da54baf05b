/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets of the roles' own sockets. With `own_cgroup` set they are told by mark and cgroup:
 * SO_MARK alone is within reach of whoever has CAP_NET_RAW.
 */
#ifndef BPF_OWN_H
#define BPF_OWN_H

#include "bpf/maps.h"

/* A packet of a role's socket on the TUN would come back to it for ever. */
static __always_inline int packet_is_ours(struct __sk_buff *skb, const struct settings *s)
{
	if (!s->mark || skb->mark != s->mark)
		return 0;
	return !s->own_cgroup || bpf_skb_under_cgroup(skb, &own_cgroups, 0) == 1;
}

#endif
