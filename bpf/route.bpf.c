// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Route capture: what a rule sends direct does not go to the TUN. The rules decide when a
 * socket is connected, before its route is looked up; one that is to go direct gets the mark
 * that the host's rules let pass, or is bound to the uplink where routes alone capture, and
 * then costs nothing more.
 *
 * Our own sockets have a mark already; where routes alone capture they are bound to the uplink
 * here, too. All of them are connected.
 *
 * What was decided is noted with the socket: the flow is shown by that (bpf/sock_flow.h).
 *
 * Everything else is left to the TUN, whose programs decide again, with the packet: refusals,
 * what is not connected (a datagram's mark is taken before any program could set it, and would
 * stay for other destinations), and what has a mark, a device or a source address of its own.
 *
 * A process may be preempted here by another one on the same CPU that connects, too, and works
 * in the same memory: then the facts are not ours any more, and the rules are asked again. Who
 * works there says so before it writes a fact; that tells tasks apart, whatever they ask for. Who
 * is disturbed ROUTE_TRIES times is left to the TUN.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/classify.h"
#include "bpf/maps.h"
#include "bpf/owner.h"
#include "bpf/rules.h"
#include "bpf/sock_flow.h"

#define ROUTE_STREAM 1 /* SOCK_STREAM */
#define ROUTE_DATAGRAM 2 /* SOCK_DGRAM */
#define ROUTE_SOL_SOCKET 1
#define ROUTE_SO_MARK 36
#define ROUTE_SO_BINDTOIFINDEX 62

#define ROUTE_TRIES 4

/* What rules may ask for that the packet alone tells: of such a flow its packet decides. */
#define ROUTE_LATER (1U << RULE_SADDR | 1U << RULE_DSCP | 1U << RULE_DEVICE)

/* A new connection, as far as it is known before it has a source. */
struct route_call {
	struct addr to;
	__u64 cgroup;
	__u32 uid;
	__u16 port; /* host order */
	__u8 proto;
};

/* A socket that may be told where to go. */
static __always_inline int route_wanted(struct bpf_sock_addr *ctx, const struct settings *s)
{
	struct bpf_sock *sk = ctx->sk;

	if (!s || !s->route || !sk || (ctx->type != ROUTE_STREAM && ctx->type != ROUTE_DATAGRAM))
		return 0;
	if (ctx->protocol != PROTO_TCP && ctx->protocol != PROTO_UDP)
		return 0;
	return !s->netns_cookie || s->netns_cookie == bpf_get_netns_cookie(ctx);
}

/* It keeps its way, whatever the rules say: it is not captured. */
static __always_inline int route_is_bound(struct bpf_sock *sk)
{
	return sk->mark || sk->bound_dev_if || sk->src_ip4 || sk->src_ip6[0] || sk->src_ip6[1] ||
	       sk->src_ip6[2] || sk->src_ip6[3];
}

static __always_inline int route_leads_away(const struct route_call *c, const struct settings *s)
{
	struct packet p = { .version = addr_mapped(&c->to) ? 4 : 6, .daddr = c->to };

	return !addr_unusable(&p, &p.daddr) && !addr_ends_at_link(&p, &p.daddr) &&
	       !packet_to_tun(&p, s);
}

static __always_inline void route_facts(struct bpf_sock_addr *ctx, struct rule_work *w,
					const struct route_call *c)
{
	struct sock_note *note = sock_note_stored(ctx->sk);
	struct rule_facts *f = &w->facts;

	*(volatile __u64 *)&w->caller = bpf_get_current_pid_tgid();
	PARSE_MERGE();
	__builtin_memset(f, 0, sizeof(*f));
	f->daddr = c->to;
	f->dport = c->port;
	f->proto = c->proto;
	f->uid = c->uid;
	f->cgroup = c->cgroup;
	f->known = 1U << RULE_PROTO | 1U << RULE_DADDR | 1U << RULE_PORT | 1U << RULE_UID |
		   1U << RULE_CGROUP | 1U << RULE_MARK;
	if (note)
		owner_facts(f, note);
}

/* Are the facts still those of this call? */
static __always_inline int route_undisturbed(const struct rule_work *w)
{
	PARSE_MERGE();
	return *(const volatile __u64 *)&w->caller == bpf_get_current_pid_tgid();
}

/* Binds it to the uplink, where there is one. 0 or negative. */
static __always_inline long route_bind(struct bpf_sock_addr *ctx, const struct settings *s,
				       const struct route_call *c)
{
	int device = (int)(addr_mapped(&c->to) ? s->uplink4_ifindex : s->uplink6_ifindex);

	if (!device)
		return -1;
	return bpf_setsockopt(ctx, ROUTE_SOL_SOCKET, ROUTE_SO_BINDTOIFINDEX, &device,
			      sizeof(device));
}

static __always_inline void route_send_direct(struct bpf_sock_addr *ctx, const struct settings *s,
					      const struct route_call *c, __u32 rule, __u32 epoch)
{
	struct sock_note *note = sock_note_stored(ctx->sk);
	int mark = (int)s->direct_mark;
	long err;

	if (mark)
		err = bpf_setsockopt(ctx, ROUTE_SOL_SOCKET, ROUTE_SO_MARK, &mark, sizeof(mark));
	else
		err = route_bind(ctx, s, c);
	if (err)
		return;
	count_stat(STAT_DIRECT_FLOWS, 1);
	if (note)
		sock_note_routed(note, &c->to, bpf_htons(c->port), c->proto, rule, epoch);
}

/* Is it to go direct? rule and epoch say by which rule. */
static __always_inline int route_is_direct(struct bpf_sock_addr *ctx, const struct route_call *c,
					   __u32 *ret_rule, __u32 *ret_epoch)
{
	struct rule_work *w = rule_work_get(RULE_WORK_SOCKET);
	__u32 decided, missing, i;

	for (i = 0; w && i < ROUTE_TRIES; i++) {
		route_facts(ctx, w, c);
		decided = rules_decide_socket();
		missing = w->missing;
		*ret_epoch = w->epoch;
		if (!route_undisturbed(w))
			continue;
		*ret_rule = decided >> 8;
		return (decided & 0xff) == VERDICT_DIRECT && !(missing & ROUTE_LATER);
	}
	return 0;
}

static __always_inline int route_decide(struct bpf_sock_addr *ctx, const struct settings *s,
					struct route_call *c)
{
	__u32 rule, epoch;

	c->port = bpf_ntohs((__u16)ctx->user_port);
	c->proto = (__u8)ctx->protocol;
	c->uid = (__u32)bpf_get_current_uid_gid();
	c->cgroup = bpf_get_current_cgroup_id();
	if (!route_leads_away(c, s))
		return 1;
	if (s->own_cgroup && c->cgroup == s->own_cgroup) {
		route_bind(ctx, s, c);
		return 1;
	}
	if (route_is_bound(ctx->sk) || (s->dns_intercept && c->port == DNS_PORT))
		return 1;
	if (route_is_direct(ctx, c, &rule, &epoch))
		route_send_direct(ctx, s, c, rule, epoch);
	return 1;
}

SEC("?cgroup/connect4")
int route_connect4(struct bpf_sock_addr *ctx)
{
	struct settings *s = settings_get();
	struct route_call c = {};
	__u32 to = ctx->user_ip4;

	if (!route_wanted(ctx, s))
		return 1;
	c.to.b[10] = c.to.b[11] = 0xff;
	__builtin_memcpy(c.to.b + 12, &to, sizeof(to));
	return route_decide(ctx, s, &c);
}

SEC("?cgroup/connect6")
int route_connect6(struct bpf_sock_addr *ctx)
{
	struct settings *s = settings_get();
	struct route_call c = {};
	__u32 to[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

	if (!route_wanted(ctx, s))
		return 1;
	__builtin_memcpy(c.to.b, to, sizeof(to));
	return route_decide(ctx, s, &c);
}

char _license[] SEC("license") = "Dual BSD/GPL";
