// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS over HTTPS by nghttp2, which is given bytes and asked for bytes, never the socket.
 *
 * Each request in flight has a stream and a struct doh_stream; one that was cancelled leaves
 * the struct until nghttp2 closes the stream. The ID of a message is 0 (RFC 8484 section 4.1:
 * what is asked by GET can be cached).
 *
 * An answer counts only with status 200 and its content type. A redirection is never followed:
 * who is asked is said by the configuration alone. What caches on the way have kept for a time
 * (Age) is taken off its TTLs (section 5.1).
 *
 * Bounds: REQUESTS_MAX streams, 64 KiB of answer each, header blocks as HTTP/2 is told
 * (HEADERS_MAX), no pushed streams. A silent connection is asked for a sign of life (PING).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <nghttp2/nghttp2.h>

#include "base/clock.h"
#include "base/limits.h"
#include "dns/hop.h"
#include "dns/msg.h"
#include "dns/upstream_doh.h"

#define MEDIA_TYPE "application/dns-message"
#define HEADERS_MAX 16384 /* bytes of an answer's header list */
#define REQUESTS_MAX 100 /* what servers allow at least (RFC 9113 section 6.5.2) */
#define REQUESTS_MORE 64
#define REQUESTS_EARLY 10 /* before the server has said how many it takes */
#define HTTPS_PORT 443
#define AUTHORITY_MAX 272 /* name or [address], and port */
#define PATH_MAX_BYTES 4096 /* with a message of HOP_MESSAGE_MAX bytes in base64url */
#define LOCATION_MAX 96 /* bytes of it that are shown */
#define VARIABLE "{?dns}" /* a template's (RFC 6570), at the end of a configured path */

struct doh {
	nghttp2_session *session;
	const uint8_t *chunk; /* nghttp2's, to be sent next */
	size_t chunk_len;
	uint64_t ping_ms; /* of a PING without answer yet, 0 = none */
	struct list streams; /* all that nghttp2 knows of */
	char authority[AUTHORITY_MAX];
};

struct doh_stream {
	struct list link; /* doh.streams */
	struct transport_request *request; /* NULL = was cancelled */
	bool refused; /* by us: it is longer than an answer can be */
	unsigned int status; /* HTTP's, 0 = none yet */
	bool is_message; /* by its content type */
	uint32_t age; /* seconds */
	char location[LOCATION_MAX]; /* printable */
	size_t sent; /* bytes of the question */
	uint8_t *body; /* owned */
	size_t len, room;
};

/* --- the question ------------------------------------------------------------------------ */

/* Without padding (RFC 4648 section 5). Returns its length. */
static size_t base64url(char *to, const uint8_t *from, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned int bits = 0, have = 0;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | from[i];
		for (have += 8; have >= 6; have -= 6)
			to[n++] = digits[bits >> (have - 6) & 63];
	}
	if (have)
		to[n++] = digits[bits << (6 - have) & 63];
	return n;
}

/* The configured path, and by GET the question behind it. 0 or -EMSGSIZE. */
static int make_path(const struct conf_upstream *u, const struct transport_request *r,
		     char path[PATH_MAX_BYTES])
{
	const char *variable = strstr(u->path, VARIABLE);
	size_t len = variable ? (size_t)(variable - u->path) : strlen(u->path);
	uint8_t message[HOP_MESSAGE_MAX];
	size_t bytes;

	if (len + sizeof("?dns=") + sizeof(message) * 4 / 3 + 4 > PATH_MAX_BYTES)
		return -EMSGSIZE;
	memcpy(path, u->path, len);
	if (u->get) {
		memcpy(path + len, memchr(path, '?', len) ? "&dns=" : "?dns=", 5);
		len += 5;
		bytes = hop_message(message, r->question, 0, true);
		len += base64url(path + len, message, bytes);
	}
	path[len] = '\0';
	return 0;
}

/* nghttp2 takes the body of a POST, as much as the peer's window allows. */
static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct doh_stream *s = source->ptr;
	uint8_t message[HOP_MESSAGE_MAX];
	size_t bytes;

	if (!s->request)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	bytes = hop_message(message, s->request->question, 0, true);
	if (len > bytes - s->sent)
		len = bytes - s->sent;
	memcpy(buf, message + s->sent, len);
	s->sent += len;
	if (s->sent == bytes)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

static nghttp2_nv header(const char *name, const char *value)
{
	nghttp2_nv nv = {
		.name = (uint8_t *)name,
		.value = (uint8_t *)value,
		.namelen = strlen(name),
		.valuelen = strlen(value),
	};

	return nv;
}

/* Returns the stream's ID, or -errno. */
static int32_t submit(struct connection *c, struct doh_stream *s)
{
	const struct conf_upstream *u = transport_upstream(c->transport);
	nghttp2_data_provider body = { .source.ptr = s, .read_callback = read_body };
	struct doh *d = c->own;
	char path[PATH_MAX_BYTES];
	int32_t id;
	int r = make_path(u, s->request, path);
	nghttp2_nv headers[] = {
		header(":method", u->get ? "GET" : "POST"),
		header(":scheme", "https"),
		header(":authority", d->authority),
		header(":path", r < 0 ? "" : path),
		header("accept", MEDIA_TYPE),
		header("content-type", MEDIA_TYPE), /* of a POST */
	};
	size_t num = sizeof(headers) / sizeof(headers[0]);

	if (r < 0)
		return r;
	id = nghttp2_submit_request(d->session, NULL, headers, u->get ? num - 1 : num,
				    u->get ? NULL : &body, s);
	return id >= 0 ? id : id == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EAGAIN;
}

static int doh_send(struct connection *c, struct transport_request *r)
{
	struct doh_stream *s = calloc(1, sizeof(*s));
	struct doh *d = c->own;
	int32_t id;

	if (!s)
		return -ENOMEM;
	s->request = r;
	list_init(&s->link);
	id = submit(c, s);
	if (id < 0) {
		free(s);
		/* No more stream IDs, or the session ends: the next one goes elsewhere. */
		c->draining |= id == -EAGAIN;
		return id;
	}
	list_append(&d->streams, &s->link);
	r->id = (uint32_t)id;
	r->own = s;
	return 0;
}

static void free_stream(struct doh_stream *s)
{
	list_remove(&s->link);
	free(s->body);
	free(s);
}

static void doh_forget(struct connection *c, struct transport_request *r)
{
	struct doh *d = c->own;
	struct doh_stream *s = r->own;

	s->request = NULL;
	nghttp2_submit_rst_stream(d->session, NGHTTP2_FLAG_NONE, (int32_t)r->id, NGHTTP2_CANCEL);
}

/* --- the answer -------------------------------------------------------------------------- */

static struct doh_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static bool is(const uint8_t *name, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(name, text, len) == 0;
}

static uint32_t number(const uint8_t *value, size_t len)
{
	uint32_t n = 0;

	for (size_t i = 0; i < len && value[i] >= '0' && value[i] <= '9'; i++)
		n = n > UINT32_MAX / 10 - 1 ? n : n * 10 + value[i] - '0';
	return n;
}

/* What comes from elsewhere and goes into logs is visible ASCII. */
static void keep_location(struct doh_stream *s, const uint8_t *value, size_t len)
{
	if (len >= sizeof(s->location))
		len = sizeof(s->location) - 1;
	for (size_t i = 0; i < len; i++)
		s->location[i] = value[i] > ' ' && value[i] < 0x7f ? (char)value[i] : '?';
	s->location[len] = '\0';
}

/* With parameters or without. */
static bool is_media_type(const uint8_t *value, size_t len)
{
	size_t bytes = strlen(MEDIA_TYPE);

	return len >= bytes && strncasecmp((const char *)value, MEDIA_TYPE, bytes) == 0 &&
	       (len == bytes || value[bytes] == ';' || value[bytes] == ' ');
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
	struct doh_stream *s = stream_of(session, frame->hd.stream_id);

	if (!s)
		return 0;
	if (is(name, name_len, ":status"))
		s->status = number(value, len);
	else if (is(name, name_len, "content-type"))
		s->is_message = is_media_type(value, len);
	else if (is(name, name_len, "age"))
		s->age = number(value, len);
	else if (is(name, name_len, "location"))
		keep_location(s, value, len);
	return 0;
}

/* 0 or -errno. */
static int make_room(struct doh_stream *s, size_t more)
{
	size_t room = s->room ? s->room : 1024;
	uint8_t *body;

	if (s->len + more > MSG_MAX)
		return -EMSGSIZE;
	while (room < s->len + more)
		room *= 2;
	if (room == s->room)
		return 0;
	body = realloc(s->body, room);
	if (!body)
		return -ENOMEM;
	s->body = body;
	s->room = room;
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t len, void *arg)
{
	struct doh_stream *s = stream_of(session, id);

	if (!s || !s->request || s->refused)
		return 0;
	/* Of a page that explains an error nothing is kept. */
	if (s->status != 200 || !s->is_message)
		return 0;
	if (make_room(s, len) < 0) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
		s->refused = true;
		return 0;
	}
	memcpy(s->body + s->len, data, len);
	s->len += len;
	return 0;
}

static void refuse(const struct doh_stream *s)
{
	char text[TRANSPORT_ERROR_MAX];

	if (s->status >= 300 && s->status < 400)
		snprintf(text, sizeof(text),
			 "HTTP status %u: redirected%s%s, which is not followed (captive portal?)",
			 s->status, s->location[0] ? " to " : "", s->location);
	else if (s->status != 200)
		snprintf(text, sizeof(text), "HTTP status %u", s->status);
	else if (!s->is_message || s->refused)
		snprintf(text, sizeof(text), "its answer is no DNS message of 64 KiB at most");
	else
		snprintf(text, sizeof(text), "its answer does not answer the question");
	transport_refuse(s->request, -EREMOTEIO, text);
}

/* The stream has ended as it should. */
static void conclude(struct doh_stream *s)
{
	struct transport_request *r = s->request;
	size_t question_end = r->question->question_end;

	if (s->status != 200 || !s->is_message || s->refused ||
	    !transport_matches(r, s->body, s->len) ||
	    (s->age && msg_age(s->body, s->len, question_end, s->age) < 0))
		refuse(s);
	else
		transport_answer(r, s->body, s->len);
}

static bool is_error_page(const struct doh_stream *s)
{
	return s->status && s->status != 200;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct doh_stream *s = stream_of(session, id);

	if (!s)
		return 0;
	nghttp2_session_set_stream_user_data(session, id, NULL);
	if (s->request && (error == NGHTTP2_NO_ERROR || s->refused || is_error_page(s)))
		conclude(s);
	else if (s->request)
		transport_again(s->request);
	free_stream(s);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct connection *c = arg;
	struct doh *d = c->own;
	uint32_t max;

	switch (frame->hd.type) {
	case NGHTTP2_GOAWAY:
		c->draining = true;
		break;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			d->ping_ms = 0;
		break;
	case NGHTTP2_SETTINGS:
		max = nghttp2_session_get_remote_settings(session,
							  NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
		c->requests_max = max < REQUESTS_MAX ? max : REQUESTS_MAX;
		c->early = false;
		break;
	default:
		break;
	}
	return 0;
}

/* --- the session ------------------------------------------------------------------------- */

static void make_authority(struct doh *d, const struct conf_upstream *u)
{
	bool v6 = strchr(u->host, ':');
	int len = snprintf(d->authority, sizeof(d->authority), "%s%s%s", v6 ? "[" : "", u->host,
			   v6 ? "]" : "");

	if (u->port != HTTPS_PORT && len > 0 && (size_t)len < sizeof(d->authority))
		snprintf(d->authority + len, sizeof(d->authority) - (size_t)len, ":%u", u->port);
}

static nghttp2_session *make_session(struct connection *c)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session = NULL;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	if (nghttp2_session_client_new(&session, callbacks, c) != 0)
		session = NULL;
	nghttp2_session_callbacks_del(callbacks);
	return session;
}

static int doh_open(struct connection *c)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, NGHTTP2_INITIAL_WINDOW_SIZE },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADERS_MAX },
	};
	struct doh *d = calloc(1, sizeof(*d));

	c->own = d;
	if (!d)
		return -ENOMEM;
	make_authority(d, transport_upstream(c->transport));
	list_init(&d->streams);
	d->session = make_session(c);
	if (!d->session)
		return -ENOMEM;
	c->requests_max = REQUESTS_EARLY;
	c->early = true;
	c->wake_ms = clock_ms() + TRANSPORT_PING_MS;
	return nghttp2_submit_settings(d->session, NGHTTP2_FLAG_NONE, settings,
				       sizeof(settings) / sizeof(settings[0])) == 0 ?
		       0 :
		       -ENOMEM;
}

static void doh_close(struct connection *c)
{
	struct doh *d = c->own;

	if (!d)
		return;
	nghttp2_session_del(d->session);
	/* Empty if there is no session: it was not even made then. */
	list_for_each_safe(pos, next, &d->streams)
		free_stream(container_of(pos, struct doh_stream, link));
	free(d);
	c->own = NULL;
}

static int error_of(ssize_t nghttp2_error)
{
	return nghttp2_error == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
}

static int doh_input(struct connection *c, uint8_t *data, size_t len)
{
	struct doh *d = c->own;
	ssize_t r = nghttp2_session_mem_recv(d->session, data, len);

	return r < 0 ? error_of(r) : 0;
}

static int doh_output(struct connection *c)
{
	struct doh *d = c->own;

	while (connection_room(c)) {
		size_t len = connection_room(c);

		if (!d->chunk_len) {
			ssize_t r = nghttp2_session_mem_send(d->session, &d->chunk);

			if (r < 0)
				return error_of(r);
			d->chunk_len = (size_t)r;
		}
		if (!d->chunk_len)
			break;
		len = len < d->chunk_len ? len : d->chunk_len;
		connection_put(c, d->chunk, len);
		d->chunk += len;
		d->chunk_len -= len;
	}
	if (c->out_len || nghttp2_session_want_read(d->session))
		return 0;
	return -EPROTO; /* it was told to end, and why */
}

/* A sign of life is anything that comes. */
static int doh_tick(struct connection *c, uint64_t now_ms)
{
	struct doh *d = c->own;

	if (d->ping_ms && c->heard_ms < d->ping_ms)
		return -ETIMEDOUT;
	d->ping_ms = 0;
	c->wake_ms = c->heard_ms + TRANSPORT_PING_MS;
	if (c->wake_ms > now_ms)
		return 0;
	d->ping_ms = now_ms;
	c->wake_ms = now_ms + TRANSPORT_PONG_MS;
	return nghttp2_submit_ping(d->session, NGHTTP2_FLAG_NONE, NULL) == 0 ? 0 : -ENOMEM;
}

const struct protocol doh_protocol = {
	.alpn = "h2",
	.alpn_must = true,
	.requests_more = REQUESTS_MORE,
	.requests_max = REQUESTS_MAX,
	.open = doh_open,
	.close = doh_close,
	.send = doh_send,
	.forget = doh_forget,
	.input = doh_input,
	.output = doh_output,
	.tick = doh_tick,
};
