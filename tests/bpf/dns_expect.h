/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tests expect of an answer, made byte by byte, apart from the code under test. */
#ifndef BPF_DNS_EXPECT_H
#define BPF_DNS_EXPECT_H

#include "bpf/dns_world.h"

#define GROUP_BAD 1
#define SUFFIX (DNS_NAME_SELF | DNS_NAME_BELOW)

/* The answer's header, question and records, as the test expects them. */
struct expected {
	uint8_t bytes[DNS_ASK_MAX];
	size_t len;
};

static inline void put16(struct expected *e, unsigned int v)
{
	e->bytes[e->len++] = (uint8_t)(v >> 8);
	e->bytes[e->len++] = (uint8_t)v;
}

static inline void put32(struct expected *e, uint32_t v)
{
	put16(e, v >> 16);
	put16(e, v & 0xffff);
}

/* Header and question: those of the query with these flags and counts. */
static inline struct expected expect(const struct dns_ask *ask, unsigned int flags,
				     unsigned int answers, unsigned int authorities)
{
	struct dns_ask plain = *ask;
	struct expected e;

	plain.edns = false;
	plain.behind = 0;
	e.len = dns_ask(&plain, e.bytes);
	e.bytes[2] = (uint8_t)(flags >> 8);
	e.bytes[3] = (uint8_t)flags;
	e.bytes[7] = (uint8_t)answers;
	e.bytes[9] = (uint8_t)authorities;
	e.bytes[11] = ask->edns;
	return e;
}

static inline void expect_record(struct expected *e, unsigned int type, uint32_t ttl,
				 const void *rdata, unsigned int len)
{
	put16(e, 0xc00c);
	put16(e, type);
	put16(e, 1);
	put32(e, ttl);
	put16(e, len);
	memcpy(e->bytes + e->len, rdata, len);
	e->len += len;
}

static inline void expect_soa(struct expected *e, uint32_t ttl)
{
	uint8_t rdata[22] = { 0, 0, 0, 0, 0, 1, 0, 0, 0x0e, 0x10, 0, 0, 2, 0x58, 0, 1, 0x51, 0x80 };

	rdata[21] = (uint8_t)ttl;
	expect_record(e, 6, ttl, rdata, sizeof(rdata));
}

static inline void expect_opt(struct expected *e, const struct dns_ask *ask)
{
	if (!ask->edns)
		return;
	e->bytes[e->len++] = 0;
	put16(e, 41);
	put16(e, 1232);
	put16(e, 0);
	put16(e, ask->dnssec_ok ? 0x8000 : 0);
	put16(e, 0);
}

static inline void asked(struct dns_world *w, enum dns_host_point point, int version,
			 const struct dns_ask *ask, const struct expected *e)
{
	const uint8_t *msg;
	size_t len;

	if (!dns_world_ask(w, point, version, ask, &msg, &len))
		fail_msg("%s type %u at point %d is not answered", ask->name, ask->type, point);
	assert_int_equal(len, e->len);
	assert_memory_equal(msg, e->bytes, len);
}

static inline void asked_everywhere(struct dns_world *w, const struct dns_ask *ask,
				    const struct expected *e)
{
	for (int point = 0; point < DNS_HOST_POINTS; point++) {
		asked(w, point, 4, ask, e);
		asked(w, point, 6, ask, e);
	}
}

static inline void left_everywhere(struct dns_world *w, const struct dns_ask *ask)
{
	const uint8_t *msg;
	size_t len;

	for (int point = 0; point < DNS_HOST_POINTS; point++) {
		if (dns_world_ask(w, point, 4, ask, &msg, &len) ||
		    dns_world_ask(w, point, 6, ask, &msg, &len))
			fail_msg("%s type %u at point %d is answered", ask->name, ask->type, point);
	}
}

/* Policy 0 does this with the names of GROUP_BAD. */
static inline void block(struct dns_host *h, enum dns_action action)
{
	for (int i = 0; i < 2; i++) {
		struct dns_policy *p = &h->policies[i][0];

		p->group[GROUP_BAD].lists = 1;
		p->any_domain = 1;
		for (int type = 0; type < DNS_TYPE_NUM; type++)
			p->type_rules[type] = 1;
		p->action[0] = (uint8_t)action;
		dns_host_name_add(h, i, "exact.example", GROUP_BAD, DNS_NAME_SELF);
		dns_host_name_add(h, i, "bad.example", GROUP_BAD, SUFFIX);
		dns_host_name_add(h, i, "below.example", GROUP_BAD, DNS_NAME_BELOW);
	}
}

/* An answer with one address, stored 100 seconds ago with a TTL of 300. */
static inline struct dns_answer *keep(struct dns_host *h, const char *name, uint8_t flags)
{
	static const uint8_t address[4] = { 203, 0, 113, 7 };
	struct dns_host_answer *a = dns_host_answer_add(h, 0, name, 1, flags);

	dns_host_answer_record(a, 1, 300, address, sizeof(address));
	a->value.stored_ns -= 100 * DNS_SECOND_NS + DNS_SECOND_NS / 2;
	return &a->value;
}

#endif
