/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All maps of the kernel half. They are weak, so that each entry file may include this
 * header and the linker makes one set of them; sizes marked (load) are set by userspace.
 * bpf/contract.h says what the shared ones mean and who writes them.
 */
#ifndef BPF_MAPS_H
#define BPF_MAPS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/classify.h"
#include "bpf/contract.h"
#include "bpf/parse.h"
#include "bpf/rule_work.h"

#define FRAGMENTS_NOTED 4096 /* an LRU map sets 128 aside for each CPU */
#define REPLY_BYTES 1280 /* largest refusal: an ICMPv6 error (RFC 4443, 2.4) */
#define REPLY_SUM_MAX 1536 /* bytes that are summed */
#define REPLY_ROOM (IP6_HEADER_BYTES + REPLY_SUM_MAX)

/* Where a flow's later fragments are told by: IPv4 protocol, or 0 with IPv6 (RFC 8200). */
struct fragment_key {
	struct addr saddr;
	struct addr daddr;
	__u32 id;
	__u8 proto;
	__u8 pad[3];
};

/*
 * Where a packet was captured and what was decided of it there: what the capture program sends
 * along (bpf/capture.h), or of a packet that was routed to the TUN, CAPTURE_TUN.
 */
struct capture_note {
	__u32 ifindex; /* of the capture point */
	__u32 rule; /* place of the rule that decided, 0 = the default */
	__u32 epoch; /* of the rules */
	__u8 point; /* enum capture_point */
	__u8 verdict; /* enum verdict */
	__u8 there; /* 1 = the program runs at the capture point itself */
	__u8 own; /* 1 = the packet's socket is its flow's: what is decided is noted with it */
	__u8 mac[8]; /* of a LAN client: 6 bytes; zero = unknown */
	__u16 bridged; /* 1 = the frame is not for the host, but for a client beside its sender */
	__u8 dns_only; /* 1 = of an uplink nothing but DNS is captured */
	__u8 hand; /* 1 = a process has written the packet itself, by a raw or packet socket */
};

/*
 * Working memory, one per CPU: the programs run with softirqs off and never nest. Values
 * that pass through it lose what the verifier knew of them, so that branches which met
 * here are not followed apart for ever: the whole point of it, on 6.1.
 */
struct scratch {
	__u8 head[PARSE_HEAD_MAX]; /* first bytes of the packet */
	struct packet packet; /* what they say */
	struct flow_key key;
	struct decision decision;
	struct capture_note from; /* stays from a capture program to the TUN's, on one CPU */
	__u8 earlier; /* enum verdict under rules that hold no more */
	__u8 flags; /* FLOW_INBOUND, FLOW_OLDER */
	__u8 light; /* 1 = of `packet` only what tells its flow was read, and nothing is in `head` */
	__u8 pad;
	__u32 l2; /* bytes in front of the IP header */
	__u32 payload; /* L4 payload bytes */
	__u32 segments; /* packets on a wire */
	__u64 address; /* in the kernel, to be read from */
	struct flow fresh; /* a flow about to be entered */
	struct fragment_key fragment;
	struct flow_key refused; /* last flow whose refusal was told, so that it is told once */
	__u64 refused_ns;
	__u8 reply[REPLY_ROOM];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow);
	__uint(max_entries, FLOWS_MAX); /* (load) */
} flows __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct flow_info);
	__uint(max_entries, FLOWS_MAX); /* (load) */
} flow_info __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct domain_key);
	__type(value, struct domain_value);
	__uint(max_entries, DOMAINS_MAX);
} domains __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_BYTES);
} events __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct settings);
	__uint(max_entries, 1);
} settings __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct abi);
	__uint(max_entries, 1);
} abi __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct drop_counters);
	__uint(max_entries, 1);
} drops __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct kernel_stats);
	__uint(max_entries, 1);
} stats __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct role_counters);
	__uint(max_entries, ROLES_MAX);
} role_counters __weak SEC(".maps");

/* The roles' cgroup: an ancestor test that holds at any depth, inside containers too. */
struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 1);
} own_cgroups __weak SEC(".maps");

/* First fragments leave their flow here for the later ones, which have no ports. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fragment_key);
	__type(value, struct flow_key);
	__uint(max_entries, FRAGMENTS_NOTED);
} fragments __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct scratch);
	__uint(max_entries, 1);
} scratch __weak SEC(".maps");

/*
 * Two generations of what decides on DNS: entry epoch & 1 is in force. Of the types in an
 * inner map's definition clang 14 leaves only the names, so sizes stand for them.
 */
struct dns_client_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct dns_client_key));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, DNS_PREFIXES_MAX);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 2);
	__array(values, struct dns_client_map);
} dns_clients __weak SEC(".maps");

/* Each table has a size of its own, which BPF_F_INNER_MAP allows. */
struct dns_name_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct dns_bucket));
	__uint(max_entries, DNS_BUCKETS_LOOKED);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 2);
	__array(values, struct dns_name_map);
} dns_names __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct dns_policy);
	__uint(max_entries, 2 * DNS_POLICIES_MAX);
} dns_policies __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct dns_state);
	__uint(max_entries, 1);
} dns_state __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dns_answer_key);
	__type(value, struct dns_answer);
	__uint(max_entries, DNS_ANSWERS_MAX);
} dns_answers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, DNS_LOG_BYTES);
} dns_log __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct dns_local_key);
	__type(value, __u32); /* 1 */
	__uint(max_entries, DNS_LOCAL_MAX);
} dns_local __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow);
	__uint(max_entries, DIRECT_FLOWS_MAX);
} direct_flows __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct sock_flow);
	__uint(max_entries, SOCK_RING); /* (load) or 1: not used */
} sock_flows __weak SEC(".maps");

/* TCP flows of capture points that are over, and when: what still comes of them is no new one. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow_key);
	__type(value, __u64); /* bpf_ktime_get_ns() */
	__uint(max_entries, PAST_FLOWS_MAX); /* (load) */
} past_flows __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* ifindex */
	__type(value, struct capture_device);
	__uint(max_entries, CAPTURE_DEVICES_MAX);
} capture_devices __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct addr);
	__type(value, __u32); /* 1 */
	__uint(max_entries, HOST_ADDRS_MAX);
} host_addrs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct host_prefix);
	__type(value, __u32); /* IP version */
	__uint(max_entries, HOST_PREFIXES_MAX);
} host_prefixes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, PASS_MARKS_MAX);
} pass_marks __weak SEC(".maps");

/* Two generations of the rules: entry epoch & 1 is in force (bpf/contract_rules.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct rule_state);
	__uint(max_entries, 1);
} rule_state __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct rule_table);
	__uint(max_entries, 2);
} rule_tables __weak SEC(".maps");

struct rule_set_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rule_set));
	__uint(max_entries, 1);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 2);
	__array(values, struct rule_set_map);
} rule_sets __weak SEC(".maps");

struct rule_value_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct rule_value));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 1);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 2);
	__array(values, struct rule_value_map);
} rule_values __weak SEC(".maps");

struct rule_prefix_map {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct rule_prefix));
	__uint(value_size, sizeof(__u32));
	__uint(max_entries, 1);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__type(key, __u32);
	__uint(max_entries, 2);
	__array(values, struct rule_prefix_map);
} rule_prefixes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 2 * RULE_PORTS);
} rule_ports __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 2 * (RULES_MAX + 1));
} rule_hits __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct domain_fact_key);
	__type(value, struct domain_fact);
	__uint(max_entries, DOMAIN_FACTS_MAX);
} domain_facts __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct rule_work);
	__uint(max_entries, RULE_WORKS);
} rule_work __weak SEC(".maps");

static __always_inline struct settings *settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#endif
