// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who reached the far side, as what, and what the sender learned: for tests of capture.
 *
 *   seen serve PORT ADDRESS...      TCP and UDP; says to each client how it was seen
 *   seen ask tcp|udp ADDRESS PORT   asks such a server
 *   seen ping ADDRESS               one ICMP echo with an identifier of its own
 *   seen keep ADDRESS PORT          asks by UDP with one socket until SIGTERM: "asked N lost M",
 *                                   lost being what had no answer within 3 s
 *   seen watch DEVICE...            a line for each different packet head that comes in there:
 *                                   PROTOCOL SOURCE PORT DESTINATION PORT; of an ICMP echo
 *                                   request the first port is its identifier
 *
 * `ask` and `ping` print one line:
 *   answered OWN-PORT SEEN-ADDRESS SEEN-PORT   (ping: answered IDENTIFIER)
 *   refused ERRNO MILLISECONDS                 (errno as a word; ping: of the ICMP error)
 *   silent                                     nothing within SEEN_MS (1500) milliseconds
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define SERVERS_MAX 64
#define LINE_MAX_BYTES 160
#define HEADS_MAX 4096 /* different ones that are remembered */
#define ICMP4_LEN 8
#define KEEP_MS 3000
#define KEEP_PAUSE_MS 5

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct addrinfo *find_address(const char *address, const char *port, int type)
{
	struct addrinfo hints = { .ai_socktype = type,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai;

	if (getaddrinfo(address, port, &hints, &ai) != 0) {
		fprintf(stderr, "seen: no address: %s %s\n", address, port ? port : "");
		exit(2);
	}
	return ai;
}

static size_t tell_peer(char *line, const struct sockaddr *peer, socklen_t len)
{
	char host[64];
	char port[8];

	if (getnameinfo(peer, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		die("getnameinfo");
	return (size_t)snprintf(line, LINE_MAX_BYTES, "%s %s\n", host, port);
}

/* --- server --------------------------------------------------------------------------------- */

static int serve_on(const char *address, const char *port, int type)
{
	struct addrinfo *ai = find_address(address, port, type);
	int fd = socket(ai->ai_family, type | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 128) < 0))
		die(address);
	freeaddrinfo(ai);
	return fd;
}

static void serve_tcp(int listener)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char line[LINE_MAX_BYTES];
	int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	(void)send(fd, line, tell_peer(line, (struct sockaddr *)&peer, len), MSG_NOSIGNAL);
	close(fd);
}

static void serve_udp(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char line[LINE_MAX_BYTES];

	if (recvfrom(fd, line, sizeof(line), 0, (struct sockaddr *)&peer, &len) < 0)
		return;
	(void)sendto(fd, line, tell_peer(line, (struct sockaddr *)&peer, len), 0,
		     (struct sockaddr *)&peer, len);
}

static void serve(const char *port, char **addresses, int count)
{
	struct pollfd fds[SERVERS_MAX];
	int n = 0;

	for (int i = 0; i < count && n + 2 <= SERVERS_MAX; i++) {
		fds[n++] = (struct pollfd){ .fd = serve_on(addresses[i], port, SOCK_STREAM),
					    .events = POLLIN };
		fds[n++] = (struct pollfd){ .fd = serve_on(addresses[i], port, SOCK_DGRAM),
					    .events = POLLIN };
	}
	for (;;) {
		if (poll(fds, (nfds_t)n, -1) < 0)
			die("poll");
		for (int i = 0; i < n; i++) {
			if (fds[i].revents)
				i % 2 ? serve_udp(fds[i].fd) : serve_tcp(fds[i].fd);
		}
	}
}

/* --- clients -------------------------------------------------------------------------------- */

static int limit_ms(void)
{
	const char *text = getenv("SEEN_MS");

	return text ? atoi(text) : 1500;
}

static int refused(int error, int64_t start)
{
	printf("refused %s %lld\n", strerrorname_np(error), (long long)(now_ms() - start));
	return 1;
}

static int silent(void)
{
	puts("silent");
	return 1;
}

static uint16_t own_port(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		die("getsockname");
	return ntohs(((struct sockaddr_in *)&own)->sin_port); /* IPv6's lies at the same place */
}

/* 1 = ready, 0 = out of time, or -errno of the socket. */
static int wait_socket(int fd, short events, int64_t start)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int left = limit_ms() - (int)(now_ms() - start);
	socklen_t len = sizeof(int);
	int error = 0;
	int r = poll(&pfd, 1, left > 0 ? left : 0);

	if (r <= 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		die("SO_ERROR");
	return error ? -error : 1;
}

static int ask(const char *kind, const char *address, const char *port)
{
	int type = !strcmp(kind, "tcp") ? SOCK_STREAM : SOCK_DGRAM;
	struct addrinfo *ai = find_address(address, port, type);
	int fd = socket(ai->ai_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char line[LINE_MAX_BYTES];
	int64_t start = now_ms();
	ssize_t n;
	int r;

	if (fd < 0)
		die("socket");
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno != EINPROGRESS)
		return refused(errno, start);
	freeaddrinfo(ai);
	r = wait_socket(fd, POLLOUT, start);
	if (r <= 0)
		return r ? refused(-r, start) : silent();
	if (type == SOCK_DGRAM && send(fd, "?", 1, 0) < 0)
		return refused(errno, start);
	r = wait_socket(fd, POLLIN, start);
	if (r <= 0)
		return r ? refused(-r, start) : silent();
	n = recv(fd, line, sizeof(line) - 1, 0);
	if (n <= 0)
		return refused(n ? errno : ENODATA, start);
	line[n] = '\0';
	printf("answered %u %s", own_port(fd), line);
	return 0;
}

static volatile sig_atomic_t ended;

static void end(int signal_number)
{
	(void)signal_number;
	ended = 1;
}

static int keep_asking(const char *address, const char *port)
{
	struct addrinfo *ai = find_address(address, port, SOCK_DGRAM);
	int fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned long asked = 0;
	unsigned long lost = 0;
	char line[LINE_MAX_BYTES];

	signal(SIGTERM, end);
	if (fd < 0 || connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		die("connect");
	freeaddrinfo(ai);
	while (!ended) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		asked++;
		if (send(fd, "?", 1, 0) < 0 || (poll(&pfd, 1, KEEP_MS) <= 0 && !ended) ||
		    (recv(fd, line, sizeof(line), MSG_DONTWAIT) <= 0 && !ended))
			lost++;
		poll(NULL, 0, KEEP_PAUSE_MS);
	}
	printf("asked %lu lost %lu\n", asked, lost);
	return 0;
}

/* The errors of raw sockets come by their error queue. */
static int ping_error(int fd)
{
	char control[256];
	struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct sock_extended_err *error;
	struct cmsghdr *c;

	if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return 0;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
			error = (struct sock_extended_err *)CMSG_DATA(c);
			return (int)error->ee_errno;
		}
	}
	return 0;
}

static bool is_reply(const uint8_t *data, ssize_t len, bool six, uint16_t id)
{
	size_t off = six ? 0 : (size_t)(data[0] & 15) * 4;

	return len >= (ssize_t)off + ICMP4_LEN &&
	       data[off] == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && data[off + 4] == id >> 8 &&
	       data[off + 5] == (id & 255);
}

static void echo_request(uint8_t data[ICMP4_LEN], bool six, uint16_t id)
{
	uint32_t sum;

	memset(data, 0, ICMP4_LEN);
	data[0] = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	data[4] = (uint8_t)(id >> 8);
	data[5] = (uint8_t)id;
	data[7] = 1;
	if (six) /* the kernel puts ICMPv6's checksum */
		return;
	sum = (uint32_t)(data[0] << 8) + id + 1;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	data[2] = (uint8_t)(sum >> 8);
	data[3] = (uint8_t)sum;
}

static int ping(const char *address)
{
	struct addrinfo *ai = find_address(address, NULL, SOCK_RAW);
	bool six = ai->ai_family == AF_INET6;
	int fd =
		socket(ai->ai_family, SOCK_RAW | SOCK_CLOEXEC, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	uint8_t data[1500];
	int64_t start = now_ms();
	int on = 1;
	uint16_t id;
	ssize_t n;
	int r;

	if (fd < 0 || getrandom(&id, sizeof(id), 0) < 0 ||
	    setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVERR : IP_RECVERR, &on,
		       sizeof(on)) < 0 ||
	    connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		die("ping");
	freeaddrinfo(ai);
	echo_request(data, six, id);
	if (send(fd, data, ICMP4_LEN, 0) < 0)
		return refused(errno, start);
	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		int left = limit_ms() - (int)(now_ms() - start);

		if (left <= 0 || poll(&pfd, 1, left) <= 0)
			return silent();
		r = ping_error(fd);
		if (r)
			return refused(r, start);
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		if (is_reply(data, n, six, id))
			break;
	}
	printf("answered %u\n", id);
	return 0;
}

/* --- watcher -------------------------------------------------------------------------------- */

struct head {
	int family;
	int proto;
	uint8_t addr[2][16];
	uint16_t port[2];
};

static struct head heads[HEADS_MAX];
static size_t heads_num;

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put_ports(struct head *head, const uint8_t *p, size_t len)
{
	bool echo =
		(head->proto == IPPROTO_ICMP && len >= ICMP4_LEN && p[0] == ICMP_ECHO) ||
		(head->proto == IPPROTO_ICMPV6 && len >= ICMP4_LEN && p[0] == ICMP6_ECHO_REQUEST);

	if (echo)
		head->port[0] = get16(p + 4);
	if ((head->proto != IPPROTO_TCP && head->proto != IPPROTO_UDP) || len < 4)
		return;
	head->port[0] = get16(p);
	head->port[1] = get16(p + 2);
}

static bool parse4(struct head *head, const uint8_t *p, size_t len)
{
	size_t off = len >= 20 ? (size_t)(p[0] & 15) * 4 : 0;

	if (off < 20 || off > len)
		return false;
	head->family = AF_INET;
	head->proto = p[9];
	memcpy(head->addr[0], p + 12, 4);
	memcpy(head->addr[1], p + 16, 4);
	if ((get16(p + 6) & 0x1fff) == 0)
		put_ports(head, p + off, len - off);
	return true;
}

static bool is_extension(int next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_ROUTING ||
	       next == IPPROTO_FRAGMENT;
}

static bool parse6(struct head *head, const uint8_t *p, size_t len)
{
	size_t off = sizeof(struct ip6_hdr);

	if (len < off)
		return false;
	head->family = AF_INET6;
	head->proto = p[6];
	memcpy(head->addr[0], p + 8, 16);
	memcpy(head->addr[1], p + 24, 16);
	while (is_extension(head->proto) && off + 8 <= len) {
		bool fragment = head->proto == IPPROTO_FRAGMENT;

		head->proto = p[off];
		if (fragment && (get16(p + off + 2) & 0xfff8))
			return true; /* ports are in the first one */
		off += fragment ? 8 : (size_t)(p[off + 1] + 1) * 8;
	}
	if (off < len)
		put_ports(head, p + off, len - off);
	return true;
}

static void tell_head(const struct head *head)
{
	const char *proto = head->proto == IPPROTO_TCP	  ? "tcp" :
			    head->proto == IPPROTO_UDP	  ? "udp" :
			    head->proto == IPPROTO_ICMP	  ? "icmp" :
			    head->proto == IPPROTO_ICMPV6 ? "icmp" :
							    NULL;
	char addr[2][INET6_ADDRSTRLEN];

	for (int i = 0; i < 2; i++)
		inet_ntop(head->family, head->addr[i], addr[i], sizeof(addr[i]));
	if (proto)
		printf("%s", proto);
	else
		printf("%d", head->proto);
	printf(" %s %u %s %u\n", addr[0], head->port[0], addr[1], head->port[1]);
}

static void note_packet(const uint8_t *p, size_t len)
{
	struct head head = { 0 };

	if (len < 20 || !(p[0] >> 4 == 6 ? parse6(&head, p, len) : parse4(&head, p, len)))
		return;
	for (size_t i = 0; i < heads_num; i++) {
		if (!memcmp(&heads[i], &head, sizeof(head)))
			return;
	}
	if (heads_num == HEADS_MAX)
		heads_num = 0; /* some are told twice then */
	heads[heads_num++] = head;
	tell_head(&head);
}

static void watch(char **devices, int count)
{
	struct pollfd fds[SERVERS_MAX];
	uint8_t packet[2048];

	for (int i = 0; i < count && i < SERVERS_MAX; i++) {
		struct sockaddr_ll at = { .sll_family = AF_PACKET,
					  .sll_protocol = htons(ETH_P_ALL),
					  .sll_ifindex = (int)if_nametoindex(devices[i]) };

		fds[i].events = POLLIN;
		fds[i].fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
		if (fds[i].fd < 0 || !at.sll_ifindex ||
		    bind(fds[i].fd, (struct sockaddr *)&at, sizeof(at)) < 0)
			die(devices[i]);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("watching");
	while (poll(fds, (nfds_t)count, -1) >= 0) {
		for (int i = 0; i < count; i++) {
			struct sockaddr_ll from;
			socklen_t len = sizeof(from);
			ssize_t n = recvfrom(fds[i].fd, packet, sizeof(packet), MSG_DONTWAIT,
					     (struct sockaddr *)&from, &len);

			if (n > 0 && from.sll_pkttype != PACKET_OUTGOING &&
			    (ntohs(from.sll_protocol) == ETH_P_IP ||
			     ntohs(from.sll_protocol) == ETH_P_IPV6))
				note_packet(packet, (size_t)n);
		}
	}
	die("poll");
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], argv + 3, argc - 3);
	else if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask(argv[2], argv[3], argv[4]);
	else if (argc == 3 && !strcmp(argv[1], "ping"))
		return ping(argv[2]);
	else if (argc == 4 && !strcmp(argv[1], "keep"))
		return keep_asking(argv[2], argv[3]);
	else if (argc >= 3 && argc - 2 <= SERVERS_MAX && !strcmp(argv[1], "watch"))
		watch(argv + 2, argc - 2);
	fprintf(stderr, "usage: seen serve PORT ADDRESS... | seen ask tcp|udp ADDRESS PORT | "
			"seen ping ADDRESS | seen keep ADDRESS PORT | seen watch DEVICE...\n");
	return 2;
}
