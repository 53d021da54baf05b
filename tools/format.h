/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers and foreign text as people read them. */
#ifndef TOOLS_FORMAT_H
#define TOOLS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define FORMAT_MAX 32 /* any formatted number, with NUL */

/* "0 B", "999 B", "1.5 kB", "23 MB": powers of 1000. Returns buf. */
const char *format_bytes(uint64_t bytes, char buf[FORMAT_MAX]);
/* "12 us", "3.4 ms" and then as format_ms(). Returns buf. */
const char *format_us(uint64_t us, char buf[FORMAT_MAX]);
/* "12 ms", "3.4 s", "5m07s", "2h05m", "3d04h". Returns buf. */
const char *format_ms(uint64_t ms, char buf[FORMAT_MAX]);

/* "13:05:59.120": local time of day of a Unix time. Returns buf. */
const char *format_clock(uint64_t unix_ms, char buf[FORMAT_MAX]);

/*
 * Copies `text` so that it is safe on a terminal: every byte that is not printable ASCII
 * becomes \xNN (names come from the network). Cut at `size`. Returns buf.
 */
const char *format_text(const char *text, char *buf, size_t size);

#endif
