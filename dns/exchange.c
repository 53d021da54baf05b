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
	struct exchange_attempt *attempts; /* the same */
	struct exchange **buckets;
	uint32_t bucket_mask;
	uint32_t touched; /* items[0..touched) were in use at least once */
	uint32_t attempts_touched;
	struct exchange_limits limits;
	struct list unused;
	struct list unused_attempts;
	struct list ready;
	struct list starved; /* ready, but for a socket */
	struct list stages[EXCHANGE_STAGE_NUM];
	struct siphash_key hash_key;
	struct upstreams *upstreams;
	struct datapath *datapath;
	struct loop *loop;
	struct loop_turn turn;
	struct timer timer;
	exchange_done_fn done;
	void *arg;
};

static const unsigned int stage_ms[EXCHANGE_STAGE_NUM] = EXCHANGE_STAGES;

static void pump(struct loop_turn *turn);
static void stages_due(struct timer *timer);
static void attempt_done(struct attempt *a, int status, uint8_t *answer, size_t len);

/* --- the table --------------------------------------------------------------------------- */

static void init_lists(struct exchanges *xs)
{
	list_init(&xs->unused);
	list_init(&xs->unused_attempts);
	list_init(&xs->ready);
	list_init(&xs->starved);
	for (unsigned int i = 0; i < EXCHANGE_STAGE_NUM; i++)
		list_init(&xs->stages[i]);
}

static int allocate(struct exchanges *xs, uint32_t max)
{
	uint32_t buckets = 16;

	while (buckets < max)
		buckets *= 2;
	xs->items = calloc(max, sizeof(*xs->items));
	xs->attempts = calloc((size_t)max * EXCHANGE_ATTEMPTS, sizeof(*xs->attempts));
	xs->buckets = calloc(buckets, sizeof(struct exchange *));
	xs->bucket_mask = buckets - 1;
	return xs->items && xs->attempts && xs->buckets ? 0 : -ENOMEM;
}

int exchanges_new(struct loop *loop, struct datapath *dp, struct upstreams *upstreams,
		  const struct exchange_limits *limits, exchange_done_fn done, void *arg,
		  struct exchanges **ret_exchanges)
{
	struct exchanges *xs = calloc(1, sizeof(*xs));

	if (!xs)
		return -ENOMEM;
	init_lists(xs);
	timer_init(&xs->timer, stages_due);
	xs->turn.turn = pump;
	loop_add_turn(loop, &xs->turn);
	if (allocate(xs, limits->exchanges_max) < 0) {
		exchanges_free(xs);
		return -ENOMEM;
	}
	xs->limits = *limits;
	random_bytes(&xs->hash_key, sizeof(xs->hash_key));
	xs->upstreams = upstreams;
	xs->datapath = dp;
	xs->loop = loop;
	xs->done = done;
	xs->arg = arg;
	*ret_exchanges = xs;
	return 0;
}

void exchanges_free(struct exchanges *xs)
{
	if (!xs)
		return;
	for (uint32_t i = 0; i < xs->attempts_touched; i++)
		attempt_stop(&xs->attempts[i].attempt);
	for (uint32_t i = 0; i < xs->touched; i++) {
		if (xs->items[i].state != EXCHANGE_FREE)
			upstream_group_put(xs->items[i].group);
	}
	loop_disarm(&xs->timer);
	loop_remove_turn(&xs->turn);
	free(xs->items);
	free(xs->attempts);
	free(xs->buckets);
	free(xs);
}

static struct exchange **bucket_of(struct exchanges *xs, const uint8_t *message, size_t len)
{
	return &xs->buckets[siphash(&xs->hash_key, message, len) & xs->bucket_mask];
}

struct exchange *exchange_find(struct exchanges *xs, const struct upstream_group *group,
			       const uint8_t *message, size_t len)
{
	struct exchange *x = *bucket_of(xs, message, len);

	while (x && (x->group != group || x->question.len != len ||
		     memcmp(x->message, message, len) != 0))
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
	list_init(&x->attempts);
	return x;
}

int exchange_start(struct exchanges *xs, struct upstream_group *group,
		   const struct plain_question *question, struct exchange **ret_exchange)
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
	x->group = upstream_group_get(group);
	list_init(&x->queries);
	x->tried = 0;
	x->rounds = 1;
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

/* NULL = the exchange, or all together, has as many as may be. */
static struct exchange_attempt *take_attempt(struct exchange *x)
{
	struct exchanges *xs = x->owner;
	struct exchange_attempt *a;

	if (x->asking >= (x->group->race ? UPSTREAM_GROUP_MAX : EXCHANGE_ATTEMPTS))
		return NULL;
	if (!list_is_empty(&xs->unused_attempts)) {
		a = list_first(&xs->unused_attempts, struct exchange_attempt, link);
	} else {
		if (xs->attempts_touched == xs->limits.exchanges_max * EXCHANGE_ATTEMPTS)
			return NULL;
		a = &xs->attempts[xs->attempts_touched++];
		list_init(&a->link);
		attempt_init(&a->attempt, attempt_done);
	}
	a->exchange = x;
	list_touch(&x->attempts, &a->link);
	x->asking++;
	return a;
}

/* It is idle. */
static void give_attempt_back(struct exchange_attempt *a)
{
	a->exchange->asking--;
	list_touch(&a->exchange->owner->unused_attempts, &a->link);
}

/* Stops what still runs. Who had a whole stage and said nothing has timed out. */
static void stop_attempts(struct exchange *x)
{
	list_for_each_safe(pos, next, &x->attempts) {
		struct exchange_attempt *a = container_of(pos, struct exchange_attempt, link);
		uint64_t waited = clock_ns() - a->attempt.started_ns;

		attempt_stop(&a->attempt);
		if (waited >= stage_ms[0] * NSEC_PER_MSEC)
			upstream_timed_out(a->attempt.upstream);
		give_attempt_back(a);
	}
}

static void release(struct exchange *x)
{
	x->state = EXCHANGE_FREE;
	upstream_group_put(x->group);
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

static bool is_short_of_sockets(const struct exchanges *xs)
{
	return xs->upstreams->env.sockets >= xs->limits.sockets_max;
}

/* Would the next one to be asked need a socket that there is not? */
static bool is_starved(const struct exchange *x)
{
	int place = upstream_group_pick(x->group, x->tried);

	return place >= 0 && upstream_is_plain(x->group->member[place]) &&
	       is_short_of_sockets(x->owner);
}

/*
 * Asks the next upstream that was not tried yet. 0; -EDESTADDRREQ = there is none, or no
 * room for another attempt; -EDEADLK; -errno = an error of our own.
 */
static int ask_next(struct exchange *x)
{
	int place, r;

	while ((place = upstream_group_pick(x->group, x->tried)) >= 0 && !is_starved(x)) {
		struct exchange_attempt *a = take_attempt(x);

		if (!a)
			break;
		x->tried |= 1U << place;
		r = attempt_start(&a->attempt, x->group->member[place], &x->question);
		if (r == 0) {
			datapath_count(x->owner->datapath, RSTAT_DNS_UPSTREAM, 1);
			return 0;
		}
		give_attempt_back(a);
		if (attempt_is_own_error(r))
			return r;
		x->last_error = r;
	}
	return place == -EDEADLK ? -EDEADLK : -EDESTADDRREQ;
}

/* The first upstream; all of them in a race. */
static int ask_first(struct exchange *x)
{
	int r = ask_next(x);

	while (r == 0 && x->group->race)
		r = ask_next(x);
	return x->asking && !attempt_is_own_error(r) ? 0 : r;
}

/* Nobody is left (`r`): those that were silent get another chance while somebody waits. */
static int ask_round(struct exchange *x, int r)
{
	if (x->last_error != -ETIMEDOUT || x->last_rcode >= 0 || x->rounds == EXCHANGE_ROUNDS)
		return r;
	x->rounds++;
	x->tried = 0;
	return ask_first(x);
}

/* `r`: of asking one more. Goes on waiting, or ends it if there is nothing to wait for. */
static void settle(struct exchange *x, int r)
{
	if (r < 0 && !attempt_is_own_error(r) && !x->asking)
		r = ask_round(x, r);
	if (r == 0)
		return;
	if (attempt_is_own_error(r))
		finish_with_error(x, r);
	else if (!x->asking)
		finish_with_error(x, x->last_error ? x->last_error : r);
}

static void take_answer(struct exchange *x, struct attempt *a, uint8_t *answer, size_t len)
{
	struct upstream *u = a->upstream;
	struct exchange_result result = { .msg = answer, .upstream = u };
	unsigned int rcode = msg_get16(answer + 2) & MSG_RCODE;

	x->last_error = edns_find(answer, len, x->question.question_end, &result.edns);
	if (x->last_error < 0) {
		x->last_error = -EBADMSG;
		upstream_failed(u);
		settle(x, ask_next(x));
		return;
	}
	upstream_answered(u, (clock_ns() - a->started_ns) / 1000);
	if (x->group->failover_rcodes >> rcode & 1 &&
	    (x->asking || upstream_group_pick(x->group, x->tried) >= 0)) {
		x->last_rcode = (int)rcode;
		settle(x, ask_next(x));
		return;
	}
	result.from = upstream_is_plain(u) ? a->plain.to : upstream_endpoint(u);
	result.len = result.edns.message_end;
	finish(x, &result);
}

static void attempt_done(struct attempt *attempt, int status, uint8_t *answer, size_t len)
{
	struct exchange_attempt *a = container_of(attempt, struct exchange_attempt, attempt);
	struct exchange *x = a->exchange;

	give_attempt_back(a);
	if (status == 0) {
		take_answer(x, attempt, answer, len);
		return;
	}
	if (!attempt_is_own_error(status))
		x->last_error = status;
	settle(x, attempt_is_own_error(status) ? status : ask_next(x));
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
	list_for_each_safe(pos, next, &x->attempts) {
		struct exchange_attempt *a = container_of(pos, struct exchange_attempt, link);
		int r;

		if (!all && !attempt_has_wrong_case(&a->attempt))
			continue;
		r = attempt_again(&a->attempt);
		if (r == 0)
			continue;
		x->last_error = r;
		give_attempt_back(a);
	}
}

static void stage_over(struct exchange *x)
{
	int r;

	enter_stage(x, x->stage + 1);
	r = ask_next(x);
	if (attempt_is_own_error(r)) {
		finish_with_error(x, r);
		return;
	}
	/* A refusal is better than no answer, once everyone had a chance to give another. */
	if (r < 0 && x->last_rcode >= 0) {
		finish_with_rcode(x);
		return;
	}
	ask_again(x, r < 0);
	if (!x->asking)
		settle(x, ask_next(x));
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

static void begin(struct exchange *x)
{
	x->state = EXCHANGE_ASKING;
	enter_stage(x, 0);
	settle(x, ask_first(x));
}

static void pump(struct loop_turn *turn)
{
	struct exchanges *xs = container_of(turn, struct exchanges, turn);

	while (!list_is_empty(&xs->starved) && !is_short_of_sockets(xs))
		begin(list_first(&xs->starved, struct exchange, link));
	while (!list_is_empty(&xs->ready)) {
		struct exchange *x = list_first(&xs->ready, struct exchange, link);

		if (is_starved(x))
			list_touch(&xs->starved, &x->link);
		else
			begin(x);
	}
}
