/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Transports that only note what they are asked; the test ends their requests. */
#ifndef TESTS_UNIT_DNS_FAKE_TRANSPORT_H
#define TESTS_UNIT_DNS_FAKE_TRANSPORT_H

#include "support.h"

#include "dns/transport.h"

#define FAKE_TRANSPORTS 8

struct transport {
	bool used;
	struct transport_options options;
	struct transport_request *request; /* the latest, NULL = it was ended */
	unsigned int asked, cancelled;
	unsigned int reread, taken; /* times */
};

static struct transport fake_transports[FAKE_TRANSPORTS];
static int fake_transport_new_error; /* what transport_new() fails with */
static int fake_transport_ask_error;
static struct transport *fake_transport_changed; /* whose file cannot be read again, NULL = none */

static UNUSED unsigned int fake_transports_open(void)
{
	unsigned int num = 0;

	for (unsigned int i = 0; i < FAKE_TRANSPORTS; i++)
		num += fake_transports[i].used;
	return num;
}

int transport_new(const struct transport_options *options, struct transport **ret_transport,
		  char ret_error[TRANSPORT_ERROR_MAX])
{
	if (fake_transport_new_error) {
		snprintf(ret_error, TRANSPORT_ERROR_MAX, "no such file");
		return fake_transport_new_error;
	}
	for (unsigned int i = 0; i < FAKE_TRANSPORTS; i++) {
		if (fake_transports[i].used)
			continue;
		fake_transports[i] = (struct transport){ .used = true, .options = *options };
		*ret_transport = &fake_transports[i];
		return 0;
	}
	return -ENOMEM;
}

void transport_free(struct transport *t)
{
	if (t)
		t->used = false;
}

int transport_ask(struct transport *t, struct transport_request *r)
{
	assert_true(t->used);
	if (fake_transport_ask_error)
		return fake_transport_ask_error;
	t->asked++;
	t->request = r;
	r->transport = t;
	return 0;
}

void transport_cancel(struct transport_request *r)
{
	if (!r->transport)
		return;
	r->transport->cancelled++;
	r->transport->request = NULL;
	r->transport = NULL;
}

void transport_reset(struct transport *t)
{
}

int transport_reread(struct transport *t, char ret_error[TRANSPORT_ERROR_MAX])
{
	t->reread++;
	if (t != fake_transport_changed)
		return 0;
	snprintf(ret_error, TRANSPORT_ERROR_MAX, "no such file");
	return -ENOENT;
}

void transport_renew(struct transport *t, bool take)
{
	t->taken += take;
}

void transport_figures(const struct transport *t, struct transport_figures *ret_figures)
{
	memset(ret_figures, 0, sizeof(*ret_figures));
}

/* Ends the latest request: with an answer without records, or an error. */
static UNUSED void fake_transport_end(struct transport *t, int status)
{
	struct transport_request *r = t->request;
	static struct wire answer;

	assert_non_null(r);
	t->request = NULL;
	r->transport = NULL;
	if (status == 0)
		wire_answer_to(&answer, r->question->message, r->question->len, 0);
	r->done(r, status, status ? NULL : answer.b, status ? 0 : answer.len);
}

#endif
