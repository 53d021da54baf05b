// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* worker.c: the role as main drives it, in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/message.h"
#include "unit/worker/fake_worker.c"

#define COUNTERS_BYTES (ROLES_MAX * sizeof(struct role_counters))
#define WAIT_MS 5000

static struct {
	struct fake_worker fake; /* addresses and settings; its worker is not run */
	pid_t pid;
	int control;
	int app;
	int queue; /* the role's end, kept as main keeps it */
	int counters_fd;
	struct role_counters *counters;
} m;

static void spawn(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	m.pid = fork();
	assert_true(m.pid >= 0);
	if (!m.pid) {
		close(pair[0]);
		dup2(pair[1], ROLE_FD);
		if (pair[1] != ROLE_FD)
			close(pair[1]);
		exit(worker_main());
	}
	close(pair[1]);
	m.control = pair[0];
}

/* Keeps descriptor ROLE_FD from being anything else in the test itself. */
static void begin(void)
{
	int pair[2];

	memset(&m, 0, sizeof(m));
	if (fcntl(ROLE_FD, F_GETFD) < 0)
		assert_int_equal(dup2(STDERR_FILENO, ROLE_FD), ROLE_FD);
	configure(&m.fake, AF_INET, 0, false);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	m.queue = pair[0];
	m.app = pair[1];
	m.counters_fd = memfd_create("counters", MFD_CLOEXEC);
	assert_int_equal(ftruncate(m.counters_fd, COUNTERS_BYTES), 0);
	m.counters =
		mmap(NULL, COUNTERS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, m.counters_fd, 0);
	assert_true(m.counters != MAP_FAILED);
	spawn();
}

static int end(void)
{
	int status;

	assert_int_equal(waitpid(m.pid, &status, 0), m.pid);
	munmap(m.counters, COUNTERS_BYTES);
	close(m.counters_fd);
	close(m.queue);
	close(m.app);
	if (m.control >= 0)
		close(m.control);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void say(uint32_t type, const void *body, size_t len, int fd)
{
	char buf[ROLE_MESSAGE_MAX];

	memcpy(buf, &type, sizeof(type));
	memcpy(buf + sizeof(type), body, len);
	assert_int_equal(message_send(m.control, buf, sizeof(type) + len, fd), 0);
}

static void say_config(bool restarted)
{
	struct role_config *c = &m.fake.worker.config;

	c->kind = ROLE_WORKER;
	c->log_level = 0;
	c->protect = PROTECT_SO_MARK;
	c->restarted = restarted;
	say(ROLE_CONFIG, c, sizeof(*c), -1);
}

static void say_descriptor(uint32_t kind, int fd)
{
	struct role_descriptor d = { .kind = kind, .index = 1 };

	say(ROLE_DESCRIPTOR, &d, sizeof(d), fd);
}

static void start_role(bool restarted)
{
	say_config(restarted);
	say_descriptor(ROLE_FD_QUEUE, m.queue);
	say_descriptor(ROLE_FD_COUNTERS, m.counters_fd);
	say(ROLE_START, "", 0, -1);
}

static ssize_t hear(void *buf, size_t size)
{
	struct pollfd p = { .fd = m.control, .events = POLLIN };
	int fd;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	return message_recv(m.control, buf, size, &fd);
}

static void expect_ready(void)
{
	struct role_message r;

	assert_int_equal(hear(&r, sizeof(r)), sizeof(r));
	assert_int_equal(r.type, ROLE_READY);
}

/* A ping of the stack: the role works. */
static void expect_service(void)
{
	struct packet_path path = fake_path(&m.fake, AF_INET, 0, 0);
	struct pollfd p = { .fd = m.app, .events = POLLIN };
	uint8_t packet[64] = { 0 };
	size_t n;

	path.dst = m.fake.worker.config.settings.stack4;
	n = packet_ip_header(packet, &path, IPPROTO_ICMP, 8);
	memcpy(packet + n, (uint8_t[]){ 8, 0, 0xf7, 0xff, 0, 0, 0, 0 }, 8);
	assert_int_equal(send(m.app, packet, n + 8, 0), n + 8);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(recv(m.app, packet, sizeof(packet), 0), n + 8);
	assert_int_equal(packet[20], 0);
}

static void starts_serves_and_stops_in_order(void **state)
{
	begin();
	start_role(false);
	expect_ready();
	expect_service();
	assert_int_equal(m.counters[1].stats.icmp_total, 1);
	assert_int_equal(m.counters[1].stats.icmp_open, 1);
	say(ROLE_STOP, "", 0, -1);
	assert_int_equal(end(), EXIT_SUCCESS);
}

static void ends_when_main_is_gone(void **state)
{
	begin();
	start_role(false);
	expect_ready();
	close(m.control);
	m.control = -1;
	assert_int_equal(end(), EXIT_FAILURE);
}

static void answers_a_query_with_its_end(void **state)
{
	struct role_text ask = { .tag = 0x1122334455667788 };
	char buf[256];
	uint32_t type;
	ssize_t n;

	begin();
	start_role(false);
	expect_ready();
	say(ROLE_QUERY, &ask, sizeof(ask), -1);
	n = hear(buf, sizeof(buf));
	assert_int_equal(n, sizeof(type) + sizeof(ask));
	memcpy(&type, buf, sizeof(type));
	assert_int_equal(type, ROLE_TEXT);
	memcpy(&ask, buf + sizeof(type), sizeof(ask));
	assert_int_equal(ask.tag, 0x1122334455667788);
	assert_int_equal(ask.length, 0);
	say(ROLE_STOP, "", 0, -1);
	assert_int_equal(end(), EXIT_SUCCESS);
}

static void takes_a_new_relay_while_it_runs(void **state)
{
	int pair[2];

	begin();
	start_role(false);
	expect_ready();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(message_pair(pair), 0);
		say_descriptor(ROLE_FD_RELAY, pair[0]);
		close(pair[0]);
		expect_service();
		close(pair[1]);
	}
	say(ROLE_STOP, "", 0, -1);
	assert_int_equal(end(), EXIT_SUCCESS);
}

static void a_successor_drains_the_queue_and_clears_the_gauges(void **state)
{
	begin();
	for (int i = 0; i < 30; i++)
		assert_int_equal(send(m.app, "left behind", 11, 0), 11);
	m.counters[1].stats.udp_open = 17;
	m.counters[1].stats.udp_total = 40;
	m.counters[1].stats.fragments_held = 3;
	start_role(true);
	expect_ready();
	assert_int_equal(m.counters[1].drops.role_restart, 30);
	assert_int_equal(m.counters[1].stats.udp_open, 0);
	assert_int_equal(m.counters[1].stats.fragments_held, 0);
	assert_int_equal(m.counters[1].stats.udp_total, 40);
	expect_service();
	say(ROLE_STOP, "", 0, -1);
	assert_int_equal(end(), EXIT_SUCCESS);
}

static void refuses_what_is_out_of_order(void **state)
{
	begin();
	say(ROLE_START, "", 0, -1); /* before CONFIG */
	assert_int_equal(end(), EXIT_FAILURE);

	begin();
	say_config(false);
	say(ROLE_START, "", 0, -1); /* without a queue */
	assert_int_equal(end(), EXIT_FAILURE);

	begin();
	say_descriptor(ROLE_FD_QUEUE, m.queue); /* before CONFIG */
	assert_int_equal(end(), EXIT_FAILURE);

	begin();
	say_config(false);
	say_descriptor(ROLE_FD_QUEUE, m.queue);
	say_descriptor(ROLE_FD_QUEUE, m.queue); /* twice */
	assert_int_equal(end(), EXIT_FAILURE);
}

static void refuses_messages_that_are_none(void **state)
{
	begin();
	say(4711, "", 0, -1);
	assert_int_equal(end(), EXIT_FAILURE);

	begin();
	say(ROLE_CONFIG, "short", 5, -1);
	assert_int_equal(end(), EXIT_FAILURE);

	begin();
	assert_int_equal(message_send(m.control, "x", 1, -1), 0);
	assert_int_equal(end(), EXIT_FAILURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_serves_and_stops_in_order),
		cmocka_unit_test(ends_when_main_is_gone),
		cmocka_unit_test(answers_a_query_with_its_end),
		cmocka_unit_test(takes_a_new_relay_while_it_runs),
		cmocka_unit_test(a_successor_drains_the_queue_and_clears_the_gauges),
		cmocka_unit_test(refuses_what_is_out_of_order),
		cmocka_unit_test(refuses_messages_that_are_none),
	};
	int status = fake_namespace();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
