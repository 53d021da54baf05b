// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attempts: the one place where plain sockets and transports look the same. It books what
 * becomes of them in the upstream's figures, and sees to the upstream's other addresses and
 * its timeout.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "dns/upstream.h"

static void plain_done(struct plain *p, int status, uint8_t *answer, size_t len);
static void transport_done(struct transport_request *r, int status, uint8_t *answer, size_t len);

void attempt_init(struct attempt *a,
		  void (*done)(struct attempt *a, int status, uint8_t *answer, size_t len))
{
	memset(a, 0, sizeof(*a));
	list_init(&a->link);
	a->done = done;
}

bool attempt_is_own_error(int status)
{
	return status == -EMFILE || status == -ENFILE || status == -ENOMEM || status == -ENOBUFS ||
	       status == -EPERM;
}

/* --- plain -------------------------------------------------------------------------------- */

static void count_socket(struct attempt *a, int by)
{
	struct upstream_env *env = a->upstream->env;

	env->sockets += (uint32_t)by;
	datapath_budget(env->datapath, BUDGET_DESCRIPTORS)->used += (uint64_t)by;
}

/* Books what the socket leaves behind; it is closed. */
static void plain_ended(struct attempt *a)
{
	count_socket(a, -1);
	a->upstream->spoofs += a->plain.spoofs;
	a->upstream->streams += a->plain.by_tcp;
}

/* Asks the addresses in their order, from that after those tried already. 0 or -errno. */
static int ask_plain(struct attempt *a)
{
	struct upstream *u = a->upstream;
	struct endpoint to[CONF_ADDRESSES_MAX];
	unsigned int num = upstream_addresses(u, upstream_family(u, a->question), to);
	int r = -EDESTADDRREQ;

	while (a->addresses < num) {
		const struct endpoint *next = &to[a->addresses++];

		plain_init(&a->plain, &u->env->plain, plain_done);
		r = plain_start(&a->plain, next, a->question);
		if (r == 0) {
			a->state = ATTEMPT_PLAIN;
			count_socket(a, 1);
			return 0;
		}
		if (attempt_is_own_error(r))
			return r;
		upstream_reached(u, next, r);
	}
	return r;
}

/* --- transport ---------------------------------------------------------------------------- */

static int ask_transport(struct attempt *a)
{
	struct upstream *u = a->upstream;
	enum conf_family family = upstream_family(u, a->question);
	struct transport *t = u->path[family == u->path[1].family].transport;
	int r;

	memset(&a->request, 0, sizeof(a->request));
	a->request.done = transport_done;
	a->request.question = a->question;
	r = transport_ask(t ? t : u->path[0].transport, &a->request);
	if (r == 0)
		a->state = ATTEMPT_TRANSPORT;
	return r;
}

/* --- both --------------------------------------------------------------------------------- */

static int ask(struct attempt *a)
{
	return upstream_is_plain(a->upstream) ? ask_plain(a) : ask_transport(a);
}

static void book_error(struct attempt *a, int status)
{
	if (attempt_is_own_error(status))
		return;
	if (a->probe)
		upstream_bad(a->upstream);
	else if (status == -ETIMEDOUT)
		upstream_timed_out(a->upstream);
	else
		upstream_failed(a->upstream);
}

static void end(struct attempt *a)
{
	a->state = ATTEMPT_IDLE;
	list_remove(&a->link);
}

static void finish(struct attempt *a, int status, uint8_t *answer, size_t len)
{
	end(a);
	if (status < 0)
		book_error(a, status);
	a->done(a, status, answer, len);
}

int attempt_start(struct attempt *a, struct upstream *u, const struct plain_question *question)
{
	int r = 0;

	a->upstream = u;
	a->question = question;
	a->addresses = 0;
	a->started_ns = clock_ns();
	if (upstream_is_waiting(u))
		a->state = ATTEMPT_LOOKUP;
	else
		r = ask(a);
	if (r < 0) {
		book_error(a, r);
		return r;
	}
	u->asked += !a->probe;
	list_append(&u->attempts, &a->link);
	if (u->conf.timeout_ms && !a->probe && !timer_is_armed(&u->timeout))
		loop_arm(u->env->loop, &u->timeout, u->conf.timeout_ms);
	return 0;
}

int attempt_again(struct attempt *a)
{
	int r;

	if (a->state != ATTEMPT_PLAIN)
		return 0;
	r = plain_again(&a->plain);
	if (r == 0)
		return 0;
	plain_ended(a);
	end(a);
	book_error(a, r);
	return r;
}

void attempt_stop(struct attempt *a)
{
	if (a->state == ATTEMPT_PLAIN) {
		plain_stop(&a->plain);
		plain_ended(a);
	} else if (a->state == ATTEMPT_TRANSPORT) {
		transport_cancel(&a->request);
	}
	end(a);
}

void attempt_resume(struct attempt *a, int status)
{
	if (a->state != ATTEMPT_LOOKUP)
		return;
	if (status == 0)
		status = ask(a);
	if (status < 0)
		finish(a, status, NULL, 0);
}

void attempt_expire(struct attempt *a)
{
	attempt_stop(a);
	book_error(a, -ETIMEDOUT);
	a->done(a, -ETIMEDOUT, NULL, 0);
}

static void plain_done(struct plain *p, int status, uint8_t *answer, size_t len)
{
	struct attempt *a = container_of(p, struct attempt, plain);
	int r;

	plain_ended(a);
	if (status == 0 || !attempt_is_own_error(status))
		upstream_reached(a->upstream, &p->to, status);
	if (status < 0 && !attempt_is_own_error(status)) {
		r = ask_plain(a); /* another address of the same upstream */
		if (r == 0)
			return;
	}
	finish(a, status, answer, len);
}

static void transport_done(struct transport_request *r, int status, uint8_t *answer, size_t len)
{
	finish(container_of(r, struct attempt, request), status, answer, len);
}
