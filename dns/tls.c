// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TLS over OpenSSL 3. Its configuration file is not read: what it could change (versions,
 * providers to be loaded) is decided here, and loading code is nothing a role may do.
 *
 * Who the other side is, is decided in one place, verify_chain(), while the handshake runs: the
 * chain up to an authority, validity and name by OpenSSL, then the pins. Only what has passed
 * it is ever resumed, and no longer than its certificate is valid.
 *
 * Bytes go through a BIO of ours, for OpenSSL's own would write without MSG_NOSIGNAL.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/addr.h"
#include "base/fd.h"
#include "dns/tls.h"

#define HOST_MAX 256
#define DATE_MAX 32
/* TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325, RFC 9113 appendix A). */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define SECURITY_LEVEL 2 /* 112 bits: RSA from 2048 on, no SHA-1 */

struct tls_client {
	SSL_CTX *ctx;
	BIO_METHOD *method;
	char host[HOST_MAX]; /* without the last dot */
	bool is_address;
	unsigned char alpn[1 + 16]; /* in wire form */
	bool alpn_must;
	const uint8_t (*pin)[TLS_PIN_BYTES];
	uint32_t pins;
	SSL_SESSION *ticket[TLS_TICKETS_MAX]; /* owned, the latest last */
	unsigned int tickets;
	struct tls_counts counts;
	const char *file; /* of the authorities */
	struct stat seen; /* the same when it was read */
};

struct tls {
	struct tls_client *client;
	SSL *ssl;
	int fd;
	int socket_error; /* errno of the last call that failed for good, 0 = the other's end */
	bool done; /* the handshake */
	bool broken; /* nothing more may be sent */
	bool wants_write;
	char error[TLS_ERROR_MAX];
};

/* --- bytes ------------------------------------------------------------------------------- */

static int moved(BIO *bio, ssize_t n, int retry)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n > 0)
		return (int)n;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
	else
		t->socket_error = n < 0 ? errno : 0;
	return (int)n;
}

static int bio_read(BIO *bio, char *data, int len)
{
	struct tls *t = BIO_get_data(bio);

	return moved(bio, recv(t->fd, data, (size_t)len, 0), BIO_FLAGS_READ);
}

static int bio_write(BIO *bio, const char *data, int len)
{
	struct tls *t = BIO_get_data(bio);

	return moved(bio, send(t->fd, data, (size_t)len, MSG_NOSIGNAL), BIO_FLAGS_WRITE);
}

static long bio_control(BIO *bio, int command, long n, void *p)
{
	return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");

	if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
	    BIO_meth_set_ctrl(m, bio_control) && BIO_meth_set_create(m, bio_create))
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* --- who it is --------------------------------------------------------------------------- */

static bool is_pinned(const struct tls_client *client, X509 *cert)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool found = false;

	if (len <= 0)
		return false;
	SHA256(der, (size_t)len, digest);
	OPENSSL_free(der);
	for (uint32_t i = 0; i < client->pins; i++)
		found |= memcmp(digest, client->pin[i], TLS_PIN_BYTES) == 0;
	return found;
}

static bool chain_is_pinned(const struct tls_client *client, X509_STORE_CTX *x)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(x);

	for (int i = 0; i < sk_X509_num(chain); i++) {
		if (is_pinned(client, sk_X509_value(chain, i)))
			return true;
	}
	return client->pins == 0;
}

static void date_of(const ASN1_TIME *time, char buf[DATE_MAX])
{
	struct tm tm;

	if (!ASN1_TIME_to_tm(time, &tm) || !strftime(buf, DATE_MAX, "%Y-%m-%d %H:%M UTC", &tm))
		snprintf(buf, DATE_MAX, "an unreadable date");
}

/* In words of a user. */
static void explain(struct tls *t, int error, X509 *cert)
{
	char date[DATE_MAX] = "";

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		date_of(X509_get0_notAfter(cert), date);
		snprintf(t->error, sizeof(t->error), "its certificate has expired on %s", date);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		date_of(X509_get0_notBefore(cert), date);
		snprintf(t->error, sizeof(t->error), "its certificate is not valid before %s",
			 date);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		snprintf(t->error, sizeof(t->error), "its certificate is not for %.80s",
			 t->client->host);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* only the authority's name is right */
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		snprintf(t->error, sizeof(t->error),
			 "its certificate is not by an authority that is trusted");
		break;
	default:
		snprintf(t->error, sizeof(t->error), "its certificate is refused: %s",
			 X509_verify_cert_error_string(error));
	}
}

/* Of each full handshake, in place of OpenSSL's own. 1 = go on. */
static int verify_chain(X509_STORE_CTX *x, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);

	if (X509_verify_cert(x) <= 0) {
		explain(t, X509_STORE_CTX_get_error(x), X509_STORE_CTX_get_current_cert(x));
		return 0;
	}
	if (chain_is_pinned(t->client, x))
		return 1;
	X509_STORE_CTX_set_error(x, X509_V_ERR_APPLICATION_VERIFICATION);
	snprintf(t->error, sizeof(t->error), "no key of its certificates is one of the pins");
	return 0;
}

static int expect_name(struct tls *t)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
						       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (t->client->is_address)
		return X509_VERIFY_PARAM_set1_ip_asc(param, t->client->host);
	return X509_VERIFY_PARAM_set1_host(param, t->client->host, 0) &&
	       SSL_set_tlsext_host_name(t->ssl, t->client->host);
}

/* --- tickets ----------------------------------------------------------------------------- */

static void push_ticket(struct tls_client *client, SSL_SESSION *session)
{
	if (client->tickets == TLS_TICKETS_MAX) {
		SSL_SESSION_free(client->ticket[0]);
		client->tickets--;
		memmove(client->ticket, client->ticket + 1,
			client->tickets * sizeof(client->ticket[0]));
	}
	client->ticket[client->tickets++] = session;
}

/* 1 = the reference is ours now. */
static int new_ticket(SSL *ssl, SSL_SESSION *session)
{
	const struct tls *t = SSL_get_app_data(ssl);

	if (SSL_get_verify_result(ssl) != X509_V_OK || !SSL_SESSION_is_resumable(session))
		return 0;
	push_ticket(t->client, session);
	return 1;
}

static bool still_valid(const SSL_SESSION *session)
{
	X509 *cert = SSL_SESSION_get0_peer((SSL_SESSION *)session);

	return cert && X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

/* The latest; one of TLS 1.3 is used once (RFC 8446 appendix C.4), earlier ones again. */
static void use_ticket(struct tls *t)
{
	struct tls_client *client = t->client;

	while (client->tickets) {
		SSL_SESSION *session = client->ticket[--client->tickets];

		if (still_valid(session) && SSL_set_session(t->ssl, session)) {
			if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
				client->tickets++;
			else
				SSL_SESSION_free(session);
			return;
		}
		SSL_SESSION_free(session);
	}
}

/* --- the client -------------------------------------------------------------------------- */

static int set_host(struct tls_client *client, const char *host)
{
	struct addr address;
	size_t len = strlen(host);

	if (len && host[len - 1] == '.')
		len--;
	if (!len || len >= sizeof(client->host))
		return -EINVAL;
	memcpy(client->host, host, len);
	client->is_address = addr_parse(client->host, &address) == 0;
	return 0;
}

/* Versions, ciphers, and what is not wanted of TLS. False = no memory. */
static bool restrict_protocol(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
	       SSL_CTX_set_cipher_list(ctx, CIPHERS_12);
}

static const char *system_file(void)
{
	const char *file = getenv(X509_get_default_cert_file_env());

	return file ? file : X509_get_default_cert_file();
}

/* All zero if it is not there. */
static struct stat stat_of(const char *file)
{
	struct stat st = { 0 };

	(void)stat(file, &st);
	return st;
}

/*
 * The system's authorities: reading them takes some 40 ms and megabytes, which must not be paid
 * for each upstream of a configuration while queries wait. They are read again when their file
 * has become another one; who was made before keeps those that it knows (tls_client_is_current()).
 */
static X509_STORE *system_authorities(void)
{
	static X509_STORE *known; /* a reference, for good */
	static struct stat seen;
	struct stat now = stat_of(system_file());
	X509_STORE *store;

	if (known && fd_same_file(&now, &seen))
		return known;
	store = X509_STORE_new();
	if (!store || !X509_STORE_set_default_paths(store)) {
		X509_STORE_free(store);
		return NULL;
	}
	X509_STORE_free(known);
	known = store;
	seen = now;
	return known;
}

static int use_system_authorities(SSL_CTX *ctx)
{
	X509_STORE *store = system_authorities();

	if (!store)
		return -ENOMEM;
	SSL_CTX_set1_cert_store(ctx, store);
	return 0;
}

static int load_authorities(SSL_CTX *ctx, const char *ca_file, char error[TLS_ERROR_MAX])
{
	if (!ca_file)
		return use_system_authorities(ctx);
	if (access(ca_file, R_OK) < 0) {
		snprintf(error, TLS_ERROR_MAX, "%.100s: %s", ca_file, strerror(errno));
		return -errno;
	}
	if (SSL_CTX_load_verify_file(ctx, ca_file))
		return 0;
	snprintf(error, TLS_ERROR_MAX, "%.100s: no certificate in PEM form", ca_file);
	return -EINVAL;
}

static int setup_context(struct tls_client *client, const struct tls_options *o,
			 char error[TLS_ERROR_MAX])
{
	unsigned int len = 1U + client->alpn[0];

	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	client->method = make_method();
	client->ctx = SSL_CTX_new(TLS_client_method());
	if (!client->method || !client->ctx || !restrict_protocol(client->ctx))
		return -ENOMEM;
	SSL_CTX_set_verify(client->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(client->ctx, verify_chain, NULL);
	SSL_CTX_set_session_cache_mode(client->ctx,
				       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(client->ctx, new_ticket);
	if (SSL_CTX_set_alpn_protos(client->ctx, client->alpn, len) != 0)
		return -ENOMEM;
	client->file = o->ca_file ? o->ca_file : system_file();
	client->seen = stat_of(client->file); /* before it is read: what comes later is a change */
	return load_authorities(client->ctx, o->ca_file, error);
}

int tls_client_new(const struct tls_options *options, struct tls_client **ret_client,
		   char ret_error[TLS_ERROR_MAX])
{
	struct tls_client *client = calloc(1, sizeof(*client));
	size_t len = strlen(options->alpn);
	int r;

	snprintf(ret_error, TLS_ERROR_MAX, "out of memory");
	if (!client)
		return -ENOMEM;
	client->alpn_must = options->alpn_must;
	client->pin = options->pin;
	client->pins = options->pins;
	client->alpn[0] = (unsigned char)len;
	memcpy(client->alpn + 1, options->alpn, len);
	r = set_host(client, options->host);
	if (r < 0)
		snprintf(ret_error, TLS_ERROR_MAX, "%.100s is no name of a host", options->host);
	else
		r = setup_context(client, options, ret_error);
	ERR_clear_error();
	if (r < 0) {
		tls_client_free(client);
		return r;
	}
	ret_error[0] = '\0';
	*ret_client = client;
	return 0;
}

void tls_client_free(struct tls_client *client)
{
	if (!client)
		return;
	while (client->tickets)
		SSL_SESSION_free(client->ticket[--client->tickets]);
	SSL_CTX_free(client->ctx);
	BIO_meth_free(client->method);
	free(client);
}

bool tls_client_is_current(const struct tls_client *client)
{
	struct stat now = stat_of(client->file);

	return fd_same_file(&now, &client->seen);
}

void tls_client_counts(const struct tls_client *client, struct tls_counts *ret_counts)
{
	*ret_counts = client->counts;
}

/* --- a connection ------------------------------------------------------------------------ */

int tls_new(struct tls_client *client, int fd, struct tls **ret_tls)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *bio = BIO_new(client->method);

	if (t)
		t->ssl = SSL_new(client->ctx);
	if (!bio || !t || !t->ssl) {
		BIO_free(bio);
		tls_free(t);
		return -ENOMEM;
	}
	t->client = client;
	t->fd = fd;
	BIO_set_data(bio, t);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_app_data(t->ssl, t);
	SSL_set_connect_state(t->ssl);
	if (!expect_name(t)) {
		tls_free(t);
		return -ENOMEM;
	}
	use_ticket(t);
	*ret_tls = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	if (t->ssl) {
		ERR_clear_error();
		if (t->done && !t->broken)
			SSL_shutdown(t->ssl);
		/* Not without an end, or OpenSSL would have its session not resumed. */
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(t->ssl);
		ERR_clear_error();
	}
	free(t);
}

/* What is wrong with the protocol, as far as it has a text of ours. */
static const char *reason_text(int reason)
{
	switch (reason) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return "it speaks no TLS of version 1.2 or later";
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
		return "what it says is not TLS";
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
	case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
		return "it has no cipher or key exchange that is taken here";
	case SSL_R_TLSV1_UNRECOGNIZED_NAME:
		return "it does not know the name that was asked for";
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
		return "it does not offer the protocol that was asked for";
	default:
		return NULL;
	}
}

static int protocol_error(struct tls *t)
{
	unsigned long error = ERR_peek_error();
	const char *text = reason_text(ERR_GET_REASON(error));

	if (t->error[0]) /* by verify_chain() */
		return -EKEYREJECTED;
	if (!text)
		text = ERR_reason_error_string(error);
	snprintf(t->error, sizeof(t->error), "TLS: %s", text ? text : "unknown error");
	return -EPROTO;
}

static int socket_error(struct tls *t)
{
	const char *where = t->done ? "" : " during the TLS handshake";
	int error = t->socket_error ? t->socket_error : ECONNRESET;

	if (t->socket_error)
		snprintf(t->error, sizeof(t->error), "%s%s", strerror(error), where);
	else
		snprintf(t->error, sizeof(t->error), "it closed the connection%s", where);
	return -error;
}

/* What OpenSSL's refusal `result` means. 0 = the other side's orderly end. */
static int failed(struct tls *t, int result)
{
	int r;

	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->wants_write = true;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		if (t->done)
			return 0;
		r = socket_error(t);
		break;
	case SSL_ERROR_SYSCALL:
		r = socket_error(t);
		break;
	default:
		r = protocol_error(t);
	}
	t->broken = true;
	ERR_clear_error();
	return r;
}

static void begin(struct tls *t)
{
	ERR_clear_error();
	t->wants_write = false;
	t->socket_error = 0;
}

static bool alpn_fits(const struct tls *t)
{
	const unsigned char *chosen;
	unsigned int len;

	SSL_get0_alpn_selected(t->ssl, &chosen, &len);
	if (!len)
		return !t->client->alpn_must;
	return len == t->client->alpn[0] && memcmp(chosen, t->client->alpn + 1, len) == 0;
}

int tls_handshake(struct tls *t)
{
	int r;

	begin(t);
	r = SSL_do_handshake(t->ssl);
	if (r <= 0)
		return failed(t, r);
	t->done = true;
	if (SSL_get_verify_result(t->ssl) != X509_V_OK || !alpn_fits(t)) {
		t->broken = true;
		snprintf(t->error, sizeof(t->error), "it does not offer %.16s by TLS (ALPN)",
			 (const char *)t->client->alpn + 1);
		return -EPROTO;
	}
	t->client->counts.handshakes++;
	t->client->counts.resumed += tls_resumed(t);
	return 0;
}

ssize_t tls_read(struct tls *t, uint8_t *ret_data, size_t len)
{
	size_t got;

	begin(t);
	if (SSL_read_ex(t->ssl, ret_data, len, &got))
		return (ssize_t)got;
	return failed(t, 0);
}

ssize_t tls_write(struct tls *t, const uint8_t *data, size_t len)
{
	size_t sent;

	begin(t);
	if (SSL_write_ex(t->ssl, data, len, &sent))
		return (ssize_t)sent;
	return failed(t, 0);
}

bool tls_wants_write(const struct tls *t)
{
	return t->wants_write;
}

bool tls_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl);
}

const char *tls_error(const struct tls *t)
{
	return t->error;
}
