// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From the queue to the engines. Each packet is parsed and classified by the code that the
 * kernel half runs, so a worker is right without it, and for what only it can see: packets
 * that it reassembled, and the whole traffic of a TUN with a single queue.
 *
 * Of several workers each has the packets of its own flows, but for what the kernel half cannot
 * tell the flow of: that is handed on to the worker that carries it (inbox.h).
 *
 * A turn takes at most PACKETS_PER_TURN packets; then sockets are served. Packets that the
 * UDP engine holds for a batch stay where they were read until the turn's end: they are read
 * one behind the other into one arena, everything else over and over into the same place.
 *
 * Where a turn found one packet alone (an application that asks and waits), the next few turns
 * spare themselves the read that finds the queue empty; then one looks again.
 *
 * The device may fail (taken down, vanished): the queue is then left alone for TUN_RETRY_MS
 * and tried again, for ever; main ends all when the device was removed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/message.h"
#include "bpf/classify.h"
#include "flow/reassembly.h"
#include "worker/admit.h"
#include "worker/checksum.h"
#include "worker/inbox.h"
#include "worker/input.h"
#include "worker/refuse.h"

#define PACKETS_PER_TURN 64
#define SINGLES 8
#define READ_BYTES (PACKET_MAX + 12) /* queue.h: packet and virtio_net_hdr */
#define ARENA_BYTES (256 << 10)
#define ARENA_ALIGN 64
_Static_assert(READ_BYTES <= ARENA_BYTES, "a packet fits");
#define EXPIRE_MS 1000 /* between looks for fragments whose time is up */
#define DRAIN_MAX (4 * TUN_TXQUEUELEN) /* an application may go on sending meanwhile */

struct input {
	struct worker *worker;
	struct reassembly *reassembly;
	struct watch watch;
	struct timer retry;
	struct timer expire;
	bool failing; /* the last read failed, and it was said */
	unsigned int singles; /* turns that read one packet and do not look for another */
	size_t used; /* of the arena, by packets that the UDP engine holds */
	uint8_t arena[ARENA_BYTES] __attribute__((aligned(ARENA_ALIGN)));
};

/* A UDP packet to port 53: the resolver answers it through its own queue. */
static void relay_query(struct worker *w, struct worker_packet *p)
{
	uint8_t buf[ROLE_MESSAGE_MAX];
	struct relay_message m = { .type = RELAY_PACKET, .key = p->key };

	if (w->relay_fd < 0) {
		refuse_packet(w, p, DROP_UPSTREAM_UNREACH);
		return;
	}
	if (sizeof(m) + p->raw.len > sizeof(buf)) { /* no query is that long */
		worker_drop(w, DROP_DNS_MALFORMED);
		return;
	}
	checksum_udp_complete(p);
	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), p->raw.data, p->raw.len);
	if (message_send(w->relay_fd, buf, sizeof(m) + p->raw.len, -1))
		worker_drop(w, DROP_DNS_LIMIT);
}

static void dispatch(struct worker *w, struct worker_packet *p, enum verdict verdict)
{
	packet_key_up(&p->head, &p->key);
	switch (p->head.proto) {
	case IPPROTO_TCP:
		tcp_engine_input(w->tcp, p);
		break;
	case IPPROTO_UDP:
		if (verdict == VERDICT_DNS)
			relay_query(w, p);
		else
			udp_engine_input(w->udp, p);
		break;
	default: /* packet_classify() lets nothing else through */
		icmp_engine_input(w->icmp, p);
	}
}

/*
 * Of what was put together here the kernel half has not seen the whole, so it is asked again
 * whether its client's policy lets it begin a flow. 0 or -drop_reason.
 */
static int admit(struct worker *w, const struct worker_packet *p, const struct decision *d)
{
	if (!p->reassembled || !packet_needs_admission(&p->head, &w->config.settings, d))
		return 0;
	return admit_packet(&w->datapath, &p->head);
}

/* The same path again for what fragments made; its bytes are gone after that. */
static void take_fragment(struct input *in, const struct worker_packet *p)
{
	struct worker_packet whole = { .reassembled = true };
	struct reassembled r;

	if (p->reassembled) { /* a fragment inside of fragments */
		worker_drop(in->worker, DROP_FRAGMENT_BAD);
		return;
	}
	if (!reassembly_add(in->reassembly, &p->head, p->raw.data, clock_ms(), &r)) {
		if (!timer_is_armed(&in->expire))
			loop_arm(in->worker->loop, &in->expire, EXPIRE_MS);
		return;
	}
	whole.raw.data = r.data;
	whole.raw.len = r.len;
	input_packet(in, &whole);
	udp_engine_flush(in->worker->udp);
}

/* Used up on arrival: a router would have to forward it with 0. What ends here is not. */
static bool ttl_used_up(const struct worker_packet *p, enum verdict verdict)
{
	return p->head.ttl <= 1 && verdict == VERDICT_FORWARD;
}

/*
 * A packet that no engine will see. If it opened a flow, the kernel half has entered it, and
 * nobody else would end it.
 */
static void drop_packet(struct worker *w, struct worker_packet *p, enum drop_reason why)
{
	bool opens = p->head.proto != IPPROTO_TCP ||
		     (p->head.tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN;
	struct flow_info info;

	worker_drop(w, why);
	if (!p->head.l4_valid || !opens)
		return;
	packet_key_up(&p->head, &p->key);
	if (datapath_flow_noted(&w->datapath, &p->key, &info))
		worker_flow_end(w, &p->key, clock_ns(), END_REJECTED);
}

/* The worker that carries the packet's flow, where the queue could not be chosen by it. */
static unsigned int owner_of(const struct worker *w, const struct worker_packet *p,
			     const struct decision *d)
{
	struct flow_key key;

	if (packet_is_icmp(&p->head) && !packet_is_echo_request(&p->head))
		return icmp_refused_flow(p, &key) ? 1 + flow_worker(&key, &w->config.settings) :
						    w->config.slot;
	/* the resolver's are relayed to it by whoever has them */
	return p->reassembled && d->slot != RESOLVER_QUEUE ? d->slot : w->config.slot;
}

/* True if the packet is another worker's: that one has it now, or it was dropped. */
static bool hand_over(struct worker *w, struct worker_packet *p, const struct decision *d)
{
	unsigned int owner = w->inbox ? owner_of(w, p, d) : w->config.slot;

	if (owner == w->config.slot)
		return false;
	if (p->handed || inbox_send(w->inbox, owner, p->raw.data, p->raw.len))
		drop_packet(w, p, DROP_HANDOVER);
	else
		datapath_count(&w->datapath, RSTAT_HANDED_OUT, 1);
	return true;
}

/* Where a packet was captured on a host, the kernel half knows, and has tested it for that. */
static enum capture_point captured_where(const struct worker *w)
{
	return w->config.settings.host ? CAPTURE_LOOPBACK : CAPTURE_TUN;
}

void input_packet(struct input *in, struct worker_packet *p)
{
	struct worker *w = in->worker;
	int err = packet_parse(&p->head, p->raw.data, p->raw.data + p->raw.len, 0);
	struct decision d;

	if (err) {
		worker_drop(w, -err);
		return;
	}
	p->raw.len = p->head.total_len;
	if (!checksum_ip_right(p)) {
		drop_packet(w, p, DROP_CHECKSUM);
		return;
	}
	d = packet_classify(&p->head, &w->config.settings, captured_where(w));
	err = admit(w, p, &d);
	if (err)
		d = decide_refuse(VERDICT_REJECT, -err);
	if (d.verdict == VERDICT_DROP) {
		worker_drop(w, d.reason);
	} else if (d.verdict == VERDICT_REJECT) {
		refuse_packet(w, p, d.reason);
	} else if (ttl_used_up(p, d.verdict)) {
		drop_packet(w, p, DROP_TTL);
		worker_icmp_error(w, ICMP_ERR_TTL, 0, NULL, p->raw.data, p->raw.len);
	} else if (p->head.is_fragment) {
		take_fragment(in, p);
	} else if (hand_over(w, p, &d)) {
		return;
	} else if (!checksum_l4_right(p)) {
		drop_packet(w, p, DROP_CHECKSUM);
	} else {
		dispatch(w, p, d.verdict);
	}
}

/* Where the next packet may be read: behind what is held, or over the last one. */
static void arena_advance(struct input *in, const struct worker_packet *p)
{
	struct udp_engine *udp = in->worker->udp;

	if (!udp_engine_holds(udp)) {
		in->used = 0;
		return;
	}
	if (p->head.proto == IPPROTO_UDP)
		in->used = (p->raw.data + p->raw.len - in->arena + ARENA_ALIGN - 1) &
			   ~(size_t)(ARENA_ALIGN - 1);
	if (in->used + READ_BYTES > ARENA_BYTES) {
		udp_engine_flush(udp);
		in->used = 0;
	}
}

static void queue_failed(struct input *in, int err)
{
	struct worker *w = in->worker;

	datapath_count(&w->datapath, RSTAT_TUN_ERRORS, 1);
	if (!in->failing)
		log_warn("tun", "read failed, trying again error=%s", strerror(-err));
	in->failing = true;
	loop_remove(w->loop, &in->watch);
	loop_arm(w->loop, &in->retry, TUN_RETRY_MS);
}

/* 0 or what ends the turn. */
static int read_packet(struct input *in)
{
	struct worker *w = in->worker;
	struct worker_packet p = { .reassembled = false };
	int err = queue_read(&w->queue, in->arena + in->used, READ_BYTES, &p.raw);

	if (err == -EBADMSG) {
		worker_drop(w, DROP_VNET_HDR);
		return 0;
	}
	if (err)
		return err;
	in->failing = false;
	datapath_count(&w->datapath, RSTAT_TUN_RX, 1);
	datapath_count(&w->datapath, RSTAT_TUN_RX_BYTES, (int64_t)p.raw.len);
	input_packet(in, &p);
	arena_advance(in, &p);
	return 0;
}

static void queue_ready(struct watch *watch, uint32_t events)
{
	struct input *in = container_of(watch, struct input, watch);
	unsigned int limit = in->singles ? 1 : PACKETS_PER_TURN, n = 0;
	int err = 0;

	while (n < limit && !err) {
		err = read_packet(in);
		n += !err;
	}
	udp_engine_flush(in->worker->udp);
	in->used = 0;
	if (in->singles)
		in->singles--;
	else if (n == 1)
		in->singles = SINGLES;
	/* An error that a read does not take away would wake us for ever. */
	if (err == -EAGAIN && events & (EPOLLERR | EPOLLHUP))
		err = -EIO;
	if (err && err != -EAGAIN)
		queue_failed(in, err);
}

static void retry_queue(struct timer *t)
{
	struct input *in = container_of(t, struct input, retry);

	in->watch.fd = in->worker->queue.fd;
	if (loop_add(in->worker->loop, &in->watch, EPOLLIN)) {
		in->watch.fd = -1;
		loop_arm(in->worker->loop, &in->retry, TUN_RETRY_MS);
	}
}

static void expire_fragments(struct timer *t)
{
	struct input *in = container_of(t, struct input, expire);

	if (reassembly_expire(in->reassembly, clock_ms()))
		loop_arm(in->worker->loop, &in->expire, EXPIRE_MS);
}

static void fragments_expired(void *arg, const uint8_t *first, size_t len)
{
	struct input *in = arg;

	worker_icmp_error(in->worker, ICMP_ERR_REASSEMBLY, 0, NULL, first, len);
}

int input_new(struct worker *w, struct input **ret_input)
{
	struct input *in = aligned_alloc(ARENA_ALIGN, sizeof(*in));
	int err;

	if (!in)
		return -ENOMEM;
	in->worker = w;
	in->used = 0;
	in->failing = false;
	in->singles = 0;
	in->watch = (struct watch){ .ready = queue_ready, .fd = w->queue.fd };
	timer_init(&in->retry, retry_queue);
	timer_init(&in->expire, expire_fragments);
	err = reassembly_new(&w->datapath, fragments_expired, in, &in->reassembly);
	if (err)
		goto err_input;
	err = loop_add(w->loop, &in->watch, EPOLLIN);
	if (err)
		goto err_reassembly;
	*ret_input = in;
	return 0;

err_reassembly:
	reassembly_free(in->reassembly);
err_input:
	free(in);
	return err;
}

void input_free(struct input *in)
{
	if (!in)
		return;
	loop_remove(in->worker->loop, &in->watch);
	loop_disarm(&in->retry);
	loop_disarm(&in->expire);
	reassembly_free(in->reassembly);
	free(in);
}

void input_drain(struct worker *w)
{
	uint8_t *buf = malloc(READ_BYTES);
	struct queue_packet raw;

	for (int i = 0; buf && i < DRAIN_MAX; i++) {
		int err = queue_read(&w->queue, buf, READ_BYTES, &raw);

		if (err && err != -EBADMSG)
			break;
		worker_drop(w, DROP_ROLE_RESTART);
	}
	free(buf);
}
