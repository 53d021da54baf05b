// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS answered by XDP: queries to our listeners that come in by an Ethernet device, answered
 * out of its receive ring. As dns_eth of bpf/dns.bpf.c, but that nothing is known here of a
 * packet but its bytes: the query's checksum is verified and the answer's is made anew.
 *
 * Limits: frames with a VLAN tag pass; of a tag that the device has taken off nothing can be
 * seen here, so such a device wants dns_eth.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/dns_run.h"

#define ETH_BYTES 14
#define ETH_ADDR_BYTES 6
#define ETH_TYPE_AT 12
#define ETH_TYPE_IP 0x0800
#define ETH_TYPE_IP6 0x86dd

/* Bytes of the packet's IP header; 0 = it is no query. Leaves the Ethernet header in `eth`. */
static __always_inline __u32 dns_peek(struct xdp_md *ctx, struct dns_work *w, __u8 *eth)
{
	__u32 ip_bytes, type;

	if (bpf_xdp_load_bytes(ctx, 0, eth, ETH_BYTES) || eth[0] & 1 ||
	    bpf_xdp_load_bytes(ctx, ETH_BYTES, w->in.ip, DNS_PEEK))
		return 0;
	ip_bytes = dns_ip_bytes(w->in.ip);
	type = ip_bytes == IP4_HEADER_BYTES ? ETH_TYPE_IP : ETH_TYPE_IP6;
	return parse_be16(eth + ETH_TYPE_AT) == type ? ip_bytes : 0;
}

static __always_inline int dns_load(struct xdp_md *ctx, struct dns_work *w, __u32 ip_bytes,
				    __u32 size)
{
	__u8 *ip = ip_bytes == IP4_HEADER_BYTES ? dns_ip4(&w->in) : w->in.ip;

	PARSE_HIDE(size);
	if (size > DNS_PACKET_MAX)
		return -1;
	PARSE_HIDE(size);
	if (size < DNS_PEEK || bpf_xdp_load_bytes(ctx, ETH_BYTES, ip, size))
		return -1;
	return dns_step_read(ip_bytes, size);
}

/* No checksum (IPv4 alone: dns_read_ip()) is as good as a right one. */
static __always_inline int dns_sum_right(struct dns_work *w)
{
	__u32 sum;

	if (!(w->in.udp[6] | w->in.udp[7]))
		return 1;
	sum = dns_pseudo_sum(w, &w->in, w->len);
	sum = csum_bytes(w->in.udp, UDP_HEADER_BYTES + w->len, DNS_UDP_ROOM, sum);
	return !csum_fold(sum);
}

/* Makes the frame fit the answer, or leaves it as it is. */
static __always_inline int dns_resize(struct xdp_md *ctx, const struct dns_work *w, __u32 size)
{
	__u32 len = dns_ip_bytes_out(w) + UDP_HEADER_BYTES + w->out_len;

	return bpf_xdp_adjust_tail(ctx, (int)len - (int)size);
}

/* Puts w->out in the packet's place. 0, or -1 with nothing left of the packet. */
static __always_inline int dns_replace(struct xdp_md *ctx, struct dns_work *w, __u8 *eth)
{
	__u32 len = dns_ip_bytes_out(w) + UDP_HEADER_BYTES + w->out_len;
	__u8 *ip = w->packet.version == 4 ? dns_ip4(&w->out) : w->out.ip;

	if (bpf_xdp_store_bytes(ctx, 0, eth + ETH_ADDR_BYTES, ETH_ADDR_BYTES) ||
	    bpf_xdp_store_bytes(ctx, ETH_ADDR_BYTES, eth, ETH_ADDR_BYTES))
		return -1;
	dns_put_checksum(w);
	PARSE_HIDE(len);
	if (len > IP6_HEADER_BYTES + UDP_HEADER_BYTES + DNS_ANSWER_BYTES + DNS_OPT_BYTES)
		return -1;
	PARSE_HIDE(len);
	return len < IP4_HEADER_BYTES ? -1 : (int)bpf_xdp_store_bytes(ctx, ETH_BYTES, ip, len);
}

SEC("?xdp")
int dns_xdp(struct xdp_md *ctx)
{
	__u32 mtu = 0, size = (__u32)bpf_xdp_get_buff_len(ctx) - ETH_BYTES, ip_bytes;
	struct dns_work *w = dns_work_get();
	__u8 eth[ETH_BYTES];
	__s64 client;

	if (!w)
		return XDP_PASS;
	ip_bytes = dns_peek(ctx, w, eth);
	if (!ip_bytes || dns_begin(w) || dns_load(ctx, w, ip_bytes, size))
		return XDP_PASS;
	client = dns_client_there(w);
	if (client < 0)
		return XDP_PASS;
	bpf_check_mtu(ctx, 0, &mtu, 0, 0);
	w->mtu = mtu;
	if (!dns_sum_right(w) || dns_answer(w, client) || dns_resize(ctx, w, size)) {
		count_stat(STAT_DNS_ASKED, 1);
		return XDP_PASS;
	}
	if (dns_replace(ctx, w, eth)) {
		count_drop(DROP_NO_MEMORY);
		return XDP_DROP;
	}
	dns_tell(w, NULL);
	return XDP_TX;
}

char _license[] SEC("license") = "Dual BSD/GPL";
