// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who owns a socket: programs on the root of the cgroup tree, beside those of others, note
 * with each socket the process that made it, or that connected it later (a server's forked
 * child, a process that was handed it). They refuse nothing. TCP sends nothing before it is
 * connected, so that accepted and listening sockets cost nothing here.
 *
 * sock_release ends a direct flow whose socket is closed: what TCP counted itself, and what
 * it has still to send, is then all there is to know.
 *
 * Kernel structures are read through BTF; of each only the fields that are used are declared,
 * under names of our own that libbpf matches without what follows the `___`.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/direct.h"
#include "bpf/maps.h"
#include "bpf/owner.h"

#define OWNER_STREAM 1 /* SOCK_STREAM */
#define OWNER_CLOSE 7 /* TCP_CLOSE */

#define OWNER_CORE __attribute__((preserve_access_index))

struct super_block___owner {
	__u32 s_dev;
} OWNER_CORE;

struct inode___owner {
	struct super_block___owner *i_sb;
	__kernel_ulong_t i_ino;
} OWNER_CORE;

struct file___owner {
	struct inode___owner *f_inode;
} OWNER_CORE;

struct mm_struct___owner {
	struct file___owner *exe_file;
} OWNER_CORE;

struct task_struct___owner {
	struct mm_struct___owner *mm;
} OWNER_CORE;

struct tcp_sock___owner {
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 snd_una;
	__u32 write_seq;
} OWNER_CORE;

/* Is the socket one of a namespace whose sockets are noted? */
static __always_inline int is_watched(const struct settings *s, __u64 cookie)
{
	return s && (!s->netns_cookie || s->netns_cookie == cookie);
}

static __always_inline void note_process(struct sock_note *note)
{
	struct task_struct___owner *task = (void *)bpf_get_current_task();
	struct inode___owner *inode = BPF_CORE_READ(task, mm, exe_file, f_inode);

	note->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(note->comm, sizeof(note->comm));
	note->exe_inode = BPF_CORE_READ(inode, i_ino);
	note->exe_device = BPF_CORE_READ(inode, i_sb, s_dev);
}

SEC("cgroup/sock_create")
int sock_note(struct bpf_sock *sk)
{
	struct settings *s = settings_get();
	struct sock_note *note;

	if (sk->type == OWNER_STREAM || !is_watched(s, bpf_get_netns_cookie(sk)))
		return 1;
	note = sock_note_get(sk);
	if (note)
		note_process(note);
	return 1;
}

static __always_inline int note_connect(struct bpf_sock_addr *ctx)
{
	struct settings *s = settings_get();
	struct sock_note *note;

	if (!ctx->sk || !is_watched(s, bpf_get_netns_cookie(ctx)))
		return 1;
	note = sock_note_get(ctx->sk);
	if (note)
		note_process(note);
	return 1;
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	return note_connect(ctx);
}

SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	return note_connect(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
