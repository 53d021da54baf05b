// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What comes to the raw ICMP sockets, past their filters: replies and errors from anywhere.
 * The first byte chooses the family, the rest is the message as the socket gives it. Holds:
 * whatever is written to the application parses, and is a reply or an error of its own.
 *
 * The corpus is made by tests/fuzz/generate/icmp.c.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"
#include "userspace/worker/icmp_down.c"
#include "worker/room.h"

#define ID_BASE 0x4800
#define APP_ID 0x1234

static struct worker w;
static int app;

static void add_session(struct icmp_engine *e, const char *from, const char *to, uint8_t proto,
			uint16_t index)
{
	struct flow_key key = { .sport = htons(APP_ID), .proto = proto };
	struct icmp_session *s;

	require(!addr_parse(from, &key.saddr) && !addr_parse(to, &key.daddr));
	s = icmp_session_of(sessions_add(&e->sessions, &key));
	s->engine = e;
	s->watch.fd = -1;
	s->index = index;
	s->has_index = true;
	e->by_index[index] = s;
}

/* A worker without sockets, and two sessions: 198.51.100.1 and 2001:db8::1 were pinged. */
static void start(void)
{
	static struct icmp_engine e;
	int pair[2];

	require(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
	w.queue.fd = pair[0];
	app = pair[1];
	w.config.settings.mtu = 1500;
	w.config.icmp_id_base = ID_BASE;
	datapath_init(&w.datapath, 1);
	e.worker = &w;
	require(!sources_init(&w.sources));
	require(!sessions_init(&e.sessions, &w.sources, SOURCE_ICMP, 2, sizeof(struct icmp_session),
			       ICMP_IDLE_MS));
	add_session(&e, "10.0.0.2", "198.51.100.1", IPPROTO_ICMP, 0);
	add_session(&e, "fd68::2", "2001:db8::1", IPPROTO_ICMPV6, 1);
	w.icmp = &e;
}

static void check_written(const uint8_t *p, size_t len)
{
	struct packet head;

	require(!packet_parse(&head, p, p + len, 0));
	require(head.total_len == len && len <= w.config.settings.mtu);
	require(head.proto == IPPROTO_ICMP || head.proto == IPPROTO_ICMPV6);
	if (head.version == 4)
		require(!csum_fold(csum_add(0, p, 20)));
	if (!head.fragment_offset && (head.icmp_type == 0 || head.icmp_type == ICMP6_REPLY))
		require(head.sport == htons(APP_ID));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in6 from = { .sin6_addr = { { { 0x20, 1, 0x0d, 0xb8, [15] = 1 } } } };
	static uint8_t written[PACKET_MAX];
	uint8_t *exact;
	ssize_t n;

	if (!w.icmp)
		start();
	if (!size)
		return 0;
	exact = malloc(size); /* so that a read behind the end is seen */
	memcpy(exact, data + 1, size - 1);
	if (data[0] & 1)
		take_raw6(w.icmp, exact, size - 1, &from, size & 0xff);
	else
		take_raw4(w.icmp, exact, size - 1);
	free(exact);
	while ((n = recv(app, written, sizeof(written), MSG_DONTWAIT)) >= 0)
		check_written(written, n);
	return 0;
}
