// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS over TCP. A client that has sent its FIN still gets what it asked for; the stream
 * ends when that is out, when it was idle for DNS_TCP_IDLE_MS, or when it cannot be written.
 *
 * Bounds: DNS_STREAM_QUERIES_MAX queries in flight and DNS_STREAM_OUT_MAX bytes of answers
 * that the client does not take. At either the stream is not read further (backpressure);
 * answers in flight that overrun the second end it. A query longer than any we forward is
 * read as far as that (it gets FORMERR) and the rest skipped.
 *
 * Streams are bounded too, and so are those of one client address. With none left the longest
 * idle one of who has most is closed for a new one; one with queries or answers on their way
 * never is.
 *
 * Queries in flight name their stream by place and generation: a reply to a stream that is
 * gone finds another generation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/sources.h"
#include "dns/stream.h"
#include "dns/upstream_plain.h"

#define EVICT_LOOKS 16 /* streams looked at for one that may be closed */
#define PREFIX_BYTES 2
#define TAKEN_MAX (PLAIN_QUESTION_MAX + 1) /* of a query; one more shows that it is too long */

struct stream {
	struct list link; /* streams.active, longest untouched first; else .unused */
	struct list of_client; /* client->kind[0].items, in the same order */
	struct source *client;
	struct streams *owner;
	struct watch watch;
	uint32_t generation; /* changes when the stream is closed */
	struct client peer; /* as each of its queries names it */
	uint64_t touched_ms;
	uint32_t in_flight;
	bool eof; /* the client has sent its FIN */
	bool broken; /* to be closed as soon as nobody works on it */
	bool busy; /* its reader is on the call stack */
	size_t in; /* bytes of the current prefix and query in `buf` */
	size_t skip; /* bytes of the current query still to be thrown away */
	uint8_t buf[PREFIX_BYTES + TAKEN_MAX];
	uint8_t *out; /* owned; answers not taken yet, NULL = none */
	size_t out_len;
	size_t out_sent;
};

struct streams {
	struct stream *items;
	uint32_t count;
	struct list active;
	struct list unused;
	struct loop *loop;
	struct datapath *datapath;
	struct stream_options options;
	struct timer idle;
	struct sources clients; /* kind 0: streams */
};

static void stream_ready(struct watch *w, uint32_t events);
static void idle_due(struct timer *t);

int streams_new(struct loop *loop, struct datapath *dp, const struct stream_options *options,
		struct streams **ret_streams)
{
	struct streams *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return -ENOMEM;
	ss->items = calloc(options->max, sizeof(*ss->items));
	if (!ss->items || sources_init(&ss->clients) < 0) {
		free(ss->items);
		free(ss);
		return -ENOMEM;
	}
	budget_setup(datapath_budget(dp, BUDGET_DNS_STREAMS), options->max, options->client_max, 1);
	ss->loop = loop;
	ss->datapath = dp;
	ss->options = *options;
	list_init(&ss->active);
	list_init(&ss->unused);
	for (uint32_t i = 0; i < options->max; i++) {
		ss->items[i].owner = ss;
		ss->items[i].watch.fd = -1;
		list_init(&ss->items[i].of_client);
		list_append(&ss->unused, &ss->items[i].link);
	}
	timer_init(&ss->idle, idle_due);
	*ret_streams = ss;
	return 0;
}

static void close_stream(struct stream *s)
{
	struct streams *ss = s->owner;
	int fd = s->watch.fd;

	loop_remove(ss->loop, &s->watch);
	fd_close(fd);
	free(s->out);
	s->out = NULL;
	s->generation++;
	ss->count--;
	source_release(&ss->clients, s->client, 0, &s->of_client);
	datapath_budget(ss->datapath, BUDGET_DNS_STREAMS)->used--;
	datapath_budget(ss->datapath, BUDGET_DESCRIPTORS)->used--;
	list_touch(&ss->unused, &s->link);
}

void streams_free(struct streams *ss)
{
	if (!ss)
		return;
	list_for_each_safe(pos, next, &ss->active)
		close_stream(container_of(pos, struct stream, link));
	loop_disarm(&ss->idle);
	sources_done(&ss->clients);
	free(ss->items);
	free(ss);
}

static void arm_idle(struct streams *ss)
{
	struct stream *s = list_first(&ss->active, struct stream, link);
	uint64_t now = clock_ms(), due;

	if (list_is_empty(&ss->active) || timer_is_armed(&ss->idle))
		return;
	due = s->touched_ms + DNS_TCP_IDLE_MS;
	loop_arm(ss->loop, &ss->idle, due > now ? due - now : 0);
}

static void touch(struct stream *s)
{
	s->touched_ms = clock_ms();
	list_touch(&s->owner->active, &s->link);
	list_touch(&s->client->kind[0].items, &s->of_client);
}

/* Closes the longest idle stream of `client`; those that follow were used later. */
static bool evict(const struct source *client)
{
	int looks = EVICT_LOOKS;

	list_for_each_safe(pos, next, &client->kind[0].items) {
		struct stream *s = container_of(pos, struct stream, of_client);

		if (!s->in_flight && !s->out && !s->busy) {
			close_stream(s);
			return true;
		}
		if (!--looks)
			return false;
	}
	return false;
}

/* Room for one more of this client. False: *ret_why. */
static bool make_room(struct streams *ss, const struct addr *from, enum drop_reason *ret_why)
{
	struct budget_use *b = datapath_budget(ss->datapath, BUDGET_DNS_STREAMS);
	const struct source *client = sources_find(&ss->clients, from);
	bool made;

	*ret_why = DROP_DNS_SOURCE;
	if (!client || client->kind[0].count < b->source_limit) {
		if (b->used < b->limit)
			return true;
		*ret_why = DROP_DNS_LIMIT;
		client = sources_largest(&ss->clients, 0);
	}
	b->hits++;
	made = evict(client);
	b->evicted += made;
	return made;
}

static void refuse(struct streams *ss, int fd, enum drop_reason why)
{
	datapath_drop(ss->datapath, why);
	fd_close(fd);
}

void stream_open(struct streams *ss, int fd, const struct client *client)
{
	enum drop_reason why;
	struct stream *s;

	if (!make_room(ss, &client->flow.saddr, &why)) {
		refuse(ss, fd, why);
		return;
	}
	s = list_first(&ss->unused, struct stream, link);
	s->peer = *client;
	s->peer.stream = (uint32_t)(s - ss->items);
	s->peer.generation = s->generation;
	s->in_flight = 0;
	s->eof = false;
	s->broken = false;
	s->busy = false;
	s->in = 0;
	s->skip = 0;
	s->out_len = 0;
	s->out_sent = 0;
	s->watch.fd = fd;
	s->watch.ready = stream_ready;
	fd_set_nonblock(fd, true);
	if (loop_add(ss->loop, &s->watch, EPOLLIN) < 0) {
		s->watch.fd = -1;
		refuse(ss, fd, DROP_NO_MEMORY);
		return;
	}
	s->client = sources_enter(&ss->clients, &client->flow.saddr, 0, &s->of_client);
	if (!s->client) {
		loop_remove(ss->loop, &s->watch);
		refuse(ss, fd, DROP_NO_MEMORY);
		return;
	}
	ss->count++;
	datapath_budget(ss->datapath, BUDGET_DNS_STREAMS)->used++;
	datapath_budget(ss->datapath, BUDGET_DESCRIPTORS)->used++;
	touch(s);
	arm_idle(ss);
}

uint32_t streams_count(const struct streams *ss)
{
	return ss->count;
}

/* Closes it if that is due, else asks the loop for what it waits for. */
static void settle(struct stream *s)
{
	bool done = s->eof && !s->in_flight && !s->out;
	uint32_t events = 0;

	if (s->busy)
		return;
	if (s->broken || done) {
		close_stream(s);
		return;
	}
	if (s->out)
		events |= EPOLLOUT;
	else if (!s->eof && s->in_flight < DNS_STREAM_QUERIES_MAX)
		events |= EPOLLIN;
	if (loop_modify(s->owner->loop, &s->watch, events) < 0)
		close_stream(s);
}

/* --- answers ----------------------------------------------------------------------------- */

/* Appends what the socket did not take. 0, -ENOBUFS or -ENOMEM. */
static int keep(struct stream *s, const uint8_t *data, size_t len)
{
	size_t left = s->out_len - s->out_sent;
	uint8_t *out;

	if (!len)
		return 0;
	if (left + len > DNS_STREAM_OUT_MAX)
		return -ENOBUFS;
	out = malloc(left + len);
	if (!out)
		return -ENOMEM;
	if (left)
		memcpy(out, s->out + s->out_sent, left);
	memcpy(out + left, data, len);
	free(s->out);
	s->out = out;
	s->out_len = left + len;
	s->out_sent = 0;
	return 0;
}

static bool retryable(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* Writes prefix and message, keeping what does not go. 0 or -errno. */
static int write_answer(struct stream *s, const uint8_t *msg, size_t len)
{
	uint8_t prefix[PREFIX_BYTES];
	struct iovec iov[2] = { { prefix, sizeof(prefix) }, { (void *)msg, len } };
	struct msghdr header = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t sent = 0;
	int r = 0;

	msg_put16(prefix, (uint16_t)len);
	if (!s->out) {
		sent = sendmsg(s->watch.fd, &header, MSG_NOSIGNAL);
		if (sent < 0 && !retryable(errno))
			return -errno;
		if (sent < 0)
			sent = 0;
	}
	if (sent < PREFIX_BYTES) {
		r = keep(s, prefix + sent, (size_t)(PREFIX_BYTES - sent));
		sent = PREFIX_BYTES;
	}
	return r < 0 ? r : keep(s, msg + sent - PREFIX_BYTES, len + PREFIX_BYTES - (size_t)sent);
}

void stream_reply(struct streams *ss, const struct client *client, const uint8_t *msg, size_t len)
{
	struct stream *s = &ss->items[client->stream];
	int r;

	if (s->generation != client->generation)
		return;
	if (s->in_flight)
		s->in_flight--;
	touch(s);
	if (!s->broken) {
		r = write_answer(s, msg, len);
		if (r == -ENOBUFS || r == -ENOMEM)
			datapath_drop(ss->datapath, DROP_DNS_LIMIT);
		s->broken = r < 0;
	}
	settle(s);
}

static void flush(struct stream *s)
{
	ssize_t sent =
		send(s->watch.fd, s->out + s->out_sent, s->out_len - s->out_sent, MSG_NOSIGNAL);

	if (sent < 0) {
		s->broken = !retryable(errno);
		return;
	}
	touch(s);
	s->out_sent += (size_t)sent;
	if (s->out_sent < s->out_len)
		return;
	free(s->out);
	s->out = NULL;
	s->out_len = 0;
	s->out_sent = 0;
}

/* --- queries ----------------------------------------------------------------------------- */

/* Bytes that make the current prefix and query whole, as far as it is taken. */
static size_t wanted(const struct stream *s)
{
	size_t len;

	if (s->in < PREFIX_BYTES)
		return PREFIX_BYTES;
	len = msg_get16(s->buf);
	return PREFIX_BYTES + (len < TAKEN_MAX ? len : TAKEN_MAX);
}

static void take_query(struct stream *s)
{
	struct streams *ss = s->owner;
	size_t len = msg_get16(s->buf);

	s->in = 0;
	s->skip = len > TAKEN_MAX ? len - TAKEN_MAX : 0;
	s->in_flight++;
	if (ss->options.query(ss->options.arg, &s->peer, s->buf + PREFIX_BYTES,
			      len < TAKEN_MAX ? len : TAKEN_MAX) < 0) {
		s->in_flight--;
		s->broken = true;
	}
}

/* One read. False = nothing more to be had now. */
static bool read_some(struct stream *s)
{
	uint8_t thrown[512];
	size_t want = s->skip < sizeof(thrown) ? s->skip : sizeof(thrown);
	ssize_t got;

	if (s->skip)
		got = recv(s->watch.fd, thrown, want, 0);
	else
		got = recv(s->watch.fd, s->buf + s->in, wanted(s) - s->in, 0);
	if (got < 0) {
		s->broken = !retryable(errno);
		return false;
	}
	if (got == 0) {
		s->eof = true;
		return false;
	}
	if (s->skip)
		s->skip -= (size_t)got;
	else
		s->in += (size_t)got;
	return true;
}

static void read_queries(struct stream *s)
{
	touch(s);
	s->busy = true;
	while (!s->broken && !s->out && s->in_flight < DNS_STREAM_QUERIES_MAX && read_some(s)) {
		/* A length of 0 is a message too short to be one. */
		if (!s->skip && s->in >= PREFIX_BYTES && s->in == wanted(s))
			take_query(s);
	}
	s->busy = false;
}

static void stream_ready(struct watch *w, uint32_t events)
{
	struct stream *s = container_of(w, struct stream, watch);

	if (events & (EPOLLHUP | EPOLLERR))
		s->broken = true; /* both directions are closed: nobody reads answers */
	else if (events & EPOLLOUT)
		flush(s);
	else if (events & EPOLLIN)
		read_queries(s);
	settle(s);
}

static void idle_due(struct timer *t)
{
	struct streams *ss = container_of(t, struct streams, idle);
	uint64_t now = clock_ms();

	for (uint32_t left = ss->count; left; left--) {
		struct stream *s = list_first(&ss->active, struct stream, link);

		if (now - s->touched_ms < DNS_TCP_IDLE_MS)
			break;
		if (s->in_flight)
			touch(s);
		else
			close_stream(s);
	}
	arm_idle(ss);
}
