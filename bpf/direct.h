/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows that pass as they are: `direct_flows`, or `sock_flows` where the note of a flow's socket
 * is in `sock_ring`, from which everything that shows flows reads; and the notes on flows that
 * were opened from outside: of UDP, and of LAN clients also TCP's and pings, whose answers anybody
 * there could write.
 *
 * States are those of bpf/flow.h. An entry stays when its flow has closed, for main to remove
 * (datapath/aging.c), or for another socket's; one that the table had to forget is entered again
 * by the flow's next packet that is looked at.
 */
#ifndef BPF_DIRECT_H
#define BPF_DIRECT_H

#include "bpf/count.h"
#include "bpf/flow.h"
#include "bpf/maps.h"
#include "bpf/owner.h"

#define UDP_FRESH_NS 120000000000ULL /* RFC 4787, 4.3: REQ-5 */

/* Key: the flow from the inside's point of view. Of a flow that was opened from outside. */
struct inbound_note {
	__u64 last_ns; /* bpf_ktime_get_coarse_ns() */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow_key);
	__type(value, struct inbound_note);
	__uint(max_entries, INBOUND_NOTES_MAX);
} inbound_notes __weak SEC(".maps");

static __always_inline struct flow *direct_find(const struct flow_key *key)
{
	return bpf_map_lookup_elem(&direct_flows, key);
}

static __always_inline struct sock_flow *sock_flow_at(__u64 cookie)
{
	__u32 at = cookie & (SOCK_RING - 1);

	return bpf_map_lookup_elem(&sock_flows, &at);
}

/* The flow that the note tells of; NULL: its table had to forget it. */
static __always_inline struct flow *direct_noted(const struct sock_note *note)
{
	struct flow_key key = note->key;
	struct sock_flow *entry;

	if (!note->cookie)
		return direct_find(&key);
	entry = sock_flow_at(note->cookie);
	return entry && entry->cookie == note->cookie ? &entry->flow : NULL;
}

/* A flow of the socket that has this note (NULL: of no socket). */
static __always_inline struct flow *direct_of(const struct sock_note *note,
					      const struct flow_key *key)
{
	struct sock_flow *entry = note && note->cookie ? sock_flow_at(note->cookie) : NULL;

	if (entry)
		return entry->cookie == note->cookie && flow_key_same(&entry->key, key) ?
			       &entry->flow :
			       NULL;
	return direct_find(key);
}

static __always_inline int direct_is_followed(void)
{
	struct settings *s = settings_get();

	return s && s->tell_direct;
}

/* Enters a flow that passes, and that has been counted; an older one of that key makes place. */
static __always_inline void direct_enter(const struct flow_key *key, struct flow *f)
{
	f->verdict = VERDICT_DIRECT;
	bpf_map_update_elem(&direct_flows, key, f, BPF_ANY);
	if (direct_is_followed())
		flow_tell_new(key, f);
}

/* The same at a socket's place in sock_flows. */
static __always_inline void direct_place(struct sock_flow *entry, __u64 cookie,
					 const struct flow_key *key, struct flow *f)
{
	f->verdict = VERDICT_DIRECT;
	*(volatile __u64 *)&entry->cookie = 0;
	entry->key = *key;
	entry->flow = *f;
	PARSE_MERGE();
	*(volatile __u64 *)&entry->cookie = cookie;
	if (direct_is_followed())
		flow_tell_new(key, f);
}

/* Enters one that was just decided, of the socket that has this note (NULL: of no socket). */
static __always_inline void direct_open(const struct sock_note *note, const struct flow_key *key,
					struct flow *f)
{
	__u64 cookie = note ? note->cookie : 0;
	struct sock_flow *entry = cookie ? sock_flow_at(cookie) : NULL;

	count_stat(STAT_DIRECT_FLOWS, 1);
	if (entry)
		direct_place(entry, cookie, key, f);
	else
		direct_enter(key, f);
}

/* Tells how a flow ended. Once: its state becomes FLOW_CLOSED by it. */
static __always_inline void direct_close(const struct flow_key *key, struct flow *f,
					 enum flow_end end)
{
	f->state = FLOW_CLOSED;
	if (direct_is_followed())
		flow_tell_end(key, f, NULL, end);
}

/*
 * Brings the entry of the flow that was noted last up to date; before another flow is noted in
 * its place, and at most once a second otherwise. NULL: the table had to forget it.
 */
static __always_inline struct flow *direct_fold(struct sock_note *note)
{
	struct flow *f = direct_noted(note);

	note->folded_ns = bpf_ktime_get_coarse_ns();
	if (f && note->packets)
		flow_add(f, 1, __sync_lock_test_and_set(&note->bytes, 0),
			 __sync_lock_test_and_set(&note->packets, 0));
	return f;
}

/* Counts and follows x->packet, of the flow f whose key is x->key. */
static __always_inline void direct_follow(struct scratch *x, struct flow *f, int up)
{
	const struct packet *p = &x->packet;
	int open = f->state != FLOW_CLOSED;

	flow_add(f, up, x->payload, x->segments);
	if (p->fragment_offset)
		return;
	if (up)
		flow_follow_up(f, p);
	else
		flow_follow_down(f, p);
	if (!open || f->state != FLOW_CLOSED)
		return;
	if (!(p->tcp_flags & TCP_FLAG_RST))
		direct_close(&x->key, f, END_FINISHED);
	else
		direct_close(&x->key, f, up ? END_APP_RESET : END_UPSTREAM_RESET);
}

/* Was the flow opened from outside, and lately enough? */
static __always_inline int inbound_noted(const struct flow_key *key)
{
	struct inbound_note *note = bpf_map_lookup_elem(&inbound_notes, key);

	return note && bpf_ktime_get_coarse_ns() - note->last_ns < UDP_FRESH_NS;
}

/* The socket that gets what is sent to `key`'s own side from its other one; to be released. */
static __always_inline struct bpf_sock *udp_receiver(struct __sk_buff *skb,
						     const struct flow_key *key)
{
	int v4 = addr_mapped(&key->daddr);
	struct bpf_sock_tuple tuple = {};

	if (v4) {
		__builtin_memcpy(&tuple.ipv4.saddr, key->daddr.b + 12, 4);
		__builtin_memcpy(&tuple.ipv4.daddr, key->saddr.b + 12, 4);
		tuple.ipv4.sport = key->dport;
		tuple.ipv4.dport = key->sport;
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, key->daddr.b, 16);
		__builtin_memcpy(tuple.ipv6.daddr, key->saddr.b, 16);
		tuple.ipv6.sport = key->dport;
		tuple.ipv6.dport = key->sport;
	}
	return bpf_sk_lookup_udp(skb, &tuple, v4 ? sizeof(tuple.ipv4) : sizeof(tuple.ipv6),
				 BPF_F_CURRENT_NETNS, 0);
}

/*
 * Who on this host would get a datagram from outside: 0 = nobody or one of our own sockets,
 * or one that has been sending to there: no flow that was opened from outside.
 */
static __always_inline int inbound_wanted(struct __sk_buff *skb, const struct flow_key *key)
{
	struct settings *s = settings_get();
	struct bpf_sock *sk = udp_receiver(skb, key);
	struct sock_note *note;
	int wanted;

	if (!sk)
		return 0;
	note = sock_note_stored(sk);
	wanted = (!s || !s->mark || sk->mark != s->mark) &&
		 (!note || !note->verdict || !flow_key_same(&note->key, key));
	bpf_sk_release(sk);
	return wanted;
}

/*
 * A packet from outside that opens a flow, and is of no direct one; key: the flow as the inside
 * sees it. to_host: it ends at a socket of this host. What the inside has opened is not noted.
 */
static __always_inline void inbound_seen(struct __sk_buff *skb, const struct flow_key *key,
					 int to_host)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	struct inbound_note *found = bpf_map_lookup_elem(&inbound_notes, key);
	struct inbound_note note = { .last_ns = now };

	if (found && now - found->last_ns < UDP_FRESH_NS) {
		found->last_ns = now;
		return;
	}
	if (bpf_map_lookup_elem(&direct_flows, key) || bpf_map_lookup_elem(&flows, key))
		return;
	if (!to_host || inbound_wanted(skb, key))
		bpf_map_update_elem(&inbound_notes, key, &note, BPF_ANY);
}

#endif
