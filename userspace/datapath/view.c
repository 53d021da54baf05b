// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Flows as commands show them. Of a carried flow its role has noted the name; the name of a flow
 * that passes as it is is the one that its destination was last asked for by.
 *
 * A cgroup's path is found by its ID, which is its file handle (kernfs): IDs are not used twice,
 * so a path that was found stays right as long as nobody renames the cgroup, which cgroup2 does
 * not allow.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "datapath/kernel_internal.h"
#include "datapath/mountinfo.h"
#include "datapath/view.h"

#define FILEID_KERNFS 0xfe
#define PATHS_KNOWN 256 /* a power of two */

/* --- names ---------------------------------------------------------------------------------- */

static bool policy_of(const struct kernel *k, struct kernel_view *v, const struct addr *client)
{
	struct dns_client_key key = { .bits = 128 };
	struct dns_state s;
	__u32 zero = 0, value;

	if (v->policy_known && !memcmp(&v->client, client, sizeof(*client)))
		return true;
	if (bpf_map_lookup_elem(k->maps.dns_state, &zero, &s))
		return false;
	memcpy(key.addr, client->b, sizeof(key.addr));
	v->policy_known = !bpf_map_lookup_elem(k->dns.clients[s.epoch & 1], &key, &value);
	v->policy = value & DNS_CLIENT_POLICY;
	v->client = *client;
	return v->policy_known;
}

static void name_of(const struct kernel *k, struct kernel_view *v, struct kernel_flow *f)
{
	struct domain_key key = { .addr = f->key.daddr };
	struct domain_value value;

	if (!policy_of(k, v, &f->key.saddr))
		return;
	key.policy = v->policy;
	if (bpf_map_lookup_elem(k->maps.domains, &key, &value) || value.expires_ns <= clock_ns())
		return;
	memcpy(f->info.domain, value.name, sizeof(f->info.domain) - 1);
}

/* --- the walk ------------------------------------------------------------------------------ */

struct part {
	struct kernel *kernel;
	struct kernel_view *view;
	int (*fn)(void *arg, const struct kernel_flow *f);
	void *arg;
};

static int visit(void *arg, const struct flow_key *key, const struct flow *flow)
{
	const struct part *p = arg;
	struct kernel_flow f = { .key = *key, .flow = *flow };

	if (p->view->table != VIEW_CARRIED ||
	    bpf_map_lookup_elem(p->kernel->maps.flow_info, key, &f.info))
		name_of(p->kernel, p->view, &f);
	return p->fn(p->arg, &f);
}

void kernel_direct_look(struct kernel *k)
{
	int err = owners_walk(&k->route);

	if (err)
		log_debug("kernel", "sockets of direct flows are not seen: %s", strerror(-err));
}

static int begin_table(struct kernel_view *v)
{
	if (v->table == VIEW_SOCKETS)
		return batch_start(&v->sockets, sizeof(__u32), sizeof(struct sock_flow));
	return walk_start(&v->walk);
}

int kernel_view_begin(struct kernel_view *v)
{
	kernel_view_end(v);
	return begin_table(v);
}

/* Is it to be shown? Those of sockets that were closed stay for longer than anybody cares. */
static bool sock_flow_is_there(const struct sock_flow *s, uint64_t now_ns)
{
	return s->cookie &&
	       (s->flow.state != FLOW_CLOSED || s->flow.last_seen_ns + DIRECT_CLOSED_NS >= now_ns);
}

static int next_sockets(struct part *p, bool *ret_more)
{
	struct batch *b = &p->view->sockets;
	uint64_t now = clock_ns();
	const struct sock_flow *s;
	int more, r = 0;
	__u32 count;

	*ret_more = false;
	if (p->kernel->maps.sock_flows < 0)
		return 0;
	more = batch_read(b, p->kernel->maps.sock_flows, &count);
	if (more < 0)
		return more;
	s = b->values;
	for (__u32 i = 0; i < count && !r; i++)
		if (sock_flow_is_there(&s[i], now))
			r = visit(p, &s[i].key, &s[i].flow);
	*ret_more = more && !r;
	return r;
}

int kernel_view_next(struct kernel *k, struct kernel_view *v,
		     int (*fn)(void *arg, const struct kernel_flow *f), void *arg, bool *ret_more)
{
	struct part p = { .kernel = k, .view = v, .fn = fn, .arg = arg };
	int r;

	if (v->table == VIEW_SOCKETS)
		return next_sockets(&p, ret_more);
	r = walk_next(&v->walk, v->table == VIEW_DIRECT ? k->maps.direct_flows : k->maps.flows,
		      visit, &p, ret_more);
	if (r || *ret_more)
		return r;
	v->table++;
	*ret_more = true;
	return begin_table(v);
}

void kernel_view_end(struct kernel_view *v)
{
	walk_end(&v->walk);
	batch_end(&v->sockets);
	*v = (struct kernel_view){ 0 };
}

void kernel_tell_direct(struct kernel *k, bool on)
{
	if (k->settings.tell_direct == on)
		return;
	k->settings.tell_direct = on;
	kernel_settings(k, &k->settings);
}

/* --- cgroups -------------------------------------------------------------------------------- */

static int open_root(char root[CGROUP_PATH_MAX])
{
	int err = mountinfo_find("/proc/self/mountinfo", "cgroup2", root, CGROUP_PATH_MAX);
	int fd = err ? -1 : open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd;
}

static void find_path(uint64_t id, char ret_path[CGROUP_PATH_MAX])
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} h = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	char root[CGROUP_PATH_MAX], link[64], path[CGROUP_PATH_MAX];
	int root_fd = open_root(root), fd;
	size_t skip = strlen(root);
	ssize_t len = -1;

	ret_path[0] = '\0';
	if (root_fd < 0)
		return;
	memcpy(h.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root_fd, &h.handle, O_PATH | O_CLOEXEC);
	fd_close(root_fd);
	if (fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	fd_close(fd);
	if (len < (ssize_t)skip || memcmp(path, root, skip) != 0)
		return;
	path[len] = '\0';
	snprintf(ret_path, CGROUP_PATH_MAX, "%s", path[skip] ? path + skip : "/");
}

const char *kernel_cgroup_path(uint64_t id)
{
	static struct known {
		uint64_t id;
		char path[CGROUP_PATH_MAX];
	} known[PATHS_KNOWN];
	struct known *at = &known[(id * 0x9e3779b97f4a7c15ULL) >> 56];

	if (!id)
		return "";
	if (at->id != id) { /* one that was not found is gone for good */
		at->id = id;
		find_path(id, at->path);
	}
	return at->path;
}
