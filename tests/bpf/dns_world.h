/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the DNS programs on single packets, with maps filled from a struct dns_host, and the
 * same packets through the code as compiled for the host: they must agree, always.
 */
#ifndef BPF_DNS_WORLD_H
#define BPF_DNS_WORLD_H

#include "bpf/harness.h"

#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include "lib/dns_ask.h"
#include "lib/dns_host.h"

#define DNS_WORLD_UNSPEC (-1)
#define DNS_WORLD_PASS 2 /* XDP_PASS */
#define DNS_WORLD_TX 3 /* XDP_TX */
#define DNS_WORLD_REPLY_MARK 0x6874ffffU

struct dns_world {
	struct harness *h;
	struct dns_host host;
	struct __sk_buff ctx; /* of the next runs, for traffic control */
	struct dns_work work;
	bool answered; /* of the last run */
	const uint8_t *answer; /* its packet */
	size_t answer_len;
};

static inline uint64_t dns_world_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * DNS_SECOND_NS + (uint64_t)t.tv_nsec;
}

static inline void dns_world_set(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static inline void dns_world_inner(struct bpf_map *outer, uint32_t which, int fd)
{
	assert_true(fd >= 0);
	dns_world_set(outer, &which, &fd);
	close(fd);
}

static inline void dns_world_clients(struct dns_world *w, uint32_t which)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	const struct dns_host_client *c = w->host.clients[which];
	int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "clients", sizeof(c->key), sizeof(c->value),
				DNS_PREFIXES_MAX, &opts);

	for (unsigned int i = 0; i < w->host.clients_num[which]; i++)
		assert_int_equal(bpf_map_update_elem(fd, &c[i].key, &c[i].value, BPF_ANY), 0);
	dns_world_inner(w->h->skel->maps.dns_clients, which, fd);
}

static inline void dns_world_names(struct dns_world *w, uint32_t which)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	const struct dns_bucket *b = w->host.names[which];
	uint32_t num = DNS_HOST_BUCKETS + DNS_BUCKETS_LOOKED - 1;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "names", 4, sizeof(*b), num, &opts);

	for (uint32_t i = 0; i < num; i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, &b[i], BPF_ANY), 0);
	dns_world_inner(w->h->skel->maps.dns_names, which, fd);
}

static inline void dns_world_forget(struct dns_world *w)
{
	int fd = bpf_map__fd(w->h->skel->maps.dns_answers);
	struct dns_answer_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

/* Writes what w->host says into the maps. */
static inline void dns_world_push(struct dns_world *w)
{
	const struct dns_host *host = &w->host;
	uint32_t which, i, at, one = 1;

	dns_world_forget(w);
	for (which = 0; which < 2; which++) {
		dns_world_clients(w, which);
		dns_world_names(w, which);
		for (i = 0; i < DNS_HOST_POLICIES; i++) {
			at = which * DNS_POLICIES_MAX + i;
			dns_world_set(w->h->skel->maps.dns_policies, &at,
				      &host->policies[which][i]);
		}
		dns_world_set(w->h->skel->maps.dns_local, &host->local[which], &one);
	}
	for (i = 0; i < host->answers_num; i++)
		dns_world_set(w->h->skel->maps.dns_answers, &host->answers[i].key,
			      &host->answers[i].value);
	at = 0;
	dns_world_set(w->h->skel->maps.dns_state, &at, &host->state);
	harness_settings(w->h, &host->settings);
}

static inline struct dns_world *dns_world_open(void)
{
	struct dns_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->h = harness_load(64, HARNESS_DNS);
	return w;
}

static inline void dns_world_close(struct dns_world *w)
{
	harness_close(w->h);
	free(w);
}

/* New tables, on, for the time that it is now; to be changed and pushed. */
static inline struct dns_host *dns_world_reset(struct dns_world *w)
{
	dns_host_init(&w->host);
	w->host.now_ns = dns_world_now();
	w->host.mtu = 65535; /* lo's, rounded: what bpf_prog_test_run says it is */
	memset(&w->ctx, 0, sizeof(w->ctx));
	return &w->host;
}

static inline int dns_world_xdp(struct dns_world *w, const uint8_t *packet, size_t len)
{
	uint8_t in[HARNESS_L2 + CRAFT_MAX] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_out = w->h->out,
		    .data_size_in = (uint32_t)(HARNESS_L2 + len),
		    .data_size_out = sizeof(w->h->out), .repeat = 1);

	put_ethertype(in + 12, packet, len);
	memcpy(in + HARNESS_L2, packet, len);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(w->h->skel->progs.dns_xdp), &opts),
			 0);
	w->h->out_len = opts.data_size_out - HARNESS_L2;
	if (opts.retval == DNS_WORLD_TX) {
		assert_memory_equal(w->h->out, in + 6, 6);
		assert_memory_equal(w->h->out + 6, in, 6);
	}
	return (int)opts.retval;
}

/* Did the program answer? Fails if it did anything but to answer or to leave alone. */
static inline bool dns_world_kernel(struct dns_world *w, enum dns_host_point point,
				    const uint8_t *packet, size_t len)
{
	struct headrace *skel = w->h->skel;
	int action, answered = HARNESS_REDIRECT, left = DNS_WORLD_UNSPEC;

	if (point == DNS_HOST_XDP) {
		action = dns_world_xdp(w, packet, len);
		answered = DNS_WORLD_TX;
		left = DNS_WORLD_PASS;
	} else {
		action = harness_run(
			w->h, point == DNS_HOST_TUN ? skel->progs.dns_tun : skel->progs.dns_eth,
			packet, len, &w->ctx, 1);
	}
	if (action == answered) {
		if (point == DNS_HOST_TUN)
			assert_int_equal(w->h->mark, DNS_WORLD_REPLY_MARK);
		return true;
	}
	assert_int_equal(action, left);
	assert_int_equal(w->h->out_len, len);
	assert_memory_equal(w->h->out + HARNESS_L2, packet, len);
	return false;
}

static inline void dns_world_print(const char *what, const uint8_t *bytes, size_t len)
{
	fprintf(stderr, "%s:\n", what);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x%s", bytes[i], i % 32 == 31 || i == len - 1 ? "\n" : "");
}

/* Is a query's UDP checksum right, or left out? Bytes behind the packet's end do not count. */
static inline bool dns_world_sum_right(const uint8_t *packet, size_t len)
{
	size_t total;

	if (len < 48)
		return craft_checksums_right(packet, len);
	total = packet[0] >> 4 == 4 ? parse_be16(packet + 2) : 40U + parse_be16(packet + 4);
	if (packet[0] == 0x45 && !(packet[26] | packet[27]))
		return true;
	return craft_checksums_right(packet, total < len ? total : len);
}

/* The same but for the UDP checksum, which of the kernel's must be right if the query's is. */
static inline bool dns_world_alike(struct dns_world *w, bool answered, const uint8_t *packet,
				   size_t len)
{
	const uint8_t *got = w->h->out + HARNESS_L2;
	size_t at = len && packet[0] >> 4 == 4 ? 26 : 46;

	if (answered != w->answered)
		return false;
	if (!answered)
		return true;
	return w->h->out_len == w->answer_len && memcmp(got, w->answer, at) == 0 &&
	       memcmp(got + at + 2, w->answer + at + 2, w->answer_len - at - 2) == 0 &&
	       (!dns_world_sum_right(packet, len) || craft_checksums_right(got, w->h->out_len));
}

/*
 * Runs a packet through both halves and compares. XDP alone verifies the query's checksum,
 * and leaves a wrong one alone. A second may have passed between the two: then once more.
 */
static inline bool dns_world_run(struct dns_world *w, enum dns_host_point point,
				 const uint8_t *packet, size_t len)
{
	bool answered = false;

	for (int tries = 0; tries < 2; tries++) {
		w->host.now_ns = dns_world_now();
		w->answered = dns_host_run(&w->host, point, packet, len, &w->work, &w->answer,
					   &w->answer_len);
		if (point == DNS_HOST_XDP && w->answered && !dns_world_sum_right(packet, len))
			w->answered = false;
		answered = dns_world_kernel(w, point, packet, len);
		if (dns_world_alike(w, answered, packet, len))
			return answered;
	}
	dns_world_print("query", packet, len);
	dns_world_print("kernel", w->h->out + HARNESS_L2, answered ? w->h->out_len : 0);
	dns_world_print("host", w->answer, w->answered ? w->answer_len : 0);
	fail_msg("point %d: the kernel %s, the host %s", point, answered ? "answers" : "leaves it",
		 w->answered ? "answers" : "leaves it");
	return false;
}

/* The packet of a query to the stack's address, IP version 4 or 6. */
static inline size_t dns_world_packet(const struct dns_ask *ask, int version,
				      uint8_t packet[CRAFT_MAX])
{
	uint8_t msg[DNS_ASK_MAX];
	struct craft c = {
		.version = (uint8_t)version,
		.dst = version == 4 ? "10.0.0.1" : "fd68:6561:6472:6163::1",
		.proto = IPPROTO_UDP,
		.sport = 40000,
		.dport = DNS_PORT,
		.data = msg,
		.payload = (uint16_t)dns_ask(ask, msg),
	};

	return craft(&c, packet);
}

/* Asks; true = answered: the message and its length. */
static inline bool dns_world_ask(struct dns_world *w, enum dns_host_point point, int version,
				 const struct dns_ask *ask, const uint8_t **ret_msg,
				 size_t *ret_len)
{
	size_t headers = version == 4 ? 28 : 48;
	uint8_t packet[CRAFT_MAX];

	if (!dns_world_run(w, point, packet, dns_world_packet(ask, version, packet)))
		return false;
	*ret_msg = w->h->out + HARNESS_L2 + headers;
	*ret_len = w->h->out_len - headers;
	return true;
}

#endif
