// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* upstreams.c: groups of a configuration, what stays across a reload, the host's servers. */
#include "fake_transport.h"

#include "dns/upstreams.h"

static struct loop *loop;
static struct datapath datapath;
static struct upstreams *set;
static char path[] = "/tmp/headrace-test-resolv-XXXXXX";
static struct conf_upstream conf_upstream[3];
static struct conf_group conf_group[2];
static struct conf_dns conf;
static char error[TRANSPORT_ERROR_MAX];

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct endpoint at(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, 53, &ep), 0);
	return ep;
}

/* Two plain upstreams a and b, and h of type host; the groups are a, b and b, h. */
static void default_conf(void)
{
	memset(conf_upstream, 0, sizeof(conf_upstream));
	memset(conf_group, 0, sizeof(conf_group));
	for (int i = 0; i < 3; i++)
		conf_upstream[i].name[0] = "abh"[i];
	for (int i = 0; i < 2; i++) {
		conf_upstream[i].type = CONF_PLAIN;
		conf_upstream[i].address[0] = at(i ? "192.0.2.2" : "192.0.2.1");
		conf_upstream[i].addresses = 1;
	}
	conf_upstream[2].type = CONF_HOST;
	conf_group[0] =
		(struct conf_group){ .name = "default", .upstream = { 0, 1 }, .upstreams = 2 };
	conf_group[1] = (struct conf_group){ .name = "h", .upstream = { 1, 2 }, .upstreams = 2 };
	conf = (struct conf_dns){
		.upstream = conf_upstream, .upstreams = 3, .group = conf_group, .groups = 2
	};
}

static int setup(void **state)
{
	struct upstreams_options options = { .datapath = &datapath, .resolv_conf = path };

	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	close(mkstemp(path));
	put("nameserver 192.0.2.10\nnameserver 192.0.2.11\n");
	assert_int_equal(loop_new(&loop), 0);
	options.loop = loop;
	assert_int_equal(upstreams_new(&options, &set), 0);
	memset(fake_transports, 0, sizeof(fake_transports));
	fake_transport_new_error = 0;
	default_conf();
	return 0;
}

static int teardown(void **state)
{
	upstreams_free(set);
	loop_free(loop);
	assert_int_equal(fake_transports_open(), 0);
	unlink(path);
	clock_inject(NULL);
	return 0;
}

static void assign(void)
{
	assert_int_equal(upstreams_assign(set, &conf, NULL, 0, error), 0);
}

static struct upstream *member(unsigned int group, unsigned int i)
{
	struct upstream_group *g = upstreams_group(set, group);

	assert_true(i < g->num);
	return g->member[i];
}

static void is_at(const struct upstream *u, const char *address)
{
	char text[ENDPOINT_TEXT_MAX];

	assert_string_equal(endpoint_format(&u->address[0], text), address);
}

static void groups_share_their_upstreams(void **state)
{
	assign();
	assert_int_equal(upstreams_group(set, 0)->num, 2);
	assert_int_equal(upstreams_group(set, 1)->num, 3);
	assert_ptr_equal(member(0, 1), member(1, 0));
	assert_null(upstreams_group(set, 2));
}

static void c24_the_hosts_servers_are_members_in_their_order(void **state)
{
	assign();
	is_at(member(1, 1), "192.0.2.10:53");
	is_at(member(1, 2), "192.0.2.11:53");
	assert_true(member(1, 1)->of_host);
	assert_false(member(1, 0)->of_host);
}

static void c24_a_change_of_the_hosts_servers_is_followed_and_who_stays_keeps_figures(void **state)
{
	struct upstream *stays;

	assign();
	stays = member(1, 2);
	upstream_answered(stays, 100);
	put("nameserver 192.0.2.11\nnameserver 192.0.2.12\nnameserver 192.0.2.13\n");
	upstreams_refresh(set);
	assert_int_equal(upstreams_group(set, 1)->num, 3); /* looked at a moment ago */
	advance_ms(BOOTSTRAP_CHECK_MS);
	upstreams_refresh(set);
	assert_int_equal(upstreams_group(set, 1)->num, 4);
	assert_ptr_equal(member(1, 1), stays);
	assert_int_equal(stays->answers, 1);
}

static void c24_our_own_listener_is_none_of_the_hosts_servers(void **state)
{
	struct conf_listener listener[2] = { { .endpoint = at("127.0.0.1") },
					     { .endpoint = at("0.0.0.0:5300") } };

	put("nameserver 127.0.0.1\nnameserver 192.0.2.11\n");
	conf.listener = listener;
	conf.listeners = 2;
	assign();
	assert_int_equal(upstreams_group(set, 1)->num, 2);
	is_at(member(1, 1), "192.0.2.11:53");
}

static void the_default_is_the_hosts_servers(void **state)
{
	assert_int_equal(upstreams_assign(set, NULL, NULL, 0, error), 0);
	assert_int_equal(upstreams_group(set, 0)->num, 2);
	assert_int_equal(upstreams_group(set, 0)->failover_rcodes, UPSTREAM_RCODES);
	is_at(member(0, 0), "192.0.2.10:53");
}

static void addresses_given_take_the_place_of_the_first_groups_members(void **state)
{
	struct endpoint dns[3] = { at("192.0.2.20"), at("192.0.2.21"), at("192.0.2.20") };

	assert_int_equal(upstreams_assign(set, &conf, dns, 3, error), 0);
	assert_int_equal(upstreams_group(set, 0)->num, 3);
	is_at(member(0, 0), "192.0.2.20:53");
	assert_string_equal(member(0, 1)->conf.name, "dns2");
	assert_int_equal(upstreams_group(set, 1)->num, 3);
	assert_int_equal(upstreams_assign(set, NULL, dns, 2, error), 0);
	assert_int_equal(upstreams_group(set, 0)->num, 2);
}

static void one_that_stays_keeps_figures_health_and_connections(void **state)
{
	struct upstream *a, *b;
	struct transport *t;

	conf_upstream[0].type = CONF_TLS;
	conf_upstream[0].host = "dns.test";
	assign();
	a = member(0, 0);
	b = member(0, 1);
	t = a->path[0].transport;
	upstream_answered(a, 100);
	for (unsigned int i = 0; i < HEALTH_FAILING_STREAK; i++)
		upstream_failed(b);
	conf_group[0].upstream[0] = 1; /* another order, and b elsewhere */
	conf_group[0].upstream[1] = 0;
	conf_upstream[1].address[0] = at("192.0.2.3");
	assign();
	assert_ptr_equal(member(0, 1), a);
	assert_ptr_equal(a->path[0].transport, t);
	assert_int_equal(a->answers, 1);
	assert_int_equal(fake_transports_open(), 1);
	assert_ptr_not_equal(member(0, 0), b);
	assert_int_equal(member(0, 0)->health.state, HEALTH_NEW);
}

static void what_went_away_lives_as_long_as_somebody_knows_it(void **state)
{
	struct upstream_group *old;

	conf_upstream[0].type = CONF_TLS;
	conf_upstream[0].host = "dns.test";
	assign();
	old = upstream_group_get(upstreams_group(set, 0));
	conf.group = &conf_group[1];
	conf.groups = 1;
	assign();
	settle_loop(loop);
	assert_int_equal(fake_transports_open(), 1);
	assert_false(old->member[0]->current);
	upstream_group_put(old);
	settle_loop(loop);
	assert_int_equal(fake_transports_open(), 0);
}

static void a_configuration_that_cannot_be_used_changes_nothing(void **state)
{
	struct upstream_group *before;

	assign();
	before = upstreams_group(set, 0);
	conf_upstream[1].type = CONF_TLS;
	conf_upstream[1].host = "dns.test";
	fake_transport_new_error = -ENOENT;
	assert_int_equal(upstreams_assign(set, &conf, NULL, 0, error), -ENOENT);
	assert_string_equal(error, "no such file");
	assert_ptr_equal(upstreams_group(set, 0), before);
	assert_int_equal(before->num, 2);
	assert_int_equal(member(0, 1)->conf.type, CONF_PLAIN);
}

static void files_are_read_again_for_all_upstreams_or_for_none(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		conf_upstream[i].type = CONF_TLS;
		conf_upstream[i].host = "dns.test";
	}
	assign();
	assert_int_equal(fake_transports_open(), 2);
	fake_transport_changed = &fake_transports[1];
	assert_int_equal(upstreams_reread(set, error), -ENOENT);
	assert_string_equal(error, "no such file");
	assert_int_equal(fake_transports[0].taken + fake_transports[1].taken, 0);
	fake_transport_changed = NULL;
	assert_int_equal(upstreams_reread(set, error), 0);
	assert_true(fake_transports[0].taken > 0 && fake_transports[1].taken > 0);
}

static void c25_the_order_is_up_then_failing_then_down_then_nobody(void **state)
{
	struct upstream_group *g;

	assign();
	g = upstreams_group(set, 1);
	assert_int_equal(upstream_group_pick(g, 0), 0);
	g->member[0]->health.state = HEALTH_DOWN;
	g->member[1]->health.state = HEALTH_FAILING;
	assert_int_equal(upstream_group_pick(g, 0), 2);
	assert_int_equal(upstream_group_pick(g, 4), 1);
	assert_int_equal(upstream_group_pick(g, 6), 0);
	assert_int_equal(upstream_group_pick(g, 7), -1);
	g->member[2]->looped = true;
	assert_int_equal(upstream_group_pick(g, 0), 1);
	assert_int_equal(upstream_group_pick(g, 3), -1);
	g->member[0]->looped = g->member[1]->looped = true;
	assert_int_equal(upstream_group_pick(g, 0), -EDEADLK);
}

static const char *seen[4];
static unsigned int seen_num;

static void see(void *arg, const struct upstream *u)
{
	assert_true(seen_num < 4);
	seen[seen_num++] = u->conf.name;
}

static void those_in_force_are_told_in_order(void **state)
{
	assign();
	conf_group[0].upstream[0] = 1;
	conf_group[0].upstream[1] = 0;
	assign();
	seen_num = 0;
	upstreams_each(set, see, NULL);
	assert_int_equal(seen_num, 4);
	assert_string_equal(seen[0], "b");
	assert_string_equal(seen[1], "a");
	assert_string_equal(seen[2], "h");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(groups_share_their_upstreams),
		T(c24_the_hosts_servers_are_members_in_their_order),
		T(c24_a_change_of_the_hosts_servers_is_followed_and_who_stays_keeps_figures),
		T(c24_our_own_listener_is_none_of_the_hosts_servers),
		T(the_default_is_the_hosts_servers),
		T(addresses_given_take_the_place_of_the_first_groups_members),
		T(one_that_stays_keeps_figures_health_and_connections),
		T(what_went_away_lives_as_long_as_somebody_knows_it),
		T(a_configuration_that_cannot_be_used_changes_nothing),
		T(files_are_read_again_for_all_upstreams_or_for_none),
		T(c25_the_order_is_up_then_failing_then_down_then_nobody),
		T(those_in_force_are_told_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
