/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel half as main sees it: loads the skeleton, attaches, pins, reads. The only
 * header of datapath/ that main needs; nobody outside datapath/ sees the skeleton.
 */
#ifndef DATAPATH_KERNEL_H
#define DATAPATH_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/role.h"
#include "bpf/contract.h"

struct kernel;

/* How something that kernels differ in is done here; shown by `headrace status`. */
struct kernel_features {
	bool bpf; /* programs loaded at all */
	char bpf_error[128]; /* why not */
	const char *attach; /* "tcx" | "clsact" | "none" */
	const char *
		dns; /* who answers: "resolver" (so far) | "resolver alone" | "kernel, then resolver" */
	const char *protect; /* "cgroup hook" | "SO_MARK" */
	const char *owners; /* "cgroup hooks" | "not known" */
	const char *
		direct; /* of route capture: "connect hooks" | "connect hooks, not listed" | "none" */
	const char *bpffs; /* "mounted" | "private mount" | "none" */
	char pin_directory[128]; /* "" = unpinned */
	char cgroup[256]; /* path of the roles' cgroup, "" = none */
};

/* How programs of traffic control are attached. */
enum kernel_attach {
	KERNEL_ATTACH_AUTO, /* tcx links where the kernel has them, else clsact */
	KERNEL_ATTACH_TCX,
	KERNEL_ATTACH_CLSACT
};

struct kernel_options {
	const char *instance; /* names pins and cgroup */
	uint32_t flows_max;
	enum kernel_attach attach;
	bool host; /* capture points of a host: their programs, and maps of their size */
	bool pin;
	bool none; /* no privilege for any of it: nothing is loaded */
	bool mounts_private; /* this process has a mount namespace of its own: mounting is ok */
};

/*
 * Opens, sizes and loads everything; makes the roles' cgroup and attaches the protect hook;
 * finds bpffs (or mounts it in this process's private mount namespace, which main has made)
 * and pins the maps (0600 in a 0700 directory owned by root). Where the kernel lacks
 * something the next step down is taken and noted in the features; only a failure without
 * any step down is an error (-errno, text in err). Without BPF at all it still returns 0:
 * counters then live in a memfd.
 */
int kernel_load(const struct kernel_options *opt, struct kernel **ret_kernel, char err[256]);

/*
 * Attaches the TUN programs, and those that note the owners of sockets; called in the network
 * namespace of the device. Write the settings first: until then every packet is refused for its
 * source. 0 or -errno.
 */
int kernel_attach_tun(struct kernel *k, int ifindex);
/*
 * Route capture: sockets that rules send direct are told as they are connected. After
 * kernel_attach_tun(). 0 or -errno: what they open goes to the TUN then.
 */
int kernel_attach_route(struct kernel *k);
/*
 * Begins to load what answers DNS in the kernel half, once: *ret_fd gets readable when
 * kernel_dns_attach() can be called, which closes it. 0 or -errno.
 */
int kernel_dns_load(struct kernel *k, int *ret_fd);
/* 0, or -errno: the resolver answers alone. */
int kernel_dns_attach(struct kernel *k);
/* Descriptor of the steering program for TUNSETSTEERINGEBPF, -1 without BPF. */
int kernel_steer_fd(const struct kernel *k);

/*
 * Writes the settings map (whole); own_cgroup is filled in here, with the id of the roles'
 * cgroup where the hook is in force. 0 or -errno.
 */
int kernel_settings(struct kernel *k, const struct settings *s);
void kernel_heartbeat(struct kernel *k);

/*
 * Main is about to be away for `ms` at most and does not count as gone meanwhile. The next
 * kernel_heartbeat() ends it. If main is killed then, the TUN's absence tells it all the same.
 */
void kernel_heartbeat_ahead(struct kernel *k, uint64_t ms);

/*
 * Descriptor to hand to the role of `slot` for ROLE_FD_FLOWS .. ROLE_FD_FLOW_END, -1 = none;
 * it stays ours. A map that the role is not the writer of cannot be written by it: `flows` is
 * the kernel half's, `domains` the resolver's.
 */
int kernel_role_fd(const struct kernel *k, unsigned int slot, enum role_descriptor_kind kind);
/*
 * A new table for `dns_names`, for the resolver to fill and to put there; the descriptor is the
 * caller's. 0 or -errno; -EBUSY = as many as may exist are still in use.
 */
int kernel_names_make(struct kernel *k, uint32_t buckets, int *ret_fd);
/* Moves a process into the roles' cgroup. 0 or -errno. */
int kernel_adopt(struct kernel *k, int pid);
/*
 * Main itself goes into the roles' cgroup, and back to where it came from: sockets made in
 * between are told as the roles' own, by mark and cgroup, whoever holds them. 0 or -errno;
 * without such a cgroup nothing is done.
 */
int kernel_enter(struct kernel *k);
int kernel_leave(struct kernel *k);

/* A flow as `headrace flows` shows it: both maps joined. */
struct kernel_flow {
	struct flow_key key;
	struct flow flow;
	struct flow_info info; /* zero if the role wrote none */
};
/* fn != 0 ends the walk and is returned. */
int kernel_flow_each(struct kernel *k, int (*fn)(void *arg, const struct kernel_flow *f),
		     void *arg);
/* Ends every flow of queue `slot` (-1 = all) with `end`: its role died or we shut down. */
void kernel_flow_end_all(struct kernel *k, int slot, enum flow_end end);
/*
 * Ends flows of which no role knows (nothing in `flow_info`) that have been idle for so long
 * (TCP has its own limit: a role notes it when it is connected): their packets were lost on
 * the way to the role, or dropped by it. Each call looks at a part of the table; true = there
 * is more of this pass. A pass is not begun while it is not worth its cost: strays.c.
 */
bool kernel_flow_end_strays(struct kernel *k, uint64_t idle_ns, uint64_t idle_tcp_ns);
/* The table is full: the next pass is worth any cost. */
void kernel_flow_strays_wanted(struct kernel *k);
/*
 * The role of that slot has died: its notes of flows that have no entry go with it (a full table
 * ends an entry sooner than a connect). Those of the others go when the flows are ended.
 */
void kernel_flow_notes_forget(struct kernel *k, unsigned int slot);
/*
 * Removes direct flows that closed some time ago, or that nobody would remember any more; fn
 * is told of those that were still open (END_IDLE). Parts and passes as above: true = there is
 * more of this one.
 */
bool kernel_direct_age(struct kernel *k, void (*fn)(void *arg, const struct flow_event *e),
		       void *arg);

void kernel_read_drops(struct kernel *k, struct drop_counters *ret_sum); /* kernel half only */
void kernel_read_stats(struct kernel *k, struct kernel_stats *ret_sum);
/* The roles' counters; entry of slot. Never NULL for slot < ROLES_MAX. */
struct role_counters *kernel_role_counters(struct kernel *k, unsigned int slot);

/* epoll-able descriptor of the event ring (-1 = none) and its consumption. */
int kernel_events_fd(const struct kernel *k);
/* Calls fn for each waiting event. 0 or -errno. */
int kernel_events_read(struct kernel *k, void (*fn)(void *arg, const struct flow_event *e),
		       void *arg);

const struct kernel_features *kernel_features(const struct kernel *k);
/* Why there is no BPF here, in a few words; NULL = there is. */
const char *kernel_why_no_bpf(const struct kernel *k);

/* Detaches, unpins, removes the cgroup (its processes have ended), frees. Accepts NULL. */
void kernel_unload(struct kernel *k);

/*
 * Removes pins, filters of this network namespace and empty cgroups that no living instance of
 * this machine has claimed: what a killed main left. Called before kernel_load(). What one with
 * when-down: closed left is in force: it stays until its name starts again or is cleaned. So
 * does what `starting` (NULL: nobody) left, for kernel_clean_old().
 */
void kernel_clean_stale(const char *starting);
/* The new programs are in force: those that a killed main of this name left can go. */
void kernel_clean_old(struct kernel *k);
/* Removes what a killed main of that name left, whatever it is. */
void kernel_clean_instance(const char *instance);

/* 0, or -ENOSYS with one clear line in err: kernel older than 6.1. */
int kernel_check_version(char err[256]);

#endif
