/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A loop turned for a test: what is expected takes the kernel's messages, not a time. */
#ifndef UNIT_SUPERVISOR_TURN_H
#define UNIT_SUPERVISOR_TURN_H

#include "base/clock.h"
#include "base/loop.h"

/* Turns the loop until the condition holds, for 5 s at most. */
#define TURN_UNTIL(loop, condition)                                                                \
	do {                                                                                       \
		uint64_t until = clock_ms() + 5000;                                                \
		while (!(condition) && clock_ms() < until)                                         \
			assert_int_equal(loop_once(loop, 20), 0);                                  \
		assert_true(condition);                                                            \
	} while (0)

#endif
