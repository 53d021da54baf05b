// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel half wakes the resolver for an entry only if all before it have been read, which
 * costs the query an interrupt. So the ring is read some time after that, with all that has
 * come until then, and after it every DELAY_MS for as long as there was something.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include <bpf/libbpf.h>

#include "datapath/dns_log.h"

#define DELAY_MS 250
#define ENTRIES_PER_READ 512U /* then queries are served, and the rest a turn later */

static int on_entry(void *ctx, void *data, size_t size)
{
	struct dns_log *l = ctx;
	struct dns_log_entry e;

	if (size == sizeof(e)) {
		memcpy(&e, data, sizeof(e));
		if (e.name_len)
			l->fn(l->arg, &e);
	}
	return --l->left ? 0 : -EAGAIN;
}

/* True = there may be more. */
static bool read_part(struct dns_log *l)
{
	l->left = ENTRIES_PER_READ;
	ring_buffer__consume(l->ring);
	return !l->left;
}

static void delay_expired(struct timer *t)
{
	struct dns_log *l = container_of(t, struct dns_log, delay);

	if (read_part(l))
		loop_arm(l->loop, t, 0);
	else if (l->left < ENTRIES_PER_READ)
		loop_arm(l->loop, t, DELAY_MS);
	else
		loop_modify(l->loop, &l->watch, EPOLLIN);
}

static void entries_there(struct watch *w, uint32_t events)
{
	struct dns_log *l = container_of(w, struct dns_log, watch);

	loop_modify(l->loop, w, 0);
	loop_arm(l->loop, &l->delay, DELAY_MS);
}

int dns_log_open(struct dns_log *l, struct loop *loop, const struct datapath *dp,
		 void (*fn)(void *arg, const struct dns_log_entry *e), void *arg)
{
	int err;

	*l = (struct dns_log){ .loop = loop, .fn = fn, .arg = arg };
	l->watch = (struct watch){ .ready = entries_there, .fd = -1 };
	timer_init(&l->delay, delay_expired);
	if (dp->dns_log < 0)
		return 0;
	l->ring = ring_buffer__new(dp->dns_log, on_entry, l, NULL);
	if (!l->ring)
		return -errno;
	l->watch.fd = ring_buffer__epoll_fd(l->ring);
	err = loop_add(loop, &l->watch, EPOLLIN);
	if (err) {
		l->watch.fd = -1;
		dns_log_close(l);
	}
	return err;
}

void dns_log_read(struct dns_log *l)
{
	/* a ring is DNS_LOG_BYTES long: whoever writes meanwhile does not keep us here */
	for (unsigned int i = 0;
	     l->ring && i < DNS_LOG_BYTES / sizeof(struct dns_log_entry) / ENTRIES_PER_READ + 1;
	     i++)
		if (!read_part(l))
			break;
}

void dns_log_close(struct dns_log *l)
{
	if (!l->ring)
		return;
	loop_remove(l->loop, &l->watch);
	loop_disarm(&l->delay);
	ring_buffer__free(l->ring);
	l->ring = NULL;
}
