/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One role as main sees it: a process of our own executable, a socket to it, and what is to
 * be done when it comes up, speaks, or ends.
 */
#ifndef SUPERVISOR_ROLE_H
#define SUPERVISOR_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "base/role.h"

/*
 * state    | event                     | action                               | next
 * STOPPED  | role_start()              | spawn, hand over                     | STARTING
 * STARTING | READY                     | ops->ready                           | READY
 * STARTING | ROLE_READY_MS over        | SIGKILL                              | STARTING
 * STARTING, READY | process ended      | ops->died, arm delay                 | WAITING
 * STARTING, READY | bad message, EOF   | SIGKILL                              | same
 * READY    | no PONG for ROLE_HANG_MS  | ops->hung, SIGKILL                   | READY
 * WAITING  | delay over                | spawn, hand over                     | STARTING
 * STARTING, READY | role_stop()        | STOP, arm ROLE_STOP_MS               | STOPPING
 * WAITING  | role_stop()               | ops->stopped                         | STOPPED
 * STOPPING | ROLE_STOP_MS over         | SIGKILL                              | STOPPING
 * STOPPING | process ended             | ops->stopped                         | STOPPED
 */
#define ROLE_STATES(X)                                                                             \
	X(ROLE_STATE_STOPPED, "stopped")                                                           \
	X(ROLE_STATE_STARTING, "starting")                                                         \
	X(ROLE_STATE_READY, "ready")                                                               \
	X(ROLE_STATE_WAITING, "waiting to be restarted")                                           \
	X(ROLE_STATE_STOPPING, "stopping")

enum role_state { ROLE_STATES(CONTRACT_ENUM) ROLE_STATE_NUM };

struct role;

struct role_ops {
	/* The process exists: move it to its cgroup, send CONFIG and descriptors. 0 or -errno. */
	int (*hand_over)(struct role *r);
	void (*ready)(struct role *r);
	/* Ended unasked, having been ready or not; it will be restarted. `how` is a text. */
	void (*died)(struct role *r, bool was_ready, const char *how);
	void (*stopped)(struct role *r);
	/* It no longer turns its loop and is being killed; ops->died follows. */
	void (*hung)(struct role *r);
	/* Part of an answer to a query; length 0 is its end. Not NUL-terminated, not trusted. */
	void (*text)(struct role *r, uint64_t tag, const char *text, size_t len);
	/* The resolver wishes a table of so many buckets, which is within bounds. 0 or -errno. */
	int (*want_names)(struct role *r, uint32_t buckets);
};

struct role {
	enum role_kind kind;
	unsigned int slot;
	enum role_state state;
	const struct role_ops *ops;
	struct loop *loop;
	const char *instance;
	enum protect_mode protect;
	char name[32]; /* "worker 1" */
	int pid; /* -1 = no process */
	struct watch process; /* pidfd */
	struct watch socket;
	struct timer timer; /* limit or delay of the present state */
	uint64_t spawned_ms;
	uint32_t delay_ms; /* before the next restart */
	unsigned int restarts;
	bool pinged; /* a PING is on its way, its PONG has not come */
	unsigned int silent; /* checks since the last PONG */
};

/* Fills in the structure; instance must outlive it. No process yet. */
void role_init(struct role *r, enum role_kind kind, unsigned int slot, struct loop *loop,
	       const char *instance, const struct role_ops *ops);
/*
 * 0: STARTING until ops->ready. -errno: no process, or (state STARTING) one that is being
 * killed and will be reported by ops->died.
 */
int role_start(struct role *r);
/* Asks it to end; ops->stopped follows, at once if there is no process. */
void role_stop(struct role *r);
/* No more patience. */
void role_kill(struct role *r);
/*
 * To be called every ROLE_PING_MS: asks a READY role whether it still turns its loop, and kills
 * one that has not answered for ROLE_HANG_MS. Time is counted in calls, so what stops main
 * together with its roles (Ctrl-Z, a frozen cgroup, a suspended machine) is not held against
 * them.
 */
void role_check(struct role *r);
/* CPU time that the present process has used, user and system, in ms. */
uint64_t role_cpu_ms(const struct role *r);
/* Is there a process that can be sent messages? */
bool role_is_alive(const struct role *r);

/* Sends one message; fd -1 = none. 0 or -errno (-ENOTCONN without a process). */
int role_send(struct role *r, enum role_message_type type, const void *body, size_t len, int fd);
int role_send_descriptor(struct role *r, enum role_descriptor_kind kind, uint32_t index, int fd);
/* Text query (at most ROLE_TEXT_MAX bytes); the answer comes by ops->text. 0 or -errno. */
int role_query(struct role *r, uint64_t tag, const char *text);
/* Nobody waits for the answer to this query any more. */
void role_forget(struct role *r, uint64_t tag);

const char *role_state_name(enum role_state state);

#endif
