/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* File descriptors: closing, flags, and which file it is. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stdbool.h>
#include <sys/stat.h>

/* Closes fd unless it is negative; errno is left as it was. Returns -1: `fd = fd_close(fd)`. */
int fd_close(int fd);
/* O_NONBLOCK, which belongs to the open file: all its duplicates change. 0 or -errno. */
int fd_set_nonblock(int fd, bool on);
/* FD_CLOEXEC of this descriptor alone. 0 or -errno. */
int fd_set_cloexec(int fd, bool on);
/* The same file, not written to between the two? */
bool fd_same_file(const struct stat *a, const struct stat *b);

#endif
