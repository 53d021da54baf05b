/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host_egress and host_ingress on single packets. The socket of these packets is of no protocol:
 * they pass for written by hand, of which nothing is noted.
 */
#ifndef BPF_HOST_WORLD_H
#define BPF_HOST_WORLD_H

#include "bpf/point_world.h"

#define HOST4 "192.0.2.10"
#define HOST6 "2001:db8::10"
#define NO_DEVICE 4000
#define NOW_NS (1ULL << 62) /* a heartbeat that is never stale */

static inline const char *where(void)
{
	return layer3 ? "without a link header" : "with an Ethernet header";
}

static inline int run(const struct craft *c, const struct __sk_buff *ctx)
{
	return run_prog(layer3 ? h->skel->progs.host_egress3 : h->skel->progs.host_egress, c, ctx);
}

static inline int run_in(const struct craft *c)
{
	return run_prog(layer3 ? h->skel->progs.host_ingress3 : h->skel->progs.host_ingress, c,
			NULL);
}

static inline void rules_say(enum verdict fallback, uint32_t epoch, uint32_t valid_from)
{
	capture_rules_say(h->skel, fallback, epoch, valid_from);
}

static inline void settings_are(const struct settings *s)
{
	harness_settings(h, s);
}

/* Every case begins with nothing known, and all to be forwarded. */
static inline int begin(void **state)
{
	struct settings s = capture_settings();
	struct harness_events events;

	settings_are(&s);
	rules_say(VERDICT_FORWARD, 0, 0);
	forget_all();
	empty(h->skel->maps.past_flows);
	memset(h->macs, 0, sizeof(h->macs));
	harness_read_events(h, &events);
	return 0;
}

static const struct craft udp4 = UDP(HOST4, 4000, OUTSIDE4, 9, .payload = 5);
static const struct craft udp6 = UDP(HOST6, 4000, OUTSIDE6, 9, V6, .payload = 5);
static const struct craft syn4 = TCP(HOST4, OUTSIDE4, CRAFT_SYN, );
static const struct craft syn6 = TCP(HOST6, OUTSIDE6, CRAFT_SYN, V6);
static const struct craft ack4 = { .proto = IPPROTO_TCP,
				   .src = HOST4,
				   .dst = OUTSIDE4,
				   .sport = 4000,
				   .dport = 80,
				   .tcp_flags = CRAFT_ACK,
				   .seq = 10,
				   .ack = 0x1234,
				   .payload = 3 };
static const struct craft echo4 = ECHO(HOST4, OUTSIDE4, IPPROTO_ICMP, 8, );
static const struct craft echo6 = ECHO(HOST6, OUTSIDE6, IPPROTO_ICMPV6, 128, V6);
static const struct craft sctp4 = SCTP(HOST4, OUTSIDE4);

/* Is what was left exactly this answer, in a frame that has been turned round? */
static inline void expect_answer(const struct craft *c)
{
	const uint8_t turned[12] = { 2, 0, 0, 0, 0, 0x77, 2, 0, 0, 0, 0, 0x88 };
	uint8_t want[CRAFT_MAX];
	size_t len = craft(c, want);

	assert_true(h->out_len >= len);
	assert_memory_equal(h->out + HARNESS_L2, want, len);
	assert_true(craft_checksums_right(h->out + HARNESS_L2, len));
	assert_int_equal(h->mark, 0);
	if (!layer3 || HARNESS_L2) /* the harness's own frame is not told from a device's */
		assert_memory_equal(h->out, turned, sizeof(turned));
}

static inline int open_all(void **state)
{
	h = capture_open(HARNESS_HOST);
	return 0;
}

#endif
