// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Only root is given the socket: it shows every packet of every user, and can be bound to
 * another device of the same network namespace.
 */
#include <string.h>
#include <sys/types.h>

#include "base/fd.h"
#include "base/log.h"
#include "netdev/netns.h"
#include "netdev/sniff.h"
#include "supervisor/dump.h"
#include "supervisor/instance.h"

/* In the namespace that the device is in. 0 or -errno. */
static int open_there(const struct capture *c, int *ret_fd)
{
	int home, err, back;

	if (c->netns_fd < 0)
		return sniff_open(c->tun.ifindex, DUMP_BUFFER_BYTES, ret_fd);
	err = netns_enter(c->netns_fd, &home);
	if (err)
		return err;
	err = sniff_open(c->tun.ifindex, DUMP_BUFFER_BYTES, ret_fd);
	back = netns_leave(home);
	if (back && !err)
		*ret_fd = fd_close(*ret_fd);
	return err ? err : back;
}

void dump_send(struct instance *in, struct control_client *client)
{
	const struct capture *c = &in->capture;
	uid_t uid;
	int fd, err;

	if (control_peer_uid(client->watch.fd, &uid) || uid) {
		control_refuse(client, "only root can see packets: use sudo");
		return;
	}
	err = open_there(c, &fd);
	if (err) {
		control_refuse(client, "no packets of %s are to be had: %s", c->tun.name,
			       strerror(-err));
		return;
	}
	client->dumps = true;
	log_info("main", "packets of %s are dumped from now on", c->tun.name);
	control_send_fd(client, "dump",
			json_pack("{s:s, s:i}", "tun", c->tun.name, "mtu", (int)c->tun.mtu), fd);
	fd_close(fd);
}

unsigned int dump_count(const struct instance *in)
{
	unsigned int n = 0;

	list_for_each_safe(l, next, &in->control.clients)
		n += container_of(l, struct control_client, link)->dumps;
	return n;
}
