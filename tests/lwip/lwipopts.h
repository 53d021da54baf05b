/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * lwIP's own test suites run with the lwipopts.h of the product, and with these changes to it
 * because they do not compile, link or count without. Nothing else differs.
 */
#ifndef TESTS_LWIP_LWIPOPTS_H
#define TESTS_LWIP_LWIPOPTS_H

#include "stack/lwip/lwipopts.h"

/* They look at lwIP's counters. With malloc as the heap two of them are off by default. */
#undef LWIP_STATS
#define LWIP_STATS 1
#define MIB2_STATS 1
#define MEM_STATS 1
#define MEMP_STATS 1
/* Their name for a pool that LWIP_TIMERS 0 leaves out: a bit of no pool. */
#define MEMP_SYS_TIMEOUT 30

/* They put interfaces into lwIP's list, and find its loopback interface there. */
#undef LWIP_SINGLE_NETIF
#define LWIP_SINGLE_NETIF 0
#define LWIP_HAVE_LOOPIF 1
/* They write htons(). */
#undef LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS
/* Their sequence numbers follow from tcp_ticks by lwIP's own generator. */
#undef LWIP_HOOK_TCP_ISN

/* What the IP suites test and Headrace does by itself (flow/reassembly.c) or has no use for. */
#undef IP_REASSEMBLY
#define IP_REASSEMBLY 1
#undef LWIP_ETHERNET
#define LWIP_ETHERNET 1
#undef LWIP_ARP
#define LWIP_ARP 1

/* Their packets are chains of pool buffers; one of TCP_MSS would not fit into 16 bits. */
#define PBUF_POOL_BUFSIZE 592

#ifdef SUITES_SMALL
/* The sizes of lwIP's own configuration of the suites: those that count in 16 bits. */
#undef TCP_MSS
#define TCP_MSS 536
#undef TCP_WND
#define TCP_WND (10 * TCP_MSS)
#undef TCP_SND_BUF
#define TCP_SND_BUF (12 * TCP_MSS)
#undef TCP_OOSEQ_MAX_PBUFS
#define TCP_OOSEQ_MAX_PBUFS 0
#else
/* Our sizes; they want room for more than a window. */
#undef TCP_SND_BUF
#define TCP_SND_BUF (TCP_WND + 1)
#endif

/* Of lwIP's threads, which NO_SYS leaves out; ours is in suites.c. */
int tcpip_thread_poll_one(void);

#endif
