// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Wire names. Parsing copies label by label into an uncompressed name; what bounds it is
 * the 255 octets of the result and the rule that a pointer leads strictly backwards, to a run
 * of labels that starts and ends in front of the run that it ends (RFC 1035 section 4.1.4:
 * "prior occurrence"). So what a name is never depends on bytes behind it.
 * Label types other than 00 and 11 (RFC 6891 section 5: obsolete) are refused.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "dns/name.h"

#define POINTER_BITS 0xc0

/* Where the walk through a possibly compressed name stands. */
struct walk {
	const uint8_t *msg;
	size_t pos;
	size_t run_start; /* a pointer must lead before this */
	size_t limit; /* the run must end before this */
	size_t end; /* behind the name where it was met; 0 = no pointer followed yet */
};

static int follow_pointer(struct walk *w)
{
	size_t target;

	if (w->pos + 2 > w->limit)
		return -EBADMSG;
	target = (size_t)(w->msg[w->pos] & ~POINTER_BITS) << 8 | w->msg[w->pos + 1];
	if (target >= w->run_start)
		return -EBADMSG;
	if (!w->end)
		w->end = w->pos + 2;
	w->pos = target;
	w->limit = w->run_start;
	w->run_start = target;
	return 0;
}

/* Appends the label at w->pos. 1 = it was the root label, 0 = go on, -EBADMSG. */
static int take_label(struct walk *w, struct name *name)
{
	size_t bytes = 1U + w->msg[w->pos];

	if (bytes > 1U + NAME_LABEL_MAX || w->pos + bytes > w->limit)
		return -EBADMSG;
	/* A label but the root needs room for the root behind it. */
	if (name->len + bytes + (bytes > 1) > NAME_WIRE_MAX)
		return -EBADMSG;
	memcpy(name->wire + name->len, w->msg + w->pos, bytes);
	name->len += (uint8_t)bytes;
	w->pos += bytes;
	return bytes == 1;
}

ssize_t name_parse(const uint8_t *msg, size_t len, size_t offset, struct name *ret_name)
{
	struct walk w = { .msg = msg, .pos = offset, .run_start = offset, .limit = len };
	struct name name;
	int r = 0;

	name.len = 0;
	while (r == 0) {
		if (w.pos >= w.limit)
			return -EBADMSG;
		if ((w.msg[w.pos] & POINTER_BITS) == POINTER_BITS)
			r = follow_pointer(&w);
		else
			r = take_label(&w, &name);
	}
	if (r < 0)
		return r;
	ret_name->len = name.len;
	memcpy(ret_name->wire, name.wire, name.len);
	return (ssize_t)((w.end ? w.end : w.pos) - offset);
}

/* One octet of a label from `*text`, which is moved on. -EINVAL = a broken escape. */
static int unescape(const char **text)
{
	const char *t = *text;
	int value = 0;

	if (*t != '\\') {
		*text = t + 1;
		return (uint8_t)*t;
	}
	if (t[1] < '0' || t[1] > '9') {
		*text = t + 2;
		return t[1] ? (uint8_t)t[1] : -EINVAL;
	}
	for (int i = 1; i <= 3; i++) {
		if (t[i] < '0' || t[i] > '9')
			return -EINVAL;
		value = value * 10 + t[i] - '0';
	}
	*text = t + 4;
	return value <= 0xff ? value : -EINVAL;
}

/* The label at `*text` up to its dot or the end, appended. 0 or -EINVAL. */
static int label_from_text(const char **text, struct name *name)
{
	size_t start = name->len, end = start + 1;

	while (**text && **text != '.') {
		int octet = unescape(text);

		/* Room for the root label stays. */
		if (octet < 0 || end - start > NAME_LABEL_MAX || end + 1 >= NAME_WIRE_MAX)
			return -EINVAL;
		name->wire[end++] = (uint8_t)octet;
	}
	if (end == start + 1)
		return -EINVAL;
	name->wire[start] = (uint8_t)(end - start - 1);
	name->len = (uint8_t)end;
	if (**text == '.')
		++*text;
	return 0;
}

int name_from_text(const char *text, struct name *ret_name)
{
	struct name name = { .len = 0 };

	if (strcmp(text, ".") != 0) {
		do {
			if (label_from_text(&text, &name) < 0)
				return -EINVAL;
		} while (*text);
	}
	name.wire[name.len++] = 0;
	*ret_name = name;
	return 0;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool is_letter(uint8_t c)
{
	return lower(c) >= 'a' && lower(c) <= 'z';
}

bool name_eq(const struct name *a, const struct name *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++) {
		if (lower(a->wire[i]) != lower(b->wire[i]))
			return false;
	}
	return true;
}

bool name_is_below(const struct name *name, const struct name *parent)
{
	size_t pos = 0, skip;

	if (name->len <= parent->len)
		return false;
	skip = (size_t)name->len - parent->len;
	while (pos < skip)
		pos += 1U + name->wire[pos];
	if (pos != skip)
		return false;
	for (size_t i = 0; i < parent->len; i++) {
		if (lower(name->wire[skip + i]) != lower(parent->wire[i]))
			return false;
	}
	return true;
}

void name_lower(uint8_t *wire, size_t len)
{
	for (size_t i = 0; i < len; i++)
		wire[i] = lower(wire[i]);
}

void name_mix_case(uint8_t *wire, size_t len)
{
	uint32_t bits = 0;
	unsigned int left = 0;

	for (size_t i = 0; i < len; i++) {
		if (!is_letter(wire[i]))
			continue;
		if (!left) {
			bits = random_u32();
			left = 32;
		}
		wire[i] = (uint8_t)(lower(wire[i]) ^ ((bits & 1) << 5));
		bits >>= 1;
		left--;
	}
}

uint64_t name_hash(const struct siphash_key *key, const struct name *name)
{
	uint8_t wire[NAME_WIRE_MAX];

	memcpy(wire, name->wire, name->len);
	name_lower(wire, name->len);
	return siphash(key, wire, name->len);
}

/* Text of one octet of a label. Returns its length. */
static size_t escape(uint8_t c, char out[5])
{
	if (c == '.' || c == '\\') {
		out[0] = '\\';
		out[1] = (char)c;
		return 2;
	}
	if (c > ' ' && c < 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	return (size_t)snprintf(out, 5, "\\%03u", c);
}

const char *name_format(const struct name *name, char *buf, size_t size)
{
	size_t used = 0, label_end = 0;

	for (size_t i = 0; i + 1 < name->len; i++) {
		char text[5] = ".";
		size_t bytes = 1;

		if (i == label_end) {
			label_end = i + 1 + name->wire[i];
			if (i == 0)
				continue;
		} else {
			bytes = escape(name->wire[i], text);
		}
		if (used + bytes >= size)
			break;
		memcpy(buf + used, text, bytes);
		used += bytes;
	}
	if (used == 0)
		buf[used++] = '.';
	buf[used] = '\0';
	return buf;
}
