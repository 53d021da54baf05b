// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Error lines for functions that return -errno and must say which of their steps failed. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

int error_at(char err[ERROR_TEXT_MAX], int r, const char *fmt, ...)
{
	size_t len;
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, ERROR_TEXT_MAX, fmt, args);
	va_end(args);
	len = strlen(err);
	snprintf(err + len, ERROR_TEXT_MAX - len, ": %s", strerror(-r));
	return r;
}

int error_text(char err[ERROR_TEXT_MAX], int r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, ERROR_TEXT_MAX, fmt, args);
	va_end(args);
	return r;
}
