/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of LAN and loopback capture share: single packets of a client, on a device
 * with an Ethernet header or one without (where the harness's own stands for nothing), and
 * rules for them.
 */
#ifndef BPF_LAN_WORLD_H
#define BPF_LAN_WORLD_H

#include "bpf/point_world.h"

#include <sched.h>
#include <unistd.h>

#define CLIENT4 "192.168.7.20"
#define CLIENT6 "2001:db8:7::20"
#define UPLINK 5
#define EPOCH 4 /* of the rules in force */

static const uint8_t bridge_mac[6] = CAPTURE_MAC;
static const uint8_t client_mac[6] = { 2, 0, 0, 0, 0, 0x20 };
static const uint8_t neighbour_mac[6] = { 2, 0, 0, 0, 0, 0x21 };

/* From the client. */
static inline int up(const struct craft *c)
{
	return run_prog(layer3 ? h->skel->progs.lan_ingress3 : h->skel->progs.lan_ingress, c, NULL);
}

/* To the client, from a device or (0) from the host itself. */
static inline int down_from(const struct craft *c, uint32_t ifindex)
{
	struct __sk_buff ctx = { .ingress_ifindex = ifindex };

	return run_prog(layer3 ? h->skel->progs.lan_egress3 : h->skel->progs.lan_egress, c, &ctx);
}

static inline int lo(const struct craft *c, uint32_t mark)
{
	struct __sk_buff ctx = { .mark = mark };

	return run_prog(h->skel->progs.lo_egress, c, &ctx);
}

static inline void all(enum verdict fallback, uint32_t epoch, uint32_t valid_from)
{
	capture_rules_say(h->skel, fallback, epoch, valid_from);
}

/* A map put into entry `epoch & 1` of an array of maps. */
static inline int inner(struct bpf_map *outer, enum bpf_map_type type, uint32_t key, uint32_t value,
			uint32_t entries, uint32_t flags, uint32_t epoch)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, "inner", key, value, entries, &opts);
	uint32_t at = epoch & 1;

	assert_true(fd >= 0);
	put(outer, &at, &fd);
	return fd;
}

/* One rule, that the value of one dimension is this one; else `fallback`. */
static inline void rule(enum rule_dim dim, uint64_t a, enum verdict verdict, enum verdict fallback)
{
	struct rule_value value = { .dim = dim, .a = a };
	struct rule_set set = { .bits = { 1 } };
	static struct rule_table t;
	uint32_t place = 1;
	int fd;

	memset(&t, 0, sizeof(t));
	t.words = 1;
	t.rules = 1;
	t.dims = 1U << dim;
	t.fallback = fallback;
	t.verdict[0] = verdict;
	fd = inner(h->skel->maps.rule_values, BPF_MAP_TYPE_HASH, sizeof(value), 4, 8,
		   BPF_F_NO_PREALLOC, 0);
	assert_int_equal(bpf_map_update_elem(fd, &value, &place, 0), 0);
	close(fd);
	fd = inner(h->skel->maps.rule_sets, BPF_MAP_TYPE_ARRAY, 4, sizeof(set), 8, BPF_F_INNER_MAP,
		   0);
	assert_int_equal(bpf_map_update_elem(fd, &place, &set, 0), 0);
	close(fd);
	capture_rules_put(h->skel, &t, 0, 0);
}

static inline void device_is(enum capture_point where, uint32_t flags)
{
	struct capture_device d = { .mac = CAPTURE_MAC, .capture = where, .flags = flags };
	uint32_t ifindex = DEVICE;

	d.l2 = layer3 ? 0 : HARNESS_L2;
	put(h->skel->maps.capture_devices, &ifindex, &d);
}

static inline unsigned int entries(struct bpf_map *map)
{
	uint8_t key[64];
	void *at = NULL;
	unsigned int n = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(map), at, key)) {
		at = key;
		n++;
	}
	return n;
}

static inline void frame(const uint8_t *to, const uint8_t *from)
{
	memcpy(h->macs, to, 6);
	memcpy(h->macs + 6, from, 6);
}

/* Every case begins with nothing known, a client whose frames are for us, and all dropped. */
static inline int begin(void **state)
{
	struct settings s = capture_settings();
	struct harness_events events;

	s.tell_direct = 1;
	harness_settings(h, &s);
	all(VERDICT_DROP, EPOCH, 0);
	forget_all();
	device_is(CAPTURE_LAN, 0);
	frame(bridge_mac, client_mac);
	harness_read_events(h, &events);
	return 0;
}

static const struct craft syn4 = TCP(CLIENT4, OUTSIDE4, CRAFT_SYN, );
static const struct craft ack4 = TCP(CLIENT4, OUTSIDE4, CRAFT_ACK, .payload = 3);
static const struct craft udp4 = UDP(CLIENT4, 4000, OUTSIDE4, 9, .payload = 5);
static const struct craft syn6 = TCP(CLIENT6, OUTSIDE6, CRAFT_SYN, V6);
static const struct craft udp6 = UDP(CLIENT6, 4000, OUTSIDE6, 9, V6, .payload = 5);
static const struct craft echo4 = ECHO(CLIENT4, OUTSIDE4, IPPROTO_ICMP, 8, );
static const struct craft echo6 = ECHO(CLIENT6, OUTSIDE6, IPPROTO_ICMPV6, 128, V6);
static const struct craft sctp4 = SCTP(CLIENT4, OUTSIDE4);

static const struct craft *const kinds[] = { &syn4, &syn6, &udp4, &udp6, &echo4, &echo6 };
#define KINDS_NUM (sizeof(kinds) / sizeof(kinds[0]))

/* The same packet from the other side. */
static inline struct craft back(const struct craft *c, uint8_t tcp_flags, uint16_t payload)
{
	struct craft b = *c;

	b.src = c->dst;
	b.dst = c->src;
	b.sport = c->dport;
	b.dport = c->sport;
	b.tcp_flags = tcp_flags;
	b.payload = payload;
	return b;
}

/* The only direct flow. */
static inline struct flow direct_flow(struct flow_key *ret_key)
{
	int fd = bpf_map__fd(h->skel->maps.direct_flows);
	struct flow_key key;
	struct flow f;

	assert_int_equal(entries(h->skel->maps.direct_flows), 1);
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &f), 0);
	if (ret_key)
		*ret_key = key;
	return f;
}

/* On one CPU: the memory between a capture program and the TUN's is one of each CPU. */
static inline int open_all(void **state)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	h = harness_load(64, HARNESS_LAN);
	return 0;
}

#endif
