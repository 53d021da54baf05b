/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel half's DNS on the host: the code of bpf/dns.h over tables in plain memory, in
 * the order in which the programs run it. Tests compare the two, the fuzzer runs this one.
 */
#ifndef LIB_DNS_HOST_H
#define LIB_DNS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/contract.h"
#include "bpf/dns.h"

#define DNS_HOST_CLIENTS 16
#define DNS_HOST_ANSWERS 32
#define DNS_HOST_BUCKETS 64 /* without those behind the last */
#define DNS_HOST_POLICIES 4

struct dns_host_client {
	struct dns_client_key key;
	uint32_t value;
};

struct dns_host_answer {
	struct dns_answer_key key;
	struct dns_answer value;
};

/* What the maps hold; of each pair entry epoch & 1 is in force. */
struct dns_host {
	struct settings settings;
	struct dns_state state;
	struct dns_policy policies[2][DNS_HOST_POLICIES];
	struct dns_host_client clients[2][DNS_HOST_CLIENTS];
	unsigned int clients_num[2];
	struct dns_bucket names[2][DNS_HOST_BUCKETS + DNS_BUCKETS_LOOKED - 1];
	struct dns_host_answer answers[DNS_HOST_ANSWERS];
	unsigned int answers_num;
	struct dns_local_key local[2]; /* where we listen on Ethernet devices: IPv4, IPv6 */
	uint64_t now_ns;
	uint32_t mtu; /* of the Ethernet device */
};

enum dns_host_point { DNS_HOST_TUN, DNS_HOST_ETH, DNS_HOST_XDP, DNS_HOST_POINTS };

/* A state that is on, with seeds and one policy for everybody that passes all. */
void dns_host_init(struct dns_host *h);

/*
 * Of generation `which` (0 or 1). The name is in presentation form, "." the root. False: it is
 * there already, or there is no room in its bucket.
 */
bool dns_host_name_add(struct dns_host *h, unsigned int which, const char *name, uint32_t group,
		       uint32_t kinds);
void dns_host_client_add(struct dns_host *h, unsigned int which, const char *addr,
			 unsigned int bits, uint32_t value);

/* Wire form in lower case; returns its length. */
size_t dns_host_name_wire(const char *name, uint8_t wire[DNS_NAME_MAX + 1]);
uint64_t dns_host_hash(const struct dns_host *h, const uint8_t *wire);

/*
 * Keeps an answer without records to a question of this name and type; `flags`: DNS_ANSWER_*.
 * It was stored now and holds for an hour. Returns it for further changes.
 */
struct dns_host_answer *dns_host_answer_add(struct dns_host *h, uint32_t policy, const char *name,
					    uint16_t type, uint8_t flags);
/* Adds a record of the question's name to its answer section. */
void dns_host_answer_record(struct dns_host_answer *a, uint16_t type, uint32_t ttl,
			    const void *rdata, uint16_t rdata_len);

/*
 * The answer to the packet at [ip, ip + len), in `w`: true, or false = the resolver's. The
 * answer's packet without UDP checksum is at *ret_ip.
 */
bool dns_host_run(const struct dns_host *h, enum dns_host_point point, const uint8_t *ip,
		  size_t len, struct dns_work *w, const uint8_t **ret_ip, size_t *ret_len);

#endif
