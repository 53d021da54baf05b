// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bpf/contract.h means the same to both compilers: size, number of members, and name, offset
 * and size of each member of every shared struct, in the BTF of the programs and in C. Needs
 * no right but to read its own skeleton.
 */
#include "bpf/harness.h"

#include <bpf/btf.h>

struct member {
	const char *name;
	size_t offset;
	size_t size;
};

#define MEMBER(type, field)                                                                        \
	{                                                                                          \
#field, offsetof(type, field), sizeof(((type *)0)->field)                          \
	}
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct member addr_members[] = { MEMBER(struct addr, b) };

#define M(field) MEMBER(struct flow_key, field)
static const struct member flow_key_members[] = {
	M(saddr), M(daddr), M(sport), M(dport), M(proto), M(pad),
};
#undef M

#define M(field) MEMBER(struct flow, field)
static const struct member flow_members[] = {
	M(first_seen_ns), M(last_seen_ns), M(bytes_up), M(bytes_down), M(packets_up),
	M(packets_down),  M(cgroup_id),	   M(uid),	M(pid),	       M(ifindex),
	M(rule),	  M(epoch),	   M(comm),	M(mac),	       M(verdict),
	M(state),	  M(capture),	   M(queue),	M(fin_up),     M(fin_down),
	M(flags),	  M(pad),
};
#undef M

#define M(field) MEMBER(struct flow_info, field)
static const struct member flow_info_members[] = {
	M(upstream), M(upstream_port), M(end), M(slot), M(pad), M(outbound), M(domain),
};
#undef M

#define M(field) MEMBER(struct flow_end_args, field)
static const struct member flow_end_args_members[] = { M(key), M(created_ns), M(info) };
#undef M

#define M(field) MEMBER(struct domain_key, field)
static const struct member domain_key_members[] = { M(addr), M(policy), M(pad) };
#undef M

#define M(field) MEMBER(struct domain_value, field)
static const struct member domain_value_members[] = { M(expires_ns), M(name) };
#undef M

#define M(field) MEMBER(struct flow_event, field)
static const struct member flow_event_members[] = {
	M(time_ns), M(type), M(pad), M(key), M(flow), M(info),
};
#undef M

#define M(field) MEMBER(struct settings, field)
static const struct member settings_members[] = {
	M(heartbeat_ns),
	M(own_cgroup),
	M(tun4_prefix),
	M(tun6_prefix),
	M(stack4),
	M(stack6),
	M(tun4_bits),
	M(tun6_bits),
	M(mark),
	M(workers),
	M(tun_ifindex),
	M(mtu),
	M(resolver_queue),
	M(any_source),
	M(steer_seed),
	M(host),
	M(closed),
	M(dns_intercept),
	M(tell_direct),
	M(capture_secret),
	M(stale_ns),
	M(netns_cookie),
	M(route),
	M(direct_mark),
	M(uplink4_ifindex),
	M(uplink6_ifindex),
	M(strict_mark),
	M(strict_priority),
	M(pass_mark),
};
#undef M

#define M(field) MEMBER(struct abi, field)
static const struct member abi_members[] = {
	M(magic),
	M(version),
	M(size_flow_key),
	M(size_flow),
	M(size_flow_info),
	M(size_settings),
	M(size_role_counters),
	M(size_domain_value),
	M(size_dns_policy),
	M(size_dns_state),
	M(size_dns_answer),
	M(size_rule_table),
	M(pad),
};
#undef M

#define M(field) MEMBER(struct role_counters, field)
static const struct member role_counters_members[] = { M(drops), M(stats), M(budgets) };
#undef M

#define M(name, field, text) MEMBER(struct drop_counters, field),
static const struct member drop_counters_members[] = { DROP_REASONS(M) };
#undef M

#define M(name, field, text) MEMBER(struct kernel_stats, field),
static const struct member kernel_stats_members[] = { KERNEL_STATS(M) };
#undef M

#define M(name, field, text) MEMBER(struct role_stats, field),
static const struct member role_stats_members[] = { ROLE_STATS(M) };
#undef M

#define M(field) MEMBER(struct budget_use, field)
static const struct member budget_use_members[] = {
	M(used), M(limit), M(source_limit), M(hits), M(evicted),
};
#undef M

#define M(name, field, text) MEMBER(struct budget_uses, field),
static const struct member budget_uses_members[] = { BUDGETS(M) };
#undef M

#define M(field) MEMBER(struct rule_table, field)
static const struct member rule_table_members[] = {
	M(words),  M(dims),    M(rules), M(fallback), M(pad),
	M(missed), M(unknown), M(mark),	 M(verdict),
};
#undef M

#define M(field) MEMBER(struct rule_facts, field)
static const struct member rule_facts_members[] = {
	M(saddr), M(daddr), M(cgroup), M(exe_inode), M(exe_device), M(uid), M(mark),   M(ifindex),
	M(known), M(dport), M(proto),  M(dscp),	     M(comm),	    M(mac), M(domain),
};
#undef M

#define M(field) MEMBER(struct rule_try_args, field)
static const struct member rule_try_args_members[] = {
	M(facts), M(asked), M(verdict), M(rule), M(epoch), M(conditions), M(satisfied),
};
#undef M

#define M(field) MEMBER(struct domain_fact, field)
static const struct member domain_fact_members[] = {
	M(expires_ns), M(lists), M(names), M(pad), M(name),
};
#undef M

#define M(field) MEMBER(struct rule_state, field)
static const struct member rule_state_members[] = { M(epoch), M(valid_from) };
#undef M

#define SHARED(type)                                                                               \
	{                                                                                          \
#type, sizeof(struct type), type##_members, COUNT(type##_members)                  \
	}

static const struct {
	const char *name;
	size_t size;
	const struct member *members;
	size_t count;
} shared[] = {
	SHARED(addr),	       SHARED(flow_key),   SHARED(flow),	  SHARED(flow_info),
	SHARED(flow_end_args), SHARED(domain_key), SHARED(domain_value),  SHARED(flow_event),
	SHARED(settings),      SHARED(abi),	   SHARED(role_counters), SHARED(drop_counters),
	SHARED(kernel_stats),  SHARED(role_stats), SHARED(budget_use),	  SHARED(budget_uses),
	SHARED(rule_table),    SHARED(rule_facts), SHARED(rule_try_args), SHARED(domain_fact),
	SHARED(rule_state),
};

static void compare_members(const struct btf *btf, const struct btf_type *t, size_t which)
{
	const struct btf_member *m = btf_members(t);
	size_t i;

	if (btf_vlen(t) != shared[which].count)
		fail_msg("struct %s: %u members, %zu listed here", shared[which].name, btf_vlen(t),
			 shared[which].count);
	for (i = 0; i < shared[which].count; i++, m++) {
		const struct member *c = &shared[which].members[i];

		if (strcmp(btf__name_by_offset(btf, m->name_off), c->name) ||
		    m->offset != c->offset * 8 ||
		    btf__resolve_size(btf, m->type) != (long long)c->size)
			fail_msg("struct %s: member %zu is not %s at %zu", shared[which].name, i,
				 c->name, c->offset);
	}
}

static void structs_are_laid_out_alike(void **state)
{
	struct headrace *skel = headrace__open();
	const struct btf_type *t;
	const struct btf *btf;
	size_t i;
	int id;

	assert_non_null(skel);
	btf = bpf_object__btf(skel->obj);
	assert_non_null(btf);
	for (i = 0; i < COUNT(shared); i++) {
		id = btf__find_by_name_kind(btf, shared[i].name, BTF_KIND_STRUCT);
		if (id < 0)
			fail_msg("struct %s is not in the programs' BTF", shared[i].name);
		t = btf__type_by_id(btf, id);
		assert_int_equal(t->size, shared[i].size);
		compare_members(btf, t, i);
	}
	headrace__destroy(skel);
}

/* Names must fit the kernel's 15 characters whole, or bpftool shows something else. */
static void names_fit(void **state)
{
	struct headrace *skel = headrace__open();
	struct bpf_program *prog;
	struct bpf_map *map;

	assert_non_null(skel);
	bpf_object__for_each_program(prog, skel->obj)
		assert_in_range(strlen(bpf_program__name(prog)), 1, BPF_OBJ_NAME_LEN - 1);
	bpf_object__for_each_map(map, skel->obj) if (!strstr(bpf_map__name(map), ".rodata"))
		assert_in_range(strlen(bpf_map__name(map)), 1, BPF_OBJ_NAME_LEN - 1);
	headrace__destroy(skel);
}

#define TEXT(name, ...) #name,
#define LAST(...) (COUNT(((const char *[]){ __VA_ARGS__ })))

/* Each list and its enum end together. */
static void lists_are_complete(void **state)
{
	assert_int_equal(LAST(VERDICTS(TEXT)), VERDICT_NUM);
	assert_int_equal(LAST(DROP_REASONS(TEXT)), DROP_NUM);
	assert_int_equal(LAST(KERNEL_STATS(TEXT)), STAT_NUM);
	assert_int_equal(LAST(ROLE_STATS(TEXT)), RSTAT_NUM);
	assert_int_equal(LAST(FLOW_STATES(TEXT)), FLOW_STATE_NUM);
	assert_int_equal(LAST(FLOW_ENDS(TEXT)), FLOW_END_NUM);
	assert_int_equal(LAST(EVENT_TYPES(TEXT)), EVENT_NUM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structs_are_laid_out_alike),
		cmocka_unit_test(names_fit),
		cmocka_unit_test(lists_are_complete),
	};

	return cmocka_run_group_tests_name("bpf/contract", tests, NULL, NULL);
}
