/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the TUN programs on single packets by bpf_prog_test_run. It wants an Ethernet header,
 * which a TUN has not: the programs are loaded with l2_bytes = 14, and the header is added
 * and taken off here. Redirects are not carried out; the action tells of them.
 */
#ifndef BPF_HARNESS_H
#define BPF_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/contract.h"
#include "headrace.skel.h"
#include "lib/craft.h"
#include "lib/tun_settings.h"

#define HARNESS_L2 14
#define HARNESS_OK 0
#define HARNESS_DROP 2
#define HARNESS_REDIRECT 7

struct harness {
	struct headrace *skel;
	uint8_t out[HARNESS_L2 + CRAFT_MAX]; /* after a run; the packet is at out + HARNESS_L2 */
	size_t out_len; /* of the packet */
	uint8_t macs[12]; /* destination and source of the frame of a run */
	uint32_t mark; /* skb->mark after a run */
	uint32_t cb[5]; /* skb->cb after a run */
	uint32_t duration_ns; /* of the run, averaged over `repeat` */
};

static inline void harness_settings(struct harness *h, const struct settings *s)
{
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(h->skel->maps.settings), &zero, s, 0), 0);
}

static inline int harness_silent(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

/* What nobody loads who does not use it: the verifier has most of its work with these. */
static inline void harness_with_dns(struct headrace *skel)
{
	bpf_program__set_autoload(skel->progs.dns_tun, true);
	bpf_program__set_autoload(skel->progs.dns_eth, true);
	bpf_program__set_autoload(skel->progs.dns_xdp, true);
}

static inline void harness_with_host(struct headrace *skel)
{
	bpf_program__set_autoload(skel->progs.host_egress, true);
	bpf_program__set_autoload(skel->progs.host_egress3, true);
	bpf_program__set_autoload(skel->progs.host_ingress, true);
	bpf_program__set_autoload(skel->progs.host_ingress3, true);
}

static inline void harness_with_lan(struct headrace *skel)
{
	bpf_program__set_autoload(skel->progs.lan_ingress, true);
	bpf_program__set_autoload(skel->progs.lan_ingress3, true);
	bpf_program__set_autoload(skel->progs.lan_egress, true);
	bpf_program__set_autoload(skel->progs.lan_egress3, true);
	bpf_program__set_autoload(skel->progs.lo_egress, true);
}

enum harness_parts { HARNESS_TUN, HARNESS_DNS, HARNESS_HOST, HARNESS_LAN };

/* Ends the test program with 77 if we may not load programs. */
static inline struct harness *harness_load(uint32_t flows_max, enum harness_parts parts)
{
	struct settings s = tun_settings();
	struct harness *h = calloc(1, sizeof(*h));
	int err;

	assert_non_null(h);
	libbpf_set_print(harness_silent);
	h->skel = headrace__open();
	assert_non_null(h->skel);
	h->skel->rodata->l2_bytes = HARNESS_L2;
	bpf_map__set_max_entries(h->skel->maps.flows, flows_max);
	if (parts == HARNESS_DNS)
		harness_with_dns(h->skel);
	if (parts == HARNESS_HOST)
		harness_with_host(h->skel);
	if (parts == HARNESS_LAN)
		harness_with_lan(h->skel);
	err = headrace__load(h->skel);
	if (err == -EPERM) {
		fprintf(stderr, "no right to load BPF programs\n");
		exit(77);
	}
	assert_int_equal(err, 0);
	harness_settings(h, &s);
	return h;
}

static inline struct harness *harness_open(uint32_t flows_max)
{
	return harness_load(flows_max, HARNESS_TUN);
}

static inline void harness_close(struct harness *h)
{
	headrace__destroy(h->skel);
	free(h);
}

/* Of IP the kernel wants a whole header here; what is shorter goes as something unknown. */
static inline void put_ethertype(uint8_t *to, const uint8_t *packet, size_t len)
{
	bool v6 = len && packet[0] >> 4 == 6;
	uint16_t type = v6 ? 0x86dd : 0x0800;

	if (len < (v6 ? 40 : 20))
		type = 0x88b5; /* IEEE 802: for experiments */
	to[0] = type >> 8;
	to[1] = (uint8_t)type;
}

/* Runs a program; ctx_in may be NULL. Returns its action. */
static inline int harness_run(struct harness *h, struct bpf_program *prog, const uint8_t *packet,
			      size_t len, const struct __sk_buff *ctx_in, unsigned int repeat)
{
	uint8_t in[HARNESS_L2 + CRAFT_MAX] = { 0 };
	struct __sk_buff none = { 0 }, ctx_out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = h->out,
		    .data_size_in = HARNESS_L2 + len, .data_size_out = sizeof(h->out),
		    .ctx_in = ctx_in ? ctx_in : &none, .ctx_size_in = sizeof(none),
		    .ctx_out = &ctx_out, .ctx_size_out = sizeof(ctx_out), .repeat = repeat);

	memcpy(in, h->macs, sizeof(h->macs));
	put_ethertype(in + 12, packet, len);
	memcpy(in + HARNESS_L2, packet, len);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	h->out_len = opts.data_size_out - HARNESS_L2;
	h->mark = ctx_out.mark;
	memcpy(h->cb, ctx_out.cb, sizeof(h->cb));
	h->duration_ns = opts.duration;
	return (int)opts.retval;
}

static inline int harness_egress(struct harness *h, const struct craft *c)
{
	uint8_t bytes[CRAFT_MAX];

	return harness_run(h, h->skel->progs.tun_egress, bytes, craft(c, bytes), NULL, 1);
}

static inline int harness_ingress(struct harness *h, const struct craft *c)
{
	uint8_t bytes[CRAFT_MAX];

	return harness_run(h, h->skel->progs.tun_ingress, bytes, craft(c, bytes), NULL, 1);
}

static inline const struct craft *harness_kind(const char *name)
{
	size_t i;

	for (i = 0; i < craft_kinds_num; i++)
		if (!strcmp(craft_kinds[i].name, name))
			return &craft_kinds[i];
	fail_msg("no kind %s", name);
	return NULL;
}

/* The one entry of a per-CPU array of 64-bit fields, summed over the CPUs. */
static inline void harness_sums(struct bpf_map *map, __u64 *ret_sums)
{
	size_t cpus = libbpf_num_possible_cpus(), fields = bpf_map__value_size(map) / 8, i;
	__u64 values[cpus * fields];
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &zero, values), 0);
	memset(ret_sums, 0, fields * 8);
	for (i = 0; i < cpus * fields; i++)
		ret_sums[i % fields] += values[i];
}

static inline uint64_t harness_drops(struct harness *h, enum drop_reason reason)
{
	__u64 sums[DROP_NUM];

	harness_sums(h->skel->maps.drops, sums);
	return sums[reason];
}

static inline uint64_t harness_drops_all(struct harness *h)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < DROP_NUM; i++)
		sum += harness_drops(h, i);
	return sum;
}

static inline uint64_t harness_stat(struct harness *h, enum kernel_stat stat)
{
	__u64 sums[STAT_NUM];

	harness_sums(h->skel->maps.stats, sums);
	return sums[stat];
}

/* The only entry of `flows`; fails unless there is exactly one. */
static inline struct flow harness_flow(struct harness *h, struct flow_key *ret_key)
{
	int fd = bpf_map__fd(h->skel->maps.flows);
	struct flow_key next;
	struct flow f;

	assert_int_equal(bpf_map_get_next_key(fd, NULL, ret_key), 0);
	assert_int_equal(bpf_map_get_next_key(fd, ret_key, &next), -ENOENT);
	assert_int_equal(bpf_map_lookup_elem(fd, ret_key, &f), 0);
	return f;
}

static inline unsigned int harness_flows(struct harness *h)
{
	int fd = bpf_map__fd(h->skel->maps.flows);
	struct flow_key key, *at = NULL;
	unsigned int count = 0;

	while (!bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		count++;
	}
	return count;
}

#define HARNESS_EVENTS_MAX 16

/* Events since the last call; size is what the record had. */
struct harness_events {
	unsigned int count;
	struct flow_event event[HARNESS_EVENTS_MAX];
	size_t size[HARNESS_EVENTS_MAX];
};

static inline int harness_on_event(void *ctx, void *data, size_t size)
{
	struct harness_events *e = ctx;

	assert_true(e->count < HARNESS_EVENTS_MAX);
	assert_true(size <= sizeof(e->event[0]));
	memcpy(&e->event[e->count], data, size);
	e->size[e->count++] = size;
	return 0;
}

static inline void harness_read_events(struct harness *h, struct harness_events *ret_events)
{
	struct ring_buffer *ring;

	memset(ret_events, 0, sizeof(*ret_events));
	ring = ring_buffer__new(bpf_map__fd(h->skel->maps.events), harness_on_event, ret_events,
				NULL);
	assert_non_null(ring);
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
}

#endif
