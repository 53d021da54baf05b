// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an input has the peers of a worker do: answer, give, take, end and fail. */
#include <errno.h>
#include <netinet/in.h>

#include "tests/fuzz/peer.h"

static const int errors[] = { ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH,  ENETUNREACH,
			      ECONNRESET,   EACCES,    EPERM,	      EMSGSIZE,
			      EIO,	    EINVAL,    EADDRNOTAVAIL, EMFILE,
			      ENOBUFS,	    ENOMEM,    EAGAIN,	      EPIPE };

/* One of those of a kind, chosen by the input. */
static struct peer *choose(struct input *in, enum peer_kind kind)
{
	unsigned int num = 0, which = next8(in);

	for (int i = 0; i < PEERS; i++)
		num += peer_table[i].kind == kind && peer_table[i].fake->watched;
	if (!num)
		return NULL;
	which %= num;
	for (int i = 0;; i++) {
		if (peer_table[i].kind == kind && peer_table[i].fake->watched && which-- == 0)
			return &peer_table[i];
	}
}

static int error_of(uint32_t choice)
{
	return errors[choice % (sizeof(errors) / sizeof(errors[0]))];
}

void peers_act_tcp(struct input *in)
{
	struct peer *p = choose(in, PEER_TCP);
	uint32_t what = next8(in), amount = next16(in);

	if (!p)
		return;
	if (!p->connected) {
		p->connected = what % 8 < 6;
		p->room = amount * 4;
		p->error = p->connected ? 0 : error_of(amount);
	} else if (what % 8 < 3 && !p->fin) {
		p->give += what & 8 ? amount * 4 : amount % 3000;
	} else if (what % 8 < 5) {
		p->room += what & 8 ? amount * 4 : amount % 3000;
	} else if (what % 8 == 5) {
		p->fin = true;
	} else if (what % 8 == 6) {
		p->fin = true;
		p->error = what & 8 ? error_of(amount) : ECONNRESET;
	}
	fake_edge(p->fake);
}

static void put_datagram(struct peer *p, uint32_t len, uint32_t segment)
{
	unsigned int at = (p->waiting_first + p->waiting_count) % WAITING_MAX;

	if (p->waiting_count == WAITING_MAX)
		return;
	if (segment && len / segment >= SEGMENTS_MAX)
		len = segment * (SEGMENTS_MAX - 1);
	if (segment >= len)
		segment = 0;
	p->waiting[at] = (struct datagram){ (uint16_t)len, (uint16_t)segment };
	p->waiting_count++;
}

void peers_act_udp(struct input *in)
{
	struct peer *p = choose(in, PEER_UDP);
	uint32_t what = next8(in), amount = next16(in);

	if (!p)
		return;
	switch (what % 8) {
	case 0:
	case 1:
		for (uint32_t i = 0; i <= (what >> 3); i++) /* a run of one size */
			put_datagram(p, amount % 1473, 0);
		break;
	case 2:
		put_datagram(p, amount % 65508, 0);
		break;
	case 3:
		put_datagram(p, amount % 65508, (what >> 3) * 64);
		break;
	case 4:
		p->room = amount % 8;
		break;
	case 5:
		p->errors = 1 + amount % 3;
		p->error_type = (uint8_t)(amount >> 8);
		break;
	case 6:
		p->error = error_of(amount);
		break;
	default:
		p->room = 1000;
	}
}

/* The reply to what was sent last, or an error that quotes it. */
static void icmp_answer(struct peer *p, uint32_t what)
{
	static const uint8_t ip4[20] = { 0x45, [3] = 48, [8] = 60, [9] = 1, [12] = 192, 0,
					 2,    1,	 10,	   0,	    0,		2 };
	static const uint8_t quoted4[20] = { 0x45, [3] = 28, [8] = 1, [9] = 1, [12] = 10, 9,
					     9,	   9,	     192,     0,       2,	  1 };
	static const uint8_t quoted6[40] = { 0x60, [5] = 24, 58,   1,	 0xfd,	  [23] = 2,
					     0x20, 1,	     0x0d, 0xb8, [39] = 1 };
	uint8_t *at = p->raw;

	if (p->kind == PEER_RAW4) {
		memcpy(at, ip4, sizeof(ip4));
		at += sizeof(ip4);
	}
	memcpy(at, p->sent, 8);
	*at = p->family == AF_INET ? 0 : 129;
	if (what & 1) {
		memset(at, 0, 8);
		at[0] = p->family == AF_INET ? 3 : 1;
		at[1] = (what >> 1) % 8;
		at += 8;
		if (p->family == AF_INET)
			memcpy(at, quoted4, sizeof(quoted4));
		else
			memcpy(at, quoted6, sizeof(quoted6));
		at += p->family == AF_INET ? sizeof(quoted4) : sizeof(quoted6);
	}
	if (!(what & 1))
		at += 8;
	memcpy(at, p->sent, p->sent_len);
	p->raw_len = (size_t)(at - p->raw) + p->sent_len;
}

void peers_act_icmp(struct input *in)
{
	static const enum peer_kind kinds[] = { PEER_RAW4, PEER_RAW6, PEER_PING };
	uint32_t what = next8(in);
	struct peer *p = choose(in, kinds[what % 3]);

	if (!p)
		return;
	what = next8(in);
	if (what < 128 && p->sent_len) {
		icmp_answer(p, what);
	} else if (what < 192) {
		p->raw_len = next8(in);
		for (size_t i = 0; i < p->raw_len; i++)
			p->raw[i] = (uint8_t)next8(in);
	} else if (what < 224 && p->kind == PEER_PING) { /* raw sockets keep none */
		p->errors = 1 + what % 3;
		p->error_type = (uint8_t)next8(in);
	} else {
		p->error = error_of(what);
	}
}

void peers_act_fault(struct input *in)
{
	int *const faults[] = { &peer_faults.socket_error, &peer_faults.connect_error,
				&peer_faults.send_error, &peer_faults.option_error,
				&fake_world.watch_error };
	uint32_t what = next8(in);

	*faults[what % 5] = error_of(what / 5);
}
