// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * address -> name. The name is the one that was asked, not the end of its CNAME chain: it is
 * what people and rules know. The map is an LRU: an answer with more addresses than
 * DOMAINS_ADDRESSES_MAX must not push out everyone else's.
 */
#include <string.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/limits.h"
#include "dns/domains.h"

bool domains_address(const uint8_t *msg, const struct msg_record *record, struct addr *ret_addr)
{
	__be32 v4;

	if (record->section != SECTION_ANSWER || record->class != CLASS_IN)
		return false;
	if (record->type == TYPE_A && record->rdata_len == sizeof(v4)) {
		memcpy(&v4, msg + record->rdata, sizeof(v4));
		*ret_addr = addr_from_v4(v4);
		return true;
	}
	if (record->type != TYPE_AAAA || record->rdata_len != sizeof(ret_addr->b))
		return false;
	*ret_addr = addr_from_v6(msg + record->rdata);
	return true;
}

const char *domains_text(const struct name *name, char text[DOMAIN_TEXT_MAX])
{
	struct name lower = *name;

	name_lower(lower.wire, lower.len);
	return name_format(&lower, text, DOMAIN_TEXT_MAX);
}

void domains_note(struct datapath *dp, uint32_t policy, const struct msg_question *question,
		  const uint8_t *msg, size_t len)
{
	char text[DOMAIN_TEXT_MAX];
	struct msg_record record;
	struct msg_walk w;
	struct addr addr;
	unsigned int noted = 0;

	if ((msg_get16(msg + 2) & MSG_RCODE) != RCODE_NOERROR || !msg_get16(msg + 6))
		return;
	domains_text(&question->name, text);
	msg_walk_begin(&w, msg, len, question->end);
	while (noted < DOMAINS_ADDRESSES_MAX && msg_walk_next(&w, &record) > 0) {
		uint64_t ms = msg_ttl(&record) * 1000ULL + DNS_DOMAIN_GRACE_MS;

		if (!domains_address(msg, &record, &addr))
			continue;
		datapath_domain_put(dp, policy, &addr, text, clock_ns() + ms * NSEC_PER_MSEC);
		noted++;
	}
}
