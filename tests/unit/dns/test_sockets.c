// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sockets.c: real sockets on loopback, queries in, answers out, and sets that change. */
#include "support.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "dns/sockets.h"
#include "dns/upstream_plain.h"

static struct loop *loop;
static struct datapath datapath;
static struct streams *streams;
static struct sockets *sockets;

static struct {
	unsigned int num;
	struct client client;
	size_t len;
	uint8_t last[4096];
	bool hold; /* no answer at once */
} got;

static void answer(const struct client *client, const uint8_t *msg, size_t len)
{
	if (client->flow.proto == IPPROTO_TCP)
		stream_reply(streams, client, msg, len);
	else
		sockets_reply(sockets, client, msg, len);
}

static int take(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
	assert_true(len <= sizeof(got.last));
	got.num++;
	got.client = *client;
	got.len = len;
	memcpy(got.last, msg, len);
	if (!got.hold)
		answer(client, msg, len);
	return 0;
}

static int setup(void **state)
{
	struct stream_options stream_options = { .max = 8, .query = take };
	struct sockets_options options = { .query = take };

	memset(&got, 0, sizeof(got));
	datapath_init(&datapath, 0);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(streams_new(loop, &datapath, &stream_options, &streams), 0);
	options.streams = streams;
	assert_int_equal(sockets_new(loop, &datapath, &options, &sockets), 0);
	return 0;
}

static int teardown(void **state)
{
	sockets_free(sockets);
	streams_free(streams);
	loop_free(loop);
	return 0;
}

/* A bound socket, as main opens them; `text` as endpoint_parse() takes it. */
static int bound(int type, const char *text, struct endpoint *ret_local)
{
	struct sockaddr_storage ss;
	struct endpoint at;
	socklen_t len;
	int fd, one = 1;

	assert_int_equal(endpoint_parse(text, 0, &at), 0);
	len = endpoint_to_sockaddr(&at, &ss);
	if (strcmp(text, "::") == 0)
		((struct sockaddr_in6 *)&ss)->sin6_addr = in6addr_any;
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, ret_local), 0);
	return fd;
}

static int connected(int type, const char *address, __be16 port)
{
	struct endpoint to;
	struct sockaddr_storage ss;
	struct timeval patience = { .tv_sec = 5 };
	socklen_t len;
	int fd;

	assert_int_equal(endpoint_parse(address, ntohs(port), &to), 0);
	len = endpoint_to_sockaddr(&to, &ss);
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* Sends a datagram and gets it back, from the address that it was sent to. */
static void assert_echo(const char *address, __be16 port)
{
	unsigned int before = got.num;
	int fd = connected(SOCK_DGRAM, address, port);
	char buf[64];

	assert_int_equal(send(fd, "a query of sorts", 16, 0), 16);
	turn_until(loop, got.num == before + 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 16);
	assert_memory_equal(buf, "a query of sorts", 16);
	assert_int_equal(got.client.flow.proto, IPPROTO_UDP);
	assert_int_not_equal(got.client.socket, 0);
	fd_close(fd);
}

static void answers_from_the_address_that_was_asked(void **state)
{
	struct endpoint v4, v6;
	int fds[2] = { bound(SOCK_DGRAM, "0.0.0.0", &v4), bound(SOCK_DGRAM, "::", &v6) };
	struct addr asked;

	assert_int_equal(sockets_assign(sockets, fds, 2), 0);
	assert_echo("127.0.0.1", v4.port);
	assert_echo("127.1.2.3", v4.port);
	addr_parse("127.1.2.3", &asked);
	assert_true(addr_eq(&got.client.flow.daddr, &asked));
	assert_echo("::1", v6.port);
}

static void a_connection_becomes_a_stream(void **state)
{
	struct endpoint local;
	int listening = bound(SOCK_STREAM, "127.0.0.1", &local), fd;
	uint8_t buf[16];

	assert_int_equal(sockets_assign(sockets, &listening, 1), 0);
	fd = connected(SOCK_STREAM, "127.0.0.1", local.port);
	assert_int_equal(send(fd, "\0\5query", 7, 0), 7);
	turn_until(loop, got.num == 1);
	assert_int_equal(got.client.flow.proto, IPPROTO_TCP);
	assert_int_equal(got.client.flow.dport, local.port);
	assert_int_not_equal(got.client.socket, 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 7);
	assert_memory_equal(buf, "\0\5query", 7);
	fd_close(fd);
}

static void a_datagram_that_is_too_long_is_handed_on_cut(void **state)
{
	static uint8_t buf[4000];
	struct endpoint local;
	int own = bound(SOCK_DGRAM, "127.0.0.1", &local), fd;

	assert_int_equal(sockets_assign(sockets, &own, 1), 0);
	fd = connected(SOCK_DGRAM, "127.0.0.1", local.port);
	got.hold = true;
	assert_int_equal(send(fd, buf, sizeof(buf), 0), sizeof(buf));
	turn_until(loop, got.num == 1);
	assert_int_equal(got.len, PLAIN_QUESTION_MAX + 1);
	fd_close(fd);
}

static void the_socket_of_an_address_that_stays_goes_on(void **state)
{
	struct endpoint local, other;
	int own = bound(SOCK_DGRAM, "127.0.0.1", &local), next[2], fd;
	char buf[64];

	next[0] = dup(own); /* what main kept of it */
	next[1] = bound(SOCK_DGRAM, "127.0.0.1", &other);
	assert_int_equal(sockets_assign(sockets, &own, 1), 0);
	fd = connected(SOCK_DGRAM, "127.0.0.1", local.port);
	assert_int_equal(send(fd, "before", 6, 0), 6); /* waits in the socket */
	assert_int_equal(sockets_assign(sockets, next, 2), 0);
	turn_until(loop, got.num == 1);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 6);
	fd_close(fd);
	assert_echo("127.0.0.1", other.port);
}

/* A client of the only socket, that waits for an answer. */
static int waiting(void)
{
	struct endpoint local;
	int own = bound(SOCK_DGRAM, "127.0.0.1", &local), fd;

	assert_int_equal(sockets_assign(sockets, &own, 1), 0);
	fd = connected(SOCK_DGRAM, "127.0.0.1", local.port);
	got.hold = true;
	assert_int_equal(send(fd, "first", 5, 0), 5);
	turn_until(loop, got.num == 1);
	return fd;
}

static void a_socket_that_goes_sends_what_it_owes(void **state)
{
	int fd = waiting();
	char buf[64];

	assert_int_equal(sockets_assign(sockets, NULL, 0), 0);
	assert_int_equal(send(fd, "second", 6, 0), 6);
	settle_loop(loop);
	assert_int_equal(got.num, 1);
	answer(&got.client, (const uint8_t *)"answer", 6);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 6);
	assert_memory_equal(buf, "answer", 6);
	assert_int_equal(test_counters.drops.dns_answer, 0);
	fd_close(fd);
}

static void a_late_answer_goes_by_no_socket_but_its_own(void **state)
{
	struct endpoint other;
	int fd = waiting(), next;

	/* The second set takes the place of what the first one has left. */
	assert_int_equal(sockets_assign(sockets, NULL, 0), 0);
	next = bound(SOCK_DGRAM, "127.0.0.1", &other);
	assert_int_equal(sockets_assign(sockets, &next, 1), 0);
	answer(&got.client, (const uint8_t *)"answer", 6);
	assert_int_equal(test_counters.drops.dns_answer, 1);
	fd_close(fd);
	got.hold = false;
	assert_echo("127.0.0.1", other.port);
}

static void too_many_leave_those_before_in_force(void **state)
{
	struct endpoint local, other;
	int own = bound(SOCK_DGRAM, "127.0.0.1", &local), many[SOCKETS_MAX + 1];

	assert_int_equal(sockets_assign(sockets, &own, 1), 0);
	for (unsigned int i = 0; i <= SOCKETS_MAX; i++)
		many[i] = bound(SOCK_DGRAM, "127.0.0.1", &other);
	assert_int_equal(sockets_assign(sockets, many, SOCKETS_MAX + 1), -ENOBUFS);
	assert_echo("127.0.0.1", local.port);
}

static void what_is_no_socket_leaves_those_before_in_force(void **state)
{
	struct endpoint local, other;
	int own = bound(SOCK_DGRAM, "127.0.0.1", &local), next[2];

	assert_int_equal(sockets_assign(sockets, &own, 1), 0);
	next[0] = bound(SOCK_DGRAM, "127.0.0.1", &other);
	next[1] = dup(STDIN_FILENO);
	assert_int_equal(sockets_assign(sockets, next, 2), -ENOTSOCK);
	assert_echo("127.0.0.1", local.port);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answers_from_the_address_that_was_asked),
		T(a_connection_becomes_a_stream),
		T(a_datagram_that_is_too_long_is_handed_on_cut),
		T(the_socket_of_an_address_that_stays_goes_on),
		T(a_socket_that_goes_sends_what_it_owes),
		T(a_late_answer_goes_by_no_socket_but_its_own),
		T(too_many_leave_those_before_in_force),
		T(what_is_no_socket_leaves_those_before_in_force),
	};

	return cmocka_run_group_tests_name("dns/sockets", tests, NULL, NULL);
}
