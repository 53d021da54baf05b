// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What every engine of a worker needs on its way back to the application: counted writes to
 * the queue, fragments, ICMP errors, and what is known of a flow's upstream.
 */
#include <string.h>

#include "datapath/dns.h"
#include "netdev/fragment.h"
#include "netdev/packet.h"
#include "worker/worker.h"

static const struct addr loopback4 = { { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 } };
static const struct addr loopback6 = { { [15] = 1 } };

void worker_drop(struct worker *w, enum drop_reason why)
{
	datapath_drop(&w->datapath, why);
}

int worker_writev(struct worker *w, const struct iovec *iov, int iovcnt,
		  const struct queue_offload *off)
{
	int err = queue_write(&w->queue, iov, iovcnt, off);
	size_t len = 0;

	if (err) {
		worker_drop(w, DROP_TUN_FULL);
		return err;
	}
	for (int i = 0; i < iovcnt; i++)
		len += iov[i].iov_len;
	datapath_count(&w->datapath, RSTAT_TUN_TX, 1);
	datapath_count(&w->datapath, RSTAT_TUN_TX_BYTES, (int64_t)len);
	return 0;
}

void worker_write(struct worker *w, const void *packet, size_t len)
{
	struct iovec iov = { .iov_base = (void *)packet, .iov_len = len };

	worker_writev(w, &iov, 1, NULL);
}

/* Appends what of `part` lies in [from, to), counted from where `part` begins at `at`. */
static int cut(struct iovec *iov, const struct iovec *part, size_t at, size_t from, size_t to)
{
	size_t end = at + part->iov_len < to ? at + part->iov_len : to;
	size_t start = at > from ? at : from;

	if (start >= end)
		return 0;
	iov->iov_base = (uint8_t *)part->iov_base + (start - at);
	iov->iov_len = end - start;
	return 1;
}

static void write_fragments(struct worker *w, const struct packet_path *path, uint8_t proto,
			    const struct iovec *l4, const struct iovec *payload)
{
	size_t total = l4->iov_len + payload->iov_len;
	size_t room = fragment_room(path, w->config.settings.mtu);
	uint32_t id = w->fragment_id++;

	for (size_t at = 0; at < total; at += room) {
		size_t end = at + room < total ? at + room : total;
		uint8_t header[FRAGMENT_HEADER_MAX];
		struct iovec iov[3] = { { .iov_base = header } };
		int n = 1;

		iov[0].iov_len =
			fragment_header(header, path, proto, id, at, end - at, end < total);
		n += cut(&iov[n], l4, 0, at, end);
		n += cut(&iov[n], payload, l4->iov_len, at, end);
		if (worker_writev(w, iov, n, NULL))
			return; /* the rest is worth nothing without it */
	}
}

void worker_write_l4(struct worker *w, const struct packet_path *path, uint8_t proto,
		     const struct iovec *l4, const struct iovec *payload)
{
	size_t len = l4->iov_len + payload->iov_len;
	uint8_t header[PACKET_HEADERS_MAX];
	struct iovec iov[3] = { { .iov_base = header }, *l4, *payload };

	if (packet_ip_bytes(path) + len > w->config.settings.mtu) {
		write_fragments(w, path, proto, l4, payload);
		return;
	}
	iov[0].iov_len = packet_ip_header(header, path, proto, len);
	worker_writev(w, iov, 3, NULL);
}

/*
 * Who sends our own ICMP errors about a packet, whose header is whole: the stack. On a host
 * they arrive where the packet would have left, and no route leads to the stack there
 * (rp_filter): its destination sends them.
 */
static struct addr error_source(const struct worker *w, const uint8_t *packet)
{
	const struct settings *s = &w->config.settings;
	bool v4 = *packet >> 4 == 4;
	__be32 daddr;

	if (!s->host)
		return v4 ? s->stack4 : s->stack6;
	memcpy(&daddr, packet + IP4_HEADER_BYTES - sizeof(daddr), sizeof(daddr));
	return v4 ? addr_from_v4(daddr) : addr_from_v6(packet + 24);
}

void worker_icmp_error(struct worker *w, int icmp_error, uint32_t mtu, const struct addr *from,
		       const void *quoted, size_t quoted_len)
{
	struct addr here = error_source(w, quoted);
	uint8_t buf[PACKET_ICMP_MAX];
	size_t len;

	if (!from)
		from = &here;
	len = packet_icmp_error(buf, (enum icmp_error)icmp_error, mtu, from, quoted, quoted_len);
	if (len)
		worker_write(w, buf, len);
}

/* The first that is meant for what was asked for, NULL = none. */
static const struct role_vip *vip_of(const struct worker *w, const struct flow_key *key)
{
	for (int i = 0; i < ROLE_VIPS_MAX && !addr_is_zero(&w->config.vip[i].at.addr); i++) {
		const struct role_vip *v = &w->config.vip[i];

		if (addr_eq(&v->at.addr, &key->daddr) && (!v->at.port || v->at.port == key->dport))
			return v;
	}
	return NULL;
}

struct endpoint worker_upstream_of(const struct worker *w, const struct flow_key *key)
{
	struct endpoint to = { .addr = key->daddr, .port = key->dport };
	const struct role_vip *vip = vip_of(w, key);

	if (vip) {
		to.addr = vip->to.addr;
		to.port = vip->to.port ? vip->to.port : key->dport;
		return to;
	}

	if (!addr_is_zero(&w->config.host_loopback) &&
	    addr_eq(&w->config.host_loopback, &key->daddr))
		to.addr = addr_is_v4(&key->daddr) ? loopback4 : loopback6;
	return to;
}

void worker_flow_info(struct worker *w, const struct flow_key *key, const struct endpoint *upstream,
		      struct flow_info *ret_info)
{
	memset(ret_info, 0, sizeof(*ret_info));
	if (upstream) {
		ret_info->upstream = upstream->addr;
		ret_info->upstream_port = upstream->port;
	}
	memcpy(ret_info->outbound, "direct", sizeof("direct"));
	datapath_domain_get(&w->datapath, datapath_policy_of(&w->datapath, &key->saddr),
			    &key->daddr, ret_info->domain);
}

void worker_flow_end(struct worker *w, const struct flow_key *key, uint64_t created_ns,
		     enum flow_end end)
{
	struct endpoint to = worker_upstream_of(w, key);
	struct flow_info info;

	if (datapath_flow_noted(&w->datapath, key, &info))
		worker_flow_info(w, key, &to, &info);
	info.end = end;
	datapath_flow_end(&w->datapath, key, created_ns, &info);
}
