// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Probes. Each of the two has one timer: of its end while it is under way, else of the next.
 * The health probe's timer also waits for the moment at which failures without a success have
 * lasted long enough.
 */
#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "dns/upstream.h"

#define TYPE_NS 2
#define TYPE_TXT 16

static const uint8_t loop_suffix[] = "\4loop\10headrace\4test"; /* with the root's 0 */

static void health_due(struct timer *t);
static void health_done(struct attempt *a, int status, uint8_t *answer, size_t len);
static void loop_due(struct timer *t);
static void loop_done(struct attempt *a, int status, uint8_t *answer, size_t len);

/* --- messages ----------------------------------------------------------------------------- */

/* A query with the name that lies behind the header already. */
static void write_question(struct probe *p, size_t name_bytes, unsigned int type)
{
	uint8_t *m = p->message;
	size_t end = MSG_HEADER_BYTES + name_bytes + 4;

	memset(m, 0, MSG_HEADER_BYTES);
	msg_put16(m + 2, MSG_RD);
	msg_put16(m + 4, 1);
	msg_put16(m + end - 4, (uint16_t)type);
	msg_put16(m + end - 2, CLASS_IN);
	p->question = (struct plain_question){ .message = m, .len = end, .question_end = end };
}

static void write_health_question(struct probe *p)
{
	uint8_t *opt;

	p->message[MSG_HEADER_BYTES] = 0;
	write_question(p, 1, TYPE_NS);
	opt = p->message + p->question.len;
	memset(opt, 0, 11);
	msg_put16(opt + 1, TYPE_OPT);
	msg_put16(opt + 3, PROBE_HEALTH_PAYLOAD);
	msg_put16(p->message + 10, 1);
	p->question.len += 11;
}

static void write_loop_question(struct probe *p)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[PROBE_LABEL_BYTES / 2], *name = p->message + MSG_HEADER_BYTES;

	random_bytes(random, sizeof(random));
	*name = PROBE_LABEL_BYTES;
	for (unsigned int i = 0; i < PROBE_LABEL_BYTES; i++)
		name[1 + i] = (uint8_t)digits[random[i / 2] >> (i % 2 * 4) & 15];
	memcpy(name + 1 + PROBE_LABEL_BYTES, loop_suffix, sizeof(loop_suffix));
	write_question(p, 1 + PROBE_LABEL_BYTES + sizeof(loop_suffix), TYPE_TXT);
}

/* --- life --------------------------------------------------------------------------------- */

static void init_one(struct probe *p, void (*due)(struct timer *t),
		     void (*done)(struct attempt *a, int status, uint8_t *answer, size_t len))
{
	attempt_init(&p->attempt, done);
	p->attempt.probe = true;
	timer_init(&p->timer, due);
}

void probe_init(struct upstream *u)
{
	init_one(&u->health_probe, health_due, health_done);
	init_one(&u->loop_probe, loop_due, loop_done);
}

static void stop_one(struct probe *p)
{
	attempt_stop(&p->attempt);
	loop_disarm(&p->timer);
}

void probe_stop(struct upstream *u)
{
	stop_one(&u->health_probe);
	stop_one(&u->loop_probe);
}

/* --- health ------------------------------------------------------------------------------- */

void probe_health(struct upstream *u)
{
	struct probe *p = &u->health_probe;
	uint64_t wait = health_wait_ms(&u->health);

	if (u->health.state == HEALTH_DOWN) {
		if (!u->probing)
			loop_arm(u->env->loop, &p->timer, 0);
		u->probing = true;
		return;
	}
	u->probing = false;
	attempt_stop(&p->attempt);
	if (wait == UINT64_MAX)
		loop_disarm(&p->timer);
	else if (!timer_is_armed(&p->timer))
		loop_arm(u->env->loop, &p->timer, wait);
}

static void health_due(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);
	struct upstream *u = container_of(p, struct upstream, health_probe);

	if (!u->probing) {
		upstream_look(u);
	} else if (attempt_is_idle(&p->attempt)) {
		write_health_question(p);
		loop_arm(u->env->loop, t, PROBE_HEALTH_TIMEOUT_MS);
		if (attempt_start(&p->attempt, u, &p->question) < 0)
			loop_arm(u->env->loop, t, PROBE_HEALTH_MS);
	} else {
		attempt_stop(&p->attempt);
		loop_arm(u->env->loop, t, PROBE_HEALTH_MS - PROBE_HEALTH_TIMEOUT_MS);
		upstream_bad(u);
	}
}

static void health_done(struct attempt *a, int status, uint8_t *answer, size_t len)
{
	struct probe *p = container_of(a, struct probe, attempt);
	struct upstream *u = container_of(p, struct upstream, health_probe);

	loop_arm(u->env->loop, &p->timer, PROBE_HEALTH_MS);
	if (status == 0)
		upstream_alive(u);
}

/* --- loops -------------------------------------------------------------------------------- */

static void conclude(struct upstream *u)
{
	struct probe *p = &u->loop_probe;

	loop_disarm(&p->timer);
	if (u->looped && !p->came_back)
		log_info("dns", "upstream %s does not loop any more", u->conf.name);
	u->looped = p->came_back;
}

void probe_loop(struct upstream *u)
{
	struct probe *p = &u->loop_probe;

	if (!attempt_is_idle(&p->attempt))
		return;
	p->came_back = false;
	if (!upstream_is_near(u)) {
		conclude(u);
		return;
	}
	write_loop_question(p);
	if (attempt_start(&p->attempt, u, &p->question) == 0)
		loop_arm(u->env->loop, &p->timer, PROBE_LOOP_TIMEOUT_MS);
}

static void loop_due(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	attempt_stop(&p->attempt);
	conclude(container_of(p, struct upstream, loop_probe));
}

static void loop_done(struct attempt *a, int status, uint8_t *answer, size_t len)
{
	struct probe *p = container_of(a, struct probe, attempt);
	struct upstream *u = container_of(p, struct upstream, loop_probe);

	if (status == 0)
		upstream_alive(u);
	conclude(u);
}

bool probe_is_loop_name(const struct name *name)
{
	uint8_t tail[sizeof(loop_suffix)];

	if (name->len != 1 + PROBE_LABEL_BYTES + sizeof(loop_suffix))
		return false;
	memcpy(tail, name->wire + 1 + PROBE_LABEL_BYTES, sizeof(tail));
	name_lower(tail, sizeof(tail));
	return memcmp(tail, loop_suffix, sizeof(tail)) == 0;
}

bool probe_came_back(struct upstream *u, const struct name *name)
{
	struct probe *p = &u->loop_probe;
	struct name own = { .len = name->len };

	if (attempt_is_idle(&p->attempt) ||
	    p->question.question_end != MSG_HEADER_BYTES + name->len + 4U)
		return false;
	memcpy(own.wire, p->message + MSG_HEADER_BYTES, own.len);
	if (!name_eq(&own, name))
		return false;
	p->came_back = true;
	if (!u->looped)
		log_err("dns", "upstream %s asks us: a loop, it is not asked any more",
			u->conf.name);
	u->looped = true;
	return true;
}
