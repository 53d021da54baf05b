// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Programs that run where sockets are made and connected: those of bpf/owner.bpf.c, which note
 * the owners of flows, and of bpf/route.bpf.c; on the root of the cgroup tree that we see,
 * by links beside whatever else is attached there. The links go with this process, but with
 * when-down: closed: the rules that are still in force then ask for owners.
 *
 * They are loaded apart from the others, since they read structures of the kernel (which needs
 * its BTF): where that, or the tree, is not to be had, owners are not known, and that is all.
 *
 * With those of route capture comes an iterator: what is direct there is seen with its socket
 * alone (bpf/sock_flow.h). Reading it once makes one pass over all sockets that have a note.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "base/log.h"
#include "datapath/kernel_internal.h"
#include "datapath/mountinfo.h"

static const struct hook_place {
	const char *program;
	enum bpf_attach_type type;
} owner_places[OWNER_LINKS] = {
	{ "sock_note", BPF_CGROUP_INET_SOCK_CREATE },
	{ "sock_connect4", BPF_CGROUP_INET4_CONNECT },
	{ "sock_connect6", BPF_CGROUP_INET6_CONNECT },
	{ "sock_release", BPF_CGROUP_INET_SOCK_RELEASE },
};

/* Behind those, which tell them whose the socket is. */
static const struct hook_place route_places[] = {
	{ "route_connect4", BPF_CGROUP_INET4_CONNECT },
	{ "route_connect6", BPF_CGROUP_INET6_CONNECT },
};

static const struct hook_place walk_places[] = { { "sock_walk", BPF_TRACE_ITER } };

#define ROUTE_PLACES ((int)(sizeof(route_places) / sizeof(route_places[0])))

void owners_init(struct owners *o)
{
	for (int i = 0; i < OWNER_LINKS; i++)
		o->link[i] = -1;
	o->walk = -1;
	memset(o->pin, 0, sizeof(o->pin));
}

static int open_root(int *ret_fd)
{
	char root[128];
	int err = mountinfo_find("/proc/self/mountinfo", "cgroup2", root, sizeof(root));

	if (err)
		return err;
	*ret_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static int load(const struct kernel *k, const struct hook_place *places, int num,
		struct bpf_object **ret_object)
{
	const char *names[OWNER_LINKS];

	for (int i = 0; i < num; i++)
		names[i] = places[i].program;
	return kernel_object_load(k, names, (size_t)num, ret_object);
}

static int attach(struct owners *o, const struct hook_place *places, int num,
		  const struct bpf_object *obj, int root_fd)
{
	for (int i = 0; i < num; i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(obj, places[i].program);
		int link = bpf_link_create(bpf_program__fd(p), root_fd, places[i].type, NULL);

		if (link < 0) {
			owners_detach(o);
			return link;
		}
		o->link[i] = link;
	}
	return 0;
}

static int load_and_attach(struct owners *o, const struct kernel *k,
			   const struct hook_place *places, int num)
{
	struct bpf_object *obj;
	int root_fd, err;

	if (o->link[0] >= 0)
		return -EALREADY;
	err = open_root(&root_fd);
	if (err)
		return err;
	err = load(k, places, num, &obj);
	if (!err) {
		err = attach(o, places, num, obj, root_fd);
		bpf_object__close(obj); /* the links hold the programs */
	}
	fd_close(root_fd);
	return err;
}

int owners_attach(struct owners *o, const struct kernel *k)
{
	return load_and_attach(o, k, owner_places, OWNER_LINKS);
}

/* Over the sockets that have an entry in `sock_notes`. 0 or -errno. */
static int attach_walk(struct owners *o, const struct kernel *k)
{
	union bpf_iter_link_info what = { .map.map_fd = (__u32)k->maps.sock_notes };
	LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = &what, .iter_info_len = sizeof(what));
	struct bpf_object *obj;
	int err = load(k, walk_places, 1, &obj);

	if (err)
		return err;
	o->walk = bpf_link_create(
		bpf_program__fd(bpf_object__find_program_by_name(obj, walk_places[0].program)), 0,
		walk_places[0].type, &opts);
	bpf_object__close(obj);
	return o->walk < 0 ? o->walk : 0;
}

int owners_attach_route(struct owners *o, const struct kernel *k)
{
	int err = load_and_attach(o, k, route_places, ROUTE_PLACES), walk;

	if (err)
		return err;
	walk = attach_walk(o, k);
	if (walk)
		log_info("kernel", "direct flows of route capture are not listed: %s",
			 strerror(-walk));
	return 0;
}

int owners_walk(const struct owners *o)
{
	char none[64]; /* nothing is written by it */
	int fd, err = 0;

	if (o->walk < 0)
		return 0;
	fd = bpf_iter_create(o->walk);
	if (fd < 0)
		return fd;
	if (read(fd, none, sizeof(none)) < 0)
		err = -errno;
	fd_close(fd);
	return err;
}

int owners_pin(struct owners *o, const struct pins *p, const char *name, bool pin)
{
	int err = 0;

	for (int i = 0; i < OWNER_LINKS; i++) {
		char text[32];

		if (!pin)
			pins_drop(o->pin[i]);
		if (!pin || err || o->pin[i][0] || o->link[i] < 0)
			continue;
		snprintf(text, sizeof(text), "%s-%d", name, i);
		err = pins_add(p, text, o->link[i], o->pin[i]);
	}
	return err;
}

void owners_detach(struct owners *o)
{
	for (int i = 0; i < OWNER_LINKS; i++) {
		pins_drop(o->pin[i]);
		o->link[i] = fd_close(o->link[i]);
	}
	o->walk = fd_close(o->walk);
}
