// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Exchanges. Everything that starts, starts at the end of a loop's turn (pump()), so that a
 * failure at once is reported like a late one and no call chain grows with the number of
 * exchanges waiting. Stages have constant lengths: each has its own list, ordered by time
 * because it is appended to, and one timer looks at the heads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/siphash.h"
#include "dns/exchange.h"

struct exchanges {
	struct exchange *items; /* zeroed; untouched pages cost nothing */
	struct exchange **buckets;
	uint32_t bucket_mask;
	uint32_t touched; /* items[0..touched) were in use at least once */
	struct exchange_limits limits;
	uint32_t sockets; /* open */
	struct list unused;
	struct list ready;
	struct list stages[EXCHANGE_STAGE_NUM];
	struct siphash_key hash_key;
	struct upstream_set *upstreams;
	struct datapath *datapath;
	struct loop *loop;
	struct loop_turn turn;
	struct timer timer;
	struct plain_env env;
	exchange_done_fn done;
	void *arg;
	uint8_t scratch[MSG_MAX];
};

static const unsigned int stage_ms[EXCHANGE_STAGE_NUM] = EXCHANGE_STAGES;

static void pump(struct loop_turn *turn);
static void stages_due(struct timer *timer);
static void attempt_done(struct plain *p, int status, uint8_t *answer, size_t len);

/* --- the table --------------------------------------------------------------------------- */

int exchanges_new(struct loop *loop, struct datapath *dp, struct upstream_set *upstreams,
		  const struct exchange_limits *limits, exchange_done_fn done, void *arg,
		  struct exchanges **ret_exchanges)
{
	struct exchanges *xs = calloc(1, sizeof(*xs));
	uint32_t buckets = 16;

	if (!xs)
		return -ENOMEM;
	while (buckets < limits->exchanges_max)
		buckets *= 2;
	xs->items = calloc(limits->exchanges_max, sizeof(*xs->items));
	xs->buckets = calloc(buckets, sizeof(struct exchange *));
	if (!xs->items || !xs->buckets) {
		free(xs->items);
		free(xs->buckets);
		free(xs);
		return -ENOMEM;
	}
	xs->bucket_mask = buckets - 1;
	xs->limits = *limits;
	list_init(&xs->unused);
	list_init(&xs->ready);
	for (unsigned int i = 0; i < EXCHANGE_STAGE_NUM; i++)
		list_init(&xs->stages[i]);
	random_bytes(&xs->hash_key, sizeof(xs->hash_key));
	xs->upstreams = upstreams;
	xs->datapath = dp;
	xs->loop = loop;
	xs->env = (struct plain_env){ .loop = loop, .datapath = dp, .scratch = xs->scratch };
	xs->done = done;
	xs->arg = arg;
	timer_init(&xs->timer, stages_due);
	xs->turn.turn = pump;
	loop_add_turn(loop, &xs->turn);
	*ret_exchanges = xs;
	return 0;
}

void exchanges_free(struct exchanges *xs)
{
	if (!xs)
		return;
	for (uint32_t i = 0; i < xs->touched; i++) {
		for (unsigned int k = 0; k < EXCHANGE_ATTEMPTS; k++)
			plain_stop(&xs->items[i].attempts[k].plain);
	}
	loop_disarm(&xs->timer);
	loop_remove_turn(&xs->turn);
	free(xs->items);
	free(xs->buckets);
	free(xs);
}

static struct exchange **bucket_of(struct exchanges *xs, const uint8_t *message, size_t len)
{
	return &xs->buckets[siphash(&xs->hash_key, message, len) & xs->bucket_mask];
}

struct exchange *exchange_find(struct exchanges *xs, const uint8_t *message, size_t len)
{
	struct exchange *x = *bucket_of(xs, message, len);

	while (x && (x->question.len != len || memcmp(x->message, message, len) != 0))
		x = x->chain;
	return x;
}

static void unhash(struct exchange *x)
{
	struct exchange **link = bucket_of(x->owner, x->message, x->question.len);

	if (!x->shared)
		return;
	while (*link != x)
		link = &(*link)->chain;
	*link = x->chain;
	x->shared = false;
}

static struct exchange *take_item(struct exchanges *xs)
{
	struct exchange *x;

	if (!list_is_empty(&xs->unused)) {
		x = list_first(&xs->unused, struct exchange, link);
		list_remove(&x->link);
		return x;
	}
	if (xs->touched == xs->limits.exchanges_max)
		return NULL;
	x = &xs->items[xs->touched++];
	x->owner = xs;
	list_init(&x->link);
	for (unsigned int i = 0; i < EXCHANGE_ATTEMPTS; i++) {
		plain_init(&x->attempts[i].plain, &xs->env, attempt_done);
		x->attempts[i].exchange = x;
	}
	return x;
}

int exchange_start(struct exchanges *xs, const struct plain_question *question,
		   struct exchange **ret_exchange)
{
	struct exchange *x;
	struct exchange **bucket;

	if (question->len > PLAIN_QUESTION_MAX)
		return -EMSGSIZE;
	x = take_item(xs);
	if (!x)
		return -ENOBUFS;
	memcpy(x->message, question->message, question->len);
	x->question = *question;
	x->question.message = x->message;
	list_init(&x->queries);
	x->tried = 0;
	x->last_error = 0;
	x->last_rcode = -1;
	x->shared = !question->verbatim;
	if (x->shared) {
		bucket = bucket_of(xs, x->message, question->len);
		x->chain = *bucket;
		*bucket = x;
	}
	x->state = EXCHANGE_READY;
	list_append(&xs->ready, &x->link);
	*ret_exchange = x;
	return 0;
}

/* --- attempts ---------------------------------------------------------------------------- */

/* Books what an attempt leaves behind; its socket is closed. */
static void attempt_ended(struct exchange_attempt *a)
{
	struct exchanges *xs = a->exchange->owner;
	struct upstream *u = upstream_find(xs->upstreams, &a->plain.to);

	xs->sockets--;
	datapath_budget(xs->datapath, BUDGET_DESCRIPTORS)->used--;
	if (!u)
		return;
	u->spoofs += a->plain.spoofs;
	u->streams += a->plain.by_tcp;
}

/* Stops what still runs. Who had a whole stage and said nothing has timed out. */
static void stop_attempts(struct exchange *x)
{
	for (unsigned int i = 0; i < EXCHANGE_ATTEMPTS; i++) {
		struct exchange_attempt *a = &x->attempts[i];
		uint64_t waited = clock_ns() - a->plain.started_ns;

		if (plain_is_idle(&a->plain))
			continue;
		if (waited >= stage_ms[0] * NSEC_PER_MSEC)
			upstream_timed_out(upstream_find(x->owner->upstreams, &a->plain.to));
		plain_stop(&a->plain);
		attempt_ended(a);
	}
}

static void release(struct exchange *x)
{
	x->state = EXCHANGE_FREE;
	list_touch(&x->owner->unused, &x->link);
}

static void finish(struct exchange *x, struct exchange_result *result)
{
	stop_attempts(x);
	unhash(x);
	list_remove(&x->link);
	x->owner->done(x->owner->arg, x, result);
	release(x);
}

void exchange_abandon(struct exchange *x)
{
	stop_attempts(x);
	unhash(x);
	release(x);
}

/* In place of an answer that was passed over for the next upstream. */
static void finish_with_rcode(struct exchange *x)
{
	struct exchange_result result = { .rcode = (enum msg_rcode)x->last_rcode };

	finish(x, &result);
}

static void finish_with_error(struct exchange *x, int status)
{
	struct exchange_result result = { .status = status };

	if (x->last_rcode >= 0)
		finish_with_rcode(x);
	else
		finish(x, &result);
}

/* Errors of this process, not of an upstream: asking another one would not help. */
static bool is_own_error(int status)
{
	return status == -EMFILE || status == -ENFILE || status == -ENOMEM || status == -ENOBUFS ||
	       status == -EPERM;
}

static struct exchange_attempt *idle_attempt(struct exchange *x)
{
	for (unsigned int i = 0; i < EXCHANGE_ATTEMPTS; i++) {
		if (plain_is_idle(&x->attempts[i].plain))
			return &x->attempts[i];
	}
	return NULL;
}

static bool is_asking(const struct exchange *x)
{
	for (unsigned int i = 0; i < EXCHANGE_ATTEMPTS; i++) {
		if (!plain_is_idle(&x->attempts[i].plain))
			return true;
	}
	return false;
}

/* Asks upstream `place`. 0 or -errno. */
static int ask(struct exchange *x, struct exchange_attempt *a, int place)
{
	struct exchanges *xs = x->owner;
	struct upstream *u = &xs->upstreams->item[place];
	int r;

	x->tried |= 1U << place;
	r = plain_start(&a->plain, &u->endpoint, &x->question);
	if (r < 0)
		return r;
	xs->sockets++;
	datapath_budget(xs->datapath, BUDGET_DESCRIPTORS)->used++;
	u->asked++;
	datapath_count(xs->datapath, RSTAT_DNS_UPSTREAM, 1);
	return 0;
}

/*
 * Asks the next upstream that was not tried yet. 0; -EDESTADDRREQ = there is none, or no
 * room for another attempt; -errno = an error of our own.
 */
static int ask_next(struct exchange *x)
{
	struct exchanges *xs = x->owner;
	struct exchange_attempt *a = idle_attempt(x);
	int place, r;

	while (a && xs->sockets < xs->limits.sockets_max &&
	       (place = upstream_pick(xs->upstreams, x->tried)) >= 0) {
		r = ask(x, a, place);
		if (r == 0 || is_own_error(r))
			return r;
		upstream_failed(&xs->upstreams->item[place]);
		x->last_error = r;
	}
	return -EDESTADDRREQ;
}

/* After a failure: on to the next upstream, or to the end. */
static void go_on(struct exchange *x)
{
	int r = ask_next(x);

	if (r == 0)
		return;
	if (is_own_error(r))
		finish_with_error(x, r);
	else if (!is_asking(x))
		finish_with_error(x, x->last_error ? x->last_error : r);
}

static bool is_refusal(const uint8_t *answer)
{
	unsigned int rcode = msg_get16(answer + 2) & MSG_RCODE;

	return rcode == RCODE_SERVFAIL || rcode == RCODE_NOTIMP || rcode == RCODE_REFUSED;
}

static void take_answer(struct exchange *x, struct plain *p, uint8_t *answer, size_t len)
{
	struct upstream_set *upstreams = x->owner->upstreams;
	struct exchange_result result = { .msg = answer, .from = p->to };
	struct upstream *u = upstream_find(upstreams, &p->to);

	x->last_error = edns_find(answer, len, x->question.question_end, &result.edns);
	if (x->last_error < 0) {
		x->last_error = -EBADMSG;
		upstream_failed(u);
		go_on(x);
		return;
	}
	upstream_answered(u, (clock_ns() - p->started_ns) / 1000);
	if (is_refusal(answer) && (is_asking(x) || upstream_pick(upstreams, x->tried) >= 0)) {
		x->last_rcode = msg_get16(answer + 2) & MSG_RCODE;
		go_on(x);
		return;
	}
	result.len = result.edns.message_end;
	finish(x, &result);
}

static void attempt_done(struct plain *p, int status, uint8_t *answer, size_t len)
{
	struct exchange_attempt *a = container_of(p, struct exchange_attempt, plain);
	struct exchange *x = a->exchange;

	attempt_ended(a);
	if (status == 0) {
		take_answer(x, p, answer, len);
		return;
	}
	if (is_own_error(status)) {
		finish_with_error(x, status);
		return;
	}
	upstream_failed(upstream_find(x->owner->upstreams, &p->to));
	x->last_error = status;
	go_on(x);
}

/* --- time -------------------------------------------------------------------------------- */

static void enter_stage(struct exchange *x, unsigned int stage)
{
	struct exchanges *xs = x->owner;

	list_remove(&x->link);
	x->stage = stage;
	if (stage == EXCHANGE_STAGE_NUM)
		return;
	x->due_ms = clock_ms() + stage_ms[stage];
	list_append(&xs->stages[stage], &x->link);
	if (!timer_is_armed(&xs->timer) || xs->timer.deadline_ms > x->due_ms)
		loop_arm(xs->loop, &xs->timer, stage_ms[stage]);
}

/* Sends again where nothing came yet, if `all`; else only where the case was wrong. */
static void ask_again(struct exchange *x, bool all)
{
	for (unsigned int i = 0; i < EXCHANGE_ATTEMPTS; i++) {
		struct exchange_attempt *a = &x->attempts[i];
		int r;

		if (plain_is_idle(&a->plain) || !(all || a->plain.wrong_case))
			continue;
		r = plain_again(&a->plain);
		if (r == 0)
			continue;
		upstream_failed(upstream_find(x->owner->upstreams, &a->plain.to));
		attempt_ended(a);
		x->last_error = r;
	}
}

static void stage_over(struct exchange *x)
{
	int r;

	enter_stage(x, x->stage + 1);
	r = ask_next(x);
	if (is_own_error(r)) {
		finish_with_error(x, r);
		return;
	}
	/* A refusal is better than no answer, once everyone had a chance to give another. */
	if (r < 0 && x->last_rcode >= 0) {
		finish_with_rcode(x);
		return;
	}
	ask_again(x, r < 0);
	if (!is_asking(x))
		go_on(x);
}

static void arm(struct exchanges *xs)
{
	uint64_t now = clock_ms(), next = UINT64_MAX;

	for (unsigned int i = 0; i < EXCHANGE_STAGE_NUM; i++) {
		struct exchange *x = list_first(&xs->stages[i], struct exchange, link);

		if (!list_is_empty(&xs->stages[i]) && x->due_ms < next)
			next = x->due_ms;
	}
	if (next == UINT64_MAX)
		loop_disarm(&xs->timer);
	else
		loop_arm(xs->loop, &xs->timer, next > now ? next - now : 0);
}

static void stages_due(struct timer *timer)
{
	struct exchanges *xs = container_of(timer, struct exchanges, timer);
	uint64_t now = clock_ms();

	/* From the last stage down: what moves up a stage is not looked at twice. */
	for (unsigned int i = EXCHANGE_STAGE_NUM; i-- > 0;) {
		while (!list_is_empty(&xs->stages[i])) {
			struct exchange *x = list_first(&xs->stages[i], struct exchange, link);

			if (x->due_ms > now)
				break;
			stage_over(x);
		}
	}
	arm(xs);
}

static void pump(struct loop_turn *turn)
{
	struct exchanges *xs = container_of(turn, struct exchanges, turn);

	while (!list_is_empty(&xs->ready) && xs->sockets < xs->limits.sockets_max) {
		struct exchange *x = list_first(&xs->ready, struct exchange, link);

		x->state = EXCHANGE_ASKING;
		enter_stage(x, 0);
		go_on(x);
	}
}
