// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * room.c, by a whole worker: each budget at its limit; a source that is at its share while
 * another is served; what makes way, in which order, and what is counted.
 *
 *   10.0.0.2 "greedy", 10.0.0.3 "modest" -> worker -> 127.0.0.1 (as 192.0.2.1), 192.0.2.7
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/segment.h"
#include "unit/worker/fake_worker.c"
#include "worker/tcp_internal.h"
#include "worker/udp.h"

#define BACKLOG_FULL 2 /* connects that fill the queue of listen(fd, 0), and one for luck */
#define OTHER "192.0.2.7" /* a second destination, of lo too */

static struct fake_worker f;
static struct addr greedy, modest;
static uint8_t buffer[FAKE_PACKET_MAX];
static int listener, silent, filler[BACKLOG_FULL], server;
static uint16_t port, silent_port, udp_port;
static uint64_t turned_ns, stopped_ns;

static uint64_t turned_clock(void)
{
	struct timespec now;

	if (stopped_ns)
		return stopped_ns + turned_ns;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec + turned_ns;
}

/* From now on time is what turned_ns says, however long a test takes. */
static void stop_clock(void)
{
	stopped_ns = clock_ns() - turned_ns;
}

static const struct drop_counters *drops(void)
{
	return &f.worker.datapath.counters->drops;
}

static const struct role_stats *stats(void)
{
	return &f.worker.datapath.counters->stats;
}

static struct budget_use *budget(enum budget which)
{
	return datapath_budget(&f.worker.datapath, which);
}

static int listen_at(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* A port whose SYNs get no answer any more: its queue is full and nobody accepts. */
static void listen_silently(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	silent = listen_at(0, &silent_port);
	a.sin_port = htons(silent_port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < BACKLOG_FULL; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(filler[i], (struct sockaddr *)&a, sizeof(a));
	}
}

static int begin(void **state)
{
	turned_ns = stopped_ns = 0;
	clock_inject(turned_clock);
	limits_init(&f.limits);
	assert_int_equal(addr_parse("10.0.0.2", &greedy), 0);
	assert_int_equal(addr_parse("10.0.0.3", &modest), 0);
	listener = listen_at(4096, &port);
	server = fake_server(AF_INET, &udp_port);
	listen_silently();
	return 0;
}

static int end(void **state)
{
	fake_stop(&f);
	close(listener);
	close(server);
	close(silent);
	for (int i = 0; i < BACKLOG_FULL; i++)
		close(filler[i]);
	clock_inject(NULL);
	return 0;
}

static void start(void)
{
	fake_start_limited(&f, AF_INET, 0, false);
}

static struct packet_path path_of(const struct addr *from, uint16_t sport, uint16_t dport)
{
	struct packet_path path = fake_path(&f, AF_INET, sport, dport);

	path.src = *from;
	return path;
}

static void write_segment(const struct packet_path *path, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct segment s = {
		.flags = flags, .seq = seq, .ack = ack, .window = 65535, .scale = -1, .mss = 1460
	};

	fake_write(&f, buffer, segment_build(buffer, path, &s));
}

/* What comes back to `path`: SEG_ flags of a segment, 0 = another packet, -1 = nothing. */
static int answer_to(const struct packet_path *path, uint32_t *ret_seq)
{
	struct packet_path from;
	struct segment s;
	ssize_t n = fake_read(&f, buffer);

	if (n < 0)
		return -1;
	if (buffer[9] != IPPROTO_TCP)
		return 0;
	assert_true(segment_parse(buffer, (size_t)n, true, &from, &s));
	assert_int_equal(from.dport, path->sport);
	*ret_seq = s.seq;
	return s.flags;
}

/* Opens a connection: flags of the answer to its SYN; acknowledged if it is one. */
static int open_tcp(const struct addr *from, uint16_t sport)
{
	struct packet_path path = path_of(from, sport, port);
	uint32_t seq;
	int flags;

	write_segment(&path, SEG_SYN, 1000, 0);
	flags = answer_to(&path, &seq);
	if (flags == (SEG_SYN | SEG_ACK)) {
		write_segment(&path, SEG_ACK, 1001, seq + 1);
		fake_settle(&f);
	}
	return flags;
}

#define OPENED (SEG_SYN | SEG_ACK)
#define REFUSED (SEG_RST | SEG_ACK)

/* A SYN to where nothing answers. */
static void knock(const struct addr *from, uint16_t sport)
{
	struct packet_path path = path_of(from, sport, silent_port);

	write_segment(&path, SEG_SYN, 1000, 0);
	fake_settle(&f);
}

/* A connect to the second destination, which answers. */
static void dial_other(const struct addr *from, uint16_t sport)
{
	struct packet_path path = path_of(from, sport, port);

	assert_int_equal(addr_parse(OTHER, &path.dst), 0);
	write_segment(&path, SEG_SYN, 1000, 0);
	fake_settle(&f);
}

static void send_udp(const struct addr *from, uint16_t sport)
{
	struct packet_path path = path_of(from, sport, udp_port);

	fake_write_udp(&f, &path, "x", 1);
	fake_settle(&f);
}

/* Whether the datagrams sent reached the server; none is left. */
static unsigned int served(void)
{
	unsigned int n = 0;
	char data[16];

	while (recv(server, data, sizeof(data), MSG_DONTWAIT) > 0)
		n++;
	return n;
}

static bool has_session(const struct addr *from, uint16_t sport)
{
	struct flow_key key = { .saddr = *from,
				.daddr = f.server4,
				.sport = htons(sport),
				.dport = htons(udp_port),
				.proto = IPPROTO_UDP };

	return sessions_find(&f.worker.udp->sessions, &key);
}

/* --- flows -------------------------------------------------------------------------------- */

static void one_source_cannot_take_all_flows(void **state)
{
	f.limits.n[LIMIT_FLOWS] = 16; /* 12 for one */
	start();
	for (uint16_t i = 0; i < 12; i++)
		assert_int_equal(open_tcp(&greedy, 2000 + i), OPENED);
	assert_int_equal(budget(BUDGET_FLOWS)->hits, 0);
	assert_int_equal(open_tcp(&greedy, 2100), REFUSED);
	assert_int_equal(drops()->source_flows, 1);
	assert_int_equal(budget(BUDGET_FLOWS)->hits, 1);
	assert_int_equal(budget(BUDGET_FLOWS)->evicted, 0);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(open_tcp(&modest, 2000 + i), OPENED);
	assert_int_equal(budget(BUDGET_FLOWS)->used, 16);
	assert_int_equal(open_tcp(&modest, 2100), REFUSED); /* all 16 are in use */
	assert_int_equal(drops()->flow_cap, 1);
	assert_int_equal(stats()->tcp_open, 16);
}

static void at_its_share_a_source_gives_up_what_it_does_not_use(void **state)
{
	f.limits.n[LIMIT_FLOWS] = 16;
	start();
	for (uint16_t i = 0; i < 6; i++)
		send_udp(&greedy, 3000 + i);
	for (uint16_t i = 0; i < 6; i++)
		assert_int_equal(open_tcp(&greedy, 2000 + i), OPENED);
	send_udp(&modest, 3000);
	assert_int_equal(served(), 7);
	/* used just now: a connection must not cost another protocol's session its life */
	assert_int_equal(open_tcp(&greedy, 2100), REFUSED);
	turned_ns += UDP_EVICT_MS * NSEC_PER_MSEC;
	send_udp(&greedy, 3000);
	assert_int_equal(open_tcp(&greedy, 2101), OPENED);
	assert_true(has_session(&greedy, 3000));
	assert_false(has_session(&greedy, 3001)); /* unused longest */
	assert_true(has_session(&greedy, 3002));
	assert_true(has_session(&modest, 3000));
	assert_int_equal(budget(BUDGET_FLOWS)->hits, 2);
	assert_int_equal(budget(BUDGET_FLOWS)->evicted, 1);
}

/* Both sources are below their share, together they fill the table. */
static void who_has_most_makes_way_for_who_has_less(void **state)
{
	f.limits.n[LIMIT_FLOWS] = 16;
	f.limits.n[LIMIT_SOURCE_FLOWS] = 14;
	start();
	for (uint16_t i = 0; i < 13; i++)
		send_udp(&greedy, 3000 + i);
	for (uint16_t i = 0; i < 3; i++)
		send_udp(&modest, 3000 + i);
	assert_int_equal(budget(BUDGET_FLOWS)->used, 16);
	assert_int_equal(open_tcp(&modest, 2000), OPENED);
	assert_false(has_session(&greedy, 3000));
	assert_true(has_session(&modest, 3000));
	assert_int_equal(budget(BUDGET_FLOWS)->used, 16);
	assert_int_equal(budget(BUDGET_FLOWS)->evicted, 1);
	assert_int_equal(drops()->flow_cap, 0);
}

static void a_connection_without_data_for_long_makes_way_and_an_active_one_never(void **state)
{
	struct packet_path path;

	f.limits.n[LIMIT_FLOWS] = 16;
	start();
	for (uint16_t i = 0; i < 12; i++)
		assert_int_equal(open_tcp(&greedy, 2000 + i), OPENED);
	assert_int_equal(open_tcp(&greedy, 2100), REFUSED);
	f.worker.config.tcp_idle_ms = 0; /* from now on all of them are */
	assert_int_equal(open_tcp(&greedy, 2101), REFUSED); /* looked for just now */
	turned_ns += TCP_IDLE_LOOK_MS * NSEC_PER_MSEC;
	path = path_of(&greedy, 2102, port);
	write_segment(&path, SEG_SYN, 1000, 0);
	fake_settle(&f);
	assert_int_equal(stats()->tcp_open, 12);
	assert_int_equal(stats()->tcp_total, 13);
	assert_int_equal(budget(BUDGET_FLOWS)->evicted, 1);
	assert_int_equal(drops()->source_flows, 2);
}

static void data_on_its_way_is_not_idle(void **state)
{
	int fd;

	f.limits.n[LIMIT_FLOWS] = 16;
	f.limits.n[LIMIT_SOURCE_FLOWS] = 1;
	start();
	f.worker.config.tcp_idle_ms = 0;
	assert_int_equal(open_tcp(&greedy, 2000), OPENED);
	fd = accept(listener, NULL, NULL);
	assert_int_equal(write(fd, "answer", 6), 6);
	assert_true(fake_read(&f, buffer) > 40); /* and the application says nothing to it */
	assert_int_equal(open_tcp(&greedy, 2001), REFUSED);
	assert_int_equal(stats()->tcp_open, 1);
	close(fd);
}

static void handshakes_left_unfinished_go_first(void **state)
{
	struct packet_path path;
	uint32_t seq;

	f.limits.n[LIMIT_FLOWS] = 16;
	f.limits.n[LIMIT_SOURCE_FLOWS] = 16;
	start();
	for (uint16_t i = 0; i < 14; i++)
		send_udp(&greedy, 3000 + i);
	for (uint16_t i = 0; i < 2; i++) {
		path = path_of(&greedy, 2000 + i, port);
		write_segment(&path, SEG_SYN, 1000, 0);
		assert_int_equal(answer_to(&path, &seq), OPENED);
	}
	path = path_of(&modest, 2000, port);
	write_segment(&path, SEG_SYN, 1000, 0);
	fake_settle(&f);
	assert_int_equal(drops()->half_open, 1);
	assert_int_equal(stats()->udp_open, 14);
	assert_int_equal(stats()->tcp_open, 2);
	assert_int_equal(budget(BUDGET_FLOWS)->evicted, 1);
}

static void connections_in_time_wait_take_no_room(void **state)
{
	struct packet_path path;
	uint32_t seq;

	f.limits.n[LIMIT_FLOWS] = 16;
	start();
	stop_clock(); /* none is over before the last has begun */
	for (uint16_t i = 0; i < 16; i++) {
		int fd;

		assert_int_equal(open_tcp(&greedy, 2000 + i), OPENED);
		fd = accept(listener, NULL, NULL);
		assert_true(fd >= 0);
		close(fd); /* upstream closes first: TIME_WAIT is ours */
		path = path_of(&greedy, 2000 + i, port);
		assert_int_equal(answer_to(&path, &seq) & SEG_FIN, SEG_FIN);
		write_segment(&path, SEG_FIN | SEG_ACK, 1001, seq + 1);
		assert_int_equal(answer_to(&path, &seq), SEG_ACK);
		fake_settle(&f);
	}
	assert_int_equal(f.worker.tcp->time_wait_count, 16);
	assert_int_equal(budget(BUDGET_FLOWS)->used, 0);
	assert_int_equal(f.worker.sources.count, 0);
	assert_int_equal(open_tcp(&greedy, 2100), OPENED);
	assert_int_equal(f.worker.tcp->time_wait_count, 15); /* the oldest was forgotten */
	assert_int_equal(budget(BUDGET_FLOWS)->hits, 0);
}

/* --- descriptors -------------------------------------------------------------------------- */

static void descriptors_are_a_budget_of_all_protocols(void **state)
{
	f.limits.n[LIMIT_DESCRIPTORS] = 16; /* 12 for one */
	start();
	for (uint16_t i = 0; i < 6; i++) {
		assert_int_equal(open_tcp(&greedy, 2000 + i), OPENED);
		send_udp(&greedy, 3000 + i);
	}
	assert_int_equal(budget(BUDGET_DESCRIPTORS)->used, 12);
	assert_int_equal(open_tcp(&greedy, 2100), REFUSED);
	assert_int_equal(drops()->source_flows, 1);
	for (uint16_t i = 0; i < 4; i++)
		assert_int_equal(open_tcp(&modest, 2000 + i), OPENED);
	assert_int_equal(open_tcp(&modest, 2100), OPENED); /* a session of the greedy one goes */
	assert_int_equal(budget(BUDGET_DESCRIPTORS)->used, 16);
	assert_int_equal(budget(BUDGET_DESCRIPTORS)->hits, 2);
	assert_int_equal(budget(BUDGET_DESCRIPTORS)->evicted, 1);
	assert_int_equal(stats()->udp_open, 5);
	assert_int_equal(drops()->no_descriptor, 0);
}

static void a_datagram_that_finds_no_room_is_refused_with_icmp(void **state)
{
	struct packet_path path;
	uint32_t seq;

	f.limits.n[LIMIT_DESCRIPTORS] = 16;
	start();
	for (uint16_t i = 0; i < 12; i++)
		assert_int_equal(open_tcp(&greedy, 2000 + i), OPENED);
	path = path_of(&greedy, 3000, udp_port);
	fake_write_udp(&f, &path, "x", 1);
	assert_int_equal(answer_to(&path, &seq), 0);
	assert_int_equal(buffer[9], IPPROTO_ICMP);
	assert_int_equal(buffer[20], 3); /* destination unreachable */
	assert_int_equal(buffer[21], 13); /* administratively prohibited */
	assert_int_equal(drops()->source_flows, 1);
	assert_int_equal(served(), 0);
	send_udp(&modest, 3000);
	assert_int_equal(served(), 1);
}

/* --- UDP ---------------------------------------------------------------------------------- */

static void the_longest_unused_session_of_the_same_source_gives_way(void **state)
{
	f.limits.n[LIMIT_UDP] = 16;
	start();
	send_udp(&modest, 3000);
	for (uint16_t i = 0; i < 30; i++)
		send_udp(&greedy, 3000 + i);
	assert_int_equal(served(), 31); /* nobody was refused */
	assert_int_equal(stats()->udp_open, 13);
	assert_true(has_session(&modest, 3000));
	assert_false(has_session(&greedy, 3017));
	assert_true(has_session(&greedy, 3018));
	assert_int_equal(budget(BUDGET_UDP)->hits, 18);
	assert_int_equal(budget(BUDGET_UDP)->evicted, 18);
	assert_int_equal(budget(BUDGET_UDP)->used, 13);
}

static void with_all_sessions_in_use_who_has_most_gives_way(void **state)
{
	f.limits.n[LIMIT_UDP] = 16;
	start();
	for (uint16_t i = 0; i < 12; i++)
		send_udp(&greedy, 3000 + i);
	for (uint16_t i = 0; i < 6; i++)
		send_udp(&modest, 3000 + i);
	for (uint16_t i = 0; i < 6; i++)
		assert_true(has_session(&modest, 3000 + i));
	assert_false(has_session(&greedy, 3001));
	assert_true(has_session(&greedy, 3002));
	assert_int_equal(stats()->udp_open, 16);
}

/* --- connects ----------------------------------------------------------------------------- */

static void connects_beyond_the_share_of_a_source_are_dropped(void **state)
{
	f.limits.n[LIMIT_CONNECTS] = 16;
	f.limits.n[LIMIT_SOURCE_CONNECTS] = 12;
	start();
	for (uint16_t i = 0; i < 20; i++)
		knock(&greedy, 2000 + i);
	assert_int_equal(stats()->tcp_connecting, 12);
	assert_int_equal(drops()->source_connects, 8);
	assert_int_equal(budget(BUDGET_CONNECTS)->used, 12);
	assert_int_equal(budget(BUDGET_CONNECTS)->hits, 8);
	assert_int_equal(budget(BUDGET_CONNECTS)->evicted, 0);
	assert_int_equal(open_tcp(&modest, 2000), OPENED);
}

static void a_source_with_all_connects_makes_way_for_another_at_once(void **state)
{
	f.limits.n[LIMIT_CONNECTS] = 16;
	start();
	stop_clock();
	for (uint16_t i = 0; i < 20; i++)
		knock(&greedy, 2000 + i);
	assert_int_equal(stats()->tcp_connecting, 16);
	assert_int_equal(drops()->connects, 4);
	/* who dialled first is not told: its SYN counts as lost, and will be sent again */
	assert_int_equal(open_tcp(&modest, 2100), OPENED);
	for (uint16_t i = 0; i < 3; i++)
		knock(&modest, 2000 + i);
	assert_int_equal(stats()->tcp_connecting, 16);
	assert_int_equal(drops()->connect_replaced, 3);
	assert_int_equal(drops()->connects, 4);
	assert_int_equal(sources_find(&f.worker.sources, &modest)->kind[SOURCE_CONNECTS].count, 3);
}

static void a_connect_without_an_answer_makes_way_after_a_while(void **state)
{
	struct packet_path first;
	uint32_t seq;

	f.limits.n[LIMIT_CONNECTS] = 16;
	start();
	for (uint16_t i = 0; i < 16; i++)
		knock(&greedy, 2000 + i);
	knock(&greedy, 2100);
	assert_int_equal(drops()->connects, 1);
	turned_ns += TCP_CONNECT_REPLACE_MS * NSEC_PER_MSEC;
	knock(&greedy, 2101);
	first = path_of(&greedy, 2000, silent_port);
	assert_int_equal(answer_to(&first, &seq), 0); /* who dialled first is told */
	assert_int_equal(buffer[20], 3);
	assert_int_equal(buffer[21], 1);
	assert_int_equal(stats()->tcp_connecting, 16);
	assert_int_equal(drops()->connects, 1);
	assert_int_equal(drops()->connect_replaced, 1);
	assert_int_equal(budget(BUDGET_CONNECTS)->hits, 2);
	assert_int_equal(budget(BUDGET_CONNECTS)->evicted, 1);
}

/* So many sources that none has more than another, as an address that is a lie costs nothing. */
static struct addr stranger(unsigned int n)
{
	struct addr a = greedy;

	a.b[15] = (uint8_t)(100 + n);
	return a;
}

static void knock_from_strangers(unsigned int first, unsigned int n)
{
	for (unsigned int i = first; i < first + n; i++) {
		struct addr a = stranger(i);

		knock(&a, 2000);
	}
}

static void a_silent_destination_makes_way_for_another_at_once(void **state)
{
	f.limits.n[LIMIT_CONNECTS] = 16;
	start();
	stop_clock();
	knock_from_strangers(0, 20);
	assert_int_equal(stats()->tcp_connecting, 16);
	assert_int_equal(drops()->connects, 4);
	dial_other(&greedy, 2100); /* of a source that has never been seen */
	assert_int_equal(stats()->tcp_open, 1);
	assert_int_equal(stats()->tcp_connecting, 15);
	assert_int_equal(drops()->connect_replaced, 1);
	assert_int_equal(drops()->connects, 4);
}

/* Of one and the same source. It answers some, so the others may only be slow. */
static void a_destination_that_answers_makes_way_after_a_second(void **state)
{
	f.limits.n[LIMIT_CONNECTS] = 16;
	start();
	stop_clock();
	for (uint16_t i = 0; i < 15; i++)
		knock(&greedy, 2000 + i);
	assert_int_equal(open_tcp(&greedy, 2100), OPENED);
	knock(&greedy, 2015);
	dial_other(&greedy, 2101);
	assert_int_equal(drops()->connects, 1);
	assert_int_equal(stats()->tcp_open, 1);
	turned_ns += TCP_CONNECT_SILENT_MS * NSEC_PER_MSEC;
	dial_other(&greedy, 2102);
	assert_int_equal(stats()->tcp_open, 2);
	assert_int_equal(stats()->tcp_connecting, 15);
	assert_int_equal(drops()->connect_replaced, 1);
}

/* As above the destination may only be slow, and none of the sources has more than another. */
static void a_known_source_has_the_place_of_a_stranger_at_once(void **state)
{
	struct addr unknown = stranger(100);

	f.limits.n[LIMIT_CONNECTS] = 64;
	start();
	stop_clock();
	knock_from_strangers(0, 63);
	assert_int_equal(open_tcp(&modest, 2000), OPENED);
	knock_from_strangers(63, 1);
	dial_other(&unknown, 2000);
	assert_int_equal(drops()->connects, 1);
	dial_other(&modest, 2001);
	assert_int_equal(stats()->tcp_open, 2);
	assert_int_equal(drops()->connect_replaced, 1);
	/* not without end: it could empty the queue of all others */
	knock_from_strangers(101, 1);
	for (uint16_t i = 0; i < TCP_KNOWN_CONNECTS + 4; i++)
		knock(&modest, 2100 + i);
	assert_int_equal(sources_find(&f.worker.sources, &modest)->kind[SOURCE_CONNECTS].count,
			 TCP_KNOWN_CONNECTS);
	assert_int_equal(drops()->connect_replaced, 1 + TCP_KNOWN_CONNECTS);
	assert_int_equal(drops()->connects, 1 + 4);
	assert_int_equal(stats()->tcp_connecting, 64);
}

static void a_silent_destination_holds_no_more_than_its_share(void **state)
{
	f.limits.n[LIMIT_DESTINATION_CONNECTS] = 4;
	start();
	for (uint16_t i = 0; i < 8; i++) /* a burst is no harm yet */
		knock(&greedy, 2000 + i);
	turned_ns += TCP_CONNECT_SILENT_MS * NSEC_PER_MSEC;
	knock(&greedy, 2100);
	assert_int_equal(stats()->tcp_connecting, 9);
	turned_ns += (TCP_CONNECT_REPLACE_MS - TCP_CONNECT_SILENT_MS) * NSEC_PER_MSEC;
	knock(&greedy, 2101);
	assert_int_equal(drops()->connect_replaced, 1);
	assert_int_equal(stats()->tcp_connecting, 9);
	dial_other(&greedy, 2102);
	assert_int_equal(stats()->tcp_open, 1);
	assert_int_equal(drops()->connect_replaced, 1);
}

static void dns_is_answered_with_all_connects_in_flight(void **state)
{
	struct packet_path path;

	f.limits.n[LIMIT_CONNECTS] = 1;
	start();
	knock(&greedy, 2000);
	path = path_of(&greedy, 2001, DNS_PORT);
	write_segment(&path, SEG_SYN, 1000, 0);
	fake_settle(&f);
	assert_int_equal(drops()->connects, 0);
	assert_int_equal(drops()->upstream_refused, 1); /* there is no resolver here */
}

/* --- parts -------------------------------------------------------------------------------- */

static void each_worker_has_its_part_of_the_limits(void **state)
{
	start();
	f.worker.config.settings.workers = 4;
	f.worker.config.limits = f.limits;
	room_done(&f.worker);
	assert_int_equal(room_init(&f.worker), 0);
	assert_int_equal(budget(BUDGET_FLOWS)->limit, FLOWS_MAX / 4);
	assert_int_equal(budget(BUDGET_FLOWS)->source_limit, FLOWS_MAX / 4 / 4 * 3);
	assert_int_equal(budget(BUDGET_CONNECTS)->limit, TCP_CONNECTS_MAX / 4);
	assert_int_equal(f.worker.config.limits.n[LIMIT_DESTINATION_CONNECTS],
			 TCP_CONNECTS_TO_ONE_MAX / 4);
	assert_true(budget(BUDGET_DESCRIPTORS)->limit > 16); /* of each process */
}

/* 192.0.2.7 on lo, beside what host_loopback stands for. */
static void add_other_address(void)
{
	struct ifreq ifr = { .ifr_name = "lo:7" };
	struct sockaddr_in *a = (struct sockaddr_in *)&ifr.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	a->sin_family = AF_INET;
	inet_pton(AF_INET, OTHER, &a->sin_addr);
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		perror("SIOCSIFADDR");
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_source_cannot_take_all_flows),
		TEST(at_its_share_a_source_gives_up_what_it_does_not_use),
		TEST(who_has_most_makes_way_for_who_has_less),
		TEST(a_connection_without_data_for_long_makes_way_and_an_active_one_never),
		TEST(data_on_its_way_is_not_idle),
		TEST(connections_in_time_wait_take_no_room),
		TEST(descriptors_are_a_budget_of_all_protocols),
		TEST(a_datagram_that_finds_no_room_is_refused_with_icmp),
		TEST(the_longest_unused_session_of_the_same_source_gives_way),
		TEST(with_all_sessions_in_use_who_has_most_gives_way),
		TEST(connects_beyond_the_share_of_a_source_are_dropped),
		TEST(a_source_with_all_connects_makes_way_for_another_at_once),
		TEST(a_connect_without_an_answer_makes_way_after_a_while),
		TEST(a_silent_destination_makes_way_for_another_at_once),
		TEST(a_destination_that_answers_makes_way_after_a_second),
		TEST(a_known_source_has_the_place_of_a_stranger_at_once),
		TEST(a_silent_destination_holds_no_more_than_its_share),
		TEST(dns_is_answered_with_all_connects_in_flight),
		TEST(handshakes_left_unfinished_go_first),
		TEST(each_worker_has_its_part_of_the_limits),
	};
	int status = fake_namespace();

	if (status)
		return status;
	add_other_address();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
