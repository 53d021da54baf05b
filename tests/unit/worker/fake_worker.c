// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The fake worker: see the header. */
#include "unit/worker/fake_worker.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "netdev/fragment.h"
#include "netdev/socket.h"
#include "worker/inbox.h"
#include "worker/room.h"

#define TEST_MARK 0x68720000
#define READ_TRIES 40 /* of READ_WAIT_MS each */
#define READ_WAIT_MS 50

static int lo_request(unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	strcpy(ifr->ifr_name, "lo");
	err = ioctl(fd, request, ifr);
	close(fd);
	return err;
}

int fake_namespace(void)
{
	struct ifreq ifr = { 0 };

	if (unshare(CLONE_NEWNET)) {
		printf("skip: no network namespace: %s\n", strerror(errno));
		return 77;
	}
	ifr.ifr_flags = IFF_UP;
	return lo_request(SIOCSIFFLAGS, &ifr) ? 1 : 0;
}

void fake_set_mtu(int mtu)
{
	struct ifreq ifr = { 0 };

	ifr.ifr_mtu = mtu;
	assert_int_equal(lo_request(SIOCSIFMTU, &ifr), 0);
}

static void configure(struct fake_worker *f, int family, unsigned int vnet_hdr_bytes, bool uso)
{
	struct role_config *c = &f->worker.config;
	struct settings *s = &c->settings;

	assert_int_equal(addr_parse("10.0.0.2", &f->app4), 0);
	assert_int_equal(addr_parse("fd68:6561:6472:6163::2", &f->app6), 0);
	assert_int_equal(addr_parse("192.0.2.1", &f->server4), 0);
	assert_int_equal(addr_parse("2001:db8::1", &f->server6), 0);
	assert_int_equal(addr_parse("10.0.0.1", &s->stack4), 0);
	assert_int_equal(addr_parse("10.0.0.0", &s->tun4_prefix), 0);
	assert_int_equal(addr_parse("fd68:6561:6472:6163::1", &s->stack6), 0);
	assert_int_equal(addr_parse("fd68:6561:6472:6163::", &s->tun6_prefix), 0);
	s->tun4_bits = 24;
	s->tun6_bits = 64;
	s->mtu = 1500;
	s->workers = 1;
	s->mark = TEST_MARK;
	c->slot = 1;
	c->host_loopback = family == AF_INET ? f->server4 : f->server6;
	c->udp_idle_ms = UDP_IDLE_MS;
	c->udp_sweep_ms = UDP_SWEEP_MS;
	c->connect_timeout_ms = TCP_CONNECT_TIMEOUT_MS;
	c->connect_replace_ms = TCP_CONNECT_REPLACE_MS;
	c->tcp_idle_ms = TCP_IDLE_MS;
	c->limits = f->limits;
	c->icmp_id_base = 0x4800;
	c->icmp_id_bits = 10;
	f->worker.queue.vnet_hdr_bytes = vnet_hdr_bytes;
	f->worker.queue.uso = uso;
}

void fake_start(struct fake_worker *f, int family, unsigned int vnet_hdr_bytes, bool uso)
{
	limits_init(&f->limits);
	fake_start_limited(f, family, vnet_hdr_bytes, uso);
}

void fake_start_limited(struct fake_worker *f, int family, unsigned int vnet_hdr_bytes, bool uso)
{
	struct worker *w = &f->worker;
	int pair[2];

	memset(&f->worker, 0, sizeof(f->worker));
	f->worker.relay_fd = -1;
	f->worker.icmp_fd[0] = -1;
	f->worker.icmp_fd[1] = -1;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	configure(f, family, vnet_hdr_bytes, uso);
	w->queue.fd = pair[0];
	f->app = pair[1];
	datapath_init(&w->datapath, 1);
	socket_protect_setup(PROTECT_SO_MARK, TEST_MARK);
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(room_init(w), 0);
	assert_int_equal(tcp_engine_new(w, &w->tcp), 0);
	assert_int_equal(udp_engine_new(w, &w->udp), 0);
	assert_int_equal(icmp_engine_new(w, &w->icmp), 0);
	assert_int_equal(input_new(w, &f->input), 0);
}

void fake_stop(struct fake_worker *f)
{
	struct worker *w = &f->worker;

	inbox_free(w->inbox);
	input_free(f->input);
	tcp_engine_free(w->tcp);
	udp_engine_free(w->udp);
	icmp_engine_free(w->icmp);
	assert_int_equal(w->datapath.counters->stats.udp_open, 0);
	assert_int_equal(w->datapath.counters->stats.icmp_open, 0);
	assert_int_equal(w->datapath.counters->stats.fragments_held, 0);
	assert_int_equal(w->datapath.counters->budgets.flows.used, 0);
	assert_int_equal(w->datapath.counters->budgets.descriptors.used, 0);
	assert_int_equal(w->datapath.counters->budgets.udp_sessions.used, 0);
	assert_int_equal(w->datapath.counters->budgets.icmp_sessions.used, 0);
	assert_int_equal(w->sources.count, 0);
	room_done(w);
	loop_free(w->loop);
	datapath_done(&w->datapath);
	for (int i = 0; i < 2; i++)
		if (w->icmp_fd[i] >= 0)
			close(w->icmp_fd[i]);
	close(w->queue.fd);
	close(f->app);
}

struct packet_path fake_path(const struct fake_worker *f, int family, uint16_t sport,
			     uint16_t dport)
{
	return (struct packet_path){
		.src = family == AF_INET ? f->app4 : f->app6,
		.dst = family == AF_INET ? f->server4 : f->server6,
		.sport = htons(sport),
		.dport = htons(dport),
	};
}

void fake_write(struct fake_worker *f, const void *packet, size_t len)
{
	static const uint8_t vnet[12];
	struct iovec iov[2] = { { (void *)vnet, f->worker.queue.vnet_hdr_bytes },
				{ (void *)packet, len } };

	assert_int_equal(writev(f->app, iov, 2), iov[0].iov_len + len);
}

void fake_write_udp(struct fake_worker *f, const struct packet_path *path, const void *payload,
		    size_t len)
{
	static uint32_t id = 1;
	uint8_t *packet = malloc(FAKE_PACKET_MAX);
	uint8_t *piece = malloc(FAKE_PACKET_MAX);
	size_t headers = packet_udp_header(packet, path, len ? payload : "", len);
	size_t ip = packet_ip_bytes(path);
	size_t room = fragment_room(path, 1500), total = 8 + len;

	if (len)
		memcpy(packet + headers, payload, len);
	if (headers + len <= 1500) {
		fake_write(f, packet, headers + len);
	} else {
		for (size_t at = 0; at < total; at += room) {
			size_t n = total - at < room ? total - at : room;
			size_t h = fragment_header(piece, path, IPPROTO_UDP, id, at, n,
						   at + n < total);

			memcpy(piece + h, packet + ip + at, n);
			fake_write(f, piece, h + n);
		}
		id++;
	}
	free(piece);
	free(packet);
}

void fake_set_ip(void *packet, int ttl, int tos, bool dont_fragment)
{
	uint8_t *h = packet;
	uint16_t sum;

	if (h[0] >> 4 == 6) {
		h[7] = ttl;
		h[0] = 0x60 | tos >> 4;
		h[1] = tos << 4;
		return;
	}
	h[8] = ttl;
	h[1] = tos;
	h[6] = (h[6] & ~0x40) | (dont_fragment ? 0x40 : 0);
	memset(h + 10, 0, 2);
	sum = csum_fold(csum_add(0, h, 20));
	memcpy(h + 10, &sum, 2);
}

ssize_t fake_read(struct fake_worker *f, uint8_t buf[FAKE_PACKET_MAX])
{
	for (int i = 0; i < READ_TRIES; i++) {
		ssize_t n = recv(f->app, buf, FAKE_PACKET_MAX, MSG_DONTWAIT);

		if (n >= 0)
			return n;
		assert_int_equal(loop_once(f->worker.loop, READ_WAIT_MS), 0);
	}
	return -1;
}

void fake_settle(struct fake_worker *f)
{
	for (int i = 0; i < 20; i++)
		assert_int_equal(loop_once(f->worker.loop, 1), 0);
}

int fake_server(int family, uint16_t *ret_port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
	socklen_t len = family == AF_INET ? sizeof(a4) : sizeof(a6);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, a, len), 0);
	assert_int_equal(getsockname(fd, a, &len), 0);
	*ret_port = ntohs(family == AF_INET ? a4.sin_port : a6.sin6_port);
	return fd;
}
