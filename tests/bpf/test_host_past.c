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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_connection_that_was_captured_does_not_slip_by),
		cmocka_unit_test(connection_that_opened_while_main_was_gone_stays_native),
	};

	if (geteuid())
		return 77;
	return cmocka_run_group_tests_name("bpf/host_past", tests, NULL, NULL);
}
