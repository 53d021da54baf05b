/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One clear line about what failed, carried to whoever may print it. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#define ERROR_TEXT_MAX 256

/* Writes the text, then ": " and what errno -r means. Returns r, for `return error_at(...)`. */
int error_at(char err[ERROR_TEXT_MAX], int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The text alone: where it says more than errno does. */
int error_text(char err[ERROR_TEXT_MAX], int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
