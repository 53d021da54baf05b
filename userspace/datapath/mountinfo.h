/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a kind of filesystem is mounted. Internal to datapath/. */
#ifndef DATAPATH_MOUNTINFO_H
#define DATAPATH_MOUNTINFO_H

#include <stddef.h>

/*
 * Mount point of the first filesystem of `type` ("cgroup2") in the text of a mountinfo file
 * (proc(5)). 0, -ENOENT = none, -ENAMETOOLONG.
 */
int mountinfo_find(const char *file, const char *type, char *ret_path, size_t size);

#endif
