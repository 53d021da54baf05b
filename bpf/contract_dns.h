/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS answered in the kernel: the part of bpf/contract.h that is about it, which includes it.
 *
 * The resolver writes all of these maps but `dns_log`. Two generations of clients, policies and
 * names lie side by side; dns_state.epoch is read once per query and its lowest bit tells which
 * of them is in force, so that no query is answered by a mixture of two.
 *
 * A name's hash is folded label by label from the root, so that one pass gives the hashes of all
 * its parents (bpf/dns_names.h). A policy is its ordered rules as bit vectors: what the name and
 * its parents match gives sets of rules (of each group that one of them is in), the query's type
 * another; the lowest bit that is in all of them decides. The resolver decides by the same code.
 */
#ifndef BPF_CONTRACT_DNS_H
#define BPF_CONTRACT_DNS_H

#define DNS_POLICIES_MAX 64
#define DNS_RULES_MAX 64 /* of a policy; what comes behind shares the last bit: DNS_ASK */
#define DNS_GROUPS_MAX 128 /* what names are in, all told; 0 = nothing */
#define DNS_GROUP_ASK (DNS_GROUPS_MAX - 1) /* only the resolver knows what the name is in */
#define DNS_CLIENTS_MAX 4096 /* prefixes of policies */
#define DNS_PREFIXES_MAX 6144 /* with those that are let in, and the one of everybody */
#define DNS_ANSWERS_MAX 8192
#define DNS_ANSWER_BYTES 512 /* of a message that the kernel gives, without its OPT */
#define DNS_ANSWER_TTLS 24
#define DNS_LABELS_MAX 40 /* names of more go to the resolver */
#define DNS_NAME_MAX 255 /* wire form */
#define DNS_BUCKET_SLOTS 8
#define DNS_BUCKETS_LOOKED 3 /* the name's own bucket and those behind it */
#define DNS_LOG_BYTES (1U << 20)
#define DNS_LOCAL_MAX 1024
#define DNS_NAMES_BUCKETS_MAX (1U << 20) /* without those behind the last: 64 MiB */

/* What a rule, or a policy without one that matches, does with a query. */
#define DNS_ACTIONS(X)                                                                             \
	X(DNS_ASK, "ask") /* only the resolver can tell */                                         \
	X(DNS_PASS, "pass") /* from `dns_answers`, else by the resolver */                         \
	X(DNS_NXDOMAIN, "nxdomain")                                                                \
	X(DNS_ZERO, "zero") /* 0.0.0.0 and ::, other types NODATA */                               \
	X(DNS_NODATA, "nodata")                                                                    \
	X(DNS_REFUSED, "refused")                                                                  \
	X(DNS_REWRITE, "rewrite") /* userspace alone: the kernel half has DNS_PASS for it */

enum dns_action { DNS_ACTIONS(CONTRACT_ENUM) DNS_ACTION_NUM };

/* Query types that rules may name and the kernel half tells apart. */
#define DNS_TYPES(X)                                                                               \
	X(DNS_TYPE_OTHER, 0)                                                                       \
	X(DNS_TYPE_A, 1)                                                                           \
	X(DNS_TYPE_NS, 2)                                                                          \
	X(DNS_TYPE_CNAME, 5)                                                                       \
	X(DNS_TYPE_SOA, 6)                                                                         \
	X(DNS_TYPE_PTR, 12)                                                                        \
	X(DNS_TYPE_MX, 15)                                                                         \
	X(DNS_TYPE_TXT, 16)                                                                        \
	X(DNS_TYPE_AAAA, 28)                                                                       \
	X(DNS_TYPE_SRV, 33)                                                                        \
	X(DNS_TYPE_SVCB, 64)                                                                       \
	X(DNS_TYPE_HTTPS, 65)

enum dns_type { DNS_TYPES(CONTRACT_ENUM) DNS_TYPE_NUM };

#define DNS_ONLY_RESOLVED 1U /* flags of a policy: to other addresses no flow may begin */
#define DNS_BLOCK_QUIC 2U /* UDP to 443 and 80 is refused with ICMP at once */

/* What being in a group means to a policy, as bits of its rules. */
struct dns_group {
	__u64 domains; /* whose domains have the name */
	__u64 lists; /* whose lists have it */
	__u64 except; /* whose lists name it as an exception from them */
};

/* Map `dns_policies`: array, entry = (epoch & 1) * DNS_POLICIES_MAX + policy. Bits are rules. */
struct dns_policy {
	struct dns_group group[DNS_GROUPS_MAX]; /* of no meaning at 0 and at DNS_GROUP_ASK */
	__u64 any_domain; /* without a condition on domains */
	__u64 any_list; /* without a condition on lists */
	__u64 type_rules[DNS_TYPE_NUM]; /* that the type matches; of DNS_TYPE_OTHER: may match */
	__u64 ask_other; /* that match some of DNS_TYPE_OTHER only: there they mean DNS_ASK */
	__u8 action[DNS_RULES_MAX]; /* enum dns_action */
	__u32 flags; /* DNS_ONLY_RESOLVED, DNS_BLOCK_QUIC */
	__u8 no_match; /* enum dns_action if no rule matches */
	__u8 pad[3];
};

/*
 * Maps `dns_clients`, an array of two LPM tries (by epoch & 1); v4-mapped: bits count in 128.
 * Value: __u32, the policy's number, with DNS_CLIENT_ALLOWED if the configuration lets in
 * foreign clients of the prefix. Who is in none goes to the resolver.
 */
struct dns_client_key {
	__u32 bits;
	__u8 addr[16];
};

#define DNS_CLIENT_ALLOWED 0x80000000U
#define DNS_CLIENT_POLICY 0xffffU

#define DNS_NAME_SELF 1U /* the slot is of the name itself */
#define DNS_NAME_BELOW 2U /* of all names below it */
#define DNS_SLOT_GROUP_SHIFT 2
#define DNS_SLOT_SPILLED (1U << 9) /* in slot[0]: a name found its bucket and the next ones full */
#define DNS_SLOT_HASH_SHIFT 10

/*
 * Maps `dns_names`, an array of two arrays of buckets (mmapable; buckets[epoch & 1] of
 * dns_state and DNS_BUCKETS_LOOKED - 1 more). A slot is hash << 10 | group << 2 | DNS_NAME_SELF
 * and DNS_NAME_BELOW, 0 = empty, and none is behind it. A name whose groups for itself and for
 * what is below it differ has two. What found no slot only the resolver knows: DNS_SLOT_SPILLED
 * in the bucket where it belongs sends it all queries that come by.
 */
struct dns_bucket {
	__u64 slot[DNS_BUCKET_SLOTS];
};

/*
 * Map `dns_state`: array of one entry (mmapable). A new generation's `buckets` are there
 * before `epoch` names them, and `epoch` is written in one piece.
 */
struct dns_state {
	__u64 seed[2]; /* of name hashes; of one start */
	__u64 epoch; /* answers of another one are not given: +1 = new policies, +2 = flush */
	__u32 enabled; /* 0 = every query goes to the resolver */
	__u32 block_ttl[2]; /* seconds, of blocked answers, by epoch & 1 */
	__u32 buckets[2]; /* the same; 0 = no names */
	__u32 pad;
};

/* Key of `dns_answers` (hash). All that an answer depends on: of queries with RD alone. */
struct dns_answer_key {
	__u64 hash; /* of the name; the value has it in full */
	__u32 policy;
	__u16 type; /* host order */
	__u8 flags; /* DNS_ANSWER_DO, DNS_ANSWER_AD */
	__u8 pad;
};

#define DNS_ANSWER_DO 1U /* the query's OPT has DO */
#define DNS_ANSWER_AD 2U /* the query's header has AD (RFC 6840, 5.7); CD is the resolver's */

/*
 * Key of `dns_local` (hash, written by main; its value means nothing): an address of ours on
 * which the resolver listens. dns_eth and dns_xdp answer what is sent there, and nothing else.
 */
struct dns_local_key {
	struct addr addr;
	__be16 port;
	__u8 pad[6];
};

/*
 * Value of `dns_answers`: a whole answer without OPT, AA and RA as they are to be, ID and case
 * of the question of no meaning. An element may be reused while it is read: `check` at both
 * ends is the same for one that is whole, and no other's.
 */
struct dns_answer {
	__u64 check;
	__u64 epoch;
	__u64 stored_ns;
	__u64 expires_ns;
	__u64 hits; /* counted by the kernel half, all else is the resolver's */
	__u16 len; /* of msg */
	__u8 ttls; /* records whose TTL is aged by (now - stored_ns) */
	__u8 name_len;
	__u32 pad;
	__u16 ttl_offset[DNS_ANSWER_TTLS];
	__u8 name[DNS_NAME_MAX + 1]; /* wire form, lower case */
	__u8 msg[DNS_ANSWER_BYTES];
	__u64 check_end;
};

#define DNS_UID_UNKNOWN 0xffffffffU

/* Record of the ring buffer `dns_log`: a query that the kernel half answered. */
struct dns_log_entry {
	__u64 time_ns;
	struct addr client;
	__be16 port;
	__u16 type; /* host order */
	__u16 rcode;
	__u8 action; /* enum dns_action */
	__u8 rule; /* place in its policy, DNS_RULES_MAX = none matched */
	__u32 policy;
	__u32 uid; /* of the client's socket; DNS_UID_UNKNOWN */
	__u32 pid; /* of the process that made or connected it, 0 = unknown */
	__u8 comm[COMM_BYTES]; /* its name */
	__u8 pad[7];
	__u8 name_len;
	__u8 name[DNS_NAME_MAX + 1]; /* wire form, as asked */
};

#endif
