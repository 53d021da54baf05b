// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Walks `flows` in batches. A batch is a copy of whole hash buckets, and the next one is
 * told by a bucket's number, so that entries may be removed between them; walking from key
 * to key would begin anew at each removed key. A bucket longer than the batch (-ENOSPC)
 * makes the batch larger.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "datapath/walk.h"

#define BATCH_ENTRIES 256U
#define BATCH_ENTRIES_MAX 65536U

struct batch {
	__u32 entries;
	struct flow_key *keys;
	struct flow *flows;
};

static void batch_free(struct batch *b)
{
	free(b->keys);
	free(b->flows);
	b->keys = NULL;
	b->flows = NULL;
}

static int batch_alloc(struct batch *b, __u32 entries)
{
	batch_free(b);
	b->entries = entries;
	b->keys = calloc(entries, sizeof(*b->keys));
	b->flows = calloc(entries, sizeof(*b->flows));
	if (b->keys && b->flows)
		return 0;
	batch_free(b);
	return -ENOMEM;
}

/* One batch from *cursor on (first: from the start). 0, 1 = the last one, or -errno. */
static int batch_read(struct batch *b, int fd, __u32 *cursor, bool first, __u32 *ret_count)
{
	int err;

	for (;;) {
		*ret_count = b->entries;
		err = bpf_map_lookup_batch(fd, first ? NULL : cursor, cursor, b->keys, b->flows,
					   ret_count, NULL);
		if (!err || err == -ENOENT)
			return err ? 1 : 0;
		if (err != -ENOSPC || b->entries >= BATCH_ENTRIES_MAX)
			return err;
		err = batch_alloc(b, b->entries * 2);
		if (err)
			return err;
	}
}

int walk_flows(int flows_fd,
	       int (*fn)(void *arg, const struct flow_key *key, const struct flow *flow), void *arg)
{
	struct batch b = { 0 };
	__u32 cursor = 0, count, i;
	bool first = true;
	int last, err;

	if (flows_fd < 0)
		return 0;
	err = batch_alloc(&b, BATCH_ENTRIES);
	if (err)
		return err;
	do {
		last = batch_read(&b, flows_fd, &cursor, first, &count);
		if (last < 0) {
			err = last;
			break;
		}
		for (i = 0; i < count && !err; i++)
			err = fn(arg, &b.keys[i], &b.flows[i]);
		first = false;
	} while (!last && !err);
	batch_free(&b);
	return err;
}

int walk_flow_end(int prog_fd, const struct flow_key *key, uint64_t created_ns,
		  const struct flow_info *info)
{
	struct flow_end_args args = { .key = *key, .created_ns = created_ns, .info = *info };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));

	return bpf_prog_test_run_opts(prog_fd, &opts);
}
