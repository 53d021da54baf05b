// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a client sends, and what an upstream answers. Input: a byte of choices (transport,
 * family), two bytes of length, so many bytes of query, and the rest of an answer behind the
 * question that was asked. The service has no upstream: every query it takes must get one
 * answer of its own, to its ID, that can be parsed and fits the client.
 */
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dns/domains.h"
#include "dns/intake.h"
#include "dns/service.h"

#define FIRST_CHOICE_TCP 1
#define FIRST_CHOICE_V6 2
#define HEADER_BYTES 3

static struct {
	struct loop *loop;
	struct datapath datapath;
	struct service *service;
	struct cache *cache;
	const uint8_t *query;
	unsigned int replies;
} world;

static void take_reply(void *arg, const struct client *client, const uint8_t *msg, size_t len)
{
	struct msg_question question;
	struct edns e;

	world.replies++;
	require(len >= MSG_HEADER_BYTES && len <= MSG_MAX);
	require(client->flow.proto == IPPROTO_TCP || len <= 1472);
	require(memcmp(msg, world.query, 2) == 0);
	require(msg_get16(msg + 2) & MSG_QR);
	if (len == MSG_HEADER_BYTES)
		return;
	require(msg_question_get(msg, len, &question) == 0);
	require(memcmp(msg + 12, world.query + 12, question.end - 12) == 0);
	require(edns_find(msg, len, question.end, &e) == 0 && e.message_end == len);
}

static void make_world(void)
{
	struct service_options options = {
		.queries_max = 64,
		.sockets_max = 64,
		.mtu = 1500,
		.resolv_conf = "/nonexistent",
		.reply = take_reply,
	};

	const struct cache_options cache = {
		.entries_max = 16,
		.bytes_max = 1 << 20,
		.ttl = { .max = TTL_MAX, .negative_max = TTL_NEGATIVE_MAX },
	};

	log_setup("fuzz", LOG_LEVEL_ERROR);
	datapath_init(&world.datapath, 0);
	require(loop_new(&world.loop) == 0);
	require(service_new(world.loop, &world.datapath, &options, &world.service) == 0);
	require(cache_new(&cache, &world.cache) == 0);
}

static struct client client_of(uint8_t choices)
{
	struct client c = { 0 };

	c.flow.proto = choices & FIRST_CHOICE_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	c.flow.sport = htons(40000);
	c.flow.dport = htons(DNS_PORT);
	if (!(choices & FIRST_CHOICE_V6)) {
		c.flow.saddr = addr_from_v4(htonl(0x0a000002));
		c.flow.daddr = addr_from_v4(htonl(0x0a000001));
	}
	return c;
}

static void ask(uint8_t choices, const uint8_t *query, size_t len)
{
	struct client client = client_of(choices);
	int r;

	world.query = query;
	world.replies = 0;
	r = service_query(world.service, &client, query, len);
	loop_once(world.loop, 0); /* the exchange starts, finds no upstream, ends */
	require(world.replies == (r == 0));
}

/* The bytes as an answer to this query: kept, given back, noted. */
static void answer(const struct intake *in, const uint8_t *rest, size_t len)
{
	struct cache_key key = intake_cache_key(&in->question, in->header.flags, &in->edns);
	static uint8_t msg[MSG_MAX], out[MSG_MAX];
	size_t bytes = in->question.end, kept;
	struct edns e;

	if (len < 8 || bytes + len - 8 > sizeof(msg))
		return;
	memcpy(msg, in->msg, bytes);
	memcpy(msg + 2, rest, 2); /* flags */
	memcpy(msg + 6, rest + 2, 6); /* counts */
	memcpy(msg + bytes, rest + 8, len - 8);
	bytes += len - 8;
	if (edns_find(msg, bytes, in->question.end, &e) < 0)
		return;
	domains_note(&world.datapath, 0, &in->question, msg, e.message_end);
	cache_put(world.cache, &key, msg, in->question.end, &e);
	/* what cannot be kept leaves an earlier answer in place */
	kept = cache_get(world.cache, &key, out, NULL);
	if (kept)
		require(edns_find(out, kept, in->question.end, &e) == 0 && !e.present);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct intake in;
	size_t len;

	if (!world.service)
		make_world();
	if (size < HEADER_BYTES)
		return 0;
	len = (size_t)(data[1] << 8 | data[2]);
	if (len > size - HEADER_BYTES)
		len = size - HEADER_BYTES;
	ask(data[0], data + HEADER_BYTES, len);
	if (intake_read(&in, data + HEADER_BYTES, len, EDNS_NSID) == 0)
		answer(&in, data + HEADER_BYTES + len, size - HEADER_BYTES - len);
	return 0;
}
