// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * main DEVICE NETNS-PID APP SERVER SILENT: the TCP checklist (lib/checklist.h) through a real
 * TUN. Segments are put onto DEVICE as they are and taken from it the same way (AF_PACKET), from
 * the address APP, which no kernel owns, so that none answers for it. SERVER is listened on in
 * the network namespace of process NETNS-PID; nothing there answers for SILENT.
 */
#include "lib/checklist.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "base/addr.h"

#define PORT 7777
#define RECEIVE_BYTES (64 << 20)
#define LISTEN_BACKLOG 128
#define MTU_PAYLOAD 1400

static int packets = -1;
static struct sockaddr_ll device;

static void link_put(const uint8_t *packet, size_t len)
{
	struct sockaddr *to = (struct sockaddr *)&device;
	struct pollfd room = { .fd = packets, .events = POLLOUT };

	while (sendto(packets, packet, len, 0, to, sizeof(device)) < 0) {
		if (errno != EAGAIN && errno != ENOBUFS)
			err(1, "sendto");
		poll(&room, 1, 1);
	}
}

/* Is the checksum still the device's to complete? */
static bool is_partial(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return aux.tp_status & TP_STATUS_CSUMNOTREADY;
	}
	return false;
}

static ssize_t link_take(uint8_t *buf, size_t size, bool *ret_complete)
{
	uint8_t control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct sockaddr_ll from;
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do {
		msg.msg_namelen = sizeof(from);
		msg.msg_controllen = sizeof(control);
		n = recvmsg(packets, &msg, MSG_DONTWAIT);
	} while (n >= 0 && from.sll_pkttype == PACKET_OUTGOING);
	*ret_complete = n >= 0 && !is_partial(&msg);
	return n;
}

static void link_turn(int fd, int ms)
{
	struct pollfd p = { .fd = fd >= 0 ? fd : packets, .events = POLLIN };

	poll(&p, 1, ms);
}

static void link_pass(unsigned int ms)
{
	link_turn(-1, (int)ms);
}

static void open_device(const char *name, bool v6)
{
	int bytes = RECEIVE_BYTES, on = 1;

	device = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_protocol = htons(v6 ? ETH_P_IPV6 : ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	packets = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (packets < 0 || device.sll_ifindex == 0)
		err(1, "%s", name);
	if (setsockopt(packets, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(packets, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    bind(packets, (struct sockaddr *)&device, sizeof(device)))
		err(1, "packet socket");
}

static void enter(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "%s", path);
	close(fd);
}

static int listen_at(const struct addr *addr)
{
	struct endpoint to = { .addr = *addr, .port = htons(PORT) };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&to, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&ss, len) || listen(fd, LISTEN_BACKLOG))
		err(1, "listen");
	return fd;
}

static void take_address(const char *text, struct addr *ret_addr)
{
	if (addr_parse(text, ret_addr))
		errx(2, "%s: no address", text);
}

static void link_up(char **argv)
{
	peer_link = (struct peer_link){
		.put = link_put,
		.take = link_take,
		.turn = link_turn,
		.pass = link_pass,
		.segment_max = MTU_PAYLOAD,
		.port = htons(PORT),
	};
	take_address(argv[3], &peer_link.app);
	take_address(argv[4], &peer_link.server);
	take_address(argv[5], &peer_link.silent);
	open_device(argv[1], !addr_is_v4(&peer_link.app));
	enter(argv[2]);
	peer_link.listener = listen_at(&peer_link.server);
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc != 6)
		errx(2, "usage: main DEVICE NETNS-PID APP SERVER SILENT");
	link_up(argv);
	failed +=
		_cmocka_run_group_tests("blind", checklist_blind, checklist_blind_num, NULL, NULL);
	failed += _cmocka_run_group_tests("syn", checklist_syn, checklist_syn_num, NULL, NULL);
	failed += _cmocka_run_group_tests("data", checklist_data, checklist_data_num, NULL, NULL);
	failed +=
		_cmocka_run_group_tests("close", checklist_close, checklist_close_num, NULL, NULL);
	return failed != 0;
}
