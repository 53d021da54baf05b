// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A DNS message of any bytes through every reader of dns/: what they accept must hold
 * together, ageing must change TTLs alone, and a name read twice must be the same.
 */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/contract.h"
#include "dns/edns.h"
#include "dns/msg.h"
#include "dns/ttl.h"

/* A name as text, and its uncompressed form read once more. */
static void check_name(const struct name *name)
{
	char text[DOMAIN_TEXT_MAX];
	struct name again;

	require(name->len >= 1 && name->wire[name->len - 1] == 0);
	require(strlen(name_format(name, text, sizeof(text))) < sizeof(text));
	require(name_parse(name->wire, name->len, 0, &again) == name->len);
	require(name_eq(name, &again));
	name_mix_case(again.wire, again.len);
	require(name_eq(name, &again));
}

static size_t check_records(const uint8_t *msg, size_t len, size_t question_end)
{
	struct msg_record record;
	struct msg_walk w;
	struct name owner;

	msg_walk_begin(&w, msg, len, question_end);
	while (msg_walk_next(&w, &record) > 0) {
		require(record.rdata + record.rdata_len <= len && w.pos <= len);
		require(name_parse(msg, len, record.offset, &owner) > 0);
		check_name(&owner);
	}
	return w.pos;
}

/* Ageing may fail (names that point into a TTL), but it changes nothing else than TTLs. */
static void check_age(const uint8_t *msg, size_t len, size_t question_end)
{
	uint8_t *copy = malloc(len);
	struct msg_record record;
	struct msg_walk w;
	size_t from = 0;

	require(copy);
	memcpy(copy, msg, len);
	msg_age(copy, len, question_end, 1);
	msg_walk_begin(&w, msg, len, question_end);
	while (msg_walk_next(&w, &record) > 0) {
		require(memcmp(copy + from, msg + from, record.ttl_offset - from) == 0);
		from = record.ttl_offset + (record.type == TYPE_OPT ? 0 : 4);
	}
	require(memcmp(copy + from, msg + from, len - from) == 0);
	free(copy);
}

static void check_opt(const uint8_t *msg, const struct edns *e)
{
	uint8_t *copy = malloc(e->message_end + EDNS_OPT_BYTES);
	size_t len;

	require(copy);
	memcpy(copy, msg, e->message_end);
	edns_lower_payload(copy, e);
	if (e->present && e->end == e->message_end) {
		len = edns_strip(copy, e);
		require(edns_append(copy, len, e->dnssec_ok) == len + EDNS_OPT_BYTES);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ttl_limits limits = { .max = TTL_MAX,
						  .negative_max = TTL_NEGATIVE_MAX };
	struct msg_question question;
	struct edns e;

	if (msg_question_get(data, size, &question) < 0)
		return 0;
	require(question.end <= size);
	check_name(&question.name);
	if (edns_find(data, size, question.end, &e) < 0) {
		check_records(data, size, question.end);
		return 0;
	}
	require(e.message_end <= size && e.end <= e.message_end);
	require(check_records(data, size, question.end) == e.message_end);
	require(ttl_lifetime(data, size, question.end, question.type, &limits) <= TTL_MAX);
	check_age(data, e.message_end, question.end);
	check_opt(data, &e);
	return 0;
}
