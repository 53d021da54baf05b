// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rtnetlink by libmnl: one socket per request, since there are few of them in a process's life. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "netdev/rtnl.h"

#define REPLY_BYTES 32768 /* a dump's parts can be that large */
#define SEQUENCE 1 /* one request per socket */

void *rtnl_start(struct rtnl_request *req, uint16_t type, uint16_t flags, size_t extra_bytes)
{
	req->head = mnl_nlmsg_put_header(req->buf);
	req->head->nlmsg_type = type;
	req->head->nlmsg_flags = NLM_F_REQUEST | flags;
	return mnl_nlmsg_put_extra_header(req->head, extra_bytes);
}

/* Reads until the acknowledgement or the dump's end; `each` is called for other messages. */
static int receive_all(struct mnl_socket *nl, mnl_cb_t each, void *arg)
{
	char *buf = malloc(REPLY_BYTES);
	int r;

	if (!buf)
		return -ENOMEM;
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, REPLY_BYTES);

		if (n < 0 && errno == EINTR) {
			r = MNL_CB_OK;
			continue;
		}
		r = n < 0 ? MNL_CB_ERROR :
			    mnl_cb_run(buf, (size_t)n, SEQUENCE, mnl_socket_get_portid(nl), each,
				       arg);
	} while (r > MNL_CB_STOP);
	r = r == MNL_CB_ERROR ? -errno : 0;
	free(buf);
	return r;
}

int rtnl_run(struct rtnl_request *req, mnl_cb_t each, void *arg)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r;

	if (!nl)
		return -errno;
	req->head->nlmsg_seq = SEQUENCE;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, req->head, req->head->nlmsg_len) < 0)
		r = -errno;
	else
		r = receive_all(nl, each, arg);
	mnl_socket_close(nl);
	return r;
}

void rtnl_put_addr(struct rtnl_request *req, uint16_t type, const struct addr *a)
{
	__be32 v4 = addr_to_v4(a);

	if (addr_is_v4(a))
		mnl_attr_put(req->head, type, sizeof(v4), &v4);
	else
		mnl_attr_put(req->head, type, sizeof(a->b), a->b);
}

bool rtnl_get_addr(const struct nlattr *attr, struct addr *ret_addr)
{
	const void *bytes = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);
	__be32 v4;

	if (len == sizeof(ret_addr->b)) {
		*ret_addr = addr_from_v6(bytes);
	} else if (len == sizeof(v4)) {
		memcpy(&v4, bytes, sizeof(v4));
		*ret_addr = addr_from_v4(v4);
	} else {
		return false;
	}
	return true;
}
