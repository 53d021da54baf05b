// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Two generations lie side by side in the maps, told apart by the epoch's lowest bit. All of
 * the new one is there before the epoch names it, so a program, which reads the epoch once,
 * sees one or the other and never a mixture.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "datapath/dns.h"
#include "dns/install.h"

struct installing {
	struct datapath *dp;
	unsigned int which;
};

void install_want(struct policies *p, struct datapath *dp)
{
	datapath_dns_names_want(dp, policies_buckets(p));
}

int install_take(struct policies *p, struct datapath *dp)
{
	uint32_t buckets = policies_buckets(p);
	size_t bytes = policies_table_bytes(p);
	void *table;
	int fd, r;

	if (!datapath_dns(dp))
		return 0;
	r = datapath_dns_names_take(dp, buckets, &fd);
	if (r < 0)
		return r == -EAGAIN ? r : 0;
	table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		fd_close(fd);
	else
		policies_give_table(p, table, fd);
	return 0;
}

static int put_client(void *arg, const struct dns_client_key *key, uint32_t value)
{
	struct installing *to = arg;

	return datapath_dns_client_put(to->dp, to->which, key, value);
}

static int put_policies(struct policies *p, const struct installing *to)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < policies_conf(p)->dns.policies; i++)
		r = datapath_dns_policy_put(to->dp, to->which, i, policies_kernel(p, i));
	return r;
}

int install_policies(struct policies *p, struct datapath *dp)
{
	uint32_t buckets = policies_buckets(p);
	struct installing to = { .dp = dp };
	struct dns_state s;
	int r;

	if (!datapath_dns(dp))
		return 0;
	r = datapath_dns_state(dp, &s);
	if (r)
		return r;
	to.which = !(s.epoch & 1);
	r = datapath_dns_clients_clear(dp, to.which);
	if (!r)
		r = datapath_dns_names_put(dp, to.which, policies_fd(p), buckets);
	if (!r)
		r = datapath_dns_block_ttl_put(dp, to.which, policies_conf(p)->dns.block_ttl);
	if (!r)
		r = put_policies(p, &to);
	if (!r)
		r = policies_each_client(p, put_client, &to);
	if (!r)
		r = datapath_dns_epoch_add(dp, 1);
	if (!r)
		datapath_dns_names_forget(dp, !to.which);
	return r;
}
