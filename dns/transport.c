// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which connection carries which request.
 *
 * Requests wait in one queue. The one timer `pump`, due at once, gives them to connections and
 * sends what these have: what was asked in one turn of the loop goes out together. A request
 * goes to the connection that carries the fewest; when each has `requests_more` of them another
 * one is opened, one at a time, up to TRANSPORT_CONNECTIONS_MAX.
 *
 * To open one, the owner's addresses are tried in order, that which worked last before the
 * others. If none works, those who wait are told (unless another connection is open), and for
 * hold_ms nobody tries again: that is how often a dead upstream costs a connect.
 *
 * A request is given up with its connection at most once: the second time it ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "dns/connection.h"
#include "dns/hop.h"
#include "dns/transport.h"
#include "dns/upstream_doh.h"
#include "dns/upstream_dot.h"

struct transport {
	struct transport_options options;
	const struct protocol *protocol;
	struct tls_client *tls; /* owned, NULL = plain TCP */
	struct tls_client *next_tls; /* to take its place, mostly NULL */
	struct list connections; /* the latest last */
	uint32_t count; /* of them */
	struct connection *opening; /* the one that is being opened, NULL = none */
	struct endpoint to[CONF_ADDRESSES_MAX]; /* for it */
	unsigned int to_num, to_next;
	char why[TRANSPORT_ERROR_MAX]; /* what of them has failed last */
	struct endpoint good; /* worked last */
	struct list waiting; /* requests without a connection */
	struct timer pump; /* due at once */
	struct timer tick; /* connections' deadlines */
	uint64_t hold_until_ms; /* nobody connects before */
	uint64_t hold_ms; /* the last pause */
	int status; /* -errno of the last failure to connect */
	unsigned int useless; /* connections in a row that were lost before any answer */
	struct transport_figures figures;
};

static void pump_due(struct timer *timer);
static void tick_due(struct timer *timer);
static void arm_tick(struct transport *t);

/* --- for connection.c and the protocols -------------------------------------------------- */

struct loop *transport_loop(const struct transport *t)
{
	return t->options.loop;
}

struct datapath *transport_datapath(const struct transport *t)
{
	return t->options.datapath;
}

const struct conf_upstream *transport_upstream(const struct transport *t)
{
	return t->options.upstream;
}

struct tls_client *transport_tls(const struct transport *t)
{
	return t->tls;
}

const struct protocol *transport_protocol(const struct transport *t)
{
	return t->protocol;
}

/* --- what went wrong --------------------------------------------------------------------- */

/* Logged when it changes, not each time. */
static void set_error(struct transport *t, const char *text)
{
	if (strcmp(t->figures.error, text) == 0)
		return;
	snprintf(t->figures.error, sizeof(t->figures.error), "%s", text);
	log_warn("dns", "upstream %s: %s", t->options.upstream->name, text);
}

static void clear_error(struct transport *t)
{
	if (!t->figures.error[0])
		return;
	t->figures.error[0] = '\0';
	log_info("dns", "upstream %s works again", t->options.upstream->name);
}

static void explain(struct transport *t, const struct endpoint *to, const char *text)
{
	char address[ENDPOINT_TEXT_MAX];

	snprintf(t->why, sizeof(t->why), "%s: %s", endpoint_format(to, address), text);
}

/* --- requests ---------------------------------------------------------------------------- */

static void schedule_pump(struct transport *t)
{
	if (!timer_is_armed(&t->pump))
		loop_arm(t->options.loop, &t->pump, 0);
}

/* Takes it off its connection, or out of the queue. */
static void detach(struct transport_request *r)
{
	struct connection *c = r->connection;

	list_remove(&r->link);
	if (!c)
		return;
	r->connection = NULL;
	c->in_flight--;
	c->used_ms = clock_ms();
	if (c->draining && !c->in_flight)
		schedule_pump(c->transport);
}

static void finish(struct transport_request *r, int status, uint8_t *answer, size_t len)
{
	detach(r);
	r->transport = NULL;
	r->done(r, status, answer, len);
}

/* At the head: it has waited before. */
static void requeue(struct transport *t, struct transport_request *r)
{
	detach(r);
	r->again = true;
	list_append(t->waiting.next, &r->link);
	schedule_pump(t);
}

int transport_ask(struct transport *t, struct transport_request *r)
{
	if (!t->count && clock_ms() < t->hold_until_ms)
		return t->status;
	r->transport = t;
	r->connection = NULL;
	r->again = false;
	list_init(&r->link);
	list_append(&t->waiting, &r->link);
	schedule_pump(t);
	return 0;
}

/* Nothing at all came while one waited in vain: others had better not rely on it. */
static void suspect(struct connection *c)
{
	struct transport *t = c->transport;

	c->draining = true;
	if (connection_is_acknowledged(c))
		return; /* slow, maybe */
	explain(t, &c->to, connection_status_text(c, -ETIMEDOUT));
	set_error(t, t->why);
}

void transport_cancel(struct transport_request *r)
{
	struct connection *c = r->connection;

	if (transport_is_idle(r))
		return;
	if (c) {
		c->protocol->forget(c, r);
		if (c->heard_ms < r->sent_ms && clock_ms() - r->sent_ms >= TRANSPORT_SUSPECT_MS)
			suspect(c);
	}
	detach(r);
	r->transport = NULL;
}

bool transport_matches(const struct transport_request *r, const uint8_t *answer, size_t len)
{
	if (hop_answers(r->question, answer, len))
		return true;
	datapath_drop(r->transport->options.datapath, DROP_DNS_SPOOF);
	return false;
}

void transport_answer(struct transport_request *r, uint8_t *answer, size_t len)
{
	const struct plain_question *q = r->question;
	struct transport *t = r->transport;

	len = hop_strip(answer, len, q->question_end);
	memcpy(answer + MSG_HEADER_BYTES, q->message + MSG_HEADER_BYTES,
	       q->question_end - MSG_HEADER_BYTES);
	clear_error(t);
	t->hold_ms = 0;
	t->useless = 0;
	r->connection->answered = true;
	finish(r, 0, answer, len);
}

void transport_refuse(struct transport_request *r, int status, const char *text)
{
	r->transport->figures.failures++;
	set_error(r->transport, text);
	finish(r, status, NULL, 0);
}

void transport_again(struct transport_request *r)
{
	if (r->again)
		finish(r, -ECONNRESET, NULL, 0);
	else
		requeue(r->transport, r);
}

static void fail_waiting(struct transport *t, int status)
{
	struct list failed = LIST_INIT(failed);

	/* Set apart first: done() may ask again. */
	list_for_each_safe(pos, next, &t->waiting)
		list_touch(&failed, pos);
	while (!list_is_empty(&failed))
		finish(list_first(&failed, struct transport_request, link), status, NULL, 0);
}

/* --- connecting -------------------------------------------------------------------------- */

static void hold(struct transport *t, int status)
{
	t->hold_ms = t->hold_ms ? 2 * t->hold_ms : TRANSPORT_HOLD_MS;
	if (t->hold_ms > TRANSPORT_HOLD_MAX_MS)
		t->hold_ms = TRANSPORT_HOLD_MAX_MS;
	t->hold_until_ms = clock_ms() + t->hold_ms;
	t->status = status;
}

static void attempt_ended(struct transport *t, const struct endpoint *to, int status)
{
	if (status < 0)
		t->figures.failures++;
	if (t->options.connected)
		t->options.connected(t->options.arg, to, status);
}

/* Without any connection nothing can come for those who wait; beside one they are served later. */
static void wait_or_fail(struct transport *t)
{
	if (t->count)
		arm_tick(t);
	else
		fail_waiting(t, t->status);
}

/* The next address; with none left it has failed. */
static void connect_next(struct transport *t)
{
	while (t->to_next < t->to_num) {
		struct endpoint *to = &t->to[t->to_next++];
		struct connection *c;
		int r = connection_open(t, to, &c);

		t->figures.connects++;
		if (r == 0) {
			list_append(&t->connections, &c->link);
			t->count++;
			t->opening = c;
			return;
		}
		t->status = r;
		explain(t, to, strerror(-r));
		attempt_ended(t, to, r);
	}
	set_error(t, t->why);
	hold(t, t->status);
	wait_or_fail(t);
}

/* What worked last comes first. */
static void prefer_good(struct transport *t)
{
	for (unsigned int i = 1; i < t->to_num; i++) {
		struct endpoint to = t->to[i];

		if (to.port != t->good.port || !addr_eq(&to.addr, &t->good.addr))
			continue;
		memmove(t->to + 1, t->to, i * sizeof(t->to[0]));
		t->to[0] = to;
		return;
	}
}

static void connect_first(struct transport *t)
{
	t->to_num = t->options.addresses(t->options.arg, t->to);
	t->to_next = 0;
	if (!t->to_num) {
		t->status = -EDESTADDRREQ;
		if (t->count)
			hold(t, t->status);
		wait_or_fail(t);
		return;
	}
	prefer_good(t);
	connect_next(t);
}

void transport_connected(struct connection *c)
{
	struct transport *t = c->transport;

	t->opening = NULL;
	t->good = c->to;
	attempt_ended(t, &c->to, 0);
	schedule_pump(t);
	arm_tick(t);
}

/* Those that were lost once already end, the others wait for another connection. */
static void give_back(struct connection *c)
{
	struct list ended = LIST_INIT(ended);

	while (!list_is_empty(&c->requests)) {
		struct transport_request *r =
			container_of(c->requests.prev, struct transport_request, link);

		if (!r->again) {
			requeue(c->transport, r);
			continue;
		}
		detach(r);
		list_append(&ended, &r->link);
	}
	while (!list_is_empty(&ended))
		finish(list_first(&ended, struct transport_request, link), -ECONNRESET, NULL, 0);
}

static void drop_connection(struct connection *c)
{
	c->transport->count--;
	connection_free(c);
}

void transport_lost(struct connection *c, int status)
{
	struct transport *t = c->transport;
	struct endpoint to = c->to;

	explain(t, &to, connection_status_text(c, status));
	/* Out of the list, so that nobody whose request ends now gives it another. */
	list_remove(&c->link);
	if (c == t->opening) {
		drop_connection(c);
		t->opening = NULL;
		t->status = status;
		attempt_ended(t, &to, status);
		connect_next(t);
		return;
	}
	if (c->in_flight) {
		t->figures.failures++;
		log_debug("dns", "upstream %s: lost with requests in flight: %s",
			  t->options.upstream->name, t->why);
	}
	if (c->in_flight && !c->answered && ++t->useless > 1) {
		set_error(t, t->why);
		hold(t, -ECONNRESET);
	}
	give_back(c);
	drop_connection(c);
	schedule_pump(t);
}

/* --- giving requests to connections ------------------------------------------------------ */

static struct connection *least_loaded(struct transport *t)
{
	struct connection *least = NULL;

	list_for_each_safe(pos, next, &t->connections) {
		struct connection *c = container_of(pos, struct connection, link);

		if (c->state != CONNECTION_OPEN || c->draining)
			continue;
		if (c->in_flight < c->requests_max && (!least || c->in_flight < least->in_flight))
			least = c;
	}
	return least;
}

static bool may_connect(const struct transport *t)
{
	list_for_each_safe(pos, next, &t->connections) {
		if (container_of(pos, struct connection, link)->early)
			return false;
	}
	return !t->opening && t->count < TRANSPORT_CONNECTIONS_MAX &&
	       clock_ms() >= t->hold_until_ms;
}

/* 0, or -EAGAIN = it still waits. */
static int give(struct connection *c, struct transport_request *r)
{
	int status;

	/* First of all its connection's, so that the protocol may end it. */
	list_touch(&c->requests, &r->link);
	r->connection = c;
	r->sent_ms = clock_ms();
	c->in_flight++;
	c->used_ms = r->sent_ms;
	status = c->protocol->send(c, r);
	if (status == 0)
		return 0;
	if (status != -EAGAIN) {
		finish(r, status, NULL, 0);
		return 0;
	}
	detach(r);
	list_append(c->transport->waiting.next, &r->link);
	return -EAGAIN;
}

static void serve_waiting(struct transport *t)
{
	bool tried = false;

	while (!list_is_empty(&t->waiting)) {
		struct connection *c = least_loaded(t);

		if ((!c || c->in_flight >= t->protocol->requests_more) && !tried &&
		    may_connect(t)) {
			tried = true;
			connect_first(t);
			continue;
		}
		/* Once: done() may have asked again. */
		if (!c && !t->count)
			fail_waiting(t, t->status);
		if (!c || give(c, list_first(&t->waiting, struct transport_request, link)) < 0)
			return;
	}
}

static void flush_all(struct transport *t)
{
	list_for_each_safe(pos, next, &t->connections) {
		struct connection *c = container_of(pos, struct connection, link);
		int r;

		if (c->state != CONNECTION_OPEN)
			continue;
		if (c->draining && !c->in_flight) {
			list_remove(&c->link);
			drop_connection(c);
			continue;
		}
		r = connection_flush(c);
		if (r < 0)
			transport_lost(c, r);
	}
}

static void pump_due(struct timer *timer)
{
	struct transport *t = container_of(timer, struct transport, pump);

	serve_waiting(t);
	flush_all(t);
	arm_tick(t);
}

void transport_turned(struct connection *c)
{
	if (!list_is_empty(&c->transport->waiting) || (c->draining && !c->in_flight))
		schedule_pump(c->transport);
}

/* --- time -------------------------------------------------------------------------------- */

static uint64_t due_of(const struct connection *c, uint64_t now)
{
	uint64_t due;

	switch (c->state) {
	case CONNECTION_CONNECTING:
		return c->since_ms + TRANSPORT_CONNECT_MS;
	case CONNECTION_HANDSHAKE:
		return c->since_ms + TRANSPORT_HANDSHAKE_MS;
	default:
		due = (c->in_flight ? now : c->used_ms) + TRANSPORT_IDLE_MS;
		return c->wake_ms && c->wake_ms < due ? c->wake_ms : due;
	}
}

static void arm_tick(struct transport *t)
{
	uint64_t now = clock_ms(), first = UINT64_MAX;

	list_for_each_safe(pos, next, &t->connections) {
		uint64_t due = due_of(container_of(pos, struct connection, link), now);

		first = due < first ? due : first;
	}
	/* what waits beside connections that take no more is served when connecting is allowed */
	if (!list_is_empty(&t->waiting) && t->hold_until_ms > now && t->hold_until_ms < first)
		first = t->hold_until_ms;
	if (first == UINT64_MAX)
		loop_disarm(&t->tick);
	else
		loop_arm(t->options.loop, &t->tick, first > now ? first - now : 0);
}

static void look_at(struct connection *c, uint64_t now)
{
	int r = 0;

	if (due_of(c, now) > now)
		return;
	if (c->state != CONNECTION_OPEN) {
		transport_lost(c, -ETIMEDOUT);
		return;
	}
	if (c->wake_ms && c->wake_ms <= now) {
		r = c->protocol->tick(c, now);
		if (r == 0)
			r = connection_flush(c);
	}
	if (r < 0) {
		transport_lost(c, r);
	} else if (!c->in_flight && now - c->used_ms >= TRANSPORT_IDLE_MS) {
		list_remove(&c->link);
		drop_connection(c);
	}
}

static void tick_due(struct timer *timer)
{
	struct transport *t = container_of(timer, struct transport, tick);
	struct list all = LIST_INIT(all);
	uint64_t now = clock_ms();

	/* What is opened meanwhile is not looked at. */
	list_for_each_safe(pos, next, &t->connections)
		list_touch(&all, pos);
	while (!list_is_empty(&all)) {
		struct connection *c = list_first(&all, struct connection, link);

		list_touch(&t->connections, &c->link);
		look_at(c, now);
	}
	if (!list_is_empty(&t->waiting))
		schedule_pump(t);
	arm_tick(t);
}

/* --- the transport ----------------------------------------------------------------------- */

static int setup_tls(struct transport *t, struct tls_client **ret_tls,
		     char ret_error[TRANSPORT_ERROR_MAX])
{
	const struct conf_upstream *u = t->options.upstream;
	struct tls_options options = {
		.host = u->host,
		.alpn = t->protocol->alpn,
		.alpn_must = t->protocol->alpn_must,
		.ca_file = u->ca_file,
		.pin = u->pin,
		.pins = u->pins,
	};

	return tls_client_new(&options, ret_tls, ret_error);
}

int transport_new(const struct transport_options *options, struct transport **ret_transport,
		  char ret_error[TRANSPORT_ERROR_MAX])
{
	enum conf_upstream_type type = options->upstream->type;
	struct transport *t = calloc(1, sizeof(*t));
	int r = 0;

	snprintf(ret_error, TRANSPORT_ERROR_MAX, "out of memory");
	if (!t)
		return -ENOMEM;
	t->options = *options;
	t->protocol = type == CONF_HTTPS ? &doh_protocol : &dot_protocol;
	list_init(&t->connections);
	list_init(&t->waiting);
	timer_init(&t->pump, pump_due);
	timer_init(&t->tick, tick_due);
	if (type != CONF_TCP)
		r = setup_tls(t, &t->tls, ret_error);
	if (r < 0) {
		free(t);
		return r;
	}
	ret_error[0] = '\0';
	*ret_transport = t;
	return 0;
}

/* All of them, without a word to anyone. */
static void drop_all(struct transport *t)
{
	while (!list_is_empty(&t->connections))
		drop_connection(list_first(&t->connections, struct connection, link));
	t->opening = NULL;
	loop_disarm(&t->tick);
}

void transport_reset(struct transport *t)
{
	list_for_each_safe(pos, next, &t->connections)
		give_back(container_of(pos, struct connection, link));
	drop_all(t);
	t->hold_until_ms = 0;
	t->hold_ms = 0;
	schedule_pump(t);
}

int transport_reread(struct transport *t, char ret_error[TRANSPORT_ERROR_MAX])
{
	if (!t->tls || t->next_tls || tls_client_is_current(t->tls))
		return 0;
	return setup_tls(t, &t->next_tls, ret_error);
}

void transport_renew(struct transport *t, bool take)
{
	struct tls_counts counts;

	if (!t->next_tls)
		return;
	if (take) {
		transport_reset(t);
		tls_client_counts(t->tls, &counts);
		t->figures.handshakes += counts.handshakes;
		t->figures.resumed += counts.resumed;
		tls_client_free(t->tls);
		t->tls = t->next_tls;
	} else {
		tls_client_free(t->next_tls);
	}
	t->next_tls = NULL;
}

static void forget_all(struct list *requests)
{
	while (!list_is_empty(requests)) {
		struct transport_request *r = list_first(requests, struct transport_request, link);

		detach(r);
		r->transport = NULL;
	}
}

void transport_free(struct transport *t)
{
	if (!t)
		return;
	forget_all(&t->waiting);
	list_for_each_safe(pos, next, &t->connections)
		forget_all(&container_of(pos, struct connection, link)->requests);
	drop_all(t);
	loop_disarm(&t->pump);
	tls_client_free(t->tls);
	tls_client_free(t->next_tls);
	free(t);
}

void transport_figures(const struct transport *t, struct transport_figures *ret_figures)
{
	struct tls_counts counts = { 0 };

	*ret_figures = t->figures;
	ret_figures->open = 0;
	list_for_each_safe(pos, next, &t->connections)
		ret_figures->open += container_of(pos, struct connection, link)->state ==
				     CONNECTION_OPEN;
	if (t->tls)
		tls_client_counts(t->tls, &counts);
	ret_figures->handshakes += counts.handshakes;
	ret_figures->resumed += counts.resumed;
}
