// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * seccomp allow-lists. A role reads and writes descriptors that it was given or that it
 * opened as internet sockets; nothing here lets it start a program or bring in code, open a
 * file for writing, signal another process, make a socket of another family or speak to one of
 * the host's unix sockets. The resolver may open files to
 * read, for c-ares reads the host's resolver configuration.
 *
 * What is not on the list fails with EPERM instead of killing the process: a library that
 * tries something optional goes on without it, and a role that cannot do without says so.
 */
#include "supervisor/sandbox.h"

#ifdef __SANITIZE_ADDRESS__

int sandbox_enter(enum role_kind kind)
{
	return 0;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/bpf.h>
#include <linux/sockios.h>

#include <seccomp.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#define SOCKET_TYPE 0xf /* of socket()'s second argument: the rest are flags */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const int calls_common[] = {
	/* descriptors */
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(dup), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
	SCMP_SYS(splice),
	/* sockets; how they are made and set up, below */
	SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg),
	SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(shutdown),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* time, chance, oneself */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(futex),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(exit),
	SCMP_SYS(exit_group)
};

/* Also of getaddrinfo-like code in c-ares: it reads files, asks for the host's name. */
static const int calls_resolver[] = { SCMP_SYS(accept4),
				      SCMP_SYS(newfstatat),
				      SCMP_SYS(stat),
				      SCMP_SYS(statx),
				      SCMP_SYS(access),
				      SCMP_SYS(faccessat),
				      SCMP_SYS(readlink),
				      SCMP_SYS(readlinkat),
				      SCMP_SYS(getcwd),
				      SCMP_SYS(pread64),
				      SCMP_SYS(uname),
				      SCMP_SYS(sysinfo),
				      SCMP_SYS(inotify_init1),
				      SCMP_SYS(inotify_add_watch),
				      SCMP_SYS(inotify_rm_watch) };

/* What sockets are made of. A raw one is main's to make, and TCP and UDP all that is carried. */
static const struct {
	int family, type, protocol;
} sockets[] = {
	{ AF_INET, SOCK_STREAM, 0 },	       { AF_INET, SOCK_DGRAM, 0 },
	{ AF_INET6, SOCK_STREAM, 0 },	       { AF_INET6, SOCK_DGRAM, 0 },
	{ AF_INET, SOCK_DGRAM, IPPROTO_ICMP }, { AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6 },
};

/*
 * Options that are set: one that is missing here would fail in silence where nobody looks at
 * the result, so tools/lint/check-sandbox compares this list with the code. Not among them:
 * IP_HDRINCL, with which a raw ICMP socket sends any packet from any source; filters, for they
 * are programs; TCP_ULP, which loads modules.
 */
static const struct {
	int level, name;
} options[] = {
	{ SOL_SOCKET, SO_BINDTOIFINDEX },
	{ SOL_SOCKET, SO_MARK },
	{ SOL_SOCKET, SO_SNDBUF },
	{ SOL_SOCKET, SO_RCVBUF },
	{ SOL_SOCKET, SO_LINGER },
	{ SOL_SOCKET, SO_KEEPALIVE },
	{ IPPROTO_IP, IP_PKTINFO },
	{ IPPROTO_IP, IP_RECVERR },
	{ IPPROTO_IP, IP_TTL },
	{ IPPROTO_IP, IP_TOS },
	{ IPPROTO_IP, IP_RECVTOS },
	{ IPPROTO_IP, IP_MTU_DISCOVER },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO },
	{ IPPROTO_IPV6, IPV6_RECVERR },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS },
	{ IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER },
	{ IPPROTO_TCP, TCP_NODELAY },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT },
	{ IPPROTO_TCP, TCP_QUICKACK },
	{ IPPROTO_UDP, UDP_GRO },
};

/* F_SETOWN and F_SETSIG are not: they make the kernel signal others of our user, by SIGKILL. */
static const int fcntls[] = { F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC };

static const unsigned long ioctls[] = { FIONREAD, FIONBIO, SIOCOUTQ, SIOCGIFINDEX };

/* Maps that were handed over, and the flow_end program; nothing can be made or loaded. */
static const int bpf_commands[] = { BPF_MAP_LOOKUP_ELEM,   BPF_MAP_UPDATE_ELEM,
				    BPF_MAP_DELETE_ELEM,   BPF_MAP_GET_NEXT_KEY,
				    BPF_MAP_LOOKUP_BATCH,  BPF_PROG_TEST_RUN,
				    BPF_OBJ_GET_INFO_BY_FD };

static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);

		/* -EDOM: this architecture has no such call */
		if (err && err != -EDOM)
			return err;
	}
	return 0;
}

#define INT(arg, value) SCMP_CMP32(arg, SCMP_CMP_EQ, (uint32_t)(value))

/* A datagram pair could be connected to any unix socket of the host: streams only. */
static int allow_sockets(scmp_filter_ctx ctx)
{
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 2, INT(0, AF_UNIX),
				   SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE, SOCK_STREAM));

	for (size_t i = 0; !err && i < COUNT(sockets); i++)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, INT(0, sockets[i].family),
			SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE, (scmp_datum_t)sockets[i].type),
			INT(2, sockets[i].protocol));
	for (size_t i = 0; !err && i < COUNT(options); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
				       INT(1, options[i].level), INT(2, options[i].name));
	return err;
}

/* Memory, but none that code could be put into. */
static int allow_memory(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code);

	return err ? err : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
}

static int allow_arguments(scmp_filter_ctx ctx)
{
	int err = 0;

	for (size_t i = 0; !err && i < COUNT(fcntls); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, INT(1, fcntls[i]));
	for (size_t i = 0; !err && i < COUNT(ioctls); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, INT(1, ioctls[i]));
	for (size_t i = 0; !err && i < COUNT(bpf_commands); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1,
				       INT(0, bpf_commands[i]));
	/* its own limits may be read, not changed: no new value */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, INT(0, 0),
				       SCMP_A2(SCMP_CMP_EQ, 0, 0));
	return err;
}

static int allow_reading_files(scmp_filter_ctx ctx)
{
	const unsigned int writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
	int err;

	err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
	return err == -EDOM ? 0 : err;
}

int sandbox_enter(enum role_kind kind)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err;

	if (!ctx)
		return -ENOMEM;
	/* a binary tree: the cost of a call on the data path does not grow with the list */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = allow(ctx, calls_common, COUNT(calls_common));
	if (!err)
		err = allow_sockets(ctx);
	if (!err)
		err = allow_memory(ctx);
	if (!err)
		err = allow_arguments(ctx);
	if (!err && kind == ROLE_RESOLVER)
		err = allow(ctx, calls_resolver, COUNT(calls_resolver));
	if (!err && kind == ROLE_RESOLVER)
		err = allow_reading_files(ctx);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

#endif
