/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The budgets of an instance: every number that may be configured, by name. One table for
 * the command line, the "run" request, `headrace status` and the roles; base/limits.h has
 * the bounds that are fixed.
 *
 * At a budget the order is: backpressure where somebody can wait; then the oldest idle one
 * of whoever holds most makes room; then a counted refusal. One source (the application's
 * address) has a share, so that it cannot take all: three quarters unless it is said.
 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "bpf/contract.h"

/*
 * X(enumerator, name, default, min, max, description). All are of the whole instance, shared
 * evenly by its workers, but `descriptors`, which each process has for itself. Those of one
 * source follow theirs; default 0: three quarters of it (connects and queries: all, for one
 * source's make way for another's at once). `descriptors` 0: what RLIMIT_NOFILE leaves.
 */
#define LIMITS(X)                                                                                  \
	X(LIMIT_FLOWS, flows, FLOWS_MAX, 16, 1 << 20, "TCP connections, UDP and echo sessions")    \
	X(LIMIT_SOURCE_FLOWS, flows_per_source, 0, 1, 1 << 20, "of them, those of one source")     \
	X(LIMIT_CONNECTS, tcp_connects, TCP_CONNECTS_MAX, 1, 1 << 20,                              \
	  "TCP connects without an answer yet")                                                    \
	X(LIMIT_SOURCE_CONNECTS, tcp_connects_per_source, TCP_CONNECTS_MAX, 1, 1 << 20,            \
	  "of them, those of one source")                                                          \
	X(LIMIT_DESTINATION_CONNECTS, tcp_connects_per_destination, TCP_CONNECTS_TO_ONE_MAX, 1,    \
	  1 << 20, "of them, those to one address that does not answer")                           \
	X(LIMIT_UDP, udp_sessions, UDP_SESSIONS_MAX, 1, 1 << 20, "UDP sessions")                   \
	X(LIMIT_SOURCE_UDP, udp_sessions_per_source, 0, 1, 1 << 20,                                \
	  "of them, those of one source")                                                          \
	X(LIMIT_ICMP, icmp_sessions, ICMP_SESSIONS_MAX, 1, ICMP_SESSIONS_MAX *WORKERS_MAX,         \
	  "echo sessions")                                                                         \
	X(LIMIT_SOURCE_ICMP, icmp_sessions_per_source, 0, 1, ICMP_SESSIONS_MAX *WORKERS_MAX,       \
	  "of them, those of one source")                                                          \
	X(LIMIT_DESCRIPTORS, descriptors, 0, 16, 1 << 20,                                          \
	  "file descriptors that the flows of a process may take")                                 \
	X(LIMIT_SOURCE_DESCRIPTORS, descriptors_per_source, 0, 1, 1 << 20,                         \
	  "of them, those of one source")                                                          \
	X(LIMIT_BUFFERS, buffer_bytes, TCP_BUFFERS_MAX, 1 << 20, 1LL << 40,                        \
	  "bytes held for TCP connections")                                                        \
	X(LIMIT_SOURCE_BUFFERS, buffer_bytes_per_source, 0, 1 << 16, 1LL << 40,                    \
	  "of them, those of one source")                                                          \
	X(LIMIT_DNS_STREAMS, dns_streams, DNS_STREAMS_MAX, 1, 1 << 16, "DNS over TCP connections") \
	X(LIMIT_SOURCE_DNS_STREAMS, dns_streams_per_source, 0, 1, 1 << 16,                         \
	  "of them, those of one client")                                                          \
	X(LIMIT_DNS_QUERIES, dns_queries, DNS_QUERIES_MAX, 1, 1 << 20, "DNS queries in flight")    \
	X(LIMIT_SOURCE_DNS_QUERIES, dns_queries_per_source, DNS_QUERIES_MAX, 1, 1 << 20,           \
	  "of them, those of one client")

#define LIMITS_ENUM(enumerator, name, standard, min, max, text) enumerator,
enum limit { LIMITS(LIMITS_ENUM) LIMIT_NUM };

/* In role_config. Every number is within its bounds; 0 = the default that depends. */
struct limits {
	uint64_t n[LIMIT_NUM];
};

#define BUDGET_ERROR_MAX 192

void limits_init(struct limits *l);
/*
 * Sets "NAME=NUMBER" or a named number; '-' in a name is as good as '_', a number may end in
 * K, M or G (1024 each). 0, or -EINVAL with a line for the user in err.
 */
int limits_set_text(struct limits *l, const char *text, char err[BUDGET_ERROR_MAX]);
int limits_set(struct limits *l, const char *name, size_t name_len, long long n,
	       char err[BUDGET_ERROR_MAX]);
const char *limit_name(enum limit which);
const char *limit_text(enum limit which);

/* There is one source alone, which may have all: where its share is not set it is the whole. */
void limits_one_source(struct limits *l);

/* Flows of DNS clients, which the resolver has beside those of the workers. */
uint32_t limits_dns_flows(const struct limits *l);
/* What one of `share` processes gets of `n`, at least 1. */
uint64_t budget_part(uint64_t n, unsigned int share);
/* Three quarters, at least 1: what one source may have of `limit` by default. */
uint64_t budget_source_share(uint64_t limit);
/*
 * Fills in what a role works with: `limit` of the instance, divided by `share` processes,
 * and that of one source, `source` of the instance or by default its share.
 */
void budget_setup(struct budget_use *b, uint64_t limit, uint64_t source, unsigned int share);
/*
 * Descriptors that this process may open beside those that it has and `spare` ones, at least
 * 8: from RLIMIT_NOFILE.
 */
uint64_t budget_descriptors(unsigned int spare);
/* Raises the soft limit of descriptors to the hard one. 0 or -errno. */
int budget_raise_descriptors(void);

#endif
