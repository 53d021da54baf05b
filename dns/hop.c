// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Options of one hop. A message is changed only where its OPT is the last record: a name behind
 * it could be pointed to from elsewhere.
 */
#include <string.h>

#include "dns/edns.h"
#include "dns/hop.h"
#include "dns/msg.h"

#define OPTION_KEEPALIVE 11
#define OPTION_PADDING 12
#define OPTION_HEADER 4 /* code and length */
#define RDLENGTH_AT 9 /* of an OPT, whose owner is the root */

/* Has it an OPT, and nothing behind? */
static bool opt_is_last(const uint8_t *msg, size_t len, size_t question_end, struct edns *ret_e)
{
	return edns_find(msg, len, question_end, ret_e) == 0 && ret_e->present && ret_e->end == len;
}

static void set_rdlength(uint8_t *msg, const struct edns *e, size_t len)
{
	msg_put16(msg + e->offset + RDLENGTH_AT, (uint16_t)(len - e->offset - EDNS_OPT_BYTES));
}

size_t hop_strip(uint8_t *msg, size_t len, size_t question_end)
{
	struct edns e;
	size_t to, from;

	if (!opt_is_last(msg, len, question_end, &e))
		return len;
	to = from = e.offset + EDNS_OPT_BYTES;
	while (len - from >= OPTION_HEADER) {
		uint16_t code = msg_get16(msg + from);
		size_t bytes = OPTION_HEADER + msg_get16(msg + from + 2);

		if (bytes > len - from)
			break;
		if (code != OPTION_KEEPALIVE && code != OPTION_PADDING) {
			memmove(msg + to, msg + from, bytes);
			to += bytes;
		}
		from += bytes;
	}
	/* what is cut short stays as it is: whoever looks at it shall see that */
	memmove(msg + to, msg + from, len - from);
	to += len - from;
	set_rdlength(msg, &e, to);
	return to;
}

static size_t pad(uint8_t *msg, size_t len, size_t question_end)
{
	struct edns e;
	size_t bytes;

	if (!opt_is_last(msg, len, question_end, &e))
		return len;
	bytes = HOP_BLOCK - 1 - (len + OPTION_HEADER - 1) % HOP_BLOCK;
	msg_put16(msg + len, OPTION_PADDING);
	msg_put16(msg + len + 2, (uint16_t)bytes);
	memset(msg + len + OPTION_HEADER, 0, bytes);
	len += OPTION_HEADER + bytes;
	set_rdlength(msg, &e, len);
	return len;
}

size_t hop_message(uint8_t buf[HOP_MESSAGE_MAX], const struct plain_question *q, uint16_t id,
		   bool pad_it)
{
	size_t len = q->len;

	memcpy(buf, q->message, len);
	msg_put16(buf, id);
	if (q->verbatim)
		return len;
	len = hop_strip(buf, len, q->question_end);
	return pad_it ? pad(buf, len, q->question_end) : len;
}

bool hop_answers(const struct plain_question *q, const uint8_t *answer, size_t len)
{
	struct msg_question asked, told;
	uint16_t flags;

	if (len < q->question_end || msg_get16(answer + 4) != 1)
		return false;
	flags = msg_get16(answer + 2);
	if (!(flags & MSG_QR) || ((flags ^ msg_get16(q->message + 2)) & MSG_OPCODE))
		return false;
	return msg_question_get(q->message, q->len, &asked) == 0 &&
	       msg_question_get(answer, len, &told) == 0 && told.end == asked.end &&
	       told.type == asked.type && told.class == asked.class &&
	       name_eq(&told.name, &asked.name);
}
