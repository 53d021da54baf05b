// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * resolver.c: the role as main sees it, in a process of its own: configuration and
 * descriptors in, READY out, queries answered, questions of main answered, its end.
 */
#include "support.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/message.h"
#include "base/role.h"
#include "dns/resolver.h"
#include "netdev/packet.h"

static int control = -1; /* main's end */
static int tun = -1; /* the kernel's end of the queue */
static int queue = -1; /* the role's, handed over */
static pid_t role;
static uint8_t buf[ROLE_MESSAGE_MAX];

static int setup(void **state)
{
	int pair[2], packets[2];

	if (message_pair(pair) ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, packets))
		return -1;
	role = fork();
	if (role < 0)
		return -1;
	if (!role) {
		close(pair[0]);
		if (pair[1] != ROLE_FD)
			dup2(pair[1], ROLE_FD);
		_exit(resolver_main());
	}
	close(pair[1]);
	control = pair[0];
	tun = packets[0];
	queue = packets[1];
	fd_set_nonblock(control, false);
	return 0;
}

static int teardown(void **state)
{
	control = fd_close(control);
	tun = fd_close(tun);
	queue = fd_close(queue);
	if (role > 0) {
		kill(role, SIGKILL);
		waitpid(role, NULL, 0);
	}
	role = 0;
	return 0;
}

static void say(uint32_t type, const void *body, size_t len, int fd)
{
	static uint8_t out[ROLE_MESSAGE_MAX];

	memcpy(out, &type, sizeof(type));
	if (len)
		memcpy(out + sizeof(type), body, len);
	assert_int_equal(message_send(control, out, sizeof(type) + len, fd), 0);
}

/* The next message's type, its body in buf. -1 = the role is gone. */
static int hear(size_t *ret_len)
{
	struct pollfd p = { .fd = control, .events = POLLIN };
	static uint8_t in[ROLE_MESSAGE_MAX];
	uint32_t type;
	ssize_t len;
	int fd = -1;

	assert_int_equal(poll(&p, 1, 5000), 1);
	len = message_recv(control, in, sizeof(in), &fd);
	assert_int_equal(fd, -1);
	if (len <= 0)
		return -1;
	assert_true((size_t)len >= sizeof(type));
	memcpy(&type, in, sizeof(type));
	memcpy(buf, in + sizeof(type), (size_t)len - sizeof(type));
	*ret_len = (size_t)len - sizeof(type);
	return (int)type;
}

static void configure(const struct endpoint *upstream)
{
	struct role_config config = { .kind = ROLE_RESOLVER, .dns_timeout_ms = 300 };
	struct role_descriptor d = { .kind = ROLE_FD_QUEUE };

	config.settings.mtu = 1500;
	config.upstreams = 1;
	config.upstream[0] = *upstream;
	say(ROLE_CONFIG, &config, sizeof(config), -1);
	say(ROLE_DESCRIPTOR, &d, sizeof(d), queue);
}

static void start_role(void)
{
	struct endpoint closed = closed_endpoint();
	size_t len;

	configure(&closed);
	say(ROLE_START, NULL, 0, -1);
	assert_int_equal(hear(&len), ROLE_READY);
}

static int exit_status(void)
{
	int status;

	assert_int_equal(waitpid(role, &status, 0), role);
	role = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void send_query(void)
{
	struct packet_path path = { .sport = htons(40000), .dport = htons(DNS_PORT) };
	static struct wire w;
	uint8_t packet[512];
	size_t headers;

	path.src = addr_from_v4(htonl(0x0a000002));
	path.dst = addr_from_v4(htonl(0x0a000001));
	wire_query(&w, 77, "www.test", TYPE_A);
	headers = packet_udp_header(packet, &path, w.b, w.len);
	memcpy(packet + headers, w.b, w.len);
	assert_int_equal(send(tun, packet, headers + w.len, 0), headers + w.len);
}

static void answers_queries_of_its_queue(void **state)
{
	struct pollfd p = { .fd = tun, .events = POLLIN };

	start_role();
	send_query();
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(recv(tun, buf, sizeof(buf), 0), 28 + 12 + 10 + 4);
	assert_int_equal(msg_get16(buf + 28), 77);
	assert_int_equal(msg_get16(buf + 30) & MSG_RCODE, RCODE_SERVFAIL);
}

static void tells_main_what_it_asks_in_lines_and_an_end(void **state)
{
	struct {
		struct role_text text;
		char what[16];
	} question = { .text = { .tag = 0x1234567890, .length = 16 },
		       .what = "{\"what\":\"stats\"}" };
	struct role_text answer;
	size_t len, total = 0;

	start_role();
	say(ROLE_QUERY, &question, offsetof(typeof(question), what) + 16, -1);
	do {
		assert_int_equal(hear(&len), ROLE_TEXT);
		memcpy(&answer, buf, sizeof(answer));
		assert_int_equal(answer.tag, 0x1234567890);
		assert_int_equal(answer.length, len - sizeof(answer));
		if (!total)
			assert_memory_equal(buf + sizeof(answer), "{\"dns\":{\"type\":\"upstream\"",
					    25);
		total += answer.length;
	} while (answer.length);
	assert_true(total > 100);
}

static void a_question_it_does_not_know_is_told_to_be_one(void **state)
{
	struct {
		struct role_text text;
		char what[3];
	} question = { .text = { .tag = 5, .length = 3 }, .what = "abc" };
	struct role_text answer;
	size_t len;

	start_role();
	say(ROLE_QUERY, &question, offsetof(typeof(question), what) + 3, -1);
	assert_int_equal(hear(&len), ROLE_TEXT);
	memcpy(&answer, buf, sizeof(answer));
	assert_true(answer.length > 0);
	assert_memory_equal(buf + sizeof(answer), "{\"dns\":{\"type\":\"error\"", 22);
	assert_int_equal(hear(&len), ROLE_TEXT);
	memcpy(&answer, buf, sizeof(answer));
	assert_int_equal(answer.length, 0);
}

static void ends_in_order_when_told(void **state)
{
	size_t len;

	start_role();
	say(ROLE_STOP, NULL, 0, -1);
	assert_int_equal(hear(&len), -1);
	assert_int_equal(exit_status(), 0);
}

static void ends_when_main_is_gone(void **state)
{
	start_role();
	control = fd_close(control);
	assert_int_equal(exit_status(), 1);
}

static void a_message_that_makes_no_sense_ends_it(void **state)
{
	size_t len;

	say(ROLE_START, NULL, 0, -1); /* without configuration */
	assert_int_equal(hear(&len), -1);
	assert_int_equal(exit_status(), 1);
}

static void takes_relays_before_and_after_the_start(void **state)
{
	struct role_descriptor d = { .kind = ROLE_FD_RELAY, .index = 1 };
	struct pollfd p = { .events = POLLIN };
	struct relay_message m = { .type = RELAY_STREAM, .key.proto = IPPROTO_TCP };
	struct endpoint closed = closed_endpoint();
	static struct wire w;
	int early[2], late[2], stream[2];
	uint8_t prefix[2];
	size_t len;

	assert_int_equal(message_pair(early), 0);
	assert_int_equal(message_pair(late), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream), 0);
	configure(&closed);
	say(ROLE_DESCRIPTOR, &d, sizeof(d), early[1]);
	say(ROLE_START, NULL, 0, -1);
	assert_int_equal(hear(&len), ROLE_READY);
	say(ROLE_DESCRIPTOR, &d, sizeof(d), late[1]);
	close(early[1]);
	p.fd = early[0];
	assert_int_equal(poll(&p, 1, 5000), 1); /* replaced: closed */
	assert_int_equal(message_send(late[0], &m, sizeof(m), stream[1]), 0);
	wire_query(&w, 5, "www.test", TYPE_A);
	msg_put16(prefix, (uint16_t)w.len);
	assert_int_equal(send(stream[0], prefix, 2, 0), 2);
	assert_int_equal(send(stream[0], w.b, w.len, 0), w.len);
	p.fd = stream[0];
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(recv(stream[0], buf, sizeof(buf), 0), 2 + w.len);
	close(early[0]);
	close(late[0]);
	close(late[1]);
	close(stream[0]);
	close(stream[1]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(answers_queries_of_its_queue),
		T(tells_main_what_it_asks_in_lines_and_an_end),
		T(a_question_it_does_not_know_is_told_to_be_one),
		T(ends_in_order_when_told),
		T(ends_when_main_is_gone),
		T(a_message_that_makes_no_sense_ends_it),
		T(takes_relays_before_and_after_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
