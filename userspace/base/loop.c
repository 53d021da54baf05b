// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The event loop. One turn: wait, dispatch the batch, expire timers, run the turn hooks.
 * What makes it safe to free watches and timers from callbacks: loop_remove() strikes the
 * watch from the batch that is being dispatched, and due timers stay linked (in a list of
 * their own) until the very moment they are called.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"

#define BATCH 64

struct loop {
	int epoll_fd;
	bool stopped;
	int status; /* of loop_stop() */
	struct watch wake; /* the timerfd */
	uint64_t wake_ms; /* when it fires, 0 = it is not set */
	struct list timers; /* ordered by deadline */
	struct list turns;
	struct epoll_event batch[BATCH];
	int batch_len; /* 0 outside of dispatch() */
};

static int watch_control(struct loop *l, int op, struct watch *w, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll_fd, op, w->fd, &event) < 0)
		return -errno;
	w->events = events;
	return 0;
}

/* Edge-triggered, so what it counts need not be read away. */
static void wake_ready(struct watch *w, uint32_t events)
{
	container_of(w, struct loop, wake)->wake_ms = 0;
}

static int loop_open(struct loop *l)
{
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		return -errno;
	l->wake.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->wake.fd < 0)
		return -errno;
	return watch_control(l, EPOLL_CTL_ADD, &l->wake, EPOLLIN | EPOLLET);
}

int loop_new(struct loop **ret_loop)
{
	struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->wake = (struct watch){ .ready = wake_ready, .fd = -1 };
	list_init(&l->timers);
	list_init(&l->turns);
	r = loop_open(l);
	if (r < 0) {
		loop_free(l);
		return r;
	}
	*ret_loop = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	list_for_each_safe(pos, next, &l->timers)
		list_remove(pos);
	list_for_each_safe(pos, next, &l->turns)
		list_remove(pos);
	fd_close(l->wake.fd);
	fd_close(l->epoll_fd);
	free(l);
}

int loop_add(struct loop *l, struct watch *w, uint32_t events)
{
	return watch_control(l, EPOLL_CTL_ADD, w, events);
}

int loop_modify(struct loop *l, struct watch *w, uint32_t events)
{
	if (w->events == events)
		return 0;
	return watch_control(l, EPOLL_CTL_MOD, w, events);
}

/* Its events that wait in the batch are cancelled. */
static void watch_strike(struct loop *l, struct watch *w)
{
	w->fd = -1;
	for (int i = 0; i < l->batch_len; i++) {
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
	}
}

void loop_remove(struct loop *l, struct watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	watch_strike(l, w);
}

void loop_close(struct loop *l, struct watch *w)
{
	fd_close(w->fd);
	watch_strike(l, w);
}

void timer_init(struct timer *t, void (*expire)(struct timer *t))
{
	t->expire = expire;
	t->deadline_ms = 0;
	list_init(&t->link);
}

void loop_arm(struct loop *l, struct timer *t, uint64_t delay_ms)
{
	struct list *pos;

	list_remove(&t->link);
	t->deadline_ms = clock_ms() + delay_ms;
	/* From the back, where most new deadlines belong; equal ones keep their order. */
	for (pos = l->timers.prev; pos != &l->timers; pos = pos->prev) {
		if (container_of(pos, struct timer, link)->deadline_ms <= t->deadline_ms)
			break;
	}
	/* list_append() puts it before its "head": here that is the successor. */
	list_append(pos->next, &t->link);
}

void loop_disarm(struct timer *t)
{
	list_remove(&t->link);
}

void loop_add_turn(struct loop *l, struct loop_turn *t)
{
	list_append(&l->turns, &t->link);
}

void loop_remove_turn(struct loop_turn *t)
{
	list_remove(&t->link);
}

static void expire_timers(struct loop *l)
{
	struct list due = LIST_INIT(due);
	uint64_t now = clock_ms();

	/* Set apart first: one that re-arms itself with no delay waits for the next turn. */
	list_for_each_safe(pos, next, &l->timers) {
		if (container_of(pos, struct timer, link)->deadline_ms > now)
			break;
		list_touch(&due, pos);
	}
	while (!list_is_empty(&due)) {
		struct timer *t = list_first(&due, struct timer, link);

		list_remove(&t->link);
		t->expire(t);
	}
}

static void dispatch(struct loop *l, int num)
{
	l->batch_len = num;
	for (int i = 0; i < num; i++) {
		struct watch *w = l->batch[i].data.ptr;

		if (w)
			w->ready(w, l->batch[i].events);
	}
	l->batch_len = 0;
}

/* Sees to it that the loop wakes in `delay_ms`, at `deadline_ms`. */
static void wake_at(struct loop *l, uint64_t deadline_ms, uint64_t delay_ms)
{
	struct itimerspec at = { 0 };

	if (l->wake_ms && l->wake_ms <= deadline_ms)
		return;
	if (delay_ms > INT_MAX)
		delay_ms = INT_MAX;
	at.it_value.tv_sec = (time_t)(delay_ms / 1000);
	at.it_value.tv_nsec = (long)(delay_ms % 1000 * NSEC_PER_MSEC);
	timerfd_settime(l->wake.fd, 0, &at, NULL); /* fails for bad arguments only */
	l->wake_ms = deadline_ms;
}

/* What epoll_wait() is to wait: `timeout_ms` (-1 = for ever), or nothing if a timer is due. */
static int wait_ms(struct loop *l, int timeout_ms)
{
	uint64_t deadline, now;

	if (list_is_empty(&l->timers))
		return timeout_ms;
	deadline = list_first(&l->timers, struct timer, link)->deadline_ms;
	now = clock_ms();
	if (deadline <= now)
		return 0;
	wake_at(l, deadline, deadline - now);
	return timeout_ms;
}

int loop_once(struct loop *l, int timeout_ms)
{
	int num = epoll_wait(l->epoll_fd, l->batch, BATCH, wait_ms(l, timeout_ms));

	if (num < 0 && errno != EINTR)
		return -errno;
	dispatch(l, num > 0 ? num : 0);
	expire_timers(l);
	list_for_each_safe(pos, next, &l->turns) {
		struct loop_turn *t = container_of(pos, struct loop_turn, link);

		t->turn(t);
	}
	return 0;
}

int loop_run(struct loop *l)
{
	while (!l->stopped) {
		int r = loop_once(l, -1);

		if (r < 0)
			return r;
	}
	l->stopped = false;
	return l->status;
}

void loop_stop(struct loop *l, int status)
{
	l->stopped = true;
	l->status = status;
}
