// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * reload.c and config.c: what is sent to the resolver, and that one configuration is in force
 * whatever the file, the resolver or the client does. Our side plays client and resolver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/message.h"
#include "netdev/socket.h"
#include "supervisor/instance.h"
#include "supervisor/reload.h"
#include "supervisor/role.h"
#include "unit/supervisor/kernel_fake.h"

static char dir[] = "/tmp/headrace-reload-XXXXXX";
static char file[64], list[64];
static struct loop *loop;
static struct instance in;
static struct control_client *client;
static int peer, resolver;
static char told[8192];

static uint64_t test_clock(void)
{
	return 1000 * NSEC_PER_SEC;
}

static void on_request(struct control *c, struct control_client *cl, const json_t *request)
{
	client = cl;
	reload_begin(&in, cl, json_is_true(json_object_get(request, "reset_flows")));
}

static void on_gone(struct control *c, struct control_client *cl)
{
	reload_forget(&in, cl);
}

static const struct control_ops ops = { .request = on_request, .gone = on_gone };

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A UDP port of 127.0.0.1 that is free now. */
static unsigned int free_port(void)
{
	struct sockaddr_storage ss;
	struct endpoint ep = { .addr = addr_from_v4(htonl(INADDR_LOOPBACK)) };
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &ep), 0);
	close(fd);
	return ntohs(ep.port);
}

static void start_with(const char *text)
{
	static const struct config *const none[2];
	struct conf_errors errors = { 0 };

	write_file(file, text);
	assert_int_equal(config_read(&in.config, file, &errors), 0);
	assert_int_equal(config_open(&in.config, none, &errors), 0);
	assert_int_equal(rules_start(&in.rules, in.kernel, in.config.conf, false, in.error), 0);
}

static int setup(void **state)
{
	int pair[2], role_pair[2];

	memset(&in, 0, sizeof(in));
	clock_inject(test_clock);
	socket_protect_setup(PROTECT_SO_MARK, HEADRACE_MARK);
	if (loop_new(&loop) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || message_pair(role_pair))
		return -1;
	peer = pair[0];
	resolver = role_pair[1];
	role_init(&in.crew.role[0], ROLE_RESOLVER, 0, loop, "test", NULL);
	in.crew.role[0].socket.fd = role_pair[0];
	in.crew.role[0].pid = 1; /* said to be alive; nothing is sent to that process */
	in.loop = loop;
	fake_kernel_reset();
	fake_kernel.features.bpf = true;
	in.kernel = &fake_kernel;
	devices_init(&in.devices, loop);
	rules_init(&in.rules, loop);
	config_init(&in.config);
	reload_init(&in.reload);
	control_init(&in.control, loop, &ops);
	return control_adopt(&in.control, pair[1]);
}

static int teardown(void **state)
{
	control_done(&in.control);
	rules_done(&in.rules);
	reload_done(&in.reload);
	config_done(&in.config);
	fd_close(in.crew.role[0].socket.fd);
	loop_free(loop);
	fd_close(peer);
	fd_close(resolver);
	clock_inject(NULL);
	return 0;
}

static void ask_by(const char *request)
{
	assert_int_equal(send(peer, request, strlen(request), 0), strlen(request));
	loop_once(loop, 0);
}

static void ask(void)
{
	ask_by("{\"command\":\"reload\"}\n");
}

static const char *client_hears(void)
{
	ssize_t len;

	loop_once(loop, 0);
	len = recv(peer, told, sizeof(told) - 1, MSG_DONTWAIT);
	told[len > 0 ? len : 0] = '\0';
	return told;
}

/* Messages of main by type and, of descriptors, by kind: "c", "l", "s" (listener), "q"uery. */
static const char *resolver_hears(void)
{
	static char heard[64];
	static uint8_t buf[ROLE_MESSAGE_MAX];
	size_t num = 0;
	int fd;

	while (num < sizeof(heard) - 1 && message_recv(resolver, buf, sizeof(buf), &fd) > 0) {
		uint32_t type, kind;

		memcpy(&type, buf, sizeof(type));
		memcpy(&kind, buf + sizeof(type), sizeof(kind));
		heard[num++] = type == ROLE_QUERY		 ? 'q' :
			       type != ROLE_DESCRIPTOR || fd < 0 ? '?' :
			       kind == ROLE_FD_CONF		 ? 'c' :
			       kind == ROLE_FD_LIST		 ? 'l' :
								   's';
		fd_close(fd);
	}
	heard[num] = '\0';
	return heard;
}

static void resolver_says(const char *text)
{
	if (*text)
		assert_true(reload_text(&in, in.reload.tag, text, strlen(text)));
	assert_true(reload_text(&in, in.reload.tag, NULL, 0));
}

static void a_good_file_is_sent_and_taken_when_the_resolver_says_ok(void **state)
{
	char text[256];

	start_with("dns: {timeout: 3s}\n");
	snprintf(text, sizeof(text),
		 "dns:\n  timeout: 4s\n  listen: ['127.0.0.1:%u']\n  lists: {a: {file: list}}\n"
		 "  policies: [{rules: [{list: a, block: zero}]}]\n",
		 free_port());
	write_file(file, text);
	ask();
	assert_string_equal(resolver_hears(), "clssq");
	assert_string_equal(client_hears(), "");
	assert_int_equal(in.config.conf->dns.timeout_ms, 3000);
	resolver_says("ok\nlist:1: left out\n");
	assert_int_equal(in.config.conf->dns.timeout_ms, 4000);
	assert_true(in.config.listener_fd[1] >= 0 && in.config.list_fd[0] >= 0);
	client_hears();
	assert_non_null(strstr(told, "{\"reload\":{\"line\":\"list:1: left out\"}}\n"));
	assert_non_null(strstr(told, "{\"reload\":{\"line\":\"changed: dns.timeout\"}}\n"));
	assert_non_null(strstr(told, "{\"reload\":{\"line\":\"added: dns.listen\"}}\n"));
	assert_non_null(strstr(told, "{\"done\":true}\n"));
	assert_int_equal(in.reload.tag, 0);
}

static void the_same_address_keeps_its_sockets(void **state)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	ino_t before;
	struct stat st;
	char text[96];

	snprintf(text, sizeof(text), "dns:\n  listen: ['127.0.0.1:%u']\n", free_port());
	start_with(text);
	assert_int_equal(fstat(in.config.listener_fd[0], &st), 0);
	before = st.st_ino;
	ask();
	resolver_says("ok\n");
	assert_int_equal(fstat(in.config.listener_fd[0], &st), 0);
	assert_int_equal(st.st_ino, before);
	assert_int_equal(getsockname(in.config.listener_fd[1], (struct sockaddr *)&ss, &len), 0);
	assert_non_null(strstr(client_hears(), "nothing has changed"));
}

/* The resolver still has them for its last answers: bound once more they could not be. */
static void an_address_that_was_given_up_just_now_can_be_had_again(void **state)
{
	struct stat st;
	ino_t before;
	char text[96];
	int held;

	snprintf(text, sizeof(text), "dns:\n  listen: ['127.0.0.1:%u']\n", free_port());
	start_with(text);
	assert_int_equal(fstat(in.config.listener_fd[0], &st), 0);
	before = st.st_ino;
	held = dup(in.config.listener_fd[0]);
	write_file(file, "");
	ask();
	resolver_says("ok\n");
	write_file(file, text);
	ask();
	resolver_says("ok\n");
	assert_int_equal(in.config.conf->dns.listeners, 1);
	assert_int_equal(fstat(in.config.listener_fd[0], &st), 0);
	assert_int_equal(st.st_ino, before);
	close(held);
}

static void a_bad_file_changes_nothing_and_reaches_nobody(void **state)
{
	start_with("dns: {timeout: 3s}\n");
	write_file(file, "dns:\n  timeout: 4\n  colour: red\n");
	ask();
	assert_string_equal(resolver_hears(), "");
	client_hears();
	assert_non_null(strstr(told, ":2: dns.timeout: '4' has no unit"));
	assert_non_null(strstr(told, ":3: dns.colour: no such key"));
	assert_non_null(strstr(told, "{\"error\":\"the configuration cannot be taken; nothing was "
				     "changed\"}\n"));
	assert_int_equal(in.config.conf->dns.timeout_ms, 3000);
	assert_int_equal(in.reload.tag, 0);
}

static void what_cannot_change_is_refused_by_name(void **state)
{
	static const char *const values[][2] = { { "log", "debug" },
						 { "workers", "2" },
						 { "ipv6", "false" },
						 { "mtu", "1400" },
						 { "host-loopback", "10.9.9.9" },
						 { "limits", "{flows: 1000}" } };

	start_with("");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s: %s\n", values[i][0], values[i][1]);
		write_file(file, text);
		ask();
		snprintf(text, sizeof(text), ": %s: cannot change while", values[i][0]);
		assert_non_null(strstr(client_hears(), text));
	}
	assert_string_equal(resolver_hears(), "");
}

static void an_address_that_is_taken_and_a_list_that_is_gone_change_nothing(void **state)
{
	struct endpoint ep = { .addr = addr_from_v4(htonl(INADDR_LOOPBACK)) };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	char text[128];

	ep.port = htons((uint16_t)free_port());
	len = endpoint_to_sockaddr(&ep, &ss);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	start_with("");
	snprintf(text, sizeof(text), "dns:\n  lists: {a: {file: gone}}\n  listen: '127.0.0.1:%u'\n",
		 ntohs(ep.port));
	write_file(file, text);
	ask();
	client_hears();
	assert_non_null(strstr(told, ":2: dns.lists.a: cannot read /tmp/"));
	assert_non_null(strstr(told, ":3: dns.listen: cannot listen on 127.0.0.1:"));
	assert_non_null(strstr(told, "(UDP): Address already in use"));
	assert_string_equal(resolver_hears(), "");
	close(fd);
}

static void what_the_resolver_refuses_changes_nothing(void **state)
{
	start_with("dns: {timeout: 3s}\n");
	write_file(file, "dns: {timeout: 4s}\n");
	ask();
	resolver_says("list:7: no name\n");
	assert_int_equal(in.config.conf->dns.timeout_ms, 3000);
	client_hears();
	assert_non_null(strstr(told, "{\"reload\":{\"line\":\"list:7: no name\",\"error\":true}}"));
	assert_non_null(strstr(told, "nothing was changed"));
}

static void rules_come_into_force_with_the_rest(void **state)
{
	start_with("rules: [{port: 1, action: drop}]\n");
	assert_int_equal(fake_kernel.rules.rules, 1);
	assert_int_equal(fake_kernel.rules_committed, 1);
	write_file(file, "rules: [{port: 1, action: drop}, {user: 1, action: direct}]\n");
	ask();
	assert_int_equal(fake_kernel.rules.rules, 2);
	assert_int_equal(fake_kernel.rules_committed, 1);
	resolver_says("ok\n");
	assert_int_equal(fake_kernel.rules_committed, 2);
	assert_int_equal(fake_kernel.rules_reset, 0);
	assert_non_null(strstr(client_hears(), "changed: rules"));
	ask_by("{\"command\":\"reload\",\"reset_flows\":true}\n");
	resolver_says("ok\n");
	assert_int_equal(fake_kernel.rules_committed, 3);
	assert_int_equal(fake_kernel.rules_reset, 1);
}

static void rules_that_cannot_be_loaded_change_nothing(void **state)
{
	start_with("dns: {timeout: 3s}\n");
	write_file(file, "dns: {timeout: 4s}\nrules: [{port: 1, action: drop}]\n");
	fake_kernel.rules_result = -ENOMEM;
	ask();
	assert_string_equal(resolver_hears(), "");
	client_hears();
	assert_non_null(strstr(told, "rules: cannot be loaded into the kernel: Cannot allocate"));
	assert_int_equal(in.config.conf->dns.timeout_ms, 3000);
	assert_int_equal(fake_kernel.rules_committed, 0);
}

static void rules_wait_in_vain_for_a_resolver_that_refuses(void **state)
{
	start_with("");
	write_file(file, "rules: [{port: 1, action: drop}]\n");
	ask();
	resolver_says("no\n");
	assert_int_equal(fake_kernel.rules_committed, 0);
	assert_null(in.rules.next.conf);
	assert_int_equal(in.rules.now.conf->rules, 0);
}

static void names_that_do_not_exist_are_told(void **state)
{
	start_with("");
	write_file(file, "rules:\n- {user: nobody-of-this-name, action: drop}\n"
			 "- {executable: /no/such/file, action: drop}\n"
			 "- {interface: none0, not: {user: root}, action: drop}\n");
	ask();
	resolver_says("ok\n");
	client_hears();
	assert_non_null(strstr(told, "line 2: rule rule-1: user 'nobody-of-this-name' does not "
				     "exist"));
	assert_non_null(strstr(told, "line 3: rule rule-2: executable '/no/such/file' does not "
				     "exist now"));
	assert_non_null(strstr(told, "line 4: rule rule-3: interface 'none0' does not exist now"));
	assert_null(strstr(told, "'root'"));
	assert_non_null(strstr(told, "{\"done\":true}"));
}

static void a_resolver_that_ends_meanwhile_leaves_the_old_one_in_force(void **state)
{
	start_with("dns: {timeout: 3s}\n");
	write_file(file, "dns: {timeout: 4s}\n");
	ask();
	reload_role_died(&in, &in.crew.role[1]);
	assert_int_not_equal(in.reload.tag, 0);
	reload_role_died(&in, &in.crew.role[0]);
	assert_int_equal(in.reload.tag, 0);
	assert_int_equal(in.config.conf->dns.timeout_ms, 3000);
	assert_non_null(strstr(client_hears(), "the resolver ended before"));
}

static void a_client_that_goes_does_not_stop_it(void **state)
{
	start_with("dns: {timeout: 3s}\n");
	write_file(file, "dns: {timeout: 4s}\n");
	ask();
	peer = fd_close(peer);
	loop_once(loop, 0);
	assert_null(in.reload.client);
	resolver_says("ok\n");
	assert_int_equal(in.config.conf->dns.timeout_ms, 4000);
}

static void one_at_a_time_and_none_without_a_file(void **state)
{
	struct conf_errors errors;

	assert_int_equal(config_read(&in.config, "", &errors), 0);
	ask();
	assert_non_null(strstr(client_hears(), "without a configuration file"));
	config_done(&in.config);
	start_with("");
	ask();
	ask();
	assert_non_null(strstr(client_hears(), "a reload is under way"));
	assert_false(reload_text(&in, in.reload.tag + 1, "ok\n", 3));
	resolver_says("ok\n");
}

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/c.yaml", dir);
	snprintf(list, sizeof(list), "%s/list", dir);
	write_file(list, "ads.example\n");
	return 0;
}

static int remove_dir(void **state)
{
	unlink(file);
	unlink(list);
	return rmdir(dir);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_good_file_is_sent_and_taken_when_the_resolver_says_ok),
		T(the_same_address_keeps_its_sockets),
		T(an_address_that_was_given_up_just_now_can_be_had_again),
		T(a_bad_file_changes_nothing_and_reaches_nobody),
		T(what_cannot_change_is_refused_by_name),
		T(an_address_that_is_taken_and_a_list_that_is_gone_change_nothing),
		T(rules_come_into_force_with_the_rest),
		T(rules_that_cannot_be_loaded_change_nothing),
		T(rules_wait_in_vain_for_a_resolver_that_refuses),
		T(names_that_do_not_exist_are_told),
		T(what_the_resolver_refuses_changes_nothing),
		T(a_resolver_that_ends_meanwhile_leaves_the_old_one_in_force),
		T(a_client_that_goes_does_not_stop_it),
		T(one_at_a_time_and_none_without_a_file),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
