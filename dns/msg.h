/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS messages (RFC 1035 section 4) as they lie in memory: nothing is copied but the
 * question's name. Every reader is safe on any bytes.
 */
#ifndef DNS_MSG_H
#define DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/name.h"

#define MSG_HEADER_BYTES 12
#define MSG_MAX 65535
#define MSG_PLAIN_UDP_MAX 512 /* without EDNS */
#define MSG_RECORDS_MAX 1024 /* of a message that is taken: each is gone through many times */
#define MSG_QUESTION_MAX (NAME_WIRE_MAX + 4)

/* The header's second word, host order. */
#define MSG_QR 0x8000U
#define MSG_OPCODE 0x7800U
#define MSG_AA 0x0400U
#define MSG_TC 0x0200U
#define MSG_RD 0x0100U
#define MSG_RA 0x0080U
#define MSG_AD 0x0020U
#define MSG_CD 0x0010U
#define MSG_RCODE 0x000fU

enum msg_rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_BADVERS = 16 /* its upper bits are in the OPT */
};

enum msg_type {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_PTR = 12,
	TYPE_MX = 15,
	TYPE_AAAA = 28,
	TYPE_SRV = 33,
	TYPE_DNAME = 39,
	TYPE_OPT = 41,
	TYPE_DS = 43,
	TYPE_RRSIG = 46,
	TYPE_NSEC = 47,
	TYPE_DNSKEY = 48,
	TYPE_NSEC3 = 50,
	TYPE_ZONEMD = 63,
	TYPE_SVCB = 64,
	TYPE_HTTPS = 65,
	TYPE_IXFR = 251,
	TYPE_AXFR = 252,
	TYPE_ANY = 255
};

#define CLASS_IN 1
#define CLASS_ANY 255 /* of a question: all there are */

enum msg_section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTION_NUM };

struct msg_header {
	uint16_t id; /* as a number; only its equality matters */
	uint16_t flags;
	uint16_t questions;
	uint16_t records[SECTION_NUM];
};

struct msg_question {
	struct name name;
	uint16_t type;
	uint16_t class;
	size_t end; /* offset behind the question */
};

/* One resource record; offsets count from the start of the message. */
struct msg_record {
	enum msg_section section;
	size_t offset; /* of the owner name */
	uint16_t type;
	uint16_t class;
	uint32_t ttl; /* as it stands, also of an OPT */
	size_t ttl_offset;
	size_t rdata;
	uint16_t rdata_len;
};

struct msg_walk {
	const uint8_t *msg;
	size_t len;
	size_t pos; /* of the next record; behind the last one: the true end of the message */
	uint16_t left[SECTION_NUM];
	unsigned int section;
};

static inline uint16_t msg_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t msg_get32(const uint8_t *p)
{
	return (uint32_t)msg_get16(p) << 16 | msg_get16(p + 2);
}

static inline void msg_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void msg_put32(uint8_t *p, uint32_t v)
{
	msg_put16(p, (uint16_t)(v >> 16));
	msg_put16(p + 2, (uint16_t)v);
}

/* `msg` has at least MSG_HEADER_BYTES. */
void msg_header_get(const uint8_t *msg, struct msg_header *ret_header);

/* The first question. 0 or -EBADMSG (no header, no question, or cut short). */
int msg_question_get(const uint8_t *msg, size_t len, struct msg_question *ret_question);

/* Records of a message whose question ends at `question_end`. */
void msg_walk_begin(struct msg_walk *w, const uint8_t *msg, size_t len, size_t question_end);
/* 1 = *ret_record is set, 0 = there is no further one, -EBADMSG. */
int msg_walk_next(struct msg_walk *w, struct msg_record *ret_record);

/* TTL as caches count it: seconds, 0 if its top bit is set (RFC 2181 section 8). */
uint32_t msg_ttl(const struct msg_record *r);
/* Takes `seconds` off the TTL of every record but OPT, not below 0. 0 or -EBADMSG. */
int msg_age(uint8_t *msg, size_t len, size_t question_end, uint32_t seconds);

/*
 * Makes an answer of header and question alone (question_end = MSG_HEADER_BYTES: of the
 * header alone) in `buf`, which may be `query`: ID, opcode, RD and CD are the query's; QR
 * and RA are set. Returns its length, question_end.
 */
size_t msg_reply(uint8_t *buf, const uint8_t *query, size_t question_end, enum msg_rcode rcode);

/* "A", "NXDOMAIN", or "TYPE65280" / "RCODE23" in buf. For what is shown to people. */
#define MSG_TEXT_MAX 16
const char *msg_type_text(uint16_t type, char buf[MSG_TEXT_MAX]);
const char *msg_rcode_text(unsigned int rcode, char buf[MSG_TEXT_MAX]);

#endif
