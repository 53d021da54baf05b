/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Datagrams with at most one descriptor over AF_UNIX SOCK_SEQPACKET: how processes talk. */
#ifndef BASE_MESSAGE_H
#define BASE_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>

/* A close-on-exec, non-blocking SOCK_SEQPACKET pair. 0 or -errno. */
int message_pair(int ret_fds[2]);

/* Sends one message; passed_fd = -1 for none (it stays the caller's). 0 or -errno. */
int message_send(int sock, const void *data, size_t len, int passed_fd);

/*
 * Receives one message. Returns its length (0 = the peer closed) or -errno (-EAGAIN = none
 * now, -EMSGSIZE = larger than `size`, lost). *ret_fd is a close-on-exec descriptor that
 * now is the caller's, or -1.
 */
ssize_t message_recv(int sock, void *data, size_t size, int *ret_fd);

#endif
