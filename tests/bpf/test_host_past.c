// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the note of a socket says of a connection whose flow is in no table. */
#include "bpf/host_live.h"
#include "bpf/owner.h"

/* A connection whose socket has a note, as the hooks of connect() make it. */
static int dial_noted(int family, uint16_t port)
{
	int fd = socket_at(world.host, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sock_note note = { .pid = 1 };
	struct sockaddr_storage at;
	socklen_t len = address(family, peer(family), port, &at);

	put(world.skel->maps.sock_notes, &fd, &note);
	if (connect(fd, (struct sockaddr *)&at, len))
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

/* Its flow has ended long ago, and nobody has told it. */
static void silent_connection_that_was_captured_does_not_slip_by(void **state)
{
	EACH_FAMILY(i)
	{
		int fd;

		begin(VERDICT_FORWARD);
		fd = dial_noted(families[i], 4711);
		take_handshake(fd, families[i], 4711);
		empty(world.skel->maps.flows);
		say(fd, "late");
		assert_true(ready(fd, POLLERR));
		assert_int_equal(dialled(fd), ECONNRESET);
		assert_int_equal(drops_of(DROP_STRAY), 1);
		assert_int_equal(stat_of(STAT_PASS_OLDER), 0);
		close(fd);
		world_close();
	}
}

/* While main is gone, for the whole of it, though rules would capture it. */
static void connection_that_opened_while_main_was_gone_stays_native(void **state)
{
	int listener, fd, far;

	begin(VERDICT_FORWARD);
	world.settings.heartbeat_ns = 0;
	world_settings();
	listener = serve(world.outside, AF_INET, peer(AF_INET), 0, SOCK_STREAM);
	fd = dial_noted(AF_INET, port_of(listener));
	assert_int_equal(dialled(fd), 0);
	far = accept(listener, NULL, NULL);
	say(fd, "native");
	expect(far, "native");
	assert_int_equal(drops_of(DROP_STRAY), 0);
	close(far);
	close(fd);
	close(listener);
	world_close();
}

/* The same with a note in sock_ring, which connect() makes of most. Its place there. */
static int dial_placed(uint16_t port, uint32_t *ret_at)
{
	int fd = socket_at(world.host, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sock_note note = { .pid = 1 };
	struct sockaddr_storage at;
	socklen_t len = sizeof(note.cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &note.cookie, &len), 0);
	*ret_at = note.cookie & (SOCK_RING - 1);
	put(world.skel->maps.sock_ring, ret_at, &note);
	len = address(AF_INET, peer(AF_INET), port, &at);
	if (connect(fd, (struct sockaddr *)&at, len))
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static struct flow placed(uint32_t at)
{
	struct sock_flow s;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(world.skel->maps.sock_flows), &at, &s), 0);
	assert_true(s.cookie);
	assert_int_equal(s.key.proto, IPPROTO_TCP);
	return s.flow;
}

static bool is_empty(const struct bpf_map *map)
{
	struct flow_key key;

	return bpf_map_get_next_key(bpf_map__fd(map), NULL, &key) != 0;
}

static void flow_of_a_connection_is_at_its_sockets_place(void **state)
{
	int listener, fd, far;
	uint32_t at;

	begin(VERDICT_DIRECT);
	listener = serve(world.outside, AF_INET, peer(AF_INET), 0, SOCK_STREAM);
	fd = dial_placed(port_of(listener), &at);
	assert_int_equal(dialled(fd), 0);
	far = accept(listener, NULL, NULL);
	say(fd, "direct");
	expect(far, "direct");
	assert_int_equal(placed(at).verdict, VERDICT_DIRECT);
	assert_int_equal(placed(at).pid, 1);
	assert_true(is_empty(world.skel->maps.direct_flows));
	assert_int_equal(stat_of(STAT_DIRECT_FLOWS), 1);
	rules_say(VERDICT_DIRECT, 3, 3);
	say(fd, "again");
	expect(far, "again");
	assert_int_equal(placed(at).epoch, 3);
	assert_int_equal(stat_of(STAT_DIRECT_FLOWS), 1);
	rules_say(VERDICT_FORWARD, 4, 4);
	say(fd, "reset");
	assert_true(ready(fd, POLLERR));
	assert_int_equal(dialled(fd), ECONNRESET);
	assert_int_equal(drops_of(DROP_RESET), 1);
	assert_int_equal(placed(at).state, FLOW_CLOSED);
	assert_true(is_empty(world.skel->maps.direct_flows));
	close(far);
	close(fd);
	close(listener);
	world_close();
}

/* Else what was decided about one connection would let another one pass. */
static void place_that_another_socket_has_taken_says_nothing(void **state)
{
	struct sock_note other = { .verdict = VERDICT_DIRECT };
	int listener, fd;
	uint32_t at;

	begin(VERDICT_DIRECT);
	listener = serve(world.outside, AF_INET, peer(AF_INET), 0, SOCK_STREAM);
	fd = dial_placed(port_of(listener), &at);
	assert_int_equal(dialled(fd), 0);
	other.cookie = at + (1ULL << 40);
	other.key.proto = IPPROTO_TCP;
	put(world.skel->maps.sock_ring, &at, &other);
	say(fd, "older");
	assert_int_equal(stat_of(STAT_PASS_OLDER), 1);
	close(fd);
	close(listener);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_connection_that_was_captured_does_not_slip_by),
		cmocka_unit_test(connection_that_opened_while_main_was_gone_stays_native),
		cmocka_unit_test(flow_of_a_connection_is_at_its_sockets_place),
		cmocka_unit_test(place_that_another_socket_has_taken_says_nothing),
	};

	if (geteuid())
		return 77;
	return cmocka_run_group_tests_name("bpf/host_past", tests, NULL, NULL);
}
