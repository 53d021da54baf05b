// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS over a stream. Each request in flight has an ID that no other on its connection has; the
 * answer is found by it and must have its question. What fits none (a request that was
 * cancelled, or nonsense) is thrown away: a stream that is read in full stays in step.
 *
 * Questions are padded (RFC 8467) if they go over TLS. An answer that lies whole in what was
 * read is used there; else it is put together in a buffer of its length, one per connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "dns/hop.h"
#include "dns/msg.h"
#include "dns/upstream_dot.h"

#define PREFIX_BYTES 2 /* length before a message */
#define REQUESTS_MAX 512
#define REQUESTS_MORE 64
#define BUCKETS 256 /* by ID; a power of 2 */

struct dot {
	uint8_t prefix[PREFIX_BYTES];
	size_t in; /* bytes of prefix and answer that came */
	uint8_t *answer; /* owned; of the length that the prefix told, NULL = not needed */
	struct transport_request *bucket[BUCKETS];
};

static int dot_open(struct connection *c)
{
	c->own = calloc(1, sizeof(struct dot));
	return c->own ? 0 : -ENOMEM;
}

static void dot_close(struct connection *c)
{
	struct dot *d = c->own;

	if (d)
		free(d->answer);
	free(d);
	c->own = NULL;
}

/* --- requests in flight ------------------------------------------------------------------ */

static struct transport_request *find(const struct dot *d, uint32_t id)
{
	struct transport_request *r = d->bucket[id % BUCKETS];

	while (r && r->id != id)
		r = r->own;
	return r;
}

static void dot_forget(struct connection *c, struct transport_request *r)
{
	struct dot *d = c->own;
	struct transport_request **bucket = &d->bucket[r->id % BUCKETS], *before = *bucket;

	if (before == r) {
		*bucket = r->own;
		return;
	}
	while (before && before->own != r)
		before = before->own;
	if (before)
		before->own = r->own;
}

/* An ID that is free; one in 128 is taken at most. */
static void draw_id(struct dot *d, struct transport_request *r)
{
	do
		r->id = random_u16();
	while (find(d, r->id));
	r->own = d->bucket[r->id % BUCKETS];
	d->bucket[r->id % BUCKETS] = r;
}

static int dot_send(struct connection *c, struct transport_request *r)
{
	uint8_t message[PREFIX_BYTES + HOP_MESSAGE_MAX];
	struct dot *d = c->own;
	size_t len;
	int err;

	draw_id(d, r);
	len = hop_message(message + PREFIX_BYTES, r->question, (uint16_t)r->id, c->tls);
	msg_put16(message, (uint16_t)len);
	err = connection_put(c, message, PREFIX_BYTES + len);
	if (err < 0)
		dot_forget(c, r);
	return err;
}

/* --- answers ----------------------------------------------------------------------------- */

static void take_answer(struct connection *c, uint8_t *answer, size_t len)
{
	struct dot *d = c->own;
	struct transport_request *r = find(d, msg_get16(answer));

	if (!r || !transport_matches(r, answer, len))
		return;
	dot_forget(c, r);
	transport_answer(r, answer, len);
}

/* Bytes that make the prefix, and then the answer, whole. */
static size_t wanted(const struct dot *d)
{
	return PREFIX_BYTES + (d->in < PREFIX_BYTES ? 0 : msg_get16(d->prefix));
}

/* The answer begins here, and not all of it is here: it needs a buffer. */
static int make_buffer(struct dot *d)
{
	d->answer = malloc(msg_get16(d->prefix));
	return d->answer ? 0 : -ENOMEM;
}

/* Takes bytes of the current prefix or answer. Returns their number or -errno. */
static ssize_t take_some(struct connection *c, uint8_t *data, size_t len)
{
	struct dot *d = c->own;
	size_t bytes = wanted(d) - d->in;

	if (d->in == PREFIX_BYTES && bytes <= len) {
		d->in = 0;
		take_answer(c, data, bytes);
		return (ssize_t)bytes;
	}
	if (d->in == PREFIX_BYTES && make_buffer(d) < 0)
		return -ENOMEM;
	if (bytes > len)
		bytes = len;
	if (d->in < PREFIX_BYTES)
		memcpy(d->prefix + d->in, data, bytes);
	else
		memcpy(d->answer + d->in - PREFIX_BYTES, data, bytes);
	d->in += bytes;
	return (ssize_t)bytes;
}

static int dot_input(struct connection *c, uint8_t *data, size_t len)
{
	struct dot *d = c->own;

	while (len) {
		ssize_t taken = take_some(c, data, len);

		if (taken < 0)
			return (int)taken;
		data += taken;
		len -= (size_t)taken;
		if (d->in == PREFIX_BYTES && msg_get16(d->prefix) < MSG_HEADER_BYTES)
			return -EBADMSG;
		if (d->answer && d->in == wanted(d)) {
			uint8_t *answer = d->answer;

			d->answer = NULL;
			d->in = 0;
			take_answer(c, answer, msg_get16(d->prefix));
			free(answer);
		}
	}
	return 0;
}

const struct protocol dot_protocol = {
	.alpn = "dot",
	.requests_more = REQUESTS_MORE,
	.requests_max = REQUESTS_MAX,
	.open = dot_open,
	.close = dot_close,
	.send = dot_send,
	.forget = dot_forget,
	.input = dot_input,
};
