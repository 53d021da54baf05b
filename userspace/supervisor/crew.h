/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All roles of an instance: who gets which descriptors, the relays between them, and what
 * happens to the others when one dies.
 */
#ifndef SUPERVISOR_CREW_H
#define SUPERVISOR_CREW_H

#include <stdbool.h>

#include "base/loop.h"
#include "base/role.h"
#include "supervisor/role.h"

struct capture;
struct config;
struct crew;
struct instance_options;
struct kernel;

struct crew_ops {
	/* Every role is ready, for the first time. */
	void (*ready)(struct crew *c);
	/* A role ended before that; `text` says which and how. The crew is to be stopped. */
	void (*failed)(struct crew *c, const char *text);
	/* After crew_stop(): no process is left. */
	void (*stopped)(struct crew *c);
	/* A role's process has ended unasked, once all had been ready; it will be restarted. */
	void (*died)(struct crew *c, const struct role *r);
	/* See role_ops. */
	void (*text)(struct crew *c, uint64_t tag, const char *text, size_t len);
};

struct crew {
	const struct crew_ops *ops;
	struct kernel *kernel; /* not owned, like the queues of the capture */
	const struct capture *capture;
	const struct config *resolver_config; /* in force; not owned, NULL = none */
	struct role_config config; /* what all roles have in common */
	struct siphash_key isn_key[ROLES_MAX]; /* survive restarts */
	int icmp_fd[ROLES_MAX][2]; /* owned; raw v4 and v6, -1 = not available */
	int inbox_fd[ROLES_MAX][2]; /* owned; of workers: receiving, sending end; -1 = none */
	struct role role[ROLES_MAX]; /* 0 = resolver */
	unsigned int roles;
	unsigned int icmp_base; /* first identifier of worker 1 */
	unsigned int beats; /* of main's heart */
	bool complete; /* all have been ready once */
	bool gathering; /* crew_start() is handing over: relays and START come later */
};

/* Fills in the structure; loop, options, kernel and capture must outlive it. */
void crew_init(struct crew *c, struct loop *loop, const struct instance_options *opt,
	       struct kernel *kernel, const struct capture *capture,
	       const struct settings *settings, const struct crew_ops *ops);
/* Spawns all roles; ops->ready or ops->failed follows. 0 or -errno, then crew_stop() it. */
int crew_start(struct crew *c);
/* To be called every HEARTBEAT_MS: looks for roles that hang. */
void crew_beat(struct crew *c);
/* Ends all roles; ops->stopped follows, at once if none has a process. */
void crew_stop(struct crew *c);
/* While stopping: without patience. */
void crew_kill(struct crew *c);
/* Closes what is owned; no process may be left. */
void crew_done(struct crew *c);

/* Route capture by routes alone: raw ICMP sockets are bound to these devices (0: not bound). */
/* PROTECT_DEVICE: the devices that the roles' sockets are bound to from now on. */
void crew_uplinks(struct crew *c, uint32_t ifindex4, uint32_t ifindex6);
void crew_bind_icmp(struct crew *c, int ifindex4, int ifindex6);

struct role *crew_resolver(struct crew *c);

#endif
