/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where COMMAND runs: the network namespace that headraced made, and a mount namespace in
 * which names are looked up through the stack's address and nowhere else.
 */
#ifndef TOOLS_SANDBOX_H
#define TOOLS_SANDBOX_H

#define SANDBOX_ERROR_MAX 160

struct sandbox {
	int netns_fd;
	const char *nameserver; /* the stack's IPv4 address */
};

/*
 * In the child, as root, before anything else: enters both namespaces and arranges the
 * mounts. 0, or -errno with one line in err. Nothing outlives the processes inside.
 */
int sandbox_enter(const struct sandbox *s, char err[SANDBOX_ERROR_MAX]);

#endif
