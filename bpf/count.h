/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counting: no packet is dropped without its reason. The maps are per CPU, but additions
 * are atomic all the same: flow_end runs in process context, where a softirq may interrupt.
 */
#ifndef BPF_COUNT_H
#define BPF_COUNT_H

#include "bpf/maps.h"

#define TC_ACT_UNSPEC (-1) /* the next program's; also TCX_NEXT */
#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

static __always_inline void count_drop(__u32 reason)
{
	__u32 zero = 0;
	__u64 *counters = bpf_map_lookup_elem(&drops, &zero);

	PARSE_HIDE(reason);
	if (counters && reason < DROP_NUM)
		__sync_fetch_and_add(&counters[reason], 1);
}

static __always_inline void count_stat(enum kernel_stat what, __u64 by)
{
	__u32 zero = 0;
	__u64 *counters = bpf_map_lookup_elem(&stats, &zero);

	if (counters)
		__sync_fetch_and_add(&counters[what], by);
}

/* Two counters of one direction with one look-up: `what` and the one behind it. */
static __always_inline void count_packets(enum kernel_stat what, __u64 packets, __u64 bytes)
{
	__u32 zero = 0;
	__u64 *counters = bpf_map_lookup_elem(&stats, &zero);

	if (counters) {
		__sync_fetch_and_add(&counters[what], packets);
		__sync_fetch_and_add(&counters[what + 1], bytes);
	}
}

static __always_inline int drop(__u32 reason)
{
	count_drop(reason);
	return TC_ACT_SHOT;
}

#endif
