// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Walks a hash map (or an array) in batches. A batch is a copy of whole hash buckets, and the
 * next one is told by a bucket's number, so that entries may be removed between them; walking
 * from key to key would begin anew at each removed key. A bucket longer than the batch
 * (-ENOSPC) makes the batch larger.
 */
#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "datapath/batch.h"

#define BATCH_ENTRIES 128U
#define BATCH_ENTRIES_MAX 65536U

static void batch_free(struct batch *b)
{
	free(b->keys);
	free(b->values);
	b->keys = NULL;
	b->values = NULL;
}

static int batch_alloc(struct batch *b, __u32 entries)
{
	b->entries = entries;
	b->keys = calloc(entries, b->key_bytes);
	b->values = calloc(entries, b->value_bytes);
	if (b->keys && b->values)
		return 0;
	batch_free(b);
	return -ENOMEM;
}

int batch_start(struct batch *b, size_t key_bytes, size_t value_bytes)
{
	batch_end(b);
	b->first = true;
	b->key_bytes = key_bytes;
	b->value_bytes = value_bytes;
	return batch_alloc(b, BATCH_ENTRIES);
}

int batch_read(struct batch *b, int map_fd, __u32 *ret_count)
{
	int err;

	for (;;) {
		*ret_count = b->entries;
		err = bpf_map_lookup_batch(map_fd, b->first ? NULL : &b->cursor, &b->cursor,
					   b->keys, b->values, ret_count, NULL);
		if (!err || err == -ENOENT)
			break;
		if (err != -ENOSPC || b->entries >= BATCH_ENTRIES_MAX)
			return err;
		batch_free(b);
		err = batch_alloc(b, b->entries * 2);
		if (err)
			return err;
	}
	b->first = false;
	return err ? 0 : 1;
}

void batch_end(struct batch *b)
{
	batch_free(b);
	*b = (struct batch){ 0 };
}
