// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A kernel that lacks something, as one command and all that it starts see it:
 *
 *   lacks FEATURE... -- COMMAND [ARGUMENT...]
 *
 * System calls that could use the feature are told to a process of ours (seccomp's user
 * notification), which looks at their arguments and answers with the error that a kernel
 * without it gives; the others go on. That process stays as long as any of the others, in the
 * background. COMMAND takes the place of this one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>

#include <seccomp.h>

#define ATTACH_TCX_INGRESS 46 /* enum bpf_attach_type, Linux 6.6 */
#define ATTACH_TCX_EGRESS 47
#define OFFLOAD_USO 0x60 /* TUN_F_USO4 | TUN_F_USO6, Linux 6.2 */
#define FEATURES_MAX 8
#define TEXT_MAX 32

typedef const struct seccomp_notif call;

/* What may stand after the feature's name and a colon. */
struct wish {
	const struct feature *feature;
	const char *name;
};

struct feature {
	const char *name;
	int nr; /* of the system call */
	int error;
	bool (*uses)(call *c, const struct wish *w);
};

__attribute__((noreturn)) static void die(const char *what, int error)
{
	fprintf(stderr, "lacks: %s: %s\n", what, strerror(error));
	exit(1);
}

/* --- what a call is about -------------------------------------------------------------------- */

/* Of the caller's memory; what cannot be read is zero, and the call is left to fail by itself. */
static void fetch(call *c, uint64_t from, void *to, size_t bytes)
{
	struct iovec local = { to, bytes };
	struct iovec remote = { (void *)(uintptr_t)from, bytes };

	memset(to, 0, bytes);
	if (process_vm_readv((pid_t)c->pid, &local, 1, &remote, 1, 0) < 0)
		memset(to, 0, bytes);
}

static union bpf_attr attr_of(call *c)
{
	union bpf_attr attr = { 0 };
	size_t bytes = c->data.args[2] < sizeof(attr) ? c->data.args[2] : sizeof(attr);

	fetch(c, c->data.args[1], &attr, bytes);
	return attr;
}

static bool any(call *c, const struct wish *w)
{
	return true;
}

/* Where a program is attached, or asked for; -1 = it is another command. */
static int attach_type(call *c)
{
	const union bpf_attr attr = attr_of(c);

	if (c->data.args[0] == BPF_LINK_CREATE)
		return (int)attr.link_create.attach_type;
	return c->data.args[0] == BPF_PROG_QUERY ? (int)attr.query.attach_type : -1;
}

static bool is_tcx(call *c, const struct wish *w)
{
	int type = attach_type(c);

	return type == ATTACH_TCX_INGRESS || type == ATTACH_TCX_EGRESS;
}

static bool is_cgroup(call *c, const struct wish *w)
{
	switch (attach_type(c)) {
	case BPF_CGROUP_INET_SOCK_CREATE:
	case BPF_CGROUP_INET_SOCK_RELEASE:
	case BPF_CGROUP_INET4_CONNECT:
	case BPF_CGROUP_INET6_CONNECT:
		return true;
	default:
		return false;
	}
}

static bool is_iterator(call *c, const struct wish *w)
{
	return attach_type(c) == BPF_TRACE_ITER;
}

static bool is_extension(call *c, const struct wish *w)
{
	return c->data.args[0] == BPF_PROG_LOAD && attr_of(c).prog_type == BPF_PROG_TYPE_EXT;
}

static bool is_program(call *c, const struct wish *w)
{
	const union bpf_attr attr = attr_of(c);

	return c->data.args[0] == BPF_PROG_LOAD &&
	       !strncmp(attr.prog_name, w->name, BPF_OBJ_NAME_LEN - 1);
}

static bool is_uso(call *c, const struct wish *w)
{
	return c->data.args[1] == TUNSETOFFLOAD && (c->data.args[2] & OFFLOAD_USO);
}

static bool is_offload(call *c, const struct wish *w)
{
	return c->data.args[1] == TUNSETOFFLOAD && c->data.args[2];
}

static bool is_bpffs(call *c, const struct wish *w)
{
	char type[4];

	fetch(c, c->data.args[2], type, sizeof(type));
	return !memcmp(type, "bpf", sizeof(type));
}

static bool is_family(call *c, int family)
{
	return (int)c->data.args[0] == family;
}

static bool is_netfilter(call *c, const struct wish *w)
{
	return is_family(c, AF_NETLINK) && c->data.args[2] == NETLINK_NETFILTER;
}

static bool is_ipv6(call *c, const struct wish *w)
{
	return is_family(c, AF_INET6);
}

/* --- features -------------------------------------------------------------------------------- */

static const struct feature features[] = {
	{ "bpf", SCMP_SYS(bpf), EPERM, any }, /* as containers have it */
	{ "tcx", SCMP_SYS(bpf), EINVAL, is_tcx },
	{ "cgroup-bpf", SCMP_SYS(bpf), EINVAL, is_cgroup },
	{ "iterator", SCMP_SYS(bpf), EINVAL, is_iterator },
	{ "extension", SCMP_SYS(bpf), EINVAL, is_extension }, /* of a program by another */
	{ "program", SCMP_SYS(bpf), EINVAL, is_program }, /* :NAME, which its verifier refuses */
	{ "uso", SCMP_SYS(ioctl), EINVAL, is_uso },
	{ "offload", SCMP_SYS(ioctl), EINVAL, is_offload },
	{ "bpffs", SCMP_SYS(mount), ENODEV, is_bpffs },
	{ "netfilter", SCMP_SYS(socket), EPROTONOSUPPORT, is_netfilter },
	{ "ipv6", SCMP_SYS(socket), EAFNOSUPPORT, is_ipv6 },
	{ "handles", SCMP_SYS(open_by_handle_at), EOPNOTSUPP, any },
};

#define FEATURES (sizeof(features) / sizeof(features[0]))

static struct wish wish_of(const char *text)
{
	size_t len = strcspn(text, ":");

	for (size_t i = 0; i < FEATURES; i++)
		if (strlen(features[i].name) == len && !strncmp(features[i].name, text, len))
			return (struct wish){ &features[i], text[len] ? text + len + 1 : "" };
	fprintf(stderr, "lacks: no such feature: %s\n", text);
	exit(2);
}

/* --- who answers ----------------------------------------------------------------------------- */

static int error_of(call *c, const struct wish *wish, size_t wishes)
{
	for (size_t i = 0; i < wishes; i++)
		if (wish[i].feature->nr == c->data.nr && wish[i].feature->uses(c, &wish[i]))
			return wish[i].feature->error;
	return 0;
}

/* A caller that has died meanwhile is no matter. */
static void answer(int fd, const struct wish *wish, size_t wishes)
{
	struct seccomp_notif_resp *resp;
	struct seccomp_notif *req;

	if (seccomp_notify_alloc(&req, &resp))
		exit(1);
	if (!seccomp_notify_receive(fd, req)) {
		int error = error_of(req, wish, wishes);

		resp->id = req->id;
		resp->error = -error;
		resp->flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		seccomp_notify_respond(fd, resp);
	}
	seccomp_notify_free(req, resp);
}

/* Until the last of them has ended. Nobody is to wait for this one's output. */
__attribute__((noreturn)) static void serve(int fd, const struct wish *wish, size_t wishes)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int null = open("/dev/null", O_RDWR);

	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		dup2(null, i);
	while (poll(&p, 1, -1) > 0 && !(p.revents & (POLLHUP | POLLERR)))
		if (p.revents & POLLIN)
			answer(fd, wish, wishes);
	exit(0);
}

static int take_descriptor(int sock)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd;

	if (recvmsg(sock, &msg, 0) <= 0 || !CMSG_FIRSTHDR(&msg))
		exit(1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void give_descriptor(int sock, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { "", 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) < 0)
		die("sendmsg", errno);
}

/* Nobody's child, so that COMMAND has none that it does not know of. */
static int start_server(const struct wish *wish, size_t wishes)
{
	int sock[2], fd;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock))
		die("socketpair", errno);
	pid = fork();
	if (pid < 0)
		die("fork", errno);
	if (pid) {
		close(sock[0]);
		waitpid(pid, NULL, 0);
		return sock[1];
	}
	close(sock[1]);
	if (setsid() < 0 || fork())
		_exit(0);
	fd = take_descriptor(sock[0]);
	close(sock[0]);
	serve(fd, wish, wishes);
}

/* From here on. *ret_fd: where they are told. */
static void filter(const struct wish *wish, size_t wishes, int *ret_fd)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int err = ctx ? seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0) : -ENOMEM;

	for (size_t i = 0; !err && i < wishes; i++) {
		err = seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, wish[i].feature->nr, 0);
		err = err == -EEXIST ? 0 : err;
	}
	if (!err)
		err = seccomp_load(ctx);
	if (err)
		die("seccomp", -err);
	*ret_fd = seccomp_notify_fd(ctx);
	if (*ret_fd < 0)
		die("seccomp: no notifications", EOPNOTSUPP);
	seccomp_release(ctx);
}

int main(int argc, char **argv)
{
	struct wish wish[FEATURES_MAX];
	size_t wishes = 0;
	int sock, fd, at = 1;

	for (; at < argc && strcmp(argv[at], "--") != 0 && wishes < FEATURES_MAX; at++)
		wish[wishes++] = wish_of(argv[at]);
	if (!wishes || at + 1 >= argc || strcmp(argv[at], "--") != 0) {
		fprintf(stderr, "usage: lacks FEATURE... -- COMMAND [ARGUMENT...]\n");
		return 2;
	}
	sock = start_server(wish, wishes);
	filter(wish, wishes, &fd);
	give_descriptor(sock, fd);
	close(fd);
	execvp(argv[at + 1], argv + at + 1);
	die(argv[at + 1], errno);
}
