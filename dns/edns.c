// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * EDNS. A client's OPT travels upstream as it came (but for the payload size, see
 * edns_lower_payload()), and the answer's OPT travels back, because options such as
 * cookies are between those two. What comes out of the cache has an OPT of ours instead:
 * another client's options must not reach this one.
 */
#include <errno.h>
#include <string.h>

#include "dns/edns.h"
#include "dns/msg.h"

#define FLAG_DO 0x8000U
#define OPTION_COOKIE 10 /* RFC 7873 */
#define OPTION_PADDING 12 /* RFC 7830 */

/* 1 = only COOKIE and PADDING, 0 = others too, -EBADMSG = the options overrun the RDATA. */
static int options_plain(const uint8_t *data, size_t len)
{
	int plain = 1;

	while (len) {
		uint16_t code, bytes;

		if (len < 4)
			return -EBADMSG;
		code = msg_get16(data);
		bytes = msg_get16(data + 2);
		if (len - 4 < bytes)
			return -EBADMSG;
		if (code != OPTION_COOKIE && code != OPTION_PADDING)
			plain = 0;
		data += 4 + bytes;
		len -= 4U + bytes;
	}
	return plain;
}

static int take_opt(const uint8_t *msg, const struct msg_record *record, struct edns *e)
{
	int plain;

	/* RFC 6891 section 6.1.2: the owner is the root. */
	if (e->present || record->section != SECTION_ADDITIONAL || msg[record->offset] != 0)
		return -EEXIST;
	plain = options_plain(msg + record->rdata, record->rdata_len);
	if (plain < 0)
		return plain;
	e->present = true;
	e->plain = plain;
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
	struct edns e = { .plain = true };
	struct msg_record record;
	struct msg_walk w;
	int r;

	msg_walk_begin(&w, msg, len, question_end);
	while ((r = msg_walk_next(&w, &record)) > 0) {
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

void edns_lower_payload(uint8_t *msg, const struct edns *e)
{
	if (e->present && e->payload > EDNS_PAYLOAD)
		msg_put16(msg + e->offset + 3, EDNS_PAYLOAD);
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
