/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The flow table: entering, counting and following flows. All of it works on the packet,
 * key and decision that the programs left in the scratch memory.
 *
 * States as packets show them (enum flow_state):
 *
 *   state    event                          next
 *   -------  -----------------------------  ---------------------------------------
 *   (none)   SYN, datagram, echo request    OPENING, EVENT_FLOW_NEW
 *   (none)   any other TCP segment          (none): passed on, STAT_UNTRACKED
 *   OPENING  anything to the application    OPEN
 *   any      FIN                            CLOSING
 *   CLOSING  FIN of the other side          CLOSED
 *   any      RST                            CLOSED
 *   CLOSING, SYN from the application       EVENT_FLOW_END for the old flow, OPENING
 *   CLOSED
 *
 * Otherwise flow_end() of bpf/call.bpf.c removes an entry, and decide_end() of bpf/decide.h where
 * new rules want the flow elsewhere. A state never goes back.
 */
#ifndef BPF_FLOW_H
#define BPF_FLOW_H

#include "bpf/admit.h"
#include "bpf/count.h"
#include "bpf/fib.h"
#include "bpf/maps.h"
#include "bpf/owner.h"

#define FLOW_EEXIST 17

static __always_inline void flow_set_state(struct flow *f, enum flow_state state)
{
	if (f->state < state)
		f->state = state;
}

/* Payload and packets of the skb whose parsed form is x->packet. */
static __always_inline void flow_measure(struct __sk_buff *skb, struct scratch *x)
{
	__u32 size = skb->gso_size, segments = skb->gso_segs;

	x->payload = x->packet.total_len - x->packet.payload_offset;
	if (!segments && size)
		segments = (x->payload + size - 1) / size;
	x->segments = segments ? segments : 1;
}

/* Not inlined, so that the record's type is in BTF for whoever reads the ring. */
static __noinline void flow_event_start(struct flow_event *e, __u32 type,
					const struct flow_key *key, const struct flow *f)
{
	e->time_ns = bpf_ktime_get_ns();
	e->type = type;
	e->pad = 0;
	e->key = *key;
	e->flow = *f;
}

static __always_inline void flow_tell_new(const struct flow_key *key, const struct flow *f)
{
	struct flow_event *e;

	e = bpf_ringbuf_reserve(&events, __builtin_offsetof(struct flow_event, info), 0);
	if (!e) {
		count_stat(STAT_EVENTS_LOST, 1);
		return;
	}
	flow_event_start(e, EVENT_FLOW_NEW, key, f);
	bpf_ringbuf_submit(e, 0);
}

/* info = NULL: nothing is known of the flow but its end. */
static __always_inline void flow_tell_end(const struct flow_key *key, const struct flow *f,
					  const struct flow_info *info, enum flow_end end)
{
	struct flow_event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		count_stat(STAT_EVENTS_LOST, 1);
		return;
	}
	flow_event_start(e, EVENT_FLOW_END, key, f);
	if (info)
		e->info = *info;
	else
		__builtin_memset(&e->info, 0, sizeof(e->info));
	e->info.end = end;
	e->info.slot = f->queue;
	bpf_ringbuf_submit(e, 0);
}

/* Whose packet it is: its socket's user and cgroup, and the process noted with it. */
static __always_inline void flow_fill_owner(struct __sk_buff *skb, struct flow *f)
{
	struct bpf_sock *sk = skb->sk;
	struct sock_note *note;

	f->cgroup_id = bpf_skb_cgroup_id(skb);
	f->uid = bpf_get_socket_uid(skb);
	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	note = sk ? sock_note_find(skb, sk) : NULL;
	if (note)
		owner_fill(f, note);
}

/* x->fresh: the flow that x->packet opens. */
static __always_inline void flow_fill(struct __sk_buff *skb, struct scratch *x)
{
	struct flow *f = &x->fresh;

	__builtin_memset(f, 0, sizeof(*f));
	f->first_seen_ns = bpf_ktime_get_ns();
	f->last_seen_ns = f->first_seen_ns;
	f->bytes_up = x->payload;
	f->packets_up = x->segments;
	flow_fill_owner(skb, f);
	f->ifindex = x->from.ifindex;
	f->rule = x->from.rule;
	f->epoch = x->from.epoch;
	__builtin_memcpy(f->mac, x->from.mac, sizeof(f->mac));
	f->verdict = x->decision.verdict;
	f->capture = x->from.point;
	f->queue = x->decision.slot;
}

/* Is it the same client's address, and known? */
static __always_inline int flow_same_client(const struct flow *f, const struct capture_note *from)
{
	int i, known = 0, differs = 0;

	for (i = 0; i < (int)sizeof(f->mac); i++) {
		known |= from->mac[i];
		differs |= f->mac[i] ^ from->mac[i];
	}
	return known && !differs;
}

/*
 * A flow whose packets leave by another device now is answered there. A client's is so if it is
 * he who has moved: he has his MAC address still, or the kernel, too, looks for him there. Who
 * merely sends by his address gets none of his answers.
 */
static __always_inline void flow_move(struct __sk_buff *skb, struct flow *f,
				      const struct scratch *x)
{
	if (f->ifindex == x->from.ifindex)
		return;
	if ((f->capture == CAPTURE_LAN || x->from.point == CAPTURE_LAN) &&
	    !flow_same_client(f, &x->from) && !fib_agrees(skb))
		return;
	f->ifindex = x->from.ifindex;
	f->capture = x->from.point;
	__builtin_memcpy(f->mac, x->from.mac, sizeof(f->mac));
}

/* Adds to the counters of one direction. */
static __always_inline void flow_add(struct flow *f, int up, __u64 bytes, __u64 packets)
{
	__u64 now = bpf_ktime_get_coarse_ns();

	__sync_fetch_and_add(up ? &f->bytes_up : &f->bytes_down, bytes);
	__sync_fetch_and_add(up ? &f->packets_up : &f->packets_down, packets);
	if (now > f->last_seen_ns)
		f->last_seen_ns = now;
}

static __always_inline void flow_count_up(struct flow *f, const struct scratch *x)
{
	flow_add(f, 1, x->payload, x->segments);
}

static __always_inline void flow_count_down(struct flow *f, const struct scratch *x)
{
	flow_add(f, 0, x->payload, x->segments);
}

static __always_inline void flow_follow_up(struct flow *f, const struct packet *p)
{
	if (p->proto != PROTO_TCP)
		return;
	if (p->tcp_flags & TCP_FLAG_FIN) {
		f->fin_up = 1;
		flow_set_state(f, f->fin_down ? FLOW_CLOSED : FLOW_CLOSING);
	}
	if (p->tcp_flags & TCP_FLAG_RST)
		flow_set_state(f, FLOW_CLOSED);
}

static __always_inline void flow_follow_down(struct flow *f, const struct packet *p)
{
	flow_set_state(f, FLOW_OPEN);
	if (p->proto != PROTO_TCP)
		return;
	if (p->tcp_flags & TCP_FLAG_FIN) {
		f->fin_down = 1;
		flow_set_state(f, f->fin_up ? FLOW_CLOSED : FLOW_CLOSING);
	}
	if (p->tcp_flags & TCP_FLAG_RST)
		flow_set_state(f, FLOW_CLOSED);
}

/*
 * The application opens a 5-tuple anew whose old flow its role has not ended yet: the role's
 * reason counts if it gave one.
 */
static __always_inline void flow_replace(struct scratch *x, const struct flow *old)
{
	struct flow_info *info = bpf_map_lookup_elem(&flow_info, &x->key);
	enum flow_end end = old->fin_up && old->fin_down ? END_FINISHED : END_REPLACED;

	if (info && info->end)
		end = info->end;
	flow_tell_end(&x->key, old, info, end);
	bpf_map_delete_elem(&flow_info, &x->key);
	bpf_map_delete_elem(&flows, &x->key);
	count_stat(STAT_FLOWS_CLOSED, 1);
}

/* A segment that comes late must not pass for one of a flow older than we are. */
static __always_inline void flow_note_past(const struct flow_key *key, const struct flow *f)
{
	__u64 now = bpf_ktime_get_ns();

	if (key->proto == PROTO_TCP && f->capture != CAPTURE_TUN)
		bpf_map_update_elem(&past_flows, key, &now, BPF_ANY);
}

#define FRAGMENT_PASSED 1U /* in `pad` of the key that `fragments` has */

static __always_inline void fragment_key_fill(struct scratch *x)
{
	x->fragment.saddr = x->packet.saddr;
	x->fragment.daddr = x->packet.daddr;
	x->fragment.id = x->packet.fragment_id;
	x->fragment.proto = x->packet.version == 4 ? x->packet.proto : 0;
	x->fragment.pad[0] = x->fragment.pad[1] = x->fragment.pad[2] = 0;
}

static __always_inline void fragment_note(struct scratch *x)
{
	fragment_key_fill(x);
	bpf_map_update_elem(&fragments, &x->fragment, &x->key, BPF_ANY);
}

/* The first one passes, whatever the rules say: so will the later ones. */
static __always_inline void fragment_note_passed(struct scratch *x)
{
	packet_key_up(&x->packet, &x->key);
	x->key.pad[0] = FRAGMENT_PASSED;
	fragment_note(x);
	x->key.pad[0] = 0;
}

/* Flow of a later fragment, NULL if its first was not seen. */
static __always_inline struct flow *fragment_flow(struct scratch *x)
{
	struct flow_key *key;

	fragment_key_fill(x);
	key = bpf_map_lookup_elem(&fragments, &x->fragment);
	return key ? bpf_map_lookup_elem(&flows, key) : NULL;
}

/* Enters x->key. 0, or -DROP_FLOW_CAP. Of two CPUs with one new flow the second counts. */
static __always_inline int flow_enter(struct __sk_buff *skb, struct scratch *x)
{
	struct flow *f;
	long err;

	flow_fill(skb, x);
	err = bpf_map_update_elem(&flows, &x->key, &x->fresh, BPF_NOEXIST);
	if (err == -FLOW_EEXIST) {
		f = bpf_map_lookup_elem(&flows, &x->key);
		if (f)
			flow_count_up(f, x);
		return 0;
	}
	if (err)
		return -DROP_FLOW_CAP;
	count_stat(STAT_FLOWS_NEW, 1);
	flow_tell_new(&x->key, &x->fresh);
	return 0;
}

/*
 * Counts a packet from the application, opening its flow. 0 or -drop_reason: full, or not
 * admitted by the client's policy.
 */
static __always_inline int flow_up(struct __sk_buff *skb, struct scratch *x)
{
	struct packet *p = &x->packet;
	struct flow *f;
	int err = 0, opens;

	if (p->fragment_offset) {
		f = fragment_flow(x);
		if (f)
			flow_count_up(f, x);
		else
			count_stat(STAT_UNTRACKED, 1);
		return 0;
	}
	if (packet_is_icmp(p) && !packet_is_echo_request(p)) {
		count_stat(STAT_UNTRACKED, 1);
		return 0;
	}
	packet_key_up(p, &x->key);
	f = bpf_map_lookup_elem(&flows, &x->key);
	opens = p->proto == PROTO_TCP ? packet_opens_tcp(p) : !f;
	if (opens && (!f || f->state >= FLOW_CLOSING)) {
		err = flow_admit(x);
		if (err)
			return err;
		if (f)
			flow_replace(x, f);
		f = NULL;
	}
	if (f) {
		flow_count_up(f, x);
		flow_follow_up(f, p);
		flow_move(skb, f, x);
	} else if (opens) {
		err = flow_enter(skb, x);
	} else {
		count_stat(STAT_UNTRACKED, 1);
	}
	if (p->is_fragment && !err)
		fragment_note(x);
	return err;
}

/* Key of the flow that the packet at `at` in x->head was of, as its application sent it. */
static __always_inline int flow_key_quoted(struct scratch *x, __u32 at)
{
	__u32 l4 = at + IP6_HEADER_BYTES;
	struct flow_key *key = &x->key;
	__u8 *ip = x->head + at;
	int id;

	__builtin_memset(key, 0, sizeof(*key));
	if (x->packet.version == 4) {
		l4 = at + (ip[0] & 15) * 4;
		parse_mapped(&key->saddr, ip + 12);
		parse_mapped(&key->daddr, ip + 16);
		key->proto = ip[9];
	} else {
		__builtin_memcpy(key->saddr.b, ip + 8, 16);
		__builtin_memcpy(key->daddr.b, ip + 24, 16);
		key->proto = ip[6];
	}
	PARSE_HIDE(l4);
	if (l4 > PARSE_HEAD_MAX - ICMP_HEADER_BYTES)
		return -1;
	if (l4 + ICMP_HEADER_BYTES > x->packet.total_len)
		return -1;
	id = key->proto == PROTO_ICMP || key->proto == PROTO_ICMP6;
	parse_port(&key->sport, x->head + l4 + (id ? 4 : 0));
	if (!id)
		parse_port(&key->dport, x->head + l4 + 2);
	return 0;
}

/* The flow that an ICMP error is about. */
static __always_inline struct flow *flow_quoted(struct scratch *x)
{
	__u32 at = x->packet.payload_offset;

	PARSE_HIDE(at);
	if (at > PARSE_HEAD_MAX - IP6_HEADER_BYTES || flow_key_quoted(x, at))
		return NULL;
	return bpf_map_lookup_elem(&flows, &x->key);
}

/* What tun_ingress has to know of the flow: where it was captured. */
static __always_inline void flow_from(struct scratch *x, const struct flow *f)
{
	x->from.point = f->capture;
	x->from.ifindex = f->ifindex;
	__builtin_memcpy(x->from.mac, f->mac, sizeof(f->mac));
}

/* Counts a packet to the application; x->from: where its flow was captured, if it has one. */
static __always_inline void flow_down(struct scratch *x)
{
	struct packet *p = &x->packet;
	struct flow *f = NULL;

	__builtin_memset(&x->from, 0, sizeof(x->from));
	if (p->fragment_offset) {
		f = fragment_flow(x);
	} else if (packet_is_transport(p) || (packet_is_icmp(p) && packet_is_echo_reply(p))) {
		packet_key_down(p, &x->key);
		f = bpf_map_lookup_elem(&flows, &x->key);
		if (p->is_fragment)
			fragment_note(x);
	} else if (packet_is_icmp(p) && packet_is_icmp_error(p)) {
		f = flow_quoted(x);
		if (f)
			flow_from(x, f);
		f = NULL;
	}
	if (!f) {
		count_stat(STAT_UNTRACKED, 1);
		return;
	}
	flow_from(x, f);
	flow_count_down(f, x);
	if (!p->fragment_offset)
		flow_follow_down(f, p);
}

#define REFUSED_AGAIN_NS 1000000000ULL

/* Were packets of x->key refused and told within the last second? Notes that they are now. */
static __always_inline int flow_refused_lately(struct scratch *x, __u64 now)
{
	__u64 *a = (__u64 *)&x->key, *b = (__u64 *)&x->refused;
	__u64 differs = 0;
	int i;

	for (i = 0; i < (int)(sizeof(x->key) / 8); i++)
		differs |= a[i] ^ b[i];
	if (!differs && now - x->refused_ns < REFUSED_AGAIN_NS)
		return 1;
	x->refused = x->key;
	x->refused_ns = now;
	return 0;
}

/* Tells of a flow that was refused in place: one END event, no entry. */
static __always_inline void flow_refuse(struct __sk_buff *skb, struct scratch *x, enum flow_end end)
{
	struct packet *p = &x->packet;

	if (p->proto == PROTO_TCP && !packet_opens_tcp(p))
		return;
	packet_key_up(p, &x->key);
	flow_fill(skb, x);
	if (flow_refused_lately(x, x->fresh.first_seen_ns))
		return;
	x->fresh.verdict = VERDICT_REJECT;
	x->fresh.state = FLOW_CLOSED;
	flow_tell_end(&x->key, &x->fresh, NULL, end);
}

#endif
