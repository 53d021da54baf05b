// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Errors, collected and put in the order of lines, and the walk through sections, lists and
 * named things. What the kinds of scalars are is in scalar.c and its neighbours.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reader.h"

#define TOLD_TEXT_MAX 400
#define WORD_MAX 40 /* longer ones are near nothing */

struct told {
	unsigned int line;
	unsigned int order; /* those of one line stay as they were found */
	bool warning;
	char text[TOLD_TEXT_MAX];
};

/* --- errors ------------------------------------------------------------------------------- */

void reader_init(struct reader *r, const char *file, struct conf *conf, struct conf_errors *errors)
{
	memset(r, 0, sizeof(*r));
	r->file = file;
	r->conf = conf;
	r->errors = errors;
	errors->num = 0;
	errors->warnings = 0;
	errors->used = 0;
	errors->text[0] = '\0';
}

/* Room for one more. Errors push warnings out, the first ones stay. */
static struct told *told_room(struct reader *r, bool warning)
{
	struct told *t;

	if (r->told_num < CONF_ERRORS_MAX) {
		t = reader_alloc(r, 1, sizeof(*t));
		if (t)
			r->told[r->told_num++] = t;
		return t;
	}
	for (unsigned int i = 0; !warning && i < CONF_ERRORS_MAX; i++)
		if (r->told[i]->warning)
			return r->told[i];
	return NULL;
}

static void tell(struct reader *r, bool warning, unsigned int line, const char *path,
		 const char *fmt, va_list args)
{
	struct told *t;
	int len = 0;

	if (warning)
		r->warnings++;
	else
		r->errors_num++;
	t = told_room(r, warning);
	if (!t)
		return;
	t->line = line;
	t->order = r->warnings + r->errors_num;
	t->warning = warning;
	if (*path)
		len = snprintf(t->text, sizeof(t->text), "%s: ", path);
	vsnprintf(t->text + len, sizeof(t->text) - (size_t)len, fmt, args);
}

void reader_error(struct reader *r, const struct node *n, const char *fmt, ...)
{
	char path[TREE_PATH_MAX];
	va_list args;

	va_start(args, fmt);
	tell(r, false, n->line, node_path(n, path), fmt, args);
	va_end(args);
}

void reader_warn(struct reader *r, const struct node *n, const char *fmt, ...)
{
	char path[TREE_PATH_MAX];
	va_list args;

	va_start(args, fmt);
	tell(r, true, n->line, node_path(n, path), fmt, args);
	va_end(args);
}

void reader_error_line(struct reader *r, unsigned int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(r, false, line, "", fmt, args);
	va_end(args);
}

void reader_warn_line(struct reader *r, unsigned int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(r, true, line, "", fmt, args);
	va_end(args);
}

/* A line that does not fit is left out whole. */
static void add_text(struct conf_errors *e, const char *text, size_t len)
{
	if (len >= sizeof(e->text) - e->used)
		return;
	memcpy(e->text + e->used, text, len + 1);
	e->used += len;
}

void conf_errors_add(struct conf_errors *e, const char *fmt, ...)
{
	char text[TOLD_TEXT_MAX + 512];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text) - 1, fmt, args);
	va_end(args);
	if (len < 0)
		return;
	len = len < (int)sizeof(text) - 2 ? len : (int)sizeof(text) - 2;
	text[len] = '\n';
	text[len + 1] = '\0';
	e->num++;
	add_text(e, text, (size_t)len + 1);
}

static int by_line(const void *a, const void *b)
{
	const struct told *x = *(const struct told *const *)a;
	const struct told *y = *(const struct told *const *)b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void write_line(struct conf_errors *e, const char *file, const struct told *t)
{
	char line[16] = "", text[TOLD_TEXT_MAX + 512];
	int len;

	if (t->line)
		snprintf(line, sizeof(line), ":%u", t->line);
	len = snprintf(text, sizeof(text), "%.400s%s: %s%s\n", file, line,
		       t->warning ? "warning: " : "", t->text);
	add_text(e, text, (size_t)len);
}

int reader_done(struct reader *r)
{
	struct conf_errors *e = r->errors;

	if (r->told_num)
		qsort(r->told, r->told_num, sizeof(r->told[0]), by_line);
	/* errors first get the room, were there too many of both */
	for (unsigned int i = 0; i < r->told_num; i++)
		if (!r->told[i]->warning || !r->errors_num)
			write_line(e, r->file, r->told[i]);
	for (unsigned int i = 0; r->errors_num && i < r->told_num; i++)
		if (r->told[i]->warning)
			write_line(e, r->file, r->told[i]);
	e->num = r->errors_num;
	e->warnings = r->warnings;
	while (r->told_num)
		free(r->told[--r->told_num]);
	if (r->no_memory)
		return -ENOMEM;
	return r->errors_num ? -EINVAL : 0;
}

void *reader_alloc(struct reader *r, size_t num, size_t size)
{
	void *p = calloc(num ? num : 1, size);

	if (!p)
		r->no_memory = true;
	return p;
}

char *reader_copy(struct reader *r, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		r->no_memory = true;
	return copy;
}

/* --- what was expected -------------------------------------------------------------------- */

static void words_text(const struct key *k, char *buf, size_t size)
{
	size_t used = (size_t)snprintf(buf, size, "one of");

	for (size_t i = 0; i < k->words_num && used < size; i++)
		if (k->words[i])
			used += (size_t)snprintf(buf + used, size - used, "%s %s",
						 used > 6 ? "," : "", k->words[i]);
}

static void expected_text(const struct key *k, char *buf, size_t size)
{
	const struct kind *kind = k->of ? k->of : k->kind;

	if (k->words)
		words_text(k, buf, size);
	else if (kind == &kind_number)
		snprintf(buf, size, "a number from %" PRId64 " to %" PRId64, k->min, k->max);
	else if (kind == &kind_bytes)
		snprintf(buf, size,
			 "a size from %" PRId64 " to %" PRId64 " bytes, with K, M or G if you like",
			 k->min, k->max);
	else if (kind == &kind_ms)
		snprintf(buf, size, "a time from %" PRId64 "ms to %" PRId64 "s (ms, s, m, h, d)",
			 k->min, k->max / 1000);
	else if (kind == &kind_seconds)
		snprintf(buf, size, "a time from %" PRId64 "s to %" PRId64 "s (s, m, h, d)", k->min,
			 k->max);
	else
		snprintf(buf, size, "%s", kind->expected ? kind->expected : "another value");
}

/* Levenshtein's distance of two short words, without regard to '_' and '-'. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1];
	size_t alen = strlen(a), blen = strlen(b);

	if (alen > WORD_MAX || blen > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= blen; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= alen; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= blen; j++) {
			unsigned int change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			if (change < row[j])
				row[j] = change;
		}
	}
	return row[blen];
}

const char *near_text(const char *text, const char *const *words, size_t num,
		      char buf[NEAR_TEXT_MAX])
{
	size_t len = strlen(text);
	unsigned int best = len < 4 ? 2 : len < 8 ? 3 : 4;
	const char *word = NULL;

	for (size_t i = 0; i < num; i++) {
		unsigned int d = words[i] ? distance(text, words[i]) : WORD_MAX;

		if (d < best) {
			best = d;
			word = words[i];
		}
	}
	buf[0] = '\0';
	if (word)
		snprintf(buf, NEAR_TEXT_MAX, ", did you mean '%s'?", word);
	return buf;
}

bool reader_refuse(struct reader *r, const struct node *n, const struct key *k, const char *why)
{
	char expected[TOLD_TEXT_MAX / 2], shown[TREE_SHOWN_MAX], near[NEAR_TEXT_MAX] = "";

	if (n->kind == NODE_BAD)
		return false;
	expected_text(k, expected, sizeof(expected));
	if (n->kind != NODE_SCALAR) {
		reader_error(r, n, "a %s, expected %s", n->kind == NODE_LIST ? "list" : "mapping",
			     expected);
	} else if (node_is_empty(n)) {
		reader_error(r, n, "no value, expected %s", expected);
	} else {
		if (k->words)
			near_text(n->text, k->words, k->words_num, near);
		reader_error(r, n, "'%s' %s, expected %s%s", text_shown(n->text, shown), why,
			     expected, near);
	}
	return false;
}

/* --- sections ----------------------------------------------------------------------------- */

const struct key *section_key(const struct section *s, const char *name)
{
	for (size_t i = 0; i < s->num; i++)
		if (!strcmp(s->keys[i].name, name))
			return &s->keys[i];
	return NULL;
}

static const struct section *section_below(const struct section *s, const char *name)
{
	for (size_t i = 0; i < s->num; i++)
		if (s->keys[i].kind == &kind_section && section_key(s->keys[i].section, name))
			return s->keys[i].section;
	return NULL;
}

static void refuse_unknown(struct reader *r, const struct section *s, const struct node *n)
{
	char near[2 * NEAR_TEXT_MAX], shown[TREE_SHOWN_MAX];
	const char *words[TREE_KEYS_MAX];
	const struct section *below;

	for (size_t i = 0; s->unbuilt && s->unbuilt[i]; i++)
		if (!strcmp(s->unbuilt[i], n->key)) {
			reader_error(r, n, "'%s' is not built yet", n->key);
			return;
		}
	for (size_t i = 0; i < s->num; i++)
		words[i] = s->keys[i].name;
	near_text(n->key, words, s->num, near);
	below = near[0] ? NULL : section_below(s, n->key);
	if (below)
		snprintf(near, sizeof(near), ", it belongs to %s", below->what);
	else if (!near[0])
		for (size_t i = 0, used = 0; i < s->num && used < sizeof(near); i++)
			used += (size_t)snprintf(near + used, sizeof(near) - used, "%s %s",
						 i ? "," : ", expected", words[i]);
	reader_error(r, n, "no such key '%s' of %s%s", text_shown(n->key, shown), s->what, near);
}

/* A standard in brackets is a list of YAML, any other one value. */
static void take_standard(struct reader *r, const struct key *k, void *to)
{
	struct node scalar = { .kind = NODE_SCALAR, .plain = true, .text = (char *)k->standard };
	struct tree tree;
	int err;

	if (k->standard[0] != '[') {
		k->kind->take(r, &scalar, k, to);
		return;
	}
	err = tree_read(&tree, r, k->standard, strlen(k->standard));
	if (err)
		r->no_memory = true; /* our own text is good YAML */
	else
		k->kind->take(r, tree.root, k, to);
	tree_free(&tree);
}

static void key_read(struct reader *r, struct node *map, const struct key *k, void *to)
{
	void *at = k->count_size || k->kind == &kind_bits ? to : (char *)to + k->offset;
	struct node *n = node_find(map, k->name);

	if (n)
		n->taken = true;
	if (n && n->kind == NODE_BAD)
		return;
	if (k->kind == &kind_section)
		section_read(r, n, k->section, at);
	else if (n && !k->kind->take(r, n, k, at))
		n->kind = NODE_BAD; /* for who looks at several keys together */
	else if (n)
		r->conf->given |= k->given;
	else if (!n && k->standard)
		take_standard(r, k, at);
	if (k->after)
		k->after(r, n, to);
}

void section_read(struct reader *r, struct node *n, const struct section *s, void *to)
{
	bool bad = n && n->kind != NODE_MAP && !node_is_empty(n);

	if (bad && n->kind != NODE_BAD)
		reader_error(r, n, "expected the keys of %s", s->what);
	if (bad)
		return;
	for (size_t i = 0; i < s->num; i++)
		key_read(r, n, &s->keys[i], to);
	for (struct node *child = n && n->kind == NODE_MAP ? n->first : NULL; child;
	     child = child->next)
		if (!child->taken)
			refuse_unknown(r, s, child);
	if (s->done)
		s->done(r, n, to);
}

const struct kind kind_section = { .expected = "a mapping" };

/* --- lists and names ---------------------------------------------------------------------- */

static size_t count_get(const struct key *k, const void *to)
{
	const void *at = (const char *)to + k->count;

	return k->count_size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const size_t *)at;
}

static void count_set(const struct key *k, void *to, size_t num)
{
	void *at = (char *)to + k->count;

	if (k->count_size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)num;
	else
		*(size_t *)at = num;
}

/* Where the next ones go. NULL: no memory. */
static char *list_room(struct reader *r, const struct key *k, void *to, size_t num)
{
	char *at = (char *)to + k->offset;

	if (k->fixed)
		return at + count_get(k, to) * k->size;
	if (*(void **)at)
		return NULL; /* no two keys share a list that is allocated */
	*(void **)at = reader_alloc(r, num, k->size);
	return *(void **)at;
}

static bool item_take(struct reader *r, struct node *n, const struct key *k, char *to)
{
	if (k->lined)
		*(unsigned int *)(to + k->line) = n->line;
	if (!k->section)
		return k->of->take(r, n, k, to);
	section_read(r, n, k->section, to);
	return n->kind != NODE_BAD;
}

static bool list_is_too_long(struct reader *r, const struct node *n, const struct key *k,
			     const void *to)
{
	size_t had = k->fixed ? count_get(k, to) : 0;
	size_t num = n->kind == NODE_SCALAR ? 1 : n->num;

	if (had + num <= (size_t)k->max)
		return false;
	reader_error(r, n, "%zu of them, expected %" PRId64 " at most", had + num, k->max);
	return true;
}

/* A list, or a scalar for a list of one. */
static bool take_list(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct node *item = n->kind == NODE_LIST ? n->first : n;
	size_t num = n->kind == NODE_LIST ? n->num : 1;
	unsigned int errors = r->errors_num;
	char *at;

	if (n->kind != NODE_LIST && node_is_empty(n))
		return true;
	if (k->section ? n->kind != NODE_LIST : n->kind == NODE_MAP) {
		reader_error(r, n, "expected a list");
		return false;
	}
	if (list_is_too_long(r, n, k, to))
		return false;
	at = list_room(r, k, to, num);
	for (; at && num; num--, item = item->next)
		if (item->kind != NODE_BAD && item_take(r, item, k, at)) {
			at += k->size;
			count_set(k, to, count_get(k, to) + 1);
		}
	return r->errors_num == errors;
}

const struct kind kind_list = { .take = take_list, .expected = "a list" };

static bool take_bits(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct node *item = n->kind == NODE_LIST ? n->first : n;
	unsigned int errors = r->errors_num;
	uint64_t bits = 0;

	for (; item; item = n->kind == NODE_LIST ? item->next : NULL) {
		uint32_t bit = 0;

		if (item->kind != NODE_BAD && k->of->take(r, item, k, &bit))
			bits |= 1ULL << (bit & 63);
	}
	if (k->size == sizeof(uint32_t))
		*(uint32_t *)((char *)to + k->offset) = (uint32_t)bits;
	else
		*(uint64_t *)((char *)to + k->offset) = bits;
	return r->errors_num == errors;
}

const struct kind kind_bits = { .take = take_bits, .expected = "a list" };

static bool take_named(struct reader *r, struct node *n, const struct key *k, void *to)
{
	unsigned int errors = r->errors_num;
	char *at;

	if (node_is_empty(n))
		return true;
	if (n->kind != NODE_MAP) {
		reader_error(r, n, "expected a mapping of names");
		return false;
	}
	if (list_is_too_long(r, n, k, to))
		return false;
	at = list_room(r, k, to, n->num);
	for (struct node *item = n->first; at && item; item = item->next) {
		struct node name = { .kind = NODE_SCALAR,
				     .line = item->line,
				     .parent = n,
				     .key = item->key,
				     .text = item->key };

		item->taken = true;
		if (item->kind == NODE_BAD ||
		    !(k->section ? &kind_name : &kind_device)->take(r, &name, k, at))
			continue;
		if (item_take(r, item, k, at)) {
			at += k->size;
			count_set(k, to, count_get(k, to) + 1);
		}
	}
	return r->errors_num == errors;
}

const struct kind kind_named = { .take = take_named, .expected = "a mapping of names" };
