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
#include "dns/build.h"
#include "dns/edns.h"
#include "dns/msg.h"
#include "dns/scrub.h"
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
	uint8_t *copy = malloc(e->message_end + EDNS_OPT_BYTES + EDNS_OPTIONS_MAX);
	struct msg_question question;
	struct edns again;
	size_t len;

	require(copy);
	memcpy(copy, msg, e->message_end);
	if (e->present && e->end == e->message_end) {
		len = edns_strip(copy, e);
		len = edns_append(copy, len, e->dnssec_ok);
		len = edns_copy_options(copy, len, msg, e, EDNS_NSID | EDNS_SUBNET);
		require(msg_question_get(copy, len, &question) == 0);
		require(edns_find(copy, len, question.end, &again) == 0);
		require(again.message_end == len && again.end == len);
		require((again.options & ~e->options) == 0);
	}
	free(copy);
}

/* The record as the only one of a message, without regard to case: names as packed anew. */
static size_t canonical(const uint8_t *msg, size_t len, const struct msg_record *record,
			uint8_t *buf)
{
	struct build b;
	ssize_t bytes;

	build_begin(&b, buf, MSG_MAX, 0, 0, NULL);
	build_copy(&b, msg, len, record);
	bytes = build_end(&b);
	require(bytes > 0);
	name_lower(buf, (size_t)bytes);
	return (size_t)bytes;
}

/* All records: what compression and case cannot change. */
static uint64_t digest(const uint8_t *msg, size_t len, size_t question_end)
{
	static const struct siphash_key key;
	static uint8_t buf[MSG_MAX];
	struct msg_record record;
	struct msg_walk w;
	uint64_t sum = 0;

	msg_walk_begin(&w, msg, len, question_end);
	while (msg_walk_next(&w, &record) > 0)
		sum = sum * 31 + siphash(&key, buf, canonical(msg, len, &record, buf));
	return sum;
}

/* Parsed, written anew with names packed, parsed again: the same. */
static void check_build(const uint8_t *msg, size_t len, const struct msg_question *question)
{
	static uint8_t out[MSG_MAX];
	struct msg_question again;
	struct msg_record record;
	struct msg_walk w;
	struct build b;
	ssize_t bytes;

	build_begin(&b, out, sizeof(out), msg_get16(msg), msg_get16(msg + 2), question);
	msg_walk_begin(&w, msg, len, question->end);
	while (msg_walk_next(&w, &record) > 0)
		build_copy(&b, msg, len, &record);
	bytes = build_end(&b);
	if (bytes < 0) /* names in RDATA that are none; or an opaque RDATA grew */
		return;
	require(msg_question_get(out, (size_t)bytes, &again) == 0);
	require(again.type == question->type && again.class == question->class);
	require(name_eq(&again.name, &question->name));
	require(memcmp(out, msg, 4) == 0 && memcmp(out + 6, msg + 6, 6) == 0);
	require(digest(out, (size_t)bytes, again.end) == digest(msg, len, question->end));
}

/* What is let through of it as an answer holds together, and is let through a second time. */
static void check_scrub(const uint8_t *msg, const struct edns *e,
			const struct msg_question *question)
{
	static uint8_t out[MSG_MAX], twice[MSG_MAX];
	unsigned int dropped;
	struct edns again;
	ssize_t len = scrub(msg, e, question, out, &dropped);

	scrub_is_rebinding(msg, e->message_end, question->end, &(struct addr){ 0 });
	if (len < 0)
		return;
	require(edns_find(out, (size_t)len, question->end, &again) == 0);
	require(again.message_end == (size_t)len && !again.present && !again.extra);
	require(scrub(out, &again, question, twice, &dropped) == len && dropped == 0);
	require(memcmp(out, twice, (size_t)len) == 0);
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
	if (question.end == MSG_HEADER_BYTES + question.name.len + 4U) {
		check_build(data, e.message_end, &question);
		check_scrub(data, &e, &question);
	}
	return 0;
}
