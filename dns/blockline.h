/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One line of a list of domain names, in any form that dns/blocklist.h names. */
#ifndef DNS_BLOCKLINE_H
#define DNS_BLOCKLINE_H

#include "dns/blocklist.h"

enum blockline {
	BLOCKLINE_EMPTY, /* nothing, a comment, or what every hosts file has */
	BLOCKLINE_NAMES,
	BLOCKLINE_IGNORED, /* what such lists may have, but DNS has no use for: b->why */
	BLOCKLINE_BAD /* b->why */
};

/* Gives the names of a line, which ends before `end`, to b->entry(). */
enum blockline blockline_read(struct blocklist *b, const char *line, const char *end);

#endif
