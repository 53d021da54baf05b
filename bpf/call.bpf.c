// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Called by a role through BPF_PROG_TEST_RUN: the flow ended. Telling of it and removing it
 * here leaves the kernel half the only writer of `flows`, and costs the role one call.
 *
 * Limit: look-up and removal are two steps. An application that opens the same 5-tuple
 * anew exactly between them loses the new entry; its packets then count as untracked.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/contract.h"
#include "bpf/count.h"
#include "bpf/flow.h"
#include "bpf/maps.h"

enum flow_end_result { FLOW_ENDED = 0, FLOW_UNKNOWN = 1, FLOW_NEWER = 2 };

/*
 * What the role says of the flow; an `outbound` left empty says nothing new, so that what was
 * noted when it began holds: the name that its address had then may be forgotten by now.
 */
static __always_inline void tell_info(struct flow_event *e, const struct flow_end_args *args,
				      const struct flow_key *key, __u8 slot)
{
	struct flow_info *noted = NULL;

	if (!args->info.outbound[0])
		noted = bpf_map_lookup_elem(&flow_info, key);
	e->info = noted ? *noted : args->info;
	e->info.end = args->info.end;
	e->info.slot = slot;
}

/*
 * An entry stays without a note, which main may have seen there before: it looks at all of them
 * again (datapath/strays.c). So it does when the kernel could not remove the entry: that may fail
 * where its bucket is locked, or somebody else has removed it, and told so.
 */
static __always_inline enum flow_end_result left(enum flow_end_result result)
{
	count_stat(STAT_FLOWS_LEFT, 1);
	return result;
}

/* 0 or negative. */
static __always_inline long forget(const struct flow_key *key, const struct flow *f)
{
	long err;

	flow_note_past(key, f);
	bpf_map_delete_elem(&flow_info, key);
	err = bpf_map_delete_elem(&flows, key);
	if (!err)
		count_stat(STAT_FLOWS_CLOSED, 1);
	return err;
}

SEC("syscall")
int flow_end(struct flow_end_args *args)
{
	struct flow_key key = args->key;
	struct flow *f = bpf_map_lookup_elem(&flows, &key);
	struct flow_event *e;

	/* What the role noted was of its own flow: nobody would end another that has a note of it. */
	if (!f || f->first_seen_ns > args->created_ns) {
		bpf_map_delete_elem(&flow_info, &key);
		return f ? left(FLOW_NEWER) : FLOW_UNKNOWN;
	}
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		count_stat(STAT_EVENTS_LOST, 1);
		return forget(&key, f) ? left(FLOW_UNKNOWN) : FLOW_ENDED;
	}
	flow_event_start(e, EVENT_FLOW_END, &key, f);
	tell_info(e, args, &key, f->queue);
	if (forget(&key, f)) {
		bpf_ringbuf_discard(e, 0);
		return left(FLOW_UNKNOWN);
	}
	bpf_ringbuf_submit(e, 0);
	return FLOW_ENDED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
