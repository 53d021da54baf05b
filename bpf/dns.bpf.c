// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS answered by traffic control: dns_tun on the TUN's egress, in front of tun_egress, and
 * dns_eth on an Ethernet device's ingress, for queries to our listeners there. What is not
 * answered goes on as it came. The answer takes the packet's place and is sent back to where
 * it came from.
 *
 * Its UDP checksum is the query's, changed by what changed: that is right for a packet whose
 * checksum is still to come (CHECKSUM_PARTIAL: the field has the pseudo header's sum, and
 * only its length counts) as for one that has it. A wrong one stays wrong, and whoever gets
 * the answer to such a query drops it.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/capture.h"
#include "bpf/dns_run.h"
#include "bpf/own.h"
#include "bpf/reply.h"

#define PACKET_TO_US 0 /* PACKET_HOST of linux/if_packet.h */

/*
 * Bytes of the packet's IP header; 0 = it is no query. Most packets end here, the large ones
 * at once; several datagrams in one (UDP GSO) are the resolver's. Uses w->in.
 */
static __always_inline __u32 dns_peek(struct __sk_buff *skb, struct dns_work *w, __u32 l2)
{
	__u8 *head = w->in.ip;

	if (skb->gso_size || skb->len > l2 + DNS_PACKET_MAX ||
	    bpf_skb_load_bytes(skb, l2, head, DNS_PEEK))
		return 0;
	return dns_ip_bytes(head);
}

/* Copies the packet into w->in and reads it. */
static __always_inline int dns_load(struct __sk_buff *skb, struct dns_work *w, __u32 l2,
				    __u32 ip_bytes)
{
	__u8 *ip = ip_bytes == IP4_HEADER_BYTES ? dns_ip4(&w->in) : w->in.ip;
	__u32 size = skb->len - l2;

	PARSE_HIDE(size);
	if (size > DNS_PACKET_MAX)
		return -1;
	PARSE_HIDE(size);
	if (size < DNS_PEEK || bpf_skb_load_bytes(skb, l2, ip, size))
		return -1;
	return dns_step_read(ip_bytes, size);
}

/* Turns the query's checksum, which is in the packet at `at`, into the answer's. */
static __always_inline int dns_mend_checksum(struct __sk_buff *skb, struct dns_work *w, __u32 at)
{
	__u32 old_len = CSUM_BE16((__u16)(UDP_HEADER_BYTES + w->len));
	__u32 new_len = CSUM_BE16((__u16)(UDP_HEADER_BYTES + w->out_len));
	__u64 changed;

	dns_put16(w->in.udp + 6, 0);
	dns_put16(w->out.udp + 6, 0);
	changed = csum_bytes_less(w->in.udp, UDP_HEADER_BYTES + w->len, DNS_UDP_ROOM);
	changed = csum_bytes(w->out.udp, UDP_HEADER_BYTES + w->out_len, DNS_UDP_ROOM, changed);
	if (bpf_l4_csum_replace(skb, at, 0, changed, BPF_F_MARK_MANGLED_0))
		return -1;
	return bpf_l4_csum_replace(skb, at, old_len, new_len,
				   BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | sizeof(__u16));
}

/* Puts w->out in the packet's place. 0, or -1 with nothing left of the packet. */
static __always_inline int dns_replace(struct __sk_buff *skb, struct dns_work *w, __u32 l2)
{
	__u32 ip_bytes = dns_ip_bytes_out(w), len = ip_bytes + UDP_HEADER_BYTES + w->out_len;
	__u8 *ip = w->packet.version == 4 ? dns_ip4(&w->out) : w->out.ip;
	int summed = w->in.udp[6] | w->in.udp[7];

	if (summed)
		PARSE_COPY(w->out.udp + 6, w->in.udp + 6, 2, 2);
	else
		dns_put_checksum(w);
	PARSE_HIDE(len);
	if (len > IP6_HEADER_BYTES + UDP_HEADER_BYTES + DNS_ANSWER_BYTES + DNS_OPT_BYTES)
		return -1;
	PARSE_HIDE(len);
	if (len < IP4_HEADER_BYTES || bpf_skb_store_bytes(skb, l2, ip, len, BPF_F_INVALIDATE_HASH))
		return -1;
	return summed ? dns_mend_checksum(skb, w, l2 + ip_bytes + 6) : 0;
}

static __always_inline int dns_resize(struct __sk_buff *skb, const struct dns_work *w, __u32 l2)
{
	return bpf_skb_change_tail(skb, l2 + dns_ip_bytes_out(w) + UDP_HEADER_BYTES + w->out_len,
				   0);
}

/*
 * What tun_egress would not let in, it is left to refuse (bpf/classify.h). Links have their
 * own names to resolve: what ends at the link is none of ours.
 */
static __always_inline int dns_tun_may(const struct packet *p, const struct settings *s, __u32 from)
{
	if (addr_ends_at_link(p, &p->daddr) || addr_is_tun_broadcast(p, s))
		return 0;
	if (from == CAPTURE_TUN && s->route && !s->dns_intercept && !packet_to_stack(p, s))
		return 0;
	if (from == CAPTURE_TUN)
		return packet_source_allowed(p, s) && !addr_unusable(p, &p->daddr);
	return from == CAPTURE_LOOPBACK ||
	       (!addr_unusable(p, &p->saddr) && !addr_unusable(p, &p->daddr));
}

__noinline int dns_tun_answer(struct __sk_buff *skb, __u32 ip_bytes)
{
	struct dns_work *w = dns_work_get();
	struct settings *s = settings_get();
	struct scratch *x = scratch_get();
	__u32 came = skb->len - l2_bytes;
	__s64 client;

	if (!w || !s || !x || dns_begin(w) || dns_load(skb, w, l2_bytes, ip_bytes))
		return TC_ACT_UNSPEC;
	capture_taken(skb, x, s);
	if (!dns_tun_may(&w->packet, s, x->from.point))
		return TC_ACT_UNSPEC;
	w->mtu = s->mtu;
	client = dns_client_get(w);
	if (client < 0 || dns_answer(w, client) || dns_resize(skb, w, l2_bytes))
		return TC_ACT_UNSPEC;
	count_packets(STAT_UP_PACKETS, 1, came);
	if (dns_replace(skb, w, l2_bytes))
		return drop(DROP_NO_MEMORY);
	dns_tell(w, skb);
	x->l2 = l2_bytes;
	return answer_send(skb, x);
}

SEC("?tc")
int dns_tun(struct __sk_buff *skb)
{
	struct dns_work *w = dns_work_get();
	struct settings *s = settings_get();
	__u32 ip_bytes;
	int action;

	if (!w || !s || packet_is_ours(skb, s) || capture_is_no_dns(skb, s))
		return TC_ACT_UNSPEC;
	ip_bytes = dns_peek(skb, w, l2_bytes);
	if (!ip_bytes)
		return TC_ACT_UNSPEC;
	action = dns_tun_answer(skb, ip_bytes);
	if (action == TC_ACT_UNSPEC)
		count_stat(STAT_DNS_ASKED, 1);
	return action;
}

static __always_inline int dns_swap_macs(struct __sk_buff *skb)
{
	__u8 to[ETH_ADDR_BYTES], from[ETH_ADDR_BYTES];

	return bpf_skb_load_bytes(skb, 0, to, sizeof(to)) ||
	       bpf_skb_load_bytes(skb, ETH_ADDR_BYTES, from, sizeof(from)) ||
	       bpf_skb_store_bytes(skb, 0, from, sizeof(from), 0) ||
	       bpf_skb_store_bytes(skb, ETH_ADDR_BYTES, to, sizeof(to), 0);
}

__noinline int dns_eth_answer(struct __sk_buff *skb, __u32 ip_bytes)
{
	struct dns_work *w = dns_work_get();
	__u32 mtu = 0;
	__s64 client;

	if (!w || dns_begin(w) || dns_load(skb, w, ETH_BYTES, ip_bytes))
		return TC_ACT_UNSPEC;
	client = dns_client_there(w);
	if (client < 0)
		return TC_ACT_UNSPEC;
	bpf_check_mtu(skb, 0, &mtu, 0, 0);
	w->mtu = mtu;
	if (dns_answer(w, client) || dns_resize(skb, w, ETH_BYTES)) {
		count_stat(STAT_DNS_ASKED, 1);
		return TC_ACT_UNSPEC;
	}
	if (dns_swap_macs(skb) || dns_replace(skb, w, ETH_BYTES))
		return drop(DROP_NO_MEMORY);
	dns_tell(w, NULL);
	return bpf_redirect(skb->ifindex, 0);
}

SEC("?tc")
int dns_eth(struct __sk_buff *skb)
{
	struct dns_work *w = dns_work_get();
	struct settings *s = settings_get();
	__u32 ip_bytes;
	__u16 type;

	if (!w || !s || skb->pkt_type != PACKET_TO_US || (s->mark && skb->mark == s->mark))
		return TC_ACT_UNSPEC;
	ip_bytes = dns_peek(skb, w, ETH_BYTES);
	type = ip_bytes == IP4_HEADER_BYTES ? ETH_TYPE_IP : ETH_TYPE_IP6;
	if (!ip_bytes || skb->protocol != CSUM_BE16(type))
		return TC_ACT_UNSPEC;
	return dns_eth_answer(skb, ip_bytes);
}

char _license[] SEC("license") = "Dual BSD/GPL";
