// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The DNS maps as the resolver writes them and workers read them, on the real kernel. Needs
 * root (77 without).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include "base/addr.h"
#include "datapath/dns.h"
#include "datapath/kernel_internal.h"
#include "lib/own_bpffs.h"
#include "unit/datapath/support.h"

struct world {
	struct kernel *kernel;
	struct datapath resolver, worker;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->kernel = load_bpf(false);
	role_of(w->kernel, &w->resolver, RESOLVER_QUEUE);
	role_of(w->kernel, &w->worker, 1);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	datapath_done(&w->resolver);
	datapath_done(&w->worker);
	kernel_unload(w->kernel);
	free(w);
	return 0;
}

static struct dns_client_key client_key(const char *text, unsigned int bits)
{
	struct dns_client_key key = { .bits = bits };
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	memcpy(key.addr, a.b, sizeof(key.addr));
	return key;
}

static uint32_t policy_of(struct datapath *dp, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return datapath_policy_of(dp, &a);
}

static void only_the_resolver_writes(void **state)
{
	struct world *w = *state;
	struct dns_client_key key = client_key("10.0.0.0", 96 + 8);
	struct dns_policy policy = { .flags = DNS_BLOCK_QUIC };
	struct dns_state s;

	assert_true(datapath_dns(&w->resolver));
	assert_false(datapath_dns(&w->worker));
	assert_int_equal(datapath_dns_client_put(&w->worker, 0, &key, 3), -EPERM);
	assert_int_equal(datapath_dns_policy_put(&w->worker, 0, 3, &policy), -EPERM);
	assert_int_equal(datapath_dns_epoch_add(&w->worker, 1), -ENOENT);
	assert_int_equal(datapath_dns_client_put(&w->resolver, 0, &key, 3), 0);
	assert_int_equal(datapath_dns_policy_put(&w->resolver, 0, 3, &policy), 0);
	assert_int_equal(datapath_dns_state(&w->worker, &s), 0);
	assert_int_equal(s.epoch, 0);
	assert_int_equal(policy_of(&w->worker, "10.1.2.3"), 3);
	assert_int_equal(datapath_policy_flags(&w->worker, 3), DNS_BLOCK_QUIC);
	assert_int_equal(datapath_policy_flags(&w->worker, DNS_POLICIES_MAX), 0);
}

static void seeds_differ_between_starts(void **state)
{
	struct world *w = *state;
	struct kernel *second;
	struct datapath dp;
	struct dns_state a, b;

	assert_int_equal(datapath_dns_state(&w->resolver, &a), 0);
	instance[0] = 's';
	second = load_bpf(false);
	role_of(second, &dp, RESOLVER_QUEUE);
	assert_int_equal(datapath_dns_state(&dp, &b), 0);
	assert_memory_not_equal(a.seed, b.seed, sizeof(a.seed));
	assert_int_equal(a.enabled, 0);
	datapath_done(&dp);
	kernel_unload(second);
	instance[0] = 't';
}

/* What a client was found to have lasts as long as the generation, and no longer. */
static void a_new_generation_has_its_own_clients(void **state)
{
	struct world *w = *state;
	struct dns_client_key all = client_key("::", 0), kids = client_key("10.0.3.0", 96 + 24);

	assert_int_equal(datapath_dns_client_put(&w->resolver, 0, &all, 1), 0);
	assert_int_equal(policy_of(&w->worker, "10.0.3.7"), 1);
	assert_int_equal(datapath_dns_client_put(&w->resolver, 1, &all, 0), 0);
	assert_int_equal(datapath_dns_client_put(&w->resolver, 1, &kids, 2 | DNS_CLIENT_ALLOWED),
			 0);
	assert_int_equal(policy_of(&w->worker, "10.0.3.7"), 1);
	assert_int_equal(datapath_dns_epoch_add(&w->resolver, 1), 0);
	assert_int_equal(policy_of(&w->worker, "10.0.3.7"), 2);
	assert_int_equal(policy_of(&w->worker, "10.0.4.7"), 0);
	assert_int_equal(datapath_dns_clients_clear(&w->resolver, 0), 0);
	assert_int_equal(datapath_dns_epoch_add(&w->resolver, 1), 0);
	assert_int_equal(policy_of(&w->worker, "10.0.3.7"), 0);
}

static int names_take(struct world *w, uint32_t buckets)
{
	int fd = -1, ret_fd = -1;

	assert_int_equal(kernel_names_make(w->kernel, buckets, &fd), 0);
	assert_int_equal(datapath_take(&w->resolver, ROLE_FD_NAMES, buckets, fd), 0);
	assert_int_equal(datapath_dns_names_take(&w->resolver, buckets, &ret_fd), 0);
	return ret_fd;
}

/* What is in force goes on with its own TTL while the next generation is put together. */
static void each_generation_has_its_own_ttl(void **state)
{
	struct world *w = *state;
	struct dns_state s;

	assert_int_equal(datapath_dns_block_ttl_put(&w->resolver, 0, 11), 0);
	assert_int_equal(datapath_dns_block_ttl_put(&w->resolver, 1, 22), 0);
	assert_int_equal(datapath_dns_state(&w->resolver, &s), 0);
	assert_int_equal(s.block_ttl[0], 11);
	assert_int_equal(s.block_ttl[1], 22);
}

/* The resolver fills a table that main made, through a mapping of it, and puts it in place. */
static void a_table_of_names_is_made_filled_and_put(void **state)
{
	struct world *w = *state;
	const size_t bytes = (1000 + DNS_BUCKETS_LOOKED - 1) * sizeof(struct dns_bucket);
	struct dns_bucket got, *table;
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), last = 1000 + DNS_BUCKETS_LOOKED - 2;
	struct dns_state s;
	int fd;

	assert_int_equal(datapath_dns_names_take(&w->resolver, 1000, &fd), -EAGAIN);
	fd = names_take(w, 1000);
	table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(table != MAP_FAILED);
	table[last].slot[7] = 0xabcdef;
	assert_int_equal(bpf_map_lookup_elem(fd, &last, &got), 0);
	assert_int_equal(got.slot[7], 0xabcdef);
	assert_int_equal(datapath_dns_names_put(&w->resolver, 1, fd, 1000), 0);
	assert_int_equal(datapath_dns_state(&w->resolver, &s), 0);
	assert_int_equal(s.buckets[1], 1000);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_int_equal(info.max_entries, 1000 + DNS_BUCKETS_LOOKED - 1);
	assert_int_equal(datapath_dns_names_put(&w->resolver, 1, -1, 0), 0);
	assert_int_equal(datapath_dns_state(&w->resolver, &s), 0);
	assert_int_equal(s.buckets[1], 0);
	munmap(table, bytes);
	close(fd);
}

/* Whatever a resolver asks for, main makes no more than NAMES_ALIVE tables of bounded size. */
static void tables_of_names_are_bounded(void **state)
{
	struct world *w = *state;
	int fd[NAMES_ALIVE], refused = -1;

	for (int i = 0; i < NAMES_ALIVE; i++)
		fd[i] = names_take(w, 8);
	assert_int_equal(kernel_names_make(w->kernel, 8, &refused), -EBUSY);
	close(fd[1]);
	close(names_take(w, 8));
	assert_int_equal(kernel_names_make(w->kernel, 0, &refused), -EINVAL);
	assert_int_equal(kernel_names_make(w->kernel, DNS_NAMES_BUCKETS_MAX + 1, &refused),
			 -EINVAL);
	close(fd[0]);
	close(fd[2]);
}

static void a_wish_that_is_refused_is_told(void **state)
{
	struct world *w = *state;
	int fd = -1;

	assert_int_equal(datapath_take(&w->resolver, ROLE_FD_NAMES, 0, dup(0)), 0);
	assert_int_equal(datapath_dns_names_take(&w->resolver, 8, &fd), -ENOMEM);
}

static void answers_are_put_read_and_removed(void **state)
{
	struct world *w = *state;
	struct dns_answer_key key = { .hash = 7, .policy = 2, .type = 1 };
	struct dns_answer answer = { .check = 5, .check_end = 5, .len = 3 }, got;

	assert_int_equal(datapath_dns_answer_put(&w->resolver, &key, &answer), 0);
	assert_int_equal(datapath_dns_answer_get(&w->resolver, &key, &got), 0);
	assert_memory_equal(&got, &answer, sizeof(got));
	assert_int_equal(datapath_dns_answer_remove(&w->resolver, &key), 0);
	assert_int_equal(datapath_dns_answer_get(&w->resolver, &key, &got), -ENOENT);
	for (key.hash = 0; key.hash < 100; key.hash++)
		assert_int_equal(datapath_dns_answer_put(&w->resolver, &key, &answer), 0);
	assert_int_equal(datapath_dns_answers_clear(&w->resolver), 0);
	assert_int_equal(bpf_map_get_next_key(w->resolver.dns_answers, NULL, &key), -ENOENT);
	assert_int_equal(datapath_dns_answer_put(&w->worker, &key, &answer), -ENOENT);
}

static void as_nobody(struct world *w)
{
	struct dns_client_key all = client_key("::", 0);
	struct dns_policy policy = { .flags = 1 };
	int fd = names_take(w, 8);
	bool ok = !setgid(65534) && !setuid(65534) &&
		  !datapath_dns_names_put(&w->resolver, 1, fd, 8) &&
		  !datapath_dns_policy_put(&w->resolver, 1, 0, &policy) &&
		  !datapath_dns_client_put(&w->resolver, 1, &all, 0) &&
		  !datapath_dns_block_ttl_put(&w->resolver, 1, 60) &&
		  !datapath_dns_enable(&w->resolver, true) &&
		  !datapath_dns_epoch_add(&w->resolver, 1) &&
		  datapath_policy_flags(&w->worker, policy_of(&w->worker, "1.2.3.4")) == 1;

	_exit(ok ? 0 : 1);
}

static void neither_role_needs_a_capability(void **state)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		as_nobody(*state);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void without_maps_nothing_is_found(void **state)
{
	struct dns_answer_key key = { 0 };
	struct dns_answer answer;
	struct dns_state s;
	struct datapath dp;

	datapath_init(&dp, RESOLVER_QUEUE);
	assert_false(datapath_dns(&dp));
	assert_int_equal(datapath_dns_state(&dp, &s), -ENOENT);
	assert_int_equal(datapath_dns_enable(&dp, true), -ENOENT);
	assert_int_equal(datapath_dns_block_ttl_put(&dp, 0, 1), -ENOENT);
	assert_int_equal(datapath_dns_names_want(&dp, 8), -ENOENT);
	assert_int_equal(datapath_dns_answer_get(&dp, &key, &answer), -ENOENT);
	assert_int_equal(policy_of(&dp, "10.0.0.1"), 0);
	assert_int_equal(datapath_policy_flags(&dp, 0), 0);
	datapath_done(&dp);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_the_resolver_writes),
		TEST(seeds_differ_between_starts),
		TEST(a_new_generation_has_its_own_clients),
		TEST(each_generation_has_its_own_ttl),
		TEST(a_table_of_names_is_made_filled_and_put),
		TEST(tables_of_names_are_bounded),
		TEST(a_wish_that_is_refused_is_told),
		TEST(answers_are_put_read_and_removed),
		TEST(neither_role_needs_a_capability),
		cmocka_unit_test(without_maps_nothing_is_found),
	};

	if (own_bpffs())
		return 77;
	support_instance();
	return cmocka_run_group_tests_name("datapath/dns", tests, NULL, NULL);
}
