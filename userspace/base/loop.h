/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The event loop of every process: epoll, a few timers, and work done once per turn.
 *
 * Watches and timers are embedded in their owners and never allocated here. A callback may
 * remove or free any watch or timer, its own included: events of a removed watch that are
 * still in the current batch are cancelled.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct loop;

struct watch {
	/* `events` is a set of EPOLL*; EPOLLERR and EPOLLHUP come unasked. */
	void (*ready)(struct watch *w, uint32_t events);
	int fd; /* -1 = not watched; the owner closes it, after loop_remove() */
	uint32_t events; /* what is asked for now */
};

struct timer {
	void (*expire)(struct timer *t);
	uint64_t deadline_ms; /* clock_ms(); valid while armed */
	struct list link;
};

struct loop_turn {
	/* Called after each batch of events, before the loop sleeps again. */
	void (*turn)(struct loop_turn *t);
	struct list link;
};

/* 0 or -errno. */
int loop_new(struct loop **ret_loop);
/* Accepts NULL. Watches have been removed; timers and hooks are unlinked, so must still exist. */
void loop_free(struct loop *l);

/* Watches w->fd (already set) for `events`. 0 or -errno. */
int loop_add(struct loop *l, struct watch *w, uint32_t events);
/* Changes what is asked for; no system call if it is the same. 0 or -errno. */
int loop_modify(struct loop *l, struct watch *w, uint32_t events);
/* Harmless if w->fd is -1; sets it to -1 and does not close it. */
void loop_remove(struct loop *l, struct watch *w);
/* The same for a descriptor of which there is no duplicate, and closes it: the kernel's watch
 * ends with it, without a system call of its own. */
void loop_close(struct loop *l, struct watch *w);

void timer_init(struct timer *t, void (*expire)(struct timer *t));
/* Arms or re-arms `t` to expire once, `delay_ms` from now. Linear in the armed timers: for
 * tens of timers of a role, not for flows. */
void loop_arm(struct loop *l, struct timer *t, uint64_t delay_ms);
void loop_disarm(struct timer *t);
static inline bool timer_is_armed(const struct timer *t)
{
	return !list_is_empty(&t->link);
}

void loop_add_turn(struct loop *l, struct loop_turn *t);
/* Once added; harmless a second time. A hook may remove itself, not another. */
void loop_remove_turn(struct loop_turn *t);

/* Runs until loop_stop(). Returns the status given there, or -errno if epoll fails. */
int loop_run(struct loop *l);
/* One turn: waits at most `timeout_ms` (-1 = for ever), dispatches, returns. 0 or -errno. */
int loop_once(struct loop *l, int timeout_ms);
void loop_stop(struct loop *l, int status);

#endif
