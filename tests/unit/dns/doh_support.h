/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A DNS over HTTPS server for the tests, by nghttp2 over the server of tls_support.h, which
 * answers as it is told and can go wrong in many ways. Goes behind support.h.
 */
#ifndef TESTS_UNIT_DNS_DOH_SUPPORT_H
#define TESTS_UNIT_DNS_DOH_SUPPORT_H

#include <nghttp2/nghttp2.h>

#include "tls_support.h"

#define HELD_MAX 300

/* One request as the server has it. */
struct exchange_at {
	struct peer *peer;
	int32_t id;
	char method[16], path[8192], authority[300], type[64], accept[64];
	struct wire body;
	size_t sent; /* of the answer */
	struct wire answer;
};

/* How the server behaves. */
static struct {
	const char *status; /* NULL = 200 */
	const char *type; /* NULL = the right one */
	const char *age;
	const char *location;
	unsigned int hold; /* requests that are not answered before there are so many */
	unsigned int refuse; /* streams that are refused */
	unsigned int goaways; /* it says GOAWAY to so many requests without looking at them */
	unsigned int cuts; /* answers in the middle of which it resets the connection */
	unsigned int half; /* answers whose stream it resets in the middle */
	bool deaf; /* to PING */
	uint32_t streams; /* that it allows at a time, 0 = 100 */
	void (*say)(struct wire *answer, const uint8_t *q, size_t len);
} how;

static struct {
	unsigned int requests; /* that were whole */
	unsigned int pings;
	unsigned int most; /* of one connection at a time */
	struct exchange_at *held[HELD_MAX];
	unsigned int held_num;
	struct exchange_at last;
} saw;

/* --- requests and answers ------------------------------------------------------------------ */

static void flush_session(struct peer *p)
{
	const uint8_t *data;
	ssize_t len;

	while (p->own && (len = nghttp2_session_mem_send(p->own, &data)) > 0)
		peer_send(p, data, (size_t)len);
}

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
			   uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct exchange_at *x = source->ptr;

	if (x->sent && (how.cuts || how.half)) {
		if (!how.half)
			return NGHTTP2_ERR_CALLBACK_FAILURE;
		how.half--;
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	if (len > x->answer.len - x->sent)
		len = x->answer.len - x->sent;
	if ((how.cuts || how.half) && len > 5)
		len = 5;
	memcpy(buf, x->answer.b + x->sent, len);
	x->sent += len;
	if (x->sent == x->answer.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)len;
}

static nghttp2_nv pair(const char *name, const char *value)
{
	nghttp2_nv nv = { (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0 };

	return nv;
}

static void respond(struct exchange_at *x)
{
	nghttp2_data_provider body = { .source.ptr = x, .read_callback = read_answer };
	nghttp2_nv headers[4];
	size_t n = 0;

	headers[n++] = pair(":status", how.status ? how.status : "200");
	headers[n++] = pair("content-type", how.type ? how.type : "application/dns-message");
	if (how.age)
		headers[n++] = pair("age", how.age);
	if (how.location)
		headers[n++] = pair("location", how.location);
	how.say(&x->answer, x->body.b, x->body.len);
	nghttp2_submit_response(x->peer->own, x->id, headers, n, &body);
}

/* The message of a GET, from its path. */
static void decode(struct exchange_at *x)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *at = strstr(x->path, "dns=");
	unsigned int bits = 0, have = 0;

	assert_non_null(at);
	for (at += 4; *at; at++) {
		const char *digit = strchr(digits, *at);

		assert_non_null(digit);
		bits = bits << 6 | (unsigned int)(digit - digits);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		wire_bytes(&x->body, &(uint8_t){ (uint8_t)(bits >> have) }, 1);
	}
	assert_true(have < 6);
	assert_int_equal(bits & ((1U << have) - 1), 0);
}

static void take_request(struct exchange_at *x)
{
	nghttp2_session *session = x->peer->own;

	saw.requests++;
	if (strcmp(x->method, "GET") == 0)
		decode(x);
	memcpy(&saw.last, x, sizeof(saw.last));
	if (how.refuse) {
		how.refuse--;
		nghttp2_submit_rst_stream(session, 0, x->id, NGHTTP2_REFUSED_STREAM);
		return;
	}
	if (how.goaways) {
		how.goaways--;
		nghttp2_submit_goaway(session, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
		return;
	}
	if (how.hold) {
		saw.held[saw.held_num++] = x;
		if (saw.held_num < how.hold)
			return;
		/* the last one first */
		while (saw.held_num)
			respond(saw.held[--saw.held_num]);
		how.hold = 0;
		return;
	}
	respond(x);
}

static int server_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct exchange_at *x = calloc(1, sizeof(*x));

	x->peer = arg;
	x->id = frame->hd.stream_id;
	nghttp2_session_set_stream_user_data(session, x->id, x);
	return 0;
}

static void copy(char *to, size_t size, const uint8_t *value, size_t len)
{
	assert_true(len < size);
	memcpy(to, value, len);
	to[len] = '\0';
}

static int server_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
			 size_t name_len, const uint8_t *value, size_t len, uint8_t flags,
			 void *arg)
{
	struct exchange_at *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	const char *n = (const char *)name;

	if (strcmp(n, ":method") == 0)
		copy(x->method, sizeof(x->method), value, len);
	else if (strcmp(n, ":path") == 0)
		copy(x->path, sizeof(x->path), value, len);
	else if (strcmp(n, ":authority") == 0)
		copy(x->authority, sizeof(x->authority), value, len);
	else if (strcmp(n, "content-type") == 0)
		copy(x->type, sizeof(x->type), value, len);
	else if (strcmp(n, "accept") == 0)
		copy(x->accept, sizeof(x->accept), value, len);
	return 0;
}

static int server_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		       size_t len, void *arg)
{
	struct exchange_at *x = nghttp2_session_get_stream_user_data(session, id);

	wire_bytes(&x->body, data, len);
	return 0;
}

static int server_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct exchange_at *x = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	if (frame->hd.type == NGHTTP2_PING)
		saw.pings++;
	if (x && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		take_request(x);
	return 0;
}

static int server_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct exchange_at *x = nghttp2_session_get_stream_user_data(session, id);

	for (unsigned int i = 0; i < saw.held_num; i++) {
		if (saw.held[i] == x)
			saw.held[i] = saw.held[--saw.held_num];
	}
	free(x);
	return 0;
}

static void doh_greet(struct peer *p)
{
	nghttp2_settings_entry setting = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
					   how.streams ? how.streams : 100 };
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	nghttp2_session *session;

	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, server_begin);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, server_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, server_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, server_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, server_close);
	nghttp2_option_new(&option);
	nghttp2_option_set_no_auto_ping_ack(option, how.deaf);
	assert_int_equal(nghttp2_session_server_new2(&session, callbacks, p, option), 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(session, 0, &setting, 1);
	p->own = session;
	flush_session(p);
}

static void doh_leave(struct peer *p)
{
	nghttp2_session *session = p->own;

	/* streams that are still open: their structs */
	for (int32_t id = 1; session && id < 2000; id += 2) {
		struct exchange_at *x = nghttp2_session_get_stream_user_data(session, id);

		if (x)
			server_close(session, id, 0, p);
	}
	nghttp2_session_del(session);
}

static void doh_hear(struct peer *p)
{
	size_t len = p->len;

	p->len = 0;
	if (nghttp2_session_mem_recv(p->own, p->in, len) < 0) {
		peer_abort(p);
		return;
	}
	while (nghttp2_session_want_write(p->own)) {
		const uint8_t *data;
		ssize_t n = nghttp2_session_mem_send(p->own, &data);

		if (n > 0)
			peer_send(p, data, (size_t)n);
		if (n < 0) {
			how.cuts--;
			peer_abort(p);
			return;
		}
		if (n == 0)
			return;
	}
}

#endif
