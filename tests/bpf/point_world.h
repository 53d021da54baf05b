/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Single packets at a capture point, as they are on a device with an Ethernet header and on one
 * without (where the harness's own stands for nothing).
 */
#ifndef BPF_POINT_WORLD_H
#define BPF_POINT_WORLD_H

#include "bpf/captured.h"

#define OUTSIDE4 "198.51.100.9"
#define OUTSIDE6 "2001:db8:9::9"
#define DEVICE 1 /* lo, on which single packets are */

/* Loaded once; each test empties what it fills. */
static struct harness *h;
static bool layer3; /* the programs of a device without a link header */

static inline int run_prog(struct bpf_program *prog, const struct craft *c,
			   const struct __sk_buff *ctx)
{
	uint8_t bytes[CRAFT_MAX];

	return harness_run(h, prog, bytes, craft(c, bytes), ctx, 1);
}

/* Nothing is known of flows, addresses and devices. */
static inline void forget_all(void)
{
	empty(h->skel->maps.flows);
	empty(h->skel->maps.direct_flows);
	empty(h->skel->maps.inbound_notes);
	empty(h->skel->maps.fragments);
	empty(h->skel->maps.host_addrs);
	empty(h->skel->maps.host_prefixes);
	empty(h->skel->maps.capture_devices);
}

#define TCP(from, to, flags, ...)                                                                  \
	{                                                                                          \
		.proto = IPPROTO_TCP, .src = (from), .dst = (to), .sport = 4000, .dport = 80,      \
		.tcp_flags = (flags), .seq = 9, __VA_ARGS__                                        \
	}
#define UDP(from, from_port, to, to_port, ...)                                                     \
	{                                                                                          \
		.proto = IPPROTO_UDP, .src = (from), .dst = (to), .sport = (from_port),            \
		.dport = (to_port), __VA_ARGS__                                                    \
	}
#define ECHO(from, to, protocol, type, ...)                                                        \
	{                                                                                          \
		.proto = (protocol), .src = (from), .dst = (to), .icmp_type = (type), .sport = 77, \
		.payload = 8, __VA_ARGS__                                                          \
	}
#define SCTP(from, to)                                                                             \
	{                                                                                          \
		.proto = IPPROTO_SCTP, .src = (from), .dst = (to), .payload = 12                   \
	}
/* Of the answer to TCP(). */
#define TCP_BACK(from, to, flags, ...)                                                             \
	{                                                                                          \
		.proto = IPPROTO_TCP, .src = (from), .dst = (to), .sport = 80, .dport = 4000,      \
		.tcp_flags = (flags), __VA_ARGS__                                                  \
	}
#define V6 .version = 6

static inline int close_all(void **state)
{
	harness_close(h);
	return 0;
}

#endif
