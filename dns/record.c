// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Record data as text. A type is a list of fields; data that does not consist of just these is
 * shown as bytes.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "base/addr.h"
#include "dns/record.h"

/* n: a name; s, l: numbers of 16 and 32 bits; 4, 6: addresses; t: strings up to the end. */
static const struct {
	uint16_t type;
	const char *fields;
} types[] = {
	{ 1, "4" },   { 2, "n" },  { 5, "n" },	{ 6, "nnlllll" }, { 12, "n" },
	{ 15, "sn" }, { 16, "t" }, { 28, "6" }, { 33, "sssn" },	  { 39, "n" },
};

struct text {
	char *buf;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
	size_t room = RECORD_TEXT_MAX - t->used;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(t->buf + t->used, room, format, ap);
	va_end(ap);
	if (n > 0)
		t->used += (size_t)n < room ? (size_t)n : room - 1;
}

/* NULL = not known */
static const char *fields_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].type == type)
			return types[i].fields;
	}
	return NULL;
}

static void add_string(struct text *t, const uint8_t *p, size_t len)
{
	add(t, "\"");
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			add(t, "\\%c", p[i]);
		else if (p[i] < ' ' || p[i] > '~')
			add(t, "\\%03u", p[i]);
		else
			add(t, "%c", p[i]);
	}
	add(t, "\"");
}

/* The strings of a TXT, each with its length before it. Bytes taken, or -EBADMSG. */
static ssize_t add_strings(struct text *t, const uint8_t *p, size_t left)
{
	size_t at = 0;

	while (at < left) {
		if (p[at] >= left - at)
			return -EBADMSG;
		if (at)
			add(t, " ");
		add_string(t, p + at + 1, p[at]);
		at += 1 + (size_t)p[at];
	}
	return (ssize_t)at;
}

static ssize_t add_name(struct text *t, const uint8_t *msg, size_t len, size_t at)
{
	char text[DOMAIN_TEXT_MAX];
	struct name name;
	ssize_t bytes = name_parse(msg, len, at, &name);

	if (bytes > 0)
		add(t, "%s%s", name_format(&name, text, sizeof(text)), name.len > 1 ? "." : "");
	return bytes;
}

/* One field at `at`, of which `left` bytes are the record's. Bytes taken, or -EBADMSG. */
static ssize_t add_field(struct text *t, char field, const uint8_t *msg, size_t len, size_t at,
			 size_t left)
{
	size_t need = field == '6' ? 16 : field == '4' || field == 'l' ? 4 : field == 's' ? 2 : 0;
	char text[ADDR_TEXT_MAX];
	struct addr addr;
	__be32 v4;

	if (left < need)
		return -EBADMSG;
	switch (field) {
	case 'n':
		return add_name(t, msg, len, at);
	case 't':
		return add_strings(t, msg + at, left);
	case '4':
		memcpy(&v4, msg + at, sizeof(v4));
		addr = addr_from_v4(v4);
		add(t, "%s", addr_format(&addr, text));
		break;
	case '6':
		addr = addr_from_v6(msg + at);
		add(t, "%s", addr_format(&addr, text));
		break;
	default:
		add(t, "%u", field == 's' ? msg_get16(msg + at) : msg_get32(msg + at));
	}
	return (ssize_t)need;
}

/* False: the data is not what its type says. */
static bool add_fields(struct text *t, const uint8_t *msg, size_t len, const struct msg_record *r)
{
	const char *field = fields_of(r->type);
	size_t at = r->rdata, end = r->rdata + r->rdata_len;

	for (; field && *field; field++) {
		ssize_t bytes;

		if (t->used)
			add(t, " ");
		bytes = add_field(t, *field, msg, len, at, end - at);
		if (bytes < 0 || (size_t)bytes > end - at)
			return false;
		at += (size_t)bytes;
	}
	return field && at == end;
}

const char *record_text(const uint8_t *msg, size_t len, const struct msg_record *r,
			char buf[RECORD_TEXT_MAX])
{
	struct text t = { .buf = buf };

	buf[0] = '\0';
	if (add_fields(&t, msg, len, r))
		return buf;
	t.used = 0;
	add(&t, "\\# %u ", r->rdata_len);
	for (size_t i = 0; i < r->rdata_len; i++)
		add(&t, "%02x", msg[r->rdata + i]);
	return buf;
}
