// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS messages. A walk goes through the three sections in one sweep and checks only what
 * it needs to find the next record: owner name, fixed part, RDLENGTH. RDATA is opaque, so
 * that types nobody knew when this was written pass unharmed (RFC 3597).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/dns_words.h"
#include "dns/msg.h"

#define RECORD_FIXED 10 /* type, class, TTL, RDLENGTH */

void msg_header_get(const uint8_t *msg, struct msg_header *ret_header)
{
	ret_header->id = msg_get16(msg);
	ret_header->flags = msg_get16(msg + 2);
	ret_header->questions = msg_get16(msg + 4);
	for (unsigned int i = 0; i < SECTION_NUM; i++)
		ret_header->records[i] = msg_get16(msg + 6 + 2 * i);
}

int msg_question_get(const uint8_t *msg, size_t len, struct msg_question *ret_question)
{
	ssize_t bytes;
	size_t pos = MSG_HEADER_BYTES;

	if (len < MSG_HEADER_BYTES || msg_get16(msg + 4) == 0)
		return -EBADMSG;
	bytes = name_parse(msg, len, pos, &ret_question->name);
	if (bytes < 0)
		return (int)bytes;
	pos += (size_t)bytes;
	if (len - pos < 4)
		return -EBADMSG;
	ret_question->type = msg_get16(msg + pos);
	ret_question->class = msg_get16(msg + pos + 2);
	ret_question->end = pos + 4;
	return 0;
}

void msg_walk_begin(struct msg_walk *w, const uint8_t *msg, size_t len, size_t question_end)
{
	struct msg_header header;

	msg_header_get(msg, &header);
	w->msg = msg;
	w->len = len;
	w->pos = question_end;
	w->section = 0;
	memcpy(w->left, header.records, sizeof(w->left));
}

int msg_walk_next(struct msg_walk *w, struct msg_record *ret_record)
{
	struct name owner;
	const uint8_t *fixed;
	ssize_t bytes;

	while (w->section < SECTION_NUM && w->left[w->section] == 0)
		w->section++;
	if (w->section == SECTION_NUM)
		return 0;
	bytes = name_parse(w->msg, w->len, w->pos, &owner);
	if (bytes < 0)
		return (int)bytes;
	if (w->len - w->pos - (size_t)bytes < RECORD_FIXED)
		return -EBADMSG;
	fixed = w->msg + w->pos + bytes;
	ret_record->section = w->section;
	ret_record->offset = w->pos;
	ret_record->type = msg_get16(fixed);
	ret_record->class = msg_get16(fixed + 2);
	ret_record->ttl = msg_get32(fixed + 4);
	ret_record->ttl_offset = w->pos + (size_t)bytes + 4;
	ret_record->rdata_len = msg_get16(fixed + 8);
	ret_record->rdata = w->pos + (size_t)bytes + RECORD_FIXED;
	if (w->len - ret_record->rdata < ret_record->rdata_len)
		return -EBADMSG;
	w->pos = ret_record->rdata + ret_record->rdata_len;
	w->left[w->section]--;
	return 1;
}

uint32_t msg_ttl(const struct msg_record *r)
{
	return r->ttl & 0x80000000U ? 0 : r->ttl;
}

int msg_age(uint8_t *msg, size_t len, size_t question_end, uint32_t seconds)
{
	struct msg_walk w;
	struct msg_record record;
	int r;

	msg_walk_begin(&w, msg, len, question_end);
	while ((r = msg_walk_next(&w, &record)) > 0) {
		uint32_t ttl = msg_ttl(&record);

		if (record.type != TYPE_OPT)
			msg_put32(msg + record.ttl_offset, ttl > seconds ? ttl - seconds : 0);
	}
	return r;
}

size_t msg_reply(uint8_t *buf, const uint8_t *query, size_t question_end, enum msg_rcode rcode)
{
	uint16_t flags = msg_get16(query + 2) & (MSG_OPCODE | MSG_RD | MSG_CD);

	memmove(buf, query, question_end);
	msg_put16(buf + 2, (uint16_t)(flags | MSG_QR | MSG_RA | rcode));
	msg_put16(buf + 4, question_end > MSG_HEADER_BYTES);
	memset(buf + 6, 0, 6);
	return question_end;
}

const char *msg_type_text(uint16_t type, char buf[MSG_TEXT_MAX])
{
	return dns_type_text(type, buf);
}

const char *msg_rcode_text(unsigned int rcode, char buf[MSG_TEXT_MAX])
{
	return dns_rcode_text(rcode, buf);
}
