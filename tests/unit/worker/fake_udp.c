// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the tests of the UDP engine share: a server on loopback, and what may be expected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include "base/clock.h"
#include "base/limits.h"
#include "flow/reassembly.h"
#include "unit/worker/fake_worker.c"
#include "netdev/socket.h"
#include "worker/udp.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define VNET 10
#define GSO_UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2 */
#define SPORT 4000

static struct fake_worker f;
static uint8_t payload[65536], got[FAKE_PACKET_MAX];
static int server;
static uint16_t port;

static const struct role_stats *stats(void)
{
	return &f.worker.datapath.counters->stats;
}

static __attribute__((unused)) const struct drop_counters *drops(void)
{
	return &f.worker.datapath.counters->drops;
}

static void begin_queue(int family, unsigned int vnet_hdr_bytes, bool uso)
{
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = i * 31 + i / 256;
	fake_start(&f, family, vnet_hdr_bytes, uso);
	server = fake_server(family, &port);
}

static void begin(int family)
{
	begin_queue(family, 0, false);
}

static void end(void)
{
	close(server);
	fake_stop(&f);
}

/* A datagram at the server: its length, *ret_from who sent it, *ret_gso as GRO says or 0. */
static ssize_t serve(struct sockaddr_storage *ret_from, int *ret_gso)
{
	char control[128];
	struct iovec iov = { got, sizeof(got) };
	struct msghdr msg = { .msg_name = ret_from,
			      .msg_namelen = sizeof(*ret_from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = -1;

	for (int i = 0; i < 40 && n < 0; i++) {
		n = recvmsg(server, &msg, MSG_DONTWAIT);
		if (n < 0)
			assert_int_equal(loop_once(f.worker.loop, 50), 0);
	}
	*ret_gso = 0;
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(ret_gso, CMSG_DATA(c), sizeof(*ret_gso));
	return n;
}

static void expect_served(size_t len, struct sockaddr_storage *ret_from)
{
	int gso;

	assert_int_equal(serve(ret_from, &gso), len);
	assert_memory_equal(got, payload, len);
}

static void answer(const struct sockaddr_storage *to, size_t len)
{
	socklen_t to_len = to->ss_family == AF_INET ? sizeof(struct sockaddr_in) :
						      sizeof(struct sockaddr_in6);

	assert_int_equal(sendto(server, payload, len, 0, (struct sockaddr *)to, to_len), len);
}

/* The UDP datagram at the application: fragments are put together, sums verified. */
static __attribute__((unused)) void expect_datagram(const struct packet_path *up, size_t len)
{
	struct reassembled whole = { 0 };
	struct reassembly *r;
	struct datapath dp;
	struct packet head;
	ssize_t n;
	size_t l4;

	datapath_init(&dp, 2);
	assert_int_equal(reassembly_new(&dp, NULL, NULL, &r), 0);
	do {
		n = fake_read(&f, got);
		assert_true(n > 0);
		assert_true(n <= 1500);
		assert_int_equal(packet_parse(&head, got, got + n, 0), 0);
		if (!head.is_fragment)
			whole = (struct reassembled){ got, n };
	} while (head.is_fragment && !reassembly_add(r, &head, got, 0, &whole));
	assert_int_equal(packet_parse(&head, whole.data, whole.data + whole.len, 0), 0);
	assert_true(addr_eq(&head.saddr, &up->dst));
	assert_true(addr_eq(&head.daddr, &up->src));
	assert_int_equal(head.sport, up->dport);
	assert_int_equal(head.dport, up->sport);
	l4 = whole.len - head.l4_offset;
	assert_int_equal(l4, 8 + len);
	assert_memory_equal(whole.data + head.payload_offset, payload, len);
	assert_int_equal(csum_fold(csum_add(csum_pseudo(&head.saddr, &head.daddr, IPPROTO_UDP, l4),
					    whole.data + head.l4_offset, l4)),
			 0);
	reassembly_free(r);
	datapath_done(&dp);
}

/* Asserts an ICMP error at the application about its datagram to `path`. */
static __attribute__((unused)) void expect_icmp(const struct packet_path *path, int type, int code,
						uint32_t rest, const struct addr *from)
{
	bool v4 = addr_is_v4(&path->src);
	ssize_t n = fake_read(&f, got);
	struct packet head, quoted;
	uint8_t *icmp;
	uint32_t said;

	assert_true(n > 0);
	assert_int_equal(packet_parse(&head, got, got + n, 0), 0);
	assert_int_equal(head.proto, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	assert_true(addr_eq(&head.saddr, from));
	assert_true(addr_eq(&head.daddr, &path->src));
	icmp = got + head.l4_offset;
	assert_int_equal(icmp[0], type);
	assert_int_equal(icmp[1], code);
	memcpy(&said, icmp + 4, sizeof(said));
	assert_int_equal(ntohl(said), rest);
	assert_int_equal(csum_fold(csum_add(v4 ? 0 :
						 csum_pseudo(&head.saddr, &head.daddr,
							     IPPROTO_ICMPV6, n - head.l4_offset),
					    icmp, n - head.l4_offset)),
			 0);
	packet_parse(&quoted, icmp + 8, got + n, 65535);
	assert_true(addr_eq(&quoted.saddr, &path->src));
	assert_true(addr_eq(&quoted.daddr, &path->dst));
	assert_int_equal(quoted.proto, IPPROTO_UDP);
	assert_memory_equal(icmp + 8 + (v4 ? 20 : 40), &path->sport, 2);
	assert_memory_equal(icmp + 8 + (v4 ? 22 : 42), &path->dport, 2);
}
