// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who owns a socket: programs on the root of the cgroup tree, beside those of others, note
 * with each socket the process that made it, or that connected it later (a server's forked
 * child, a process that was handed it). They refuse nothing. TCP sends nothing before it is
 * connected, so that accepted and listening sockets cost nothing here; and nobody asks who
 * owns our own.
 *
 * sock_release ends a direct flow whose socket is closed: what TCP counted itself, and what
 * it has still to send, is then all there is to know. sock_walk brings the direct flows of
 * route capture up to date (bpf/sock_flow.h).
 *
 * Kernel structures are read through BTF, the process's without a helper's call for each
 * pointer; of each only the fields that are used are declared, under names of our own that
 * libbpf matches without what follows the `___`.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "bpf/direct.h"
#include "bpf/maps.h"
#include "bpf/owner.h"
#include "bpf/sock_flow.h"

#define OWNER_STREAM 1 /* SOCK_STREAM */

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
	struct task_struct___owner *group_leader;
	char comm[COMM_BYTES];
} OWNER_CORE;

/* Is it a socket whose owner is wanted: of a namespace in question, and not a role's? */
static __always_inline int is_wanted(const struct settings *s, __u64 netns_cookie)
{
	return s && (s->host || !s->netns_cookie || s->netns_cookie == netns_cookie) &&
	       (!s->own_cgroup || bpf_get_current_cgroup_id() != s->own_cgroup);
}

/* Threads may have names of their own: the process is named by its first. */
static __always_inline void note_process(struct sock_note *note)
{
	struct task_struct___owner *task = (void *)bpf_get_current_task_btf();
	struct mm_struct___owner *mm = task->mm;
	struct file___owner *exe;

	note->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_probe_read_kernel(note->comm, sizeof(note->comm), task->group_leader->comm);
	exe = mm ? mm->exe_file : NULL;
	note->exe_inode = 0;
	note->exe_device = 0;
	if (!exe)
		return; /* a thread of the kernel's */
	note->exe_inode = exe->f_inode->i_ino;
	note->exe_device = exe->f_inode->i_sb->s_dev;
}

SEC("?cgroup/sock_create")
int sock_note(struct bpf_sock *sk)
{
	struct settings *s = settings_get();
	struct sock_note *note;

	if (sk->type == OWNER_STREAM || !is_wanted(s, bpf_get_netns_cookie(sk)))
		return 1;
	note = sock_note_store(sk);
	if (note)
		note_process(note);
	return 1;
}

/* Over the flows of route capture main walks by their sockets' storage. */
static __always_inline int ring_is_used(const struct settings *s)
{
	return s->host && !s->route;
}

/* Kernel sockets have storage: nobody tells of their end. */
static __always_inline int is_process(void)
{
	struct task_struct___owner *task = (void *)bpf_get_current_task_btf();

	return task->mm != NULL;
}

static __always_inline int note_connect(struct bpf_sock_addr *ctx)
{
	struct settings *s = settings_get();
	struct sock_note *note = NULL;

	if (!ctx->sk || !is_wanted(s, bpf_get_netns_cookie(ctx)))
		return 1;
	if (ring_is_used(s) && ctx->protocol == PROTO_TCP && is_process())
		note = sock_ring_take(bpf_get_socket_cookie(ctx));
	if (!note) {
		note = sock_note_stored(ctx->sk);
		if (note)
			note->life = SOCK_AGAIN;
		else
			note = sock_note_store(ctx->sk);
	}
	if (note)
		note_process(note);
	return 1;
}

SEC("?cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	return note_connect(ctx);
}

SEC("?cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	return note_connect(ctx);
}

/* A connection that had ended before its socket was closed was ended by the other side. */
static __always_inline enum flow_end end_of(const struct flow *f, __u32 tcp_state)
{
	if (tcp_state != SOCK_CLOSE)
		return END_FINISHED;
	return f->bytes_up || f->bytes_down ? END_UPSTREAM_RESET : END_REFUSED;
}

/* The flow that was noted last, up to date. NULL: there is none. */
static __always_inline struct flow *last_flow(struct bpf_sock *sk, struct sock_note *note)
{
	struct flow *f;

	if (!sock_is_routed(note))
		return direct_fold(note);
	f = sock_follow(sk, note);
	if (f)
		return f;
	/* a connection that failed leaves no addresses with its socket */
	if (!note->key.sport)
		sock_enter(sk, note, &note->key);
	return direct_find(&note->key);
}

/* The socket is being closed: so is its flow. */
static __always_inline void note_end(struct bpf_sock *sk, struct sock_note *note)
{
	__u32 tcp_state = sk->state;
	struct flow *f;

	if (note->verdict != VERDICT_DIRECT)
		return;
	f = last_flow(sk, note);
	if (!f || f->state == FLOW_CLOSED)
		return;
	if (sk->protocol == PROTO_TCP)
		sock_count_tcp(sk, f);
	else
		tcp_state = 0;
	f->last_seen_ns = bpf_ktime_get_coarse_ns();
	direct_close(&note->key, f, end_of(f, tcp_state));
}

SEC("?cgroup/sock_release")
int sock_release(struct bpf_sock *sk)
{
	struct sock_note *note = NULL;

	if (sk->type == OWNER_STREAM)
		note = sock_ring_find(bpf_get_socket_cookie(sk));
	if (!note)
		note = sock_note_stored(sk);
	if (!note)
		return 1;
	if (!note->cookie) /* a place in sock_ring would be somebody else's at once */
		note->life |= SOCK_OVER;
	note_end(sk, note);
	note->life |= SOCK_OVER;
	return 1;
}

/* What the kernel calls for each socket that has a note, when main reads its iterator. */
struct bpf_iter__bpf_sk_storage_map___owner {
	void *meta;
	void *map;
	void *sk; /* NULL: that was the last */
	struct sock_note *value;
};

static __always_inline int note_is_over(const struct sock_note *note)
{
	return *(const volatile __u8 *)&note->life & SOCK_OVER;
}

/*
 * A socket that was closed is still met as long as TCP has something to say for it. If it is
 * closed this very moment its flow may be entered behind its end: nobody else would close it, and
 * tell so.
 */
SEC("?iter/bpf_sk_storage_map")
int sock_walk(struct bpf_iter__bpf_sk_storage_map___owner *ctx)
{
	struct sock_note *note = ctx->value;
	void *sk = ctx->sk;
	struct flow *f;

	if (!sk || !note || !sock_is_routed(note) || note_is_over(note))
		return 0;
	f = sock_follow(sk, note);
	if (f && note_is_over(note) && f->state != FLOW_CLOSED)
		direct_close(&note->key, f, END_FINISHED);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
