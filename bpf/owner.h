/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is noted with a socket: the process that made or connected it (bpf/owner.bpf.c), and
 * what was last decided about its packets, so that a packet of a direct flow needs no look.
 *
 * Of the owner only one program writes, in the context of the process; it may be read torn by
 * a packet that another process sends at the very moment of a connect(), which shows a name
 * for a moment and decides about nothing that the new connection sends.
 *
 * The decision has several writers (a UDP socket sends on all CPUs) and is what lets packets
 * pass, so it must be whole: writers take `lock` or go without, and `turn` is odd while one
 * writes and another one afterwards, which readers compare.
 *
 * A short connection would pay more for the memory of its note than for all else that it costs
 * here. So on a host (without route capture, whose flows are found by the sockets' storage) a
 * TCP socket's is in the array `sock_ring`, at its cookie modulo the array's size:
 * cookies are numbers in a row, given when somebody asks for one, and each is a single socket's
 * for ever. It stays there behind the socket's end, for what is still sent, until another
 * socket needs the place. Where that is in use by one that is open, as with all other sockets,
 * the note is socket storage. Who finds it in the array has to see its cookie there afterwards.
 */
#ifndef BPF_OWNER_H
#define BPF_OWNER_H

#include "bpf/contract.h"

#define SOCK_AGAIN 1U /* a TCP socket that was connected before, elsewhere perhaps */
#define SOCK_OVER 2U /* the socket was closed */

struct sock_note {
	__u64 cookie; /* in sock_ring: whose it is, 0 = nobody's; in sock_notes 0 */
	/* the last decision, with `key` */
	__u32 epoch; /* of the rules that decided */
	__u32 rule; /* place from 1, 0 = the fallback */
	__u8 verdict; /* enum verdict */
	__u8 capture; /* enum capture_point */
	__u8 flags; /* FLOW_INBOUND, FLOW_OLDER */
	__u8 life; /* SOCK_AGAIN, SOCK_OVER */
	__u32 lock; /* 1 = somebody writes the decision */
	__u32 turn;
	__u32 ticks; /* jiffies when it was last asked whether it is time to fold */
	/* sent since the flow's entry in `direct_flows` was brought up to date (not of TCP) */
	__u64 bytes;
	__u64 packets;
	__u64 folded_ns; /* when it was: bpf_ktime_get_coarse_ns() */
	/* the owner */
	__u64 exe_inode; /* of the executable, 0 = not known */
	struct flow_key key; /* all of it, or proto 0 = nothing decided */
	__u32 exe_device; /* MAJOR << 20 | MINOR, as the kernel has it */
	__u32 pid; /* thread group, 0 = not known: the socket is older than we are */
	__u8 comm[COMM_BYTES];
};
CONTRACT_SIZE(struct sock_note, 128);

#ifdef __bpf__
#include "bpf/maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __s32);
	__type(value, struct sock_note);
} sock_notes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct sock_note);
	__uint(max_entries, SOCK_RING); /* (load) or 1: not used */
} sock_ring __weak SEC(".maps");

static __always_inline struct sock_note *sock_ring_at(__u64 cookie)
{
	__u32 at = cookie & (SOCK_RING - 1);

	return bpf_map_lookup_elem(&sock_ring, &at);
}

/* Is the note still the one of that socket, 0 = of a socket with storage? */
static __always_inline int sock_note_of(const struct sock_note *note, __u64 cookie)
{
	PARSE_MERGE();
	return *(const volatile __u64 *)&note->cookie == cookie;
}

/* The note in sock_ring; NULL = there is none. */
static __always_inline struct sock_note *sock_ring_find(__u64 cookie)
{
	struct sock_note *note = sock_ring_at(cookie);

	return note && note->cookie == cookie ? note : NULL;
}

/* Note of a full socket that has storage, NULL if there is none. */
static __always_inline struct sock_note *sock_note_stored(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&sock_notes, sk, 0, 0);
}

/* The same with storage made; NULL = no memory. */
static __always_inline struct sock_note *sock_note_store(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&sock_notes, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
}

/* The note of a full socket, the context's; NULL if there is none. */
static __always_inline struct sock_note *sock_note_find(void *ctx, struct bpf_sock *sk)
{
	struct sock_note *note = NULL;

	if (sk->protocol == PROTO_TCP)
		note = sock_ring_find(bpf_get_socket_cookie(ctx));
	return note ? note : sock_note_stored(sk);
}

/*
 * Takes the place in sock_ring for a socket that is about to be connected, nothing decided;
 * NULL = it is in use.
 */
static __always_inline struct sock_note *sock_ring_take(__u64 cookie)
{
	struct sock_note *note = sock_ring_at(cookie);

	if (!note || __sync_val_compare_and_swap(&note->lock, 0, 1))
		return NULL;
	if (note->cookie && note->cookie != cookie && !(note->life & SOCK_OVER)) {
		__sync_val_compare_and_swap(&note->lock, 1, 0);
		return NULL;
	}
	__sync_fetch_and_add(&note->turn, 1);
	note->verdict = VERDICT_NONE;
	note->key.proto = 0;
	note->life = note->cookie == cookie ? SOCK_AGAIN : 0;
	note->cookie = cookie;
	__sync_fetch_and_add(&note->turn, 1);
	__sync_val_compare_and_swap(&note->lock, 1, 0);
	return note;
}

static __always_inline int flow_key_same(const struct flow_key *a, const struct flow_key *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

/* A moment of the decision to compare with sock_note_still(); odd: it is being written. */
static __always_inline __u32 sock_note_turn(const struct sock_note *note)
{
	__u32 turn = *(const volatile __u32 *)&note->turn;

	PARSE_MERGE();
	return turn;
}

/* Was what was read since `turn` one decision? */
static __always_inline int sock_note_still(const struct sock_note *note, __u32 turn)
{
	PARSE_MERGE();
	return !(turn & 1) && *(const volatile __u32 *)&note->turn == turn;
}

/*
 * Notes what was decided about `key`: f has verdict, capture, flags, rule and epoch. cookie: of
 * the socket whose note it was when it was found, 0 with storage.
 */
static __always_inline void sock_note_decided(struct sock_note *note, __u64 cookie,
					      const struct flow_key *key, const struct flow *f)
{
	if (__sync_val_compare_and_swap(&note->lock, 0, 1))
		return; /* another packet's decision: this one's is made again when it comes to it */
	if (!sock_note_of(note, cookie)) {
		__sync_val_compare_and_swap(&note->lock, 1, 0);
		return;
	}
	__sync_fetch_and_add(&note->turn, 1);
	note->key = *key;
	note->epoch = f->epoch;
	note->rule = f->rule;
	note->verdict = f->verdict;
	note->capture = f->capture;
	note->flags = f->flags;
	__sync_fetch_and_add(&note->turn, 1);
	__sync_val_compare_and_swap(&note->lock, 1, 0);
}

/* What a flow's entry says of its owner; uid and cgroup come from the skb. */
static __always_inline void owner_fill(struct flow *f, const struct sock_note *note)
{
	f->pid = note->pid;
	__builtin_memcpy(f->comm, note->comm, sizeof(f->comm));
}

/* What rules may ask of the owner. */
static __always_inline void owner_facts(struct rule_facts *facts, const struct sock_note *note)
{
	if (!note->pid)
		return;
	__builtin_memcpy(facts->comm, note->comm, sizeof(facts->comm));
	facts->known |= 1U << RULE_COMM;
	if (!note->exe_inode)
		return;
	facts->exe_inode = note->exe_inode;
	facts->exe_device = note->exe_device;
	facts->known |= 1U << RULE_EXE;
}

#endif

#endif
