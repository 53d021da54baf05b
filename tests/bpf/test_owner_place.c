// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where a host has the notes and direct flows of its TCP sockets: at a place that is told by the
 * socket's cookie, while no other open socket has it (bpf/owner.h).
 */
#include "bpf/owner_world.h"

static int ring(void)
{
	return bpf_map__fd(world.h->skel->maps.sock_ring);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static struct sock_note place_of(uint64_t cookie)
{
	uint32_t at = cookie & (SOCK_RING - 1);
	struct sock_note note;

	assert_int_equal(bpf_map_lookup_elem(ring(), &at, &note), 0);
	return note;
}

static void place_put(uint64_t cookie, const struct sock_note *note)
{
	uint32_t at = cookie & (SOCK_RING - 1);

	assert_int_equal(bpf_map_update_elem(ring(), &at, note, BPF_ANY), 0);
}

/* Its place in the array is its own until it is closed, and keeps what was noted behind that. */
static void closed_connection_makes_place_for_another(void **state)
{
	uint16_t port;
	int server = listen_on(AF_INET, &port), fd = socket(AF_INET6, SOCK_STREAM, 0);
	uint64_t cookie = cookie_of(fd);

	assert_int_equal(connect_to(fd, AF_INET, port), 0);
	assert_int_equal(place_of(cookie).cookie, cookie);
	assert_int_equal(place_of(cookie).life, 0);
	close(fd);
	assert_int_equal(place_of(cookie).cookie, cookie);
	assert_int_equal(place_of(cookie).life, SOCK_OVER);
	close(server);
}

static void connection_whose_place_is_in_use_has_its_note_elsewhere(void **state)
{
	struct sock_note other = { .pid = 1 }, note;
	uint16_t port;
	int server = listen_on(AF_INET, &port), fd = socket(AF_INET6, SOCK_STREAM, 0);
	uint64_t cookie = cookie_of(fd);

	other.cookie = cookie + SOCK_RING;
	place_put(cookie, &other);
	assert_int_equal(connect_to(fd, AF_INET, port), 0);
	assert_int_equal(place_of(cookie).cookie, other.cookie);
	assert_int_equal(place_of(cookie).pid, 1);
	assert_int_equal(bpf_map_lookup_elem(notes(), &fd, &note), 0);
	assert_int_equal(note.pid, getpid());
	close(fd);
	assert_int_equal(place_of(cookie).life, 0);
	place_put(cookie, &(struct sock_note){ 0 });
	fd = socket(AF_INET6, SOCK_STREAM, 0);
	cookie = cookie_of(fd);
	other.cookie = cookie + SOCK_RING;
	other.life = SOCK_OVER; /* but its socket was closed */
	place_put(cookie, &other);
	assert_int_equal(connect_to(fd, AF_INET, port), 0);
	assert_int_equal(place_of(cookie).cookie, cookie);
	close(fd);
	close(server);
}

/* What was decided about the connection that it had before says nothing of the next one. */
static void socket_that_is_connected_again_is_decided_again(void **state)
{
	struct sockaddr_in6 none = { .sin6_family = AF_UNSPEC };
	struct sock_note note;
	uint16_t port;
	int server = listen_on(AF_INET, &port), fd = socket(AF_INET6, SOCK_STREAM, 0);

	assert_int_equal(connect_to(fd, AF_INET, port), 0);
	note = place_of(cookie_of(fd));
	note.verdict = VERDICT_DIRECT;
	note.key.proto = IPPROTO_TCP;
	place_put(note.cookie, &note);
	assert_int_equal(connect(fd, (struct sockaddr *)&none, sizeof(none)), 0);
	assert_int_equal(connect_to(fd, AF_INET, port), 0);
	note = place_of(cookie_of(fd));
	assert_int_equal(note.verdict, VERDICT_NONE);
	assert_int_equal(note.key.proto, 0);
	assert_int_equal(note.life, SOCK_AGAIN);
	assert_int_equal(note.pid, getpid());
	close(fd);
	close(server);
}

/* As the capture program has it that saw the flow's first packet. */
static void decide(uint64_t cookie)
{
	struct sock_flow s = { .cookie = cookie, .flow.verdict = VERDICT_DIRECT };
	struct sock_note note = place_of(cookie);
	uint32_t at = cookie & (SOCK_RING - 1);

	note.key = (struct flow_key){ .sport = 1, .dport = 2, .proto = IPPROTO_TCP };
	note.verdict = VERDICT_DIRECT;
	place_put(cookie, &note);
	s.key = note.key;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world.h->skel->maps.sock_flows), &at, &s,
					     BPF_ANY),
			 0);
}

static struct flow flow_at(uint64_t cookie)
{
	uint32_t at = cookie & (SOCK_RING - 1);
	struct sock_flow s;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(world.h->skel->maps.sock_flows), &at, &s),
			 0);
	assert_int_equal(s.cookie, cookie);
	return s.flow;
}

static void closed_connection_ends_its_flow_with_exact_bytes(void **state)
{
	struct pair p = pair_open();
	uint64_t cookie = cookie_of(p.client);
	struct flow f;

	decide(cookie);
	move_bytes(p.client, p.accepted, 10000);
	move_bytes(p.accepted, p.client, 70001);
	assert_int_equal(send(p.client, "tail", 4, 0), 4); /* which may not be acknowledged yet */
	close(p.client);
	f = flow_at(cookie);
	assert_int_equal(f.state, FLOW_CLOSED);
	assert_int_equal(f.bytes_up, 10004);
	assert_int_equal(f.bytes_down, 70001);
	assert_true(f.last_seen_ns);
	assert_int_equal(end_told(), END_FINISHED);
	close(p.accepted);
	close(p.server);
}

/* Its flows are found by the storage of their sockets. */
static void route_capture_has_notes_in_storage(void **state)
{
	struct settings s = tun_settings();
	struct sock_note note;
	struct pair p;

	s.host = s.route = 1;
	harness_settings(world.h, &s);
	p = pair_open();
	assert_true(note_of(p.client, &note));
	assert_int_equal(note.cookie, 0);
	assert_true(place_of(cookie_of(p.client)).cookie != cookie_of(p.client));
	close(p.client);
	close(p.accepted);
	close(p.server);
}

static int begin(void **state)
{
	settings_put_of(true, 0, 0);
	return 0;
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, begin)
	const struct CMUnitTest tests[] = {
		T(closed_connection_makes_place_for_another),
		T(connection_whose_place_is_in_use_has_its_note_elsewhere),
		T(socket_that_is_connected_again_is_decided_again),
		T(closed_connection_ends_its_flow_with_exact_bytes),
		T(route_capture_has_notes_in_storage),
	};

	return cmocka_run_group_tests_name("bpf/owner_place", tests, owner_world_up,
					   owner_world_down);
}
