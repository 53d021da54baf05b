/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A transport to the server of tls_support.h, and what is asked of it: for the tests of what
 * goes over it. Goes behind support.h.
 */
#ifndef TESTS_UNIT_DNS_TRANSPORT_SUPPORT_H
#define TESTS_UNIT_DNS_TRANSPORT_SUPPORT_H

#include "tls_support.h"

#define ASKS_MAX 200

static struct loop *loop;
static struct datapath datapath;
static struct server *server;
static struct conf_upstream upstream; /* as start() will have it */
static struct transport *transport;
static struct ask *asks[ASKS_MAX];

static UNUSED unsigned int server_address(void *arg, struct endpoint ret_to[CONF_ADDRESSES_MAX])
{
	ret_to[0] = server->endpoint;
	return 1;
}

static UNUSED int new_transport(char error[TRANSPORT_ERROR_MAX])
{
	struct transport_options options = {
		.loop = loop,
		.datapath = &datapath,
		.upstream = &upstream,
		.addresses = server_address,
	};

	return transport_new(&options, &transport, error);
}

/* `ctx` is the server's from here; NULL = it speaks plain TCP. */
static UNUSED void start_with(SSL_CTX *ctx, void (*hear)(struct peer *p))
{
	char error[TRANSPORT_ERROR_MAX];

	server = server_new(loop, ctx, hear);
	assert_int_equal(new_transport(error), 0);
}

static UNUSED void set_up_transport(enum conf_upstream_type type)
{
	clock_inject(test_clock);
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	upstream = (struct conf_upstream){ .name = "test",
					   .type = type,
					   .host = (char *)HOST,
					   .path = (char *)"/dns-query",
					   .port = 443,
					   .ca_file = authority_file };
}

static UNUSED int tear_down_transport(void **state)
{
	transport_free(transport);
	transport = NULL;
	server_free(server);
	server = NULL;
	for (unsigned int i = 0; i < ASKS_MAX; i++) {
		free(asks[i]);
		asks[i] = NULL;
	}
	assert_int_equal(datapath_budget(&datapath, BUDGET_DESCRIPTORS)->used, 0);
	loop_free(loop);
	clock_inject(NULL);
	return 0;
}

static UNUSED struct ask *ask(unsigned int i)
{
	char name[64];

	snprintf(name, sizeof(name), "n%u.secret.example", i);
	free(asks[i]);
	asks[i] = ask_new(name);
	assert_int_equal(transport_ask(transport, &asks[i]->request), 0);
	return asks[i];
}

static UNUSED struct ask *ask_wait(unsigned int i)
{
	struct ask *a = ask(i);

	turn_until(loop, a->done);
	return a;
}

/* Of the first `num` those that have ended. */
static UNUSED unsigned int done_num(unsigned int num)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < num; i++)
		n += asks[i]->done;
	return n;
}

static UNUSED struct transport_figures figures(void)
{
	struct transport_figures f;

	transport_figures(transport, &f);
	return f;
}

#endif
