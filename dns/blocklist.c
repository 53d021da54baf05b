// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A list is read in parts of BLOCKLIST_PART_BYTES, each a step of the caller's loop; the end of
 * a part that is no whole line is kept for the next. Forms of lines are in dns/blockline.c.
 *
 * What is told about a list: at most BLOCKLIST_TOLD_MAX lines, then how many more there were.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/blockline.h"
#include "dns/blocklist.h"

#define JUDGED_LINES 1000 /* by so many lines of content it is judged whether it is a list */
#define JUDGED_LINES_MIN 10 /* or by all of them, if there are so many */

void blocklist_tell(struct conf_errors *errors, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int len;

	if (!errors)
		return;
	errors->num++;
	room = sizeof(errors->text) - errors->used;
	va_start(ap, fmt);
	len = vsnprintf(errors->text + errors->used, room, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len + 1 >= room) {
		errors->text[errors->used] = '\0';
		return;
	}
	errors->used += (size_t)len;
	errors->text[errors->used++] = '\n';
	errors->text[errors->used] = '\0';
}

static int refuse(struct blocklist *b, int error, const char *why)
{
	blocklist_tell(b->errors, "%s: refused: %s", b->file, why);
	return error;
}

int blocklist_begin(struct blocklist *b)
{
	struct stat st;

	b->names = b->exceptions = b->bad = b->ignored = b->good = 0;
	b->line = 0;
	b->offset = 0;
	b->held = 0;
	b->overlong = b->judged = b->markup = false;
	b->failed = 0;
	if (fstat(b->fd, &st) < 0)
		return refuse(b, -errno, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(b, -EINVAL, "no regular file");
	if (st.st_size > BLOCKLIST_BYTES_MAX)
		return refuse(b, -EFBIG, "larger than 512 MiB");
	b->size = st.st_size;
	return 0;
}

static void tell_line(struct blocklist *b)
{
	if (b->bad + b->ignored <= BLOCKLIST_TOLD_MAX)
		blocklist_tell(b->errors, "%s:%u: %s", b->file, b->line, b->why);
}

/* What a server says in place of a list, or a portal that stands in front of it. */
static bool is_markup(const struct blocklist *b, const char *line, const char *end)
{
	while (line < end && (*line == ' ' || *line == '\t' || *line == '\r'))
		line++;
	return line < end && *line == '<' && !b->good && !b->bad && !b->ignored;
}

static void take_line(struct blocklist *b, const char *line, const char *end)
{
	/* editors put it in front of UTF-8 */
	if (++b->line == 1 && end - line >= 3 && !memcmp(line, "\xef\xbb\xbf", 3))
		line += 3;
	b->markup |= is_markup(b, line, end);
	switch (blockline_read(b, line, end)) {
	case BLOCKLINE_EMPTY:
		break;
	case BLOCKLINE_NAMES:
		b->good++;
		break;
	case BLOCKLINE_IGNORED:
		b->ignored++;
		tell_line(b);
		break;
	case BLOCKLINE_BAD:
		b->bad++;
		tell_line(b);
		break;
	}
}

/* Why a list is none that ended before it was judged, or has lines but no name. NULL: it is. */
static const char *is_garbage(const struct blocklist *b)
{
	if (!b->good && b->bad + b->ignored)
		return "none of its lines is a name";
	if (!b->judged && b->bad > b->good && b->good + b->bad >= JUDGED_LINES_MIN)
		return "most of its lines are no names";
	return NULL;
}

static void tell_overlong(struct blocklist *b)
{
	b->line++;
	b->bad++;
	snprintf(b->why, sizeof(b->why), "longer than %d bytes", BLOCKLIST_LINE_MAX);
	tell_line(b);
}

/* After each line: is the list refused because of it? */
static int judge(struct blocklist *b)
{
	if (b->failed)
		return refuse(b, b->failed, strerror(-b->failed));
	if (b->markup)
		return refuse(b, -EBADMSG, "markup (HTML or XML), not a list");
	if (b->judged || b->good + b->bad < JUDGED_LINES)
		return 0;
	b->judged = true;
	if (b->bad > b->good)
		return refuse(b, -EBADMSG, "more than half of its first 1000 lines are no names");
	return 0;
}

/* All whole lines up to `end`. Returns what is left behind them, NULL = refused (*ret_error). */
static const char *take_lines(struct blocklist *b, const char *pos, const char *end, int *ret_error)
{
	const char *newline;

	while (pos < end && (newline = memchr(pos, '\n', (size_t)(end - pos)))) {
		if (b->overlong)
			b->overlong = false;
		else if (newline - pos > BLOCKLIST_LINE_MAX)
			tell_overlong(b);
		else
			take_line(b, pos, newline);
		*ret_error = judge(b);
		if (*ret_error)
			return NULL;
		pos = newline + 1;
	}
	return pos;
}

/* The end of the file: a last line may lack its newline. */
static int finish(struct blocklist *b)
{
	uint64_t skipped;
	const char *why;
	int r;

	if (b->held)
		take_line(b, b->buf, b->buf + b->held);
	b->held = 0;
	r = judge(b);
	if (r)
		return r;
	why = is_garbage(b);
	if (why)
		return refuse(b, -EBADMSG, why);
	skipped = b->bad + b->ignored;
	if (skipped > BLOCKLIST_TOLD_MAX)
		blocklist_tell(b->errors, "%s: %llu more lines were skipped", b->file,
			       (unsigned long long)(skipped - BLOCKLIST_TOLD_MAX));
	return 1;
}

int blocklist_step(struct blocklist *b)
{
	ssize_t got = pread(b->fd, b->buf + b->held, BLOCKLIST_PART_BYTES, b->offset);
	const char *pos, *end;
	int error;

	if (got < 0)
		return errno == EINTR ? 0 : refuse(b, -errno, strerror(errno));
	if (got == 0)
		return b->offset == b->size ? finish(b) : refuse(b, -EIO, "it changed meanwhile");
	if (b->offset + got > b->size)
		return refuse(b, -EIO, "it changed meanwhile");
	b->offset += got;
	end = b->buf + b->held + got;
	pos = take_lines(b, b->buf, end, &error);
	if (!pos)
		return error;
	b->held = (size_t)(end - pos);
	if (b->held > BLOCKLIST_LINE_MAX && !b->overlong) {
		tell_overlong(b);
		b->overlong = true;
	}
	if (b->overlong)
		b->held = 0;
	memmove(b->buf, pos, b->held);
	return 0;
}
