// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * dns_tun takes the verifier longer than all that has to be there for the first packet, and
 * nothing needs it at once: without it the resolver answers what the kernel half would have.
 * So a child of main loads it once the instance runs, with main's own maps, and passes back its
 * descriptor; the child dies with main, and when it is no longer wanted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "base/fd.h"
#include "datapath/kernel_internal.h"

#define PROGRAM "dns_tun"
#define CHILD_NICE 10 /* what has just been started goes first */

union passed {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

void late_init(struct late *l)
{
	*l = (struct late){ .fd = -1, .program = -1 };
	attachment_init(&l->attachment);
}

static int send_descriptor(int sock, int fd)
{
	union passed control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* -ENOEXEC: the child ended without one. */
static int receive_descriptor(int sock, int *ret_fd)
{
	union passed control = { 0 };
	char byte;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	const struct cmsghdr *cmsg;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) <= 0)
		return -ENOEXEC;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -ENOEXEC;
	memcpy(ret_fd, CMSG_DATA(cmsg), sizeof(*ret_fd));
	return 0;
}

/*
 * Of main's descriptors it keeps the maps alone, and the types that it loads with: while it ends,
 * a lock, a listening socket or a link that it held would be what a killed main has left.
 */
static int keep_maps(int sock, int no_types)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		char target[64] = "";
		int fd = (int)strtol(entry->d_name, NULL, 10);

		if (fd <= STDERR_FILENO || fd == sock || fd == no_types || fd == dirfd(dir) ||
		    readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) < 0)
			continue;
		if (strcmp(target, "anon_inode:bpf-map") != 0)
			close(fd);
	}
	closedir(dir);
	return 0;
}

__attribute__((noreturn)) static void child(const struct kernel *k, int sock, pid_t parent)
{
	const char *program = PROGRAM;
	struct bpf_object *obj;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent || keep_maps(sock, k->no_types))
		_exit(EXIT_FAILURE);
	setpriority(PRIO_PROCESS, 0, CHILD_NICE);
	if (kernel_object_load(k, &program, 1, &obj))
		_exit(EXIT_FAILURE);
	_exit(send_descriptor(sock,
			      bpf_program__fd(bpf_object__find_program_by_name(obj, program))) ?
		      EXIT_FAILURE :
		      EXIT_SUCCESS);
}

int kernel_dns_load(struct kernel *k, int *ret_fd)
{
	pid_t parent = getpid();
	int fds[2];

	if (!k->features.bpf || k->late.pid)
		return -EOPNOTSUPP;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	k->late.pid = fork();
	if (!k->late.pid)
		child(k, fds[1], parent);
	fd_close(fds[1]);
	if (k->late.pid < 0) {
		k->late.pid = 0;
		fd_close(fds[0]);
		return -errno;
	}
	k->late.fd = fds[0];
	*ret_fd = fds[0];
	return 0;
}

/* The child is done, or not wanted any more. */
static void end_child(struct late *l)
{
	l->fd = fd_close(l->fd);
	if (!l->pid)
		return;
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	l->pid = 0;
}

/* Before tun_egress, to which it leaves what it does not answer; in the device's namespace. */
static int attach_there(struct kernel *k)
{
	const struct hook hook = { k->late.program, BPF_TC_EGRESS, 1 };
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), err;
	const char *how;

	if (here < 0)
		return -errno;
	err = setns(k->tun.netns, CLONE_NEWNET) ? -errno : 0;
	if (!err)
		err = attachment_attach(&k->late.attachment, &hook, 1, k->tun.ifindex, ATTACH_FIRST,
					k->attach, &how);
	if (setns(here, CLONE_NEWNET))
		abort(); /* to go on in the wrong namespace would be worse */
	fd_close(here);
	return err;
}

int kernel_dns_attach(struct kernel *k)
{
	int err = receive_descriptor(k->late.fd, &k->late.program);

	end_child(&k->late);
	if (!err)
		err = k->tun.ifindex ? attach_there(k) : -ENODEV;
	k->features.dns = err ? "resolver alone" : "kernel, then resolver";
	return err;
}

void late_done(struct late *l)
{
	end_child(l);
	attachment_detach(&l->attachment);
	l->program = fd_close(l->program);
}
