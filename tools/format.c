// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Numbers and foreign text as people read them (see format.h). */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "tools/format.h"

/* `value` in thousandths of `unit`: two significant digits after rounding, at least. */
static const char *format_milli(uint64_t value, const char *unit, char buf[FORMAT_MAX])
{
	if (value < 9950) /* rounds to at most 9.9 */
		snprintf(buf, FORMAT_MAX, "%" PRIu64 ".%" PRIu64 " %s", (value + 50) / 1000,
			 (value + 50) % 1000 / 100, unit);
	else
		snprintf(buf, FORMAT_MAX, "%" PRIu64 " %s", value / 1000 + (value % 1000 >= 500),
			 unit);
	return buf;
}

const char *format_bytes(uint64_t bytes, char buf[FORMAT_MAX])
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB" };
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(buf, FORMAT_MAX, "%" PRIu64 " B", bytes);
		return buf;
	}
	/* 999,500 would print as "1000 kB" */
	while (bytes >= 999500 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1000;
		unit++;
	}
	return format_milli(bytes, units[unit], buf);
}

const char *format_us(uint64_t us, char buf[FORMAT_MAX])
{
	if (us < 1000) {
		snprintf(buf, FORMAT_MAX, "%" PRIu64 " us", us);
		return buf;
	}
	if (us < 999500)
		return format_milli(us, "ms", buf);
	return format_ms(us / 1000, buf);
}

const char *format_ms(uint64_t ms, char buf[FORMAT_MAX])
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, FORMAT_MAX, "%" PRIu64 " ms", ms);
	else if (ms < 59500)
		format_milli(ms, "s", buf);
	else if (s < 3600)
		snprintf(buf, FORMAT_MAX, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, FORMAT_MAX, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, FORMAT_MAX, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return buf;
}

const char *format_clock(uint64_t unix_ms, char buf[FORMAT_MAX])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm = { 0 };

	localtime_r(&seconds, &tm);
	snprintf(buf, FORMAT_MAX, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(unix_ms % 1000));
	return buf;
}

const char *format_text(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	for (; *text && n + 5 <= size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= ' ' && c < 0x7f)
			buf[n++] = (char)c;
		else
			n += (size_t)snprintf(buf + n, size - n, "\\x%02x", c);
	}
	buf[n] = 0;
	return buf;
}
