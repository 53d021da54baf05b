/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The resolvers that the host itself uses, as its resolv.conf names them. */
#ifndef DNS_BOOTSTRAP_H
#define DNS_BOOTSTRAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "base/limits.h"

#define BOOTSTRAP_FILE "/etc/resolv.conf"
#define BOOTSTRAP_CHECK_MS 1000 /* the file is looked at no more often */

struct bootstrap {
	const char *path; /* outlives it */
	bool known; /* the file was looked at */
	struct stat seen; /* as it was then; zero = it was not there */
	uint64_t checked_ms;
};

void bootstrap_init(struct bootstrap *b, const char *path);

/*
 * Name servers in the order of the file, at most DNS_UPSTREAMS_MAX. Returns their number (0:
 * none is configured, or there is no file), or -errno if c-ares fails.
 */
int bootstrap_read(const char *path, struct endpoint ret_servers[DNS_UPSTREAMS_MAX]);

/* Must the file be read (again)? Cheap: looks at it at most once in BOOTSTRAP_CHECK_MS. */
bool bootstrap_changed(struct bootstrap *b);

#endif
