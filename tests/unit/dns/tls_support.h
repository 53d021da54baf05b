/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of encrypted upstreams share: an authority and certificates of any age and
 * name, made here, and a server in the test's own loop that speaks TLS by OpenSSL (or plain
 * TCP) and hands what it decrypts to the test. Goes behind support.h.
 */
#ifndef TESTS_UNIT_DNS_TLS_SUPPORT_H
#define TESTS_UNIT_DNS_TLS_SUPPORT_H

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "dns/transport.h"

#define DAY_S 86400L
#define HOST "dns.example"

/* --- certificates ------------------------------------------------------------------------- */

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static struct identity authority; /* that clients trust by */
static char authority_file[] = "/tmp/headrace-ca-XXXXXX"; /* this file */

static UNUSED void identity_done(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	id->key = NULL;
	id->cert = NULL;
}

static UNUSED void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* By `issuer`, NULL = itself, which makes it an authority; valid between these days from now. */
static UNUSED struct identity make_identity(const struct identity *issuer, const char *names,
					    long from_days, long to_days)
{
	struct identity id = { EVP_EC_gen("P-256"), X509_new() };
	const struct identity *by = issuer ? issuer : &id;
	X509_NAME *name = X509_get_subject_name(id.cert);
	static long serial = 1;

	X509_set_version(id.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), from_days * DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), to_days * DAY_S);
	X509_set_pubkey(id.cert, id.key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)(issuer ? "server" : "authority"), -1, -1,
				   0);
	X509_set_issuer_name(id.cert, X509_get_subject_name(by->cert));
	add_extension(id.cert, by->cert, NID_basic_constraints,
		      issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
	if (names)
		add_extension(id.cert, by->cert, NID_subject_alt_name, names);
	assert_true(X509_sign(id.cert, by->key, EVP_sha256()) > 0);
	return id;
}

/* What the configuration calls a pin of it. */
static UNUSED void pin_of(const struct identity *id, uint8_t pin[32])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(id->cert), &der);

	assert_true(len > 0);
	SHA256(der, (size_t)len, pin);
	OPENSSL_free(der);
}

/* Clients trust this one; NULL = the file holds no certificate. */
static UNUSED void trust(const struct identity *id)
{
	FILE *f = fopen(authority_file, "w");

	assert_non_null(f);
	if (id)
		assert_int_equal(PEM_write_X509(f, id->cert), 1);
	fclose(f);
}

/* Once per program. */
static UNUSED int make_authority(void **state)
{
	close(mkstemp(authority_file));
	authority = make_identity(NULL, NULL, -10, 10);
	trust(&authority);
	return 0;
}

static UNUSED int remove_authority(void **state)
{
	identity_done(&authority);
	unlink(authority_file);
	return 0;
}

/* --- the server --------------------------------------------------------------------------- */

struct server;

#define PEERS 40

struct peer {
	struct watch watch;
	struct server *server;
	SSL *ssl; /* NULL = plain TCP */
	bool open; /* the handshake is done */
	void *own; /* the test's */
	size_t len;
	uint8_t in[70000]; /* what was read and not yet taken */
};

struct server {
	struct loop *loop;
	struct watch listener;
	struct endpoint endpoint;
	SSL_CTX *ctx; /* NULL = plain TCP */
	struct peer peer[PEERS];
	void (*greet)(struct peer *p); /* NULL, or called once it is open */
	void (*hear)(struct peer *p); /* there is more in `in` */
	void (*leave)(struct peer *p); /* NULL, or called before it is gone */
	unsigned int accepted, handshakes, resumed, refused;
	size_t heard; /* bytes of whatever kind, decrypted */
	bool silent; /* accepts, and says nothing */
	bool reset; /* accepts, and resets at the first byte */
	bool bytewise; /* each byte in a record of its own */
};

static UNUSED int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
			      const unsigned char *in, unsigned int in_len, void *arg)
{
	const char *offered = arg;

	if (SSL_select_next_proto((unsigned char **)out, len, (const unsigned char *)offered,
				  (unsigned int)strlen(offered), in,
				  in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

/* alpn: in wire form, NULL = none. */
static UNUSED SSL_CTX *make_context(const struct identity *id, const char *alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_int_equal(SSL_CTX_use_certificate(ctx, id->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, id->key), 1);
	if (alpn)
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, (void *)alpn);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"t", 1);
	return ctx;
}

static UNUSED void peer_leave(struct peer *p)
{
	int fd = p->watch.fd;

	if (fd < 0)
		return;
	if (p->server->leave)
		p->server->leave(p);
	loop_remove(p->server->loop, &p->watch);
	fd_close(fd);
	SSL_free(p->ssl);
	p->ssl = NULL;
	p->open = false;
	p->len = 0;
	p->own = NULL;
}

/* RST instead of an end. */
static UNUSED void peer_abort(struct peer *p)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(p->watch.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	peer_leave(p);
}

static UNUSED void peer_send(struct peer *p, const void *data, size_t len)
{
	size_t piece = p->server->bytewise ? 1 : len;

	for (size_t at = 0; at < len; at += piece) {
		const uint8_t *from = (const uint8_t *)data + at;
		ssize_t sent;

		if (p->ssl)
			sent = SSL_write(p->ssl, from, (int)piece);
		else
			sent = send(p->watch.fd, from, piece, MSG_NOSIGNAL);
		assert_int_equal(sent, piece);
	}
}

/* 1 = bytes, 0 = none now, -1 = it has ended. */
static UNUSED int peer_read(struct peer *p)
{
	ssize_t got;

	assert_true(p->len < sizeof(p->in));
	if (p->ssl)
		got = SSL_read(p->ssl, p->in + p->len, (int)(sizeof(p->in) - p->len));
	else
		got = recv(p->watch.fd, p->in + p->len, sizeof(p->in) - p->len, 0);
	if (got > 0) {
		p->len += (size_t)got;
		p->server->heard += (size_t)got;
		return 1;
	}
	if (p->ssl)
		return SSL_get_error(p->ssl, (int)got) == SSL_ERROR_WANT_READ ? 0 : -1;
	return got < 0 && errno == EAGAIN ? 0 : -1;
}

/* False = not (yet) open. */
static UNUSED bool peer_open(struct peer *p)
{
	struct server *s = p->server;
	int r = p->ssl ? SSL_accept(p->ssl) : 1;

	if (r == 1) {
		p->open = true;
		s->handshakes += p->ssl != NULL;
		s->resumed += p->ssl && SSL_session_reused(p->ssl);
		if (s->greet)
			s->greet(p);
		return p->watch.fd >= 0;
	}
	if (SSL_get_error(p->ssl, r) == SSL_ERROR_WANT_READ)
		return false;
	s->refused++;
	peer_leave(p);
	return false;
}

static UNUSED void peer_ready(struct watch *w, uint32_t events)
{
	struct peer *p = container_of(w, struct peer, watch);
	int r;

	if (p->server->reset) {
		peer_abort(p);
		return;
	}
	if (p->server->silent) {
		loop_modify(p->server->loop, w, 0);
		return;
	}
	ERR_clear_error();
	if (!p->open && !peer_open(p))
		return;
	while (w->fd >= 0 && (r = peer_read(p)) > 0)
		p->server->hear(p);
	if (w->fd >= 0 && r < 0)
		peer_leave(p);
}

static UNUSED void server_ready(struct watch *w, uint32_t events)
{
	struct server *s = container_of(w, struct server, listener);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), size = 4 << 20;

	for (unsigned int i = 0; i < PEERS; i++) {
		struct peer *p = &s->peer[i];

		if (p->watch.fd >= 0)
			continue;
		s->accepted++;
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		p->watch.fd = fd;
		p->watch.ready = peer_ready;
		if (s->ctx) {
			p->ssl = SSL_new(s->ctx);
			SSL_set_fd(p->ssl, fd);
		}
		assert_int_equal(loop_add(s->loop, &p->watch, EPOLLIN), 0);
		return;
	}
	fail_msg("more than %d connections", PEERS);
}

/* Listens on a free port of loopback, or again on that of s->endpoint. */
static UNUSED void server_listen(struct server *s)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&s->endpoint, &ss);
	int on = 1;

	s->listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	s->listener.ready = server_ready;
	setsockopt(s->listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(s->listener.fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(listen(s->listener.fd, PEERS), 0);
	len = sizeof(ss);
	getsockname(s->listener.fd, (struct sockaddr *)&ss, &len);
	endpoint_from_sockaddr((struct sockaddr *)&ss, &s->endpoint);
	assert_int_equal(loop_add(s->loop, &s->listener, EPOLLIN), 0);
}

/* `ctx` is the server's from here. */
static UNUSED struct server *server_new(struct loop *loop, SSL_CTX *ctx,
					void (*hear)(struct peer *p))
{
	struct server *s = calloc(1, sizeof(*s));

	s->loop = loop;
	s->ctx = ctx;
	s->hear = hear;
	for (unsigned int i = 0; i < PEERS; i++) {
		s->peer[i].watch.fd = -1;
		s->peer[i].server = s;
	}
	assert_int_equal(endpoint_parse("127.0.0.1", 0, &s->endpoint), 0);
	server_listen(s);
	return s;
}

static UNUSED void server_stop(struct server *s)
{
	int fd = s->listener.fd;

	for (unsigned int i = 0; i < PEERS; i++)
		peer_leave(&s->peer[i]);
	loop_remove(s->loop, &s->listener);
	fd_close(fd);
}

static UNUSED void server_free(struct server *s)
{
	if (!s)
		return;
	server_stop(s);
	SSL_CTX_free(s->ctx);
	free(s);
}

static UNUSED struct peer *server_peer(struct server *s)
{
	for (unsigned int i = 0; i < PEERS; i++) {
		if (s->peer[i].open)
			return &s->peer[i];
	}
	fail_msg("nobody is connected");
	return NULL;
}

static UNUSED unsigned int server_open(const struct server *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < PEERS; i++)
		n += s->peer[i].open;
	return n;
}

/* --- requests ----------------------------------------------------------------------------- */

struct ask {
	struct transport_request request;
	struct plain_question question;
	struct wire message;
	unsigned int done;
	int status;
	struct wire answer;
};

static UNUSED void ask_done(struct transport_request *r, int status, uint8_t *answer, size_t len)
{
	struct ask *a = container_of(r, struct ask, request);

	assert_true(transport_is_idle(r));
	a->done++;
	a->status = status;
	a->answer.len = 0;
	if (status == 0)
		wire_bytes(&a->answer, answer, len);
}

/* A question for this name's address, with EDNS. */
static UNUSED struct ask *ask_new(const char *name)
{
	struct ask *a = calloc(1, sizeof(*a));
	struct msg_question question;

	wire_query(&a->message, 0, name, TYPE_A);
	wire_opt(&a->message, EDNS_PAYLOAD, false, NULL, 0);
	assert_int_equal(msg_question_get(a->message.b, a->message.len, &question), 0);
	a->question = (struct plain_question){
		.message = a->message.b,
		.len = a->message.len,
		.question_end = question.end,
	};
	a->request.question = &a->question;
	a->request.done = ask_done;
	return a;
}

/* Its answer is as say_address() makes them. */
static UNUSED void assert_answered(const struct ask *a)
{
	assert_int_equal(a->done, 1);
	assert_int_equal(a->status, 0);
	assert_int_equal(msg_get16(a->answer.b + 6), 1);
	assert_memory_equal(a->answer.b + MSG_HEADER_BYTES, a->message.b + MSG_HEADER_BYTES,
			    a->question.question_end - MSG_HEADER_BYTES);
}

static UNUSED void say_address(struct wire *answer, const uint8_t *q, size_t len)
{
	wire_answer_to(answer, q, len, 0);
	wire_a(answer, 60, "192.0.2.1");
}

#endif
