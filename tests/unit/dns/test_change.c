// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * change.c: a change of configuration with the real kernel's maps beside the service. Needs root
 * (77 without).
 */
#include "kernel_world.h"

static void open_kernel(fake_fn say, const char *text)
{
	struct service_options options = { .mtu = 1500, .sockets_max = 500, .reply = take_reply };

	kernel = load_bpf(false);
	open_world(say);
	take_maps();
	options.conf = conf_of(text);
	assert_int_equal(service_new(loop, &datapath, &options, &service), 0);
	conf_free(options.conf);
	turn_until(loop, service->generation != NULL);
}

static uint64_t given(void)
{
	struct kcache_figures f;

	kcache_figures(service->kcache, &f);
	assert_int_equal(f.unfit + f.no_room, 0);
	return f.stored;
}

static void change_to(const char *text)
{
	struct conf *conf = conf_of(text);
	unsigned int before = changes;

	assert_int_equal(service_reload(service, conf, NULL, changed, NULL), 0);
	conf_free(conf);
	turn_until(loop, changes == before + 1);
}

static void an_answer_goes_to_the_kernel_half(void **state)
{
	open_kernel(say_address, UPSTREAM);
	ask(1000, 1, "www.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(given(), 1);
}

/* Under the epoch that is in force by then it would be an answer of other policies. */
static void an_answer_of_an_earlier_generation_does_not(void **state)
{
	open_kernel(say_nothing, UPSTREAM);
	ask(1000, 1, "www.test", TYPE_A);
	settle_loop(loop);
	change_to(UPSTREAM "  block-ttl: 7s\n");
	fake.say = say_address;
	advance_ms(600);
	turn_until(loop, got.num == 1);
	assert_int_equal(rcode(), RCODE_NOERROR);
	assert_int_equal(given(), 0);
	/* the cache has it by the upstream's scope, which is the same */
	ask(1000, 2, "www.test", TYPE_A);
	assert_int_equal(got.num, 2);
	assert_int_equal(given(), 1);
}

/* C-30: answered there, a query for it would empty nothing. */
static void c30_an_answer_for_a_flush_domain_does_not(void **state)
{
	open_kernel(say_address, UPSTREAM "  cache: {flush-domains: [flush.test]}\n");
	ask(1000, 1, "flush.test", TYPE_A);
	turn_until(loop, got.num == 1);
	assert_int_equal(given(), 0);
}

#define T(name) cmocka_unit_test_teardown(name, close_kernel)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_goes_to_the_kernel_half),
		T(an_answer_of_an_earlier_generation_does_not),
		T(c30_an_answer_for_a_flush_domain_does_not),
	};

	if (own_bpffs() || system("ip link set lo up") != 0)
		return 77;
	support_instance();
	return cmocka_run_group_tests_name("dns/change", tests, NULL, NULL);
}
