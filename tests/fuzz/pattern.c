// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table of the pattern: twice its period, so that no run has to be split. */
#include <stdbool.h>

#include "tests/fuzz/pattern.h"

const uint8_t *pattern(uint32_t at)
{
	static uint8_t table[2 * PATTERN_MAX];
	static bool filled;

	for (uint32_t i = 0; !filled && i < sizeof(table); i++)
		table[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
	filled = true;
	return table + at % PATTERN_MAX;
}
