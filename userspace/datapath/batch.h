/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Walks over a hash map or an array, in parts, by descriptor. Internal to datapath/. */
#ifndef DATAPATH_BATCH_H
#define DATAPATH_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

/* A walk in parts. Zeroed = none is under way. */
struct batch {
	size_t key_bytes;
	size_t value_bytes;
	__u32 entries; /* room for so many */
	void *keys;
	void *values;
	__u32 cursor; /* where the next part begins */
	bool first; /* at the start */
};

/* Ends the one that is under way. 0 or -ENOMEM. */
int batch_start(struct batch *b, size_t key_bytes, size_t value_bytes);
/*
 * Copies the next entries, some 100 of them, to keys and values. 1 = there are more, 0 = these
 * were the last, or -errno. Entries may be changed and removed between two parts.
 */
int batch_read(struct batch *b, int map_fd, __u32 *ret_count);
/* Harmless if none is under way. */
void batch_end(struct batch *b);

#endif
