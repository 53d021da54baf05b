/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lwIP 2.1.3, unpatched, as a TCP engine and nothing else: one thread, one interface, no
 * timers of its own, no ARP, no UDP, no ICMP. stack/ calls tcp_input() itself, so most of
 * lwIP's IP layer is never reached.
 */
#ifndef STACK_LWIP_LWIPOPTS_H
#define STACK_LWIP_LWIPOPTS_H

#include <stdint.h>

/* Platform */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 0
#define LWIP_SINGLE_NETIF 1
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1 /* they assume fixed pools */

/* Memory: malloc's own per-size caches beat fixed pools, and nothing is reserved. */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8
#define LWIP_SUPPORT_CUSTOM_PBUF 1

/* IP: headers are written by lwIP, read by bpf/parse.h; fragments never reach it. */
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_ARP 0
#define LWIP_ETHERNET 0
#define LWIP_RAW 0
#define LWIP_UDP 0
#define LWIP_DNS 0
#define LWIP_ICMP 0
#define IP_FRAG 0 /* would cut a 64 KiB GSO packet */
#define LWIP_IPV6_FRAG 0
#define IP_REASSEMBLY 0
#define LWIP_IPV6_REASS 0
#define LWIP_IPV6_SCOPES 0
#define LWIP_IPV6_MLD 0
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_ND6_QUEUEING 0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
/* netif->hints points into the pcb whose segment is being sent: output learns its owner. */
#define LWIP_NETIF_HWADDRHINT 1

/* TCP. Sizes: TCP_MSS is the largest segment of a GSO packet, not what is announced. */
#define LWIP_TCP 1
#define TCP_MSS 65483
#define TCP_WND (1024 * 1024)
#define TCP_SND_BUF (1024 * 1024)
#define TCP_SND_QUEUELEN 4096
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 7
#define TCP_OVERSIZE 0
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 3 /* as many as Linux sends; 8 bytes of every pcb each */
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 512 /* a hostile sender of one-byte segments pins no more */
#define TCP_TTL 64
/*
 * Only LAST_ACK waits by it: TIME_WAIT is kept outside lwIP. Its limit, 2 * TCP_MSL without
 * a segment, must exceed the largest gap between window probes (60 s), or a reader that
 * pauses after the other side closed would lose the rest of its data.
 */
#define TCP_MSL 60000UL

/* Only the IP header's checksum is lwIP's; TCP's is completed by queue_write(). */
#define CHECKSUM_GEN_IP 1
#define LWIP_INLINE_IP_CHKSUM 1
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_GEN_UDP 0
#define CHECKSUM_GEN_ICMP 0
#define CHECKSUM_GEN_ICMP6 0
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_UDP 0
#define CHECKSUM_CHECK_ICMP 0
#define CHECKSUM_CHECK_ICMP6 0
#define LWIP_CHECKSUM_ON_COPY 0

/* Initial sequence numbers: RFC 6528, see stack/isn.c. */
struct ip_addr;
uint32_t stack_isn(const struct ip_addr *local, uint16_t local_port, const struct ip_addr *remote,
		   uint16_t remote_port);
#define LWIP_HOOK_TCP_ISN stack_isn

#endif
