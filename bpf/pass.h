/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What passes at a capture point whatever the rules say. Each has its counter.
 */
#ifndef BPF_PASS_H
#define BPF_PASS_H

#include "bpf/classify.h"
#include "bpf/count.h"
#include "bpf/maps.h"

#define PROTO_IGMP 2
#define PROTO_IPIP 4
#define PROTO_IP6 41
#define PROTO_GRE 47
#define PROTO_ESP 50
#define PROTO_AH 51
#define PROTO_ETHERIP 97
#define PROTO_L2TP 115

#define VLAN_ID 0xfffU /* of a tag; 0 = no VLAN, but a priority */

#define DHCP_SERVER 67
#define DHCP_CLIENT 68
#define DHCP6_CLIENT 546
#define DHCP6_SERVER 547

/* RFC 4861, RFC 2710, RFC 3810: what IPv6 needs on a link */
#define ICMP6_MLD_FIRST 130
#define ICMP6_MLD_LAST 132
#define ICMP6_ND_FIRST 133
#define ICMP6_ND_LAST 137
#define ICMP6_MLD2 143

/* Of a VLAN, which is a device of its own? The kernel takes number 0 for none. */
static __always_inline int skb_is_tagged(const struct __sk_buff *skb)
{
	return skb->vlan_present && skb->vlan_tci & VLAN_ID;
}

static __always_inline int pass(enum kernel_stat why)
{
	count_stat(why, 1);
	return TC_ACT_UNSPEC;
}

/* The same, of which the verifier knows nothing. */
static __always_inline int pass_as(__u32 why)
{
	PARSE_HIDE(why);
	if (why < STAT_NUM)
		count_stat(why, 1);
	return TC_ACT_UNSPEC;
}

/*
 * Has an operator or another program marked the packet for the fast path? The first of
 * settings.pass_mark that fits is counted.
 */
__weak __noinline int pass_marked(struct __sk_buff *skb)
{
	struct settings *s = settings_get();
	__u32 mark = skb->mark, i, at;
	__u64 *passed;

	if (!s)
		return 0;
	for (i = 0; i < PASS_MARKS_MAX; i++) {
		if (!s->pass_mark[i].mask)
			return 0;
		if ((mark & s->pass_mark[i].mask) != s->pass_mark[i].value)
			continue;
		at = i;
		passed = bpf_map_lookup_elem(&pass_marks, &at);
		if (passed)
			__sync_fetch_and_add(passed, 1);
		return 1;
	}
	return 0;
}

static __always_inline int port_is_dhcp(__be16 port)
{
	__u32 number = parse_be16((const __u8 *)&port);

	return number == DHCP_SERVER || number == DHCP_CLIENT || number == DHCP6_SERVER ||
	       number == DHCP6_CLIENT;
}

/* Both ports: nobody without privileges sends from one of them. */
static __always_inline int packet_is_dhcp(const struct packet *p)
{
	return p->proto == PROTO_UDP && !p->fragment_offset && port_is_dhcp(p->sport) &&
	       port_is_dhcp(p->dport);
}

static __always_inline int packet_is_discovery(const struct packet *p)
{
	__u8 type = p->icmp_type;

	return p->version == 6 && p->proto == PROTO_ICMP6 && !p->fragment_offset &&
	       ((type >= ICMP6_MLD_FIRST && type <= ICMP6_ND_LAST) || type == ICMP6_MLD2);
}

/* A link needs it, or it ends there: DHCP, ND, MLD, multicast, broadcast, link-local. */
static __always_inline int packet_is_essential(const struct packet *p)
{
	return addr_ends_at_link(p, &p->daddr) || packet_is_discovery(p) || packet_is_dhcp(p) ||
	       p->proto == PROTO_IGMP;
}

/* The outer packet of a tunnel that is no UDP. */
static __always_inline int packet_is_tunnel(const struct packet *p)
{
	switch (p->proto) {
	case PROTO_IPIP:
	case PROTO_IP6:
	case PROTO_GRE:
	case PROTO_ESP:
	case PROTO_AH:
	case PROTO_ETHERIP:
	case PROTO_L2TP:
		return 1;
	default:
		return 0;
	}
}

#endif
