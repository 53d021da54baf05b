// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The section `capture`: devices by name or pattern, marks, and what they say together. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reader.h"

#define LOOPBACK "lo"

static bool is_text(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->text[0] && !node_is_empty(n);
}

/* --- devices ------------------------------------------------------------------------------ */

static bool take_point_name(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_text(n) || strlen(n->text) >= sizeof(((struct conf_point *)0)->name) ||
	    !strcmp(n->text, ".") || !strcmp(n->text, "..") || strpbrk(n->text, "/: \t\r\n"))
		return reader_refuse(r, n, k, "is neither");
	if (!strcmp(n->text, LOOPBACK)) {
		reader_error(r, n, "'%s' is captured by `loopback`", LOOPBACK);
		return false;
	}
	memcpy(to, n->text, strlen(n->text) + 1);
	return true;
}

const struct kind kind_point_name = {
	.take = take_point_name,
	.expected = "the name of a network device or a pattern (* ? [...]), at most 15 characters"
};

/* A name alone, or the keys of section_point. */
static bool take_point(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct conf_point *p = to;

	if (n->kind == NODE_MAP)
		section_read(r, n, &section_point, to);
	else if (n->kind == NODE_SCALAR)
		return take_point_name(r, n, k, p->name);
	else
		return reader_refuse(r, n, k, "is neither");
	return n->kind != NODE_BAD;
}

const struct kind kind_point = {
	.take = take_point, .expected = "a network device, a pattern (* ? [...]), or {name: ...}"
};

void point_done(struct reader *r, struct node *n, void *to)
{
	struct conf_point *p = to;

	if (p->name[0] || node_find(n, "name"))
		return;
	reader_error(r, n, "no name, expected {name: DEVICE}");
	n->kind = NODE_BAD;
}

static const struct key uplink_list = {
	.kind = &kind_list,
	.of = &kind_point_name,
	.offset = offsetof(struct conf_capture, uplink),
	.size = sizeof(struct conf_point),
	.count = offsetof(struct conf_capture, uplinks),
	.count_size = sizeof(((struct conf_capture *)0)->uplinks),
	.max = CONF_UPLINKS_MAX,
	.line = offsetof(struct conf_point, line),
	.lined = true,
};

/* `to` is the section's structure: the key has no place of its own. */
static bool take_uplinks(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct conf_capture *c = to;

	if (is_text(n) && !strcmp(n->text, "auto")) {
		c->uplinks_mode = CONF_UPLINKS_AUTO;
		return true;
	}
	if (is_text(n) && !strcmp(n->text, "none")) {
		c->uplinks_mode = CONF_UPLINKS_NONE;
		return true;
	}
	if (n->kind == NODE_MAP || (n->kind == NODE_SCALAR && !is_text(n)))
		return reader_refuse(r, n, k, "is neither");
	c->uplinks_mode = CONF_UPLINKS_NAMED;
	return kind_list.take(r, n, &uplink_list, to);
}

const struct kind kind_uplinks = { .take = take_uplinks,
				   .expected = "auto, none, or a list of devices" };

/* --- marks -------------------------------------------------------------------------------- */

/* A number as C writes it. NULL: none, or of more than 32 bits. */
static const char *number32(const char *text, uint32_t *ret_n)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || n > UINT32_MAX)
		return NULL;
	*ret_n = (uint32_t)n;
	return end;
}

static bool take_mark(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct pass_mark m = { .mask = UINT32_MAX };
	const char *end = is_text(n) ? number32(n->text, &m.value) : NULL;

	if (end && *end == '/')
		end = number32(end + 1, &m.mask);
	if (!end || *end)
		return reader_refuse(r, n, k, "is no mark");
	if (!m.mask || (m.value & ~m.mask))
		return reader_refuse(r, n, k, "can never match: its value lies outside its mask");
	*(struct pass_mark *)to = m;
	return true;
}

const struct kind kind_mark = { .take = take_mark,
				.expected = "VALUE or VALUE/MASK, such as 0x10/0xff" };

/* --- together ----------------------------------------------------------------------------- */

/* Packets without a mark, and those that say they are ours, would all go by unseen. */
static void check_marks(struct reader *r, struct node *n, const struct conf_capture *c)
{
	struct node *list = node_find(n, "pass-marks");

	for (uint32_t i = 0; list && i < c->pass_marks; i++) {
		const struct pass_mark *m = &c->pass_mark[i];

		if (!m->value)
			reader_error(r, list, "0x0/0x%x is what packets without a mark have",
				     m->mask);
		else if ((HEADRACE_MARK & m->mask) == m->value)
			reader_error(r, list, "0x%x/0x%x is the mark of Headrace's own sockets",
				     m->value, m->mask);
	}
}

void capture_done(struct reader *r, struct node *n, void *to)
{
	struct conf_capture *c = to;

	if (!n || node_is_empty(n))
		return;
	/* one way is enough unless both are asked for */
	if (c->route.way != CONF_ROUTE_NONE && !node_find(n, "uplinks"))
		c->uplinks_mode = CONF_UPLINKS_NONE;
	r->conf->given |= CONF_GIVEN_CAPTURE;
	check_marks(r, n, c);
}
