/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of dns/ share: messages written piece by piece, a clock that is turned by
 * hand, the kernel half and the sockets' mark left out (their own tests have them), and a
 * resolver on loopback that answers as it is told.
 */
#ifndef TESTS_UNIT_DNS_SUPPORT_H
#define TESTS_UNIT_DNS_SUPPORT_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"
#include "datapath/role.h"
#include "dns/edns.h"
#include "dns/msg.h"
#include "netdev/socket.h"

#define UNUSED __attribute__((unused))

/* --- clock -------------------------------------------------------------------------------- */

static uint64_t test_now_ns = 1000 * NSEC_PER_SEC;

static UNUSED uint64_t test_clock(void)
{
	return test_now_ns;
}

static UNUSED void advance_ms(uint64_t ms)
{
	test_now_ns += ms * NSEC_PER_MSEC;
}

/* --- the kernel half, as far as it is looked at ------------------------------------------- */

static struct role_counters test_counters;

/* What was noted last, and how often. */
static struct {
	unsigned int domains, notes, ends, adopted;
	struct addr addr;
	char domain[DOMAIN_TEXT_MAX];
	uint64_t domain_expires_ns;
	struct flow_key flow;
	struct flow_info info;
	struct flow_key *open; /* what datapath_flow_each() finds */
	unsigned int open_num;
	bool of_host; /* what datapath_flow_of_host() says */
} test_kernel;

void datapath_init(struct datapath *dp, unsigned int slot)
{
	memset(dp, 0, sizeof(*dp));
	dp->flows = dp->flow_info = dp->domains = dp->flow_end = -1;
	dp->dns_state = dp->dns_policies = dp->dns_clients[0] = dp->dns_clients[1] = -1;
	dp->dns_names = dp->dns_answers = dp->dns_log = dp->domain_facts = dp->names = -1;
	dp->slot = slot;
	dp->counters = &test_counters;
	memset(&test_counters, 0, sizeof(test_counters));
	memset(&test_kernel, 0, sizeof(test_kernel));
}

/* Only whether it is one of the datapath's counts here. */
int datapath_take(struct datapath *dp, uint32_t kind, uint32_t index, int fd)
{
	if (kind < ROLE_FD_FLOWS || kind > ROLE_FD_FLOW_END)
		return -ENOENT;
	fd_close(fd);
	return 0;
}

void datapath_done(struct datapath *dp)
{
}

int datapath_flow_note(struct datapath *dp, const struct flow_key *key,
		       const struct flow_info *info)
{
	test_kernel.notes++;
	test_kernel.flow = *key;
	test_kernel.info = *info;
	return 0;
}

int datapath_flow_end(struct datapath *dp, const struct flow_key *key, uint64_t created_ns,
		      const struct flow_info *info)
{
	assert_true(created_ns <= clock_ns());
	test_kernel.ends++;
	test_kernel.flow = *key;
	test_kernel.info = *info;
	return 0;
}

int datapath_flow_each(struct datapath *dp, unsigned int slot,
		       void (*fn)(void *arg, const struct flow_key *key, const struct flow *flow),
		       void *arg)
{
	struct flow flow = { 0 };

	assert_int_equal(slot, RESOLVER_QUEUE);
	for (unsigned int i = 0; i < test_kernel.open_num; i++)
		fn(arg, &test_kernel.open[i], &flow);
	return 0;
}

void datapath_flow_owner(const struct datapath *dp, const struct flow_key *key,
			 struct flow_owner *ret_owner)
{
	flow_owner_set(ret_owner, 1000 + ntohs(key->sport) % 2, 77, (const __u8 *)"asks");
}

void flow_owner_set(struct flow_owner *o, uint32_t uid, uint32_t pid, const __u8 *comm)
{
	*o = (struct flow_owner){ .uid = uid, .pid = pid };
	snprintf(o->comm, sizeof(o->comm), "%s", (const char *)comm);
}

bool datapath_flow_of_host(const struct datapath *dp, const struct flow_key *key)
{
	return test_kernel.of_host;
}

bool datapath_flow_open(const struct datapath *dp, const struct flow_key *key)
{
	return false;
}

const char *datapath_domain_get(struct datapath *dp, uint32_t policy, const struct addr *addr,
				char buf[DOMAIN_TEXT_MAX])
{
	buf[0] = '\0';
	return buf;
}

int datapath_domain_put(struct datapath *dp, uint32_t policy, const struct addr *addr,
			const char *name, uint64_t expires_ns)
{
	test_kernel.domains++;
	test_kernel.addr = *addr;
	test_kernel.domain_expires_ns = expires_ns;
	snprintf(test_kernel.domain, sizeof(test_kernel.domain), "%s", name);
	return 0;
}

/* --- sockets without a mark, so that the tests need no privilege --------------------------- */

static int test_socket_error; /* what socket_open() fails with, 0 = it does not */

void socket_protect_setup(enum protect_mode mode, uint32_t mark)
{
}

void socket_protect_devices(uint32_t ifindex4, uint32_t ifindex6)
{
}

int socket_toward(int fd, const struct addr *to)
{
	return 0;
}

int socket_open(int family, int type, int *ret_fd)
{
	if (test_socket_error)
		return test_socket_error;
	*ret_fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *ret_fd < 0 ? -errno : 0;
}

int socket_connect(const struct endpoint *to, int type, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int r = socket_open(ss.ss_family, type, ret_fd);

	if (r < 0)
		return r;
	if (connect(*ret_fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		r = -errno;
		close(*ret_fd);
	}
	return r;
}

/* --- messages ----------------------------------------------------------------------------- */

struct wire {
	size_t len;
	uint8_t b[MSG_MAX + 512];
};

static UNUSED void wire_bytes(struct wire *w, const void *data, size_t len)
{
	assert_true(w->len + len <= sizeof(w->b));
	if (len)
		memcpy(w->b + w->len, data, len);
	w->len += len;
}

static UNUSED void wire16(struct wire *w, unsigned int v)
{
	uint8_t b[2];

	msg_put16(b, (uint16_t)v);
	wire_bytes(w, b, 2);
}

static UNUSED void wire32(struct wire *w, uint32_t v)
{
	uint8_t b[4];

	msg_put32(b, v);
	wire_bytes(w, b, 4);
}

/* "a.b" or "" for the root; no escapes. */
static UNUSED void wire_name(struct wire *w, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ".");
		uint8_t octet = (uint8_t)len;

		wire_bytes(w, &octet, 1);
		wire_bytes(w, text, len);
		text += len + (text[len] == '.');
	}
	wire_bytes(w, "", 1);
}

static UNUSED void wire_begin(struct wire *w, unsigned int id, unsigned int flags)
{
	memset(w->b, 0, MSG_HEADER_BYTES);
	w->len = MSG_HEADER_BYTES;
	msg_put16(w->b, (uint16_t)id);
	msg_put16(w->b + 2, (uint16_t)flags);
}

static UNUSED void wire_count(struct wire *w, size_t at)
{
	msg_put16(w->b + at, (uint16_t)(msg_get16(w->b + at) + 1));
}

static UNUSED void wire_question(struct wire *w, const char *name, unsigned int type)
{
	wire_name(w, name);
	wire16(w, type);
	wire16(w, CLASS_IN);
	wire_count(w, 4);
}

/* A record of section `s` whose owner is `name`, NULL = a pointer to the question. */
static UNUSED void wire_record(struct wire *w, enum msg_section s, const char *name,
			       unsigned int type, uint32_t ttl, const void *rdata, size_t len)
{
	if (name)
		wire_name(w, name);
	else
		wire16(w, 0xc00c);
	wire16(w, type);
	wire16(w, CLASS_IN);
	wire32(w, ttl);
	wire16(w, (unsigned int)len);
	wire_bytes(w, rdata, len);
	wire_count(w, 6 + 2 * (size_t)s);
}

static UNUSED void wire_a(struct wire *w, uint32_t ttl, const char *address)
{
	struct in_addr a;

	assert_int_equal(inet_pton(AF_INET, address, &a), 1);
	wire_record(w, SECTION_ANSWER, NULL, TYPE_A, ttl, &a, 4);
}

static UNUSED void wire_soa(struct wire *w, uint32_t ttl, uint32_t minimum)
{
	uint8_t rdata[2 + 20] = { 0 };

	msg_put32(rdata + sizeof(rdata) - 4, minimum);
	wire_record(w, SECTION_AUTHORITY, "test", TYPE_SOA, ttl, rdata, sizeof(rdata));
}

static UNUSED void wire_opt(struct wire *w, unsigned int payload, bool dnssec_ok,
			    const void *options, size_t len)
{
	wire_bytes(w, "", 1);
	wire16(w, TYPE_OPT);
	wire16(w, payload);
	wire32(w, dnssec_ok ? 0x8000 : 0);
	wire16(w, (unsigned int)len);
	wire_bytes(w, options, len);
	wire_count(w, 10);
}

static UNUSED void wire_query(struct wire *w, unsigned int id, const char *name, unsigned int type)
{
	wire_begin(w, id, MSG_RD);
	wire_question(w, name, type);
}

/* The answer to the query `q` so far: header and question, to be followed by records. */
static UNUSED void wire_answer_to(struct wire *w, const uint8_t *q, size_t len, unsigned int flags)
{
	struct msg_question question;

	assert_int_equal(msg_question_get(q, len, &question), 0);
	wire_begin(w, msg_get16(q), flags | MSG_QR | MSG_RA | (msg_get16(q + 2) & MSG_RD));
	wire_bytes(w, q + MSG_HEADER_BYTES, question.end - MSG_HEADER_BYTES);
	wire_count(w, 4);
}

/* --- a resolver on loopback --------------------------------------------------------------- */

struct fake;

/* Writes what is to be said to `query` into `answer`; len 0 = nothing. */
typedef void (*fake_fn)(struct fake *f, bool tcp, const uint8_t *query, size_t len,
			struct wire *answer);

#define FAKE_STREAMS 8

struct fake_stream {
	struct watch watch;
	struct fake *fake;
};

struct fake {
	struct loop *loop;
	struct watch udp, tcp;
	struct fake_stream stream[FAKE_STREAMS];
	struct endpoint endpoint;
	struct endpoint peer; /* of the datagram being answered */
	fake_fn say;
	unsigned int asked; /* by UDP */
	unsigned int asked_tcp;
	bool bytewise; /* answers over TCP go out byte by byte */
};

static UNUSED void fake_udp_ready(struct watch *w, uint32_t events)
{
	static struct wire answer;
	struct fake *f = container_of(w, struct fake, udp);
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	uint8_t buf[4096];
	ssize_t len;

	while ((len = recvfrom(w->fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &size)) >= 0) {
		f->asked++;
		endpoint_from_sockaddr((struct sockaddr *)&from, &f->peer);
		answer.len = 0;
		f->say(f, false, buf, (size_t)len, &answer);
		if (answer.len)
			sendto(w->fd, answer.b, answer.len, 0, (struct sockaddr *)&from, size);
		size = sizeof(from);
	}
}

static UNUSED void fake_hang_up(struct fake_stream *s)
{
	int fd = s->watch.fd;

	loop_remove(s->fake->loop, &s->watch);
	fd_close(fd);
}

static UNUSED void fake_send(struct fake *f, int fd, const uint8_t *data, size_t len)
{
	size_t piece = f->bytewise ? 1 : len;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
	for (size_t at = 0; at < len; at += piece)
		assert_int_equal(send(fd, data + at, piece, MSG_NOSIGNAL), piece);
}

static UNUSED void fake_stream_ready(struct watch *w, uint32_t events)
{
	static struct wire answer;
	struct fake_stream *s = container_of(w, struct fake_stream, watch);
	struct fake *f = s->fake;
	uint8_t buf[4096], prefix[2];
	ssize_t len = recv(w->fd, buf, sizeof(buf), 0);

	answer.len = 0;
	if (len > 2) {
		assert_int_equal(msg_get16(buf), len - 2);
		f->asked_tcp++;
		f->say(f, true, buf + 2, (size_t)len - 2, &answer);
	}
	if (!answer.len) {
		fake_hang_up(s);
		return;
	}
	msg_put16(prefix, (uint16_t)answer.len);
	fake_send(f, w->fd, prefix, 2);
	fake_send(f, w->fd, answer.b, answer.len);
}

static UNUSED void fake_tcp_ready(struct watch *w, uint32_t events)
{
	struct fake *f = container_of(w, struct fake, tcp);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	for (unsigned int i = 0; i < FAKE_STREAMS; i++) {
		struct fake_stream *s = &f->stream[i];

		if (s->watch.fd >= 0)
			continue;
		s->watch.fd = fd;
		s->watch.ready = fake_stream_ready;
		assert_int_equal(loop_add(f->loop, &s->watch, EPOLLIN), 0);
		return;
	}
	fail_msg("more than %d streams", FAKE_STREAMS);
}

/* A socket bound to `ep`, -1 if that is taken. */
static UNUSED int fake_socket(const struct endpoint *ep, int type)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(ep, &ss);
	int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int size = 8 << 20;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Finds a port that is free for both. */
static UNUSED void fake_bind(struct fake *f, const char *address)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	for (int i = 0; i < 100 && f->tcp.fd < 0; i++) {
		assert_int_equal(endpoint_parse(address, 0, &f->endpoint), 0);
		fd_close(f->udp.fd);
		f->udp.fd = fake_socket(&f->endpoint, SOCK_DGRAM);
		len = sizeof(ss);
		assert_int_equal(getsockname(f->udp.fd, (struct sockaddr *)&ss, &len), 0);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &f->endpoint), 0);
		f->tcp.fd = fake_socket(&f->endpoint, SOCK_STREAM);
	}
	assert_true(f->tcp.fd >= 0);
}

/* Listens on a free port of `address`, by UDP, and by TCP on the same port if asked to. */
static UNUSED void fake_open(struct fake *f, struct loop *loop, const char *address, bool tcp,
			     fake_fn say)
{
	memset(f, 0, sizeof(*f));
	f->loop = loop;
	f->say = say;
	f->udp.fd = -1;
	f->tcp.fd = -1;
	for (unsigned int i = 0; i < FAKE_STREAMS; i++) {
		f->stream[i].fake = f;
		f->stream[i].watch.fd = -1;
	}
	fake_bind(f, address);
	f->udp.ready = fake_udp_ready;
	f->tcp.ready = fake_tcp_ready;
	assert_int_equal(loop_add(loop, &f->udp, EPOLLIN), 0);
	if (tcp) {
		assert_int_equal(listen(f->tcp.fd, FAKE_STREAMS), 0);
		assert_int_equal(loop_add(loop, &f->tcp, EPOLLIN), 0);
	} else {
		f->tcp.fd = fd_close(f->tcp.fd); /* refuses, as nobody else has the port */
	}
}

static UNUSED void fake_close(struct fake *f)
{
	int fds[2] = { f->udp.fd, f->tcp.fd };

	for (unsigned int i = 0; i < FAKE_STREAMS; i++)
		fake_hang_up(&f->stream[i]);
	loop_remove(f->loop, &f->udp);
	loop_remove(f->loop, &f->tcp);
	fd_close(fds[0]);
	fd_close(fds[1]);
}

/* An endpoint of loopback where nobody listens. */
static UNUSED struct endpoint closed_endpoint(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct endpoint ep;

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sin, &ep), 0);
	close(fd);
	return ep;
}

/* Turns the loop until `*done`, for 5 s of real time at most. */
#define turn_until(loop, cond)                                                                     \
	do {                                                                                       \
		for (int turns_ = 0; !(cond) && turns_ < 500; turns_++)                            \
			loop_once(loop, 10);                                                       \
		assert_true(cond);                                                                 \
	} while (0)

/* Turns the loop until nothing happens for a moment. */
static UNUSED void settle_loop(struct loop *loop)
{
	for (int i = 0; i < 5; i++)
		loop_once(loop, 2);
}

#endif
