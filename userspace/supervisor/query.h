/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Questions of clients that a role answers. */
#ifndef SUPERVISOR_QUERY_H
#define SUPERVISOR_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/control.h"
#include "base/limits.h"
#include "base/loop.h"

struct control_client;
struct role;

struct query {
	struct control_client *client; /* NULL = this entry is free */
	struct role *role; /* that was asked */
	struct timer limit;
	const char *key; /* the one key that an object of the answer may have */
	uint32_t limit_ms;
	uint64_t tag;
	size_t len;
	char line[CONTROL_LINE_MAX];
};

/* One query per client can be under way. */
struct queries {
	struct loop *loop;
	uint64_t last_tag;
	struct query *query[CONTROL_CLIENTS_MAX + 1]; /* NULL until first used */
};

void queries_init(struct queries *q, struct loop *loop);
/* What a role is asked for. */
struct query_ask {
	const char *key; /* outlives the query */
	const char *text; /* NULL = the key itself */
	uint32_t limit_ms; /* 0 = the answer lasts as long as its client stays */
};

/* Asks `r`; answers or refuses `client` now or later. */
void queries_ask(struct queries *q, struct role *r, const struct query_ask *ask,
		 struct control_client *client);
/* The role's process has ended: those it was asked for are refused. */
void queries_role_died(struct queries *q, const struct role *r);
/* What the role said; an answer to nobody is dropped. Text is checked, not trusted. */
void queries_text(struct queries *q, uint64_t tag, const char *text, size_t len);
/* The client is gone. */
void queries_forget(struct queries *q, const struct control_client *client);
void queries_done(struct queries *q);

#endif
