/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A packet at a capture point that nothing lets pass beforehand (bpf/pass.h): its flow is
 * looked for, else decided, once.
 *
 *   the packet                                  becomes
 *   ------------------------------------------  -------------------------------------------
 *   of a captured flow                          sent to the TUN
 *   of a direct flow                            passed
 *   of no flow, a client's to the host itself   passed
 *   TCP, no SYN, of no flow                     passed and noted: it began before us, or
 *                                               outside; but for what rules drop or refuse,
 *                                               where anybody can write such segments
 *   TCP, no SYN, of a captured flow that ended  refused: it must not slip by
 *   of a flow that was opened from outside      passed and noted
 *   DNS, where it is wanted                     sent to the TUN
 *   any other                                   what the rules say
 *
 * A flow decided before rule_state.valid_from is decided anew: with the same verdict it
 * goes on; else a TCP flow is reset, as no other could carry on with it, and others follow
 * the new verdict. What was passed for being older than we are, or for having been opened
 * from outside, no rule has decided, and none does later.
 *
 * Every step is a global function, as in bpf/tun.bpf.c; they meet in the scratch memory, where
 * x->packet and x->from are the packet's, and x->key its flow's.
 */
#ifndef BPF_DECIDE_H
#define BPF_DECIDE_H

#include "bpf/capture.h"
#include "bpf/direct.h"
#include "bpf/local.h"
#include "bpf/pass.h"
#include "bpf/rules.h"
#include "bpf/steps.h"

#define BPF_ENODEV 19

enum decide_known {
	KNOWN_NONE,
	KNOWN_CAPTURED,
	KNOWN_DIRECT,
	KNOWN_EARLIER, /* decided under rules that hold no more: x->earlier is the verdict */
};

static __always_inline struct sock_note *packet_note(struct __sk_buff *skb, int make)
{
	struct bpf_sock *sk = skb->sk;
	struct sock_note *note;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return NULL;
	note = sock_note_find(skb, sk);
	return note || !make ? note : sock_note_store(sk);
}

static __always_inline int epoch_holds(__u32 epoch)
{
	struct rule_state *state = rule_state_get();

	return state && (__s32)(epoch - state->valid_from) >= 0;
}

#define PAST_NS 120000000000ULL /* for which TCP may send again what was not acknowledged */

/* Is the segment of a captured flow that has ended? Its application may not know it yet. */
static __always_inline int flow_is_past(const struct scratch *x)
{
	__u64 *ended = bpf_map_lookup_elem(&past_flows, &x->key);

	return ended && !(x->packet.tcp_flags & TCP_FLAG_SYN) &&
	       bpf_ktime_get_coarse_ns() < *ended + PAST_NS;
}

/*
 * Reads into x->key the flow that an ICMP error from the inside is about, as the inside sees it:
 * what it quotes is the answer that came. -1: it quotes nothing.
 */
static __always_inline int error_key(struct scratch *x)
{
	struct flow_key *key = &x->key;
	__u32 at = x->packet.payload_offset;
	struct addr from;
	__be16 port;

	PARSE_HIDE(at);
	if (at > PARSE_HEAD_MAX - IP6_HEADER_BYTES || flow_key_quoted(x, at))
		return -1;
	from = key->saddr;
	key->saddr = key->daddr;
	key->daddr = from;
	if (key->proto == PROTO_TCP || key->proto == PROTO_UDP) {
		port = key->sport;
		key->sport = key->dport;
		key->dport = port;
	}
	return 0;
}

/*
 * Is it an ICMP error about an answer that we have given? Who it seems to be for has never sent
 * that, so it is the worker's that has.
 */
static __always_inline int error_is_ours(struct scratch *x)
{
	struct flow *f;

	if (!packet_is_icmp_error(&x->packet) || error_key(x))
		return 0;
	f = bpf_map_lookup_elem(&flows, &x->key);
	if (!f || f->capture != x->from.point)
		return 0;
	x->from.verdict = f->verdict;
	x->from.rule = f->rule;
	x->from.epoch = f->epoch;
	return 1;
}

/* --- what a verdict does ------------------------------------------------------------------ */

/* Is main alive, and the TUN there? A redirect to a TUN that has gone would lose the packet. */
__weak __noinline int decide_alive(struct __sk_buff *skb)
{
	struct settings *s = settings_get();
	__u32 mtu = 0;

	if (!s || !s->tun_ifindex)
		return 0;
	if (s->heartbeat_ns + (s->stale_ns ? s->stale_ns : HEARTBEAT_STALE_NS) <
	    bpf_ktime_get_coarse_ns())
		return 0;
	return bpf_check_mtu(skb, s->tun_ifindex, &mtu, 0, 0) != -BPF_ENODEV;
}

/* Notes with the socket what was decided about x->key, so that its next packets are quick. */
__weak __noinline int decide_note(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct sock_note *note;

	if (!x || !x->from.own)
		return 0;
	/* of other verdicts only that the last one is over */
	note = packet_note(skb, x->fresh.verdict == VERDICT_DIRECT);
	if (!note)
		return 0;
	if (note->verdict == VERDICT_DIRECT && !flow_key_same(&note->key, &x->key))
		direct_fold(note);
	sock_note_decided(note, note->cookie ? bpf_get_socket_cookie(skb) : 0, &x->key, &x->fresh);
	note->ticks = bpf_jiffies64();
	note->folded_ns = bpf_ktime_get_coarse_ns();
	return 0;
}

/* To the TUN; when main is down, what when-down says. */
__weak __noinline int decide_send(struct __sk_buff *skb)
{
	struct settings *s = settings_get();
	struct scratch *x = scratch_get();

	if (!x || !s)
		return TC_ACT_UNSPEC;
	if (decide_alive(skb))
		return capture_send(skb, x, s);
	if (!s->closed) {
		x->fresh.verdict = VERDICT_NONE; /* and what follows it is of no captured flow */
		decide_note(skb);
		return pass(STAT_PASS_STALE);
	}
	if (x->light && packet_load(skb, x->l2))
		return drop(DROP_MALFORMED);
	return packet_refuse(skb, DROP_STALE, END_SHUTDOWN);
}

/* Enters the packet's flow as one that passes; flags: FLOW_INBOUND, FLOW_OLDER. */
__weak __noinline int decide_direct(struct __sk_buff *skb, __u32 flags)
{
	struct scratch *x = scratch_get();

	if (!x)
		return 0;
	x->decision.verdict = VERDICT_DIRECT;
	x->decision.slot = 0;
	flow_fill(skb, x);
	x->fresh.flags = flags;
	if (x->packet.proto == PROTO_TCP && !packet_opens_tcp(&x->packet))
		x->fresh.state = FLOW_OPEN;
	direct_open(x->from.own ? packet_note(skb, 0) : NULL, &x->key, &x->fresh);
	if (x->packet.is_fragment)
		fragment_note(x);
	decide_note(skb);
	return 0;
}

/* The socket of a flow that does not pass must not be taken for that of one that did. */
static __always_inline void decide_forget(struct __sk_buff *skb, struct scratch *x)
{
	if (!x->from.own)
		return;
	x->fresh.verdict = x->from.verdict;
	x->fresh.capture = x->from.point;
	x->fresh.flags = 0;
	x->fresh.rule = x->from.rule;
	x->fresh.epoch = x->from.epoch;
	decide_note(skb);
}

/* Does what x->from.verdict says of a flow. */
__weak __noinline int decide_act(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	__u32 verdict;

	if (!x)
		return TC_ACT_UNSPEC;
	verdict = x->from.verdict;
	if (verdict == VERDICT_DIRECT) {
		decide_direct(skb, 0);
		return TC_ACT_UNSPEC;
	}
	decide_forget(skb, x);
	if (x->packet.is_fragment)
		fragment_note(x);
	if (verdict == VERDICT_REJECT && x->light && packet_load(skb, x->l2))
		return drop(DROP_MALFORMED);
	if (verdict == VERDICT_REJECT)
		return packet_refuse(skb, DROP_RULE_REJECT, END_REJECTED);
	if (verdict != VERDICT_FORWARD && verdict != VERDICT_DNS)
		return drop(rule_reason(verdict));
	if (!packet_is_transport(&x->packet) && !packet_is_icmp(&x->packet))
		return packet_refuse(skb, DROP_PROTOCOL, END_REJECTED);
	return decide_send(skb);
}

/* --- flows that are known ----------------------------------------------------------------- */

/* Is it one of capture points, and of this side? A client that sends as the host is none of it. */
static __always_inline int flow_is_here(const struct scratch *x, const struct flow *f)
{
	return f->capture != CAPTURE_TUN &&
	       (x->from.point != CAPTURE_LAN || f->capture == CAPTURE_LAN);
}

/* In `flows`: one of its applications opens it anew if it was closing. */
static __always_inline int known_captured(struct scratch *x, struct flow *f)
{
	if (!flow_is_here(x, f))
		return KNOWN_NONE;
	if (packet_opens_tcp(&x->packet) && f->state >= FLOW_CLOSING)
		return KNOWN_NONE;
	x->from.verdict = f->verdict;
	x->from.rule = f->rule;
	x->from.epoch = f->epoch;
	x->earlier = f->verdict;
	return f->verdict == VERDICT_DNS || epoch_holds(f->epoch) ? KNOWN_CAPTURED : KNOWN_EARLIER;
}

/*
 * In `direct_flows`: not if a SYN, but a repeated one, opens it anew, or if it was silent for
 * as long as UDP is remembered. What follows a closed TCP flow is the rest of it.
 */
static __always_inline int known_direct(struct scratch *x, struct flow *f)
{
	if (x->packet.proto == PROTO_TCP ?
		    packet_opens_tcp(&x->packet) && f->state != FLOW_OPENING :
		    f->state == FLOW_CLOSED ||
			    f->last_seen_ns + UDP_FRESH_NS < bpf_ktime_get_coarse_ns())
		return KNOWN_NONE;
	x->earlier = VERDICT_DIRECT;
	return f->flags || epoch_holds(f->epoch) ? KNOWN_DIRECT : KNOWN_EARLIER;
}

/* Is the packet one of the flow that its socket's note tells of? The table may have lost it. */
static __always_inline int known_noted(struct scratch *x, const struct sock_note *note)
{
	__u32 turn = sock_note_turn(note);

	if (note->verdict != VERDICT_DIRECT || !flow_key_same(&note->key, &x->key))
		return KNOWN_NONE;
	x->from.rule = note->rule;
	x->from.epoch = note->epoch;
	x->flags = note->flags;
	x->earlier = VERDICT_DIRECT;
	if (!sock_note_still(note, turn))
		return KNOWN_NONE;
	return x->flags || epoch_holds(x->from.epoch) ? KNOWN_DIRECT : KNOWN_EARLIER;
}

/* Follows a direct flow's packet, and notes it with its socket; one that was lost is entered. */
static __always_inline void direct_again(struct __sk_buff *skb, struct scratch *x, struct flow *f)
{
	struct rule_state *state = rule_state_get();

	if (!f) {
		decide_direct(skb, x->flags);
		return;
	}
	direct_follow(x, f, 1);
	if (f->flags && state)
		f->epoch = state->epoch; /* no rule has decided it, and none will */
	if (x->packet.is_fragment)
		fragment_note(x);
	x->fresh.verdict = VERDICT_DIRECT;
	x->fresh.capture = f->capture;
	x->fresh.flags = f->flags;
	x->fresh.rule = f->rule;
	x->fresh.epoch = f->epoch;
	decide_note(skb);
}

/* enum decide_known */
__weak __noinline int decide_known(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct sock_note *note = NULL;
	int known = KNOWN_NONE, opens;
	struct flow *f;

	if (!x)
		return KNOWN_NONE;
	opens = packet_opens_tcp(&x->packet);
	if (x->from.own)
		note = packet_note(skb, 0);
	/* a connection that its socket has just begun is in no table: connect() has seen to that */
	if (note && note->verdict == VERDICT_NONE && opens)
		return KNOWN_NONE;
	f = bpf_map_lookup_elem(&flows, &x->key);
	if (f)
		known = known_captured(x, f);
	if (known == KNOWN_CAPTURED && opens)
		decide_forget(skb, x);
	if (known != KNOWN_NONE)
		return known;
	/* whether a host's socket opens a connection again, its note says: of states less is seen */
	f = x->from.point == CAPTURE_LAN || !opens ? direct_of(note, &x->key) : NULL;
	if (f)
		known = known_direct(x, f);
	if (known == KNOWN_NONE)
		f = NULL;
	if (known == KNOWN_NONE && note)
		known = known_noted(x, note);
	if (known == KNOWN_DIRECT)
		direct_again(skb, x, f);
	return known;
}

/* --- flows that are new, or decided anew -------------------------------------------------- */

/* Gathers what is known of the packet for the rules. */
__weak __noinline int decide_facts(struct __sk_buff *skb)
{
	struct rule_work *w = rule_work_get(RULE_WORK_PACKET);
	struct scratch *x = scratch_get();
	struct bpf_sock *sk = skb->sk;
	struct rule_facts *facts;
	struct sock_note *note;

	if (!w || !x)
		return -1;
	facts = &w->facts;
	rule_facts_packet(facts, &x->packet);
	facts->mark = skb->mark;
	facts->ifindex = x->from.ifindex;
	if (x->packet.fragment_offset)
		facts->known &= ~(1U << RULE_PORT);
	if (mac_known(x->from.mac)) {
		__builtin_memcpy(facts->mac, x->from.mac, sizeof(facts->mac));
		facts->known |= 1U << RULE_MAC;
	}
	sk = sk && x->from.point != CAPTURE_LAN ? bpf_sk_fullsock(sk) : NULL;
	if (!sk)
		return 0;
	facts->uid = bpf_get_socket_uid(skb);
	facts->cgroup = bpf_skb_cgroup_id(skb);
	facts->known |= 1U << RULE_UID | 1U << RULE_CGROUP;
	note = sock_note_find(skb, sk);
	if (note)
		owner_facts(facts, note);
	return 0;
}

/* Asks the rules: x->from. */
static __always_inline int decide_rules(struct __sk_buff *skb, struct scratch *x)
{
	struct rule_work *w = rule_work_get(RULE_WORK_PACKET);
	__u32 decided;

	if (!w || decide_facts(skb))
		return -1;
	decided = rules_decide();
	x->from.verdict = decided;
	x->from.rule = decided >> 8;
	x->from.epoch = w->epoch;
	return 0;
}

#define DECIDE_ACT (-2) /* no action yet: decide_act() has to do what was decided */

/* Passes the packet as what it is, enum kernel_stat, and with a first fragment the later ones. */
static __always_inline int decide_passed(struct scratch *x, int why)
{
	if (x->packet.is_fragment && !x->packet.fragment_offset)
		fragment_note_passed(x);
	return pass_as(why);
}

/*
 * A client's packet of no flow, to a prefix that is the host's own, or as if from one: as with
 * single addresses (bpf/lan.bpf.c), but asked of new flows alone. DECIDE_ACT, or an action.
 */
__weak __noinline int decide_local(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();

	KEEP_ARGUMENT(skb);
	if (!x)
		return TC_ACT_UNSPEC;
	if (addr_is_of_local_prefix(&x->packet, &x->packet.daddr))
		return decide_passed(x, STAT_PASS_LOCAL);
	if (!addr_is_of_local_prefix(&x->packet, &x->packet.saddr))
		return DECIDE_ACT;
	return x->from.bridged ? pass(STAT_PASS_BRIDGED) : drop(DROP_SOURCE);
}

#define FRAGMENT_ALONE (-3)

/*
 * A later fragment whose first was not seen: what the rules say of its addresses. A rule about
 * ports is no match; without its first part, which such a rule stops, the rest is of no use.
 */
static __always_inline int decide_fragment_alone(struct __sk_buff *skb, struct scratch *x)
{
	__u32 verdict;
	int action;

	action = x->from.point == CAPTURE_LAN ? decide_local(skb) : DECIDE_ACT;
	if (action != DECIDE_ACT)
		return action;
	if (decide_rules(skb, x))
		return TC_ACT_UNSPEC;
	verdict = x->from.verdict;
	if (verdict == VERDICT_DIRECT)
		return pass(STAT_UNTRACKED);
	return verdict == VERDICT_FORWARD ? decide_send(skb) : drop(DROP_FRAGMENT_LOST);
}

/* A later fragment goes the way of its first; FRAGMENT_ALONE: which was not seen. */
__weak __noinline int decide_fragment(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct flow_key *key;
	struct flow *f;

	if (!x)
		return TC_ACT_UNSPEC;
	fragment_key_fill(x);
	key = bpf_map_lookup_elem(&fragments, &x->fragment);
	if (!key)
		return FRAGMENT_ALONE;
	if (key->pad[0] == FRAGMENT_PASSED)
		return TC_ACT_UNSPEC;
	f = bpf_map_lookup_elem(&flows, key);
	if (f && flow_is_here(x, f)) {
		x->from.verdict = f->verdict;
		x->from.rule = f->rule;
		x->from.epoch = f->epoch;
		return decide_send(skb);
	}
	f = direct_of(x->from.own ? packet_note(skb, 0) : NULL, key);
	if (!f) /* its first was refused */
		return drop(DROP_FRAGMENT_LOST);
	direct_follow(x, f, 1);
	return TC_ACT_UNSPEC;
}

static __always_inline int packet_asks_dns(const struct packet *p, const struct settings *s)
{
	return s->dns_intercept && packet_is_transport(p) && port_is_dns(p->dport);
}

/* Decides about x->key, of which nothing is known: TC_ACT_UNSPEC, or DECIDE_ACT. */
static __always_inline int decide_new(struct __sk_buff *skb, struct scratch *x,
				      const struct settings *s)
{
	if (packet_asks_dns(&x->packet, s) && !x->from.bridged) {
		struct rule_state *state = rule_state_get();

		x->from.verdict = VERDICT_DNS;
		x->from.rule = 0;
		x->from.epoch = state ? state->epoch : 0;
		return DECIDE_ACT;
	}
	if (x->from.dns_only)
		return pass(STAT_PASS_OTHER);
	if (decide_rules(skb, x))
		return TC_ACT_UNSPEC;
	/* between two clients of one bridge: not the fallback's, a rule has to say so */
	if (x->from.bridged && !x->from.rule && x->from.verdict != VERDICT_NONE)
		return pass(STAT_PASS_BRIDGED);
	return DECIDE_ACT;
}

/* Takes out of its table the flow that the new rules want elsewhere. */
__weak __noinline int decide_end(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct flow *f;

	KEEP_ARGUMENT(skb);
	if (!x)
		return 0;
	if (x->earlier == VERDICT_DIRECT) {
		f = direct_of(x->from.own ? packet_note(skb, 0) : NULL, &x->key);
		if (f && f->state != FLOW_CLOSED)
			direct_close(&x->key, f, END_RULES);
		return 0;
	}
	f = bpf_map_lookup_elem(&flows, &x->key);
	if (!f)
		return 0;
	flow_tell_end(&x->key, f, NULL, END_RULES);
	flow_note_past(&x->key, f);
	bpf_map_delete_elem(&flow_info, &x->key);
	bpf_map_delete_elem(&flows, &x->key);
	count_stat(STAT_FLOWS_CLOSED, 1);
	return 0;
}

/* The verdict on a flow that was decided before, under the rules of now: as decide_new(). */
__weak __noinline int decide_anew(struct __sk_buff *skb)
{
	struct scratch *x = scratch_get();
	struct flow *f;

	if (!x)
		return TC_ACT_UNSPEC;
	if (x->from.verdict == x->earlier) {
		f = x->earlier == VERDICT_DIRECT ?
			    direct_of(x->from.own ? packet_note(skb, 0) : NULL, &x->key) :
			    bpf_map_lookup_elem(&flows, &x->key);
		if (f) {
			f->rule = x->from.rule;
			f->epoch = x->from.epoch;
		}
		if (x->earlier != VERDICT_DIRECT)
			return decide_send(skb);
		direct_again(skb, x, f);
		return TC_ACT_UNSPEC;
	}
	if (x->from.verdict != VERDICT_NONE)
		decide_end(skb);
	if (x->packet.proto != PROTO_TCP || packet_opens_tcp(&x->packet) ||
	    x->from.verdict == VERDICT_NONE)
		return DECIDE_ACT;
	decide_forget(skb, x);
	count_drop(DROP_RESET);
	return packet_reply(skb);
}

/* Passes a flow that no rule may decide. */
static __always_inline int decide_pass(struct __sk_buff *skb, struct scratch *x, __u32 flags,
				       enum kernel_stat why)
{
	struct rule_state *state = rule_state_get();

	x->from.rule = 0;
	x->from.epoch = state ? state->epoch : 0;
	decide_direct(skb, flags);
	return pass(why);
}

/* Does its socket know of it that it did not pass? One may be silent for longer than that. */
static __always_inline int flow_was_kept(struct __sk_buff *skb, const struct scratch *x)
{
	struct sock_note *note = x->from.own ? packet_note(skb, 0) : NULL;

	return note && note->verdict != VERDICT_NONE && note->verdict != VERDICT_DIRECT &&
	       flow_key_same(&note->key, &x->key);
}

/* Can anybody write such a segment? To a host's own socket its connection gives it. */
static __always_inline int segment_is_free(const struct scratch *x)
{
	return !x->from.dns_only && (x->from.hand || x->from.point == CAPTURE_LAN);
}

/*
 * A segment of no flow that is known, and that opens none: of one older than we are, or opened
 * from outside. What a rule drops or refuses it does not reach, where anybody can write such
 * segments; nor what is to be forwarded, if it was written by hand. DECIDE_ACT, or an action.
 */
static __always_inline int decide_segment(struct __sk_buff *skb, struct scratch *x)
{
	if (flow_is_past(x) || flow_was_kept(skb, x))
		return packet_refuse(skb, DROP_STRAY, END_REJECTED);
	if (inbound_noted(&x->key))
		return decide_pass(skb, x, FLOW_INBOUND, STAT_PASS_INBOUND);
	if (segment_is_free(x)) {
		if (decide_rules(skb, x))
			return TC_ACT_UNSPEC;
		if (x->from.verdict == VERDICT_DROP || x->from.verdict == VERDICT_REJECT)
			return DECIDE_ACT;
		if (x->from.hand)
			return x->from.verdict == VERDICT_FORWARD ?
				       packet_refuse(skb, DROP_STRAY, END_REJECTED) :
				       DECIDE_ACT;
	}
	return decide_pass(skb, x, FLOW_OLDER, STAT_PASS_OLDER);
}

/* What is known of the packet's flow, or said of it by the rules. DECIDE_ACT, or an action. */
static __always_inline int decide_find(struct __sk_buff *skb, struct scratch *x,
				       const struct settings *s)
{
	int known = decide_known(skb), action;

	if (known == KNOWN_CAPTURED)
		return decide_send(skb);
	if (known == KNOWN_DIRECT)
		return TC_ACT_UNSPEC;
	action = x->from.point == CAPTURE_LAN ? decide_local(skb) : DECIDE_ACT;
	if (action != DECIDE_ACT) {
		if (known == KNOWN_EARLIER)
			decide_end(skb);
		return action;
	}
	if (known == KNOWN_NONE && x->packet.proto == PROTO_TCP && !packet_opens_tcp(&x->packet))
		return decide_segment(skb, x);
	if (known == KNOWN_NONE && x->packet.proto == PROTO_UDP && inbound_noted(&x->key))
		return decide_pass(skb, x, FLOW_INBOUND, STAT_PASS_INBOUND);
	action = decide_new(skb, x, s);
	return action == DECIDE_ACT && known == KNOWN_EARLIER ? decide_anew(skb) : action;
}

/*
 * What becomes of the packet: TC_ACT_UNSPEC = it passes, else another action. packet_load()
 * has read it, and x->from says where it is, and whose. Part of the programs themselves, as
 * calls must not be more than 8 deep.
 */
static __always_inline int decide_flow(struct __sk_buff *skb)
{
	struct settings *s = settings_get();
	struct scratch *x = scratch_get();
	int action;

	if (!x || !s)
		return TC_ACT_UNSPEC;
	if (x->packet.fragment_offset) {
		action = decide_fragment(skb);
		return action == FRAGMENT_ALONE ? decide_fragment_alone(skb, x) : action;
	}
	packet_key_up(&x->packet, &x->key);
	x->flags = 0;
	action = decide_find(skb, x, s);
	return action == DECIDE_ACT ? decide_act(skb) : action;
}

#endif
