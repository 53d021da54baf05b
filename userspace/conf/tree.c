// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libyaml's events become nodes. Everything is bounded: the text by who gives it, the depth, the
 * number of nodes, the keys of a mapping (each is compared with those before it).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "conf/reader.h"
#include "conf/tree.h"

/* The tree as it grows. */
struct builder {
	struct reader *r;
	struct tree *tree;
	struct node *at; /* the list or mapping that is open, NULL: none */
	unsigned int depth;
	unsigned int documents;
	char *key; /* read, its value not yet; owned */
	unsigned int key_line;
	bool key_bad;
};

static unsigned int line_of(const yaml_mark_t *mark)
{
	return (unsigned int)mark->line + 1;
}

static int fatal(struct builder *b, unsigned int line, const char *text)
{
	reader_error_line(b->r, line, "%s", text);
	return -EINVAL;
}

static char *copy_text(const yaml_char_t *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

static struct node *node_new(struct tree *t)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->all_next = t->all;
	t->all = n;
	t->num++;
	return n;
}

struct node *node_find(const struct node *map, const char *key)
{
	if (!map || map->kind != NODE_MAP)
		return NULL;
	for (struct node *n = map->first; n; n = n->next)
		if (!strcmp(n->key, key))
			return n;
	return NULL;
}

static void link_child(struct node *parent, struct node *n)
{
	n->index = parent->num++;
	if (parent->last)
		parent->last->next = n;
	else
		parent->first = n;
	parent->last = n;
}

/* Gives `n` the key that was read before it. */
static int take_key(struct builder *b, struct node *n)
{
	const struct node *before = node_find(b->at, b->key);

	n->key = b->key;
	n->line = b->key_line;
	b->key = NULL;
	if (before)
		reader_error(b->r, n, "given twice, first on line %u", before->line);
	if (before || b->key_bad)
		n->kind = NODE_BAD;
	if (b->at->num == TREE_KEYS_MAX)
		return fatal(b, n->line, "more keys than a mapping may have");
	if (!before)
		link_child(b->at, n);
	return 0;
}

/* A node at the place where the parser is; *ret_node is part of the tree. */
static int add_node(struct builder *b, enum node_kind kind, const yaml_event_t *e,
		    struct node **ret_node)
{
	unsigned int line = line_of(&e->start_mark);
	struct node *n;

	if (b->tree->num == TREE_NODES_MAX)
		return fatal(b, line, "more values than a file may have");
	n = node_new(b->tree);
	if (!n)
		return -ENOMEM;
	n->kind = kind;
	n->line = line;
	n->parent = b->at;
	*ret_node = n;
	if (!b->at)
		b->tree->root = n;
	else if (b->at->kind == NODE_LIST || !b->key)
		link_child(b->at, n);
	else
		return take_key(b, n);
	return 0;
}

static bool wants_key(const struct builder *b)
{
	return b->at && b->at->kind != NODE_LIST && !b->key;
}

static int read_key(struct builder *b, const yaml_event_t *e)
{
	size_t len = e->data.scalar.length;

	b->key_line = line_of(&e->start_mark);
	b->key_bad = !len || len > TREE_SCALAR_MAX || memchr(e->data.scalar.value, 0, len);
	b->key = copy_text(e->data.scalar.value, len > TREE_SCALAR_MAX ? 0 : len);
	if (!b->key)
		return -ENOMEM;
	if (b->key_bad)
		reader_error_line(b->r, b->key_line, "a key that is empty, too long or has a NUL");
	return 0;
}

static int read_scalar(struct builder *b, const yaml_event_t *e)
{
	size_t len = e->data.scalar.length;
	struct node *n;
	int err;

	if (wants_key(b))
		return read_key(b, e);
	err = add_node(b, NODE_SCALAR, e, &n);
	if (err)
		return err;
	n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (len > TREE_SCALAR_MAX || (len && memchr(e->data.scalar.value, 0, len))) {
		reader_error(b->r, n, "a value that is longer than %d bytes or has a NUL",
			     TREE_SCALAR_MAX);
		n->kind = NODE_BAD;
		len = 0;
	}
	n->text = copy_text(e->data.scalar.value, len);
	return n->text ? 0 : -ENOMEM;
}

static int read_alias(struct builder *b, const yaml_event_t *e)
{
	struct node *n;
	int err;

	if (wants_key(b))
		return fatal(b, line_of(&e->start_mark), "an alias as a key, expected a name");
	err = add_node(b, NODE_BAD, e, &n);
	if (!err)
		reader_error(b->r, n, "aliases (*name) are not taken, expected the value itself");
	return err;
}

/* A mapping that is marked bad (a key given twice) stays so; its end is found by `at` alone. */
static int read_begin(struct builder *b, enum node_kind kind, const yaml_event_t *e)
{
	struct node *n;
	int err;

	if (wants_key(b))
		return fatal(b, line_of(&e->start_mark),
			     "a list or a mapping as a key, expected a name");
	if (b->depth == TREE_DEPTH_MAX)
		return fatal(b, line_of(&e->start_mark), "nested too deeply");
	err = add_node(b, kind, e, &n);
	if (err)
		return err;
	if (n->kind == NODE_BAD && kind == NODE_LIST)
		n->kind = NODE_LIST; /* it is in no mapping: read like any, looked at by nobody */
	b->at = n;
	b->depth++;
	return 0;
}

static int read_end(struct builder *b)
{
	if (!b->at)
		return -EINVAL; /* the parser would not have it */
	b->at = b->at->parent;
	b->depth--;
	return 0;
}

static const yaml_char_t *anchor_of(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

static const yaml_char_t *tag_of(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.tag;
	default:
		return NULL;
	}
}

static void refuse_extras(struct builder *b, const yaml_event_t *e)
{
	unsigned int line = line_of(&e->start_mark);

	if (anchor_of(e))
		reader_error_line(b->r, line, "anchors (&name) are not taken, expected a value");
	if (tag_of(e))
		reader_error_line(b->r, line, "tags (!name) are not taken, expected a value");
}

static int read_event(struct builder *b, const yaml_event_t *e)
{
	refuse_extras(b, e);
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (b->documents++)
			return fatal(b, line_of(&e->start_mark),
				     "a second document, expected one in a file");
		return 0;
	case YAML_ALIAS_EVENT:
		return read_alias(b, e);
	case YAML_SCALAR_EVENT:
		return read_scalar(b, e);
	case YAML_SEQUENCE_START_EVENT:
		return read_begin(b, NODE_LIST, e);
	case YAML_MAPPING_START_EVENT:
		return read_begin(b, NODE_MAP, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return read_end(b);
	default:
		return 0;
	}
}

static int tell_syntax(struct builder *b, const yaml_parser_t *p)
{
	unsigned int line = line_of(&p->problem_mark);

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR) {
		reader_error_line(b->r, 0, "not UTF-8 text at byte %zu: %s", p->problem_offset,
				  p->problem ? p->problem : "unreadable");
		return -EINVAL;
	}
	reader_error_line(b->r, line, "not YAML: %s%s%s, expected 'key: value' lines",
			  p->context ? p->context : "", p->context ? ", " : "",
			  p->problem ? p->problem : "cannot be parsed");
	return -EINVAL;
}

static int read_events(struct builder *b, yaml_parser_t *p)
{
	bool end = false;
	int err = 0;

	while (!err && !end) {
		yaml_event_t e;

		if (!yaml_parser_parse(p, &e))
			return tell_syntax(b, p);
		end = e.type == YAML_STREAM_END_EVENT;
		err = read_event(b, &e);
		yaml_event_delete(&e);
	}
	return err;
}

int tree_read(struct tree *t, struct reader *r, const char *text, size_t len)
{
	struct builder b = { .r = r, .tree = t };
	yaml_parser_t p;
	int err;

	memset(t, 0, sizeof(*t));
	if (!yaml_parser_initialize(&p))
		return -ENOMEM;
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)(text ? text : ""), len);
	err = read_events(&b, &p);
	yaml_parser_delete(&p);
	free(b.key);
	return err;
}

void tree_free(struct tree *t)
{
	while (t->all) {
		struct node *n = t->all;

		t->all = n->all_next;
		free(n->key);
		free(n->text);
		free(n);
	}
	t->root = NULL;
}

bool node_is_empty(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->plain &&
	       (!n->text[0] || !strcmp(n->text, "~") || !strcmp(n->text, "null"));
}

static bool children_eq(const struct node *a, const struct node *b)
{
	const struct node *other = b->first;

	if (a->num != b->num)
		return false;
	for (const struct node *n = a->first; n; n = n->next) {
		if (a->kind == NODE_MAP)
			other = node_find(b, n->key);
		if (!other || !node_eq(n, other))
			return false;
		other = other->next;
	}
	return true;
}

/* Recursion ends: TREE_DEPTH_MAX. */
bool node_eq(const struct node *a, const struct node *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == NODE_SCALAR ? !strcmp(a->text, b->text) : children_eq(a, b);
}

const char *text_shown(const char *text, char buf[TREE_SHOWN_MAX])
{
	size_t len = 0;

	for (; len < TREE_SHOWN_MAX - 4 && text[len]; len++)
		buf[len] = (char)(text[len] < ' ' || text[len] > '~' ? '?' : text[len]);
	snprintf(buf + len, TREE_SHOWN_MAX - len, "%s", text[len] ? "..." : "");
	return buf;
}

const char *node_path(const struct node *n, char buf[TREE_PATH_MAX])
{
	const struct node *way[TREE_DEPTH_MAX + 1];
	char key[TREE_SHOWN_MAX];
	unsigned int num = 0;
	size_t used = 0;

	buf[0] = '\0';
	for (; n->parent && num <= TREE_DEPTH_MAX; n = n->parent)
		way[num++] = n;
	while (num && used < TREE_PATH_MAX) {
		n = way[--num];
		if (n->key)
			used += (size_t)snprintf(buf + used, TREE_PATH_MAX - used, "%s%s",
						 used ? "." : "", text_shown(n->key, key));
		else
			used += (size_t)snprintf(buf + used, TREE_PATH_MAX - used, "[%u]",
						 n->index);
	}
	return buf;
}
