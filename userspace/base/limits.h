/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every bound of userspace in one place; those the kernel shares are in bpf/contract.h. Of
 * those that may be configured (base/budget.h) this is the default.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* TUN */
#define MTU_DEFAULT 1500
#define MTU_MIN 1280 /* IPv6 (RFC 8200) */
#define MTU_MAX 65535
#define TUN_TXQUEUELEN 10000 /* 2,000 lost packets when 10,000 connections closed at once */
#define TUN_RETRY_MS 10 /* after a failed read */
#define PACKET_MAX 65575 /* IPv6 header + 65535 */

/* TCP */
#define TCP_CONNECTS_MAX 1024 /* in flight; beyond it a SYN is dropped and counted */
#define TCP_DIALS_PER_TURN 16 /* begun in a turn of the loop; more SYNs wait for the next */
#define TCP_SYNS_WAITING_MAX 2048 /* beyond it the first of who sent most is dropped */
#define TCP_KNOWN_MS 60000 /* a source that finished a handshake is known for so long, at least */
#define TCP_OPENING_MAX 8192 /* SYN-ACKs not yet answered; beyond it the oldest gives way */
#define TCP_CONNECTS_TO_ONE_MAX 256 /* to one address: one that is silent must not hold all */
#define TCP_CONNECTS_HOG 4 /* of one silent address: a quarter of all; yields to others at once */
#define TCP_KNOWN_CONNECTS 16 /* of a known source: with fewer it has any stranger's place */
#define TCP_CONNECT_TIMEOUT_MS 30000
#define TCP_CONNECT_SILENT_MS 1000 /* the first SYN is sent again */
#define TCP_CONNECT_REPLACE_MS 3000 /* two SYNs unanswered: it may make room for a new one */
#define TCP_BUFFERS_MAX (256 << 20) /* bytes held for all connections */
#define TCP_YOUNG_MS 30000 /* a connection that lasts gets keepalive upstream */
#define TCP_KEEPALIVE_MS 7200000 /* silent for so long to twice as long: the application is asked */
#define TCP_KEEPALIVE_PROBES 3 /* without an answer, TCP_KEEPALIVE_MS apart: it is gone */
#define TCP_HALF_CLOSED_MS 60000 /* the same, once upstream has closed */
#define TCP_HALF_CLOSED_PROBES 120
#define TCP_IDLE_MS 300000 /* without data for so long it may make room for a new one */
#define TCP_IDLE_LOOK_MS 100 /* from one look for those in vain to the next */
#define TCP_TIME_WAIT_MS 2000 /* a FIN of the application that is sent again is answered */
#define TCP_TIME_WAITS_MAX 16384 /* beyond it the oldest is forgotten */

/* UDP and ICMP */
#define UDP_IDLE_MS 60000 /* without a datagram in either direction */
#define UDP_SWEEP_MS 30000
#define UDP_SWEEP_MAX 256 /* sessions that end at once; each takes some 10 us */
#define UDP_SWEEP_PART_MS 1 /* until the next of them */
#define UDP_SESSIONS_MAX 16384
#define UDP_CROWD 1024 /* a source with so many sessions is one of many that it could open */
#define UDP_CROWD_OPENS 16 /* such ones begin in a turn of the loop; more are dropped */
#define UDP_EVICT_MS 1000 /* unused for so long it may make room for another protocol's */
#define ICMP_IDLE_MS 60000
#define ICMP_SESSIONS_MAX 1024

/* Reassembly */
#define FRAGMENTS_MAX 512 /* held per role */
#define FRAGMENT_DATAGRAMS_MAX 64 /* in progress, 64 KiB of address space each */
#define FRAGMENT_TIMEOUT_MS 15000

/* Between workers */
#define INBOX_BYTES (1 << 20) /* packets handed to a worker that it has not read yet */

/* DNS */
#define DNS_QUERIES_MAX 10000 /* in flight */
#define DNS_QUERY_TIMEOUT_MS 5000
#define DNS_CACHE_ENTRIES 4096
#define DNS_CACHE_BYTES (8U << 20) /* of answers */
#define DNS_FLOWS_MAX 16384 /* client 5-tuples that the resolver remembers */
#define DNS_STREAMS_MAX 512 /* DNS over TCP */
#define DNS_STREAM_QUERIES_MAX 64 /* in flight per stream, then it is not read */
#define DNS_STREAM_OUT_MAX (256U << 10) /* bytes of answers that a stream does not take */
#define DNS_UPSTREAMS_MAX 8
#define DNS_FLOW_IDLE_MS 10000 /* a DNS client's flow after its last answer */
#define DNS_DOMAIN_GRACE_MS 300000 /* address -> name outlives the TTL, 5 min as the floor */
#define DNS_TCP_IDLE_MS 30000
#define TRANSPORT_CONNECTIONS_MAX 16 /* to one upstream */
#define TRANSPORT_CONNECT_MS 2000 /* two SYNs; then the next address is tried */
#define TRANSPORT_HANDSHAKE_MS 3000 /* of TLS */
#define TRANSPORT_SILENT_MS 3000 /* what was sent is not acknowledged: given up */
#define TRANSPORT_SUSPECT_MS 1000 /* nothing came for so long while one waited in vain */
#define TRANSPORT_IDLE_MS 30000 /* a connection without requests is closed */
#define TRANSPORT_HOLD_MS 125 /* after a failure to connect; doubles to */
#define TRANSPORT_HOLD_MAX_MS 1000
#define TRANSPORT_PING_MS 10000 /* nothing was heard for so long: HTTP/2 PING */
#define TRANSPORT_PONG_MS 5000 /* for its answer */

/* Processes */
#define DESCRIPTORS_SPARE 16 /* of a role, beside those open at its start and its flows' */
#ifdef __SANITIZE_ADDRESS__
#define ROLE_STOP_MS 10000 /* its leak check is part of its end, and must not be cut off */
#else
#define ROLE_STOP_MS 2000 /* to end in order, then SIGKILL */
#endif
#define ROLE_RESTART_DELAY_MS 100 /* doubles to ROLE_RESTART_DELAY_MAX_MS while it keeps dying */
#define ROLE_RESTART_DELAY_MAX_MS 5000
#define ROLE_STEADY_MS 10000 /* a role that lived so long is restarted without delay's growth */
#define ROLE_READY_MS 10000 /* from START to READY, then it is killed */
#define NETNS_MAX 1024 /* looked through for what a killed daemon has left */
#define HEARTBEAT_MS 500
#define ROLE_PING_MS 1000 /* between main's questions whether a role still turns its loop */
#define ROLE_HANG_MS 10000 /* without an answer, of main's own running time: then it is killed */
#define FLOW_STRAY_MS 2000 /* idle and never taken by a role: then it ends */
#define FLOW_STRAY_TCP_MS 35000 /* taken when connected: longer than a connect may take */
#define FLOW_SWEEP_MS 10000 /* between looks for those */
#define FLOW_SWEEP_PART_MS 1 /* between the parts of one */
#define EVENTS_DELAY_MS 20 /* from an event to the read of all that came meanwhile */
#define REPORT_FLOWS_MAX 65536 /* ended flows kept for the report; beyond it only sums */
#define REPORT_SETTLE_MS 300 /* a report waits so long for closing connections to end */

/* Capture points of a host */
#define UPLINKS_DELAY_MS 20 /* from a change of devices, addresses or routes to the look */
#define UPLINKS_SHARE 10 /* and so many times what the last look took */
#define UPLINKS_DELAY_MAX_MS 1000 /* but no longer: a new uplink is open until then */
#define UPLINKS_RETRY_MS 500 /* after a look that failed */
#define HEARTBEATS_STALE 4 /* missed: main counts as gone */

/* Route capture */
#define ROUTE_RULES 9 /* priorities that are taken, from the first */
#define ROUTE_REPAIR_MS 50 /* from a change of routes or rules to the look whether ours are there */

/* Strict mode */
#define STRICT_REPAIR_MS 20 /* from a change of nftables to the look whether our table is whole */

/* Packets of the TUN that a dump has not read yet */
#define DUMP_BUFFER_BYTES (16 << 20)

/* Control socket */
#define CONTROL_CLIENTS_MAX 32
#define CONTROL_REQUEST_MAX 8192 /* one line */
#define CONTROL_BUFFER_BYTES (64U << 20) /* unsent answers of all clients together */
#define CONTROL_FOLLOW_BYTES (1U << 20) /* unsent events of one client */
#define CONTROL_STALL_MS 10000 /* a client that takes nothing for so long is dropped */
#define CONTROL_QUERY_MS 2000 /* for a role to answer a query */
#define CONTROL_DNS_MS                                                                             \
	(DNS_QUERY_TIMEOUT_MS + 2000) /* the resolver, which may have to ask others */

/* Log */
#define LOG_BURST 10 /* lines per call site and window */
#define LOG_WINDOW_MS 1000

#endif
