/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Direct flows that no program of ours sees a packet of: those of route capture, which the
 * connect hook has sent round the TUN (bpf/route.bpf.c). All that is known of them is with
 * their socket: where it goes, its state, and what TCP counts itself. It is brought into
 * `direct_flows` when somebody looks (sock_walk) and when the socket is closed (sock_release),
 * so that a packet pays nothing for it.
 *
 * Until then the note's key has no source (sport 0), which a socket gets after the hook.
 *
 * Of a datagram socket no bytes are known. Its connection may be changed: then another flow
 * begins, which goes the same way, as the mark stays with the socket.
 *
 * Kernel structures are read through BTF; of each only the fields that are used are declared,
 * under names of our own that libbpf matches without what follows the `___`.
 */
#ifndef BPF_SOCK_FLOW_H
#define BPF_SOCK_FLOW_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "bpf/direct.h"
#include "bpf/owner.h"

/* enum of the kernel's TCP states, which are no enum in its BTF */
#define SOCK_ESTABLISHED 1
#define SOCK_SYN_SENT 2
#define SOCK_CLOSE 7 /* also of a socket that never was connected */
#define SOCK_FAMILY_IP4 2 /* AF_INET */
#define SOCK_FAMILY_IP6 10

#define SOCK_CORE __attribute__((preserve_access_index))

struct in6_addr___sock {
	__u8 first[16]; /* in6_u: the only member */
};

struct sock_common___sock {
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	__u16 skc_family;
	__u8 skc_state;
	struct in6_addr___sock skc_v6_daddr;
	struct in6_addr___sock skc_v6_rcv_saddr;
} SOCK_CORE;

struct kernfs_node___sock {
	__u64 id;
} SOCK_CORE;

struct cgroup___sock {
	struct kernfs_node___sock *kn;
} SOCK_CORE;

struct sock_cgroup_data___sock {
	struct cgroup___sock *cgroup;
} SOCK_CORE;

struct uid___sock {
	__u32 val;
};

struct sock___sock {
	struct sock_common___sock __sk_common;
	struct uid___sock sk_uid;
	struct sock_cgroup_data___sock sk_cgrp_data;
} SOCK_CORE;

struct tcp_sock___sock {
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 snd_una;
	__u32 write_seq;
	__u32 segs_in;
	__u32 segs_out;
} SOCK_CORE;

/*
 * What TCP says of a connection. What waits to be sent and acknowledged is taken for sent; the
 * SYN counts as a byte that was acknowledged.
 */
static __always_inline void sock_count_tcp(void *sk, struct flow *f)
{
	struct tcp_sock___sock *tp = sk;
	__u64 acked = BPF_CORE_READ(tp, bytes_acked);
	__u64 up = acked + BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);

	f->bytes_up = acked ? up - 1 : 0;
	f->bytes_down = BPF_CORE_READ(tp, bytes_received);
	f->packets_up = BPF_CORE_READ(tp, segs_out);
	f->packets_down = BPF_CORE_READ(tp, segs_in);
}

/* Was it decided by the connect hook of route capture, to go direct? */
static __always_inline int sock_is_routed(const struct sock_note *note)
{
	return note->verdict == VERDICT_DIRECT && note->capture == CAPTURE_TUN;
}

/* Notes such a decision; the source is not known yet. */
static __always_inline void sock_note_routed(struct sock_note *note, const struct addr *to,
					     __be16 port, __u8 proto, __u32 rule, __u32 epoch)
{
	struct flow_key key = { .daddr = *to, .dport = port, .proto = proto };
	struct flow f = {
		.verdict = VERDICT_DIRECT, .capture = CAPTURE_TUN, .rule = rule, .epoch = epoch
	};

	sock_note_decided(note, 0, &key, &f);
}

/* The flow that the socket carries now. 0, or -1: none. */
static __always_inline int sock_key(void *socket, __u8 proto, struct flow_key *key)
{
	struct sock___sock *sk = socket;
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u32 from, to;

	__builtin_memset(key, 0, sizeof(*key));
	key->proto = proto;
	key->sport = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
	key->dport = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if (!key->dport || !key->sport)
		return -1;
	if (family == SOCK_FAMILY_IP6) {
		BPF_CORE_READ_INTO(&key->saddr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&key->daddr, sk, __sk_common.skc_v6_daddr);
		return 0;
	}
	from = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	to = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	key->saddr.b[10] = key->saddr.b[11] = key->daddr.b[10] = key->daddr.b[11] = 0xff;
	__builtin_memcpy(key->saddr.b + 12, &from, sizeof(from));
	__builtin_memcpy(key->daddr.b + 12, &to, sizeof(to));
	return 0;
}

static __always_inline enum flow_state sock_state(void *socket, __u8 proto)
{
	struct sock___sock *sk = socket;
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (proto != PROTO_TCP || state == SOCK_ESTABLISHED)
		return FLOW_OPEN;
	return state == SOCK_SYN_SENT ? FLOW_OPENING : FLOW_CLOSING;
}

/* Enters the flow of a socket whose note says of what rule it is. */
static __always_inline void sock_enter(void *socket, const struct sock_note *note,
				       const struct flow_key *key)
{
	struct sock___sock *sk = socket;
	struct flow f = {
		.first_seen_ns = bpf_ktime_get_ns(),
		.cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id),
		.uid = BPF_CORE_READ(sk, sk_uid.val),
		.rule = note->rule,
		.epoch = note->epoch,
		.state = FLOW_OPENING,
		.capture = CAPTURE_TUN,
	};

	f.last_seen_ns = f.first_seen_ns;
	owner_fill(&f, note);
	direct_enter(key, &f);
}

/*
 * The entry in `direct_flows` of the socket's flow, made if there is none and brought up to
 * date; note->key is its key from then on. One of the same key that is closed is an older
 * flow's, unless it was the socket's before. NULL: there is no flow, or no memory.
 */
static __always_inline struct flow *sock_follow(void *socket, struct sock_note *note)
{
	struct flow_key key, earlier = note->key;
	struct flow *f;
	__u64 packets;
	int changed;

	if (sock_key(socket, earlier.proto, &key))
		return NULL;
	changed = !flow_key_same(&key, &earlier);
	if (changed) {
		f = earlier.sport ? direct_find(&earlier) : NULL;
		if (f && f->state != FLOW_CLOSED)
			direct_close(&earlier, f, END_FINISHED);
		note->key = key;
	}
	f = direct_find(&key);
	if (!f || (changed && f->state == FLOW_CLOSED)) {
		sock_enter(socket, note, &key);
		f = direct_find(&key);
	}
	if (!f)
		return NULL;
	packets = f->packets_up + f->packets_down;
	if (key.proto == PROTO_TCP)
		sock_count_tcp(socket, f);
	if (key.proto != PROTO_TCP || packets != f->packets_up + f->packets_down)
		f->last_seen_ns = bpf_ktime_get_ns();
	flow_set_state(f, sock_state(socket, key.proto));
	return f;
}

#endif
