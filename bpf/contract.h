/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The contract between the kernel half and userspace: every key, value, verdict,
 * reason and event that both sides read or write. Nothing else may be shared.
 *
 * Conventions
 *  - addresses are 16 bytes in network order, IPv4 in v6-mapped form (::ffff:a.b.c.d);
 *  - ports and ICMP identifiers are __be16; every other integer is in host order;
 *  - times are CLOCK_MONOTONIC nanoseconds (bpf_ktime_get_ns), _ns in their names;
 *  - bytes are bytes of L4 payload, packets are packets on a wire of the device's MTU
 *    (a GSO packet counts as its segments);
 *  - enums that need names come from one X-macro list, so that names, counters and
 *    descriptions cannot drift apart;
 *  - a change of layout or meaning raises CONTRACT_VERSION: pins of another version
 *    live in another directory and are never adopted.
 */
#ifndef BPF_CONTRACT_H
#define BPF_CONTRACT_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

#define CONTRACT_VERSION 1
#define CONTRACT_MAGIC 0x68656164726163ULL /* "headrac" */

/* fwmark of every socket that a role opens; with our cgroup it tells our own packets. */
#define HEADRACE_MARK 0x68720000U
/* That of other programs' sockets which a rule sends direct, under route capture. */
#define DIRECT_MARK (HEADRACE_MARK | 1)
/* skb->mark on the TUN, set by tun_egress for tun_steer: QUEUE_MARK | queue index. */
#define QUEUE_MARK 0x68730000U
#define QUEUE_MARK_MASK 0xffff0000U

#define HEARTBEAT_STALE_NS 5000000000ULL /* main beats every 500 ms; after that it is gone */

#define DNS_PORT 53
#define RESOLVER_QUEUE 0 /* TUN queue of the resolver; workers have 1..n */
#define WORKERS_MAX 16
#define ROLES_MAX (WORKERS_MAX + 1) /* slot 0 is the resolver, slot n is worker n */

#define FLOWS_MAX 65536 /* default flow cap: entries of `flows` */
#define DIRECT_FLOWS_MAX 65536
#define INBOUND_NOTES_MAX 65536
#define PAST_FLOWS_MAX 16384
#define COMM_BYTES 16 /* of a process's name, TASK_COMM_LEN */
#define PASS_MARKS_MAX 16
#define CAPTURE_DEVICES_MAX 256
#define HOST_ADDRS_MAX 4096
#define HOST_PREFIXES_MAX 1024
#define DOMAINS_MAX 16384
#define EVENTS_BYTES (4U << 20)
#define DOMAIN_TEXT_MAX 256 /* presentation form with its NUL, cut if longer */
#define OUTBOUND_NAME_MAX 16

#define CONTRACT_ENUM(name, text) name,

/* What the classifier decided about a packet, and so about its flow. */
#define VERDICTS(X)                                                                                \
	X(VERDICT_NONE, "none") /* not decided */                                                  \
	X(VERDICT_FORWARD, "forward") /* terminated by a worker */                                 \
	X(VERDICT_DNS, "dns") /* answered by the resolver */                                       \
	X(VERDICT_LOCAL, "local") /* for the stack's own address (ping) */                         \
	X(VERDICT_REJECT, "reject") /* refused in place: RST or ICMP */                            \
	X(VERDICT_DROP, "drop") /* dropped, with a reason */                                       \
	X(VERDICT_DIRECT, "direct") /* passed as it is: the kernel's own path */

enum verdict { VERDICTS(CONTRACT_ENUM) VERDICT_NUM };

/*
 * Why a packet or a query was dropped or refused, in the kernel or in a role.
 * X(enumerator, field of struct drop_counters = name shown, description)
 */
#define DROP_REASONS(X)                                                                            \
	X(DROP_LOOP, loop_averted, "packet of our own socket seen on the TUN")                     \
	X(DROP_MALFORMED, malformed, "header cut short or lengths that contradict each other")     \
	X(DROP_IP_VERSION, ip_version, "neither IPv4 nor IPv6")                                    \
	X(DROP_HEADER_CHAIN, header_chain, "more IPv6 extension headers than are parsed")          \
	X(DROP_SOURCE, source, "source address outside the TUN's subnets")                         \
	X(DROP_DESTINATION, destination,                                                           \
	  "destination that cannot be forwarded (loopback, mapped)")                               \
	X(DROP_LINK_LOCAL, link_local, "multicast, broadcast or link-local: ends at the link")     \
	X(DROP_PORT_ZERO, port_zero, "TCP or UDP port 0")                                          \
	X(DROP_PROTOCOL, protocol, "IP protocol that is not forwarded (refused with ICMP)")        \
	X(DROP_STACK_PORT, stack_port, "port of the stack's address with no service (refused)")    \
	X(DROP_FLOW_CAP, flow_cap, "flow table full (refused)")                                    \
	X(DROP_UNRESOLVED, unresolved,                                                             \
	  "address that the client's policy wants resolved here first (refused)")                  \
	X(DROP_QUIC, quic, "UDP to 443 or 80 where the client's policy has TCP (refused)")         \
	X(DROP_RULE, rule, "dropped by a rule")                                                    \
	X(DROP_RULE_REJECT, rule_reject, "refused by a rule (RST or ICMP)")                        \
	X(DROP_CGROUP, cgroup, "of a cgroup not looked up yet, which rules name (sent again)")     \
	X(DROP_STALE, stale, "headrace is gone and when-down is closed (refused)")                 \
	X(DROP_RESET, reset, "of a flow that began under rules no longer in force (refused)")      \
	X(DROP_SOURCE_FLOWS, source_flows,                                                         \
	  "one source holds its share of flows or descriptors (refused)")                          \
	X(DROP_CHECKSUM, checksum, "wrong IP, TCP, UDP or ICMP checksum")                          \
	X(DROP_VNET_HDR, vnet_hdr, "virtio_net_hdr with values out of range")                      \
	X(DROP_FRAGMENT_BAD, fragment_bad, "fragment that overlaps, overruns or contradicts")      \
	X(DROP_FRAGMENT_LOST, fragment_lost, "fragments never completed, or their first unseen")   \
	X(DROP_FRAGMENT_CAP, fragment_cap, "too many fragments held")                              \
	X(DROP_TTL, ttl, "TTL or hop limit used up (answered with time exceeded)")                 \
	X(DROP_STRAY, stray, "segment of no known TCP connection (refused)")                       \
	X(DROP_TCP_FLAGS, tcp_flags, "TCP flags that no segment has together")                     \
	X(DROP_TCP_RESET, tcp_reset, "TCP RST without the exact sequence number (RFC 5961)")       \
	X(DROP_TCP_SYN, tcp_syn, "TCP SYN in a connection that is open (RFC 5961)")                \
	X(DROP_TCP_WINDOW, tcp_window, "TCP segment that lies outside the window")                 \
	X(DROP_TCP_ACK, tcp_ack, "TCP ACK of what was not sent or long ago (RFC 5961)")            \
	X(DROP_CONNECTS, connects, "more connects waiting or in flight than allowed")              \
	X(DROP_HALF_OPEN, half_open,                                                               \
	  "handshake that its application left unfinished, room needed")                           \
	X(DROP_SOURCE_CONNECTS, source_connects, "one source has its share of connects in flight") \
	X(DROP_CONNECT_REPLACED, connect_replaced,                                                 \
	  "connect without an answer that made room for a new one")                                \
	X(DROP_RETRANSMIT, retransmit, "SYN repeated while its connect is in flight")              \
	X(DROP_NO_MEMORY, no_memory, "out of memory or buffers")                                   \
	X(DROP_BUFFERS, buffers, "buffers used up (connection reset)")                             \
	X(DROP_NO_DESCRIPTOR, no_descriptor, "out of file descriptors")                            \
	X(DROP_NO_PORT, no_port, "out of local ports to this destination")                         \
	X(DROP_PROTECT, protect, "socket could not be marked, so it was not used")                 \
	X(DROP_UPSTREAM_REFUSED, upstream_refused, "refused upstream")                             \
	X(DROP_UPSTREAM_UNREACH, upstream_unreachable, "no route, or unreachable upstream")        \
	X(DROP_UPSTREAM_TIMEOUT, upstream_timeout, "no answer upstream in time")                   \
	X(DROP_UPSTREAM_FULL, upstream_full, "upstream socket buffer full (datagram)")             \
	X(DROP_TOO_BIG, too_big, "larger than the path's MTU (answered with packet too big)")      \
	X(DROP_TUN_FULL, tun_full, "the TUN did not take a packet written to it")                  \
	X(DROP_SESSIONS, sessions, "more UDP or ICMP sessions than allowed")                       \
	X(DROP_ICMP_TYPE, icmp_type, "ICMP type that is not forwarded")                            \
	X(DROP_DNS_MALFORMED, dns_malformed, "query shorter than a header or unparsable")          \
	X(DROP_DNS_LIMIT, dns_limit, "more queries in flight than allowed")                        \
	X(DROP_DNS_SOURCE, dns_source, "one client has its share of queries in flight")            \
	X(DROP_DNS_LOOP, dns_loop, "query of ours that came back: its upstream asks us")           \
	X(DROP_DNS_SPOOF, dns_spoof, "upstream answer whose ID, question or case does not match")  \
	X(DROP_DNS_ANSWER, dns_answer, "DNS answer that a listener's socket did not take")         \
	X(DROP_DNS_FOREIGN, dns_foreign, "query from a foreign address (answered with REFUSED)")   \
	X(DROP_DNS_POLICY, dns_policy, "query that its client's policy refuses (REFUSED)")         \
	X(DROP_DNS_REBIND, dns_rebind, "public name that leads to a private address (NODATA)")     \
	X(DROP_DNS_CHAIN, dns_chain, "upstream answer whose CNAMEs lead in a circle or too far")   \
	X(DROP_DNS_TIMEOUT, dns_timeout, "no upstream answered in time (answered with SERVFAIL)")  \
	X(DROP_ROLE_RESTART, role_restart, "left in the queue of a role that died")                \
	X(DROP_HANDOVER, handover, "for another worker, whose inbox was full")

#define CONTRACT_DROP_ENUM(name, field, text) name,
#define CONTRACT_FIELD(name, field, text) __u64 field;

enum drop_reason { DROP_REASONS(CONTRACT_DROP_ENUM) DROP_NUM };

/* One counter per reason, so that bpftool shows them by name; index by drop_reason. */
struct drop_counters {
	DROP_REASONS(CONTRACT_FIELD)
};

/* What the kernel half counts besides drops. X(enumerator, field, description) */
#define KERNEL_STATS(X)                                                                            \
	X(STAT_UP_PACKETS, up_packets, "packets from applications")                                \
	X(STAT_UP_BYTES, up_bytes, "IP bytes from applications")                                   \
	X(STAT_DOWN_PACKETS, down_packets, "packets to applications")                              \
	X(STAT_DOWN_BYTES, down_bytes, "IP bytes to applications")                                 \
	X(STAT_FLOWS_NEW, flows_new, "flows opened")                                               \
	X(STAT_FLOWS_CLOSED, flows_closed, "flows closed")                                         \
	X(STAT_FLOWS_LEFT, flows_left, "flow entries that the end of their role's flow left")      \
	X(STAT_DNS, dns, "DNS packets steered to the resolver")                                    \
	X(STAT_REJECTS, rejects, "packets refused in place by RST or ICMP")                        \
	X(STAT_FRAGMENTS, fragments, "fragments seen")                                             \
	X(STAT_UNTRACKED, untracked, "packets of no flow entry, passed on")                        \
	X(STAT_EVENTS_LOST, events_lost, "events lost because the ring buffer was full")           \
	X(STAT_DNS_BLOCKED, dns_blocked, "DNS queries blocked by the kernel half")                 \
	X(STAT_DNS_ANSWERED, dns_answered, "DNS queries answered from the kernel half's cache")    \
	X(STAT_DNS_ASKED, dns_asked, "DNS queries that the kernel half left to the resolver")      \
	X(STAT_DNS_LOG_LOST, dns_log_lost, "DNS answers not logged because the ring was full")     \
	X(STAT_CAPTURED, captured, "packets that capture points sent to the TUN")                  \
	X(STAT_DIRECT_FLOWS, direct_flows, "flows that were passed as they are")                   \
	X(STAT_PASS_OWN, pass_own, "passed: of our own sockets")                                   \
	X(STAT_PASS_KERNEL, pass_kernel, "passed: sent by the kernel itself")                      \
	X(STAT_PASS_TUNNEL, pass_tunnel, "passed: outer packets of tunnels")                       \
	X(STAT_PASS_OLDER, pass_older, "passed: TCP flows that began before or outside")           \
	X(STAT_PASS_INBOUND, pass_inbound, "passed: answers to UDP flows opened from outside")     \
	X(STAT_PASS_ESSENTIAL, pass_essential, "passed: ARP, ND, DHCP, multicast, link-local")     \
	X(STAT_PASS_DECIDED, pass_decided, "passed: forwarded, a LAN device's business")           \
	X(STAT_PASS_LOCAL, pass_local, "passed: to the host's own addresses")                      \
	X(STAT_PASS_BRIDGED, pass_bridged, "passed: between ports of one bridge")                  \
	X(STAT_PASS_PROTOCOL, pass_protocol, "passed: not IP, or a protocol without flows")        \
	X(STAT_PASS_OTHER, pass_other, "passed: not DNS, of a device whose DNS alone is captured") \
	X(STAT_PASS_STALE, pass_stale, "passed: main is gone and when-down is open")               \
	X(STAT_UNKNOWN_DOMAIN, unknown_domain, "flows to addresses whose name is not known")       \
	X(STAT_UNKNOWN_OWNER, unknown_owner, "flows whose process is not known")

enum kernel_stat { KERNEL_STATS(CONTRACT_DROP_ENUM) STAT_NUM };

struct kernel_stats {
	KERNEL_STATS(CONTRACT_FIELD)
};

/* What a role shows of itself: gauges and totals. X(enumerator, field, description) */
#define ROLE_STATS(X)                                                                              \
	X(RSTAT_TCP_OPEN, tcp_open, "TCP connections open")                                        \
	X(RSTAT_TCP_CONNECTING, tcp_connecting, "upstream connects in flight")                     \
	X(RSTAT_TCP_TOTAL, tcp_total, "TCP connections accepted since start")                      \
	X(RSTAT_UDP_OPEN, udp_open, "UDP sessions open")                                           \
	X(RSTAT_UDP_TOTAL, udp_total, "UDP sessions since start")                                  \
	X(RSTAT_ICMP_OPEN, icmp_open, "echo sessions open")                                        \
	X(RSTAT_ICMP_TOTAL, icmp_total, "echo sessions since start")                               \
	X(RSTAT_BUFFER_BYTES, buffer_bytes, "bytes held in buffers")                               \
	X(RSTAT_FRAGMENTS_HELD, fragments_held, "fragments waiting for their rest")                \
	X(RSTAT_TUN_RX, tun_rx, "packets read from the TUN")                                       \
	X(RSTAT_TUN_TX, tun_tx, "packets written to the TUN")                                      \
	X(RSTAT_TUN_RX_BYTES, tun_rx_bytes, "IP bytes read from the TUN")                          \
	X(RSTAT_TUN_TX_BYTES, tun_tx_bytes, "IP bytes written to the TUN")                         \
	X(RSTAT_HANDED_OUT, handed_out, "packets given to the worker that carries their flow")     \
	X(RSTAT_HANDED_IN, handed_in, "packets taken from other workers")                          \
	X(RSTAT_TUN_ERRORS, tun_errors, "failed reads of the TUN, tried again after 10 ms")        \
	X(RSTAT_DNS_QUERIES, dns_queries, "DNS queries taken")                                     \
	X(RSTAT_DNS_CACHED, dns_cached, "DNS queries answered from the cache")                     \
	X(RSTAT_DNS_BLOCKED, dns_blocked, "DNS queries answered by a rule of a policy")            \
	X(RSTAT_DNS_STALE, dns_stale, "DNS queries answered with a stale answer")                  \
	X(RSTAT_DNS_PREFETCH, dns_prefetch, "DNS answers asked for before their time is over")     \
	X(RSTAT_DNS_STRIPPED, dns_stripped, "records of upstream answers that nobody asked for")   \
	X(RSTAT_DNS_UPSTREAM, dns_upstream, "DNS queries sent upstream")                           \
	X(RSTAT_DNS_PENDING, dns_pending, "DNS queries in flight")                                 \
	X(RSTAT_DNS_SERVFAIL, dns_servfail, "DNS queries answered with SERVFAIL by us")            \
	X(RSTAT_DNS_CACHE_ENTRIES, dns_cache_entries, "entries in the DNS cache")                  \
	X(RSTAT_RESTARTS, restarts, "times this role was restarted by main")                       \
	X(RSTAT_HANGS, hangs, "times main killed this role because it hung")

enum role_stat { ROLE_STATS(CONTRACT_DROP_ENUM) RSTAT_NUM };

struct role_stats {
	ROLE_STATS(CONTRACT_FIELD)
};

/* What a role may hold. X(enumerator, field, description) */
#define BUDGETS(X)                                                                                 \
	X(BUDGET_FLOWS, flows, "TCP connections, UDP and echo sessions")                           \
	X(BUDGET_CONNECTS, tcp_connects, "TCP connects without an answer yet")                     \
	X(BUDGET_UDP, udp_sessions, "UDP sessions")                                                \
	X(BUDGET_ICMP, icmp_sessions, "echo sessions")                                             \
	X(BUDGET_DESCRIPTORS, descriptors, "descriptors of flows")                                 \
	X(BUDGET_BUFFERS, buffer_bytes, "bytes held for TCP connections")                          \
	X(BUDGET_DNS_STREAMS, dns_streams, "DNS over TCP connections")                             \
	X(BUDGET_DNS_QUERIES, dns_queries, "DNS queries in flight")

enum budget { BUDGETS(CONTRACT_DROP_ENUM) BUDGET_NUM };

/* One budget of one role; a limit of 0: it is not this role's. */
struct budget_use {
	__u64 used;
	__u64 limit;
	__u64 source_limit; /* of one source */
	__u64 hits; /* times that a limit stood in the way */
	__u64 evicted; /* of them, times that something idle made room */
};

#define CONTRACT_BUDGET_FIELD(name, field, text) struct budget_use field;

struct budget_uses {
	BUDGETS(CONTRACT_BUDGET_FIELD)
};

/*
 * Map `role_counters`: mmapable array, key = role slot. Each role writes its own entry
 * by plain stores through its mapping (main: `stats.restarts`, `stats.hangs`); everyone else reads.
 */
struct role_counters {
	struct drop_counters drops;
	struct role_stats stats;
	struct budget_uses budgets;
};

/* Life of a flow as its packets show it. */
#define FLOW_STATES(X)                                                                             \
	X(FLOW_OPENING, "opening") /* seen in one direction */                                     \
	X(FLOW_OPEN, "open") /* answered */                                                        \
	X(FLOW_CLOSING, "closing") /* TCP: a FIN was seen */                                       \
	X(FLOW_CLOSED, "closed") /* TCP: a RST or both FINs were seen */

enum flow_state { FLOW_STATES(CONTRACT_ENUM) FLOW_STATE_NUM };

/* Why a flow ended, as the role that carried it knows it. */
#define FLOW_ENDS(X)                                                                               \
	X(END_NONE, "open") /* not ended */                                                        \
	X(END_FINISHED, "finished") /* both sides closed in order */                               \
	X(END_APP_RESET, "reset by application")                                                   \
	X(END_UPSTREAM_RESET, "reset by upstream")                                                 \
	X(END_REFUSED, "refused by upstream")                                                      \
	X(END_UNREACHABLE, "unreachable")                                                          \
	X(END_TIMEOUT, "timed out")                                                                \
	X(END_IDLE, "idle")                                                                        \
	X(END_ANSWERED, "answered") /* DNS: every query had its answer */                          \
	X(END_UNANSWERED, "unanswered")                                                            \
	X(END_REJECTED, "rejected") /* refused in place by the kernel half */                      \
	X(END_UNRESOLVED, "not resolved here") /* likewise: DNS_ONLY_RESOLVED */                   \
	X(END_QUIC, "QUIC blocked") /* likewise: DNS_BLOCK_QUIC */                                 \
	X(END_RULES, "rules changed") /* reset by a change of rules */                             \
	X(END_LIMIT, "limit reached") /* ports, descriptors, memory, flow cap */                   \
	X(END_PROTECT, "socket not protected")                                                     \
	X(END_ROLE_DIED, "worker died")                                                            \
	X(END_REPLACED, "replaced") /* the application opened the same 5-tuple anew */             \
	X(END_SHUTDOWN, "shut down") /* headrace ended first */

enum flow_end { FLOW_ENDS(CONTRACT_ENUM) FLOW_END_NUM };

/* Where a flow was captured. */
#define CAPTURE_POINTS(X)                                                                          \
	X(CAPTURE_NONE, "none")                                                                    \
	X(CAPTURE_TUN, "tun") /* routed to the TUN: `run`, or route capture */                     \
	X(CAPTURE_EGRESS, "egress") /* of an uplink: the host's own flows */                       \
	X(CAPTURE_LAN, "lan") /* ingress of a LAN device: clients, containers */                   \
	X(CAPTURE_LOOPBACK, "loopback") /* egress of lo */

enum capture_point { CAPTURE_POINTS(CONTRACT_ENUM) CAPTURE_NUM };

/* 16 bytes, network order; IPv4 as ::ffff:a.b.c.d. */
struct addr {
	__u8 b[16];
} __attribute__((aligned(8)));

/*
 * Key of `flows` and `flow_info`, from the application's point of view: source is the
 * application, destination what it asked for. ICMP echo: sport = identifier, dport = 0.
 * `proto` is IPPROTO_*; `pad` is zero.
 */
struct flow_key {
	struct addr saddr;
	struct addr daddr;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};

/*
 * Value of `flows` (hash, preallocated; full = DROP_FLOW_CAP). Written by the kernel half
 * alone; removed by its `flow_end` program, which the role that carries the flow calls.
 * Only a SYN opens a TCP flow. Counters are updated atomically.
 */
struct flow {
	__u64 first_seen_ns;
	__u64 last_seen_ns;
	__u64 bytes_up; /* application -> outside */
	__u64 bytes_down;
	__u64 packets_up;
	__u64 packets_down;
	__u64 cgroup_id; /* of the application's socket, 0 = unknown */
	__u32 uid; /* of the application's socket, overflowuid = unknown */
	__u32 pid; /* process (thread group) that made or connected the socket, 0 = unknown */
	__u32 ifindex; /* device of the capture point */
	__u32 rule; /* place of the rule that decided, from 1; 0 = the default */
	__u32 epoch; /* of the rules that decided */
	__u8 comm[COMM_BYTES]; /* that process's name then, NUL-terminated */
	__u8 mac[6]; /* of a LAN client, zero = unknown */
	__u8 verdict; /* enum verdict */
	__u8 state; /* enum flow_state */
	__u8 capture; /* enum capture_point */
	__u8 queue; /* slot of the role that carries it (and its TUN queue, if it has one) */
	__u8 fin_up; /* TCP FIN seen from the application */
	__u8 fin_down;
	__u8 flags; /* FLOW_INBOUND, FLOW_OLDER */
	__u8 pad[7];
};

#define FLOW_INBOUND 1U /* opened from outside: passed, whatever the rules say */
#define FLOW_OLDER 2U /* began before us, or from outside: TCP without its SYN */

/*
 * Map `direct_flows` (LRU hash, written by the kernel half): flow_key -> struct flow with
 * VERDICT_DIRECT. Of a host's sockets the counters lag behind by up to a second.
 *
 * Those of TCP sockets of a host without route capture, connected while we watched, are in the
 * map `sock_flows` instead (array, written by the kernel half), at the socket's cookie modulo
 * SOCK_RING. They stay there after their end, until another socket's flow takes the place.
 */
#define SOCK_RING 16384U /* a power of two */

struct sock_flow {
	__u64 cookie; /* of the socket, 0 = none, or it is being written */
	struct flow_key key;
	struct flow flow;
};

/*
 * Map `capture_devices` (hash by ifindex, written by main): what the capture programs have to
 * know of the device that they run on, and tun_ingress of the device that an answer goes to.
 */
struct capture_device {
	__u8 mac[6]; /* own address; of a bridge's port: the bridge's; zero: none */
	__u8 capture; /* enum capture_point */
	__u8 l2; /* bytes in front of the IP header: 14 or 0 */
	__u32 flags; /* CAPTURE_BRIDGED, CAPTURE_PORT, CAPTURE_DNS_ONLY */
};

#define CAPTURE_BRIDGED 1U /* frames between ports of the bridge are captured, too */
#define CAPTURE_PORT 4U /* likewise, and those alone: the bridge is captured itself */
#define CAPTURE_DNS_ONLY 2U /* nothing but DNS is captured there */

/*
 * Map `host_addrs` (hash, written by main): struct addr -> __u32 1, every address that is the
 * host's own, its broadcasts too.
 *
 * Map `host_prefixes` (LPM trie, written by main): struct host_prefix -> __u32 IP version, 4 or
 * 6; what is the host's own as a whole by its table `local`, but for single addresses and
 * loopback.
 */
struct host_prefix {
	__u32 bits; /* of 128 */
	__u8 addr[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/*
 * Map `pass_marks` (per-CPU array of PASS_MARKS_MAX): packets that each of settings.pass_mark
 * let pass.
 */
struct pass_mark {
	__u32 value;
	__u32 mask; /* 0 = the end of the list */
};

/* Value of `flow_info` (hash): what the role that carries the flow knows. One writer: it. */
struct flow_info {
	struct addr upstream; /* where the outbound socket went, zero = nowhere yet */
	__be16 upstream_port;
	__u8 end; /* enum flow_end */
	__u8 slot; /* role slot of the writer */
	__u32 pad;
	char outbound[OUTBOUND_NAME_MAX]; /* "direct" */
	char domain[DOMAIN_TEXT_MAX]; /* "" = not known */
};

/*
 * Context of the `flow_end` program (SEC("syscall"), run by a role): emits EVENT_FLOW_END
 * with the final counters and removes the flow from `flows` and `flow_info`. An entry whose
 * first_seen_ns is later than created_ns is another flow of the same key: left alone, but for
 * a note that the role made of its own flow when the other was there already.
 * Returns 0 = ended, 1 = no such flow, 2 = newer flow.
 */
struct flow_end_args {
	struct flow_key key;
	__u64 created_ns;
	struct flow_info info;
};

/* Key of `domains` (LRU hash, written by the resolver): what clients of a policy resolved. */
struct domain_key {
	struct addr addr;
	__u32 policy;
	__u32 pad;
};

struct domain_value {
	__u64 expires_ns; /* TTL of the answer plus grace */
	char name[DOMAIN_TEXT_MAX]; /* of the latest answer, as the client asked (before CNAMEs) */
};

/* Records of the ring buffer `events`. */
#define EVENT_TYPES(X)                                                                             \
	X(EVENT_FLOW_NEW, "new") /* struct flow_event up to and without `info` */                  \
	X(EVENT_FLOW_END, "end") /* struct flow_event */                                           \
	X(EVENT_CGROUP, "cgroup") /* struct cgroup_event */

enum event_type { EVENT_TYPES(CONTRACT_ENUM) EVENT_NUM };

struct flow_event {
	__u64 time_ns;
	__u32 type; /* enum event_type */
	__u32 pad;
	struct flow_key key;
	struct flow flow;
	struct flow_info info; /* EVENT_FLOW_END only */
};

/*
 * Map `settings`: array of one entry, written by main. Prefix lengths in bits; a zero
 * length means that the family is off. Both prefixes and both stack addresses are in
 * v6-mapped form, but tun4_bits counts the IPv4 bits (0..32).
 */
struct settings {
	__u64 heartbeat_ns; /* main's last beat, every 500 ms */
	__u64 own_cgroup; /* cgroup v2 id of the roles, 0 = none: mark alone decides */
	struct addr tun4_prefix;
	struct addr tun6_prefix;
	struct addr stack4;
	struct addr stack6;
	__u32 tun4_bits;
	__u32 tun6_bits;
	__u32 mark; /* of own sockets */
	__u32 workers; /* 1..WORKERS_MAX */
	__u32 tun_ifindex;
	__u32 mtu;
	__u32 resolver_queue; /* 1 = the resolver has queue RESOLVER_QUEUE, worker n queue n;
			       * 0 = worker n has queue n - 1 and relays DNS */
	__u32 any_source; /* 1 = no source check (a TUN handed in whose subnets are unknown) */
	__u32 steer_seed; /* of the hash that spreads flows over workers; of one start */
	__u32 host; /* 1 = the TUN is fed by capture points of a host, too */
	__u32 closed; /* when-down: 1 = closed, 0 = open */
	__u32 dns_intercept; /* 1 = DNS of captured clients goes to the resolver */
	__u32 tell_direct; /* 1 = somebody follows: events of direct flows, too */
	__u32 capture_secret[2]; /* of one start: in cb[0..1], a packet from a capture point */
	__u64 stale_ns; /* after this without a beat main is gone; 0 = HEARTBEAT_STALE_NS */
	__u64 netns_cookie; /* of the namespace whose sockets are captured, 0 = not known: of all;
			     * of a host the others' get their owner noted, too */
	__u32 route; /* 1 = route capture: routes of the host lead to the TUN */
	__u32 direct_mark; /* then: of sockets that a rule sends direct, 0 = they are bound, */
	__u32 uplink4_ifindex; /* as our own, to the device of the host's default route; */
	__u32 uplink6_ifindex; /* 0 = there is none */
	__u32 strict_mark; /* strict mode: a packet with this mark */
	__u32 strict_priority; /* and this priority was led back to us; 0 = no strict mode */
	struct pass_mark pass_mark[PASS_MARKS_MAX];
};

/* Map `abi`: array of one entry; what a later start checks before it touches a pin. */
struct abi {
	__u64 magic;
	__u32 version;
	__u32 size_flow_key;
	__u32 size_flow;
	__u32 size_flow_info;
	__u32 size_settings;
	__u32 size_role_counters;
	__u32 size_domain_value;
	__u32 size_dns_policy;
	__u32 size_dns_state;
	__u32 size_dns_answer;
	__u32 size_rule_table;
	__u32 pad;
};

#include "bpf/contract_dns.h"
#include "bpf/contract_rules.h"

#define CONTRACT_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)
CONTRACT_SIZE(struct addr, 16);
CONTRACT_SIZE(struct flow_key, 40);
CONTRACT_SIZE(struct flow, 112);
CONTRACT_SIZE(struct sock_flow, 160);
CONTRACT_SIZE(struct capture_device, 12);
CONTRACT_SIZE(struct host_prefix, 20);
CONTRACT_SIZE(struct flow_info, 296);
CONTRACT_SIZE(struct flow_end_args, 344);
CONTRACT_SIZE(struct domain_key, 24);
CONTRACT_SIZE(struct domain_value, 264);
CONTRACT_SIZE(struct flow_event, 464);
CONTRACT_SIZE(struct settings, 312);
CONTRACT_SIZE(struct abi, 56);
CONTRACT_SIZE(struct dns_group, 24);
CONTRACT_SIZE(struct dns_policy, 24 * DNS_GROUPS_MAX + 8 * (DNS_TYPE_NUM + 3) + DNS_RULES_MAX + 8);
CONTRACT_SIZE(struct dns_client_key, 20);
CONTRACT_SIZE(struct dns_bucket, 64);
CONTRACT_SIZE(struct dns_state, 48);
CONTRACT_SIZE(struct dns_answer_key, 16);
CONTRACT_SIZE(struct dns_local_key, 24);
CONTRACT_SIZE(struct dns_answer, 872);
CONTRACT_SIZE(struct dns_log_entry, 328);
CONTRACT_SIZE(struct rule_set, 8 * RULE_WORDS);
CONTRACT_SIZE(struct rule_table,
	      16 + RULES_MAX + 12 * RULE_MARKS_MAX + 2 * RULE_DIM_NUM * sizeof(struct rule_set));
CONTRACT_SIZE(struct rule_value, 24);
CONTRACT_SIZE(struct rule_prefix, 24);
CONTRACT_SIZE(struct domain_fact_key, 32);
CONTRACT_SIZE(struct domain_fact, 24 + 8 * RULE_NAMES_MAX);
CONTRACT_SIZE(struct rule_facts, 216);
CONTRACT_SIZE(struct rule_try_args, 240);
CONTRACT_SIZE(struct cgroup_event, 24);
CONTRACT_SIZE(struct drop_counters, 8 * DROP_NUM);
CONTRACT_SIZE(struct kernel_stats, 8 * STAT_NUM);
CONTRACT_SIZE(struct role_stats, 8 * RSTAT_NUM);
CONTRACT_SIZE(struct budget_uses, 40 * BUDGET_NUM);

#endif
