/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `headrace doctor` looks at, and what it finds. Each check reads below a root directory
 * ("" = the host's), or judges what was read, so that it can be tried on what was recorded.
 *
 * A finding names the device, table or file that it is about. Its fix is what to do, as a
 * command, a key of the configuration or a sentence: once that is done, it is found no more.
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <jansson.h>

#define FINDINGS_MAX 256
#define FINDING_TEXT_MAX 320

/* X(enumerator, what is printed) */
#define FINDING_LEVELS(X)                                                                          \
	X(FINDING_OK, "ok")                                                                        \
	X(FINDING_NOTE, "note") /* worth knowing, nothing to mend */                               \
	X(FINDING_WARNING, "warning") /* something works less well, or not for all */              \
	X(FINDING_ERROR, "error") /* it cannot work */

#define FINDING_ENUM(name, text) name,
enum finding_level { FINDING_LEVELS(FINDING_ENUM) FINDING_LEVEL_NUM };

/* Behind a fix that takes effect when an instance starts. */
#define FIX_RESTART "; then `headrace down` and `headrace up`"

struct finding {
	enum finding_level level;
	const char *area; /* "kernel", "hooks", "firewall", "resolver", "network", "instance" */
	char text[FINDING_TEXT_MAX];
	char fix[FINDING_TEXT_MAX]; /* "" = there is none, or none is needed */
};

struct findings {
	struct finding item[FINDINGS_MAX];
	size_t count;
	size_t lost; /* that found no room */
};

/* One more; `fix` may be NULL. */
void finding_add(struct findings *f, enum finding_level level, const char *area, const char *fix,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
enum finding_level findings_worst(const struct findings *f);

/* Names for a finding: "a, b, c"; those that find no room are counted. */
#define NAMES_TEXT_MAX 160
struct doctor_names {
	char text[NAMES_TEXT_MAX];
	size_t count;
	size_t lost;
};
void doctor_names_add(struct doctor_names *n, const char *name);
/* What is to be printed: with " and N more" behind it, if need be. */
const char *doctor_names_text(struct doctor_names *n);

#define DOCTOR_PIDS_MAX 32
#define DOCTOR_LANS_MAX 64

/* What an instance does, as far as the host's checks go by it; zeroed = it is not known. */
struct doctor_instance {
	bool none; /* no instance runs in this network namespace */
	bool running;
	bool host; /* it captures the host's own traffic, not a command's */
	bool lan; /* and that of a LAN */
	bool loopback;
	bool route;
	bool bound; /* its sockets are bound to the uplink, and no route leads there */
	bool listens; /* dns.listen */
	unsigned int port53; /* its sockets bound to that port */
	bool port53_any; /* some of them to all addresses */
	bool owners; /* processes of flows are known */
	bool forwards; /* rules may forward what LAN clients open */
	bool forwards_rest; /* so does what no rule decides */
	struct doctor_names clsact; /* devices that are captured by it */
	char lan_device[DOCTOR_LANS_MAX][16]; /* about which rules have not decided all */
	size_t lan_devices;
	pid_t pid[DOCTOR_PIDS_MAX]; /* of its processes */
	size_t pids;
};

/* doctor_host.c */
FILE *doctor_open(const char *root, const char *path);
void doctor_kernel(struct findings *f, const char *root, const char *release,
		   const struct doctor_instance *in);
void doctor_network(struct findings *f, const char *root, const struct doctor_instance *in);
/* "6.1.0-50-amd64" -> 6 * 1000 + 1; 0 = it is none. */
unsigned int doctor_release(const char *release);
/* Where a filesystem of that type is mounted first; false = nowhere. */
bool doctor_mount_point(const char *root, const char *type, char ret_path[256]);

/* doctor_resolver.c */
void doctor_resolver(struct findings *f, const char *root, const struct doctor_instance *in);

/* doctor_nft.c: what `nft -j list ruleset` has printed, NULL = it could not be asked. */
void doctor_firewall(struct findings *f, const char *root, const json_t *ruleset,
		     const struct doctor_instance *in);
json_t *doctor_nft_read(void);

/* A BPF program on a hook, or a filter of another kind, in the order in which they run there. */
struct hook_program {
	const char *hook; /* "tc egress", "XDP", "connect4", ... */
	const char *how; /* "tcx", "clsact", "cgroup", "xdp" */
	char device[16]; /* "" = the root cgroup */
	char name[16]; /* of a filter that is no program its kind, "matchall" */
	uint32_t id; /* 0 = it is no program */
};

#define HOOK_PROGRAMS_MAX 256

struct hook_programs {
	struct hook_program item[HOOK_PROGRAMS_MAX];
	size_t count;
	int error; /* -errno: they could not be read */
	bool tcx; /* the kernel has it */
};

/* doctor_hooks.c */
void doctor_hooks_read(struct hook_programs *p);
/* doctor_order.c */
void doctor_hooks(struct findings *f, const struct hook_programs *p,
		  const struct doctor_instance *in);
bool doctor_is_ours(const char *program);

/* doctor_instance.c: what an instance says of itself ("status"), its rules and its DNS. */
void doctor_status(struct findings *f, const json_t *status, struct doctor_instance *ret_in);
/* For each object of the answer to "rules", in their order, and behind the last. */
void doctor_rule(struct doctor_instance *in, const char *kind, const json_t *object);
void doctor_rules_end(struct doctor_instance *in);
/* For each of the answer to "dns", "stats": upstreams that do not answer, or lead back to us. */
void doctor_upstream(struct findings *f, const json_t *o);

#endif
