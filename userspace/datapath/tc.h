/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs of traffic control on a device of this network namespace: by tcx links (Linux 6.6)
 * or as clsact filters. Internal to datapath/.
 */
#ifndef DATAPATH_TC_H
#define DATAPATH_TC_H

#include <stdbool.h>
#include <stdint.h>

#include <bpf/libbpf.h>

#include "datapath/kernel.h"

#define ATTACHMENT_HOOKS 3

/* A program that is to be attached. */
struct hook {
	int program; /* its descriptor */
	enum bpf_tc_attach_point point;
	unsigned int priority; /* of a filter: the least one, 0 = any */
};

/* Programs on one device. */
struct attachment {
	int ifindex; /* 0 = not attached */
	int netns; /* the device's network namespace */
	unsigned int hooks;
	struct attached {
		struct hook hook; /* as it was asked for */
		int link; /* tcx; -1 with clsact */
		unsigned int priority; /* of the filter, 0 = none */
	} hook[ATTACHMENT_HOOKS];
	bool own_qdisc; /* clsact: the qdisc is ours to remove */
};

enum attachment_place {
	ATTACH_LAST, /* behind the programs that are there */
	ATTACH_FIRST /* before them: what they let pass would not be seen */
};

void attachment_init(struct attachment *a);
/*
 * Attaches all of them, those of one point in their order, or none, in the calling thread's
 * network namespace. *ret_how names the way. 0 or -errno.
 */
int attachment_attach(struct attachment *a, const struct hook *hook, unsigned int hooks,
		      int ifindex, enum attachment_place place, enum kernel_attach way,
		      const char **ret_how);
/*
 * Attaches filters anew that somebody has removed, by hand or with their qdisc; in the device's
 * network namespace. (A tcx link is its owner's alone.) 0: they are all there; 1: they are again;
 * -errno: none is.
 */
int attachment_repair(struct attachment *a);
/* Also from a device that has vanished. */
void attachment_detach(struct attachment *a);
/*
 * Removes filters of this network namespace whose programs have that map: a killed main left
 * them. Links end with their process, or with their pins.
 */
void attachment_clean_stale(uint32_t map_id);

#endif
