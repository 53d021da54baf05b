// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What programs of a host could do to slip by the rules with sockets that any of them may have,
 * or with raw ones: each way reaches the other side where nothing of ours is attached, and does
 * not where the rules drop it. And what the kernel itself sends, as it did.
 */
#include "bpf/host_live.h"
#include "bpf/owner.h"
#include "datapath/kernel_internal.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>

#include <linux/if_ether.h>

#define AWAY4 "192.0.2.77" /* nobody has that address, until it is said who has */
#define AWAY6 "2001:db8::77"
#define WORD "slipping"
#define WORD_LEN 8
#define LAST "no more of it"
#define LAST_TO "224.0.0.77"
#define SLIP_PORT 4711
#define STRICT_PRIORITY 7
#define ECHO_EXTENDED4 42 /* RFC 8335 */
#define ECHO_EXTENDED6 160

/* All that arrives on the other side. */
static int watch(void)
{
	return socket_at(world.outside, AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
}

/* Multicast passes whatever the rules say, behind all that was sent before. */
static void say_last(void)
{
	int fd = socket_at(world.host, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_storage at;
	socklen_t len = address(AF_INET, LAST_TO, 9, &at);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "hrup0", 6), 0);
	assert_int_equal(sendto(fd, LAST, strlen(LAST), 0, (struct sockaddr *)&at, len),
			 strlen(LAST));
	close(fd);
}

static bool arrived(int eye)
{
	bool found = false;
	char packet[2048];
	ssize_t n;

	say_last();
	for (;;) {
		assert_true(ready(eye, POLLIN));
		n = recv(eye, packet, sizeof(packet), 0);
		assert_true(n > 0);
		if (memmem(packet, (size_t)n, LAST, strlen(LAST)))
			return found;
		found |= memmem(packet, (size_t)n, WORD, WORD_LEN) != NULL;
	}
}

/* Somebody has the address now, and what waited for it goes on. */
static void neighbour_is(const char *to, const char *mac)
{
	char command[160];

	snprintf(command, sizeof(command), "ip neigh replace %s dev hrup0 lladdr %s nud permanent",
		 to, mac);
	sh(command);
}

static void dissolve(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	assert_int_equal(connect(fd, &none, sizeof(none)), 0);
}

/* --- the ways: false = there is none on this kernel ------------------------------------------- */

/* A datagram waits for its neighbour; meanwhile its socket is bound to another port. */
static bool by_a_socket_that_is_bound_anew(void)
{
	EACH_FAMILY(i)
	{
		const char *to = families[i] == AF_INET ? AWAY4 : AWAY6;
		int fd = dial(world.host, families[i], to, SLIP_PORT, SOCK_DGRAM);
		struct sockaddr_storage own;
		socklen_t len = address(families[i], host(families[i]), 5999, &own);

		say(fd, WORD);
		dissolve(fd);
		assert_int_equal(bind(fd, (struct sockaddr *)&own, len), 0);
		neighbour_is(to, "02:00:00:00:00:77");
		close(fd);
	}
	return true;
}

/* A SYN with data waits; meanwhile its socket is connected to where it may. */
static bool by_a_socket_that_is_connected_anew(void)
{
	int listener = serve(world.outside, AF_INET, PEER4, 0, SOCK_STREAM), one = 1;
	struct sockaddr_storage at;
	struct sock_note note;
	socklen_t len;
	int fd;

	rules_say(VERDICT_DIRECT, 0, 0);
	fd = dial(world.host, AF_INET, PEER4, port_of(listener), SOCK_STREAM);
	assert_int_equal(dialled(fd), 0);
	dissolve(fd);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one)), 0);
	len = address(AF_INET, AWAY4, SLIP_PORT, &at);
	sendto(fd, WORD, WORD_LEN, MSG_FASTOPEN, (struct sockaddr *)&at, len);
	dissolve(fd);
	if (!bpf_map_lookup_elem(bpf_map__fd(world.skel->maps.sock_notes), &fd, &note)) {
		note.life = SOCK_AGAIN; /* as the hook of connect() says */
		put(world.skel->maps.sock_notes, &fd, &note);
	}
	len = address(AF_INET, PEER4, port_of(listener), &at);
	if (connect(fd, (struct sockaddr *)&at, len))
		assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(dialled(fd), 0);
	rules_say(VERDICT_DROP, 0, 0);
	neighbour_is(AWAY4, "02:00:00:00:00:77");
	close(fd);
	close(listener);
	return true;
}

/* A cluster's address is a group's, of which frames go to many. */
static bool to_a_neighbour_with_a_groups_address(void)
{
	int fd;

	neighbour_is(AWAY4, "03:00:5e:00:00:77");
	fd = dial(world.host, AF_INET, AWAY4, SLIP_PORT, SOCK_DGRAM);
	say(fd, WORD);
	close(fd);
	return true;
}

/* NAT of the host's own gives the packet another port than its socket has. */
static bool through_a_masquerade_of_ports(void)
{
	int fd;

	if (sh_status("nft 'add table ip slip; add chain ip slip out { type nat hook postrouting "
		      "priority 100; }; add rule ip slip out oifname hrup0 udp dport 4711 "
		      "masquerade to :40000-40001' 2>/dev/null"))
		return false;
	neighbour_is(AWAY4, "02:00:00:00:00:77");
	fd = dial(world.host, AF_INET, AWAY4, SLIP_PORT, SOCK_DGRAM);
	say(fd, WORD);
	close(fd);
	return true;
}

/* What ping_group_range allows: not an echo request that is forwarded, but one all the same. */
static bool by_extended_echo(void)
{
	EACH_FAMILY(i)
	{
		int four = families[i] == AF_INET;
		const char *to = four ? AWAY4 : AWAY6;
		int fd = socket_at(world.host, families[i], SOCK_DGRAM,
				   four ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		char message[8 + WORD_LEN] = { (char)(four ? ECHO_EXTENDED4 : ECHO_EXTENDED6) };
		struct sockaddr_storage at;
		socklen_t len = address(families[i], to, 0, &at);

		memcpy(message + 8, WORD, WORD_LEN);
		neighbour_is(to, "02:00:00:00:00:77");
		sendto(fd, message, sizeof(message), 0, (struct sockaddr *)&at, len); /* ENOBUFS */
		close(fd);
	}
	return true;
}

/* A packet, IP header and all, by a raw socket that was opened for `protocol`. */
static bool written_by_hand(int protocol, struct craft c)
{
	int fd = socket_at(world.host, AF_INET, SOCK_RAW, protocol), one = 1;
	struct sockaddr_storage at;
	socklen_t len = address(AF_INET, AWAY4, 0, &at);
	uint8_t bytes[CRAFT_MAX];
	size_t size;

	neighbour_is(AWAY4, "02:00:00:00:00:77");
	c.src = HOST4;
	c.dst = AWAY4;
	c.data = (const uint8_t *)WORD;
	c.payload = WORD_LEN;
	size = craft(&c, bytes);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &one, sizeof(one)), 0);
	assert_int_equal(sendto(fd, bytes, size, 0, (struct sockaddr *)&at, len), size);
	close(fd);
	return true;
}

#define SLIP_UDP                                                                                   \
	(struct craft)                                                                             \
	{                                                                                          \
		.proto = IPPROTO_UDP, .sport = 5000, .dport = SLIP_PORT                            \
	}
#define SLIP_TCP(flags)                                                                            \
	(struct craft)                                                                             \
	{                                                                                          \
		.proto = IPPROTO_TCP, .sport = 5000, .dport = SLIP_PORT, .tcp_flags = (flags)      \
	}
#define SLIP_ICMP(type)                                                                            \
	(struct craft)                                                                             \
	{                                                                                          \
		.proto = IPPROTO_ICMP, .icmp_type = (type)                                         \
	}

static bool by_udp_of_a_raw_socket_of_icmp(void)
{
	return written_by_hand(IPPROTO_ICMP, SLIP_UDP);
}

static bool by_udp_of_a_raw_socket(void)
{
	return written_by_hand(IPPROTO_RAW, SLIP_UDP);
}

static bool by_segments_of_a_raw_socket_of_tcp(void)
{
	return written_by_hand(IPPROTO_TCP, SLIP_TCP(CRAFT_ACK));
}

static bool by_segments_of_a_raw_socket(void)
{
	return written_by_hand(IPPROTO_RAW, SLIP_TCP(CRAFT_ACK)) &&
	       written_by_hand(IPPROTO_RAW, SLIP_TCP(CRAFT_SYN | CRAFT_ACK)) &&
	       written_by_hand(IPPROTO_RAW, SLIP_TCP(CRAFT_SYN | CRAFT_FIN)) &&
	       written_by_hand(IPPROTO_RAW, SLIP_TCP(0));
}

static bool by_answers_and_errors_of_icmp(void)
{
	return written_by_hand(IPPROTO_ICMP, SLIP_ICMP(0)) &&
	       written_by_hand(IPPROTO_ICMP, SLIP_ICMP(3)) &&
	       written_by_hand(IPPROTO_ICMP, SLIP_ICMP(13)) &&
	       written_by_hand(IPPROTO_RAW, SLIP_ICMP(11));
}

/* Without strict mode these pass for a tunnel's, which some programs write so. */
static bool by_gre_in_strict_mode(void)
{
	world.settings.strict_priority = STRICT_PRIORITY;
	world_settings();
	return written_by_hand(IPPROTO_GRE, (struct craft){ .proto = IPPROTO_GRE }) &&
	       written_by_hand(IPPROTO_RAW, (struct craft){ .proto = IPPROTO_ESP });
}

static const struct way {
	const char *name;
	bool (*go)(void);
} ways[] = {
	{ "a socket that is bound anew", by_a_socket_that_is_bound_anew },
	{ "a socket that is connected anew", by_a_socket_that_is_connected_anew },
	{ "a group's MAC address", to_a_neighbour_with_a_groups_address },
	{ "a masquerade of ports", through_a_masquerade_of_ports },
	{ "extended echo requests", by_extended_echo },
	{ "UDP by a raw socket of ICMP", by_udp_of_a_raw_socket_of_icmp },
	{ "UDP by a raw socket", by_udp_of_a_raw_socket },
	{ "segments by a raw socket of TCP", by_segments_of_a_raw_socket_of_tcp },
	{ "segments by a raw socket", by_segments_of_a_raw_socket },
	{ "answers and errors of ICMP", by_answers_and_errors_of_icmp },
	{ "GRE and ESP in strict mode", by_gre_in_strict_mode },
};

static void does_not_slip_by(const struct way *way)
{
	int eye;

	world_open(false, false);
	eye = watch();
	if (!way->go()) {
		printf("# left out: %s\n", way->name);
	} else if (!arrived(eye)) {
		fail_msg("%s: does not arrive without us", way->name);
	} else {
		close(eye);
		world_close();
		begin(VERDICT_DROP);
		eye = watch();
		way->go();
		if (arrived(eye))
			fail_msg("%s: slips by", way->name);
		assert_int_equal(stat_of(STAT_PASS_TUNNEL), 0);
	}
	close(eye);
	world_close();
}

static void nothing_slips_by(void **state)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		does_not_slip_by(&ways[i]);
}

/* --- a kernel that does not describe its types ------------------------------------------------ */

static int without_types(void **state)
{
	static char path[TYPES_PATH_MAX];

	world_types = types_path(types_none(), path);
	return 0;
}

static int with_types(void **state)
{
	world_types = NULL;
	return 0;
}

static void sockets_and_nat_do_not_slip_by_without_types(void **state)
{
	for (size_t i = 0; ways[i].go != by_extended_echo; i++)
		does_not_slip_by(&ways[i]);
}

/* From a port that has no socket; it says of itself to whom it belongs only by where it goes. */
static bool to_a_vxlan_device(void)
{
	int fd;

	if (sh_status("ip link add vx0 type vxlan id 42 local " HOST4 " remote " AWAY4 " dstport "
		      "4789 dev hrup0 2>/dev/null"))
		return false;
	sh("ip addr add 10.99.0.1/24 dev vx0 && ip link set vx0 up && "
	   "ip neigh replace 10.99.0.2 lladdr 02:00:00:00:00:99 nud permanent dev vx0");
	neighbour_is(AWAY4, "02:00:00:00:00:77");
	fd = dial(world.host, AF_INET, "10.99.0.2", SLIP_PORT, SOCK_DGRAM);
	say(fd, WORD);
	close(fd);
	return true;
}

static void tunnel_passes_though_all_is_dropped(void **state)
{
	int eye;

	begin(VERDICT_DROP);
	eye = watch();
	if (!to_a_vxlan_device()) {
		printf("# left out: no VXLAN\n");
	} else {
		assert_true(arrived(eye));
		assert_true(stat_of(STAT_PASS_TUNNEL) >= 1);
	}
	close(eye);
	world_close();
}

/* --- what the kernel sends -------------------------------------------------------------------- */

static void pings_from_outside_are_answered_though_all_is_dropped(void **state)
{
	begin(VERDICT_DROP);
	enter(world.outside);
	sh("ping -n -c 1 -W 5 " HOST4 " >/dev/null && ping -6 -n -c 1 -W 5 " HOST6 " >/dev/null");
	enter(world.host);
	assert_true(stat_of(STAT_PASS_KERNEL) >= 2);
	assert_int_equal(drops_of(DROP_RULE), 0);
	world_close();
}

/* Whom the flow seems to be with has not sent what the error is about. */
static void error_about_an_answer_of_ours_is_the_workers(void **state)
{
	EACH_FAMILY(i)
	{
		uint8_t packet[CRAFT_MAX];
		struct craft c;
		int fd;

		begin(VERDICT_FORWARD);
		fd = dial(world.host, families[i], peer(families[i]), 9, SOCK_DGRAM);
		say(fd, "up");
		assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
		c = answer_to(families[i], packet);
		close(fd);
		packet_to(world.tun, &c); /* to a port that nobody has any more */
		assert_true(ready(world.tun, POLLIN));
		assert_true(read(world.tun, packet, sizeof(packet)) > 0);
		assert_int_equal(families[i] == AF_INET ? packet[9] : packet[6],
				 families[i] == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		assert_int_equal(l4_of(packet)[0], families[i] == AF_INET ? 3 : 1);
		world_close();
	}
}

/* TIME_WAIT says it once more, to whom has never heard of the connection. */
static void last_ack_of_a_captured_connection_does_not_slip_by(void **state)
{
	uint8_t packet[CRAFT_MAX];
	struct flow_key key;
	struct craft c;
	__u64 now = 1ULL << 62; /* later than PAST_NS before any time that a clock shows */
	int fd;

	begin(VERDICT_FORWARD);
	fd = dial(world.host, AF_INET, PEER4, SLIP_PORT, SOCK_STREAM);
	c = take_handshake(fd, AF_INET, SLIP_PORT);
	close(fd);
	assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
	c.tcp_flags = CRAFT_FIN | CRAFT_ACK;
	c.seq = 501;
	c.ack++;
	packet_to(world.tun, &c);
	assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
	assert_int_equal(l4_of(packet)[13], CRAFT_ACK);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(world.skel->maps.flows), NULL, &key), 0);
	put(world.skel->maps.past_flows, &key, &now);
	empty(world.skel->maps.flows);
	packet_to(world.tun, &c);
	assert_int_equal(stat_of(STAT_PASS_KERNEL), 0);
	assert_int_equal(drops_of(DROP_STRAY), 1);
	empty(world.skel->maps.past_flows);
	world_close();
}

/*
 * The other side calls back to where it was called from, which TCP takes for an answer (RFC 9293,
 * 3.5): a connection that a rule drops must not open so.
 */
static void connection_does_not_open_from_both_sides(void **state)
{
	struct sock_note note = { .pid = 1 };
	struct sockaddr_storage own, at;
	int fd, far, one = 1, err;
	socklen_t len;

	begin(VERDICT_DROP);
	fd = socket_at(world.host, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	put(world.skel->maps.sock_notes, &fd, &note); /* as the hook of connect() makes it */
	len = address(AF_INET, HOST4, 5001, &own);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, len), 0);
	address(AF_INET, PEER4, 5002, &at);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, len), -1);
	assert_int_equal(errno, EINPROGRESS);
	far = socket_at(world.outside, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(far, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(far, (struct sockaddr *)&at, len), 0);
	assert_int_equal(connect(far, (struct sockaddr *)&own, len), -1);
	assert_int_equal(errno, EINPROGRESS);
	err = dialled(far);
	assert_int_not_equal(err, 0);
	assert_true(drops_of(DROP_STRAY) >= 1);
	assert_int_equal(stat_of(STAT_PASS_OLDER), 0);
	close(far);
	close(fd);
	world_close();
}

#define WITHOUT_TYPES(test) cmocka_unit_test_setup_teardown(test, without_types, with_types)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_slips_by),
		cmocka_unit_test(tunnel_passes_though_all_is_dropped),
		WITHOUT_TYPES(sockets_and_nat_do_not_slip_by_without_types),
		WITHOUT_TYPES(tunnel_passes_though_all_is_dropped),
		cmocka_unit_test(pings_from_outside_are_answered_though_all_is_dropped),
		cmocka_unit_test(error_about_an_answer_of_ours_is_the_workers),
		cmocka_unit_test(last_ack_of_a_captured_connection_does_not_slip_by),
		cmocka_unit_test(connection_does_not_open_from_both_sides),
	};

	if (geteuid())
		return 77;
	return cmocka_run_group_tests_name("bpf/slip", tests, NULL, NULL);
}
