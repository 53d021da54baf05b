/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The worker role: one TUN queue, lwIP for TCP, engines for UDP and ICMP echo, and the
 * sockets behind them. worker.c owns the loop and the queue and hands each packet to the
 * engine of its protocol; tcp*.c, udp*.c and icmp*.c know the worker, not each other.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/role.h"
#include "base/sources.h"
#include "bpf/parse.h"
#include "datapath/role.h"
#include "netdev/packet.h"
#include "netdev/queue.h"

struct tcp_engine;
struct udp_engine;
struct icmp_engine;
struct inbox;

struct worker {
	struct loop *loop;
	struct queue queue;
	struct datapath datapath;
	struct role_config config;
	struct sources sources; /* who holds what: room.h */
	int relay_fd; /* to the resolver, -1 until handed over */
	int icmp_fd[2]; /* raw v4, v6; -1 = not available */
	struct tcp_engine *tcp;
	struct udp_engine *udp;
	struct icmp_engine *icmp;
	struct inbox *inbox; /* to and from other workers; NULL = there are none */
	uint32_t fragment_id; /* of the next datagram written as fragments */
};

/*
 * A whole packet (reassembled if it was fragmented) on its way to an engine. `raw` is valid
 * during the call only; L4 checksum verified unless raw->csum_trusted said it need not be.
 */
struct worker_packet {
	struct packet head; /* as parsed */
	struct queue_packet raw; /* len = head.total_len: padding is cut off */
	struct flow_key key;
	bool reassembled; /* arrived as fragments, or */
	bool handed; /* from another worker, which had to put it together or look into it */
};

/* Engines: each is made once, is given packets, and frees all it holds (UDP and ICMP accept
 * NULL there). 0 or -errno. */
int tcp_engine_new(struct worker *w, struct tcp_engine **ret_engine);
void tcp_engine_input(struct tcp_engine *e, struct worker_packet *p);
/* Ends every connection (reset towards the application) and frees the engine. */
void tcp_engine_free(struct tcp_engine *e);
/* After a restart: makes the application's end of a connection of the dead worker fail. */
void tcp_engine_orphan(struct tcp_engine *e, const struct flow_key *key);
/* Ends a connection of `from` that is not open yet, or idle for config.tcp_idle_ms; NULL: only
 * one that is not open yet, of anybody. False: none was found. */
bool tcp_engine_evict(struct tcp_engine *e, struct source *from);

int udp_engine_new(struct worker *w, struct udp_engine **ret_engine);
/* p->raw must stay valid until udp_engine_flush() where udp_engine_holds() is then true. */
void udp_engine_input(struct udp_engine *e, struct worker_packet *p);
bool udp_engine_holds(const struct udp_engine *e);
void udp_engine_flush(struct udp_engine *e);
void udp_engine_free(struct udp_engine *e);
void udp_engine_orphan(struct udp_engine *e, const struct flow_key *key);
/* The application has no socket for the flow's answers any more. False: no such session. */
bool udp_engine_refused(struct udp_engine *e, const struct flow_key *key);
/* Ends the session of `from` that has not been used longest, if for idle_ms. */
bool udp_engine_evict(struct udp_engine *e, const struct source *from, uint64_t idle_ms);

int icmp_engine_new(struct worker *w, struct icmp_engine **ret_engine);
void icmp_engine_input(struct icmp_engine *e, struct worker_packet *p);
void icmp_engine_free(struct icmp_engine *e);
/*
 * Is the packet an ICMP error by which the application's kernel refuses the answer of a UDP
 * session? Then *ret_key is its flow.
 */
bool icmp_refused_flow(const struct worker_packet *p, struct flow_key *ret_key);
bool icmp_engine_evict(struct icmp_engine *e, const struct source *from, uint64_t idle_ms);

/* For the engines: output.c. */
void worker_drop(struct worker *w, enum drop_reason why);
/* Writes a complete packet or counts DROP_TUN_FULL. */
void worker_write(struct worker *w, const void *packet, size_t len);
/* queue_write() that counts packet and bytes or, on failure, DROP_TUN_FULL. 0 or -errno. */
int worker_writev(struct worker *w, const struct iovec *iov, int iovcnt,
		  const struct queue_offload *off);
/*
 * Writes an IP packet with `l4` (header with a complete checksum) and `payload` behind it,
 * as fragments where it is larger than the MTU.
 */
void worker_write_l4(struct worker *w, const struct packet_path *path, uint8_t proto,
		     const struct iovec *l4, const struct iovec *payload);
/* Sends an ICMP error about `quoted` from `from` (NULL = the stack's address). */
void worker_icmp_error(struct worker *w, int icmp_error, uint32_t mtu, const struct addr *from,
		       const void *quoted, size_t quoted_len);
/* Where the flow's destination really is: the address itself, or the host's loopback for
 * config.host_loopback. */
struct endpoint worker_upstream_of(const struct worker *w, const struct flow_key *key);
/*
 * Is the flow one of DNS that the resolver answers? As packet_classify() has it of datagrams: on
 * a host `dns.intercept` says so, but of what is asked of the stack itself.
 */
static inline bool worker_answers_dns(const struct worker *w, const struct flow_key *key)
{
	const struct settings *s = &w->config.settings;

	if (key->dport != htons(DNS_PORT))
		return false;
	return !s->host || s->dns_intercept || addr_eq(&key->daddr, &s->stack4) ||
	       addr_eq(&key->daddr, &s->stack6);
}
/* Fills outbound "direct", upstream and the domain known for the destination. */
void worker_flow_info(struct worker *w, const struct flow_key *key, const struct endpoint *upstream,
		      struct flow_info *ret_info);

/*
 * Ends the flow with what was noted of it when it began (its name may have expired or now
 * belong to another answer), or with what is known now. `created_ns` as in struct flow_end_args:
 * now, where whatever entry there is can only be of this flow (all but TCP, whose SYN replaces it).
 */
void worker_flow_end(struct worker *w, const struct flow_key *key, uint64_t created_ns,
		     enum flow_end end);

/* The role's main function: never returns before its end. Exit status. */
int worker_main(void);

#endif
