/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * host_egress and host_ingress on single packets, as they are on a device with an Ethernet
 * header and on one without (where the harness's own stands for nothing). The socket of these
 * packets is of no protocol: they pass for written by hand, of which nothing is noted.
 */
#ifndef BPF_HOST_WORLD_H
#define BPF_HOST_WORLD_H

#include "bpf/captured.h"

#define OUTSIDE4 "198.51.100.9"
#define OUTSIDE6 "2001:db8:9::9"
#define HOST4 "192.0.2.10"
#define HOST6 "2001:db8::10"
#define DEVICE 1 /* lo, on which single packets are */
#define NO_DEVICE 4000
#define NOW_NS (1ULL << 62) /* a heartbeat that is never stale */

/* Loaded once; each test empties what it fills. */
static struct harness *h;
static bool layer3; /* host_egress3, host_ingress3 */

static inline const char *where(void)
{
	return layer3 ? "without a link header" : "with an Ethernet header";
}

static inline int run(const struct craft *c, const struct __sk_buff *ctx)
{
	uint8_t bytes[CRAFT_MAX];
	struct bpf_program *prog = layer3 ? h->skel->progs.host_egress3 :
					    h->skel->progs.host_egress;

	return harness_run(h, prog, bytes, craft(c, bytes), ctx, 1);
}

static inline int run_in(const struct craft *c)
{
	uint8_t bytes[CRAFT_MAX];
	struct bpf_program *prog = layer3 ? h->skel->progs.host_ingress3 :
					    h->skel->progs.host_ingress;

	return harness_run(h, prog, bytes, craft(c, bytes), NULL, 1);
}

static inline void put(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, 0), 0);
}

/* The rules in force: none but what is to become of every flow. */
static inline void rules_say(enum verdict fallback, uint32_t epoch, uint32_t valid_from)
{
	struct rule_state state = { .epoch = epoch, .valid_from = valid_from };
	static struct rule_table table;
	uint32_t entry = epoch & 1, zero = 0;

	memset(&table, 0, sizeof(table));
	table.fallback = fallback;
	put(h->skel->maps.rule_tables, &entry, &table);
	put(h->skel->maps.rule_state, &zero, &state);
}

static inline void settings_are(const struct settings *s)
{
	harness_settings(h, s);
}

static inline void empty(struct bpf_map *map)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

/* Every case begins with nothing known, and all to be forwarded. */
static inline int begin(void **state)
{
	struct settings s = capture_settings();
	struct harness_events events;

	settings_are(&s);
	rules_say(VERDICT_FORWARD, 0, 0);
	empty(h->skel->maps.flows);
	empty(h->skel->maps.direct_flows);
	empty(h->skel->maps.udp_notes);
	empty(h->skel->maps.past_flows);
	empty(h->skel->maps.fragments);
	empty(h->skel->maps.host_addrs);
	empty(h->skel->maps.capture_devices);
	memset(h->macs, 0, sizeof(h->macs));
	harness_read_events(h, &events);
	return 0;
}

static const struct craft udp4 = {
	.proto = IPPROTO_UDP, .src = HOST4, .dst = OUTSIDE4, .sport = 4000, .dport = 9, .payload = 5
};
static const struct craft udp6 = { .version = 6,
				   .proto = IPPROTO_UDP,
				   .src = HOST6,
				   .dst = OUTSIDE6,
				   .sport = 4000,
				   .dport = 9,
				   .payload = 5 };
static const struct craft syn4 = { .proto = IPPROTO_TCP,
				   .src = HOST4,
				   .dst = OUTSIDE4,
				   .sport = 4000,
				   .dport = 80,
				   .tcp_flags = CRAFT_SYN,
				   .seq = 9 };
static const struct craft syn6 = { .version = 6,
				   .proto = IPPROTO_TCP,
				   .src = HOST6,
				   .dst = OUTSIDE6,
				   .sport = 4000,
				   .dport = 80,
				   .tcp_flags = CRAFT_SYN,
				   .seq = 9 };
static const struct craft ack4 = { .proto = IPPROTO_TCP,
				   .src = HOST4,
				   .dst = OUTSIDE4,
				   .sport = 4000,
				   .dport = 80,
				   .tcp_flags = CRAFT_ACK,
				   .seq = 10,
				   .ack = 0x1234,
				   .payload = 3 };
static const struct craft echo4 = { .proto = IPPROTO_ICMP,
				    .src = HOST4,
				    .dst = OUTSIDE4,
				    .icmp_type = 8,
				    .sport = 77,
				    .payload = 8 };
static const struct craft echo6 = { .version = 6,
				    .proto = IPPROTO_ICMPV6,
				    .src = HOST6,
				    .dst = OUTSIDE6,
				    .icmp_type = 128,
				    .sport = 77,
				    .payload = 8 };
static const struct craft sctp4 = {
	.proto = IPPROTO_SCTP, .src = HOST4, .dst = OUTSIDE4, .payload = 12
};

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

static inline int close_all(void **state)
{
	harness_close(h);
	return 0;
}

#endif
