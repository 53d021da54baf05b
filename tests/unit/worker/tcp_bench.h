/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A bench for the TCP engine: the engine itself with a socket pair as its TUN queue and real
 * sockets on loopback as its upstream. What the rest of the worker does is faked here, by
 * renaming, so that it can be looked at and made to fail.
 *
 *   struct app (segments by hand) <-> queue <-> engine <-> TCP on 127.0.0.1 <-> the test
 */
#ifndef UNIT_WORKER_TCP_BENCH_H
#define UNIT_WORKER_TCP_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "bpf/parse.h"
#include "lib/segment.h"
#include "lib/tcp_alone.h"

#define BENCH_LINK_BYTES (4 << 20)
#define WAIT_MS 2000

static struct {
	struct worker w;
	struct role_counters counters;
	int tun; /* the other end of the queue */
	int listener; /* on loopback, -1 = none */
	struct endpoint upstream; /* where every connect goes */
	struct endpoint silent; /* where those to silent_addr go instead */
	struct addr silent_addr;
	int send_buffer; /* SO_SNDBUF of upstream sockets, 0 = the kernel's */
	int connect_error; /* connect fails at once with it; 0 = it does not */
	int icmp_error; /* last one sent, -1 = none */
	unsigned int noted;
	unsigned int ended;
	enum flow_end end; /* of the last flow that ended */
	uint64_t created_ns; /* entries up to that time are its own */
	uint64_t skipped_ns; /* the clock runs ahead by it */
} bench;

/* An application's socket, played by the test. */
struct app {
	struct packet_path path; /* towards upstream */
	uint32_t seq; /* next byte to send */
	uint32_t ack; /* next byte expected */
	uint16_t window;
	bool v6;
};

void fake_drop(struct worker *w, enum drop_reason why)
{
	datapath_drop(&w->datapath, why);
}

int fake_writev(struct worker *w, const struct iovec *iov, int iovcnt,
		const struct queue_offload *off)
{
	return queue_write(&w->queue, iov, iovcnt, off);
}

void fake_icmp_error(struct worker *w, int icmp_error, uint32_t mtu, const struct addr *from,
		     const void *quoted, size_t quoted_len)
{
	struct packet_path path;
	struct segment s;

	assert_true(segment_parse(quoted, quoted_len, true, &path, &s));
	assert_int_equal(s.flags, SEG_SYN);
	bench.icmp_error = icmp_error;
}

struct endpoint fake_upstream_of(const struct worker *w, const struct flow_key *key)
{
	return addr_eq(&key->daddr, &bench.silent_addr) ? bench.silent : bench.upstream;
}

void fake_flow_info(struct worker *w, const struct flow_key *key, const struct endpoint *upstream,
		    struct flow_info *ret_info)
{
	memset(ret_info, 0, sizeof(*ret_info));
}

int fake_flow_note(struct datapath *dp, const struct flow_key *key, const struct flow_info *info)
{
	bench.noted++;
	return 0;
}

int fake_flow_end(struct datapath *dp, const struct flow_key *key, uint64_t created_ns,
		  const struct flow_info *info)
{
	bench.ended++;
	bench.end = (enum flow_end)info->end;
	bench.created_ns = created_ns;
	return 0;
}

int fake_connect(const struct endpoint *to, int type, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(to, &ss);
	int fd;

	if (bench.connect_error)
		return -bench.connect_error;
	fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bench.send_buffer)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bench.send_buffer, sizeof(int));
	if (connect(fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS) {
		int r = -errno;

		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static uint64_t bench_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec + bench.skipped_ns;
}

static void bench_listen(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bench.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(bench.listener >= 0);
	assert_int_equal(bind(bench.listener, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(bench.listener, 4096), 0);
	assert_int_equal(getsockname(bench.listener, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sin, &bench.upstream), 0);
}

static void bench_link(void)
{
	int fds[2], bytes = BENCH_LINK_BYTES;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	for (int i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	bench.w.queue.fd = fds[0];
	bench.tun = fds[1];
}

/* Engine, queue (with or without virtio_net_hdr) and a listening upstream. */
static void bench_up_with(unsigned int vnet_hdr_bytes)
{
	memset(&bench, 0, sizeof(bench));
	bench.icmp_error = -1;
	bench.w.relay_fd = -1;
	clock_inject(bench_clock);
	bench.w.datapath.counters = &bench.counters;
	bench.w.config.connect_timeout_ms = TCP_CONNECT_TIMEOUT_MS;
	bench.w.config.connect_replace_ms = TCP_CONNECT_REPLACE_MS;
	bench.w.config.tcp_idle_ms = TCP_IDLE_MS;
	limits_init(&bench.w.config.limits);
	bench.w.config.settings.mtu = 1500;
	bench.w.config.isn_key.k[0] = 1;
	assert_int_equal(addr_parse("10.0.0.1", &bench.w.config.settings.stack4), 0);
	bench.w.queue.vnet_hdr_bytes = vnet_hdr_bytes;
	bench.w.queue.tso = vnet_hdr_bytes != 0;
	bench_link();
	bench_listen();
	assert_int_equal(loop_new(&bench.w.loop), 0);
	assert_int_equal(room_init(&bench.w), 0);
	assert_int_equal(tcp_engine_new(&bench.w, &bench.w.tcp), 0);
}

static __attribute__((unused)) int bench_up(void **state)
{
	bench_up_with(12);
	return 0;
}

static __attribute__((unused)) int bench_up_plain(void **state)
{
	bench_up_with(0);
	return 0;
}

static int bench_down(void **state)
{
	tcp_engine_free(bench.w.tcp);
	assert_int_equal(bench.counters.stats.tcp_open, 0);
	assert_int_equal(bench.counters.stats.tcp_connecting, 0);
	assert_int_equal(bench.counters.budgets.flows.used, 0);
	assert_int_equal(bench.counters.budgets.descriptors.used, 0);
	assert_int_equal(bench.counters.budgets.tcp_connects.used, 0);
	assert_int_equal(bench.w.sources.count, 0);
	room_done(&bench.w);
	loop_free(bench.w.loop);
	close(bench.w.queue.fd);
	close(bench.tun);
	if (bench.listener >= 0)
		close(bench.listener);
	clock_inject(NULL);
	return 0;
}

static __attribute__((unused)) void bench_deaf(void)
{
	close(bench.listener);
	bench.listener = -1;
}

/* --- the application's end -------------------------------------------------------------- */

static __attribute__((unused)) struct app app_at(const char *to, uint16_t sport)
{
	struct app a = { .seq = 1000, .window = 65535, .v6 = strchr(to, ':') != NULL };

	assert_int_equal(addr_parse(a.v6 ? "fd68::2" : "10.0.0.2", &a.path.src), 0);
	assert_int_equal(addr_parse(to, &a.path.dst), 0);
	a.path.sport = htons(sport);
	a.path.dport = htons(80);
	return a;
}

static void app_put(struct app *a, const struct segment *s)
{
	static uint8_t packet[SEGMENT_PACKET_MAX];
	struct worker_packet p;

	memset(&p, 0, sizeof(p));
	p.raw.data = packet;
	p.raw.len = segment_build(packet, &a->path, s);
	assert_int_equal(packet_parse(&p.head, packet, packet + p.raw.len, 0), 0);
	p.key.saddr = a->path.src;
	p.key.daddr = a->path.dst;
	p.key.sport = a->path.sport;
	p.key.dport = a->path.dport;
	p.key.proto = IPPROTO_TCP;
	tcp_engine_input(bench.w.tcp, &p);
}

static void app_send(struct app *a, uint8_t flags, const void *data, size_t len)
{
	struct segment s = {
		.flags = flags,
		.seq = a->seq,
		.ack = a->ack,
		.window = a->window,
		.payload = data,
		.len = len,
		.scale = -1,
	};

	if (flags & SEG_SYN) {
		s.mss = 1460;
		s.scale = 7;
		s.sack_permitted = true;
	}
	app_put(a, &s);
	if (!(flags & SEG_RST))
		a->seq += (uint32_t)len + !!(flags & SEG_SYN) + !!(flags & SEG_FIN);
}

static void app_ack(struct app *a)
{
	app_send(a, SEG_ACK, NULL, 0);
}

static uint8_t app_buffer[SEGMENT_PACKET_MAX + 12];

/* The next packet for any application; false if there is none now. */
static bool app_take(struct packet_path *ret_path, struct segment *ret_s)
{
	unsigned int skip = bench.w.queue.vnet_hdr_bytes;
	ssize_t n = read(bench.tun, app_buffer, sizeof(app_buffer));
	bool partial;

	if (n < 0)
		return false;
	partial = skip && (app_buffer[0] & 1);
	assert_true(segment_parse(app_buffer + skip, (size_t)n - skip, !partial, ret_path, ret_s));
	return true;
}

static void bench_turn(int ms)
{
	assert_int_equal(loop_once(bench.w.loop, ms), 0);
}

/* Lets time pass in steps of a timer's tick. */
static __attribute__((unused)) void bench_skip(unsigned int ms)
{
	for (unsigned int step; ms > 0; ms -= step) {
		step = ms < 125 ? ms : 125;
		bench.skipped_ns += step * NSEC_PER_MSEC;
		bench_turn(0);
	}
}

/* Waits for the next segment to `a`. */
static bool app_wait(struct app *a, struct segment *ret_s)
{
	struct packet_path path;

	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		if (app_take(&path, ret_s)) {
			assert_true(addr_eq(&path.src, &a->path.dst));
			assert_true(addr_eq(&path.dst, &a->path.src));
			assert_int_equal(path.sport, a->path.dport);
			assert_int_equal(path.dport, a->path.sport);
			return true;
		}
		bench_turn(5);
	}
	return false;
}

/* Nothing is sent while the engine has every chance to. */
static __attribute__((unused)) void app_expect_silence(int ms)
{
	struct packet_path path;
	struct segment s;

	for (int i = 0; i < ms; i += 5) {
		bench_turn(5);
		assert_false(app_take(&path, &s));
	}
}

/* A segment with all of `flags`; those before it without payload are skipped. */
static struct segment app_expect(struct app *a, uint8_t flags)
{
	struct segment s;

	for (;;) {
		assert_true(app_wait(a, &s));
		if ((s.flags & flags) == flags)
			return s;
		assert_int_equal(s.len, 0);
	}
}

static __attribute__((unused)) int bench_accept(void)
{
	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		int fd = accept4(bench.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			return fd;
		bench_turn(5);
	}
	fail_msg("no connection upstream");
	return -1;
}

/* SYN, SYN-ACK, ACK. Returns upstream's accepted socket. */
static __attribute__((unused)) int app_connect(struct app *a)
{
	struct segment s;

	app_send(a, SEG_SYN, NULL, 0);
	s = app_expect(a, SEG_SYN | SEG_ACK);
	assert_int_equal(s.ack, a->seq);
	a->ack = s.seq + 1;
	app_ack(a);
	return bench_accept();
}

/* Reads exactly `len` bytes that upstream received. */
static __attribute__((unused)) void bench_read(int fd, void *buf, size_t len)
{
	size_t got = 0;
	int waited = 0;

	while (got < len) {
		ssize_t n = recv(fd, (uint8_t *)buf + got, len - got, MSG_DONTWAIT);

		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		assert_true(n < 0 && errno == EAGAIN);
		assert_true(waited < WAIT_MS);
		bench_turn(5);
		waited += 5;
	}
}

/* What a read of upstream's socket ends with: 0 for FIN, else errno. */
static __attribute__((unused)) int bench_ending(int fd)
{
	char buf[4096];

	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN)
			return errno;
		bench_turn(5);
	}
	fail_msg("upstream's connection did not end");
	return -1;
}

/* Receives and acknowledges data until `len` bytes came, comparing with data[]. */
static __attribute__((unused)) void app_read(struct app *a, const uint8_t *data, size_t len)
{
	size_t got = 0;

	while (got < len) {
		struct segment s;

		assert_true(app_wait(a, &s));
		if (s.len == 0 || s.seq != a->ack)
			continue;
		assert_true(got + s.len <= len);
		assert_memory_equal(s.payload, data + got, s.len);
		got += s.len;
		a->ack += (uint32_t)s.len;
		app_ack(a);
	}
}

static __attribute__((unused)) bool bench_wait_ended(unsigned int count)
{
	for (int waited = 0; waited < WAIT_MS && bench.ended < count; waited += 5)
		bench_turn(5);
	return bench.ended >= count;
}

#endif
