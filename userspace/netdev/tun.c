// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Opening and adopting the TUN. Our own has no packet information, several queues and the
 * 12-byte virtio_net_hdr, so that 64 KiB packets with unfinished checksums pass both ways;
 * UDP segmentation is asked for first and given up where the kernel (before 6.2) lacks it.
 * One that was handed in is taken as it is, without changing its flags.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/fd.h"
#include "netdev/link.h"
#include "netdev/netns.h"
#include "netdev/tun.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef TUNGETDEVNETNS /* Linux 5.2 */
#define TUNGETDEVNETNS _IO('T', 227)
#endif

#define VNET_HDR_BYTES 12
#define OFFLOAD_TCP (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
#define OFFLOAD_UDP (TUN_F_USO4 | TUN_F_USO6)

static int open_device(int *ret_fd, char err[ERROR_TEXT_MAX])
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r = -errno;

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if (r == -ENOENT || r == -ENODEV || r == -ENXIO)
		return error_text(err, r,
				  "/dev/net/tun is not there: load the module with 'modprobe "
				  "tun', or pass the device into the container");
	return error_at(err, r, "cannot open /dev/net/tun");
}

/* One more queue of t->name, which the first call turns from a pattern into a name. */
static int open_queue(struct tun *t, char err[ERROR_TEXT_MAX])
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE };
	int fd = -1;
	int r = open_device(&fd, err);

	if (r < 0)
		return r;
	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		r = -errno;
		fd_close(fd);
		return error_at(err, r, "cannot make queue %u of TUN %.*s", t->queues,
				(int)strcspn(t->name, "%"), t->name);
	}
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	t->fd[t->queues++] = fd;
	return 0;
}

/* Asks for what can be had; without any of it packets come whole and summed. */
static void set_offloads(struct tun *t)
{
	unsigned int flags = t->vnet_hdr_bytes ? OFFLOAD_TCP | OFFLOAD_UDP : 0;

	t->uso = ioctl(t->fd[0], TUNSETOFFLOAD, flags) == 0 && flags;
	t->tso = t->uso || (flags && ioctl(t->fd[0], TUNSETOFFLOAD, OFFLOAD_TCP) == 0);
}

/* ifindex and MTU, asked in the device's network namespace. */
static int learn_device(struct tun *t)
{
	struct ifreq ifr = { 0 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = 0;

	if (sock < 0)
		return -errno;
	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	if (ioctl(sock, SIOCGIFINDEX, &ifr) < 0)
		r = -errno;
	else
		t->ifindex = ifr.ifr_ifindex;
	if (r == 0 && ioctl(sock, SIOCGIFMTU, &ifr) < 0)
		r = -errno;
	else if (r == 0)
		t->mtu = (unsigned int)ifr.ifr_mtu;
	fd_close(sock);
	return r;
}

int tun_open(struct tun *t, unsigned int queues, char err[ERROR_TEXT_MAX])
{
	return tun_open_named(t, TUN_NAME_PATTERN, queues, err);
}

int tun_open_named(struct tun *t, const char *name, unsigned int queues, char err[ERROR_TEXT_MAX])
{
	int size = VNET_HDR_BYTES;
	int r;

	*t = (struct tun){ .vnet_hdr_bytes = VNET_HDR_BYTES };
	snprintf(t->name, sizeof(t->name), "%s", name);
	if (queues < 1 || queues > ROLES_MAX)
		return error_at(err, -EINVAL, "a TUN with %u queues", queues);
	while (t->queues < queues) {
		r = open_queue(t, err);
		if (r < 0)
			goto err_close;
	}
	if (ioctl(t->fd[0], TUNSETVNETHDRSZ, &size) < 0) {
		r = error_at(err, -errno, "cannot set the header size of TUN %s", t->name);
		goto err_close;
	}
	set_offloads(t);
	r = learn_device(t);
	if (r == 0)
		return 0;
	error_at(err, r, "cannot read index and MTU of TUN %s", t->name);
err_close:
	tun_close(t);
	return r;
}

int tun_open_existing(const char *name, int *ret_fd, char err[ERROR_TEXT_MAX])
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	int fd = -1, r;

	if (!if_nametoindex(name))
		return error_text(
			err, -ENODEV,
			"there is no device %s: make it with 'ip tuntap add dev %s mode tun user NAME'",
			name, name);
	r = open_device(&fd, err);
	if (r)
		return r;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		r = -errno;
		fd_close(fd);
		if (r == -EPERM)
			return error_text(
				err, r,
				"%s is not yours, and CAP_NET_ADMIN is missing: root makes "
				"it yours by 'ip tuntap add dev %s mode tun user NAME'",
				name, name);
		return error_at(
			err, r,
			"cannot open %s: it has to be a TUN of one queue that nobody else has "
			"open, and yours",
			name);
	}
	*ret_fd = fd;
	return 0;
}

/* A byte order that was set against the host's would make every header value wrong. */
static bool is_foreign_endian(int fd)
{
	unsigned long request = __BYTE_ORDER == __LITTLE_ENDIAN ? TUNGETVNETBE : TUNGETVNETLE;
	int value = 0;

	return ioctl(fd, request, &value) == 0 && value;
}

static int check_adopted(struct tun *t, char err[ERROR_TEXT_MAX])
{
	struct ifreq ifr = { 0 };
	int size = 0;

	if (ioctl(t->fd[0], TUNGETIFF, &ifr) < 0) {
		if (errno == EBADFD)
			return error_text(err, -EBADFD,
					  "descriptor %d has no TUN device attached "
					  "(TUNSETIFF comes first)",
					  t->fd[0]);
		return error_text(err, -EINVAL, "the descriptor that was handed in is not a TUN");
	}
	memcpy(t->name, ifr.ifr_name, sizeof(t->name));
	if (!(ifr.ifr_flags & IFF_TUN))
		return error_text(err, -EINVAL, "device %.15s is a TAP: a TUN (IFF_TUN) is needed",
				  t->name);
	if (!(ifr.ifr_flags & IFF_VNET_HDR))
		return 0;
	if (ioctl(t->fd[0], TUNGETVNETHDRSZ, &size) < 0)
		return error_at(err, -errno, "cannot read the header size of TUN %.15s", t->name);
	if ((size != 10 && size != 12) || is_foreign_endian(t->fd[0]))
		return error_text(err, -EINVAL,
				  "TUN %.15s has a virtio_net_hdr of %d bytes or of "
				  "foreign byte order: 10 or 12 in the host's order "
				  "are understood",
				  t->name, size);
	t->vnet_hdr_bytes = (unsigned int)size;
	return 0;
}

/* In the device's network namespace: index, MTU and packet information. */
static int look_at_device(struct tun *t, bool *ret_pi)
{
	int r = learn_device(t);

	/* TUNGETIFF cannot tell: IFF_NOFILTER, which it adds, is the same bit. */
	return r ? r : link_tun_has_pi(t->ifindex, ret_pi);
}

static int looked_at(const struct tun *t, int r, bool pi, char err[ERROR_TEXT_MAX])
{
	if (r < 0)
		return error_at(err, r, "cannot look at TUN %.15s in its network namespace",
				t->name);
	if (!pi)
		return 0;
	return error_text(err, -EINVAL, "TUN %.15s adds packet information: make it with IFF_NO_PI",
			  t->name);
}

static int visit_device(struct tun *t, int *ret_netns, char err[ERROR_TEXT_MAX])
{
	int netns = ioctl(t->fd[0], TUNGETDEVNETNS);
	int home = -1, back;
	bool pi = false;
	int r;

	if (netns < 0)
		return error_at(err, -errno, "cannot learn the network namespace of TUN %.15s",
				t->name);
	r = netns_enter(netns, &home);
	if (r == 0) {
		r = look_at_device(t, &pi);
		back = netns_leave(home);
		r = back < 0 ? back : r;
	}
	r = looked_at(t, r, pi, err);
	if (r < 0)
		fd_close(netns);
	else
		*ret_netns = netns;
	return r;
}

static int take_descriptor(struct tun *t, char err[ERROR_TEXT_MAX])
{
	int r = fd_set_nonblock(t->fd[0], true);

	if (r == 0)
		r = fd_set_cloexec(t->fd[0], true);
	if (r < 0)
		return error_at(err, r, "cannot set flags of descriptor %d", t->fd[0]);
	set_offloads(t);
	return 0;
}

int tun_adopt_here(struct tun *t, int fd, char err[ERROR_TEXT_MAX])
{
	bool pi = false;
	int r;

	*t = (struct tun){ .fd = { fd }, .queues = 1 };
	r = check_adopted(t, err);
	if (!r)
		r = looked_at(t, look_at_device(t, &pi), pi, err);
	if (!r)
		r = take_descriptor(t, err);
	if (r)
		t->queues = 0; /* it stays the caller's */
	return r;
}

int tun_adopt(struct tun *t, int fd, int *ret_netns, char err[ERROR_TEXT_MAX])
{
	int netns = -1;
	int r;

	*t = (struct tun){ .fd = { fd }, .queues = 1 };
	r = check_adopted(t, err);
	if (r < 0)
		goto err_forget;
	r = visit_device(t, &netns, err);
	if (r < 0)
		goto err_forget;
	r = take_descriptor(t, err);
	if (r < 0)
		goto err_netns;
	*ret_netns = netns;
	return 0;
err_netns:
	fd_close(netns);
err_forget:
	t->queues = 0; /* it stays the caller's */
	return r;
}

int tun_steer(struct tun *t, int prog_fd)
{
	return ioctl(t->fd[0], TUNSETSTEERINGEBPF, &prog_fd) < 0 ? -errno : 0;
}

static int put_setting(const struct tun *t, const char *family)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/forwarding", family, t->name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) != 1)
		err = -errno;
	fd_close(fd);
	return err;
}

int tun_forward(const struct tun *t)
{
	int err4 = put_setting(t, "ipv4"), err6 = put_setting(t, "ipv6");

	return err4 || err6 == -ENOENT ? err4 : err6;
}

bool tun_is_there(const struct tun *t)
{
	struct ifreq ifr = { 0 };

	return ioctl(t->fd[0], TUNGETIFF, &ifr) == 0 || errno != EBADFD;
}

void tun_close(struct tun *t)
{
	while (t->queues > 0)
		fd_close(t->fd[--t->queues]);
}
