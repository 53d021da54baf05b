// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The capture programs on an uplink, with real sockets, by tcx and by clsact. */
#include "bpf/host_live.h"

#include "datapath/mountinfo.h"

static struct flow the_flow(struct bpf_map *map)
{
	struct flow_key key;
	struct flow f;

	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(map), NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), &key, &f), 0);
	return f;
}

/* The handshake of a connection that the TUN's reader takes; then a byte each way. */
static void take_connection(int family)
{
	int fd = dial(world.host, family, peer(family), 4711, SOCK_STREAM);
	uint8_t packet[CRAFT_MAX];
	struct craft c = take_handshake(fd, family, 4711);

	say(fd, "up");
	assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
	c.tcp_flags = CRAFT_ACK;
	c.seq = 501;
	c.ack += 2;
	c.data = (const uint8_t *)"down";
	c.payload = 4;
	packet_to(world.tun, &c);
	expect(fd, "down");
	close(fd);
	c.tcp_flags = CRAFT_RST; /* and it is forgotten */
	c.seq += 4;
	c.payload = 0;
	packet_to(world.tun, &c);
	while (read(world.tun, packet, sizeof(packet)) > 0)
		;
}

static void connections_go_through_the_tun(void **state)
{
	EACH_FAMILY(i)
	{
		struct flow f;

		begin(VERDICT_FORWARD);
		take_connection(families[i]);
		f = the_flow(world.skel->maps.flows);
		assert_int_equal(f.capture, CAPTURE_EGRESS);
		assert_int_equal(f.ifindex, if_nametoindex("hrup0"));
		assert_int_equal(f.uid, getuid());
		assert_int_equal(f.bytes_up, 2);
		assert_int_equal(f.bytes_down, 4);
		world_close();
	}
}

static void datagrams_go_through_the_tun(void **state)
{
	begin(VERDICT_FORWARD);
	EACH_FAMILY(i)
	{
		int fd = dial(world.host, families[i], peer(families[i]), 9, SOCK_DGRAM);
		uint8_t packet[CRAFT_MAX];
		struct craft c;

		say(fd, "up");
		assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
		c = answer_to(families[i], packet);
		c.data = (const uint8_t *)"down";
		c.payload = 4;
		packet_to(world.tun, &c);
		expect(fd, "down");
		close(fd);
	}
	assert_int_equal(stat_of(STAT_CAPTURED), 2);
	world_close();
}

/* An error of the TUN's reader reaches the socket whose datagram it quotes. */
static void errors_of_the_reader_reach_the_socket(void **state)
{
	begin(VERDICT_FORWARD);
	EACH_FAMILY(i)
	{
		int fd = dial(world.host, families[i], peer(families[i]), 9, SOCK_DGRAM);
		bool v4 = families[i] == AF_INET;
		uint8_t packet[CRAFT_MAX];
		struct craft c;

		say(fd, "up");
		c = (struct craft){ .version = v4 ? 4 : 6,
				    .proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
				    .src = peer(families[i]),
				    .dst = host(families[i]),
				    .icmp_type = v4 ? 3 : 1,
				    .icmp_code = v4 ? 3 : 4,
				    .data = packet };
		c.payload = packet_from(world.tun, packet, sizeof(packet));
		assert_true(c.payload > 0);
		packet_to(world.tun, &c);
		assert_int_equal(dialled(fd), ECONNREFUSED);
		close(fd);
	}
	world_close();
}

static void pings_go_through_the_tun(void **state)
{
	begin(VERDICT_FORWARD);
	EACH_FAMILY(i)
	{
		bool v4 = families[i] == AF_INET;
		uint8_t packet[CRAFT_MAX], echo[9] = { v4 ? 8 : 128, 0, 0, 0, 0, 0, 0, 1, 'x' };
		struct craft c = { .version = v4 ? 4 : 6,
				   .proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
				   .src = peer(families[i]),
				   .dst = host(families[i]),
				   .icmp_type = v4 ? 0 : 129,
				   .data = (const uint8_t *)"x",
				   .payload = 1 };
		int fd = socket_at(world.host, families[i], SOCK_DGRAM, c.proto);
		struct sockaddr_storage at;
		socklen_t len = address(families[i], peer(families[i]), 0, &at);

		assert_int_equal(sendto(fd, echo, 9, 0, (struct sockaddr *)&at, len), 9);
		assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
		c.icmp_rest = be32_of(l4_of(packet) + 4);
		packet_to(world.tun, &c);
		assert_true(ready(fd, POLLIN));
		assert_int_equal(recv(fd, packet, sizeof(packet), 0), 9);
		close(fd);
	}
	world_close();
}

static void refusals_come_at_once(void **state)
{
	begin(VERDICT_REJECT);
	EACH_FAMILY(i)
	{
		int fd = dial(world.host, families[i], peer(families[i]), 4711, SOCK_STREAM);

		assert_int_equal(dialled(fd), ECONNREFUSED);
		close(fd);
		fd = dial(world.host, families[i], peer(families[i]), 4711, SOCK_DGRAM);
		say(fd, "up");
		assert_true(ready(fd, POLLIN));
		assert_int_equal(recv(fd, &fd, 1, 0), -1);
		assert_int_equal(errno, ECONNREFUSED);
		close(fd);
	}
	assert_int_equal(drops_of(DROP_RULE_REJECT), 4);
	world_close();
}

/* A connection with the other side, made by the host. */
struct pair {
	int listener;
	int near;
	int far;
};

static struct pair pair_open(int family)
{
	struct pair p = { .listener = serve(world.outside, family, peer(family), 0, SOCK_STREAM) };

	p.near = dial(world.host, family, peer(family), port_of(p.listener), SOCK_STREAM);
	assert_int_equal(dialled(p.near), 0);
	p.far = accept(p.listener, NULL, NULL);
	assert_true(p.far >= 0);
	return p;
}

/* The same, made by the other side. */
static struct pair pair_called(int family)
{
	struct pair p = { .listener = serve(world.host, family, host(family), 0, SOCK_STREAM) };

	p.far = dial(world.outside, family, host(family), port_of(p.listener), SOCK_STREAM);
	assert_int_equal(dialled(p.far), 0);
	p.near = accept(p.listener, NULL, NULL);
	assert_true(p.near >= 0);
	return p;
}

static void pair_talk(struct pair *p)
{
	say(p->near, "there");
	expect(p->far, "there");
	say(p->far, "back");
	expect(p->near, "back");
}

static void pair_close(struct pair *p)
{
	close(p->near);
	assert_true(ready(p->far, POLLIN));
	close(p->far);
	close(p->listener);
}

/* What of a connection is in the table lags by up to a second, and needs a packet then. */
static uint64_t talk_until_counted(struct pair *p)
{
	uint64_t said = 0;

	while (the_flow(world.skel->maps.direct_flows).bytes_up < 5) {
		pair_talk(p);
		said += 5;
		assert_false(ready_within(p->near, POLLIN, 100));
		assert_true(said < 500);
	}
	return said;
}

static void direct_connections_are_native_and_counted(void **state)
{
	EACH_FAMILY(i)
	{
		uint64_t said;
		struct pair p;
		struct flow f;

		begin(VERDICT_DIRECT);
		p = pair_open(families[i]);
		said = talk_until_counted(&p);
		f = the_flow(world.skel->maps.direct_flows);
		assert_int_equal(f.verdict, VERDICT_DIRECT);
		assert_int_equal(f.state, FLOW_OPEN);
		assert_int_equal(f.flags, 0);
		assert_true(f.bytes_up >= 5 && f.bytes_up <= said + 1); /* the SYN counts to TCP */
		assert_true(f.bytes_down >= 4 && f.bytes_down <= said + 1);
		assert_true(f.packets_up >= 3);
		pair_close(&p);
		assert_int_equal(stat_of(STAT_CAPTURED), 0);
		assert_int_equal(stat_of(STAT_DIRECT_FLOWS), 1);
		world_close();
	}
}

static void direct_datagrams_are_native(void **state)
{
	begin(VERDICT_DIRECT);
	EACH_FAMILY(i)
	{
		int far = serve(world.outside, families[i], peer(families[i]), 5000, SOCK_DGRAM);
		int near = dial(world.host, families[i], peer(families[i]), 5000, SOCK_DGRAM);
		int n;

		for (n = 0; n < 20; n++) {
			say(near, "one");
			expect(far, "one");
		}
		close(near);
		close(far);
	}
	assert_int_equal(stat_of(STAT_DIRECT_FLOWS), 2); /* all but the first by the note */
	world_close();
}

/* What a socket sends elsewhere is decided for itself, whatever was noted with it. */
static void unconnected_socket_is_decided_by_destination(void **state)
{
	int far, near, n;

	begin(VERDICT_DIRECT);
	far = serve(world.outside, AF_INET, PEER4, 5000, SOCK_DGRAM);
	near = socket_at(world.host, AF_INET, SOCK_DGRAM, 0);
	for (n = 0; n < 3; n++) {
		struct sockaddr_storage at;
		socklen_t len = address(AF_INET, PEER4, 5000, &at);

		assert_int_equal(sendto(near, "a", 1, 0, (struct sockaddr *)&at, len), 1);
		expect(far, "a");
		rules_say(VERDICT_DROP, 1, 0);
		len = address(AF_INET, PEER4, 5001 + n, &at);
		sendto(near, "b", 1, 0, (struct sockaddr *)&at, len); /* ENOBUFS, or nothing */
	}
	assert_int_equal(drops_of(DROP_RULE), 3);
	close(near);
	close(far);
	world_close();
}

/* A socket that was direct once and connects anew is not passed by what was noted then. */
static void socket_that_connects_anew_is_decided_anew(void **state)
{
	struct sockaddr_storage at;
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct pair p;

	begin(VERDICT_DIRECT);
	p = pair_open(AF_INET);
	pair_talk(&p);
	assert_int_equal(connect(p.near, &none, sizeof(none)), 0);
	rules_say(VERDICT_FORWARD, 1, 0);
	address(AF_INET, PEER4, 4712, &at);
	assert_int_equal(connect(p.near, (struct sockaddr *)&at, sizeof(struct sockaddr_in)), -1);
	take_handshake(p.near, AF_INET, 4712);
	close(p.near);
	close(p.far);
	close(p.listener);
	world_close();
}

/* Begun before the programs were there, or by the other side: left alone to its last ACK. */
static void older_and_inbound_connections_live_though_all_is_dropped(void **state)
{
	EACH_FAMILY(i)
	{
		struct pair older, called, reset;

		world_open(false, false);
		older = pair_open(families[i]);
		pair_talk(&older);
		world_attach();
		rules_say(VERDICT_DROP, 0, 0);
		pair_talk(&older);
		called = pair_called(families[i]);
		pair_talk(&called);
		rules_say(VERDICT_DROP, 1, 1);
		pair_talk(&older);
		pair_talk(&called);
		pair_close(&older);
		pair_close(&called);
		reset = pair_called(families[i]);
		close(reset.near); /* what comes now is answered by RST, of no process's socket */
		say(reset.far, "late");
		assert_true(ready(reset.far, POLLHUP));
		close(reset.far);
		close(reset.listener);
		assert_int_equal(drops_of(DROP_RULE), 0);
		assert_true(stat_of(STAT_PASS_KERNEL) > 0);
		assert_true(stat_of(STAT_PASS_OLDER) >= 2);
		world_close();
	}
}

static void refused_port_of_the_host_is_refused_to_the_outside(void **state)
{
	begin(VERDICT_DROP);
	EACH_FAMILY(i)
	{
		int fd = dial(world.outside, families[i], host(families[i]), 4711, SOCK_STREAM);

		assert_int_equal(dialled(fd), ECONNREFUSED);
		close(fd);
		fd = dial(world.outside, families[i], host(families[i]), 4711, SOCK_DGRAM);
		say(fd, "x");
		assert_true(ready(fd, POLLERR));
		assert_int_equal(dialled(fd), ECONNREFUSED);
		close(fd);
	}
	world_close();
}

static void udp_server_answers_though_all_is_dropped(void **state)
{
	begin(VERDICT_DROP);
	EACH_FAMILY(i)
	{
		int server = serve(world.host, families[i], host(families[i]), 5000, SOCK_DGRAM);
		int client = dial(world.outside, families[i], host(families[i]), 5000, SOCK_DGRAM);
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		char byte;
		int n;

		for (n = 0; n < 3; n++) {
			say(client, "?");
			assert_true(ready(server, POLLIN));
			assert_int_equal(
				recvfrom(server, &byte, 1, 0, (struct sockaddr *)&from, &len), 1);
			assert_int_equal(sendto(server, "!", 1, 0, (struct sockaddr *)&from, len),
					 1);
			expect(client, "!");
		}
		close(server);
		close(client);
	}
	assert_true(stat_of(STAT_PASS_INBOUND) >= 2);
	assert_int_equal(drops_of(DROP_RULE), 0);
	world_close();
}

static void direct_connection_is_reset_by_new_rules(void **state)
{
	struct pair p;
	char byte;

	begin(VERDICT_DIRECT);
	p = pair_open(AF_INET);
	pair_talk(&p);
	rules_say(VERDICT_FORWARD, 1, 0);
	pair_talk(&p); /* kept */
	rules_say(VERDICT_FORWARD, 2, 2);
	say(p.near, "x");
	assert_true(ready(p.near, POLLERR));
	assert_int_equal(recv(p.near, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(drops_of(DROP_RESET), 1);
	close(p.near);
	close(p.far);
	close(p.listener);
	world_close();
}

/* Its port is gone with it, which otherwise tells a tunnel's packet from one of its own. */
static void what_a_closed_socket_has_left_behind_is_decided(void **state)
{
	int fd;

	begin(VERDICT_DROP);
	fd = dial(world.host, AF_INET, "192.0.2.77", 4711, SOCK_DGRAM);
	say(fd, "x"); /* nobody has that address: it waits */
	assert_int_equal(drops_of(DROP_RULE), 0);
	close(fd);
	sh("ip neigh replace 192.0.2.77 dev hrup0 lladdr 02:00:00:00:00:77");
	assert_int_equal(drops_of(DROP_RULE), 1);
	assert_int_equal(stat_of(STAT_PASS_TUNNEL), 0);
	world_close();
}

/* The TUN is there, and nobody beats. */
static void gone_main_is_passed_by_or_stands_in_the_way(void **state)
{
	EACH_FAMILY(i)
	{
		struct pair p;
		int fd;

		begin(VERDICT_FORWARD);
		world.settings.heartbeat_ns = 0;
		world_settings();
		p = pair_open(families[i]);
		pair_talk(&p);
		pair_close(&p);
		assert_true(stat_of(STAT_PASS_STALE) >= 1);
		world.settings.closed = 1;
		world_settings();
		fd = dial(world.host, families[i], peer(families[i]), 4711, SOCK_STREAM);
		assert_int_equal(dialled(fd), ECONNREFUSED);
		close(fd);
		fd = dial(world.host, families[i], peer(families[i]), 4711, SOCK_DGRAM);
		say(fd, "x");
		assert_true(ready(fd, POLLERR));
		close(fd);
		assert_int_equal(drops_of(DROP_STALE), 2);
		world_close();
	}
}

/* With mark and cgroup, to the last ACK, which TIME_WAIT sends without a cgroup. */
static void own_connection_passes_to_its_last_ack(void **state)
{
	uint32_t zero = 0, mark = HEADRACE_MARK;
	struct sockaddr_storage at;
	char byte, path[128];
	struct pair p;
	socklen_t len;
	int root;

	if (mountinfo_find("/proc/self/mountinfo", "cgroup2", path, sizeof(path)))
		skip();
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root >= 0);
	begin(VERDICT_DROP);
	put(world.skel->maps.own_cgroups, &zero, &root);
	world.settings.own_cgroup = 1; /* any: the map tells */
	world_settings();
	p.listener = serve(world.outside, AF_INET, PEER4, 0, SOCK_STREAM);
	p.near = socket_at(world.host, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(setsockopt(p.near, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	len = address(AF_INET, PEER4, port_of(p.listener), &at);
	assert_int_equal(connect(p.near, (struct sockaddr *)&at, len), 0);
	p.far = accept(p.listener, NULL, NULL);
	pair_talk(&p);
	close(p.near);
	assert_true(ready(p.far, POLLIN));
	assert_int_equal(recv(p.far, &byte, 1, 0), 0);
	shutdown(p.far, SHUT_WR);
	assert_true(ready(p.far, POLLHUP)); /* the FIN was acknowledged */
	close(p.far);
	close(p.listener);
	close(root);
	assert_int_equal(drops_of(DROP_RULE), 0);
	assert_true(stat_of(STAT_PASS_OWN) >= 5);
	world_close();
}

/* The outer packets of a tunnel pass, and have the sockets of the inner ones. */
static void tunnel_over_the_uplink_lives_though_all_is_dropped(void **state)
{
	int server, client;

	world_open(false, false);
	if (sh_status("ip link add hrvx type vxlan id 5 dstport 4789 local " HOST4 " remote " PEER4
		      " dev hrup0 2>/dev/null")) {
		world_close();
		skip();
	}
	sh("ip addr add 203.0.113.1/24 dev hrvx && ip link set hrvx up");
	enter(world.outside);
	sh("ip link add hrvx type vxlan id 5 dstport 4789 local " PEER4 " remote " HOST4
	   " dev hrpeer0 && ip addr add 203.0.113.2/24 dev hrvx && ip link set hrvx up");
	enter(world.host);
	world_attach();
	rules_say(VERDICT_DROP, 0, 0);
	server = serve(world.outside, AF_INET, "203.0.113.2", 5000, SOCK_STREAM);
	client = dial(world.host, AF_INET, "203.0.113.2", 5000, SOCK_STREAM);
	assert_int_equal(dialled(client), 0);
	close(client);
	close(server);
	server = serve(world.outside, AF_INET, "203.0.113.2", 5000, SOCK_DGRAM);
	client = dial(world.host, AF_INET, "203.0.113.2", 5000, SOCK_DGRAM);
	say(client, "in");
	expect(server, "in");
	close(client);
	close(server);
	assert_true(stat_of(STAT_PASS_TUNNEL) >= 4);
	world_close();
}

static void clsact_carries_the_same_programs(void **state)
{
	struct pair p;

	world_open(true, false);
	world_attach();
	p = pair_open(AF_INET);
	pair_talk(&p);
	pair_close(&p);
	rules_say(VERDICT_FORWARD, 1, 0);
	take_connection(AF_INET6);
	rules_say(VERDICT_REJECT, 2, 0);
	assert_int_equal(dialled(dial(world.host, AF_INET, PEER4, 1, SOCK_STREAM)), ECONNREFUSED);
	world_close();
}

static void uplink_without_link_header(void **state)
{
	uint8_t packet[CRAFT_MAX];
	struct craft c;
	int fd;

	world_open(false, true);
	world_attach();
	fd = dial(world.host, AF_INET, PEER4, 9, SOCK_DGRAM);
	say(fd, "out");
	assert_int_equal(packet_from(world.up, packet, sizeof(packet)), 31);
	c = answer_to(AF_INET, packet);
	c.data = (const uint8_t *)"in";
	c.payload = 2;
	packet_to(world.up, &c);
	expect(fd, "in");
	assert_int_equal(the_flow(world.skel->maps.direct_flows).bytes_down, 2);
	close(fd);
	EACH_FAMILY(i)
	{
		rules_say(VERDICT_FORWARD, 2, 0);
		take_connection(families[i]);
		rules_say(VERDICT_REJECT, 3, 0);
		fd = dial(world.host, families[i], peer(families[i]), 2, SOCK_STREAM);
		assert_int_equal(dialled(fd), ECONNREFUSED);
		close(fd);
		fd = dial(world.host, families[i], peer(families[i]), 2, SOCK_DGRAM);
		say(fd, "x");
		assert_true(ready(fd, POLLERR));
		close(fd);
	}
	world_close();
}

/* The worker has ended the flow, and still has something to say: by the route. */
static void late_answer_finds_the_host_by_the_route(void **state)
{
	EACH_FAMILY(i)
	{
		struct flow_key key;
		uint8_t packet[CRAFT_MAX];
		struct craft c;
		int fd;

		begin(VERDICT_FORWARD);
		fd = dial(world.host, families[i], peer(families[i]), 9, SOCK_DGRAM);
		say(fd, "up");
		assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
		assert_int_equal(
			bpf_map_get_next_key(bpf_map__fd(world.skel->maps.flows), NULL, &key), 0);
		bpf_map_delete_elem(bpf_map__fd(world.skel->maps.flows), &key);
		c = answer_to(families[i], packet);
		c.data = (const uint8_t *)"late";
		c.payload = 4;
		packet_to(world.tun, &c);
		expect(fd, "late");
		close(fd);
		world_close();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_go_through_the_tun),
		cmocka_unit_test(datagrams_go_through_the_tun),
		cmocka_unit_test(errors_of_the_reader_reach_the_socket),
		cmocka_unit_test(pings_go_through_the_tun),
		cmocka_unit_test(refusals_come_at_once),
		cmocka_unit_test(direct_connections_are_native_and_counted),
		cmocka_unit_test(direct_datagrams_are_native),
		cmocka_unit_test(unconnected_socket_is_decided_by_destination),
		cmocka_unit_test(socket_that_connects_anew_is_decided_anew),
		cmocka_unit_test(older_and_inbound_connections_live_though_all_is_dropped),
		cmocka_unit_test(refused_port_of_the_host_is_refused_to_the_outside),
		cmocka_unit_test(udp_server_answers_though_all_is_dropped),
		cmocka_unit_test(direct_connection_is_reset_by_new_rules),
		cmocka_unit_test(what_a_closed_socket_has_left_behind_is_decided),
		cmocka_unit_test(gone_main_is_passed_by_or_stands_in_the_way),
		cmocka_unit_test(own_connection_passes_to_its_last_ack),
		cmocka_unit_test(tunnel_over_the_uplink_lives_though_all_is_dropped),
		cmocka_unit_test(clsact_carries_the_same_programs),
		cmocka_unit_test(uplink_without_link_header),
		cmocka_unit_test(late_answer_finds_the_host_by_the_route),
	};

	if (geteuid())
		return 77;
	return cmocka_run_group_tests_name("bpf/host_live", tests, NULL, NULL);
}
