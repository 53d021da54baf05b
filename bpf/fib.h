/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the kernel's own routes lead, asked on the TUN, for which main has forwarding on:
 * bpf_fib_lookup() wants that.
 */
#ifndef BPF_FIB_H
#define BPF_FIB_H

#include "bpf/classify.h"
#include "bpf/maps.h"

#define AF_INET4 2
#define AF_INET6 10

/* The device by which the kernel reaches `to` for `from`, of a packet of p's family; 0 = none. */
static __always_inline __u32 fib_find(struct __sk_buff *skb, const struct packet *p,
				      const struct addr *to, const struct addr *from)
{
	struct bpf_fib_lookup fib = { .family = p->version == 4 ? AF_INET4 : AF_INET6,
				      .ifindex = skb->ifindex };
	long err;

	if (p->version == 4) {
		__builtin_memcpy(&fib.ipv4_dst, to->b + 12, 4);
		__builtin_memcpy(&fib.ipv4_src, from->b + 12, 4);
	} else {
		__builtin_memcpy(fib.ipv6_dst, to->b, 16);
		__builtin_memcpy(fib.ipv6_src, from->b, 16);
	}
	err = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (err != BPF_FIB_LKUP_RET_SUCCESS && err != BPF_FIB_LKUP_RET_NO_NEIGH &&
	    err != BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return 0;
	return fib.ifindex;
}

/* Does the kernel look for the sender of x->packet where it came in? */
__weak __noinline int fib_agrees(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();

	return x &&
	       fib_find(skb, &x->packet, &x->packet.saddr, &x->packet.daddr) == x->from.ifindex;
}

#endif
