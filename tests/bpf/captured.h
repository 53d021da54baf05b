/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of host capture share: a host's settings, and packets a capture point took. */
#ifndef BPF_CAPTURED_H
#define BPF_CAPTURED_H

#include "bpf/harness.h"

#include <arpa/inet.h>

#define CAPTURE_TUN_IFINDEX 1 /* stands for the TUN, as redirects are not carried out */
#define CAPTURE_IFINDEX 77 /* of an uplink or LAN device with an Ethernet header */
#define CAPTURE_IFINDEX3 78 /* likewise without one */
#define CAPTURE_SECRET0 0x13579bdfU
#define CAPTURE_SECRET1 0x2468ace0U
#define CAPTURE_RULE 7
#define CAPTURE_EPOCH 3
#define CAPTURE_MAC                                                                                \
	{                                                                                          \
		2, 0, 0, 0, 0, 0x77                                                                \
	}

static inline struct settings capture_settings(void)
{
	struct settings s = tun_settings();

	s.host = 1;
	s.dns_intercept = 1;
	s.tun_ifindex = CAPTURE_TUN_IFINDEX;
	s.capture_secret[0] = CAPTURE_SECRET0;
	s.capture_secret[1] = CAPTURE_SECRET1;
	return s;
}

static inline void capture_device_put(struct harness *h, uint32_t ifindex, enum capture_point where,
				      uint32_t flags)
{
	struct capture_device d = { .mac = CAPTURE_MAC, .capture = where, .flags = flags };

	d.l2 = ifindex == CAPTURE_IFINDEX ? HARNESS_L2 : 0;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(h->skel->maps.capture_devices), &ifindex,
					     &d, 0),
			 0);
}

/* What a capture program of the device leaves with a packet. */
static inline struct __sk_buff capture_ctx(uint32_t ifindex, enum capture_point where,
					   enum verdict verdict)
{
	struct __sk_buff ctx = { .cb = { CAPTURE_SECRET0, CAPTURE_SECRET1,
					 CAPTURE_RULE | (uint32_t)verdict << 16 |
						 (uint32_t)where << 24,
					 ifindex, CAPTURE_EPOCH } };

	return ctx;
}

static inline struct harness *capture_open(enum harness_parts parts)
{
	struct settings s = capture_settings();
	struct harness *h = harness_load(64, parts);

	harness_settings(h, &s);
	return h;
}

static inline void put(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, 0), 0);
}

static inline void empty(struct bpf_map *map)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

/* The rules in force are this table. */
static inline void capture_rules_put(struct headrace *skel, struct rule_table *table,
				     uint32_t epoch, uint32_t valid_from)
{
	struct rule_state state = { .epoch = epoch, .valid_from = valid_from };
	uint32_t entry = epoch & 1, zero = 0;

	put(skel->maps.rule_tables, &entry, table);
	put(skel->maps.rule_state, &zero, &state);
}

/* The rules in force: none but what is to become of every flow. */
static inline void capture_rules_say(struct headrace *skel, enum verdict fallback, uint32_t epoch,
				     uint32_t valid_from)
{
	static struct rule_table table;

	memset(&table, 0, sizeof(table));
	table.fallback = fallback;
	capture_rules_put(skel, &table, epoch, valid_from);
}

#endif
