// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Walks `flows` in batches. A batch is a copy of whole hash buckets, and the next one is
 * told by a bucket's number, so that entries may be removed between them; walking from key
 * to key would begin anew at each removed key. A bucket longer than the batch (-ENOSPC)
 * makes the batch larger.
 */
#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "datapath/walk.h"

#define BATCH_ENTRIES 128U
#define BATCH_ENTRIES_MAX 65536U

static void batch_free(struct walk *w)
{
	free(w->keys);
	free(w->flows);
	w->keys = NULL;
	w->flows = NULL;
}

static int batch_alloc(struct walk *w, __u32 entries)
{
	batch_free(w);
	w->entries = entries;
	w->keys = calloc(entries, sizeof(*w->keys));
	w->flows = calloc(entries, sizeof(*w->flows));
	if (w->keys && w->flows)
		return 0;
	batch_free(w);
	return -ENOMEM;
}

/* One batch from the cursor on. 1 = there are more, 0 = the last one, or -errno. */
static int batch_read(struct walk *w, int fd, __u32 *ret_count)
{
	int err;

	for (;;) {
		*ret_count = w->entries;
		err = bpf_map_lookup_batch(fd, w->first ? NULL : &w->cursor, &w->cursor, w->keys,
					   w->flows, ret_count, NULL);
		if (!err || err == -ENOENT)
			return err ? 0 : 1;
		if (err != -ENOSPC || w->entries >= BATCH_ENTRIES_MAX)
			return err;
		err = batch_alloc(w, w->entries * 2);
		if (err)
			return err;
	}
}

int walk_start(struct walk *w)
{
	walk_end(w);
	w->first = true;
	return batch_alloc(w, BATCH_ENTRIES);
}

int walk_next(struct walk *w, int flows_fd,
	      int (*fn)(void *arg, const struct flow_key *key, const struct flow *flow), void *arg,
	      bool *ret_more)
{
	__u32 count, i;
	int more, r = 0;

	*ret_more = false;
	if (flows_fd < 0)
		return 0;
	more = batch_read(w, flows_fd, &count);
	if (more < 0)
		return more;
	w->first = false;
	for (i = 0; i < count && !r; i++)
		r = fn(arg, &w->keys[i], &w->flows[i]);
	*ret_more = more && !r;
	return r;
}

void walk_end(struct walk *w)
{
	batch_free(w);
	*w = (struct walk){ 0 };
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
