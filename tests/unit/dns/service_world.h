/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A service with a resolver on loopback behind it, and what came back to its clients. */
#ifndef TESTS_UNIT_DNS_SERVICE_WORLD_H
#define TESTS_UNIT_DNS_SERVICE_WORLD_H

#include "support.h"

#include <netinet/in.h>

#include "conf/conf.h"
#include "dns/generation.h"
#include "dns/resolve.h"
#include "dns/service.h"

#define REPLIES_MAX 16384

static struct loop *loop;
static struct datapath datapath;
static struct service *service;
static struct fake fake;

/* What came back. The latest whole, of all the rest who got it with which ID. */
static struct {
	unsigned int num;
	struct client client;
	struct wire last;
	uint16_t port[REPLIES_MAX];
	uint16_t id[REPLIES_MAX];
	char name[REPLIES_MAX][32];
} got;

static UNUSED void take_reply(void *arg, const struct client *client, const uint8_t *msg,
			      size_t len)
{
	struct msg_question question;

	assert_true(got.num < REPLIES_MAX);
	got.client = *client;
	got.last.len = 0;
	wire_bytes(&got.last, msg, len);
	got.port[got.num] = ntohs(client->flow.sport);
	got.id[got.num] = msg_get16(msg);
	if (msg_question_get(msg, len, &question) == 0)
		name_format(&question.name, got.name[got.num], sizeof(got.name[0]));
	got.num++;
}

static UNUSED struct client client_of(uint16_t port)
{
	struct client c = { .flow.proto = IPPROTO_UDP, .flow.sport = htons(port) };

	c.flow.dport = htons(DNS_PORT);
	c.flow.saddr = addr_from_v4(htonl(0x0a000002));
	c.flow.daddr = addr_from_v4(htonl(0x0a000001));
	return c;
}

/* The address that the fake gives for a name: from its first letters, so that a mix-up shows. */
static UNUSED void say_address(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			       struct wire *answer)
{
	uint8_t rdata[4] = { 192, 0, 2, (uint8_t)(query[13] | 0x20) };

	wire_answer_to(answer, query, len, 0);
	wire_record(answer, SECTION_ANSWER, NULL, TYPE_A, 60, rdata, 4);
}

static UNUSED void say_nothing(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			       struct wire *answer)
{
}

/* 100 bytes per record; whole over TCP only. */
static UNUSED void say_much(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			    struct wire *answer)
{
	uint8_t text[86] = { 85 };

	wire_answer_to(answer, query, len, tcp ? 0 : MSG_TC);
	for (int i = 0; tcp && i < 30; i++)
		wire_record(answer, SECTION_ANSWER, NULL, 16, 300, text, sizeof(text));
}

/* A configuration of this text; its first %s is the fake's address, %u its port. */
static UNUSED struct conf *conf_of(const char *text)
{
	static char filled[8192];
	struct conf_errors errors = { 0 };
	struct conf *conf = NULL;

	snprintf(filled, sizeof(filled), text, "127.0.0.1", ntohs(fake.endpoint.port));
	if (conf_read(filled, strlen(filled), "test", &conf, &errors) < 0)
		fail_msg("%s", errors.text);
	return conf;
}

static UNUSED void open_world(fake_fn say)
{
	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	fake_open(&fake, loop, "127.0.0.1", true, say);
	memset(&got, 0, sizeof(got));
}

static UNUSED void start(fake_fn say, const struct service_options *changes)
{
	struct service_options options = { .mtu = 1500, .sockets_max = 500 };

	if (changes)
		options = *changes;
	options.reply = take_reply;
	open_world(say);
	/* Questions of our own would be counted among those that the tests ask. */
	options.conf = conf_of("dns: {loop-check: false}\n");
	if (!options.resolv_conf) {
		options.upstreams = 1;
		options.upstream[0] = fake.endpoint;
	}
	assert_int_equal(service_new(loop, &datapath, &options, &service), 0);
	assert_non_null(service->generation);
	conf_free(options.conf);
}

/* With a configuration file; for conf_of(). */
static UNUSED void start_with(fake_fn say, const char *text)
{
	struct service_options options = { .mtu = 1500, .sockets_max = 500, .reply = take_reply };

	open_world(say);
	options.conf = conf_of(text);
	assert_int_equal(service_new(loop, &datapath, &options, &service), 0);
	assert_non_null(service->generation);
	conf_free(options.conf);
}

static UNUSED int teardown(void **state)
{
	service_free(service);
	service = NULL;
	fake_close(&fake);
	loop_free(loop);
	clock_inject(NULL);
	test_socket_error = 0;
	return 0;
}

static UNUSED void ask(uint16_t port, unsigned int id, const char *name, unsigned int type)
{
	struct client client = client_of(port);
	static struct wire w;

	wire_query(&w, id, name, type);
	service_query(service, &client, w.b, w.len);
}

static UNUSED void ask_wire(uint16_t port, const struct wire *w)
{
	struct client client = client_of(port);

	service_query(service, &client, w->b, w->len);
}

/* The same by another client address. */
static UNUSED void ask_of(uint8_t address, uint16_t port, uint16_t id, const char *name)
{
	struct client client = client_of(port);
	struct wire w;

	wire_query(&w, id, name, TYPE_A);
	client.flow.saddr.b[15] = address;
	service_query(service, &client, w.b, w.len);
}

static UNUSED unsigned int rcode(void)
{
	return msg_get16(got.last.b + 2) & MSG_RCODE;
}

static UNUSED void say_denial(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			      struct wire *answer)
{
	wire_answer_to(answer, query, len, RCODE_NXDOMAIN);
	wire_soa(answer, 900, 30);
}

static UNUSED void say_failure(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			       struct wire *answer)
{
	wire_answer_to(answer, query, len, RCODE_SERVFAIL);
}

static UNUSED uint32_t first_ttl(void)
{
	struct msg_question question;
	struct msg_record record;
	struct msg_walk walk;

	assert_int_equal(msg_question_get(got.last.b, got.last.len, &question), 0);
	msg_walk_begin(&walk, got.last.b, got.last.len, question.end);
	assert_int_equal(msg_walk_next(&walk, &record), 1);
	return record.ttl;
}

#endif
