// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Raw ICMP sockets. The kernel would copy every ICMP packet of the host to such a socket; a
 * classic BPF filter, locked on, leaves only what belongs to echo requests with our own
 * identifiers, so that an unprivileged role with the socket sees nothing else of the host.
 *
 * A raw IPv4 socket's filter sees the packet from its IP header on, an IPv6 one's from the
 * ICMPv6 header on. In a quoted IPv6 packet a fragment header is stepped over, no other.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>

#include "netdev/icmp.h"

#define ID_BITS_MAX 15
#define ACCEPT 0xffffffffU

/* Offsets that the programs use. */
#define ICMP_ID 4
#define ICMP_BYTES 8
#define IP4_PROTOCOL 9
#define IP6_BYTES 40
#define IP6_NEXT 6
#define IP6_FRAGMENT_BYTES 8

#define LOAD_BYTE(mode, at) BPF_STMT(BPF_LD | BPF_B | (mode), at)
#define LOAD_HALF(mode, at) BPF_STMT(BPF_LD | BPF_H | (mode), at)
#define JUMP_EQ(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)

/* The last four steps of both. A: identifier; pass if it lies in our range, else drop. */
#define ID_IN_RANGE(base, mask)                                                                    \
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask), JUMP_EQ(base, 0, 1),                            \
		BPF_STMT(BPF_RET | BPF_K, ACCEPT), BPF_STMT(BPF_RET | BPF_K, 0)

static int filter_attach(int fd, struct sock_filter *steps, size_t n)
{
	struct sock_fprog program = { .len = n, .filter = steps };
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)))
		return -errno;
	return 0;
}

/* X: length of the outer IP header, later where the quoted ICMP header is, less ICMP_BYTES. */
static int filter4(int fd, uint16_t base, uint16_t mask)
{
	struct sock_filter steps[] = {
		/* 0 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		/* 1 */ LOAD_BYTE(BPF_IND, 0), /* type */
		/* 2 */ JUMP_EQ(ICMP_ECHOREPLY, 0, 2),
		/* 3 */ LOAD_HALF(BPF_IND, ICMP_ID),
		/* 4 */ BPF_STMT(BPF_JMP | BPF_JA, 13), /* to 18 */
		/* 5 */ JUMP_EQ(ICMP_DEST_UNREACH, 2, 0),
		/* 6 */ JUMP_EQ(ICMP_TIME_EXCEEDED, 1, 0),
		/* 7 */ JUMP_EQ(ICMP_PARAMETERPROB, 0, 13), /* else drop */
		/* 8 */ LOAD_BYTE(BPF_IND, ICMP_BYTES + IP4_PROTOCOL),
		/* 9 */ JUMP_EQ(IPPROTO_ICMP, 0, 11), /* else drop */
		/* 10 */ LOAD_BYTE(BPF_IND, ICMP_BYTES), /* quoted header length */
		/* 11 */ BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf),
		/* 12 */ BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 2),
		/* 13 */ BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
		/* 14 */ BPF_STMT(BPF_MISC | BPF_TAX, 0),
		/* 15 */ LOAD_BYTE(BPF_IND, ICMP_BYTES),
		/* 16 */ JUMP_EQ(ICMP_ECHO, 0, 4), /* else drop */
		/* 17 */ LOAD_HALF(BPF_IND, ICMP_BYTES + ICMP_ID),
		/* 18 .. 21 */ ID_IN_RANGE(base, mask),
	};

	return filter_attach(fd, steps, sizeof(steps) / sizeof(steps[0]));
}

/* X: where the quoted ICMPv6 header is. */
static int filter6(int fd, uint16_t base, uint16_t mask)
{
	enum {
		NEXT = ICMP_BYTES + IP6_NEXT,
		QUOTED = ICMP_BYTES + IP6_BYTES,
		BEHIND = QUOTED + IP6_FRAGMENT_BYTES
	};
	struct sock_filter steps[] = {
		/* 0 */ LOAD_BYTE(BPF_ABS, 0), /* type */
		/* 1 */ JUMP_EQ(ICMP6_ECHO_REPLY, 0, 2),
		/* 2 */ LOAD_HALF(BPF_ABS, ICMP_ID),
		/* 3 */ BPF_STMT(BPF_JMP | BPF_JA, 11), /* to 15 */
		/* 4 */ BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, ICMP6_PARAM_PROB, 13, 0), /* drop */
		/* 5 */ LOAD_BYTE(BPF_ABS, NEXT),
		/* 6 */ BPF_STMT(BPF_LDX | BPF_IMM, QUOTED),
		/* 7 */ JUMP_EQ(IPPROTO_ICMPV6, 4, 0), /* to 12 */
		/* 8 */ JUMP_EQ(IPPROTO_FRAGMENT, 0, 9), /* else drop */
		/* 9 */ LOAD_BYTE(BPF_ABS, QUOTED),
		/* 10 */ JUMP_EQ(IPPROTO_ICMPV6, 0, 7), /* else drop */
		/* 11 */ BPF_STMT(BPF_LDX | BPF_IMM, BEHIND),
		/* 12 */ LOAD_BYTE(BPF_IND, 0),
		/* 13 */ JUMP_EQ(ICMP6_ECHO_REQUEST, 0, 4), /* else drop */
		/* 14 */ LOAD_HALF(BPF_IND, ICMP_ID),
		/* 15 .. 18 */ ID_IN_RANGE(base, mask),
	};

	return filter_attach(fd, steps, sizeof(steps) / sizeof(steps[0]));
}

static int prepare(int fd, int family, uint32_t mark, uint16_t base, uint16_t mask)
{
	int err = setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ? -errno : 0;

	if (err)
		return err;
	return family == AF_INET ? filter4(fd, base, mask) : filter6(fd, base, mask);
}

int icmp_socket_open(int family, uint32_t mark, uint16_t id_base, uint16_t id_bits, int *ret_fd)
{
	uint16_t mask = 0xffffU << id_bits & 0xffff;
	int fd, err;

	if ((family != AF_INET && family != AF_INET6) || id_bits > ID_BITS_MAX || id_base & ~mask)
		return -EINVAL;
	fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	if (fd < 0)
		return -errno;
	err = prepare(fd, family, mark, id_base, mask);
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}
