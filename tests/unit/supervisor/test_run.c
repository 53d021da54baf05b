// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * run.c, instance.c, command.c: all of main in a child, with a real TUN and namespace, real
 * processes as roles (role_fake.h) and a kernel half in memory; the test is the client.
 */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "base/control.h"
#include "base/fd.h"
#include "base/log.h"
#include "supervisor/run.h"
#include "unit/supervisor/kernel_fake.h"
#include "unit/supervisor/role_fake.h"

#define PATIENCE_MS 15000

static int client = -1; /* our end of the inherited pair */
static pid_t main_pid;
static int passed_fd;
static char name[INSTANCE_NAME_MAX];
static char line[CONTROL_LINE_MAX];
static size_t line_len; /* bytes of `line` that are in use */

static void start_main(void)
{
	int pair[2];

	passed_fd = -1;
	line_len = 0;
	snprintf(name, sizeof(name), "unit-%d", (int)getpid());
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	main_pid = fork();
	assert_true(main_pid >= 0);
	if (!main_pid) {
		close(pair[0]);
		_exit(run_inherited(pair[1]));
	}
	close(pair[1]);
	client = pair[0];
}

static int setup(void **state)
{
	if (geteuid() || access("/dev/net/tun", R_OK | W_OK))
		return 0;
	log_setup("test", LOG_LEVEL_ERROR);
	fake_kernel_reset();
	return 0;
}

static bool can_run(void)
{
	return !geteuid() && !access("/dev/net/tun", R_OK | W_OK);
}

static int main_status(void)
{
	int status;

	client = fd_close(client);
	passed_fd = fd_close(passed_fd);
	assert_int_equal(waitpid(main_pid, &status, 0), main_pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void ask_on(int fd, const char *request)
{
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
}

static void take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(msg);

	if (cm && cm->cmsg_type == SCM_RIGHTS)
		memcpy(&passed_fd, CMSG_DATA(cm), sizeof(passed_fd));
}

/* The next line of the answer, parsed; NULL = hung up. */
static json_t *hear_on(int fd)
{
	char cbuf[CMSG_SPACE(sizeof(int))];
	char *end;
	json_t *o;

	while (!(end = memchr(line, '\n', line_len))) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		struct iovec iov = { .iov_base = line + line_len,
				     .iov_len = sizeof(line) - line_len };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = cbuf,
				      .msg_controllen = sizeof(cbuf) };
		ssize_t n;

		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return NULL;
		take_descriptor(&msg);
		line_len += (size_t)n;
	}
	o = json_loadb(line, (size_t)(end - line), 0, NULL);
	assert_non_null(o);
	line_len -= (size_t)(end + 1 - line);
	memmove(line, end + 1, line_len);
	return o;
}

static json_t *hear(void)
{
	return hear_on(client);
}

static void expect_done(int fd)
{
	json_t *o = hear_on(fd);

	assert_true(json_is_true(json_object_get(o, "done")));
	json_decref(o);
}

static void expect_error(int fd, const char *says)
{
	json_t *o = hear_on(fd);
	const char *text = json_string_value(json_object_get(o, "error"));

	assert_non_null(text);
	if (!strstr(text, says))
		fail_msg("'%s' does not say '%s'", text, says);
	json_decref(o);
}

static void run_it(const char *more)
{
	char request[512];

	snprintf(request, sizeof(request), "{\"command\":\"run\",\"instance\":\"%s\"%s}\n", name,
		 more);
	ask_on(client, request);
}

static json_t *expect_ready(void)
{
	json_t *o = hear(), *ready = json_object_get(o, "ready");

	if (!ready)
		fail_msg("not ready: %s", json_dumps(o, 0));
	json_incref(ready);
	json_decref(o);
	return ready;
}

static const char *text_of(json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "(none)";
}

static void begin(void)
{
	start_main();
	run_it("");
	json_decref(expect_ready());
}

static void is_ready_with_a_namespace_and_addresses(void **state)
{
	struct stat own, theirs;
	json_t *ready;

	if (!can_run())
		skip();
	start_main();
	run_it(",\"mtu\":1400");
	ready = expect_ready();
	assert_string_equal(text_of(ready, "instance"), name);
	assert_non_null(strstr(text_of(ready, "stack4"), "10."));
	assert_non_null(strstr(text_of(ready, "stack6"), "fd"));
	assert_int_equal(json_integer_value(json_object_get(ready, "mtu")), 1400);
	assert_int_equal(json_integer_value(json_object_get(ready, "pid")), main_pid);
	json_decref(ready);
	assert_true(passed_fd >= 0);
	assert_int_equal(fstat(passed_fd, &theirs), 0);
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	assert_true(theirs.st_ino != own.st_ino && theirs.st_dev == own.st_dev);
	ask_on(client, "{\"command\":\"stop\"}\n");
	expect_done(client);
	assert_null(hear());
	assert_int_equal(main_status(), 0);
}

static void without_ipv6_there_is_no_ipv6_address(void **state)
{
	json_t *ready;

	if (!can_run())
		skip();
	start_main();
	run_it(",\"ipv6\":false");
	ready = expect_ready();
	assert_null(json_object_get(ready, "stack6"));
	json_decref(ready);
	assert_int_equal(main_status(), 0); /* our hang-up ends it in order */
}

static void answers_on_the_control_socket(void **state)
{
	json_t *o, *status, *worker;
	int fd;

	if (!can_run())
		skip();
	begin();
	assert_int_equal(control_connect(name, &fd), 0);
	ask_on(fd, "{\"command\":\"status\"}\n");
	o = hear_on(fd);
	status = json_object_get(o, "status");
	assert_string_equal(text_of(status, "instance"), name);
	assert_int_equal(json_array_size(json_object_get(status, "roles")), 2);
	worker = json_array_get(json_object_get(status, "roles"), 1);
	assert_string_equal(text_of(worker, "state"), "ready");
	assert_true(json_integer_value(json_object_get(worker, "cpu_ms")) < 60000);
	assert_int_equal(json_integer_value(json_object_get(worker, "drops")), 0);
	assert_non_null(json_object_get(worker, "tun_rx_bytes"));
	assert_non_null(json_object_get(status, "features"));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(status, "limits"),
							    "udp_sessions")),
			 UDP_SESSIONS_MAX);
	assert_true(json_is_array(json_object_get(status, "budgets")));
	assert_true(json_is_array(json_object_get(status, "advice")));
	json_decref(o);
	expect_done(fd);
	ask_on(fd, "{\"command\":\"drops\"}\n");
	o = hear_on(fd);
	assert_string_equal(text_of(json_object_get(o, "drop"), "reason"), "malformed");
	json_decref(o);
	expect_done(fd);
	ask_on(fd, "{\"command\":\"flows\"}\n");
	expect_done(fd);
	ask_on(fd, "{\"command\":\"dns\"}\n");
	o = hear_on(fd);
	assert_non_null(json_object_get(o, "dns"));
	json_decref(o);
	expect_done(fd);
	close(fd);
	assert_int_equal(main_status(), 0);
}

static unsigned int hear_flows(int fd, const char *last)
{
	unsigned int flows = 0;

	for (;;) {
		json_t *o = hear_on(fd);

		assert_non_null(o);
		if (json_object_get(o, last)) {
			json_decref(o);
			return flows;
		}
		assert_non_null(json_object_get(o, "flow"));
		flows++;
		json_decref(o);
	}
}

static void flows_come_in_parts_by_filter_and_to_their_end(void **state)
{
	int fd;

	if (!can_run())
		skip();
	fake_kernel.flows = 5;
	for (uint32_t i = 0; i < 5; i++)
		fake_kernel.flow[i].flow =
			(struct flow){ .pid = 10 + i / 2, .cgroup_id = i ? 77 : 0 };
	begin();
	assert_int_equal(control_connect(name, &fd), 0);
	ask_on(fd, "{\"command\":\"flows\"}\n");
	assert_int_equal(hear_flows(fd, "done"), 5);
	ask_on(fd, "{\"command\":\"flows\",\"filter\":{\"pid\":11}}\n");
	assert_int_equal(hear_flows(fd, "done"), 2);
	ask_on(fd, "{\"command\":\"flows\",\"filter\":{\"unit\":\"test.service\"}}\n");
	assert_int_equal(hear_flows(fd, "done"), 4);
	ask_on(fd, "{\"command\":\"flows\",\"filter\":{\"pid\":true}}\n");
	expect_error(fd, "filter 'pid'");
	ask_on(fd, "{\"command\":\"flows\",\"follow\":true}\n");
	assert_int_equal(hear_flows(fd, "listed"), 5);
	close(fd);
	assert_int_equal(main_status(), 0);
}

/* The next object, which is to be of this kind. */
static json_t *hear_kind(int fd, const char *kind)
{
	json_t *o = hear_on(fd), *object = json_object_get(o, kind);

	if (!object)
		fail_msg("no '%s' but %s", kind, o ? json_dumps(o, 0) : "nothing");
	json_incref(object);
	json_decref(o);
	return object;
}

static void says_what_decides_about_a_flow_and_why(void **state)
{
	json_t *o;
	int fd;

	if (!can_run())
		skip();
	begin();
	assert_int_equal(control_connect(name, &fd), 0);
	ask_on(fd, "{\"command\":\"explain\",\"dest\":\"192.0.2.1\",\"port\":443,\"pid\":1}\n");
	o = hear_kind(fd, "facts");
	assert_string_equal(text_of(o, "daddr"), "192.0.2.1");
	assert_string_equal(text_of(o, "proto"), "tcp");
	assert_int_equal(json_integer_value(json_object_get(o, "dport")), 443);
	assert_int_equal(json_integer_value(json_object_get(o, "uid")), 0);
	assert_string_not_equal(text_of(o, "process"), "(none)");
	json_decref(o);
	o = hear_kind(fd, "tried");
	assert_false(json_is_true(json_object_get(o, "matches")));
	assert_int_equal(json_array_size(json_object_get(o, "failed")), 2);
	/* the port is always known, the name is not */
	assert_int_equal(json_array_size(json_object_get(o, "unknown")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(o, "unknown"), 0)),
			    "domain");
	json_decref(o);
	o = hear_kind(fd, "tried");
	assert_true(json_is_true(json_object_get(o, "matches")));
	json_decref(o);
	o = hear_kind(fd, "explained");
	assert_string_equal(text_of(o, "verdict"), "direct");
	assert_int_equal(json_integer_value(json_object_get(o, "rule")), 2);
	assert_true(json_is_true(json_object_get(o, "decides")));
	json_decref(o);
	expect_done(fd);
	ask_on(fd,
	       "{\"command\":\"explain\",\"dest\":\"10.1.1.1\",\"port\":53,\"proto\":\"udp\"}\n");
	json_decref(hear_kind(fd, "facts"));
	o = hear_kind(fd, "before");
	assert_string_equal(text_of(o, "verdict"), "dns");
	json_decref(o);
	json_decref(hear_kind(fd, "tried"));
	json_decref(hear_kind(fd, "tried"));
	o = hear_kind(fd, "explained");
	assert_false(json_is_true(json_object_get(o, "decides")));
	json_decref(o);
	expect_done(fd);
	close(fd);
	assert_int_equal(main_status(), 0);
}

static void explains_each_address_of_a_name_or_says_what_is_wrong(void **state)
{
	static const struct {
		const char *request, *says;
	} row[] = {
		{ "\"dest\":\"nowhere.test\"", "no address of 'nowhere.test' is known" },
		{ "\"port\":1", "dest: expected" },
		{ "\"dest\":\"192.0.2.1\",\"port\":65536", "port: expected" },
		{ "\"dest\":\"192.0.2.1\",\"proto\":\"x\"", "proto: expected" },
		{ "\"dest\":\"192.0.2.1\",\"pid\":2147483647", "no process" },
		{ "\"dest\":\"192.0.2.1\",\"cgroup\":\"/none\"", "no cgroup '/none'" },
		{ "\"dest\":\"192.0.2.1\",\"unit\":\"none.service\"", "does it run?" },
		{ "\"dest\":\"192.0.2.1\",\"client\":\"x\"", "client: expected" },
		{ "\"dest\":\"192.0.2.1\",\"client\":\"10.0.0.1\",\"mac\":\"2\"", "mac: expected" },
		{ "\"dest\":\"192.0.2.1\",\"mac\":\"02:00:00:00:00:01\"", "mac: expected client" },
		{ "\"dest\":\"192.0.2.1\",\"client\":\"10.0.0.1\",\"uid\":0",
		  "uid: expected no client" },
		{ "\"dest\":\"192.0.2.1\",\"interface\":\"none0\"", "no device 'none0'" },
		{ "\"dest\":\"192.0.2.1\",\"fwmark\":-1", "fwmark: expected" },
	};
	char request[256];
	json_t *o;
	int fd;

	if (!can_run())
		skip();
	begin();
	assert_int_equal(control_connect(name, &fd), 0);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		snprintf(request, sizeof(request), "{\"command\":\"explain\",%s}\n",
			 row[i].request);
		ask_on(fd, request);
		expect_error(fd, row[i].says);
	}
	ask_on(fd, "{\"command\":\"explain\",\"dest\":\"KNOWN.test.\"}\n");
	for (int i = 0; i < 2; i++) {
		o = hear_kind(fd, "facts");
		assert_string_equal(text_of(o, "daddr"), i ? "2000::1" : "2000::");
		assert_string_equal(text_of(o, "name"), "known.test");
		json_decref(o);
		json_decref(hear_kind(fd, "tried"));
		json_decref(hear_kind(fd, "tried"));
		json_decref(hear_kind(fd, "explained"));
	}
	expect_done(fd);
	ask_on(fd, "{\"command\":\"rules\"}\n");
	o = hear_kind(fd, "rules");
	assert_int_equal(json_integer_value(json_object_get(o, "epoch")), 7);
	assert_int_equal(json_integer_value(json_object_get(o, "default_hits")), 100);
	assert_string_equal(text_of(o, "default"), "direct");
	assert_int_equal(json_integer_value(json_object_get(o, "rules")), 0);
	json_decref(o);
	expect_done(fd);
	close(fd);
	assert_int_equal(main_status(), 0);
}

static void refuses_what_does_not_belong(void **state)
{
	int fd;

	if (!can_run())
		skip();
	start_main();
	ask_on(client, "{\"command\":\"status\"}\n");
	expect_error(client, "the instance is idle");
	run_it("");
	json_decref(expect_ready());
	run_it("");
	expect_error(client, "running already");
	assert_int_equal(control_connect(name, &fd), 0);
	ask_on(fd, "{\"command\":\"report\"}\n");
	expect_error(fd, "headrace run alone");
	ask_on(fd, "{\"command\":\"run\"}\n");
	expect_error(fd, "headrace run alone");
	ask_on(fd, "{\"command\":\"dance\"}\n");
	expect_error(fd, "no such command: dance");
	ask_on(fd, "{}\n");
	expect_error(fd, "no such command");
	close(fd);
	assert_int_equal(main_status(), 0);
}

static void a_client_may_end_the_instance(void **state)
{
	int fd;

	if (!can_run())
		skip();
	begin();
	assert_int_equal(control_connect(name, &fd), 0);
	ask_on(fd, "{\"command\":\"stop\"}\n");
	expect_done(fd);
	close(fd);
	assert_int_equal(main_status(), 0);
	assert_int_equal(control_connect(name, &fd), -ECONNREFUSED);
}

static void a_second_of_the_same_name_is_refused(void **state)
{
	int first_client;
	pid_t first;

	if (!can_run())
		skip();
	begin();
	first = main_pid;
	first_client = client;
	passed_fd = fd_close(passed_fd);
	start_main();
	run_it("");
	expect_error(client, "is running already");
	assert_int_equal(main_status(), 1);
	main_pid = first;
	client = first_client;
	ask_on(client, "{\"command\":\"status\"}\n");
	json_decref(hear());
	expect_done(client);
	assert_int_equal(main_status(), 0);
}

static void tells_why_it_cannot_start(void **state)
{
	if (!can_run())
		skip();
	strcpy(fake_load_error, "the kernel half is out of order");
	start_main();
	run_it("");
	expect_error(client, "the kernel half is out of order");
	assert_null(hear());
	assert_int_equal(main_status(), 1);
	fake_load_error[0] = '\0';
	fake_attach_result = -ENOSYS;
	start_main();
	run_it("");
	expect_error(client, "cannot attach");
	assert_int_equal(main_status(), 1);
}

static void tells_what_is_wrong_with_a_request(void **state)
{
	if (!can_run())
		skip();
	start_main();
	run_it(",\"mtu\":5");
	expect_error(client, "MTU 5");
	assert_int_equal(main_status(), 1);
	start_main();
	run_it(",\"tun_fd\":true");
	expect_error(client, "no descriptor of a TUN");
	assert_int_equal(main_status(), 1);
}

static void reports_at_the_end(void **state)
{
	json_t *o;

	if (!can_run())
		skip();
	fake_kernel.flows = 1;
	begin();
	ask_on(client, "{\"command\":\"report\",\"full\":true}\n");
	o = hear();
	assert_non_null(json_object_get(o, "flow"));
	json_decref(o);
	o = hear();
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(o, "summary"), "flows")), 1);
	json_decref(o);
	expect_done(client);
	assert_int_equal(main_status(), 0);
}

static void a_signal_ends_it_in_order(void **state)
{
	if (!can_run())
		skip();
	begin();
	assert_int_equal(kill(main_pid, SIGTERM), 0);
	assert_null(hear());
	assert_int_equal(main_status(), 0);
}

static void its_roles_die_with_it(void **state)
{
	json_t *o, *role;
	int status;
	pid_t pid;

	if (!can_run())
		skip();
	begin();
	ask_on(client, "{\"command\":\"status\"}\n");
	o = hear();
	role = json_array_get(json_object_get(json_object_get(o, "status"), "roles"), 1);
	pid = (pid_t)json_integer_value(json_object_get(role, "pid"));
	assert_true(pid > 0);
	json_decref(o);
	assert_int_equal(kill(main_pid, SIGKILL), 0);
	assert_int_equal(waitpid(main_pid, &status, 0), main_pid);
	for (int ms = 0; !kill(pid, 0); ms++) {
		assert_true(ms < PATIENCE_MS);
		poll(NULL, 0, 1);
	}
	client = fd_close(client);
	passed_fd = fd_close(passed_fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(is_ready_with_a_namespace_and_addresses, setup),
		cmocka_unit_test_setup(without_ipv6_there_is_no_ipv6_address, setup),
		cmocka_unit_test_setup(answers_on_the_control_socket, setup),
		cmocka_unit_test_setup(flows_come_in_parts_by_filter_and_to_their_end, setup),
		cmocka_unit_test_setup(says_what_decides_about_a_flow_and_why, setup),
		cmocka_unit_test_setup(explains_each_address_of_a_name_or_says_what_is_wrong,
				       setup),
		cmocka_unit_test_setup(refuses_what_does_not_belong, setup),
		cmocka_unit_test_setup(a_client_may_end_the_instance, setup),
		cmocka_unit_test_setup(a_second_of_the_same_name_is_refused, setup),
		cmocka_unit_test_setup(tells_why_it_cannot_start, setup),
		cmocka_unit_test_setup(tells_what_is_wrong_with_a_request, setup),
		cmocka_unit_test_setup(reports_at_the_end, setup),
		cmocka_unit_test_setup(a_signal_ends_it_in_order, setup),
		cmocka_unit_test_setup(its_roles_die_with_it, setup),
	};

	if (argc > 3 && !strcmp(argv[1], "--role"))
		return role_fake_main(FAKE_GOOD);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
