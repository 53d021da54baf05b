// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sockets of the resolver. Datagrams are read in batches, at most one batch of a socket per
 * turn of the loop, so that answers from upstream get their turn under a flood of queries.
 * Connections that are accepted become streams, like those that workers hand over.
 *
 * Main keeps duplicates of all of them for a resolver that has to be started again: they are
 * taken out of the loop before they are closed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "dns/sockets.h"
#include "dns/upstream_plain.h"

#define BATCH 32 /* datagrams, and connections, per turn and socket */
#define QUERY_BYTES (PLAIN_QUESTION_MAX + 1) /* one more shows that it is too long */
#define CONTROL_BYTES CMSG_SPACE(sizeof(struct in6_pktinfo))
#define PLACES (2 * SOCKETS_MAX) /* with those that only send the last answers */
#define LINGER_MS (2 * DNS_QUERY_TIMEOUT_MS)

struct own_socket {
	struct watch watch; /* fd -1 = takes nothing */
	struct sockets *owner;
	int fd; /* -1 = the place is free */
	uint32_t age; /* of all that there were, the number of this one */
	bool stream;
	struct endpoint local;
	struct timer retry; /* a stream socket out of descriptors */
};

struct sockets {
	struct own_socket place[PLACES];
	uint32_t ages; /* of the latest */
	struct loop *loop;
	struct datapath *datapath;
	struct sockets_options options;
	struct timer linger; /* then those that are no longer in force are closed */
	struct mmsghdr batch[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage from[BATCH];
	uint8_t control[BATCH][CONTROL_BYTES] __attribute__((aligned(8)));
	uint8_t bytes[BATCH][QUERY_BYTES];
};

static void datagrams_ready(struct watch *w, uint32_t events);
static void connections_ready(struct watch *w, uint32_t events);
static void accept_again(struct timer *t);
static void lingered(struct timer *t);

int sockets_new(struct loop *loop, struct datapath *dp, const struct sockets_options *options,
		struct sockets **ret_sockets)
{
	struct sockets *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return -ENOMEM;
	ss->loop = loop;
	ss->datapath = dp;
	ss->options = *options;
	for (unsigned int i = 0; i < PLACES; i++) {
		ss->place[i].owner = ss;
		ss->place[i].fd = -1;
		ss->place[i].watch.fd = -1;
		timer_init(&ss->place[i].retry, accept_again);
	}
	for (unsigned int i = 0; i < BATCH; i++)
		ss->iov[i] = (struct iovec){ ss->bytes[i], QUERY_BYTES };
	timer_init(&ss->linger, lingered);
	*ret_sockets = ss;
	return 0;
}

static void stop(struct own_socket *s)
{
	loop_remove(s->owner->loop, &s->watch);
	loop_disarm(&s->retry);
}

static void close_socket(struct own_socket *s)
{
	stop(s);
	s->fd = fd_close(s->fd);
}

void sockets_free(struct sockets *ss)
{
	if (!ss)
		return;
	for (unsigned int i = 0; i < PLACES; i++)
		close_socket(&ss->place[i]);
	loop_disarm(&ss->linger);
	free(ss);
}

/* --- which there are --------------------------------------------------------------------- */

/* Is it one that takes queries? */
static bool in_force(const struct own_socket *s)
{
	return s->fd >= 0 && (s->watch.fd >= 0 || timer_is_armed(&s->retry));
}

static bool same_socket(const struct own_socket *a, const struct own_socket *b)
{
	return a->stream == b->stream && a->local.port == b->local.port &&
	       addr_eq(&a->local.addr, &b->local.addr);
}

/* What `fd` is. 0 or -errno. */
static int look_at(int fd, struct own_socket *ret_socket)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss), type_len = sizeof(int);
	int type;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0)
		return -errno;
	ret_socket->stream = type == SOCK_STREAM;
	ret_socket->fd = fd;
	return endpoint_from_sockaddr((struct sockaddr *)&ss, &ret_socket->local);
}

/* Asks for the address that a datagram was sent to. */
static int want_destination(const struct own_socket *s)
{
	int one = 1, r;

	if (s->stream)
		return 0;
	if (addr_is_v4(&s->local.addr))
		r = setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	else
		r = setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	return r < 0 ? -errno : 0;
}

static struct own_socket *free_place(struct sockets *ss)
{
	for (unsigned int i = 0; i < PLACES; i++) {
		if (ss->place[i].fd < 0)
			return &ss->place[i];
	}
	return NULL;
}

/* A socket for an address that none in force has. 0 or -errno, and `fd` is still the caller's. */
static int add(struct sockets *ss, const struct own_socket *new)
{
	struct own_socket *s = free_place(ss);
	int r;

	if (!s)
		return -ENOBUFS;
	s->stream = new->stream;
	s->local = new->local;
	s->fd = new->fd;
	s->age = ++ss->ages;
	s->watch.fd = new->fd;
	s->watch.ready = s->stream ? connections_ready : datagrams_ready;
	r = want_destination(s);
	if (r == 0)
		r = fd_set_nonblock(s->fd, true);
	if (r == 0)
		r = loop_add(ss->loop, &s->watch, EPOLLIN);
	if (r < 0) {
		s->watch.fd = -1;
		s->fd = -1;
	}
	return r;
}

static struct own_socket *find(struct sockets *ss, const struct own_socket *like)
{
	for (unsigned int i = 0; i < PLACES; i++) {
		if (in_force(&ss->place[i]) && same_socket(&ss->place[i], like))
			return &ss->place[i];
	}
	return NULL;
}

/* Keeps the one that there is for the same address, or adds it. Marks its place in `wanted`. */
static int keep_or_add(struct sockets *ss, int fd, bool wanted[PLACES])
{
	struct own_socket new = { .fd = -1 }, *s;
	int r = look_at(fd, &new);

	if (r < 0)
		return r;
	s = find(ss, &new);
	if (s) {
		fd_close(fd);
	} else {
		r = add(ss, &new);
		if (r < 0)
			return r;
		s = find(ss, &new);
	}
	wanted[s - ss->place] = true;
	return 0;
}

static void close_those_at_rest(struct sockets *ss)
{
	for (unsigned int i = 0; i < PLACES; i++) {
		if (!in_force(&ss->place[i]))
			close_socket(&ss->place[i]);
	}
}

/* Streams that were accepted live on; a datagram socket stays for answers on their way. */
static void retire_all_but(struct sockets *ss, const bool wanted[PLACES])
{
	for (unsigned int i = 0; i < PLACES; i++) {
		struct own_socket *s = &ss->place[i];

		if (wanted[i] || !in_force(s))
			continue;
		if (s->stream)
			close_socket(s);
		else
			stop(s);
	}
	loop_arm(ss->loop, &ss->linger, LINGER_MS);
}

int sockets_assign(struct sockets *ss, const int *fds, size_t num)
{
	bool wanted[PLACES] = { false }, before[PLACES];
	size_t done = 0;
	int r = num > SOCKETS_MAX ? -ENOBUFS : 0;

	close_those_at_rest(ss);
	for (unsigned int i = 0; i < PLACES; i++)
		before[i] = in_force(&ss->place[i]);
	while (r == 0 && done < num) {
		r = keep_or_add(ss, fds[done], wanted);
		done += r == 0;
	}
	if (r == 0) {
		retire_all_but(ss, wanted);
		return 0;
	}
	while (done < num)
		fd_close(fds[done++]);
	for (unsigned int i = 0; i < PLACES; i++) {
		if (wanted[i] && !before[i])
			close_socket(&ss->place[i]);
	}
	return r;
}

static void lingered(struct timer *t)
{
	close_those_at_rest(container_of(t, struct sockets, linger));
}

/* --- datagrams --------------------------------------------------------------------------- */

/* Where a datagram was sent to. */
static void read_destination(struct msghdr *m, struct client *client)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			client->flow.daddr = addr_from_v4(info.ipi_addr.s_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			client->flow.daddr = addr_from_v6(&info.ipi6_addr);
			client->ifindex = info.ipi6_ifindex;
		}
	}
}

/* Who sent datagram `i` of the batch, and where to. 0 or -errno. */
static int client_of(struct own_socket *s, unsigned int i, struct client *ret_client)
{
	struct sockets *ss = s->owner;
	struct endpoint from;
	int r = endpoint_from_sockaddr((struct sockaddr *)&ss->from[i], &from);

	if (r < 0)
		return r;
	memset(ret_client, 0, sizeof(*ret_client));
	ret_client->flow.saddr = from.addr;
	ret_client->flow.sport = from.port;
	ret_client->flow.daddr = s->local.addr;
	ret_client->flow.dport = s->local.port;
	ret_client->flow.proto = IPPROTO_UDP;
	ret_client->socket = (uint32_t)(s - ss->place) + 1;
	ret_client->generation = s->age;
	read_destination(&ss->batch[i].msg_hdr, ret_client);
	return 0;
}

static void datagrams_ready(struct watch *w, uint32_t events)
{
	struct own_socket *s = container_of(w, struct own_socket, watch);
	struct sockets *ss = s->owner;
	struct client client;
	int n;

	for (unsigned int i = 0; i < BATCH; i++)
		ss->batch[i].msg_hdr = (struct msghdr){ .msg_name = &ss->from[i],
							.msg_namelen = sizeof(ss->from[i]),
							.msg_iov = &ss->iov[i],
							.msg_iovlen = 1,
							.msg_control = ss->control[i],
							.msg_controllen = CONTROL_BYTES };
	n = recvmmsg(s->fd, ss->batch, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		if (client_of(s, (unsigned int)i, &client) < 0 || !client.flow.sport)
			datapath_drop(ss->datapath, DROP_PORT_ZERO);
		else
			ss->options.query(ss->options.arg, &client, ss->bytes[i],
					  ss->batch[i].msg_len);
	}
}

/* Says where the answer comes from. Bytes of control data. */
static size_t put_source(struct msghdr *m, const struct client *client)
{
	const struct addr *from = &client->flow.daddr;
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	if (addr_is_v4(from)) {
		struct in_pktinfo info = { .ipi_spec_dst.s_addr = addr_to_v4(from) };

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		return CMSG_SPACE(sizeof(info));
	}
	struct in6_pktinfo info = { 0 };

	if (addr_is_link_local(&client->flow.saddr))
		info.ipi6_ifindex = client->ifindex;

	memcpy(&info.ipi6_addr, from->b, sizeof(info.ipi6_addr));
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(c), &info, sizeof(info));
	return CMSG_SPACE(sizeof(info));
}

void sockets_reply(struct sockets *ss, const struct client *client, const uint8_t *msg, size_t len)
{
	const struct own_socket *s = &ss->place[client->socket - 1];
	struct endpoint to = { .addr = client->flow.saddr, .port = client->flow.sport };
	uint8_t control[CONTROL_BYTES] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { (void *)msg, len };
	struct sockaddr_storage name;
	struct msghdr m = { .msg_name = &name,
			    .msg_namelen = endpoint_to_sockaddr(&to, &name),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	m.msg_controllen = put_source(&m, client);
	if (s->fd < 0 || s->age != client->generation ||
	    sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		datapath_drop(ss->datapath, DROP_DNS_ANSWER);
}

/* --- connections ------------------------------------------------------------------------- */

static void open_stream(struct own_socket *s, int fd, const struct sockaddr_storage *peer)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	struct endpoint from, to;
	struct client client;

	if (getsockname(fd, (struct sockaddr *)&local, &len) < 0 ||
	    endpoint_from_sockaddr((struct sockaddr *)&local, &to) < 0 ||
	    endpoint_from_sockaddr((const struct sockaddr *)peer, &from) < 0) {
		fd_close(fd);
		return;
	}
	memset(&client, 0, sizeof(client));
	client.flow.saddr = from.addr;
	client.flow.sport = from.port;
	client.flow.daddr = to.addr;
	client.flow.dport = to.port;
	client.flow.proto = IPPROTO_TCP;
	client.socket = (uint32_t)(s - s->owner->place) + 1;
	stream_open(s->owner->options.streams, fd, &client);
}

/* Out of descriptors: connections wait in the backlog instead of keeping the loop busy. */
static void wait_for_descriptors(struct own_socket *s)
{
	datapath_drop(s->owner->datapath, DROP_NO_DESCRIPTOR);
	loop_remove(s->owner->loop, &s->watch);
	loop_arm(s->owner->loop, &s->retry, TUN_RETRY_MS);
}

static void connections_ready(struct watch *w, uint32_t events)
{
	struct own_socket *s = container_of(w, struct own_socket, watch);

	for (int i = 0; i < BATCH; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd = accept4(s->fd, (struct sockaddr *)&peer, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			open_stream(s, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			wait_for_descriptors(s);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void accept_again(struct timer *t)
{
	struct own_socket *s = container_of(t, struct own_socket, retry);

	s->watch.fd = s->fd;
	if (loop_add(s->owner->loop, &s->watch, EPOLLIN) == 0)
		return;
	s->watch.fd = -1;
	loop_arm(s->owner->loop, t, TUN_RETRY_MS);
}
