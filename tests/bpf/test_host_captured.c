// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What follows the first packet of a flow that is captured at an uplink, with real sockets. */
#include "bpf/host_live.h"

#include <net/ethernet.h>
#include <netinet/udp.h>

#include <linux/if_packet.h>

#ifndef SO_RCVMARK
#define SO_RCVMARK 75 /* linux/asm-generic/socket.h of 5.19 */
#endif

static struct flow the_flow(void)
{
	struct bpf_map *map = world.skel->maps.flows;
	struct flow_key key;
	struct flow f;

	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(map), NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &key, &f), 0);
	return f;
}

/* Reads a packet from the TUN: its length. */
static size_t captured(void)
{
	uint8_t packet[CRAFT_MAX];
	size_t n = packet_from(world.tun, packet, sizeof(packet));

	assert_true(n > 0);
	return n;
}

static void datagrams_are_counted_once(void **state)
{
	EACH_FAMILY(i)
	{
		size_t bytes;
		struct flow f;
		int fd;

		begin(VERDICT_FORWARD);
		/* whose own packets are counted, too */
		sh("sysctl -qw net.ipv6.conf.hrtun0.disable_ipv6=1");
		zero(world.skel->maps.stats);
		fd = dial(world.host, families[i], peer(families[i]), 9, SOCK_DGRAM);
		say(fd, "a");
		bytes = captured();
		say(fd, "two");
		bytes += captured();
		assert_int_equal(send(fd, "", 0, 0), 0);
		bytes += captured();
		f = the_flow();
		assert_int_equal(f.packets_up, 3);
		assert_int_equal(f.bytes_up, 4);
		assert_int_equal(stat_of(STAT_CAPTURED), 3);
		assert_int_equal(stat_of(STAT_UP_PACKETS), 3);
		assert_int_equal(stat_of(STAT_UP_BYTES), bytes);
		close(fd);
		world_close();
	}
}

static void datagrams_sent_as_one_are_counted_one_by_one(void **state)
{
	int fd, size = 10;

	begin(VERDICT_FORWARD);
	fd = dial(world.host, AF_INET, PEER4, 9, SOCK_DGRAM);
	say(fd, "a");
	captured();
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	say(fd, "0123456789012345678901234");
	for (int i = 0; i < 3; i++)
		captured();
	assert_int_equal(the_flow().packets_up, 4);
	assert_int_equal(the_flow().bytes_up, 26);
	close(fd);
	world_close();
}

static void segments_are_counted_and_followed_to_the_end(void **state)
{
	EACH_FAMILY(i)
	{
		struct flow f;
		int fd;

		begin(VERDICT_FORWARD);
		fd = dial(world.host, families[i], peer(families[i]), 4711, SOCK_STREAM);
		take_handshake(fd, families[i], 4711); /* SYN and ACK */
		say(fd, "hello");
		captured();
		f = the_flow();
		assert_int_equal(f.packets_up, 3);
		assert_int_equal(f.bytes_up, 5);
		assert_int_equal(f.state, FLOW_OPEN);
		shutdown(fd, SHUT_WR);
		captured();
		f = the_flow();
		assert_int_equal(f.fin_up, 1);
		assert_int_equal(f.state, FLOW_CLOSING);
		close(fd);
		world_close();
	}
}

/* Sees what is given to the TUN with its mark. */
static int listen_to_marks(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex("hrtun0") };
	int fd = socket_at(world.host, AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL)), one = 1;

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVMARK, &one, sizeof(one)) < 0)
		skip();
	return fd;
}

static uint32_t next_mark(int fd)
{
	uint8_t packet[CRAFT_MAX];
	union {
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr aligned;
	} control;
	struct iovec iov = { packet, sizeof(packet) };
	uint32_t mark = 0;

	for (;;) {
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control.bytes,
				      .msg_controllen = sizeof(control.bytes) };

		assert_true(ready(fd, POLLIN));
		assert_true(recvmsg(fd, &msg, 0) > 0);
		if (packet[0] >> 4 != 4)
			continue; /* the kernel's own */
		assert_non_null(CMSG_FIRSTHDR(&msg));
		memcpy(&mark, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(mark));
		return mark;
	}
}

static void all_go_to_the_queue_of_the_first(void **state)
{
	begin(VERDICT_FORWARD);
	for (uint32_t resolver = 0; resolver < 2; resolver++) {
		int marks, fd;
		uint32_t mark;

		world.settings.workers = 3;
		world.settings.steer_seed = 4711;
		world.settings.resolver_queue = (uint8_t)resolver;
		world_settings();
		marks = listen_to_marks();
		for (int n = 0; n < 16; n++) {
			fd = dial(world.host, AF_INET, PEER4, 9, SOCK_DGRAM);
			say(fd, "a");
			mark = next_mark(marks);
			assert_int_equal(mark & QUEUE_MARK_MASK, QUEUE_MARK);
			say(fd, "b");
			assert_int_equal(next_mark(marks), mark);
			close(fd);
		}
		close(marks);
	}
	world_close();
}

static void new_rules_hold_for_the_next_packet(void **state)
{
	int fd;

	begin(VERDICT_FORWARD);
	fd = dial(world.host, AF_INET, PEER4, 9, SOCK_DGRAM);
	say(fd, "a");
	captured();
	rules_say(VERDICT_DROP, 1, 0);
	say(fd, "b"); /* the flow is kept */
	captured();
	rules_say(VERDICT_DROP, 2, 2);
	send(fd, "c", 1, 0); /* ENOBUFS, or nothing */
	assert_int_equal(drops_of(DROP_RULE), 1);
	assert_int_equal(stat_of(STAT_CAPTURED), 2);
	close(fd);
	world_close();
}

/* The rest of a flow to port 53 is the resolver's, once DNS is intercepted. */
static void dns_is_whose_settings_say(void **state)
{
	int fd;

	begin(VERDICT_FORWARD);
	world.settings.dns_intercept = 0;
	world_settings();
	fd = dial(world.host, AF_INET, PEER4, 53, SOCK_DGRAM);
	say(fd, "a query, of some kind");
	captured();
	assert_int_equal(stat_of(STAT_DNS), 0);
	world.settings.dns_intercept = 1;
	world_settings();
	say(fd, "a query, of some kind");
	captured();
	assert_int_equal(stat_of(STAT_DNS), 1);
	close(fd);
	world_close();
}

static void gone_main_is_noticed_at_once(void **state)
{
	int far, fd;

	begin(VERDICT_FORWARD);
	far = serve(world.outside, AF_INET, PEER4, 9, SOCK_DGRAM);
	fd = dial(world.host, AF_INET, PEER4, 9, SOCK_DGRAM);
	say(fd, "a");
	captured();
	world.settings.heartbeat_ns = 0;
	world_settings();
	say(fd, "open");
	expect(far, "open");
	assert_int_equal(stat_of(STAT_PASS_STALE), 1);
	world.settings.closed = 1;
	world_settings();
	say(fd, "closed");
	assert_true(ready(fd, POLLERR));
	assert_int_equal(drops_of(DROP_STALE), 1);
	close(fd);
	close(far);
	world_close();
}

/* A packet that a process writes by hand is decided as such, whatever flow it claims. */
static void flow_claimed_by_hand_is_no_more_than_that(void **state)
{
	struct craft c = { .version = 4,
			   .proto = IPPROTO_TCP,
			   .src = HOST4,
			   .dst = PEER4,
			   .dport = 4711,
			   .tcp_flags = CRAFT_ACK,
			   .window = 100 };
	struct sockaddr_storage at;
	socklen_t len = address(AF_INET, PEER4, 0, &at);
	uint8_t bytes[CRAFT_MAX];
	int fd, raw;
	size_t n;

	begin(VERDICT_FORWARD);
	fd = dial(world.host, AF_INET, PEER4, 4711, SOCK_STREAM);
	take_handshake(fd, AF_INET, 4711);
	raw = socket_at(world.host, AF_INET, SOCK_RAW, IPPROTO_RAW);
	c.sport = port_of(fd);
	n = craft(&c, bytes);
	assert_int_equal(sendto(raw, bytes, n, 0, (struct sockaddr *)&at, len), n);
	captured();
	assert_int_equal(the_flow().packets_up, 3);
	close(raw);
	close(fd);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_are_counted_once),
		cmocka_unit_test(datagrams_sent_as_one_are_counted_one_by_one),
		cmocka_unit_test(segments_are_counted_and_followed_to_the_end),
		cmocka_unit_test(all_go_to_the_queue_of_the_first),
		cmocka_unit_test(new_rules_hold_for_the_next_packet),
		cmocka_unit_test(dns_is_whose_settings_say),
		cmocka_unit_test(gone_main_is_noticed_at_once),
		cmocka_unit_test(flow_claimed_by_hand_is_no_more_than_that),
	};

	if (geteuid())
		return 77;
	return cmocka_run_group_tests_name("bpf/host_captured", tests, NULL, NULL);
}
