// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* listener.c: packets and streams from the queue and from workers, and the way back. */
#include "support.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/message.h"
#include "base/role.h"
#include "dns/listener.h"
#include "netdev/packet.h"

static struct loop *loop;
static struct datapath datapath;
static struct listener *listener;
static int tun[2] = { -1, -1 }; /* ours, the listener's */
static int relay = -1; /* the worker's end */

static struct {
	unsigned int num, flows;
	struct client client;
	size_t len;
	uint8_t last[4096];
	struct flow_key flow;
	bool echo;
} got;

static int take(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
	assert_true(len <= sizeof(got.last));
	got.num++;
	got.client = *client;
	got.len = len;
	memcpy(got.last, msg, len);
	if (got.echo)
		listener_reply(listener, client, msg, len);
	return 0;
}

static void see(void *arg, const struct flow_key *key)
{
	got.flows++;
	got.flow = *key;
}

static void setup_with(bool read_queue)
{
	struct listener_options options = { .read_queue = read_queue,
					    .query = take,
					    .flow_seen = see };
	int pair[2];

	datapath_init(&datapath, 0);
	memset(&got, 0, sizeof(got));
	assert_int_equal(loop_new(&loop), 0);
	/* datagrams stand in for packets */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, tun), 0);
	options.queue.fd = tun[1];
	assert_int_equal(listener_new(loop, &datapath, &options, &listener), 0);
	assert_int_equal(message_pair(pair), 0);
	relay = pair[0];
	listener_relay(listener, 1, pair[1]);
}

static int teardown(void **state)
{
	listener_free(listener);
	loop_free(loop);
	tun[0] = fd_close(tun[0]);
	tun[1] = fd_close(tun[1]);
	relay = fd_close(relay);
	return 0;
}

/* A packet with `payload` to port 53, in `buf`. */
static size_t build(uint8_t *buf, const char *payload)
{
	struct packet_path path = { .sport = htons(40000), .dport = htons(DNS_PORT) };
	size_t headers;

	path.src = addr_from_v4(htonl(0x0a000002));
	path.dst = addr_from_v4(htonl(0x0a000001));
	headers = packet_udp_header(buf, &path, payload, strlen(payload));
	memcpy(buf + headers, payload, strlen(payload));
	return headers + strlen(payload);
}

static void reads_the_queue_and_answers_there(void **state)
{
	uint8_t buf[256];
	size_t len;

	setup_with(true);
	got.echo = true;
	len = build(buf, "a query of sorts");
	assert_int_equal(send(tun[0], buf, len, 0), len);
	turn_until(loop, got.num == 1);
	assert_int_equal(ntohs(got.client.flow.sport), 40000);
	assert_memory_equal(got.last, "a query of sorts", 16);
	assert_int_equal(recv(tun[0], buf, sizeof(buf), 0), len);
	assert_int_equal(msg_get16(buf + 20), 53);
	assert_int_equal(msg_get16(buf + 22), 40000);
	assert_memory_equal(buf + 28, "a query of sorts", 16);
	assert_int_equal(test_counters.stats.tun_rx, 1);
	assert_int_equal(test_counters.stats.tun_tx, 1);
}

static void counts_what_is_no_query_and_keeps_its_flow(void **state)
{
	uint8_t buf[256];
	size_t len;

	setup_with(true);
	len = build(buf, "");
	assert_int_equal(send(tun[0], buf, len, 0), len);
	assert_int_equal(send(tun[0], "rubbish", 7, 0), 7);
	turn_until(loop, test_counters.stats.tun_rx == 2);
	assert_int_equal(got.num, 0);
	assert_int_equal(got.flows, 1);
	assert_int_equal(ntohs(got.flow.sport), 40000);
	assert_int_equal(test_counters.drops.dns_malformed, 1);
	assert_int_equal(test_counters.drops.malformed + test_counters.drops.ip_version, 1);
}

static void leaves_a_single_queue_to_the_worker(void **state)
{
	uint8_t buf[256];
	size_t len;

	setup_with(false);
	len = build(buf, "a query");
	assert_int_equal(send(tun[0], buf, len, 0), len);
	settle_loop(loop);
	assert_int_equal(got.num, 0);
}

static void takes_relayed_packets_and_answers_to_the_queue(void **state)
{
	struct relay_message m = { .type = RELAY_PACKET };
	uint8_t buf[256];
	size_t len;

	setup_with(false);
	got.echo = true;
	memcpy(buf, &m, sizeof(m));
	len = sizeof(m) + build(buf + sizeof(m), "relayed");
	assert_int_equal(message_send(relay, buf, len, -1), 0);
	turn_until(loop, got.num == 1);
	assert_memory_equal(got.last, "relayed", 7);
	assert_int_equal(recv(tun[0], buf, sizeof(buf), MSG_DONTWAIT), 28 + 7);
}

static void takes_relayed_streams(void **state)
{
	struct relay_message m = { .type = RELAY_STREAM, .key.proto = IPPROTO_TCP };
	uint8_t buf[16];
	int pair[2];

	setup_with(true);
	got.echo = true;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(message_send(relay, &m, sizeof(m), pair[1]), 0);
	close(pair[1]);
	assert_int_equal(send(pair[0], "\0\5hello", 7, 0), 7);
	turn_until(loop, got.num == 1);
	assert_int_equal(got.client.flow.proto, IPPROTO_TCP);
	assert_int_equal(recv(pair[0], buf, sizeof(buf), 0), 7);
	assert_memory_equal(buf, "\0\5hello", 7);
	close(pair[0]);
}

static void a_relay_that_speaks_nonsense_is_not_followed(void **state)
{
	struct relay_message m = { .type = 77 };
	int pair[2];
	char c;

	setup_with(true);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(message_send(relay, &m, sizeof(m), pair[1]), 0);
	assert_int_equal(message_send(relay, &m, 4, -1), 0);
	close(pair[1]);
	settle_loop(loop);
	assert_int_equal(recv(pair[0], &c, 1, MSG_DONTWAIT), 0); /* closed, not leaked */
	assert_int_equal(got.num, 0);
	close(pair[0]);
}

static void a_new_relay_replaces_the_workers_old_one(void **state)
{
	struct relay_message m = { .type = RELAY_PACKET };
	uint8_t buf[256];
	size_t len;
	int pair[2];
	char c;

	setup_with(true);
	assert_int_equal(message_pair(pair), 0);
	listener_relay(listener, 1, pair[1]);
	assert_int_equal(recv(relay, &c, 1, MSG_DONTWAIT), 0);
	memcpy(buf, &m, sizeof(m));
	len = sizeof(m) + build(buf + sizeof(m), "relayed");
	assert_int_equal(message_send(pair[0], buf, len, -1), 0);
	turn_until(loop, got.num == 1);
	close(pair[0]);
	settle_loop(loop);
	assert_int_equal(got.num, 1);
}

static void an_answer_the_tun_does_not_take_is_counted(void **state)
{
	struct client client = { .flow.proto = IPPROTO_UDP };

	setup_with(true);
	client.flow.saddr = addr_from_v4(htonl(0x0a000002));
	client.flow.daddr = addr_from_v4(htonl(0x0a000001));
	for (int i = 0; i < 10000 && !test_counters.drops.tun_full; i++)
		listener_reply(listener, &client, (const uint8_t *)"answer", 6);
	assert_int_equal(test_counters.drops.tun_full, 1);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(reads_the_queue_and_answers_there),
		T(counts_what_is_no_query_and_keeps_its_flow),
		T(leaves_a_single_queue_to_the_worker),
		T(takes_relayed_packets_and_answers_to_the_queue),
		T(takes_relayed_streams),
		T(a_relay_that_speaks_nonsense_is_not_followed),
		T(a_new_relay_replaces_the_workers_old_one),
		T(an_answer_the_tun_does_not_take_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
