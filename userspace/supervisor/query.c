// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Queries to a role on behalf of a client. The role's answer is a stream of JSON lines, cut
 * anywhere into messages. Each line is put together again, parsed, and passed on only as an
 * object under the one key that was asked for: a role that is no longer ours cannot speak to
 * the client in main's name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/control.h"
#include "supervisor/query.h"
#include "supervisor/role.h"

#define QUERIES (CONTROL_CLIENTS_MAX + 1)

static void end(struct query *q)
{
	loop_disarm(&q->limit);
	q->client = NULL;
}

static void limit_expired(struct timer *t)
{
	struct query *q = container_of(t, struct query, limit);
	struct control_client *client = q->client;

	role_forget(q->role, q->tag);
	end(q);
	control_refuse(client, "no answer within %u ms", q->limit_ms);
}

void queries_init(struct queries *q, struct loop *loop)
{
	memset(q, 0, sizeof(*q));
	q->loop = loop;
}

static struct query *query_new(struct queries *q)
{
	for (size_t i = 0; i < QUERIES; i++) {
		if (!q->query[i]) {
			q->query[i] = calloc(1, sizeof(struct query));
			if (q->query[i])
				timer_init(&q->query[i]->limit, limit_expired);
			return q->query[i];
		}
		if (!q->query[i]->client)
			return q->query[i];
	}
	return NULL;
}

void queries_ask(struct queries *qs, struct role *r, const struct query_ask *ask,
		 struct control_client *client)
{
	struct query *q;
	int err;

	queries_forget(qs, client);
	q = query_new(qs);
	if (!q) {
		control_refuse(client, "out of memory");
		return;
	}
	err = role_query(r, ++qs->last_tag, ask->text ? ask->text : ask->key);
	if (err) {
		control_refuse(client, "the %s is %s: %s", r->name, role_state_name(r->state),
			       strerror(-err));
		return;
	}
	q->client = client;
	q->role = r;
	q->key = ask->key;
	q->tag = qs->last_tag;
	q->len = 0;
	q->limit_ms = ask->limit_ms;
	if (q->limit_ms)
		loop_arm(qs->loop, &q->limit, q->limit_ms);
}

/* One whole line: {"KEY": {...}} or it is left out. */
static void pass_on(struct query *q)
{
	json_t *line = json_loadb(q->line, q->len, JSON_REJECT_DUPLICATES, NULL);
	json_t *object = json_object_get(line, q->key);

	if (json_is_object(object) && json_object_size(line) == 1)
		control_send(q->client, q->key, json_incref(object));
	json_decref(line);
}

static struct query *find(struct queries *qs, uint64_t tag)
{
	for (size_t i = 0; i < QUERIES; i++)
		if (qs->query[i] && qs->query[i]->client && qs->query[i]->tag == tag)
			return qs->query[i];
	return NULL;
}

/* A line too long fills all the room, and is not passed on. */
static void gather(struct query *q, const char *text, size_t len)
{
	size_t room = sizeof(q->line) - q->len;

	len = len < room ? len : room;
	memcpy(q->line + q->len, text, len);
	q->len += len;
}

static void take_lines(struct query *q, const char *text, size_t len)
{
	const char *end = text + len, *newline;

	while ((newline = memchr(text, '\n', (size_t)(end - text)))) {
		gather(q, text, (size_t)(newline - text));
		if (q->len < sizeof(q->line))
			pass_on(q);
		q->len = 0;
		text = newline + 1;
	}
	gather(q, text, (size_t)(end - text));
}

void queries_text(struct queries *qs, uint64_t tag, const char *text, size_t len)
{
	struct query *q = find(qs, tag);
	struct control_client *client;

	if (!q)
		return;
	if (len > 0) {
		take_lines(q, text, len);
		return;
	}
	client = q->client;
	end(q);
	control_answered(client);
}

void queries_forget(struct queries *qs, const struct control_client *client)
{
	for (size_t i = 0; i < QUERIES; i++) {
		struct query *q = qs->query[i];

		if (!q || q->client != client)
			continue;
		role_forget(q->role, q->tag);
		end(q);
	}
}

void queries_role_died(struct queries *qs, const struct role *r)
{
	for (size_t i = 0; i < QUERIES; i++) {
		struct query *q = qs->query[i];
		struct control_client *client = q ? q->client : NULL;

		if (!client || q->role != r)
			continue;
		end(q);
		control_refuse(client, "the %s ended before its answer did", r->name);
	}
}

void queries_done(struct queries *qs)
{
	for (size_t i = 0; i < QUERIES; i++) {
		if (qs->query[i])
			end(qs->query[i]);
		free(qs->query[i]);
		qs->query[i] = NULL;
	}
}
