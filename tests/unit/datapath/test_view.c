// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* view.c: all flows, in parts, with their names, in the real kernel's maps. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "base/addr.h"
#include "base/clock.h"
#include "datapath/kernel_internal.h"
#include "datapath/view.h"
#include "lib/own_bpffs.h"
#include "unit/datapath/support.h"

#define MANY 20000

static struct kernel *kernel;

/* As on a host: only there direct flows have room. */
static int setup(void **state)
{
	struct kernel_options opt = { .instance = instance, .flows_max = 512, .host = true };
	char err[256] = "";

	assert_int_equal(kernel_load(&opt, &kernel, err), 0);
	assert_true(kernel_features(kernel)->bpf);
	return 0;
}

static int teardown(void **state)
{
	kernel_unload(kernel);
	return 0;
}

static void put(int map_fd, uint32_t n, uint8_t verdict)
{
	struct flow_key key = { .proto = IPPROTO_UDP, .sport = htons(1), .dport = htons(53) };
	struct flow flow = { .pid = n, .verdict = verdict };

	key.saddr = addr_from_v4(htonl(0x0a000002));
	key.daddr = addr_from_v4(htonl(0xc6330000 + n));
	assert_int_equal(bpf_map_update_elem(map_fd, &key, &flow, BPF_ANY), 0);
}

struct seen {
	unsigned int flows, direct, in_part, largest;
	char name[DOMAIN_TEXT_MAX]; /* of the flow to 198.51.0.1 */
};

static int count(void *arg, const struct kernel_flow *f)
{
	struct seen *s = arg;

	s->in_part++;
	if (f->flow.verdict == VERDICT_DIRECT)
		s->direct++;
	else
		s->flows++;
	if (f->flow.pid == 1)
		memcpy(s->name, f->info.domain, sizeof(s->name));
	return 0;
}

static struct seen walk(unsigned int *ret_parts)
{
	struct kernel_view v = { 0 };
	struct seen s = { 0 };
	bool more = true;

	assert_int_equal(kernel_view_begin(&v), 0);
	for (*ret_parts = 0; more; (*ret_parts)++) {
		s.in_part = 0;
		assert_int_equal(kernel_view_next(kernel, &v, count, &s, &more), 0);
		if (s.in_part > s.largest)
			s.largest = s.in_part;
	}
	kernel_view_end(&v);
	return s;
}

static void carried_and_direct_flows_are_both_there(void **state)
{
	unsigned int parts;
	struct seen s;

	for (uint32_t i = 1; i <= 3; i++)
		put(kernel->maps.flows, i, VERDICT_FORWARD);
	put(kernel->maps.direct_flows, 9, VERDICT_DIRECT);
	s = walk(&parts);
	assert_int_equal(s.flows, 3);
	assert_int_equal(s.direct, 1);
}

static void put_socket(uint32_t at, uint8_t state, uint64_t last_ns)
{
	const struct sock_flow s = {
		.cookie = at,
		.key = { .proto = IPPROTO_TCP },
		.flow = { .verdict = VERDICT_DIRECT, .state = state, .last_seen_ns = last_ns }
	};

	assert_int_equal(bpf_map_update_elem(kernel->maps.sock_flows, &at, &s, 0), 0);
}

static void flows_of_sockets_are_there_until_they_have_closed(void **state)
{
	unsigned int parts;
	struct seen s;

	put_socket(1, FLOW_OPEN, 1);
	put_socket(SOCK_RING - 1, FLOW_OPENING, clock_ns());
	put_socket(7, FLOW_CLOSED, clock_ns());
	put_socket(8, FLOW_CLOSED, 1); /* long ago */
	put_socket(0, FLOW_OPEN, clock_ns()); /* of no socket */
	s = walk(&parts);
	assert_int_equal(s.direct, 3);
	assert_true(s.largest <= 256);
}

static void a_large_table_is_walked_in_small_parts(void **state)
{
	unsigned int parts;
	uint64_t began;
	struct seen s;

	for (uint32_t i = 1; i <= MANY; i++)
		put(kernel->maps.direct_flows, i, VERDICT_DIRECT);
	began = clock_ns();
	s = walk(&parts);
	printf("%u flows in %u parts, %u us each\n", s.direct, parts,
	       (unsigned int)((clock_ns() - began) / 1000 / parts));
	assert_true(s.direct > MANY * 9 / 10); /* it is an LRU */
	assert_true(s.largest <= 256);
	assert_true(parts >= MANY / 256);
}

static void a_direct_flow_has_the_name_of_its_clients_policy(void **state)
{
	struct dns_client_key client = { .bits = 0 };
	struct domain_value value = { .expires_ns = UINT64_MAX, .name = "www.test" };
	struct domain_key key = { .policy = 2 };
	unsigned int parts;
	__u32 policy = 2;

	put(kernel->maps.direct_flows, 1, VERDICT_DIRECT);
	key.addr = addr_from_v4(htonl(0xc6330001));
	assert_int_equal(bpf_map_update_elem(kernel->maps.domains, &key, &value, 0), 0);
	assert_string_equal(walk(&parts).name, "");
	assert_int_equal(bpf_map_update_elem(kernel->dns.clients[0], &client, &policy, 0), 0);
	assert_string_equal(walk(&parts).name, "www.test");
	value.expires_ns = 1;
	assert_int_equal(bpf_map_update_elem(kernel->maps.domains, &key, &value, 0), 0);
	assert_string_equal(walk(&parts).name, "");
}

static void a_carried_flow_has_the_name_that_its_role_noted(void **state)
{
	struct flow_info info = { .domain = "role.test" };
	struct flow_key key = { .proto = IPPROTO_UDP, .sport = htons(1), .dport = htons(53) };
	unsigned int parts;

	put(kernel->maps.flows, 1, VERDICT_FORWARD);
	key.saddr = addr_from_v4(htonl(0x0a000002));
	key.daddr = addr_from_v4(htonl(0xc6330001));
	assert_int_equal(bpf_map_update_elem(kernel->maps.flow_info, &key, &info, 0), 0);
	assert_string_equal(walk(&parts).name, "role.test");
}

static void who_follows_has_direct_flows_told(void **state)
{
	struct settings s;
	__u32 zero = 0;

	kernel_tell_direct(kernel, true);
	assert_int_equal(bpf_map_lookup_elem(kernel->maps.settings, &zero, &s), 0);
	assert_int_equal(s.tell_direct, 1);
	kernel_tell_direct(kernel, false);
	assert_int_equal(bpf_map_lookup_elem(kernel->maps.settings, &zero, &s), 0);
	assert_int_equal(s.tell_direct, 0);
}

static void a_cgroup_has_a_path_as_long_as_it_is_there(void **state)
{
	struct stat st;

	assert_int_equal(stat(kernel->cgroup.path, &st), 0);
	assert_non_null(strstr(kernel_cgroup_path(st.st_ino), instance));
	assert_int_equal(kernel_cgroup_path(st.st_ino)[0], '/');
	assert_string_equal(kernel_cgroup_path(0), "");
	assert_string_equal(kernel_cgroup_path(0xffffffffff), "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(carried_and_direct_flows_are_both_there),
		T(flows_of_sockets_are_there_until_they_have_closed),
		T(a_large_table_is_walked_in_small_parts),
		T(a_direct_flow_has_the_name_of_its_clients_policy),
		T(a_carried_flow_has_the_name_that_its_role_noted),
		T(who_follows_has_direct_flows_told),
		T(a_cgroup_has_a_path_as_long_as_it_is_there),
	};

	if (own_bpffs())
		return 77;
	support_instance();
	return cmocka_run_group_tests_name("datapath/view", tests, NULL, NULL);
}
