/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the DNS programs share whatever their type is: the look-ups between the steps of
 * bpf/dns.h, counting and logging.
 *
 * Each step is a global function that looks its memory up for itself: the verifier goes
 * through it once, knowing nothing, and 6.1 takes no argument for a map's key. They are weak,
 * as more than one entry file has them.
 *
 * One query sees one generation: the state is copied when it comes, and an answer made while
 * the generation changed is thrown away.
 */
#ifndef BPF_DNS_RUN_H
#define BPF_DNS_RUN_H

#include "bpf/maps.h"

#define DNS_BUCKET(table, i) ((table) ? bpf_map_lookup_elem((void *)(table), &(i)) : NULL)

#include "bpf/classify.h"
#include "bpf/count.h"
#include "bpf/csum.h"
#include "bpf/dns.h"
#include "bpf/owner.h"

#define DNS_UDP_ROOM (UDP_HEADER_BYTES + DNS_BUFFER_BYTES)

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct dns_work);
	__uint(max_entries, 1);
} dns_work __weak SEC(".maps");

static __always_inline struct dns_work *dns_work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&dns_work, &zero);
}

static __always_inline struct dns_state *dns_state_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&dns_state, &zero);
}

/* The epoch comes first: what it names was there before it. */
static __always_inline int dns_begin(struct dns_work *w)
{
	struct dns_state *s = dns_state_get();

	if (!s || !s->enabled)
		return -1;
	w->state.epoch = *(volatile __u64 *)&s->epoch;
	w->state.seed[0] = s->seed[0];
	w->state.seed[1] = s->seed[1];
	w->state.block_ttl[0] = s->block_ttl[0];
	w->state.block_ttl[1] = s->block_ttl[1];
	w->state.buckets[0] = s->buckets[0];
	w->state.buckets[1] = s->buckets[1];
	w->now_ns = bpf_ktime_get_coarse_ns();
	return 0;
}

static __always_inline int dns_epoch_holds(const struct dns_work *w)
{
	struct dns_state *s = dns_state_get();

	return s && *(volatile __u64 *)&s->epoch == w->state.epoch;
}

/* Reads the packet, of which `size` bytes are in w->in. */
__weak __noinline int dns_step_read(__u32 ip_bytes, __u32 size)
{
	struct dns_work *w = dns_work_get();

	if (!w || dns_read_ip(w, ip_bytes, size))
		return -1;
	return dns_read_message(w);
}

/* The client's policy: its number and flags of its prefix, or -1. */
static __always_inline __s64 dns_client_get(const struct dns_work *w)
{
	struct dns_client_key key = { .bits = 128 };
	__u32 which = w->state.epoch & 1, *policy;
	void *clients;

	clients = bpf_map_lookup_elem(&dns_clients, &which);
	if (!clients)
		return -1;
	__builtin_memcpy(key.addr, w->packet.saddr.b, sizeof(key.addr));
	policy = bpf_map_lookup_elem(clients, &key);
	return policy ? *policy : -1;
}

static __always_inline struct dns_policy *dns_policy_get(const struct dns_work *w)
{
	__u32 at = (w->state.epoch & 1) * DNS_POLICIES_MAX + w->policy;

	return bpf_map_lookup_elem(&dns_policies, &at);
}

/* What a step of the loop over labels needs. */
struct dns_walk {
	struct dns_work *w;
	const struct dns_policy *policy;
	const void *table;
};

/* Labels from the last on; bpf_loop(), as the verifier looks at its body once. */
static long dns_walk_label(__u32 i, struct dns_walk *walk)
{
	dns_match_label(walk->w, walk->policy, walk->table, walk->w->labels - 1 - i);
	return 0;
}

/* What the client's policy does with the query: w->action. */
__weak __noinline int dns_step_decide(void)
{
	struct dns_walk walk = { .w = dns_work_get() };
	__u32 which;

	if (!walk.w)
		return -1;
	walk.policy = dns_policy_get(walk.w);
	if (!walk.policy)
		return -1;
	which = walk.w->state.epoch & 1;
	walk.table = bpf_map_lookup_elem(&dns_names, &which);
	dns_match_root(walk.w, walk.policy, walk.table);
	if (bpf_loop(walk.w->labels, dns_walk_label, &walk, 0) < 0)
		return -1;
	dns_decide_query(walk.w, walk.policy);
	return 0;
}

/*
 * From `dns_answers`. The count of hits takes its old value, which makes it a full barrier:
 * both checks are read when all else has been.
 */
__weak __noinline int dns_step_copy(void)
{
	struct dns_work *w = dns_work_get();
	struct dns_answer_key key;
	struct dns_answer *a;
	__u64 check, hits;

	if (!w || dns_key(w, &key))
		return -1;
	a = bpf_map_lookup_elem(&dns_answers, &key);
	if (!a)
		return -1;
	check = *(volatile __u64 *)&a->check;
	if (dns_answer_copy(w, a))
		return -1;
	hits = __sync_fetch_and_add(&a->hits, 1);
	PARSE_HIDE(hits);
	return *(volatile __u64 *)&a->check == check && *(volatile __u64 *)&a->check_end == check ?
		       0 :
		       -1;
}

__weak __noinline int dns_step_block(void)
{
	struct dns_work *w = dns_work_get();

	return w ? dns_block_answer(w) : -1;
}

__weak __noinline int dns_step_finish(void)
{
	struct dns_work *w = dns_work_get();

	if (!w || dns_finish(w))
		return -1;
	dns_put_headers(w);
	return 0;
}

/* The packet in w->in has been read and may be answered: makes the answer in w->out. */
static __always_inline int dns_answer(struct dns_work *w, __u32 client)
{
	w->policy = client & DNS_CLIENT_POLICY;
	if (w->policy >= DNS_POLICIES_MAX || dns_step_decide())
		return -1;
	switch (w->action) {
	case DNS_PASS:
		if (dns_step_copy())
			return -1;
		break;
	case DNS_NXDOMAIN:
	case DNS_ZERO:
	case DNS_NODATA:
	case DNS_REFUSED:
		if (dns_step_block())
			return -1;
		break;
	default:
		return -1;
	}
	return dns_step_finish() || !dns_epoch_holds(w) ? -1 : 0;
}

/* Who asked, where the query's socket is one of this host. */
static __always_inline void dns_log_owner(struct dns_log_entry *e, struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct sock_note *note;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return;
	e->uid = bpf_get_socket_uid(skb);
	note = sock_note_find(skb, sk);
	if (!note)
		return;
	e->pid = note->pid;
	__builtin_memcpy(e->comm, note->comm, sizeof(e->comm));
}

/* Nobody is woken for it: whoever shows the log reads it now and then. skb: NULL with XDP. */
static __always_inline void dns_log_put(const struct dns_work *w, struct __sk_buff *skb)
{
	struct dns_log_entry *e = bpf_ringbuf_reserve(&dns_log, sizeof(*e), 0);

	if (!e) {
		count_stat(STAT_DNS_LOG_LOST, 1);
		return;
	}
	e->time_ns = w->now_ns;
	e->client = w->packet.saddr;
	__builtin_memcpy(&e->port, w->in.udp, sizeof(e->port));
	e->type = w->type;
	e->rcode = w->out.msg[3] & 0xf;
	e->action = w->action;
	e->rule = w->rule;
	e->policy = w->policy;
	e->uid = DNS_UID_UNKNOWN;
	e->pid = 0;
	__builtin_memset(e->comm, 0, sizeof(e->comm));
	__builtin_memset(e->pad, 0, sizeof(e->pad));
	if (skb)
		dns_log_owner(e, skb);
	e->name_len = w->name_len;
	__builtin_memcpy(e->name, __builtin_assume_aligned(w->in.msg + DNS_HEADER_BYTES, 8),
			 sizeof(e->name));
	bpf_ringbuf_submit(e, 0);
}

/* The answer is on its way. */
static __always_inline void dns_tell(const struct dns_work *w, struct __sk_buff *skb)
{
	count_stat(w->action == DNS_PASS ? STAT_DNS_ANSWERED : STAT_DNS_BLOCKED, 1);
	dns_log_put(w, skb);
}

/* Sum of a packet's UDP header and message of `len` bytes. */
static __always_inline __u32 dns_udp_sum(struct dns_buffer *b, __u32 len)
{
	return csum_bytes(b->udp, UDP_HEADER_BYTES + len, DNS_UDP_ROOM, 0);
}

/* Sum of the pseudo header of a packet whose message has `len` bytes. */
static __always_inline __u32 dns_pseudo_sum(const struct dns_work *w, struct dns_buffer *b,
					    __u32 len)
{
	if (w->packet.version == 4)
		return csum_pseudo(dns_ip4(b) + 12, 8, PROTO_UDP, UDP_HEADER_BYTES + len);
	return csum_pseudo(b->ip + 8, 32, PROTO_UDP, UDP_HEADER_BYTES + len);
}

/* The answer's whole checksum; 0 stands for "none" (RFC 768), so it is the other zero. */
static __always_inline void dns_put_checksum(struct dns_work *w)
{
	__u32 sum = dns_pseudo_sum(w, &w->out, w->out_len);
	__u16 folded;

	sum = csum_bytes(w->out.udp, UDP_HEADER_BYTES + w->out_len, DNS_UDP_ROOM, sum);
	folded = csum_fold(sum);
	if (!folded)
		folded = 0xffff;
	__builtin_memcpy(w->out.udp + 6, &folded, sizeof(folded));
}

/* --- Ethernet devices -------------------------------------------------------------------- */

/* Was the query sent to one of our listeners, by somebody who may ask it? -1 = no. */
static __always_inline __s64 dns_client_there(const struct dns_work *w)
{
	struct dns_local_key key = { .addr = w->packet.daddr };
	struct settings *s = settings_get();
	__s64 client;

	/* what a killed main has left on a device lets everything pass */
	if (!s || s->heartbeat_ns + HEARTBEAT_STALE_NS < w->now_ns)
		return -1;
	__builtin_memcpy(&key.port, w->in.udp + 2, sizeof(key.port));
	if (!bpf_map_lookup_elem(&dns_local, &key))
		return -1;
	client = dns_client_get(w);
	if (client < 0)
		return -1;
	return client & DNS_CLIENT_ALLOWED || dns_client_near(&w->packet) ? client : -1;
}

#endif
