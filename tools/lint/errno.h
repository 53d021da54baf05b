/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Given to clang-tidy before every file: clang 14's analyzer knows nothing of the value of
 * `-errno`, so it takes `return -errno` for a possible success and reports whatever success
 * would have set. Here errno reads as one of four numbers, each tried in turn.
 */
#ifndef TOOLS_LINT_ERRNO_H
#define TOOLS_LINT_ERRNO_H

#include <errno.h>

int lint_any(void);

static inline int *lint_errno(void)
{
	int *e = __errno_location();

	switch (lint_any()) {
	case 1:
		*e = EINTR;
		break;
	case 2:
		*e = EAGAIN;
		break;
	case 3:
		*e = EINPROGRESS;
		break;
	default:
		*e = EIO;
	}
	return e;
}

#undef errno
#define errno (*lint_errno())

#endif
