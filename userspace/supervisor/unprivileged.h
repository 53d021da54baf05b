/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An instance of somebody who is not root, on a TUN that is his: TUN, workers and resolver, and
 * nothing of the kernel half. What keeps its own packets from coming back is the device that
 * their sockets are bound to.
 */
#ifndef SUPERVISOR_UNPRIVILEGED_H
#define SUPERVISOR_UNPRIVILEGED_H

struct instance;

/* Why everything else is refused to who is not root. */
#define UNPRIVILEGED_TEXT                                                                          \
	"root is needed (sudo): CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN for programs, TUN and "     \
	"marks, CAP_SYS_ADMIN for namespaces, CAP_SETUID for the roles; without it a TUN of "      \
	"yours can be served: headraced --tun NAME"

/*
 * Finds the uplinks and tells the crew if they have changed; before it is made they are only
 * noted. To be called at the start and then at each heartbeat, of which it takes a part.
 */
void unprivileged_look(struct instance *in);

#endif
