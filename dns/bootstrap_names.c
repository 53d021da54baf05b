// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lookups of upstreams' names. c-ares opens its sockets by our functions, so that each is
 * marked and has a random port; it says which of them it waits for, and when it wants to be
 * woken. The channel is made anew with each set of servers.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <ares.h>

#include "base/fd.h"
#include "dns/bootstrap_names.h"
#include "dns/upstream_plain.h"
#include "netdev/socket.h"

#define TIMER_MAX_MS 60000

struct lookup_socket {
	struct watch watch;
	struct lookups *lookups;
};

struct lookups {
	struct loop *loop;
	ares_channel channel; /* NULL = there is no server */
	struct endpoint server[DNS_UPSTREAMS_MAX]; /* of the channel */
	unsigned int servers;
	struct lookup_socket socket[LOOKUP_SOCKETS_MAX];
	struct timer timer;
	struct list queries;
};

/* c-ares cannot forget a single question: one whose owner has gone has none. */
struct lookup_query {
	struct list link;
	struct lookup *owner; /* NULL = nobody waits */
	bool starting; /* within lookup_start() */
	bool ended; /* already then */
	int status;
};

/* --- sockets of c-ares -------------------------------------------------------------------- */

static ares_socket_t open_socket(int family, int type, int protocol, void *arg)
{
	int fd, r = socket_open(family, type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK), &fd);

	if (r < 0) {
		errno = -r;
		return ARES_SOCKET_BAD;
	}
	if ((type & SOCK_DGRAM) == SOCK_DGRAM)
		plain_bind_random(fd, family);
	return fd;
}

static int close_socket(ares_socket_t fd, void *arg)
{
	return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len,
			  void *arg)
{
	struct endpoint ep;
	int r = endpoint_from_sockaddr(to, &ep);

	if (!r)
		r = socket_toward(fd, &ep.addr);
	if (r) {
		errno = -r;
		return -1;
	}
	return connect(fd, to, len);
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t len, int flags,
			    struct sockaddr *from, ares_socklen_t *from_len, void *arg)
{
	return recvfrom(fd, buf, len, flags, from, from_len);
}

static ares_ssize_t transmit(ares_socket_t fd, const struct iovec *iov, int num, void *arg)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)num };

	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
	.asocket = open_socket,
	.aclose = close_socket,
	.aconnect = connect_socket,
	.arecvfrom = receive,
	.asendv = transmit,
};

/* --- loop --------------------------------------------------------------------------------- */

/* When c-ares wants to be woken: after everything that may have changed it. */
static void arm(struct lookups *ls)
{
	struct timeval most = { .tv_sec = TIMER_MAX_MS / 1000 }, tv;
	struct timeval *next = ls->channel ? ares_timeout(ls->channel, NULL, &tv) : NULL;

	if (!next) {
		loop_disarm(&ls->timer);
		return;
	}
	if (next->tv_sec > most.tv_sec)
		next = &most;
	loop_arm(ls->loop, &ls->timer,
		 (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1);
}

static void socket_ready(struct watch *w, uint32_t events)
{
	struct lookup_socket *s = container_of(w, struct lookup_socket, watch);
	struct lookups *ls = s->lookups;
	uint32_t in = EPOLLIN | EPOLLERR | EPOLLHUP;

	ares_process_fd(ls->channel, events & in ? w->fd : ARES_SOCKET_BAD,
			events & EPOLLOUT ? w->fd : ARES_SOCKET_BAD);
	arm(ls);
}

static void timer_due(struct timer *t)
{
	struct lookups *ls = container_of(t, struct lookups, timer);

	ares_process_fd(ls->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(ls);
}

static struct lookup_socket *socket_of(struct lookups *ls, int fd)
{
	struct lookup_socket *unused = NULL;

	for (unsigned int i = 0; i < LOOKUP_SOCKETS_MAX; i++) {
		if (ls->socket[i].watch.fd == fd)
			return &ls->socket[i];
		if (ls->socket[i].watch.fd < 0)
			unused = &ls->socket[i];
	}
	return unused;
}

/* c-ares says what it waits for on one of its sockets; nothing = it is about to close it. */
static void socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct lookups *ls = arg;
	struct lookup_socket *s = socket_of(ls, fd);
	uint32_t events = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);

	if (!s)
		return; /* its question times out */
	if (!events) {
		if (s->watch.fd == fd)
			loop_remove(ls->loop, &s->watch);
		return;
	}
	if (s->watch.fd == fd) {
		(void)loop_modify(ls->loop, &s->watch, events);
		return;
	}
	s->watch.fd = fd;
	if (loop_add(ls->loop, &s->watch, events) < 0)
		s->watch.fd = -1;
}

/* --- life --------------------------------------------------------------------------------- */

int lookups_new(struct loop *loop, struct lookups **ret_lookups)
{
	struct lookups *ls = calloc(1, sizeof(*ls));

	if (!ls)
		return -ENOMEM;
	ls->loop = loop;
	list_init(&ls->queries);
	timer_init(&ls->timer, timer_due);
	for (unsigned int i = 0; i < LOOKUP_SOCKETS_MAX; i++) {
		ls->socket[i].lookups = ls;
		ls->socket[i].watch.fd = -1;
		ls->socket[i].watch.ready = socket_ready;
	}
	*ret_lookups = ls;
	return 0;
}

/* Every question ends with ARES_EDESTRUCTION. */
static void close_channel(struct lookups *ls)
{
	ares_channel channel = ls->channel;

	ls->channel = NULL;
	if (channel)
		ares_destroy(channel);
	loop_disarm(&ls->timer);
}

void lookups_free(struct lookups *ls)
{
	if (!ls)
		return;
	list_for_each_safe(pos, next, &ls->queries) {
		struct lookup_query *q = container_of(pos, struct lookup_query, link);

		if (q->owner)
			lookup_cancel(q->owner);
	}
	close_channel(ls);
	free(ls);
}

static bool has_servers(const struct lookups *ls, const struct endpoint *servers, unsigned int num)
{
	if (num != ls->servers)
		return false;
	for (unsigned int i = 0; i < num; i++) {
		if (servers[i].port != ls->server[i].port ||
		    !addr_eq(&servers[i].addr, &ls->server[i].addr))
			return false;
	}
	return true;
}

static int assign_servers(ares_channel channel, const struct endpoint *servers, unsigned int num)
{
	struct ares_addr_port_node node[DNS_UPSTREAMS_MAX] = { 0 };

	for (unsigned int i = 0; i < num; i++) {
		const struct addr *a = &servers[i].addr;

		node[i].family = addr_is_v4(a) ? AF_INET : AF_INET6;
		if (addr_is_v4(a))
			node[i].addr.addr4.s_addr = addr_to_v4(a);
		else
			memcpy(&node[i].addr.addr6, a, sizeof(node[i].addr.addr6));
		node[i].udp_port = node[i].tcp_port = ntohs(servers[i].port);
		node[i].next = i + 1 < num ? &node[i + 1] : NULL;
	}
	return ares_set_servers_ports(channel, node) == ARES_SUCCESS ? 0 : -ENOMEM;
}

int lookups_assign(struct lookups *ls, const struct endpoint *servers, unsigned int num)
{
	static char nothing[] = "/dev/null", dns_only[] = "b";
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = LOOKUP_TIMEOUT_MS,
		.tries = LOOKUP_TRIES,
		.lookups = dns_only,
		.resolvconf_path = nothing,
		.sock_state_cb = socket_state,
		.sock_state_cb_data = ls,
	};
	int what = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
		   ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;
	ares_channel channel;

	if (num > DNS_UPSTREAMS_MAX)
		num = DNS_UPSTREAMS_MAX;
	if (has_servers(ls, servers, num))
		return 0; /* lookups under way go on */
	close_channel(ls);
	ls->servers = 0;
	if (!num)
		return 0;
	if (ares_init_options(&channel, &options, what) != ARES_SUCCESS)
		return -ENOMEM;
	ares_set_socket_functions(channel, &socket_functions, ls);
	if (assign_servers(channel, servers, num) < 0) {
		ares_destroy(channel);
		return -ENOMEM;
	}
	memcpy(ls->server, servers, num * sizeof(*servers));
	ls->servers = num;
	ls->channel = channel;
	return 0;
}

/* --- lookups ------------------------------------------------------------------------------ */

static int error_of(int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return 0;
	case ARES_ENOMEM:
		return -ENOMEM;
	case ARES_ETIMEOUT:
		return -ETIMEDOUT;
	case ARES_ECONNREFUSED:
		return -ECONNREFUSED;
	case ARES_EDESTRUCTION:
		return -ECANCELED;
	default:
		return -EHOSTUNREACH; /* there is no such name, or nobody says */
	}
}

/* Returns the number of addresses, and the least of their TTLs. */
static unsigned int read_addresses(const struct ares_addrinfo *found,
				   struct endpoint ret_to[CONF_ADDRESSES_MAX], uint32_t *ret_ttl)
{
	unsigned int num = 0;

	*ret_ttl = UINT32_MAX;
	for (const struct ares_addrinfo_node *n = found->nodes; n && num < CONF_ADDRESSES_MAX;
	     n = n->ai_next) {
		if (endpoint_from_sockaddr(n->ai_addr, &ret_to[num]) < 0)
			continue;
		num++;
		if (n->ai_ttl >= 0 && (uint32_t)n->ai_ttl < *ret_ttl)
			*ret_ttl = (uint32_t)n->ai_ttl;
	}
	return num;
}

static void found_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct lookup_query *q = arg;
	struct endpoint to[CONF_ADDRESSES_MAX];
	struct lookup *owner = q->owner;
	unsigned int num = 0;
	uint32_t ttl = 0;
	int r = error_of(status);

	if (found) {
		num = read_addresses(found, to, &ttl);
		ares_freeaddrinfo(found);
	}
	if (r == 0 && !num)
		r = -EHOSTUNREACH;
	q->ended = true;
	q->status = r;
	if (q->starting)
		return;
	list_remove(&q->link);
	free(q);
	if (!owner)
		return;
	owner->query = NULL;
	owner->done(owner, r, to, num, ttl);
}

int lookup_start(struct lookups *ls, struct lookup *l, const char *name, int family)
{
	struct ares_addrinfo_hints hints = { .ai_family = family,
					     .ai_socktype = SOCK_STREAM,
					     .ai_flags = ARES_AI_NOSORT };
	struct lookup_query *q;

	if (!ls->channel)
		return -EDESTADDRREQ;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->owner = l;
	q->starting = true;
	l->query = q;
	list_append(&ls->queries, &q->link);
	ares_getaddrinfo(ls->channel, name, NULL, &hints, found_addresses, q);
	q->starting = false;
	arm(ls);
	if (q->ended) {
		int r = q->status < 0 ? q->status : -EINVAL; /* a name it takes for an address */

		l->query = NULL;
		list_remove(&q->link);
		free(q);
		return r;
	}
	return 0;
}

void lookup_cancel(struct lookup *l)
{
	if (l->query)
		l->query->owner = NULL;
	l->query = NULL;
}
