// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Log lines on stderr, one write(2) each so that those of several processes do not mix. Text
 * may come from packets (names, error texts of peers): control characters are replaced.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#define LINE_MAX_BYTES 1024

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static const char *process_name = "headrace";
static enum log_level process_level = LOG_LEVEL_INFO;

void log_setup(const char *who, enum log_level level)
{
	process_name = who;
	process_level = level;
}

enum log_level log_level(void)
{
	return process_level;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (unsigned int i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Says whether the site may write now, and how many lines it kept back before. */
static int site_admit(struct log_site *site, unsigned int *ret_left_out)
{
	unsigned long long now = clock_ms();

	*ret_left_out = 0;
	if (site->lines == 0 || now - site->window_ms >= LOG_WINDOW_MS) {
		*ret_left_out = site->left_out;
		*site = (struct log_site){ .window_ms = now };
	}
	if (site->lines >= LOG_BURST) {
		site->left_out++;
		return 0;
	}
	site->lines++;
	return 1;
}

/* snprintf's result as the offset behind what was really written. */
static size_t behind(size_t at, int wanted)
{
	size_t end = at + (wanted > 0 ? (size_t)wanted : 0);

	return end < LINE_MAX_BYTES - 1 ? end : LINE_MAX_BYTES - 1;
}

static void clean(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
}

void log_write(struct log_site *site, enum log_level level, const char *component, const char *fmt,
	       ...)
{
	const char *prefix = level <= LOG_LEVEL_WARN ? level_names[level] : "";
	char line[LINE_MAX_BYTES];
	unsigned int left_out;
	size_t len;
	va_list args;

	if (level > process_level || !site_admit(site, &left_out))
		return;
	len = behind(0, snprintf(line, sizeof(line), "%s %s: %s%s", process_name, component, prefix,
				 *prefix ? ": " : ""));
	va_start(args, fmt);
	len = behind(len, vsnprintf(line + len, sizeof(line) - len, fmt, args));
	va_end(args);
	if (left_out)
		len = behind(len,
			     snprintf(line + len, sizeof(line) - len, " left_out=%u", left_out));
	clean(line, len);
	line[len++] = '\n';
	/* A log that cannot be written has nowhere to complain. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
