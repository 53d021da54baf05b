// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which queue of the TUN a packet goes to (TUNSETSTEERINGEBPF; the device takes the result
 * modulo its number of queues). tun_egress has decided and left it in the mark; a packet
 * without such a mark (nothing attached at egress) goes to the first worker.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/contract.h"
#include "bpf/maps.h"

SEC("socket")
int tun_steer(struct __sk_buff *skb)
{
	struct settings *s;

	if ((skb->mark & QUEUE_MARK_MASK) == QUEUE_MARK)
		return skb->mark & ~QUEUE_MARK_MASK;
	s = settings_get();
	return s && s->resolver_queue ? RESOLVER_QUEUE + 1 : 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
