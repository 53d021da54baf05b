/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of datapath/ that serve main share. kernel.c alone sees the skeleton and
 * puts its descriptors here; attach.c, cgroup.c, pin.c, counters.c and events.c each own
 * the part of struct kernel that is named after them. Only for these files.
 */
#ifndef DATAPATH_KERNEL_INTERNAL_H
#define DATAPATH_KERNEL_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "datapath/kernel.h"
#include "datapath/tc.h"
#include "datapath/walk.h"

struct bpf_object;
struct headrace;
struct ring_buffer;

/* Maps that are pinned, by their names. */
#define KERNEL_MAPS(X)                                                                             \
	X(flows)                                                                                   \
	X(flow_info)                                                                               \
	X(domains)                                                                                 \
	X(events)                                                                                  \
	X(settings)                                                                                \
	X(abi)                                                                                     \
	X(drops)                                                                                   \
	X(stats)                                                                                   \
	X(role_counters)                                                                           \
	X(dns_state)                                                                               \
	X(dns_policies)                                                                            \
	X(dns_clients)                                                                             \
	X(dns_names)                                                                               \
	X(dns_answers)                                                                             \
	X(dns_local)                                                                               \
	X(dns_log)                                                                                 \
	X(direct_flows)                                                                            \
	X(sock_flows)                                                                              \
	X(capture_devices)                                                                         \
	X(host_addrs)                                                                              \
	X(host_prefixes)                                                                           \
	X(pass_marks)                                                                              \
	X(rule_state)                                                                              \
	X(rule_tables)                                                                             \
	X(rule_sets)                                                                               \
	X(rule_values)                                                                             \
	X(rule_prefixes)                                                                           \
	X(rule_ports)                                                                              \
	X(rule_hits)                                                                               \
	X(domain_facts)

#define KERNEL_MAP_FIELD(name) int name;

struct kernel_maps {
	KERNEL_MAPS(KERNEL_MAP_FIELD)
	int own_cgroups; /* not pinned, as the next: nobody else's business */
	int sock_notes;
};

struct kernel_programs {
	int tun_egress;
	int tun_ingress;
	int tun_steer;
	int sock_protect;
	int flow_end;
	int rules_try; /* -1 = not asked for yet */
};

/* cgroup.c: the roles' cgroup and the hook on it. */
struct cgroup {
	char path[256]; /* "" = none */
	int dir; /* descriptor of it */
	uint64_t id;
	int link; /* of sock_protect */
	int home; /* cgroup.procs of where main came from, while it is in here; else -1 */
};

/* pin.c */
#define PIN_PATH_MAX 160
struct pins {
	char directory[128]; /* "" = none */
	int claim; /* the directory, locked (claim.h) */
	char old[128]; /* what a killed main of this name has left, set aside; "" = nothing */
	int old_claim;
};

/* owner.c: the programs that note who owns a socket, or those of route capture. */
#define OWNER_LINKS 4
struct owners {
	int link[OWNER_LINKS]; /* -1 = not attached */
	char pin[OWNER_LINKS][PIN_PATH_MAX]; /* "" = none */
	int walk; /* of route capture: the iterator over sockets; -1 = none */
};

/* counters.c: role_counters, of the map or of a memfd. */
struct counters {
	int memfd; /* -1 with the map */
	struct role_counters *entries; /* ROLES_MAX of them */
};

/* events.c */
struct events {
	struct ring_buffer *ring;
	void (*fn)(void *arg, const struct flow_event *e); /* of the read in progress */
	void *arg;
	unsigned int left; /* events that this read may still take */
	void (*cgroup_fn)(void *arg, uint64_t cgroup); /* NULL = nobody asked */
	void *cgroup_arg;
};

/* dns_maps.c */
#define NAMES_ALIVE 3 /* tables of names that may exist at a time */
struct dns_maps {
	int clients[2]; /* the tries in `dns_clients` */
	int clients_readonly[2]; /* what workers get, of this and the next two */
	int state_readonly;
	int policies_readonly;
	__u32 names_id[NAMES_ALIVE]; /* of the last ones made, 0 = none */
};

/* rules.c: the maps within, of a generation; -1 = none were loaded */
struct rules_inner {
	int sets, values, prefixes;
};

struct rules_maps {
	struct rules_inner now; /* in force */
	struct rules_inner next; /* prepared */
	struct rule_state *state; /* mapped */
	uint64_t since_ms; /* when they came into force */
	uint64_t *ports; /* mapped, of both generations; in the lower half of each */
};

/* strays.c */
struct strays {
	struct walk walk;
	bool walking; /* a pass is under way */
	bool wanted; /* the next pass need not wait until it is worthwhile */
	uint64_t began_ns; /* of the last pass */
	uint64_t flows_new; /* flows opened in all when it began */
	uint64_t flows_left; /* left behind in all by then, see KERNEL_STATS */
	uint64_t known_ns; /* a role has noted every flow first seen before it */
	uint64_t unknown_ns; /* this pass: when the oldest that none has noted was first seen */
	uint64_t idle_ns, idle_tcp_ns; /* of this call */
};

/* Flows that passed, and have closed, stay for a moment: what comes late is told by them. */
#define DIRECT_CLOSED_NS (30 * NSEC_PER_SEC)

/* aging.c */
struct aging {
	struct walk walk;
	bool walking; /* a pass is under way */
	uint64_t seen; /* direct flows entered in all when it began */
	uint64_t left; /* entries that it has left there */
	uint64_t now_ns; /* of this call */
	void (*fn)(void *arg, const struct flow_event *e);
	void *arg;
};

/* types.c */
#define TYPES_PATH_MAX 32
/* An empty set of types, as a descriptor for types_path(); -1 = it cannot be had. */
int types_none(void);
/* What libbpf is told to read. */
const char *types_path(int fd, char path[TYPES_PATH_MAX]);
/* Does the kernel tell its types, or does libbpf find them elsewhere? */
bool types_are_told(void);

/* late.c */
struct late {
	int fd; /* from the child that loads, -1 = there is none */
	pid_t pid; /* of it, 0 = likewise */
	int program;
	struct attachment attachment;
};

#define KERNEL_GROUPS 7 /* of programs that are loaded when they are needed */
struct kernel {
	struct headrace *skeleton; /* NULL = no BPF */
	struct bpf_object *group[KERNEL_GROUPS]; /* NULL = not loaded */
	int no_types; /* an empty set of types, where the kernel does not tell its own; -1 = it does */
	struct kernel_features features;
	struct kernel_maps maps; /* owned by the skeleton; all -1 without BPF */
	struct kernel_programs programs;
	int flows_readonly; /* what roles get: the kernel half alone writes `flows` */
	int domains_readonly; /* what workers get: the resolver alone writes `domains` */
	struct attachment tun;
	struct late late;
	enum kernel_attach attach;
	struct cgroup cgroup;
	struct owners owners;
	struct owners route;
	struct pins pins;
	struct counters counters;
	struct dns_maps dns;
	struct rules_maps rules;
	struct events events;
	struct strays strays;
	struct aging aging;
	struct settings settings; /* as last written */
};

/*
 * kernel.c: another object of the same programs, not loaded, whose maps are those of `k` and of
 * which only the named programs will be loaded. The caller's to close. 0 or -errno.
 */
int kernel_object_of(const struct kernel *k, const char *const *programs, size_t num,
		     struct bpf_object **ret_object);
/* The same, and they are loaded. */
int kernel_object_load(const struct kernel *k, const char *const *programs, size_t num,
		       struct bpf_object **ret_object);

/*
 * kernel.c: descriptor of one of the programs that are loaded when they are first asked for;
 * -errno: it cannot be.
 */
int kernel_program_fd(struct kernel *k, const char *name);

void cgroup_init(struct cgroup *c);
/* Makes headrace-<instance> and attaches the hook to it. 0 or -errno, -EBUSY = it is alive. */
int cgroup_make(struct cgroup *c, const char *instance, int sock_protect_fd);
int cgroup_adopt(const struct cgroup *c, int pid);
int cgroup_enter(struct cgroup *c);
int cgroup_leave(struct cgroup *c);
/* Detaches and removes it, waiting a moment for its last process to go. */
void cgroup_remove(struct cgroup *c);
void cgroup_clean_stale(void);

void owners_init(struct owners *o);
/* Loads the programs, with the maps of `k`, and attaches them. 0 or -errno: nothing is there. */
int owners_attach(struct owners *o, const struct kernel *k);
int owners_attach_route(struct owners *o, const struct kernel *k);
/* Brings `direct_flows` up to date with the sockets that were noted. 0 or -errno. */
int owners_walk(const struct owners *o);
/* Lets the links outlive this process, or not. 0 or -errno. */
int owners_pin(struct owners *o, const struct pins *p, const char *name, bool pin);
void owners_detach(struct owners *o);

/* Finds or mounts bpffs; *ret_how names what was found. 0 or -errno: there is none. */
int pins_find(bool mounts_private, const char **ret_how);
void pins_init(struct pins *p);
/*
 * Pins the maps in the instance's own directory. What a killed main of this name has left there
 * is set aside: its programs stay in force. 0 or -errno, -EBUSY = it is alive.
 */
int pins_make(struct pins *p, const char *instance, const struct kernel_maps *maps);
/* Pins a link; ret_path is for pins_drop(). 0 or -errno. */
int pins_add(const struct pins *p, const char *name, int fd, char ret_path[PIN_PATH_MAX]);
void pins_drop(char path[PIN_PATH_MAX]); /* harmless if it is "" */
/* Takes away what was set aside, programs and all. */
void pins_clean_old(struct pins *p);
/* What was set aside and not cleaned is put back. */
void pins_remove(struct pins *p);
/* See kernel_clean_stale(), kernel_clean_instance(). */
void pins_clean_stale(const char *starting);
void pins_clean_instance(const char *instance);

void dns_maps_init(struct dns_maps *d);
/* Makes what is not in the object, and the first state. 0 or -errno. */
int dns_maps_open(struct dns_maps *d, const struct kernel_maps *maps);
void dns_maps_close(struct dns_maps *d);
/* A second descriptor of the map by which nobody can write to it. 0 or -errno. */
int map_open_readonly(int map_fd, int *ret_fd);

void rules_maps_init(struct rules_maps *r);
int rules_maps_open(struct rules_maps *r, const struct kernel_maps *maps);
void rules_maps_close(struct rules_maps *r);

void counters_init(struct counters *c);
/* map_fd = -1: in a memfd. 0 or -errno. */
int counters_open(struct counters *c, int map_fd);
void counters_close(struct counters *c);

void late_init(struct late *l);
void late_done(struct late *l);

void strays_init(struct strays *s);

int events_open(struct events *e, int map_fd);
void events_close(struct events *e);

#endif
