// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The console. Questions are a table of names; those that last are kept by their tag. A log that
 * is followed is looked at FOLLOW_MS after something came to it: the ring holds what came
 * meanwhile, and what it no longer holds is told as a number.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/dns_words.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/role.h"
#include "dns/console.h"
#include "dns/show.h"

#define FOLLOW_MS 100
#define FOLLOWERS_MAX CONTROL_CLIENTS_MAX

struct follower {
	uint64_t tag; /* 0 = nobody */
	uint64_t seen; /* entries of the history, since its start */
};

/* Lives until it is answered, whoever still waits. */
struct console_lookup {
	struct list link;
	struct console *console;
	uint64_t tag; /* 0 = nobody */
	bool asked; /* service_lookup() has returned */
};

struct console {
	struct console_options options;
	struct list lookups;
	struct follower followers[FOLLOWERS_MAX];
	struct timer timer; /* armed while somebody follows */
};

/* Gathers lines into messages as large as may be. */
struct out {
	struct console *console;
	uint64_t tag;
	int err; /* of a message that could not be sent: nothing follows it */
	size_t used;
	char text[ROLE_TEXT_MAX];
};

static void send_out(struct out *o)
{
	if (o->used && !o->err)
		o->err = o->console->options.send(o->tag, o->text, o->used);
	if (o->used && o->err)
		log_warn("dns", "answer to main lost: %s", strerror(-o->err));
	o->used = 0;
}

static void add_text(void *arg, const char *text)
{
	struct out *o = arg;
	size_t left = strlen(text);

	while (left && !o->err) {
		size_t room = sizeof(o->text) - o->used;
		size_t bytes = left < room ? left : room;

		memcpy(o->text + o->used, text, bytes);
		o->used += bytes;
		text += bytes;
		left -= bytes;
		if (bytes == room)
			send_out(o);
	}
}

static struct out *out_new(struct console *c, uint64_t tag)
{
	struct out *o = calloc(1, sizeof(*o));

	if (o) {
		o->console = c;
		o->tag = tag;
	}
	return o;
}

static struct show_sink sink_of(struct out *o)
{
	return (struct show_sink){ .line = add_text, .arg = o };
}

/* --- the log ----------------------------------------------------------------------------- */

static void follow(struct timer *t)
{
	struct console *c = container_of(t, struct console, timer);
	const struct history *h = &c->options.service->history;
	bool any = false;

	for (unsigned int i = 0; i < FOLLOWERS_MAX; i++) {
		struct follower *f = &c->followers[i];
		struct out *o = f->tag && f->seen != h->total ? out_new(c, f->tag) : NULL;

		any = any || f->tag;
		if (!o)
			continue;
		show_log(sink_of(o), h, f->seen);
		f->seen = h->total;
		send_out(o);
		free(o);
	}
	if (any)
		loop_arm(c->options.loop, t, FOLLOW_MS);
}

static struct follower *find(struct console *c, uint64_t tag)
{
	for (unsigned int i = 0; i < FOLLOWERS_MAX; i++) {
		if (c->followers[i].tag == tag)
			return &c->followers[i];
	}
	return NULL;
}

static int answer_log(struct out *o, const json_t *request)
{
	struct console *c = o->console;
	const struct history *h = &c->options.service->history;
	struct follower *f;

	show_log(sink_of(o), h, history_first(h));
	if (!json_is_true(json_object_get(request, "follow")))
		return 0;
	f = find(c, 0);
	if (!f) {
		show_error(sink_of(o), "too many follow the log already");
		return 0;
	}
	f->tag = o->tag;
	f->seen = h->total;
	if (!timer_is_armed(&c->timer))
		loop_arm(c->options.loop, &c->timer, FOLLOW_MS);
	return 1;
}

/* The name of a question in lower case. 1 = it has one, 0 = none, -EINVAL and it was told. */
static int name_of(struct out *o, const json_t *request, struct name *ret_name)
{
	const json_t *value = json_object_get(request, "name");
	const char *text = json_string_value(value);
	char error[DOMAIN_TEXT_MAX + 64];

	if (!value)
		return 0;
	if (text && name_from_text(text, ret_name) == 0) {
		name_lower(ret_name->wire, ret_name->len);
		return 1;
	}
	snprintf(error, sizeof(error), "'%.255s' is no domain name", text ? text : "");
	show_error(sink_of(o), error);
	return -EINVAL;
}

/* --- looking up -------------------------------------------------------------------------- */

static void lookup_done(void *arg, const struct query *q, const struct answer *a, size_t len)
{
	struct console_lookup *l = arg;
	struct console *c = l->console;
	struct out *o = l->tag ? out_new(c, l->tag) : NULL;
	struct history_entry entry = { .owner.uid = UINT32_MAX };

	if (o) {
		reply_describe(q, a, &entry);
		show_lookup(sink_of(o), &entry, a->msg, len);
		send_out(o);
		free(o);
	}
	if (l->tag && l->asked)
		c->options.send(l->tag, NULL, 0);
	l->tag = 0;
	list_remove(&l->link);
	if (l->asked)
		free(l);
}

/* 1 = asked, and the answer will come; 0 = it came; -errno. */
static int lookup(struct console *c, uint64_t tag, const struct addr *client,
		  const struct name *name, uint16_t type)
{
	struct console_lookup *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->console = c;
	l->tag = tag;
	list_append(&c->lookups, &l->link);
	r = service_lookup(c->options.service, client, name, type, lookup_done, l);
	l->asked = true;
	if (r < 0) {
		list_remove(&l->link);
		l->tag = 0;
	}
	if (l->tag)
		return 1;
	free(l);
	return r;
}

static bool read_client(struct out *o, const json_t *request, struct addr *ret_addr)
{
	const json_t *value = json_object_get(request, "client");
	const char *text = json_string_value(value);

	if (value && (!text || addr_parse(text, ret_addr) < 0)) {
		show_error(sink_of(o), "the client is no IPv4 or IPv6 address");
		return false;
	}
	return true;
}

static bool read_type(struct out *o, const json_t *request, uint16_t *ret_type)
{
	const json_t *value = json_object_get(request, "type");
	const char *text = json_string_value(value);

	*ret_type = TYPE_A;
	if (value && (!text || dns_type_parse(text, ret_type) < 0)) {
		show_error(sink_of(o), "no such record type; write TYPE and its number");
		return false;
	}
	return true;
}

static const char *refusal(int status)
{
	switch (status) {
	case -EINVAL:
		return "that is not looked up (a transfer, or ANY)";
	case -EAGAIN:
		return "the configuration is still being read";
	case -ENOBUFS:
		return "too many queries are in flight";
	default:
		return strerror(-status);
	}
}

static int answer_lookup(struct out *o, const json_t *request)
{
	struct addr client = { 0 };
	struct name name;
	uint16_t type;
	int r = name_of(o, request, &name);

	if (r == 0)
		show_error(sink_of(o), "a name is needed");
	if (r <= 0 || !read_client(o, request, &client) || !read_type(o, request, &type))
		return 0;
	r = lookup(o->console, o->tag, addr_is_zero(&client) ? NULL : &client, &name, type);
	if (r >= 0)
		return r;
	show_error(sink_of(o), refusal(r));
	return 0;
}

/* --- the others -------------------------------------------------------------------------- */

static int answer_stats(struct out *o, const json_t *request)
{
	show_stats(sink_of(o), o->console->options.service);
	return 0;
}

static int answer_all(struct out *o, const json_t *request)
{
	const struct history *h = &o->console->options.service->history;

	show_stats(sink_of(o), o->console->options.service);
	show_log(sink_of(o), h, history_first(h));
	return 0;
}

static int answer_cache(struct out *o, const json_t *request)
{
	struct name name;
	int r = name_of(o, request, &name);

	if (r >= 0)
		show_cached(sink_of(o), o->console->options.service, r ? &name : NULL);
	return 0;
}

static int answer_flush(struct out *o, const json_t *request)
{
	struct name name;
	int r = name_of(o, request, &name);

	if (r >= 0)
		show_flushed(sink_of(o),
			     service_flush(o->console->options.service, r ? &name : NULL));
	return 0;
}

static const struct {
	const char *what;
	int (*answer)(struct out *o, const json_t *request); /* as console_ask() */
} questions[] = {
	{ "all", answer_all },	   { "stats", answer_stats }, { "log", answer_log },
	{ "cache", answer_cache }, { "flush", answer_flush }, { "lookup", answer_lookup },
};

int console_ask(struct console *c, uint64_t tag, const char *text, size_t len)
{
	json_t *request = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *what = json_string_value(json_object_get(request, "what"));
	struct out *o = out_new(c, tag);
	int r = o ? -ENOENT : -ENOMEM;

	for (size_t i = 0; o && what && i < sizeof(questions) / sizeof(questions[0]); i++) {
		if (strcmp(questions[i].what, what) == 0)
			r = questions[i].answer(o, request);
	}
	if (r == -ENOENT) {
		show_error(sink_of(o), "no such question to the resolver");
		r = 0;
	}
	if (o)
		send_out(o);
	free(o);
	json_decref(request);
	return r;
}

void console_forget(struct console *c, uint64_t tag)
{
	struct follower *f = tag ? find(c, tag) : NULL;

	if (f)
		f->tag = 0;
	list_for_each_safe(pos, next, &c->lookups) {
		struct console_lookup *l = container_of(pos, struct console_lookup, link);

		if (l->tag == tag)
			l->tag = 0;
	}
}

int console_new(const struct console_options *options, struct console **ret_console)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->options = *options;
	timer_init(&c->timer, follow);
	list_init(&c->lookups);
	*ret_console = c;
	return 0;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	loop_disarm(&c->timer);
	list_for_each_safe(pos, next, &c->lookups)
		free(container_of(pos, struct console_lookup, link));
	free(c);
}
