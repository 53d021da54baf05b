// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The plain upstream (RFC 1035 and RFC 7766). What protects it from forged answers
 * (RFC 5452): 16 bits of ID, 15.6 bits of source port (bound at random, not only in the
 * host's ephemeral range, but above the ports that services like to have), one bit per
 * letter of the name, one socket per question, and the question section compared byte by
 * byte. A mismatch never ends the wait; some more of them end the use of UDP for this question.
 *
 * A server that does not keep the case cannot be told from a forger by UDP: it is asked
 * again by TCP, where only the name counts.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/random.h"
#include "dns/upstream_plain.h"
#include "netdev/socket.h"

#define PREFIX_BYTES 2 /* length before a message over TCP */
#define PORT_MIN 16384
#define PORT_NUM (65536 - PORT_MIN)
#define PORT_TRIES 8 /* ports in use, before the kernel picks one */
#define READS_MAX 8 /* datagrams per turn: a flood of forgeries must not hold up others */

static void datagram_ready(struct watch *w, uint32_t events);
static void stream_ready(struct watch *w, uint32_t events);

void plain_init(struct plain *p, struct plain_env *env,
		void (*done)(struct plain *p, int status, uint8_t *answer, size_t len))
{
	memset(p, 0, sizeof(*p));
	p->env = env;
	p->done = done;
	p->watch.fd = -1;
}

static void close_socket(struct plain *p)
{
	int fd = p->watch.fd;

	loop_remove(p->env->loop, &p->watch);
	fd_close(fd);
}

void plain_stop(struct plain *p)
{
	close_socket(p);
	free(p->answer);
	p->answer = NULL;
	p->state = PLAIN_IDLE;
}

/* Ends with an error. */
static void fail(struct plain *p, int status)
{
	plain_stop(p);
	p->done(p, status, NULL, 0);
}

static bool retryable(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == EINTR;
}

/* --- the question ------------------------------------------------------------------------ */

static void draw_secrets(struct plain *p)
{
	const struct plain_question *q = &p->question;
	size_t bytes = q->question_end - MSG_HEADER_BYTES;

	p->id = random_u16();
	memcpy(p->sent, q->message + MSG_HEADER_BYTES, bytes);
	if (!q->verbatim)
		name_mix_case(p->sent, bytes - 4);
}

/* The message as it goes out: header with our ID, our question, the rest as it came. */
static void gather(const struct plain *p, uint8_t header[MSG_HEADER_BYTES], struct iovec iov[3])
{
	const struct plain_question *q = &p->question;

	memcpy(header, q->message, MSG_HEADER_BYTES);
	msg_put16(header, p->id);
	iov[0].iov_base = header;
	iov[0].iov_len = MSG_HEADER_BYTES;
	iov[1].iov_base = (void *)p->sent;
	iov[1].iov_len = q->question_end - MSG_HEADER_BYTES;
	iov[2].iov_base = (void *)(q->message + q->question_end);
	iov[2].iov_len = q->len - q->question_end;
}

static bool sections_eq_but_case(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint8_t la[MSG_QUESTION_MAX], lb[MSG_QUESTION_MAX];

	memcpy(la, a, len);
	memcpy(lb, b, len);
	name_lower(la, len - 4);
	name_lower(lb, len - 4);
	return memcmp(la, lb, len) == 0;
}

enum plain_match plain_match(const struct plain *p, const uint8_t *answer, size_t len)
{
	size_t bytes = p->question.question_end - MSG_HEADER_BYTES;
	uint16_t flags, asked = msg_get16(p->question.message + 2);

	if (len < p->question.question_end || msg_get16(answer) != p->id)
		return PLAIN_MISMATCH;
	flags = msg_get16(answer + 2);
	if (!(flags & MSG_QR) || ((flags ^ asked) & MSG_OPCODE) || msg_get16(answer + 4) != 1)
		return PLAIN_MISMATCH;
	if (memcmp(answer + MSG_HEADER_BYTES, p->sent, bytes) == 0)
		return PLAIN_MATCH;
	return sections_eq_but_case(answer + MSG_HEADER_BYTES, p->sent, bytes) ?
		       PLAIN_MISMATCH_CASE :
		       PLAIN_MISMATCH;
}

static void count_spoof(struct plain *p, enum plain_match how)
{
	p->spoofs++;
	if (how == PLAIN_MISMATCH_CASE)
		p->wrong_case = true;
	datapath_drop(p->env->datapath, DROP_DNS_SPOOF);
}

/* --- UDP --------------------------------------------------------------------------------- */

/* A port in use is no error: another one is tried, in the end the kernel's choice. */
void plain_bind_random(int fd, int family)
{
	struct endpoint any = { 0 };
	struct sockaddr_storage ss;
	socklen_t len;

	any.addr = family == AF_INET ? addr_from_v4(0) : any.addr;
	for (int i = 0; i < PORT_TRIES; i++) {
		any.port = htons((uint16_t)(PORT_MIN + random_u32() % PORT_NUM));
		len = endpoint_to_sockaddr(&any, &ss);
		if (bind(fd, (struct sockaddr *)&ss, len) == 0)
			return;
	}
}

static int send_datagram(struct plain *p)
{
	uint8_t header[MSG_HEADER_BYTES];
	struct iovec iov[3];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	gather(p, header, iov);
	/* A full socket buffer loses the datagram as the network might. */
	if (sendmsg(p->watch.fd, &msg, MSG_NOSIGNAL) >= 0 || retryable(errno))
		return 0;
	/* The host's firewall refuses it: not to be taken for a socket without its mark. */
	return errno == EPERM ? -EACCES : -errno;
}

static int open_datagram(struct plain *p)
{
	int family = addr_is_v4(&p->to.addr) ? AF_INET : AF_INET6;
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&p->to, &ss);
	int fd, r;

	r = socket_open(family, SOCK_DGRAM, &fd);
	if (r < 0)
		return r;
	plain_bind_random(fd, family);
	r = socket_toward(fd, &p->to.addr);
	if (!r && connect(fd, (struct sockaddr *)&ss, len) < 0)
		r = -errno;
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	p->watch.fd = fd;
	p->watch.ready = datagram_ready;
	r = loop_add(p->env->loop, &p->watch, EPOLLIN);
	if (r < 0) {
		p->watch.fd = -1;
		fd_close(fd);
	}
	return r;
}

int plain_start(struct plain *p, const struct endpoint *to, const struct plain_question *question)
{
	int r;

	p->to = *to;
	p->question = *question;
	p->started_ns = clock_ns();
	p->spoofs = 0;
	p->wrong_case = false;
	p->by_tcp = false;
	draw_secrets(p);
	r = open_datagram(p);
	if (r < 0)
		return r;
	p->state = PLAIN_UDP;
	r = send_datagram(p);
	if (r < 0)
		plain_stop(p);
	return r;
}

/* --- TCP --------------------------------------------------------------------------------- */

static int open_stream(struct plain *p)
{
	int fd, r;

	close_socket(p);
	r = socket_connect(&p->to, SOCK_STREAM, &fd);
	if (r < 0)
		return r;
	p->watch.fd = fd;
	p->watch.ready = stream_ready;
	r = loop_add(p->env->loop, &p->watch, EPOLLOUT);
	if (r < 0) {
		p->watch.fd = -1;
		fd_close(fd);
		return r;
	}
	p->state = PLAIN_TCP_CONNECT;
	p->by_tcp = true;
	p->in = 0;
	p->out = 0;
	draw_secrets(p);
	return 0;
}

int plain_again(struct plain *p)
{
	int r = 0;

	if (p->state != PLAIN_UDP)
		return 0;
	r = p->wrong_case ? open_stream(p) : send_datagram(p);
	if (r < 0)
		plain_stop(p);
	return r;
}

/* Takes the first `skip` bytes off a gathered message. */
static void iov_skip(struct iovec *iov, int num, size_t skip)
{
	for (int i = 0; i < num && skip; i++) {
		size_t bytes = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		iov[i].iov_base = (uint8_t *)iov[i].iov_base + bytes;
		iov[i].iov_len -= bytes;
		skip -= bytes;
	}
}

static void send_stream(struct plain *p)
{
	size_t total = PREFIX_BYTES + p->question.len;
	uint8_t prefix[PREFIX_BYTES], header[MSG_HEADER_BYTES];
	struct iovec iov[4] = { { prefix, sizeof(prefix) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 4 };
	ssize_t sent;
	int r;

	msg_put16(prefix, (uint16_t)p->question.len);
	gather(p, header, iov + 1);
	iov_skip(iov, 4, p->out);
	sent = sendmsg(p->watch.fd, &msg, MSG_NOSIGNAL);
	if (sent < 0) {
		if (!retryable(errno))
			fail(p, -errno);
		return;
	}
	p->out += (size_t)sent;
	if (p->out < total)
		return;
	p->state = PLAIN_TCP_ANSWER;
	r = loop_modify(p->env->loop, &p->watch, EPOLLIN);
	if (r < 0)
		fail(p, r);
}

static void finish_stream(struct plain *p, size_t len)
{
	enum plain_match how = plain_match(p, p->answer, len);
	uint8_t *answer = p->answer;

	if (how == PLAIN_MISMATCH) {
		count_spoof(p, how);
		fail(p, -EBADMSG);
		return;
	}
	p->answer = NULL;
	plain_stop(p);
	/* A wrong case is accepted here: an attacker off the path cannot get this far. */
	memcpy(answer + MSG_HEADER_BYTES, p->sent, p->question.question_end - MSG_HEADER_BYTES);
	p->done(p, 0, answer, len);
	free(answer);
}

/* Length prefix, then the answer. 0 = wait for more, 1 = complete, -errno. */
static int read_stream(struct plain *p)
{
	size_t want = PREFIX_BYTES + (p->answer ? msg_get16(p->prefix) : 0);
	uint8_t *to = p->answer ? p->answer + p->in - PREFIX_BYTES : p->prefix + p->in;
	ssize_t got = recv(p->watch.fd, to, want - p->in, 0);

	if (got < 0)
		return retryable(errno) ? 0 : -errno;
	if (got == 0)
		return -ECONNRESET;
	p->in += (size_t)got;
	if (p->in < want)
		return 0;
	if (p->answer)
		return 1;
	if (msg_get16(p->prefix) < MSG_HEADER_BYTES)
		return -EBADMSG;
	p->answer = malloc(msg_get16(p->prefix));
	return p->answer ? 0 : -ENOMEM;
}

static void stream_ready(struct watch *w, uint32_t events)
{
	struct plain *p = container_of(w, struct plain, watch);
	int err = 0, r;
	socklen_t len = sizeof(err);

	if (p->state == PLAIN_TCP_CONNECT) {
		getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err)
			fail(p, -err);
		else
			send_stream(p);
		return;
	}
	r = read_stream(p);
	if (r > 0)
		finish_stream(p, msg_get16(p->prefix));
	else if (r < 0)
		fail(p, r);
}

/* --- answers by UDP ---------------------------------------------------------------------- */

/* Between bind() and connect() the socket took datagrams from anyone. */
static bool from_upstream(const struct plain *p, const struct sockaddr_storage *ss)
{
	struct endpoint from;

	return endpoint_from_sockaddr((const struct sockaddr *)ss, &from) == 0 &&
	       from.port == p->to.port && addr_eq(&from.addr, &p->to.addr);
}

static void change_to_stream(struct plain *p)
{
	int r = open_stream(p);

	if (r < 0)
		fail(p, r);
}

/* True = the attempt has ended or changed to TCP. */
static bool take_datagram(struct plain *p, uint8_t *answer, size_t len,
			  const struct sockaddr_storage *from)
{
	enum plain_match how = plain_match(p, answer, len);

	if (how != PLAIN_MATCH || !from_upstream(p, from)) {
		count_spoof(p, how);
		if (p->spoofs <= PLAIN_SPOOFS_MAX)
			return false;
		change_to_stream(p);
		return true;
	}
	if (msg_get16(answer + 2) & MSG_TC) {
		change_to_stream(p);
		return true;
	}
	plain_stop(p);
	p->done(p, 0, answer, len);
	return true;
}

static void datagram_ready(struct watch *w, uint32_t events)
{
	struct plain *p = container_of(w, struct plain, watch);
	struct sockaddr_storage from;

	for (int i = 0; i < READS_MAX; i++) {
		socklen_t from_len = sizeof(from);
		ssize_t got = recvfrom(w->fd, p->env->scratch, MSG_MAX, 0, (struct sockaddr *)&from,
				       &from_len);

		if (got < 0) {
			if (!retryable(errno))
				fail(p, -errno);
			return;
		}
		if (take_datagram(p, p->env->scratch, (size_t)got, &from))
			return;
	}
}
