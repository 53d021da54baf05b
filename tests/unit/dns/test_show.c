// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* show.c: the lines of `headrace dns`, read back as JSON. */
#include "support.h"

#include <jansson.h>
#include <netinet/in.h>

#include "dns/show.h"

static struct loop *loop;
static struct datapath datapath;
static struct service *service;
static char text[1 << 20];

static void drop_reply(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
}

static int setup(void **state)
{
	struct service_options options = {
		.mtu = 1500, .sockets_max = 8, .upstreams = 2, .reply = drop_reply
	};

	options.upstream[0] = closed_endpoint();
	endpoint_parse("2001:db8::53", 53, &options.upstream[1]);
	datapath_init(&datapath, 0);
	text[0] = '\0';
	return loop_new(&loop) || service_new(loop, &datapath, &options, &service);
}

static int teardown(void **state)
{
	service_free(service);
	loop_free(loop);
	return 0;
}

static void gather(void *arg, const char *line)
{
	assert_true(strlen(text) + strlen(line) < sizeof(text));
	strcat(text, line);
}

static const struct show_sink sink = { .line = gather };

/* The n-th line's object under "dns"; the caller's. NULL = there are fewer. */
static json_t *line(int n)
{
	char *at = text, *end;
	json_t *o, *dns;

	while (n-- && at)
		at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
	if (!at || !*at)
		return NULL;
	end = strchr(at, '\n');
	assert_non_null(end);
	o = json_loadb(at, (size_t)(end - at), 0, NULL);
	assert_non_null(o);
	dns = json_incref(json_object_get(o, "dns"));
	json_decref(o);
	return dns;
}

static const char *word(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void shows_upstreams_and_cache(void **state)
{
	json_t *first, *second, *cache;

	show_stats(sink, service);
	first = line(0);
	second = line(1);
	cache = line(2);
	assert_string_equal(word(first, "type"), "upstream");
	assert_string_equal(word(first, "state"), "new");
	assert_null(json_object_get(first, "latency_us"));
	assert_string_equal(word(second, "address"), "[2001:db8::53]:53");
	assert_string_equal(word(cache, "type"), "cache");
	assert_int_equal(json_integer_value(json_object_get(cache, "entries")), 0);
	assert_null(line(3));
	json_decref(first);
	json_decref(second);
	json_decref(cache);
}

static void shows_queries_oldest_first_and_any_name_as_text(void **state)
{
	static const uint8_t odd[] = "\0\7\1\0\0\1\0\0\0\0\0\0\4\"\xff\n\\\0\0\x10\0\1";
	struct client client = { .flow.proto = IPPROTO_TCP, .flow.sport = htons(4000) };
	json_t *first, *second;
	static struct wire w;

	client.flow.saddr = addr_from_v4(htonl(0x0a000002));
	wire_query(&w, 1, "www.test", TYPE_AXFR);
	service_query(service, &client, w.b, w.len);
	w.len = 0;
	wire_bytes(&w, odd, sizeof(odd) - 1);
	msg_put16(w.b + w.len - 4, TYPE_AXFR);
	service_query(service, &client, w.b, w.len);
	show_log(sink, &service->history, 0);
	first = line(0);
	second = line(1);
	assert_string_equal(word(first, "type"), "query");
	assert_string_equal(word(first, "name"), "www.test");
	assert_string_equal(word(first, "qtype"), "AXFR");
	assert_string_equal(word(first, "rcode"), "REFUSED");
	assert_string_equal(word(first, "source"), "resolver");
	assert_string_equal(word(first, "client"), "10.0.0.2:4000");
	assert_string_equal(word(first, "proto"), "tcp");
	assert_string_equal(word(second, "name"), "\"\\255\\010\\\\");
	assert_null(line(2));
	json_decref(first);
	json_decref(second);
}

static void shows_how_many_were_lost(void **state)
{
	json_t *first, *second;

	for (unsigned int i = 0; i < HISTORY_ENTRIES + 7; i++) {
		struct history_entry *h = history_add(&service->history);

		snprintf(h->name, sizeof(h->name), "n%u", i);
	}
	show_log(sink, &service->history, 5);
	first = line(0);
	second = line(1);
	assert_string_equal(word(first, "type"), "lost");
	assert_int_equal(json_integer_value(json_object_get(first, "count")), 2);
	assert_string_equal(word(second, "name"), "n7");
	json_decref(first);
	json_decref(second);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(shows_upstreams_and_cache),
		T(shows_how_many_were_lost),
		T(shows_queries_oldest_first_and_any_name_as_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
