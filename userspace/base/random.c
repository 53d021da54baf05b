// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Random numbers from getrandom(2). Small ones (DNS IDs and ports, one per query) come from
 * a buffer; a value is wiped when it is handed out, so that a later leak of memory does not
 * show what was used. A process that forks without exec shares the buffer's content with its
 * child: the project's processes exec.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/random.h"

#define VALUES 64

static uint32_t values[VALUES];
static unsigned int values_left;

void random_bytes(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fprintf(stderr, "headrace: getrandom: %s\n", strerror(errno));
			abort();
		}
		p += n;
		len -= (size_t)n;
	}
}

uint32_t random_u32(void)
{
	uint32_t value;

	if (values_left == 0) {
		random_bytes(values, sizeof(values));
		values_left = VALUES;
	}
	value = values[--values_left];
	values[values_left] = 0;
	return value;
}

uint16_t random_u16(void)
{
	return (uint16_t)random_u32();
}
