// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Main's part of what the kernel half answers DNS by: the first state, the two tries of
 * clients, and tables of names. The resolver fills all of it, but may make no map itself.
 *
 * At most NAMES_ALIVE tables exist at a time: the one in force, the one before it, which
 * somebody may still read, and the one that is being filled. What a resolver wishes beyond
 * that, perhaps one that broke in there, would be memory without bound.
 */
#include <errno.h>

#include <bpf/bpf.h>

#include "base/fd.h"
#include "base/random.h"
#include "datapath/kernel.h"
#include "datapath/kernel_internal.h"

void dns_maps_init(struct dns_maps *d)
{
	*d = (struct dns_maps){
		.clients = { -1, -1 },
		.clients_readonly = { -1, -1 },
		.state_readonly = -1,
		.policies_readonly = -1,
	};
}

static int write_state(int state_fd)
{
	struct dns_state s = { .enabled = 0 };
	__u32 zero = 0;

	random_bytes(s.seed, sizeof(s.seed));
	return bpf_map_update_elem(state_fd, &zero, &s, BPF_ANY);
}

static int make_clients(struct dns_maps *d, int outer_fd, __u32 which)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd;

	fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "dns_client_map", sizeof(struct dns_client_key),
			    sizeof(__u32), DNS_PREFIXES_MAX, &opts);
	if (fd < 0)
		return fd;
	d->clients[which] = fd;
	return bpf_map_update_elem(outer_fd, &which, &fd, BPF_ANY);
}

int dns_maps_open(struct dns_maps *d, const struct kernel_maps *m)
{
	int err = write_state(m->dns_state);

	for (__u32 which = 0; !err && which < 2; which++) {
		err = make_clients(d, m->dns_clients, which);
		if (!err)
			err = map_open_readonly(d->clients[which], &d->clients_readonly[which]);
	}
	if (!err)
		err = map_open_readonly(m->dns_state, &d->state_readonly);
	if (!err)
		err = map_open_readonly(m->dns_policies, &d->policies_readonly);
	return err;
}

void dns_maps_close(struct dns_maps *d)
{
	for (int which = 0; which < 2; which++) {
		fd_close(d->clients[which]);
		fd_close(d->clients_readonly[which]);
	}
	fd_close(d->state_readonly);
	fd_close(d->policies_readonly);
	dns_maps_init(d);
}

/* The place of a table that nobody holds any more, NULL = all are in use. */
static __u32 *place_of_next(struct dns_maps *d)
{
	for (int i = 0; i < NAMES_ALIVE; i++) {
		int fd = d->names_id[i] ? bpf_map_get_fd_by_id(d->names_id[i]) : -1;

		if (fd < 0)
			return &d->names_id[i];
		fd_close(fd);
	}
	return NULL;
}

int kernel_names_make(struct kernel *k, uint32_t buckets, int *ret_fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info), *place;
	int fd, err;

	if (!k->features.bpf)
		return -EOPNOTSUPP;
	if (!buckets || buckets > DNS_NAMES_BUCKETS_MAX)
		return -EINVAL;
	place = place_of_next(&k->dns);
	if (!place)
		return -EBUSY;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "dns_name_map", sizeof(__u32),
			    sizeof(struct dns_bucket), buckets + DNS_BUCKETS_LOOKED - 1, &opts);
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (err) {
		fd_close(fd);
		return err;
	}
	*place = info.id;
	*ret_fd = fd;
	return 0;
}
