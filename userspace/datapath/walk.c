// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Walks `flows`, and `direct_flows`, whose entries are of the same kind, in parts (batch.h). */
#include <errno.h>

#include <bpf/bpf.h>

#include "datapath/walk.h"

int walk_start(struct walk *w)
{
	return batch_start(&w->batch, sizeof(struct flow_key), sizeof(struct flow));
}

int walk_next(struct walk *w, int flows_fd,
	      int (*fn)(void *arg, const struct flow_key *key, const struct flow *flow), void *arg,
	      bool *ret_more)
{
	const struct flow_key *key;
	const struct flow *flow;
	int more, r = 0;
	__u32 count;

	*ret_more = false;
	if (flows_fd < 0)
		return 0;
	more = batch_read(&w->batch, flows_fd, &count);
	if (more < 0)
		return more;
	key = w->batch.keys;
	flow = w->batch.values;
	for (__u32 i = 0; i < count && !r; i++)
		r = fn(arg, &key[i], &flow[i]);
	*ret_more = more && !r;
	return r;
}

void walk_end(struct walk *w)
{
	batch_end(&w->batch);
}

int walk_flows(int flows_fd,
	       int (*fn)(void *arg, const struct flow_key *key, const struct flow *flow), void *arg)
{
	struct walk w = { 0 };
	bool more = true;
	int r = walk_start(&w);

	while (!r && more)
		r = walk_next(&w, flows_fd, fn, arg, &more);
	walk_end(&w);
	return r;
}

int walk_flow_end(int prog_fd, const struct flow_key *key, uint64_t created_ns,
		  const struct flow_info *info)
{
	struct flow_end_args args = { .key = *key, .created_ns = created_ns, .info = *info };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));

	return bpf_prog_test_run_opts(prog_fd, &opts);
}
