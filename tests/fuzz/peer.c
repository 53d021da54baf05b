// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Peers: what is behind a worker's sockets. Each does what a kernel's socket may do, when the
 * input says so: answers late or not, takes some bytes or none, gives, ends, fails.
 *
 * Checked: a socket is used only while it is open and fit for it; the bytes that arrive are
 * the application's, in order and each once; so are the boundaries of datagrams.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "base/addr.h"
#include "base/role.h"
#include "tests/fuzz/fake.h"
#include "tests/fuzz/peer.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

struct peers peers;

struct peer peer_table[PEERS];
struct peer_faults peer_faults;
static struct datagram read_now[WAITING_MAX * SEGMENTS_MAX]; /* by the worker, of one socket */
static unsigned int read_first, read_count;
static int read_udp;

const uint8_t *udp_bytes(unsigned int i, bool up, size_t len)
{
	return pattern((uint32_t)(len * 77 + i * 4099 + (up ? 0 : PATTERN_MAX / 2)));
}

static struct peer *peer_of(struct fake *f)
{
	return f->data;
}

static struct peer *peer_new(enum peer_kind kind, const struct fake_ops *ops, int *ret_fd)
{
	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &peer_table[i];

		if (p->kind != PEER_FREE)
			continue;
		*ret_fd = fake_open(ops, p);
		if (*ret_fd < 0)
			return NULL;
		memset(p, 0, offsetof(struct peer, raw));
		p->raw_len = p->sent_len = 0;
		p->kind = kind;
		p->fd = *ret_fd;
		p->fake = fake_of(*ret_fd);
		p->udp = -1;
		return p;
	}
	*ret_fd = -EMFILE;
	return NULL;
}

static void peer_close(struct fake *f)
{
	peer_of(f)->kind = PEER_FREE;
}

static int take_error(int *error)
{
	int e = *error;

	*error = 0;
	return e;
}

/* --- socket options --------------------------------------------------------------------- */

static int peer_set(struct fake *f, int level, int name, const void *value, socklen_t len)
{
	require(value && len >= sizeof(int));
	return -take_error(&peer_faults.option_error);
}

static int peer_get(struct fake *f, int level, int name, void *value, socklen_t *len)
{
	struct peer *p = peer_of(f);
	uint32_t v = 0;

	require(*len == sizeof(v));
	if (level == SOL_SOCKET && name == SO_ERROR)
		v = (uint32_t)take_error(&p->error);
	else if (level == SOL_SOCKET && name == SO_MARK)
		v = take_error(&peer_faults.option_error) ? 0 : HEADRACE_MARK;
	else if (peer_faults.option_error)
		return -take_error(&peer_faults.option_error);
	else
		v = 1400; /* IP_MTU */
	memcpy(value, &v, sizeof(v));
	return 0;
}

/* --- TCP -------------------------------------------------------------------------------- */

static uint32_t tcp_poll(struct fake *f)
{
	struct peer *p = peer_of(f);
	uint32_t events = 0;

	if (!p->connected && !p->error)
		return 0;
	if (p->give > 0 || p->fin || p->error || p->broken)
		events |= EPOLLIN;
	if (p->room > 0 || p->error || p->broken || p->shut)
		events |= EPOLLOUT;
	if (p->fin)
		events |= EPOLLRDHUP;
	if (p->error || p->broken || (p->fin && p->shut))
		events |= EPOLLHUP;
	if (p->error)
		events |= EPOLLERR;
	return events;
}

/* What a broken connection says: its error once, then EPIPE. EAGAIN would be none. */
static int tcp_break(struct peer *p)
{
	int error = take_error(&p->error);

	p->broken = true;
	return error && error != EAGAIN ? error : EPIPE;
}

static ssize_t tcp_recv(struct fake *f, struct msghdr *msg, int flags)
{
	struct peer *p = peer_of(f);
	size_t sum = 0;

	require(p->connected && (flags & MSG_DONTWAIT));
	for (size_t i = 0; i < msg->msg_iovlen && p->give > 0; i++) {
		size_t n = msg->msg_iov[i].iov_len < p->give ? msg->msg_iov[i].iov_len : p->give;

		require(msg->msg_iov[i].iov_len > 0);
		memcpy(msg->msg_iov[i].iov_base,
		       p->app ? app_bytes_down(p->app, p->app->down_read) : pattern(0), n);
		p->give -= (uint32_t)n;
		sum += n;
		if (p->app)
			p->app->down_read += (uint32_t)n;
	}
	if (sum > 0)
		return (ssize_t)sum;
	if (p->error)
		return -tcp_break(p);
	if (!p->fin && !p->broken)
		return -EAGAIN;
	if (p->app)
		p->app->down_end = true;
	return 0;
}

static ssize_t tcp_send(struct fake *f, const struct msghdr *msg, int flags)
{
	struct peer *p = peer_of(f);
	ssize_t sum = 0;

	require(p->connected && !p->shut && (flags & MSG_NOSIGNAL) && (flags & MSG_DONTWAIT));
	peers.sends++;
	if (p->error || p->broken)
		return -tcp_break(p);
	if (p->room == 0)
		return -EAGAIN;
	for (size_t i = 0; i < msg->msg_iovlen && p->room > 0; i++) {
		size_t n = msg->msg_iov[i].iov_len < p->room ? msg->msg_iov[i].iov_len : p->room;

		if (p->app && !apps_wild)
			require(!memcmp(msg->msg_iov[i].iov_base, app_bytes_up(p->app, p->seq), n));
		p->seq += (uint32_t)n;
		p->room -= (uint32_t)n;
		sum += (ssize_t)n;
	}
	return sum;
}

/*
 * The application said that this is the end, and all that was before it has come. One that
 * sends more behind a FIN contradicts itself, and may be believed in either.
 */
static int tcp_shutdown(struct fake *f, int how)
{
	struct peer *p = peer_of(f);
	bool ends = !p->app || apps_wild || p->broken || p->app->fin_count > APP_FINS;

	require(p->connected && !p->shut && how == SHUT_WR);
	p->shut = true;
	for (unsigned int i = 0; !ends && i < p->app->fin_count; i++)
		ends = p->app->fins[i] == p->seq || (int32_t)(p->app->top - p->app->fins[i]) > 0;
	require(ends);
	if (p->app)
		p->app->up_end = true;
	return 0;
}

static void tcp_begin(struct peer *p, uint16_t port)
{
	p->app = app_of_port(port);
	if (!p->app)
		return;
	app_dialled(p->app, world_isn(p->app));
	p->seq = p->app->isn + 1;
}

static int tcp_connect(struct fake *f, const struct sockaddr *to, socklen_t len)
{
	struct endpoint ep;

	if (peer_faults.connect_error)
		return -take_error(&peer_faults.connect_error);
	require(endpoint_from_sockaddr(to, &ep) == 0);
	tcp_begin(peer_of(f), ntohs(ep.port));
	return -EINPROGRESS;
}

static const struct fake_ops tcp_ops = { tcp_poll, tcp_recv,	 tcp_send,   tcp_connect, peer_set,
					 peer_get, tcp_shutdown, peer_close, NULL,	  NULL };

/* --- UDP -------------------------------------------------------------------------------- */

static uint32_t udp_poll(struct fake *f)
{
	struct peer *p = peer_of(f);

	return (p->waiting_count || p->raw_len ? EPOLLIN : 0) |
	       (p->errors || p->error ? EPOLLERR : 0);
}

static void *control_put(struct msghdr *msg, size_t *at, int level, int type, size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)msg->msg_control + *at);

	if (*at + CMSG_SPACE(len) > msg->msg_controllen) {
		msg->msg_flags |= MSG_CTRUNC;
		return NULL;
	}
	memset(c, 0, CMSG_SPACE(len));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	*at += CMSG_SPACE(len);
	return CMSG_DATA(c);
}

static ssize_t error_recv(struct peer *p, struct msghdr *msg)
{
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in6 from;
	} e = { .ee = { .ee_type = p->error_type } };
	bool v4 = p->family == AF_INET;
	size_t at = 0, len = sizeof(e.ee) + (v4 ? sizeof(struct sockaddr_in) : sizeof(e.from));
	uint8_t some[32] = { 8 };
	struct iovec *iov = msg->msg_iov;
	void *to;

	if (!p->errors)
		return -EAGAIN;
	p->errors--;
	e.ee.ee_origin = v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6;
	if (p->error_type > 200)
		e.ee.ee_origin = SO_EE_ORIGIN_LOCAL;
	e.ee.ee_errno = p->error_type % 3 ? ECONNREFUSED : EHOSTUNREACH;
	e.ee.ee_code = p->error_type & 7;
	e.ee.ee_type = p->error_type % 14;
	e.ee.ee_info = p->error_type * 11U;
	e.from.sin6_family = v4 ? AF_INET : AF_INET6;
	e.from.sin6_port = 0;
	memset((uint8_t *)&e.from + 4, p->error_type % 5 ? 9 : 0, 16);
	to = control_put(msg, &at, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR,
			 len);
	if (to)
		memcpy(to, &e, len);
	msg->msg_controllen = at;
	len = p->error_type % sizeof(some);
	len = len < iov->iov_len ? len : iov->iov_len;
	memcpy(iov->iov_base, some, len);
	return (ssize_t)len;
}

static void udp_note_read(struct peer *p, const struct datagram *d)
{
	unsigned int segment = d->segment ? d->segment : d->len;
	size_t at = 0;

	if (apps_wild) /* what of it is written is not looked at either */
		return;
	require(!read_count || read_udp == p->udp);
	if (!read_count)
		read_first = 0;
	read_udp = p->udp;
	do {
		size_t rest = d->len - at;

		require(read_first + read_count < sizeof(read_now) / sizeof(read_now[0]));
		read_now[read_first + read_count++].len =
			(uint16_t)(rest < segment ? rest : segment);
		at += segment;
	} while (at < d->len);
}

static ssize_t udp_recv(struct fake *f, struct msghdr *msg, int flags)
{
	struct peer *p = peer_of(f);
	struct datagram *d = &p->waiting[p->waiting_first];
	size_t control = 0, segment, at = 0;
	int value;
	void *to;

	require(flags & MSG_DONTWAIT);
	if (flags & MSG_ERRQUEUE)
		return error_recv(p, msg);
	if (p->error)
		return -take_error(&p->error);
	if (!p->waiting_count)
		return -EAGAIN;
	require(msg->msg_iov[0].iov_len >= d->len);
	segment = d->segment ? d->segment : d->len;
	do {
		size_t n = d->len - at < segment ? d->len - at : segment;

		memcpy((uint8_t *)msg->msg_iov[0].iov_base + at,
		       udp_bytes(p->udp < 0 ? 0 : (unsigned int)p->udp, false, n), n);
		at += segment;
	} while (at < d->len);
	value = d->len % 4;
	to = control_put(msg, &control, p->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
			 p->family == AF_INET ? IP_TOS : IPV6_TCLASS,
			 p->family == AF_INET ? 1 : sizeof(value));
	if (to)
		memcpy(to, &value, p->family == AF_INET ? 1 : sizeof(value));
	value = d->segment;
	to = d->segment ? control_put(msg, &control, IPPROTO_UDP, UDP_GRO, sizeof(value)) : NULL;
	if (to)
		memcpy(to, &value, sizeof(value));
	msg->msg_controllen = control;
	udp_note_read(p, d);
	p->waiting_first = (p->waiting_first + 1) % WAITING_MAX;
	p->waiting_count--;
	return d->len;
}

void peer_datagram(int i, size_t len)
{
	if (apps_wild)
		return;
	require(read_count > 0 && read_udp == i);
	require(read_now[read_first].len == len);
	read_first++;
	read_count--;
}

static uint16_t segment_of(const struct msghdr *msg)
{
	struct cmsghdr *c = msg->msg_control ? CMSG_FIRSTHDR(msg) : NULL;
	uint16_t segment;

	if (!c)
		return 0;
	require(c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT);
	memcpy(&segment, CMSG_DATA(c), sizeof(segment));
	require(segment > 0);
	return segment;
}

/* Each piece is a datagram as an application sent it. */
static void udp_check(const struct peer *p, const uint8_t *data, size_t len, size_t segment)
{
	size_t at = 0, pieces = 0;

	do {
		size_t n = segment && len - at > segment ? segment : len - at;

		require(!memcmp(data + at, udp_bytes((unsigned int)p->udp, true, n), n));
		at += n;
		pieces++;
	} while (at < len);
	require(pieces <= SEGMENTS_MAX);
}

static ssize_t udp_send(struct fake *f, const struct msghdr *msg, int flags)
{
	static uint8_t data[65536];
	struct peer *p = peer_of(f);
	size_t len = fake_gather(msg, data, sizeof(data));
	uint16_t segment = segment_of(msg);

	require(p->connected && (flags & MSG_DONTWAIT) && (flags & MSG_NOSIGNAL));
	require(len <= 65507);
	peers.sends++;
	if (p->udp >= 0 && !apps_wild)
		udp_check(p, data, len, segment);
	if (p->error)
		return -take_error(&p->error);
	if (peer_faults.send_error &&
	    (segment || (peer_faults.send_error != EIO && peer_faults.send_error != EINVAL)))
		return -take_error(&peer_faults.send_error);
	if (segment && len / segment >= SEGMENTS_MAX)
		return -EINVAL;
	if (p->room == 0)
		return -EAGAIN;
	p->room--;
	return (ssize_t)len;
}

static int udp_connect(struct fake *f, const struct sockaddr *to, socklen_t len)
{
	struct peer *p = peer_of(f);
	struct endpoint ep;
	unsigned int port;

	if (peer_faults.connect_error)
		return -take_error(&peer_faults.connect_error);
	require(endpoint_from_sockaddr(to, &ep) == 0);
	port = ntohs(ep.port);
	if (port >= UDP_PEER_PORT && port < UDP_PEER_PORT + UDP_APPS)
		p->udp = (int)port - UDP_PEER_PORT;
	p->connected = true;
	p->room = 1000;
	return 0;
}

static const struct fake_ops udp_ops = { udp_poll, udp_recv, udp_send,	 udp_connect, peer_set,
					 peer_get, NULL,     peer_close, NULL,	      NULL };

/* --- ICMP ------------------------------------------------------------------------------- */

static ssize_t icmp_recv(struct fake *f, struct msghdr *msg, int flags)
{
	struct peer *p = peer_of(f);
	struct sockaddr_in6 from = { .sin6_family = AF_INET6,
				     .sin6_addr = { { { 0x20, 1, 0x0d, 0xb8, [15] = 1 } } } };
	size_t at = 0, len = p->raw_len;
	int hops = 60;
	void *to;

	if (flags & MSG_ERRQUEUE)
		return error_recv(p, msg);
	if (p->error)
		return -take_error(&p->error);
	if (!len)
		return -EAGAIN;
	require(msg->msg_iov[0].iov_len >= len);
	memcpy(msg->msg_iov[0].iov_base, p->raw, len);
	p->raw_len = 0;
	if (msg->msg_name)
		memcpy(msg->msg_name, &from, sizeof(from));
	to = msg->msg_control ? control_put(msg, &at, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(hops)) :
				NULL;
	if (to)
		memcpy(to, &hops, sizeof(hops));
	msg->msg_controllen = at;
	return (ssize_t)len;
}

static ssize_t icmp_send(struct fake *f, const struct msghdr *msg, int flags)
{
	struct peer *p = peer_of(f);

	require((flags & MSG_DONTWAIT) && (p->kind == PEER_PING) == !msg->msg_name);
	peers.sends++;
	if (peer_faults.send_error)
		return -take_error(&peer_faults.send_error);
	if (p->error)
		return -take_error(&p->error);
	p->sent_len = fake_gather(msg, p->sent, sizeof(p->sent));
	require(p->sent_len >= 8 && (p->sent[0] == 8 || p->sent[0] == 128));
	return (ssize_t)p->sent_len;
}

static int icmp_connect(struct fake *f, const struct sockaddr *to, socklen_t len)
{
	return -take_error(&peer_faults.connect_error);
}

static const struct fake_ops icmp_ops = { udp_poll, icmp_recv, icmp_send,  icmp_connect, peer_set,
					  peer_get, NULL,      peer_close, NULL,	 NULL };

/* --- the resolver ----------------------------------------------------------------------- */

/* Descriptors that go to the resolver are its own: one end of a pair stays, as upstream. */
static void relay_stream(const struct msghdr *msg, const struct relay_message *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd;

	require(c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fd)));
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (ntohs(m->key.sport) == APP_PORT + APPS - 1)
		tcp_begin(peer_of(fake_of(fd))->other, DNS_PORT);
}

static ssize_t relay_send(struct fake *f, const struct msghdr *msg, int flags)
{
	static uint8_t data[ROLE_MESSAGE_MAX];
	size_t len = fake_gather(msg, data, sizeof(data));
	struct relay_message m;

	peers.sends++;
	if (peer_faults.send_error)
		return -take_error(&peer_faults.send_error);
	require(len >= sizeof(m));
	memcpy(&m, data, sizeof(m));
	if (m.type == RELAY_STREAM)
		relay_stream(msg, &m);
	else
		require(m.type == RELAY_PACKET && len >= sizeof(m) + 28);
	return (ssize_t)len;
}

static const struct fake_ops relay_ops = { .send = relay_send, .close = peer_close };

static int peer_pair(int type, int fds[2])
{
	struct peer *p[2];

	require((type & 0xf) == SOCK_STREAM);
	if (peer_faults.socket_error)
		return -take_error(&peer_faults.socket_error);
	p[0] = peer_new(PEER_TCP, &tcp_ops, &fds[0]);
	if (!p[0])
		return -EMFILE;
	p[1] = peer_new(PEER_TCP, &tcp_ops, &fds[1]);
	if (!p[1]) {
		close(fds[0]);
		return -EMFILE;
	}
	p[0]->connected = true;
	p[0]->room = 4096;
	p[1]->other = p[0];
	return 0;
}

static int peer_socket(int family, int type, int protocol)
{
	struct peer *p;
	int fd;

	if (peer_faults.socket_error)
		return -take_error(&peer_faults.socket_error);
	if ((type & 0xf) == SOCK_STREAM)
		p = peer_new(PEER_TCP, &tcp_ops, &fd);
	else if (protocol == 0)
		p = peer_new(PEER_UDP, &udp_ops, &fd);
	else
		p = peer_new(PEER_PING, &icmp_ops, &fd);
	if (p)
		p->family = family;
	return fd;
}

void peers_calm(bool end)
{
	peer_faults.socket_error = peer_faults.connect_error = peer_faults.send_error =
		peer_faults.option_error = 0;
	fake_world.watch_error = 0;
	fake_world.alloc_countdown = 0;
	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &peer_table[i];

		if (p->kind != PEER_TCP || !p->fake->watched)
			continue;
		p->connected = true;
		p->room = 1 << 30;
		p->fin |= end;
		fake_edge(p->fake);
	}
}

unsigned int peers_read(void)
{
	unsigned int n = apps_wild ? 0 : read_count;

	read_count = 0;
	return n;
}

unsigned int peers_open(void)
{
	unsigned int n = 0;

	for (int i = 0; i < PEERS; i++)
		n += peer_table[i].kind != PEER_FREE && peer_table[i].kind < PEER_RAW4;
	return n;
}

static int standing(enum peer_kind kind, const struct fake_ops *ops, int family)
{
	struct peer *p;
	int fd;

	p = peer_new(kind, ops, &fd);
	require(p);
	p->family = family;
	return fd;
}

void peers_start(bool raw)
{
	fake_world.socket = peer_socket;
	fake_world.pair = peer_pair;
	peers.relay_fd = standing(PEER_RELAY, &relay_ops, AF_UNIX);
	peers.raw_fd[0] = raw ? standing(PEER_RAW4, &icmp_ops, AF_INET) : -1;
	peers.raw_fd[1] = raw ? standing(PEER_RAW6, &icmp_ops, AF_INET6) : -1;
}

/* What is left of the last input in those that are always there. */
void peers_reset(void)
{
	peers_calm(false);
	read_count = 0;
	for (int i = 0; i < PEERS; i++) {
		peer_table[i].error = 0;
		peer_table[i].errors = 0;
		peer_table[i].raw_len = peer_table[i].sent_len = 0;
	}
}
