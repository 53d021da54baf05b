/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TUN device: its queues opened, or one that was handed in looked at. */
#ifndef NETDEV_TUN_H
#define NETDEV_TUN_H

#include <net/if.h>
#include <stdbool.h>

#include "base/error.h"
#include "bpf/contract.h"

#define TUN_NAME_PATTERN "headrace%d" /* the kernel fills in the first free number */

struct tun {
	int fd[ROLES_MAX]; /* queues, non-blocking and close-on-exec; fd[i] is queue i */
	unsigned int queues;
	char name[IF_NAMESIZE];
	int ifindex; /* in the device's network namespace */
	unsigned int mtu;
	unsigned int vnet_hdr_bytes; /* 0, 10 or 12 */
	bool tso; /* the kernel gives TCP GSO packets */
	bool uso; /* the kernel gives UDP GSO packets (Linux 6.2) */
};

/*
 * Makes a TUN with `queues` queues in the calling process's network namespace; it vanishes
 * with the last duplicate of its descriptors. 0 or -errno with err filled.
 */
int tun_open(struct tun *t, unsigned int queues, char err[ERROR_TEXT_MAX]);
/* The same with a name of choice, or another pattern. -EBUSY: there is such a device. */
int tun_open_named(struct tun *t, const char *name, unsigned int queues, char err[ERROR_TEXT_MAX]);

/* Opens a persistent TUN that is there, as ip-tuntap(8) makes them. 0 or -errno with err filled. */
int tun_open_existing(const char *name, int *ret_fd, char err[ERROR_TEXT_MAX]);

/*
 * Takes over a TUN that was handed in as `fd` (on success the caller's no more) as one queue.
 * Refuses what is no TUN, a TAP, and packet information (IFF_NO_PI missing). *ret_netns: the
 * network namespace that the device is in, now the caller's. 0 or -errno with err filled.
 */
/* The same of a device of the caller's own network namespace; without a privilege. */
int tun_adopt_here(struct tun *t, int fd, char err[ERROR_TEXT_MAX]);
int tun_adopt(struct tun *t, int fd, int *ret_netns, char err[ERROR_TEXT_MAX]);

/* Lets the program choose the queue of a packet; prog_fd = -1 takes it off. 0 or -errno. */
int tun_steer(struct tun *t, int prog_fd);

/*
 * Says that the device forwards, which bpf_fib_lookup() wants of it before it looks for a route;
 * what the device brings, the kernel half takes before any of it is forwarded. The calling
 * process is in the device's network namespace. A host without IPv6 has nothing to say of it.
 * 0 or -errno.
 */
int tun_forward(const struct tun *t);

/* False once the device was removed: its queues are dead, and no other will take them. */
bool tun_is_there(const struct tun *t);

/* Closes the queues. Harmless on a zeroed struct and a second time. */
void tun_close(struct tun *t);

#endif
