// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Direct flows of route capture, which are seen with their sockets alone: when somebody looks,
 * and when the socket is closed (bpf/sock_flow.h).
 */
#include "bpf/owner_world.h"

#define ROUTED_RULE 7

/* As the connect hook has it: no source yet. */
static void route(int fd, int family, uint8_t proto, uint16_t port)
{
	struct sockaddr_in6 to = loopback(family, port);
	struct sock_note note;

	assert_true(note_of(fd, &note));
	note.key = (struct flow_key){ .dport = to.sin6_port, .proto = proto };
	memcpy(&note.key.daddr, &to.sin6_addr, sizeof(note.key.daddr));
	note.verdict = VERDICT_DIRECT;
	note.capture = CAPTURE_TUN;
	note.rule = ROUTED_RULE;
	assert_int_equal(bpf_map_update_elem(notes(), &fd, &note, BPF_ANY), 0);
}

/* As main does it when somebody looks. */
static void look(void)
{
	union bpf_iter_link_info what = { .map.map_fd = (__u32)notes() };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &what, .iter_info_len = sizeof(what));
	int link = bpf_link_create(bpf_program__fd(world.h->skel->progs.sock_walk), 0,
				   BPF_TRACE_ITER, &opts);
	int iter = bpf_iter_create(link);
	char none[8];

	assert_true(iter >= 0);
	assert_int_equal(read(iter, none, sizeof(none)), 0);
	close(iter);
	close(link);
}

/* The flow as its socket's own addresses say it. */
static struct flow_key key_of(int fd, uint8_t proto)
{
	struct flow_key k = { .proto = proto };
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	memcpy(&k.saddr, &a.sin6_addr, sizeof(k.saddr));
	k.sport = a.sin6_port;
	assert_int_equal(getpeername(fd, (struct sockaddr *)&a, &len), 0);
	memcpy(&k.daddr, &a.sin6_addr, sizeof(k.daddr));
	k.dport = a.sin6_port;
	return k;
}

static bool direct_has(const struct flow_key *k, struct flow *ret_flow)
{
	return !bpf_map_lookup_elem(direct(), k, ret_flow);
}

static enum event_type event_told(void)
{
	struct harness_events events;

	harness_read_events(world.h, &events);
	assert_int_equal(events.count, 1);
	return (enum event_type)events.event[0].type;
}

static void expect_routed(const struct flow *f, enum flow_state state)
{
	assert_int_equal(f->verdict, VERDICT_DIRECT);
	assert_int_equal(f->capture, CAPTURE_TUN);
	assert_int_equal(f->rule, ROUTED_RULE);
	assert_int_equal(f->pid, getpid());
	assert_string_equal((const char *)f->comm, "test_sock_flow");
	assert_int_equal(f->uid, getuid());
	assert_int_equal(f->cgroup_id, world.cgroup_id);
	assert_int_equal(f->state, state);
}

/* Of a flow that was entered when it ended. */
static void expect_new_and_end(enum flow_end end)
{
	struct harness_events events;

	harness_read_events(world.h, &events);
	assert_int_equal(events.count, 2);
	assert_int_equal(events.event[0].type, EVENT_FLOW_NEW);
	assert_int_equal(events.event[1].type, EVENT_FLOW_END);
	assert_int_equal(events.event[1].info.end, end);
}

static void routed_connection_is_entered_when_somebody_looks(void **state)
{
	struct pair p = pair_open();
	struct flow_key k = key_of(p.client, IPPROTO_TCP);
	struct flow f;

	route(p.client, AF_INET, IPPROTO_TCP, ntohs(k.dport));
	assert_false(direct_has(&k, &f));
	look();
	assert_true(direct_has(&k, &f));
	expect_routed(&f, FLOW_OPEN);
	assert_int_equal(f.bytes_up, 0);
	assert_int_equal(event_told(), EVENT_FLOW_NEW);
	move_bytes(p.client, p.accepted, 3000);
	move_bytes(p.accepted, p.client, 50001);
	look();
	assert_true(direct_has(&k, &f));
	assert_int_equal(f.bytes_up, 3000);
	assert_int_equal(f.bytes_down, 50001);
	close(p.client);
	assert_true(direct_has(&k, &f));
	assert_int_equal(f.state, FLOW_CLOSED);
	assert_int_equal(end_told(), END_FINISHED);
	close(p.accepted);
	close(p.server);
}

static void routed_connection_that_nobody_saw_is_there_when_it_has_ended(void **state)
{
	struct pair p = pair_open();
	struct flow_key k = key_of(p.client, IPPROTO_TCP);
	struct flow f;

	route(p.client, AF_INET, IPPROTO_TCP, ntohs(k.dport));
	move_bytes(p.client, p.accepted, 77);
	close(p.client);
	assert_true(direct_has(&k, &f));
	expect_routed(&f, FLOW_CLOSED);
	assert_int_equal(f.bytes_up, 77);
	expect_new_and_end(END_FINISHED);
	close(p.accepted);
	close(p.server);
}

static void routed_connection_that_was_refused_is_told_with_its_destination(void **state)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct flow_key k = { .dport = htons(1), .proto = IPPROTO_TCP };
	struct flow f;

	assert_int_equal(connect_to(fd, AF_INET6, 1), -1);
	route(fd, AF_INET6, IPPROTO_TCP, 1);
	look(); /* without addresses there is nothing to see */
	k.daddr.b[15] = 1;
	assert_false(direct_has(&k, &f));
	close(fd);
	assert_true(direct_has(&k, &f));
	expect_routed(&f, FLOW_CLOSED);
	expect_new_and_end(END_REFUSED);
}

/* The mark stays with the socket, and so does the way. */
static void routed_datagram_socket_that_is_connected_anew_has_another_flow(void **state)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct flow_key first, second;
	struct flow f;

	assert_int_equal(connect_to(fd, AF_INET6, 9), 0);
	route(fd, AF_INET6, IPPROTO_UDP, 9);
	look();
	first = key_of(fd, IPPROTO_UDP);
	assert_true(direct_has(&first, &f));
	expect_routed(&f, FLOW_OPEN);
	assert_int_equal(event_told(), EVENT_FLOW_NEW);
	assert_int_equal(connect_to(fd, AF_INET, 10), 0);
	look();
	second = key_of(fd, IPPROTO_UDP);
	assert_true(direct_has(&first, &f));
	assert_int_equal(f.state, FLOW_CLOSED);
	assert_true(direct_has(&second, &f));
	expect_routed(&f, FLOW_OPEN);
	close(fd);
	assert_true(direct_has(&second, &f));
	assert_int_equal(f.state, FLOW_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routed_connection_is_entered_when_somebody_looks),
		cmocka_unit_test(routed_connection_that_nobody_saw_is_there_when_it_has_ended),
		cmocka_unit_test(routed_connection_that_was_refused_is_told_with_its_destination),
		cmocka_unit_test(routed_datagram_socket_that_is_connected_anew_has_another_flow),
	};

	return cmocka_run_group_tests_name("bpf/sock_flow", tests, owner_world_up,
					   owner_world_down);
}
