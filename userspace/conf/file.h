/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Configuration files as bytes: read in full, and compared with what was in force before. */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include <limits.h>
#include <stddef.h>

#include "conf/conf.h"

struct conf_text {
	char *text; /* owned; NUL behind it */
	size_t len;
};

/*
 * The whole of a regular file of at most CONF_FILE_MAX bytes, from its beginning, wherever the
 * descriptor's offset is. 0; -EFBIG; -EISDIR; -EINVAL: no regular file; other -errno.
 */
int conf_text_read_fd(int fd, struct conf_text *ret_text);
int conf_text_read(const char *file, struct conf_text *ret_text);
void conf_text_done(struct conf_text *t);

/* `file` as an absolute name, seen from the present directory. 0 or -errno. */
int conf_file_absolute(const char *file, char ret_file[PATH_MAX]);

/*
 * Reads and checks `file`. 0 with text and structure; -errno with at least one line in `errors`
 * ("FILE: why" if it could not be read).
 */
int conf_load(const char *file, struct conf_text *ret_text, struct conf **ret_conf,
	      struct conf_errors *errors);

/* "changed: dns.cache.entries", "added: dns.lists.ads", "removed: ..." */
typedef void (*conf_change_cb)(void *arg, const char *what);
/*
 * Tells where two good texts differ, in the order of the new one, whatever their layout and
 * comments; lists as a whole. Returns the number of differences, or -ENOMEM.
 */
int conf_changes(const struct conf_text *old, const struct conf_text *new, conf_change_cb told,
		 void *arg);

/* The line of a good text where `key` ("capture.route") stands; 0: it does not. */
unsigned int conf_line_of(const struct conf_text *t, const char *key);

#endif
