/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A TLS client over a connected, non-blocking socket: TLS 1.2 at least, the certificate and the
 * name it must be for verified always, pins in addition to that and never instead of it. Early
 * data is not used: it could be played again.
 *
 * Bounds: TLS_TICKETS_MAX sessions per client; a connection's buffers (17 KiB each way) exist
 * only while they hold something.
 */
#ifndef DNS_TLS_H
#define DNS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_PIN_BYTES 32
#define TLS_RECORD_MAX 16384 /* a buffer so long takes all that a record holds */
#define TLS_TICKETS_MAX 4
#define TLS_ERROR_MAX 160 /* of a text for people, with its NUL */

struct tls_client; /* what the connections to one upstream share */
struct tls; /* one connection */

struct tls_options {
	const char *host; /* that the certificate must be for: a name, or an address */
	const char *alpn; /* protocol that is offered, e.g. "dot" */
	bool alpn_must; /* the server has to choose it */
	const char *ca_file; /* PEM, NULL = the system's authorities */
	const uint8_t (*pin)[TLS_PIN_BYTES]; /* SHA-256 of SubjectPublicKeyInfo; one must be in */
	uint32_t pins; /*                       the verified chain; 0 = any will do */
};

struct tls_counts {
	uint64_t handshakes; /* that were finished */
	uint64_t resumed; /* of these: by a ticket of an earlier one */
};

/*
 * Reads ca_file now; the system's authorities are looked up one by one as they are needed. 0;
 * -errno and a text. `options` may go, what they point to stays.
 */
int tls_client_new(const struct tls_options *options, struct tls_client **ret_client,
		   char ret_error[TLS_ERROR_MAX]);
/* Is the file of its authorities still the one that it was made from? */
bool tls_client_is_current(const struct tls_client *client);
/* Accepts NULL. Its connections have been freed. */
void tls_client_free(struct tls_client *client);
void tls_client_counts(const struct tls_client *client, struct tls_counts *ret_counts);

/* `fd` stays the caller's and is closed after tls_free(). 0 or -ENOMEM. */
int tls_new(struct tls_client *client, int fd, struct tls **ret_tls);
/* Accepts NULL. Sends the end (close_notify) if the connection still works. */
void tls_free(struct tls *t);

/*
 * All three: -EAGAIN = when the socket can be read, or written if tls_wants_write(); another
 * -errno = the connection is of no use any more, and tls_error() says why. -EKEYREJECTED: it is
 * not who it should be; -EPROTO: it does not speak as it should; -ECONNRESET...
 */
int tls_handshake(struct tls *t); /* 0 = done and verified */
ssize_t tls_read(struct tls *t, uint8_t *ret_data, size_t len); /* 0 = the other side's end */
ssize_t tls_write(struct tls *t, const uint8_t *data, size_t len); /* may take a part only */
bool tls_wants_write(const struct tls *t);
bool tls_resumed(const struct tls *t);
const char *tls_error(const struct tls *t); /* "" = none */

#endif
