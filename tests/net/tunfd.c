// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tunfd plain|offload NETNS-PID COMMAND...: opens a TUN in the network namespace of another
 * process, as a caller that hands a TUN to Headrace would, and executes COMMAND where it is,
 * with the device as descriptor 9. plain: no virtio_net_hdr and no offloads.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TUN_FD 9

static int open_tun(int offload)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	if (fd < 0)
		err(1, "/dev/net/tun");
	if (offload)
		ifr.ifr_flags |= IFF_VNET_HDR;
	strcpy(ifr.ifr_name, "handed");
	if (ioctl(fd, TUNSETIFF, &ifr))
		err(1, "TUNSETIFF");
	return fd;
}

static int open_netns(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

int main(int argc, char **argv)
{
	int here;
	int there;
	int fd;

	if (argc < 4)
		errx(2, "usage: tunfd plain|offload NETNS-PID COMMAND...");
	here = open_netns("self");
	there = open_netns(argv[2]);
	if (setns(there, CLONE_NEWNET))
		err(1, "setns");
	fd = open_tun(!strcmp(argv[1], "offload"));
	if (setns(here, CLONE_NEWNET))
		err(1, "setns");
	if (dup2(fd, TUN_FD) < 0)
		err(1, "dup2");
	close(fd);
	execvp(argv[3], argv + 3);
	err(127, "%s", argv[3]);
}
