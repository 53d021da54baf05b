// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The TCP engine, stack and lwIP included, with upstream sockets that exist only here: an
 * input says what applications send, how connects end, what upstream gives, takes, closes
 * and resets, and how time passes.
 *
 * Checked: the bytes that reach upstream are the application's, in order and without a hole;
 * a socket is used only while it is open and closed once; all counters are back to zero.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t fake_recv(int fd, void *buf, size_t len, int flags);
static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags);
static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags);
static int fake_shutdown(int fd, int how);
static int fake_close(int fd);
static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
static int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

#define recv fake_recv
#define recvmsg fake_recvmsg
#define sendmsg fake_sendmsg
#define shutdown fake_shutdown
#define close fake_close
#define setsockopt fake_setsockopt
#define getsockopt fake_getsockopt
#define loop_add fake_loop_add
#define loop_remove fake_loop_remove
#define loop_close fake_loop_close

#include "tests/lib/tcp_alone.h"

#include "bpf/classify.h"
#include "tests/fuzz/fuzz.h"

#define PORTS 4
#define FDS 64
#define FD_BASE 1000

/* An application's port: what its socket would know. */
struct port {
	uint32_t isn;
	uint32_t next;
	uint32_t got; /* what it would acknowledge */
};

/* An upstream socket. */
struct upstream {
	bool used;
	bool connected;
	bool shut;
	bool fin; /* upstream will say no more */
	int error; /* pending, as SO_ERROR */
	size_t give; /* bytes that can be read */
	size_t room; /* bytes that can be written */
	uint32_t seq; /* of the application's next byte */
	struct watch *watch;
};

static struct worker worker;
static struct role_counters counters;
static struct port ports[PORTS];
static struct upstream upstreams[FDS];
static uint64_t now_ns;
static int connect_error;

static uint64_t fuzz_clock(void)
{
	return now_ns;
}

static uint8_t byte_at(uint32_t seq)
{
	return (uint8_t)(seq * 31 + (seq >> 8) * 7);
}

static void put32(uint8_t *p, uint32_t v)
{
	uint32_t be = htonl(v);

	memcpy(p, &be, sizeof(be));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t be;

	memcpy(&be, p, sizeof(be));
	return ntohl(be);
}

static struct upstream *upstream_of(int fd)
{
	require(fd >= FD_BASE && fd < FD_BASE + FDS);
	require(upstreams[fd - FD_BASE].used);
	return &upstreams[fd - FD_BASE];
}

/* --- the sockets ------------------------------------------------------------------------ */

/* The SYN of the connection that is dialled: the youngest, which may have waited its turn. */
static uint32_t dialled_isn(void)
{
	const struct list *last = worker.tcp->connecting.prev;
	const struct tcp_flow *f = container_of(last, struct tcp_flow, link);

	return stack_segment_seq(&f->syn->head, f->syn->packet);
}

int fake_connect(const struct endpoint *to, int type, int *ret_fd)
{
	if (connect_error)
		return -connect_error;
	for (int i = 0; i < FDS; i++) {
		if (upstreams[i].used)
			continue;
		upstreams[i] = (struct upstream){ .used = true, .seq = dialled_isn() + 1 };
		*ret_fd = FD_BASE + i;
		return 0;
	}
	return -EMFILE;
}

int fake_loop_add(struct loop *l, struct watch *w, uint32_t events)
{
	upstream_of(w->fd)->watch = w;
	return 0;
}

void fake_loop_remove(struct loop *l, struct watch *w)
{
	if (w->fd >= 0)
		upstream_of(w->fd)->watch = NULL;
	w->fd = -1;
}

static int fake_close(int fd)
{
	struct upstream *u = upstream_of(fd);

	require(!u->watch);
	u->used = false;
	return 0;
}

void fake_loop_close(struct loop *l, struct watch *w)
{
	int fd = w->fd;

	fake_loop_remove(l, w);
	if (fd >= 0)
		fake_close(fd);
}

static int fake_shutdown(int fd, int how)
{
	struct upstream *u = upstream_of(fd);

	require(u->connected && !u->shut && how == SHUT_WR);
	u->shut = true;
	return 0;
}

static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	upstream_of(fd);
	return 0;
}

static int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct upstream *u = upstream_of(fd);

	require(level == SOL_SOCKET && name == SO_ERROR);
	*(int *)value = u->error;
	u->error = 0;
	return 0;
}

static ssize_t fake_recv(int fd, void *buf, size_t len, int flags)
{
	struct upstream *u = upstream_of(fd);
	size_t n = u->give < len ? u->give : len;

	require(u->connected && len > 0);
	if (n > 0) {
		memset(buf, 'u', n);
		u->give -= n;
		return (ssize_t)n;
	}
	if (u->error || !u->fin) {
		errno = u->error ? u->error : EAGAIN;
		return -1;
	}
	return 0;
}

static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t sum = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		ssize_t n = fake_recv(fd, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len, flags);

		if (n <= 0)
			return sum > 0 ? sum : n;
		sum += n;
		if ((size_t)n < msg->msg_iov[i].iov_len)
			break;
	}
	return sum;
}

static ssize_t fake_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct upstream *u = upstream_of(fd);
	ssize_t sum = 0;

	require(u->connected && !u->shut && (flags & MSG_NOSIGNAL));
	if (u->error || u->room == 0) {
		errno = u->error ? EPIPE : EAGAIN;
		return -1;
	}
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		const uint8_t *data = msg->msg_iov[i].iov_base;

		for (size_t k = 0; k < msg->msg_iov[i].iov_len && u->room > 0;
		     k++, u->room--, sum++)
			require(data[k] == byte_at(u->seq++));
	}
	return sum;
}

/* --- the rest of the worker ------------------------------------------------------------- */

void fake_drop(struct worker *w, enum drop_reason why)
{
	require(why >= 0 && why < DROP_NUM);
}

void fake_icmp_error(struct worker *w, int icmp_error, uint32_t mtu, const struct addr *from,
		     const void *quoted, size_t quoted_len)
{
	require(quoted_len >= 40 && *(const uint8_t *)quoted == 0x45);
}

struct endpoint fake_upstream_of(const struct worker *w, const struct flow_key *key)
{
	return (struct endpoint){ .addr = key->daddr, .port = key->dport };
}

void fake_flow_info(struct worker *w, const struct flow_key *key, const struct endpoint *upstream,
		    struct flow_info *ret_info)
{
	memset(ret_info, 0, sizeof(*ret_info));
}

int fake_flow_note(struct datapath *dp, const struct flow_key *key, const struct flow_info *info)
{
	return 0;
}

int fake_flow_end(struct datapath *dp, const struct flow_key *key, uint64_t created_ns,
		  const struct flow_info *info)
{
	require(info->end > END_NONE && info->end < FLOW_END_NUM);
	return 0;
}

int fake_writev(struct worker *w, const struct iovec *iov, int iovcnt,
		const struct queue_offload *off)
{
	uint8_t head[60];
	size_t len = 0, kept = 0;
	struct port *p;
	uint32_t seq;

	for (int i = 0; i < iovcnt; i++) {
		for (size_t k = 0; k < iov[i].iov_len && kept < sizeof(head); k++)
			head[kept++] = ((uint8_t *)iov[i].iov_base)[k];
		len += iov[i].iov_len;
	}
	require(kept >= 40 && head[0] == 0x45);
	require(head[23] < PORTS);
	p = &ports[head[23]];
	seq = get32(head + 24);
	if (head[33] & TCP_SYN)
		p->got = seq + 1;
	else if (seq == p->got)
		p->got += (uint32_t)(len - 20 - (size_t)(head[32] >> 4) * 4) + (head[33] & TCP_FIN);
	return 0;
}

/* --- what happens ----------------------------------------------------------------------- */

static void send_segment(uint32_t port, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t window,
			 size_t len)
{
	static uint8_t packet[65536];
	struct worker_packet p = { .raw.data = packet, .raw.len = 40 + len };

	memset(packet, 0, 40);
	packet[0] = 0x45;
	packet[2] = (uint8_t)((40 + len) >> 8);
	packet[3] = (uint8_t)(40 + len);
	packet[8] = 64;
	packet[9] = IPPROTO_TCP;
	memcpy(packet + 12, "\x0a\0\0\2\xc0\0\2\1", 8);
	packet[20] = 0x10;
	packet[21] = (uint8_t)port;
	packet[23] = 80;
	put32(packet + 24, seq);
	put32(packet + 28, ack);
	packet[32] = 0x50;
	packet[33] = flags;
	packet[34] = (uint8_t)(window >> 8);
	packet[35] = (uint8_t)window;
	for (size_t i = 0; i < len; i++)
		packet[40 + i] = byte_at(seq + (uint32_t)i);
	require(packet_parse(&p.head, packet, packet + p.raw.len, 0) == 0);
	packet_key_up(&p.head, &p.key);
	tcp_engine_input(worker.tcp, &p);
}

static void act_packet(struct input *in)
{
	uint32_t port = next8(in) % PORTS, what = next8(in), len = next16(in) % 30000;
	struct port *p = &ports[port];
	uint16_t window = (uint16_t)next16(in);

	if (what < 60) { /* opens, or begins anew */
		p->isn = next16(in) << 8;
		p->next = p->isn + 1;
		send_segment(port, TCP_SYN, p->isn, 0, window, 0);
	} else if (what < 160) { /* in order */
		send_segment(port, TCP_ACK | (what & 1), p->next, p->got, window, len);
		p->next += len + (what & 1);
	} else if (what < 200) { /* an ACK alone */
		send_segment(port, TCP_ACK, p->next, p->got, window, 0);
	} else if (what < 220) {
		send_segment(port, TCP_RST, p->next, p->got, window, 0);
	} else {
		uint8_t flags = (uint8_t)next8(in) & 0x3f;
		uint32_t seq = p->next + (uint32_t)(int16_t)next16(in);

		if ((flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN)
			p->isn = seq; /* whatever comes of it counts from here */
		send_segment(port, flags, seq, p->got, window, len % 3000);
	}
}

static void act_upstream(struct input *in)
{
	static const int errors[] = { ECONNREFUSED, ETIMEDOUT,	EHOSTUNREACH,
				      ENETUNREACH,  ECONNRESET, EACCES };
	struct upstream *u = &upstreams[next8(in) % FDS];
	uint32_t what = next8(in) % 8, amount = next16(in), events = 0;

	if (!u->used || !u->watch)
		return;
	if (!u->connected) {
		u->connected = what < 6;
		u->room = amount * 4;
		u->error = what < 6 ? 0 : errors[amount % 6];
		events = what < 6 ? EPOLLOUT : EPOLLOUT | EPOLLERR | EPOLLHUP;
	} else if (what < 3 && !u->fin) {
		u->give += amount * 4;
		events = EPOLLIN;
	} else if (what < 5) {
		u->room += amount * 4;
		events = EPOLLOUT;
	} else if (what == 5) {
		u->fin = true;
		events = EPOLLIN | EPOLLRDHUP;
	} else if (what == 6) {
		u->fin = true;
		u->error = ECONNRESET;
		events = EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
	}
	if (events)
		u->watch->ready(u->watch, events);
}

static void act_time(struct input *in)
{
	uint32_t steps = next8(in) % 128 + 1;

	while (steps-- > 0) {
		now_ns += 250 * NSEC_PER_MSEC;
		require(loop_once(worker.loop, 0) == 0);
	}
}

static void step(struct input *in)
{
	static const int errors[] = { 0, 0, 0, EADDRNOTAVAIL, EMFILE, EPERM, ENETUNREACH, ENOBUFS };

	switch (next8(in) % 8) {
	case 0:
		act_time(in);
		break;
	case 1:
		connect_error = errors[next8(in) % 8];
		break;
	case 2:
	case 3:
	case 4:
		act_upstream(in);
		break;
	default:
		act_packet(in);
	}
	require(stack_buffer_bytes(worker.tcp->stack) < 64U << 20);
}

static void set_up(void)
{
	memset(&worker, 0, sizeof(worker));
	memset(&counters, 0, sizeof(counters));
	memset(ports, 0, sizeof(ports));
	memset(upstreams, 0, sizeof(upstreams));
	connect_error = 0;
	now_ns = NSEC_PER_SEC;
	clock_inject(fuzz_clock);
	worker.relay_fd = -1;
	worker.datapath.counters = &counters;
	worker.config.connect_timeout_ms = TCP_CONNECT_TIMEOUT_MS;
	limits_init(&worker.config.limits);
	worker.config.limits.n[LIMIT_CONNECTS] = 3;
	worker.config.connect_replace_ms = TCP_CONNECT_REPLACE_MS;
	worker.config.tcp_idle_ms = TCP_IDLE_MS;
	worker.config.settings.mtu = 1500;
	worker.queue.tso = true;
	require(addr_parse("10.0.0.1", &worker.config.settings.stack4) == 0);
	require(loop_new(&worker.loop) == 0);
	require(room_init(&worker) == 0);
	require(tcp_engine_new(&worker, &worker.tcp) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	set_up();
	while (in.left > 0)
		step(&in);
	tcp_engine_free(worker.tcp);
	for (int i = 0; i < FDS; i++)
		require(!upstreams[i].used);
	require(counters.stats.tcp_open == 0 && counters.stats.tcp_connecting == 0);
	require(worker.sources.count == 0 && counters.budgets.flows.used == 0);
	room_done(&worker);
	loop_free(worker.loop);
	clock_inject(NULL);
	return 0;
}
