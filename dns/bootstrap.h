/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The resolvers that the host itself uses, as its resolv.conf names them, in its order, which
 * is a promise: the first one is asked before the second, as programs do.
 *
 * While the host's own queries come to us (host capture) none may be a loopback or one of the
 * host's own addresses: a stub there would ask us. Where there is such a stub, the servers that
 * systemd-resolved has for each link are taken in its place.
 */
#ifndef DNS_BOOTSTRAP_H
#define DNS_BOOTSTRAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/addr.h"
#include "base/limits.h"

#define BOOTSTRAP_FILE "/etc/resolv.conf"
#define BOOTSTRAP_RESOLVED_FILE "/run/systemd/resolve/resolv.conf"
#define BOOTSTRAP_CHECK_MS 1000 /* the files are looked at no more often */

struct bootstrap {
	const char *path; /* outlives it, as does */
	const char *resolved_path;
	bool host_capture;
	bool known; /* the files were looked at */
	struct stat seen[2]; /* as they were then; zero = not there */
	uint64_t checked_ms;
};

void bootstrap_init(struct bootstrap *b, const char *path, const char *resolved_path,
		    bool host_capture);

/*
 * Name servers in the order of the file, at most DNS_UPSTREAMS_MAX. Returns their number (0:
 * none is configured, or there is no file), or -errno if c-ares fails.
 */
int bootstrap_read(const char *path, struct endpoint ret_servers[DNS_UPSTREAMS_MAX]);
/* The same, of the files of `b`, without those that may not be asked. */
int bootstrap_servers(const struct bootstrap *b, struct endpoint ret_servers[DNS_UPSTREAMS_MAX]);
/* Is it an address of this host? */
bool bootstrap_is_own(const struct addr *address);

/* Must the files be read (again)? Cheap: looks at most once in BOOTSTRAP_CHECK_MS. */
bool bootstrap_changed(struct bootstrap *b);

#endif
