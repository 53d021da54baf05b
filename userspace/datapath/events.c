// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The event ring. A read takes what waits, up to EVENTS_PER_READ, so that a flood of flows
 * does not keep main from its other work; the descriptor stays readable while there is more.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "datapath/kernel_internal.h"

#define EVENTS_PER_READ 4096U

static int on_cgroup(struct events *e, const struct cgroup_event *event)
{
	if (event->type == EVENT_CGROUP && e->cgroup_fn)
		e->cgroup_fn(e->cgroup_arg, event->cgroup);
	return --e->left ? 0 : -EAGAIN;
}

/* An EVENT_FLOW_NEW comes without `info`: the receiver gets it whole, with zeros. */
static int on_event(void *ctx, void *data, size_t size)
{
	struct events *e = ctx;
	struct flow_event event = { 0 };

	if (size < offsetof(struct flow_event, info))
		return size < sizeof(struct cgroup_event) ? 0 : on_cgroup(e, data);
	memcpy(&event, data, size < sizeof(event) ? size : sizeof(event));
	e->fn(e->arg, &event);
	return --e->left ? 0 : -EAGAIN;
}

int events_open(struct events *e, int map_fd)
{
	e->ring = ring_buffer__new(map_fd, on_event, e, NULL);
	return e->ring ? 0 : -errno;
}

void events_close(struct events *e)
{
	ring_buffer__free(e->ring);
	e->ring = NULL;
}

int kernel_events_fd(const struct kernel *k)
{
	return k->events.ring ? ring_buffer__epoll_fd(k->events.ring) : -1;
}

int kernel_events_read(struct kernel *k, void (*fn)(void *arg, const struct flow_event *e),
		       void *arg)
{
	struct events *e = &k->events;
	int err;

	if (!e->ring)
		return 0;
	e->fn = fn;
	e->arg = arg;
	e->left = EVENTS_PER_READ;
	err = ring_buffer__consume(e->ring);
	return err < 0 && err != -EAGAIN ? err : 0;
}
