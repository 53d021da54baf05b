// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Answers of captured services on lo. See the header. */
#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "supervisor/host.h"
#include "supervisor/loopback.h"

#define SYSCTLS "/proc/sys/net/ipv4/conf/lo/"

static const char *const allowed[] = { SYSCTLS "route_localnet", SYSCTLS "accept_local" };

void loopback_init(struct loopback *l)
{
	undo_init(&l->undo);
	l->ready = false;
}

int loopback_prepare(struct loopback *l, const char *instance)
{
	char name[64];
	int r;

	if (l->ready)
		return 0;
	if (snprintf(name, sizeof(name), "lo-%s", instance) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	r = undo_open(&l->undo, RECORD_DIRECTORY, name);
	for (size_t i = 0; !r && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		r = undo_write(&l->undo, allowed[i], "1", NULL);
	if (r)
		undo_close(&l->undo);
	l->ready = !r;
	return r;
}

void loopback_restore(struct loopback *l)
{
	if (!l->ready)
		return;
	undo_close(&l->undo);
	l->ready = false;
}
