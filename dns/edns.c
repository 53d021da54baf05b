// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * EDNS. An OPT is between neighbours: the client's ends here, the upstream gets one of ours,
 * and so on the way back. Only what clients ask the far end for passes (EDNS_NSID), and their
 * subnet where the configuration wants it.
 */
#include <errno.h>
#include <string.h>

#include "dns/edns.h"
#include "dns/msg.h"

#define FLAG_DO 0x8000U
#define OPTION_NSID 3
#define OPTION_SUBNET 8
#define OPTION_MAC 65001 /* dnsmasq's add-mac, and as text */
#define OPTION_MAC_TEXT 65073
#define OPTION_CPE_ID 65074
#define SUBNET_MIN 4 /* family and two prefix lengths */
#define SUBNET_MAX 20

struct option {
	uint16_t code;
	uint16_t bytes;
	const uint8_t *data;
};

/* The option at *at, which is moved on. 1; 0 = there is none; -EBADMSG = it overruns. */
static int next_option(const uint8_t **at, const uint8_t *end, struct option *ret_option)
{
	const uint8_t *p = *at;

	if (p == end)
		return 0;
	if (end - p < 4 || end - p - 4 < msg_get16(p + 2))
		return -EBADMSG;
	*ret_option = (struct option){ msg_get16(p), msg_get16(p + 2), p + 4 };
	*at = p + 4 + ret_option->bytes;
	return 1;
}

static uint8_t option_kind(uint16_t code)
{
	switch (code) {
	case OPTION_NSID:
		return EDNS_NSID;
	case OPTION_SUBNET:
		return EDNS_SUBNET;
	case OPTION_MAC:
	case OPTION_MAC_TEXT:
	case OPTION_CPE_ID:
		return EDNS_IDENTITY;
	default:
		return 0;
	}
}

/* 0, -EBADMSG = the options overrun the RDATA, -EEXIST = a broken subnet. */
static int read_options(const uint8_t *data, size_t len, uint8_t *ret_options)
{
	const uint8_t *at = data;
	struct option o;
	int r;

	while ((r = next_option(&at, data + len, &o)) > 0) {
		if (o.code == OPTION_SUBNET && (o.bytes < SUBNET_MIN || o.bytes > SUBNET_MAX))
			return -EEXIST;
		*ret_options |= option_kind(o.code);
	}
	return r;
}

static int take_opt(const uint8_t *msg, const struct msg_record *record, struct edns *e)
{
	int r;

	/* RFC 6891 section 6.1.2: the owner is the root. */
	if (e->present || record->section != SECTION_ADDITIONAL || msg[record->offset] != 0)
		return -EEXIST;
	r = read_options(msg + record->rdata, record->rdata_len, &e->options);
	if (r < 0)
		return r;
	e->present = true;
	e->payload = record->class;
	e->rcode_high = (uint8_t)(record->ttl >> 24);
	e->version = (uint8_t)(record->ttl >> 16);
	e->dnssec_ok = record->ttl & FLAG_DO;
	e->offset = record->offset;
	e->end = record->rdata + record->rdata_len;
	return 0;
}

int edns_find(const uint8_t *msg, size_t len, size_t question_end, struct edns *ret_edns)
{
	struct edns e = { 0 };
	struct msg_record record;
	struct msg_walk w;
	unsigned int records = 0;
	int r;

	msg_walk_begin(&w, msg, len, question_end);
	while ((r = msg_walk_next(&w, &record)) > 0) {
		if (++records > MSG_RECORDS_MAX)
			return -EBADMSG;
		if (record.type == TYPE_OPT)
			r = take_opt(msg, &record, &e);
		else if (record.section == SECTION_ADDITIONAL)
			e.extra = true;
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	e.message_end = w.pos;
	*ret_edns = e;
	return 0;
}

uint16_t edns_limit(const struct edns *e)
{
	/* RFC 6891 section 6.2.3: values below 512 mean 512. */
	if (!e->present || e->payload < MSG_PLAIN_UDP_MAX)
		return MSG_PLAIN_UDP_MAX;
	return e->payload;
}

size_t edns_append(uint8_t *buf, size_t len, bool dnssec_ok)
{
	uint8_t *opt = buf + len;

	memset(opt, 0, EDNS_OPT_BYTES);
	msg_put16(opt + 1, TYPE_OPT);
	msg_put16(opt + 3, EDNS_PAYLOAD);
	msg_put16(opt + 7, dnssec_ok ? FLAG_DO : 0);
	msg_put16(buf + 10, (uint16_t)(msg_get16(buf + 10) + 1));
	return len + EDNS_OPT_BYTES;
}

size_t edns_strip(uint8_t *msg, const struct edns *e)
{
	msg_put16(msg + 10, (uint16_t)(msg_get16(msg + 10) - 1));
	return e->offset;
}

void edns_set_rcode(uint8_t *buf, size_t len, uint8_t rcode_high)
{
	buf[len - EDNS_OPT_BYTES + 5] = rcode_high;
}

size_t edns_copy_options(uint8_t *buf, size_t len, const uint8_t *msg, const struct edns *e,
			 uint8_t keep)
{
	const uint8_t *at = msg + e->offset + EDNS_OPT_BYTES, *end = msg + e->end;
	uint8_t *out = buf + len;
	size_t used = 0;
	struct option o;

	if (!e->present || !(e->options & keep))
		return len;
	while (next_option(&at, end, &o) > 0) {
		if (!(option_kind(o.code) & keep) || used + 4U + o.bytes > EDNS_OPTIONS_MAX)
			continue;
		memcpy(out + used, o.data - 4, 4U + o.bytes);
		used += 4U + o.bytes;
	}
	msg_put16(out - 2, (uint16_t)used);
	return len + used;
}
