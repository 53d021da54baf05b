// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Ways to send that might slip by a capture point: each sends to ADDRESS PORT, by TCP or UDP,
 * with something about the socket or the packet that is not as usual.
 *
 *   slip WAY tcp|udp ADDRESS PORT [ARGUMENT...]
 *
 *   plain                      nothing special
 *   device NAME                SO_BINDTODEVICE
 *   source ADDRESS             bound to that source address
 *   unicast-if NAME            IP_UNICAST_IF, IPV6_UNICAST_IF
 *   pktinfo NAME               UDP: IP_PKTINFO, IPV6_PKTINFO with that device
 *   mark NUMBER                SO_MARK
 *   elsewhere ADDRESS PORT     first to there (where it is allowed), then with the same socket
 *   mapped                     IPv4 by an IPv6 socket
 *   options                    IPv4 options; IPv6 destination options
 *   fast-open                  TCP: data in the SYN
 *   mptcp                      TCP: Multipath TCP
 *   udplite                    UDP: UDP-Lite (RFC 3828), which nobody answers
 *   gso                        UDP: one send, many datagrams
 *   large                      UDP: more than the MTU, cut by the kernel
 *   raw SOURCE                 a packet of our own making, IP header included
 *   fragments SOURCE           the same in two fragments, the first one with 8 bytes
 *   reversed SOURCE            the second one first
 *   segment SOURCE             the same as a segment that opens nothing
 *   dhcp SOURCE                UDP: the same from a port of DHCP to the other, whatever PORT says
 *   icmp SOURCE                the same as ICMP, an answer to an echo request that nobody sent
 *   other SOURCE NUMBER        the same as that protocol
 *   packet SOURCE DEVICE MAC   the same by AF_PACKET to that neighbour
 *   bypass SOURCE DEVICE MAC   and with PACKET_QDISC_BYPASS
 *   disguised ...              and as a protocol that is not what is in the frame
 *   foreign ...                and with the source address of another station
 *   tagged ...                 and with the tag of no VLAN, a priority
 *   twice-tagged ...           and with two of them
 *
 * With SLIP_WAIT=FILE in the environment the socket is made at once, and used when that file
 * (a FIFO) was written to. Says "answered" (status 0) if a byte came back within a second, or
 * why not; raw packets are "sent".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "lib/raw.h"

#define ANSWER_MS 1000
#define LARGE 4000
#define GSO_SEGMENT 100
#define RAW_PORT 4097
#define PACKET_MAX 256

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

struct target {
	struct sockaddr_storage to;
	socklen_t len;
	bool six;
	bool tcp;
	uint16_t from; /* port of packets of our own making */
	uint8_t tcp_flags;
	char **args; /* of the way */
};

static void die(const char *what)
{
	printf("%s: %s\n", what, strerrorname_np(errno));
	exit(1);
}

static socklen_t read_address(const char *address, const char *port, struct sockaddr_storage *ret)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_DGRAM };
	struct addrinfo *ai;
	socklen_t len;

	if (getaddrinfo(address, port, &hints, &ai) != 0) {
		fprintf(stderr, "slip: no address: %s %s\n", address, port);
		exit(2);
	}
	memcpy(ret, ai->ai_addr, ai->ai_addrlen);
	len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return len;
}

static void set(int fd, int level, int name, const void *value, socklen_t len)
{
	if (setsockopt(fd, level, name, value, len) < 0)
		die("setsockopt");
}

static void set_int(int fd, int level, int name, int value)
{
	set(fd, level, name, &value, sizeof(value));
}

static int device_of(const char *name)
{
	unsigned int index = if_nametoindex(name);

	if (index == 0)
		die(name);
	return (int)index;
}

/* --- what is special about the socket ------------------------------------------------------- */

static void by_device(int fd, struct target *t)
{
	set(fd, SOL_SOCKET, SO_BINDTODEVICE, t->args[0], (socklen_t)strlen(t->args[0]));
}

static void by_source(int fd, struct target *t)
{
	struct sockaddr_storage own;
	socklen_t len = read_address(t->args[0], "0", &own);

	if (bind(fd, (struct sockaddr *)&own, len) < 0)
		die("bind");
}

static void by_unicast_if(int fd, struct target *t)
{
	int index = (int)htonl((uint32_t)device_of(t->args[0]));

	set_int(fd, t->six ? IPPROTO_IPV6 : IPPROTO_IP, t->six ? IPV6_UNICAST_IF : IP_UNICAST_IF,
		index);
}

static void by_mark(int fd, struct target *t)
{
	set_int(fd, SOL_SOCKET, SO_MARK, (int)strtoul(t->args[0], NULL, 0));
}

static void by_options(int fd, struct target *t)
{
	static const uint8_t nops[4] = { 1, 1, 1, 0 };
	static const uint8_t padding[8] = { 0, 0, 1, 4 }; /* one PadN option */

	if (t->six)
		set(fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof(padding));
	else
		set(fd, IPPROTO_IP, IP_OPTIONS, nops, sizeof(nops));
}

static void by_gso(int fd, struct target *t)
{
	(void)t;
	set_int(fd, IPPROTO_UDP, UDP_SEGMENT, GSO_SEGMENT);
}

static void by_fast_open(int fd, struct target *t)
{
	(void)t;
	set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
}

/* UDP: the socket stays connected there. TCP: it is connected, dissolved, and used again. */
static void by_elsewhere(int fd, struct target *t)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage first;
	char answer[PACKET_MAX];
	socklen_t len = read_address(t->args[0], t->args[1], &first);

	if (connect(fd, (struct sockaddr *)&first, len) < 0)
		die("connect to where it is allowed");
	if (t->tcp) {
		if (connect(fd, &none, sizeof(none)) < 0)
			die("dissolve");
	} else if (send(fd, "?", 1, 0) < 0 || recv(fd, answer, sizeof(answer), 0) <= 0) {
		die("where it is allowed");
	}
}

static void by_mapped(int fd, struct target *t)
{
	struct sockaddr_in *four = (struct sockaddr_in *)&t->to;
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = four->sin_port };

	set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&six.sin6_addr.s6_addr[12], &four->sin_addr, 4);
	memcpy(&t->to, &six, sizeof(six));
	t->len = sizeof(six);
}

/* --- sending -------------------------------------------------------------------------------- */

static void send_pktinfo(int fd, struct target *t)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec data = { .iov_base = "?", .iov_len = 1 };
	struct msghdr msg = { .msg_name = &t->to,
			      .msg_namelen = t->len,
			      .msg_iov = &data,
			      .msg_iovlen = 1,
			      .msg_control = &control };
	struct cmsghdr *c = &control.align;

	if (t->six) {
		struct in6_pktinfo info = { .ipi6_ifindex = (unsigned int)device_of(t->args[0]) };

		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_ifindex = device_of(t->args[0]) };

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
	msg.msg_controllen = CMSG_SPACE(c->cmsg_len - CMSG_LEN(0));
	if (sendmsg(fd, &msg, 0) < 0)
		die("sendmsg");
}

static void send_udp(int fd, struct target *t, size_t len)
{
	static char data[LARGE];

	if (sendto(fd, data, len, 0, (struct sockaddr *)&t->to, t->len) < 0)
		die("sendto");
}

static void send_fast_open(int fd, struct target *t)
{
	if (sendto(fd, "?", 1, MSG_FASTOPEN, (struct sockaddr *)&t->to, t->len) < 0)
		die("MSG_FASTOPEN");
}

/* --- packets of our own making ---------------------------------------------------------------- */

/* The transport header and a byte, checksum included. Returns their length. */
static size_t make_transport(const struct target *t, uint8_t proto, const uint8_t *addrs,
			     size_t addr_len, uint8_t *p)
{
	const struct sockaddr_in *to = (const struct sockaddr_in *)&t->to;
	size_t len = t->tcp ? 20 : 9;
	uint32_t sum;

	memset(p, 0, len);
	raw_put16(p, t->from);
	memcpy(p + 2, &to->sin_port, 2); /* IPv6's port lies at the same place */
	if (t->tcp) {
		raw_put32(p + 4, 1);
		p[12] = 5 << 4;
		p[13] = t->tcp_flags;
		raw_put16(p + 14, 65535);
	} else {
		raw_put16(p + 4, (uint32_t)len);
		p[8] = '?';
	}
	sum = raw_sum((uint32_t)(proto + len), addrs, 2 * addr_len);
	raw_put16(p + (t->tcp ? 16 : 6), raw_checksum(raw_sum(sum, p, len)));
	return len;
}

/* An answer to an echo request, of a byte. */
static size_t make_icmp(const struct target *t, uint8_t proto, const uint8_t *addrs,
			size_t addr_len, uint8_t *p)
{
	size_t len = 9;
	uint32_t sum = t->six ? raw_sum((uint32_t)(proto + len), addrs, 2 * addr_len) : 0;

	memset(p, 0, len);
	p[0] = t->six ? 129 : 0;
	p[8] = '?';
	raw_put16(p + 2, raw_checksum(raw_sum(sum, p, len)));
	return len;
}

static size_t put_header4(uint8_t *p, uint8_t proto, const uint8_t *addrs, size_t payload,
			  uint32_t fragment)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	raw_put16(p + 2, (uint32_t)(20 + payload));
	raw_put16(p + 4, (uint32_t)getpid());
	raw_put16(p + 6, fragment);
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, addrs, 8);
	raw_put16(p + 10, raw_checksum(raw_sum(0, p, 20)));
	return 20;
}

/* `fragment`: offset in bytes, 1 = more to come (as both families have it, up to a shift). */
static size_t put_header6(uint8_t *p, uint8_t proto, const uint8_t *addrs, size_t payload,
			  bool fragmented, uint32_t fragment)
{
	size_t extra = fragmented ? 8 : 0;

	memset(p, 0, 48);
	p[0] = 0x60;
	raw_put16(p + 4, (uint32_t)(payload + extra));
	p[6] = fragmented ? IPPROTO_FRAGMENT : proto;
	p[7] = 64;
	memcpy(p + 8, addrs, 32);
	if (fragmented) {
		p[40] = proto;
		raw_put16(p + 42, fragment);
		raw_put32(p + 44, (uint32_t)getpid());
	}
	return 40 + extra;
}

/* One packet, or one of two fragments (`part` 1 and 2; 0 = whole). */
static size_t make_packet(const struct target *t, uint8_t proto, int part, uint8_t *p)
{
	uint8_t addrs[32], transport[32];
	struct sockaddr_storage own;
	size_t len, off = part == 2 ? 8 : 0, header;
	bool more = part == 1;

	read_address(t->args[0], "0", &own);
	if (t->six) {
		memcpy(addrs, &((struct sockaddr_in6 *)&own)->sin6_addr, 16);
		memcpy(addrs + 16, &((const struct sockaddr_in6 *)&t->to)->sin6_addr, 16);
	} else {
		memcpy(addrs, &((struct sockaddr_in *)&own)->sin_addr, 4);
		memcpy(addrs + 4, &((const struct sockaddr_in *)&t->to)->sin_addr, 4);
	}
	len = proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6 ?
		      make_icmp(t, proto, addrs, t->six ? 16 : 4, transport) :
		      make_transport(t, proto, addrs, t->six ? 16 : 4, transport);
	len = part == 1 ? 8 : len - off;
	header = t->six ? put_header6(p, proto, addrs, len, part, (uint32_t)off | more) :
			  put_header4(p, proto, addrs, len, (uint32_t)off / 8 | more << 13);
	memcpy(p + header, transport + off, len);
	return header + len;
}

static uint8_t proto_of(const struct target *t)
{
	return t->tcp ? IPPROTO_TCP : IPPROTO_UDP;
}

static void send_raw(const struct target *t, uint8_t proto, int part)
{
	int fd = socket(t->six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct sockaddr_storage to = t->to;
	uint8_t packet[PACKET_MAX];
	size_t len = make_packet(t, proto, part, packet);

	((struct sockaddr_in *)&to)->sin_port = 0;
	if (fd < 0 || sendto(fd, packet, len, 0, (struct sockaddr *)&to, t->len) < 0)
		die("raw socket");
	close(fd);
}

static void read_mac(const char *text, uint8_t mac[6])
{
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5]) != 6)
		die("MAC address");
}

/* The frame's header. Returns its length. */
static size_t make_frame(const struct target *t, bool foreign, int tags, uint8_t *p)
{
	struct ifreq own = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t at = 12;

	snprintf(own.ifr_name, sizeof(own.ifr_name), "%s", t->args[1]);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &own) < 0)
		die(t->args[1]);
	close(fd);
	read_mac(t->args[2], p);
	memcpy(p + 6, own.ifr_hwaddr.sa_data, 6);
	p[11] ^= foreign;
	for (; tags > 0; tags--) {
		raw_put16(p + at, ETH_P_8021Q);
		raw_put16(p + at + 2, 1 << 13); /* priority 1, VLAN 0 */
		at += 4;
	}
	raw_put16(p + at, t->six ? ETH_P_IPV6 : ETH_P_IP);
	return at + 2;
}

/* A frame of our own making, by AF_PACKET round traffic control. */
static void send_frame(const struct target *t, const char *way)
{
	int tags = !strcmp(way, "tagged") ? 1 : !strcmp(way, "twice-tagged") ? 2 : 0;
	uint16_t type = t->six ? ETH_P_IPV6 : ETH_P_IP;
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_ifindex = device_of(t->args[1]),
				  .sll_halen = 6 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint8_t frame[22 + PACKET_MAX];
	size_t len = make_frame(t, !strcmp(way, "foreign"), tags, frame);

	if (tags)
		type = ETH_P_8021Q;
	else if (!strcmp(way, "disguised"))
		type = ETH_P_802_EX1;
	to.sll_protocol = htons(type);
	memcpy(to.sll_addr, frame, 6);
	len += make_packet(t, proto_of(t), 0, frame + len);
	if (fd < 0)
		die("AF_PACKET");
	set_int(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	if (sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("AF_PACKET");
	close(fd);
}

static void send_packet(const struct target *t, bool bypass)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(t->six ? ETH_P_IPV6 : ETH_P_IP),
				  .sll_ifindex = device_of(t->args[1]),
				  .sll_halen = 6 };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint8_t packet[PACKET_MAX];
	size_t len = make_packet(t, proto_of(t), 0, packet);

	if (fd < 0)
		die("AF_PACKET");
	read_mac(t->args[2], to.sll_addr);
	if (bypass)
		set_int(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	if (sendto(fd, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("AF_PACKET");
	close(fd);
}

/* --- which way ------------------------------------------------------------------------------ */

static const struct way {
	const char *name;
	int args;
	void (*prepare)(int fd, struct target *t);
} ways[] = {
	{ "plain", 0, NULL },
	{ "device", 1, by_device },
	{ "source", 1, by_source },
	{ "unicast-if", 1, by_unicast_if },
	{ "pktinfo", 1, NULL },
	{ "mark", 1, by_mark },
	{ "elsewhere", 2, by_elsewhere },
	{ "mapped", 0, by_mapped },
	{ "options", 0, by_options },
	{ "fast-open", 0, by_fast_open },
	{ "mptcp", 0, NULL },
	{ "udplite", 0, NULL },
	{ "gso", 0, by_gso },
	{ "large", 0, NULL },
	{ "raw", 1, NULL },
	{ "fragments", 1, NULL },
	{ "reversed", 1, NULL },
	{ "segment", 1, NULL },
	{ "dhcp", 1, NULL },
	{ "icmp", 1, NULL },
	{ "other", 2, NULL },
	{ "packet", 3, NULL },
	{ "bypass", 3, NULL },
	{ "disguised", 3, NULL },
	{ "foreign", 3, NULL },
	{ "tagged", 3, NULL },
	{ "twice-tagged", 3, NULL },
};

static int is(const struct way *way, const char *name)
{
	return !strcmp(way->name, name);
}

static void send_dhcp(struct target *t)
{
	((struct sockaddr_in *)&t->to)->sin_port = htons(t->six ? 547 : 67);
	t->from = t->six ? 546 : 68;
	send_raw(t, IPPROTO_UDP, 0);
}

static bool crafted(const struct way *way, struct target *t)
{
	t->from = RAW_PORT;
	t->tcp_flags = is(way, "segment") ? 16 : 2; /* ACK, SYN */
	if (is(way, "raw") || is(way, "segment")) {
		send_raw(t, proto_of(t), 0);
	} else if (is(way, "fragments")) {
		send_raw(t, proto_of(t), 1);
		send_raw(t, proto_of(t), 2);
	} else if (is(way, "reversed")) {
		send_raw(t, proto_of(t), 2);
		send_raw(t, proto_of(t), 1);
	} else if (is(way, "dhcp")) {
		send_dhcp(t);
	} else if (is(way, "icmp")) {
		send_raw(t, t->six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 0);
	} else if (is(way, "other")) {
		send_raw(t, (uint8_t)strtoul(t->args[1], NULL, 0), 0);
	} else if (is(way, "packet") || is(way, "bypass")) {
		send_packet(t, is(way, "bypass"));
	} else if (is(way, "disguised") || is(way, "foreign") || is(way, "tagged") ||
		   is(way, "twice-tagged")) {
		send_frame(t, way->name);
	} else {
		return false;
	}
	return true;
}

static void wait_for_word(void)
{
	const char *path = getenv("SLIP_WAIT");
	char byte;
	int fd;

	if (!path)
		return;
	puts("waiting");
	fflush(stdout);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &byte, 1) != 1)
		die(path);
	close(fd);
}

static void send_by(const struct way *way, int fd, struct target *t)
{
	if (is(way, "pktinfo"))
		send_pktinfo(fd, t);
	else if (is(way, "fast-open"))
		send_fast_open(fd, t);
	else if (!t->tcp)
		send_udp(fd, t, is(way, "large") ? LARGE : is(way, "gso") ? 3 * GSO_SEGMENT : 1);
	else if (connect(fd, (struct sockaddr *)&t->to, t->len) < 0)
		die("connect");
}

static int by_socket(const struct way *way, struct target *t)
{
	int family = t->six || is(way, "mapped") ? AF_INET6 : AF_INET;
	int fd = socket(family, (t->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC,
			is(way, "mptcp")   ? IPPROTO_MPTCP :
			is(way, "udplite") ? IPPROTO_UDPLITE :
					     0);
	struct timeval limit = { .tv_sec = ANSWER_MS / 1000 };
	char answer[LARGE];

	if (fd < 0)
		die("socket");
	set(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	set(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!t->tcp) /* errors of unconnected sockets, too */
		set_int(fd, family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
			family == AF_INET6 ? IPV6_RECVERR : IP_RECVERR, 1);
	if (way->prepare)
		way->prepare(fd, t);
	wait_for_word();
	send_by(way, fd, t);
	if ((is(way, "elsewhere") && !t->tcp) || is(way, "udplite")) { /* it takes no answer */
		puts("sent");
		return 0;
	}
	if (recv(fd, answer, sizeof(answer), 0) <= 0)
		die("recv");
	puts("answered");
	return 0;
}

int main(int argc, char **argv)
{
	const struct way *way = NULL;
	struct target t = { 0 };

	for (size_t i = 0; argc >= 5 && i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (is(&ways[i], argv[1]) && argc - 5 >= ways[i].args)
			way = &ways[i];
	}
	if (!way) {
		fprintf(stderr, "usage: slip WAY tcp|udp ADDRESS PORT [ARGUMENT...]\n");
		return 2;
	}
	t.tcp = !strcmp(argv[2], "tcp");
	t.len = read_address(argv[3], argv[4], &t.to);
	t.six = t.to.ss_family == AF_INET6;
	t.args = argv + 5;
	if (crafted(way, &t)) {
		puts("sent");
		return 0;
	}
	return by_socket(way, &t);
}
