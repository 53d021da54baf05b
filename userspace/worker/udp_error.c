// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * UDP errors back to the application. Upstream sockets have IP_RECVERR, so the kernel keeps
 * each ICMP error that quotes one of their datagrams, with the address of who sent it: it
 * goes on as ICMP with that address, type, code and MTU, quoting the application's own
 * addresses, ports and as much of its payload as came back. A datagram that could not be sent at
 * all is answered from the stack's address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>

#include "worker/failure.h"
#include "worker/udp.h"

#define ERRORS_PER_READ 16
#define PAYLOAD_MAX 1232 /* quoted of a datagram: no more fits into an ICMP error anyway */
#define QUOTE_MAX (PACKET_HEADERS_MAX + PAYLOAD_MAX)
#define CONTROL_BYTES 256 /* extended error and offender, with room for more */

/* What a failure leaves behind as the session's end, should nothing else come. */
static void note_end(struct udp_session *s, int err, enum flow_end end)
{
	if (err != EMSGSIZE && (end == END_REFUSED || end == END_UNREACHABLE))
		s->end = end;
}

/* MTU of the socket's route, 0 if unknown. */
static int route_mtu(const struct udp_session *s)
{
	bool v4 = udp_family(s) == AF_INET;
	socklen_t len = sizeof(int);
	int mtu = 0;

	if (getsockopt(s->watch.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu,
		       &len))
		return 0;
	return mtu;
}

void udp_send_failed(struct udp_session *s, int err, const struct iovec *packet)
{
	struct worker *w = s->engine->worker;
	struct failure f = failure_of(err);
	const struct addr *from = err == ECONNREFUSED ? &s->session.key.daddr : NULL;
	int mtu = 0;

	if (err == EAGAIN) { /* as a full queue on the way: no word of it */
		worker_drop(w, DROP_UPSTREAM_FULL);
		return;
	}
	worker_drop(w, f.why);
	note_end(s, err, f.end);
	if (err == EMSGSIZE) {
		mtu = route_mtu(s);
		if (mtu <= 0 || (size_t)mtu >= packet->iov_len)
			f.icmp = ICMP_ERR_HOST;
	}
	worker_icmp_error(w, f.icmp, mtu, from, packet->iov_base, packet->iov_len);
}

/*
 * The packet that an error is about, as far as it is still known: the application's addresses
 * and ports, and `len` bytes of its payload that were quoted.
 */
static size_t quote(const struct udp_session *s, const void *payload, size_t len,
		    uint8_t buf[QUOTE_MAX])
{
	struct packet_path path = udp_path_up(s);
	size_t sent = s->sent_bytes > len ? s->sent_bytes : len;
	size_t at = packet_synthetic(buf, &path, IPPROTO_UDP, sent);

	memcpy(buf + at, payload, len);
	return at + len;
}

/* The 4 bytes behind the checksum of an ICMP error, from what the kernel kept of them. */
static uint32_t rest_of(const struct sock_extended_err *ee)
{
	bool v4 = ee->ee_origin == SO_EE_ORIGIN_ICMP;

	if (v4 && ee->ee_type == ICMP_DEST_UNREACH && ee->ee_code == ICMP_FRAG_NEEDED)
		return htonl(ee->ee_info & 0xffff);
	if (v4 && ee->ee_type == ICMP_PARAMETERPROB)
		return htonl(ee->ee_info << 24);
	if (!v4 && (ee->ee_type == ICMPV6_PKT_TOOBIG || ee->ee_type == ICMPV6_PARAMPROB))
		return htonl(ee->ee_info);
	return 0;
}

/* Who sent the error, in the application's terms. */
static struct addr offender_of(const struct udp_session *s, const struct sock_extended_err *ee)
{
	const struct settings *settings = &s->engine->worker->config.settings;
	const struct addr *daddr = &s->session.key.daddr;
	struct endpoint ep;

	if (endpoint_from_sockaddr(SO_EE_OFFENDER(ee), &ep) || addr_is_zero(&ep.addr) ||
	    addr_is_v4(&ep.addr) != addr_is_v4(daddr))
		return settings->host	 ? *daddr :
		       addr_is_v4(daddr) ? settings->stack4 :
					   settings->stack6;
	if (addr_is_loopback(&ep.addr)) /* config.host_loopback */
		return *daddr;
	return ep.addr;
}

static void relay(struct udp_session *s, const struct sock_extended_err *ee, const void *payload,
		  size_t payload_len)
{
	struct worker *w = s->engine->worker;
	struct failure f = failure_of(ee->ee_errno);
	uint8_t quoted[QUOTE_MAX], buf[PACKET_ICMP_MAX];
	struct addr from;
	size_t len;

	if (ee->ee_origin != SO_EE_ORIGIN_ICMP && ee->ee_origin != SO_EE_ORIGIN_ICMP6)
		return; /* local: the send that failed has told it */
	worker_drop(w, f.why);
	note_end(s, ee->ee_errno, f.end);
	from = offender_of(s, ee);
	len = quote(s, payload, payload_len, quoted);
	len = packet_icmp_raw(buf, ee->ee_type, ee->ee_code, rest_of(ee), &from, quoted, len);
	if (len)
		worker_write(w, buf, len);
}

/* False: the error queue is empty. */
static bool read_one(struct udp_session *s)
{
	union {
		struct cmsghdr align;
		char space[CONTROL_BYTES];
	} control;
	uint8_t payload[PAYLOAD_MAX];
	struct iovec iov = { payload, sizeof(payload) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.space,
			      .msg_controllen = sizeof(control.space) };
	ssize_t n = recvmsg(s->watch.fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
	struct cmsghdr *c;

	if (n < 0)
		return false;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;

		if ((v4 || v6) && c->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err) +
							  sizeof(struct sockaddr_in)))
			relay(s, (const struct sock_extended_err *)CMSG_DATA(c), payload, n);
	}
	return true;
}

bool udp_errors_read(struct udp_session *s)
{
	int n = 0;

	while (n < ERRORS_PER_READ && read_one(s))
		n++;
	return n > 0;
}

void udp_errors_clear(struct udp_session *s)
{
	uint8_t quoted[QUOTE_MAX];
	socklen_t len = sizeof(int);
	struct iovec packet = { quoted, 0 };
	int err = 0;

	if (udp_errors_read(s))
		return;
	/* Pending without an entry in the queue: reading it takes it off the socket. */
	if (getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &err, &len) || !err)
		return;
	packet.iov_len = quote(s, quoted, 0, quoted);
	udp_send_failed(s, err, &packet);
}
