// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The packet parser and the classifier, as a worker runs them, on any bytes. The first byte
 * chooses the settings, the rest is the packet. Holds: a head of PARSE_HEAD_MAX bytes is
 * judged as the whole packet is (what the kernel half relies on), offsets lie inside, and a
 * decision names a queue and a role that exist, or a reason.
 *
 * The corpus is one packet of each kind, made by tests/fuzz/generate/packet.c.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/classify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/tun_settings.h"

static struct settings settings_of(uint8_t choice)
{
	struct settings s = tun_settings();

	s.workers = 1 + (choice & 15);
	s.resolver_queue = !(choice & 16);
	s.any_source = !!(choice & 32);
	if (choice & 64)
		s.tun6_bits = 0;
	if (choice & 128)
		s.tun4_bits = 29;
	return s;
}

static void check_packet(const struct packet *p, size_t len)
{
	require(p->version == 4 || p->version == 6);
	require(p->total_len <= len);
	require(p->l4_offset <= p->payload_offset && p->payload_offset <= p->total_len);
	require(p->proto_offset < p->l4_offset);
	require(!p->l4_valid || (!p->fragment_offset && p->payload_offset > p->l4_offset));
	require(p->is_fragment || (!p->more_fragments && !p->fragment_offset));
}

static void check_decision(const struct decision *d, const struct packet *p,
			   const struct settings *s)
{
	bool passes = d->verdict == VERDICT_FORWARD || d->verdict == VERDICT_DNS ||
		      d->verdict == VERDICT_LOCAL;
	unsigned int queues = s->workers + !!s->resolver_queue;

	require(d->verdict > VERDICT_NONE && d->verdict < VERDICT_NUM);
	if (passes) {
		require(d->queue < queues && d->slot <= s->workers && !d->reason);
		require(d->slot || d->verdict == VERDICT_DNS);
		require(!packet_is_transport(p) || p->fragment_offset || (p->sport && p->dport));
	} else {
		require(d->reason && d->reason < DROP_NUM);
		require(d->verdict == VERDICT_DROP || !p->fragment_offset);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet p, head;
	struct decision d;
	struct settings s;
	size_t len;
	int ret;

	if (!size)
		return 0;
	s = settings_of(data[0]);
	len = size - 1;
	ret = packet_parse(&p, data + 1, data + size, 0);
	require(ret <= 0 && ret > -DROP_NUM);
	if (len > PARSE_HEAD_MAX) {
		require(packet_parse(&head, data + 1, data + 1 + PARSE_HEAD_MAX, len) == ret);
		require(!memcmp(&p, &head, sizeof(p)));
	}
	if (ret)
		return 0;
	check_packet(&p, len);
	d = packet_classify(&p, &s, CAPTURE_TUN);
	check_decision(&d, &p, &s);
	return 0;
}
