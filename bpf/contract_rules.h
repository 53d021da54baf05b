/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rules of a configuration as both halves have them: bit vectors (Lakshman and Stiliadis,
 * 1998). Each dimension's look-up gives the set of rules that it satisfies; the lowest bit that
 * is in all sets is the rule that decides. Part of bpf/contract.h, which includes it.
 *
 * Main writes it all. Two generations lie side by side: rule_state.epoch is read once per
 * packet and its lowest bit tells which is in force, so no packet is decided by a mixture.
 *
 * A dimension is: the rules it satisfies when nothing is found (`missed`), XOR the union of the
 * sets of all values found. A rule without a condition there is in `missed` and in no value's
 * set; one that names a value is in that value's set alone; one that excludes a value (NOT) is
 * in `missed` and in the value's set. Where the fact is not known (no name for an address, no
 * process of a forwarded packet), only rules without a condition there go on: `unknown`.
 */
#ifndef BPF_CONTRACT_RULES_H
#define BPF_CONTRACT_RULES_H

#define RULES_MAX 1024
#define RULE_WORDS (RULES_MAX / 64)
#define RULE_SETS_MAX 524288 /* different sets of a generation; 0 = the empty one */
#define RULE_PORTS 65536
#define RULE_MARKS_MAX 16 /* different fwmark conditions */
#define RULE_NAMES_MAX 12 /* hashes of a name and its parents that are kept of it */
#define RULE_PREFIXES_MAX 200000 /* of a generation, sources and destinations */
#define RULE_VALUES_MAX 400000
#define DOMAIN_FACTS_MAX 32768

#define RULE_DIMS(X)                                                                               \
	X(RULE_PROTO, "protocol") /* a: IPPROTO_* */                                               \
	X(RULE_DSCP, "dscp") /* a: 0..63 */                                                        \
	X(RULE_UID, "user") /* a: uid */                                                           \
	X(RULE_CGROUP, "cgroup") /* a: id of the socket's own cgroup, its parents' rules in it */  \
	X(RULE_COMM, "process") /* a, b: the name's 16 bytes as they stand */                      \
	X(RULE_EXE, "executable") /* a: inode, b: st_dev of the kernel (MAJOR << 20 | MINOR) */    \
	X(RULE_MAC, "mac") /* a: the bytes as they stand, then zeroes */                           \
	X(RULE_DEVICE, "interface") /* a: ifindex of the capture point */                          \
	X(RULE_DOMAIN, "domain") /* a: hash of a name, b: RULE_SELF or RULE_BELOW; and lists: */   \
	/* a: place of the list, b: RULE_LIST */                                                   \
	X(RULE_MARK, "fwmark") /* rule_table.mark, no value */                                     \
	X(RULE_SADDR, "source") /* rule_prefixes */                                                \
	X(RULE_DADDR, "destination") /* rule_prefixes */                                           \
	X(RULE_PORT, "port") /* rule_ports: destination port of TCP or UDP */

enum rule_dim { RULE_DIMS(CONTRACT_ENUM) RULE_DIM_NUM };

#define RULE_SELF 0U /* the name itself */
#define RULE_BELOW 1U /* a name below it */
#define RULE_LIST 2U

struct rule_set {
	__u64 bits[RULE_WORDS]; /* bit n of word w: rule at place w * 64 + n, from 0 */
};

struct rule_mark {
	__u32 value;
	__u32 mask; /* 0 = the end of the list */
	__u32 set; /* place in rule_sets */
};

/* Map `rule_tables`: array of two, entry = epoch & 1. */
struct rule_table {
	__u32 words; /* of each set that are in use, 0 = no rules */
	__u32 dims; /* bits by enum rule_dim: some rule has a condition there */
	__u16 rules; /* how many */
	__u8 fallback; /* enum verdict if no rule matches: direct or forward (also with 0) */
	__u8 pad[5];
	struct rule_set missed[RULE_DIM_NUM];
	struct rule_set unknown[RULE_DIM_NUM];
	struct rule_mark mark[RULE_MARKS_MAX];
	__u8 verdict[RULES_MAX]; /* enum verdict: direct, forward, reject, drop */
};

/*
 * Map `rule_values`, an array of two hashes: -> __u32, place in rule_sets. The cgroups of rules
 * are all in it, resolved: one that is not, is not known yet (DROP_CGROUP).
 */
struct rule_value {
	__u32 dim;
	__u32 pad;
	__u64 a;
	__u64 b;
};

/*
 * Map `rule_prefixes`, an array of two LPM tries: -> __u32, place in rule_sets, with the rules
 * of all shorter prefixes in the set. `bits` counts those of `dim` (32), too.
 */
struct rule_prefix {
	__u32 bits;
	__u32 dim; /* RULE_SADDR or RULE_DADDR, in the order of memory of a big-endian number */
	__u8 addr[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* What `dim` of a struct rule_prefix is, of an enum rule_dim. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define RULE_PREFIX_DIM(dim) __builtin_bswap32(dim)
#else
#define RULE_PREFIX_DIM(dim) (dim)
#endif

/*
 * Map `rule_sets`: an array of two arrays of struct rule_set. Map `rule_ports`: one array of
 * __u32 (place in rule_sets), entry = (epoch & 1) * RULE_PORTS + port (mmapable).
 * Map `rule_hits`: per-CPU array of __u64, entry = (epoch & 1) * (RULES_MAX + 1) + place of the
 * rule from 1, 0 = the fallback: flows decided. Map `rule_state`: array of one (mmapable).
 */
struct rule_state {
	__u32 epoch; /* written in one piece, last */
	__u32 valid_from; /* flows decided by an earlier epoch are decided anew (reload --flows reset) */
};

/*
 * Map `domain_facts` (LRU hash, written by the resolver): what is known of the name by which
 * `client` (zero: anybody) came to `addr`, the latest answer. Independent of the rules. What has a
 * socket on this host is one client, FACT_HOST, whichever of its addresses it asks from (one of
 * IPv4, say) and opens flows with (one of IPv6).
 */
#define FACT_HOST_BYTE 1 /* the last one of that client's address, ::1; all others are zero */
struct domain_fact_key {
	struct addr client;
	struct addr addr;
};

struct domain_fact {
	__u64 expires_ns; /* TTL of the answer plus grace */
	__u64 lists; /* bits by place in dns.lists of the configuration: the name is in it */
	__u32 names; /* hashes in `name` */
	__u32 pad;
	__u64 name[RULE_NAMES_MAX]; /* [0] the name itself, then its parents, from the root down */
};

/* What is known of a new flow; `known` has bits by enum rule_dim. */
struct rule_facts {
	struct addr saddr;
	struct addr daddr;
	__u64 cgroup;
	__u64 exe_inode;
	__u32 exe_device;
	__u32 uid;
	__u32 mark;
	__u32 ifindex;
	__u32 known;
	__u16 dport; /* host order */
	__u8 proto;
	__u8 dscp;
	__u8 comm[COMM_BYTES];
	__u8 mac[8]; /* 6, then zeroes */
	struct domain_fact domain;
};

/* What is known of any packet but a later fragment, which has no ports that rules may name. */
#define RULE_KNOWN_ALWAYS                                                                          \
	(1U << RULE_PROTO | 1U << RULE_DSCP | 1U << RULE_MARK | 1U << RULE_SADDR |                 \
	 1U << RULE_DADDR | 1U << RULE_PORT | 1U << RULE_DEVICE)

/*
 * Context of the `rules_try` program (SEC("syscall"), run by main): what the rules in force say
 * to a flow of these facts, without counting it. Where RULE_DOMAIN is not in facts.known, it is
 * looked up as for a packet, and written back with the rest of the facts.
 */
struct rule_try_args {
	struct rule_facts facts;
	__u32 asked; /* in: place of a rule, from 1, to be told about as well; 0 = none */
	__u32 verdict; /* enum verdict; VERDICT_NONE: the cgroup is not looked up yet */
	__u32 rule; /* place of the one that decides, from 1; 0 = the default */
	__u32 epoch;
	__u32 conditions; /* bits by enum rule_dim: the rule asked for has a condition there */
	__u32 satisfied; /* likewise: the facts satisfy it, or it has none */
};

/* Record of `events`, EVENT_CGROUP: of no entry in rule_values, and a rule asks for it. */
struct cgroup_event {
	__u64 time_ns;
	__u32 type;
	__u32 pad;
	__u64 cgroup; /* id */
};

#endif
