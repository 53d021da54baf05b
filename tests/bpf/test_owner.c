// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who owns a socket, and what is known of a direct flow whose socket is closed.
 */
#include "bpf/owner_world.h"

static char other[64]; /* a copy of this program, under another name */

static void expect_owner(const struct sock_note *note, pid_t pid, const char *comm, const char *exe)
{
	struct stat st;

	assert_int_equal(stat(exe, &st), 0);
	assert_int_equal(note->pid, pid);
	assert_string_equal((const char *)note->comm, comm);
	assert_int_equal(note->exe_inode, st.st_ino);
	assert_int_equal(note->exe_device, major(st.st_dev) << 20 | minor(st.st_dev));
}

static int exit_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void datagram_socket_is_of_the_process_that_made_it(void **state)
{
	struct sock_note note;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(note_of(fd, &note));
	expect_owner(&note, getpid(), "test_owner", "/proc/self/exe");
	assert_int_equal(note.verdict, VERDICT_NONE);
	close(fd);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_true(note_of(fd, &note));
	assert_int_equal(note.pid, getpid());
	close(fd);
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	assert_true(note_of(fd, &note));
	assert_int_equal(note.pid, getpid());
	close(fd);
}

static void connection_is_of_the_process_that_connects(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < 2; i++) {
		struct sock_note note;
		uint16_t port;
		int server = listen_on(families[i], &port);
		int fd = socket(AF_INET6, SOCK_STREAM, 0);

		assert_false(note_of(fd, &note));
		assert_int_equal(connect_to(fd, families[i], port), 0);
		assert_true(note_of(fd, &note));
		expect_owner(&note, getpid(), "test_owner", "/proc/self/exe");
		close(fd);
		close(server);
	}
}

/* What it had to say then may wait for a neighbour still. */
static void connection_that_is_not_its_sockets_first_is_told(void **state)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sock_note note;
	uint16_t port;
	int server = listen_on(AF_INET6, &port), fd = socket(AF_INET6, SOCK_STREAM, 0);

	assert_int_equal(connect_to(fd, AF_INET6, port), 0);
	assert_true(note_of(fd, &note));
	assert_int_equal(note.life, 0);
	assert_int_equal(connect(fd, &none, sizeof(none)), 0);
	assert_int_equal(connect_to(fd, AF_INET6, port), 0);
	assert_true(note_of(fd, &note));
	assert_int_equal(note.life, SOCK_AGAIN);
	close(fd);
	close(server);
}

static void servers_sockets_have_no_note(void **state)
{
	struct sock_note note;
	uint16_t port;
	int server = listen_on(AF_INET6, &port), fd = socket(AF_INET6, SOCK_STREAM, 0), accepted;

	assert_int_equal(connect_to(fd, AF_INET6, port), 0);
	accepted = accept(server, NULL, NULL);
	assert_true(accepted >= 0);
	assert_false(note_of(server, &note));
	assert_false(note_of(accepted, &note));
	close(accepted);
	close(fd);
	close(server);
}

/* The owner of what a short-lived process has sent is still known when it is gone. */
static void forked_child_that_connects_takes_the_socket_over(void **state)
{
	int tcp = socket(AF_INET6, SOCK_STREAM, 0), udp = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sock_note note;
	uint16_t port;
	int server = listen_on(AF_INET6, &port);
	pid_t child = fork();

	if (!child)
		_exit(connect_to(tcp, AF_INET6, port) || connect_to(udp, AF_INET6, port));
	assert_int_equal(exit_of(child), 0);
	assert_int_equal(kill(child, 0), -1);
	assert_true(note_of(tcp, &note));
	assert_int_equal(note.pid, child);
	assert_true(note_of(udp, &note));
	assert_int_equal(note.pid, child);
	close(tcp);
	close(udp);
	close(server);
}

static void program_that_was_executed_is_the_owner(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sock_note note;
	char number[16], at[16];
	uint16_t port;
	int server = listen_on(AF_INET6, &port);
	pid_t child;

	snprintf(number, sizeof(number), "%d", fd);
	snprintf(at, sizeof(at), "%d", port);
	child = fork();
	if (!child) {
		execl(other, other, "connect", number, at, NULL);
		_exit(127);
	}
	assert_int_equal(exit_of(child), 0);
	assert_true(note_of(fd, &note));
	expect_owner(&note, child, strrchr(other, '/') + 1, other);
	close(fd);
	close(server);
}

static void *in_thread(void *arg)
{
	prctl(PR_SET_NAME, "a thread");
	*(int *)arg = socket(AF_INET, SOCK_DGRAM, 0);
	return NULL;
}

static void thread_is_told_by_its_process(void **state)
{
	struct sock_note note;
	pthread_t thread;
	int fd = -1;

	assert_int_equal(pthread_create(&thread, NULL, in_thread, &fd), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(note_of(fd, &note));
	expect_owner(&note, getpid(), "test_owner", "/proc/self/exe");
	close(fd);
}

static void only_the_namespace_in_question_is_watched(void **state)
{
	struct sock_note note;
	uint64_t cookie;
	int fd;

	assert_int_equal(netns_cookie(&cookie), 0);
	settings_put(cookie, 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(note_of(fd, &note));
	close(fd);
	settings_put(cookie + 1, 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_false(note_of(fd, &note));
	assert_int_equal(connect_to(fd, AF_INET, 9), -1); /* it is IPv4's alone */
	close(fd);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(connect_to(fd, AF_INET6, 9), 0);
	assert_int_equal(connect_to(fd, AF_INET, 9), 0);
	assert_false(note_of(fd, &note));
	close(fd);
	settings_put(0, 0);
}

static void a_host_watches_all_namespaces(void **state)
{
	struct sock_note note;
	uint64_t cookie;
	int fd;

	assert_int_equal(netns_cookie(&cookie), 0);
	settings_put_of(true, cookie + 1, 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(note_of(fd, &note));
	close(fd);
	settings_put(0, 0);
}

static void sockets_of_our_own_cgroup_are_not_noted(void **state)
{
	struct sock_note note;
	int fd;

	settings_put(0, world.cgroup_id);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(connect_to(fd, AF_INET6, 9), 0);
	assert_false(note_of(fd, &note));
	close(fd);
	settings_put(0, 0);
}

/* --- the end of a direct flow -------------------------------------------------------------- */

static const struct flow_key key = { .sport = 1, .dport = 2, .proto = IPPROTO_TCP };

/* As the capture program has it that saw the flow's first packet. */
static void decide(int fd, uint8_t proto, enum verdict verdict)
{
	struct flow f = { .verdict = VERDICT_DIRECT, .state = FLOW_OPEN };
	struct sock_note note;

	assert_true(note_of(fd, &note));
	note.key = key;
	note.key.proto = proto;
	note.verdict = verdict;
	assert_int_equal(bpf_map_update_elem(notes(), &fd, &note, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(direct(), &note.key, &f, BPF_ANY), 0);
}

static struct flow flow_of(uint8_t proto)
{
	struct flow_key k = key;
	struct flow f;

	k.proto = proto;
	assert_int_equal(bpf_map_lookup_elem(direct(), &k, &f), 0);
	return f;
}

static void closed_connection_ends_its_flow_with_exact_bytes(void **state)
{
	struct pair p = pair_open();
	struct flow f;

	decide(p.client, IPPROTO_TCP, VERDICT_DIRECT);
	move_bytes(p.client, p.accepted, 10000);
	move_bytes(p.accepted, p.client, 70001);
	assert_int_equal(send(p.client, "tail", 4, 0), 4); /* which may not be acknowledged yet */
	close(p.client);
	f = flow_of(IPPROTO_TCP);
	assert_int_equal(f.state, FLOW_CLOSED);
	assert_int_equal(f.bytes_up, 10004);
	assert_int_equal(f.bytes_down, 70001);
	assert_true(f.packets_up > 2 && f.packets_down > 2);
	assert_int_equal(end_told(), END_FINISHED);
	close(p.accepted);
	close(p.server);
}

static void flow_that_is_not_direct_is_left_alone(void **state)
{
	struct pair p = pair_open();
	struct harness_events events;

	decide(p.client, IPPROTO_TCP, VERDICT_FORWARD);
	close(p.client);
	assert_int_equal(flow_of(IPPROTO_TCP).state, FLOW_OPEN);
	harness_read_events(world.h, &events);
	assert_int_equal(events.count, 0);
	close(p.accepted);
	close(p.server);
}

static void reset_by_the_other_side_is_told_as_that(void **state)
{
	struct linger at_once = { .l_onoff = 1 };
	struct pair p = pair_open();
	char c;

	decide(p.client, IPPROTO_TCP, VERDICT_DIRECT);
	move_bytes(p.accepted, p.client, 5);
	setsockopt(p.accepted, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(p.accepted);
	assert_int_equal(recv(p.client, &c, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(p.client);
	assert_int_equal(flow_of(IPPROTO_TCP).bytes_down, 5);
	assert_int_equal(end_told(), END_UPSTREAM_RESET);
	close(p.server);
}

static void refused_connection_is_told_as_that(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	assert_int_equal(connect_to(fd, AF_INET6, 1), -1);
	assert_int_equal(errno, ECONNREFUSED);
	decide(fd, IPPROTO_TCP, VERDICT_DIRECT);
	close(fd);
	assert_int_equal(flow_of(IPPROTO_TCP).bytes_up, 0);
	assert_int_equal(end_told(), END_REFUSED);
}

static void datagrams_not_counted_yet_are_at_the_end(void **state)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sock_note note;
	struct flow f;

	decide(fd, IPPROTO_UDP, VERDICT_DIRECT);
	assert_true(note_of(fd, &note));
	note.bytes = 1234;
	note.packets = 3;
	assert_int_equal(bpf_map_update_elem(notes(), &fd, &note, BPF_ANY), 0);
	close(fd);
	f = flow_of(IPPROTO_UDP);
	assert_int_equal(f.state, FLOW_CLOSED);
	assert_int_equal(f.bytes_up, 1234);
	assert_int_equal(f.packets_up, 3);
	assert_int_equal(end_told(), END_FINISHED);
}

/* --- the world ----------------------------------------------------------------------------- */

static void copy_self(void)
{
	char command[160];

	snprintf(other, sizeof(other), "/tmp/owner-%d", getpid());
	snprintf(command, sizeof(command), "cp /proc/%d/exe %s", getpid(), other);
	assert_int_equal(system(command), 0);
}

static int with_a_copy(void **state)
{
	copy_self();
	return owner_world_up(state);
}

static int without(void **state)
{
	unlink(other);
	return owner_world_down(state);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagram_socket_is_of_the_process_that_made_it),
		cmocka_unit_test(connection_is_of_the_process_that_connects),
		cmocka_unit_test(connection_that_is_not_its_sockets_first_is_told),
		cmocka_unit_test(servers_sockets_have_no_note),
		cmocka_unit_test(forked_child_that_connects_takes_the_socket_over),
		cmocka_unit_test(program_that_was_executed_is_the_owner),
		cmocka_unit_test(thread_is_told_by_its_process),
		cmocka_unit_test(only_the_namespace_in_question_is_watched),
		cmocka_unit_test(a_host_watches_all_namespaces),
		cmocka_unit_test(sockets_of_our_own_cgroup_are_not_noted),
		cmocka_unit_test(closed_connection_ends_its_flow_with_exact_bytes),
		cmocka_unit_test(flow_that_is_not_direct_is_left_alone),
		cmocka_unit_test(reset_by_the_other_side_is_told_as_that),
		cmocka_unit_test(refused_connection_is_told_as_that),
		cmocka_unit_test(datagrams_not_counted_yet_are_at_the_end),
	};

	if (argc == 4 && !strcmp(argv[1], "connect"))
		return connect_to(atoi(argv[2]), AF_INET6, (uint16_t)atoi(argv[3])) ? 1 : 0;
	return cmocka_run_group_tests_name("bpf/owner", tests, with_a_copy, without);
}
