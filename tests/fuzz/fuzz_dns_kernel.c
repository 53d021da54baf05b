// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel half's DNS, compiled for the host, on any packet. The first byte chooses where
 * the packet comes in and what the policy does; with KEPT_TOO the two bytes behind it are the
 * packet's length, and what follows the packet is laid over the answer that is kept, as if
 * it were overwritten while it is read.
 *
 * Holds of every answer: the headers are the query's turned round, lengths agree, the message
 * has the query's ID and question byte by byte, parses to its last byte, fits the client and
 * the device, and has an OPT if and only if the query had one. Of an answer that was laid
 * over only what is made here.
 *
 * The corpus is queries of each kind, made by tests/fuzz/generate/dns_kernel.c.
 */
#include <string.h>

#include "dns/edns.h"
#include "dns/msg.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/dns_host.h"

#define KEPT_TOO 0x80U
#define ACTION_SHIFT 2
#define KEPT_NAME "www.example"

/* www.example is kept, bad.example and all below it is what the policy's rule is about. */
static void make_tables(struct dns_host *h, enum dns_action action)
{
	static const uint8_t address[4] = { 203, 0, 113, 7 };
	struct dns_policy *p = &h->policies[0][0];
	struct dns_host_answer *a;

	dns_host_init(h);
	p->group[1].lists = p->any_domain = 1;
	for (int i = 0; i < DNS_TYPE_NUM; i++)
		p->type_rules[i] = 1;
	p->action[0] = (uint8_t)action;
	dns_host_name_add(h, 0, "bad.example", 1, DNS_NAME_SELF | DNS_NAME_BELOW);
	for (uint8_t flags = 0; flags < 4; flags++) {
		a = dns_host_answer_add(h, 0, KEPT_NAME, 1, flags);
		for (int i = 0; i < 5; i++)
			dns_host_answer_record(a, 1, 300, address, sizeof(address));
		a->value.stored_ns -= 7 * DNS_SECOND_NS;
	}
}

static void check_headers(const uint8_t *ip, const uint8_t *out, size_t len, unsigned int bytes)
{
	unsigned int at = bytes == IP4_HEADER_BYTES ? 12 : 8;
	unsigned int size = bytes == IP4_HEADER_BYTES ? 4 : 16;

	require(memcmp(out + at, ip + at + size, size) == 0);
	require(memcmp(out + at + size, ip + at, size) == 0);
	require(memcmp(out + bytes, ip + bytes + 2, 2) == 0);
	require(memcmp(out + bytes + 2, ip + bytes, 2) == 0);
	require(parse_be16(out + bytes + 4) == len - bytes);
	if (bytes == IP4_HEADER_BYTES)
		require(out[0] == 0x45 && parse_be16(out + 2) == len && dns_ip4_sum(out) == 0xffff);
	else
		require(out[0] == 0x60 && parse_be16(out + 4) == len - bytes);
}

/* query_len: of the query's message */
static void check_message(const uint8_t *query, size_t query_len, const uint8_t *msg, size_t len,
			  bool whole)
{
	struct msg_question asked;
	struct edns e, f;

	require(msg_question_get(query, query_len, &asked) == 0);
	require(edns_find(query, query_len, asked.end, &f) == 0 && f.message_end == query_len);
	require(len >= asked.end && len <= edns_limit(&f));
	require(memcmp(msg, query, 2) == 0);
	require(memcmp(msg + 12, query + 12, asked.end - 12) == 0);
	require((msg_get16(msg + 2) & (MSG_QR | MSG_RD | MSG_CD)) ==
		(MSG_QR | (msg_get16(query + 2) & (MSG_RD | MSG_CD))));
	if (!whole)
		return;
	require(msg_get16(msg + 4) == 1 && (msg_get16(msg + 2) & MSG_RA));
	require(edns_find(msg, len, asked.end, &e) == 0 && e.message_end == len && !e.extra);
	require(e.present == f.present && e.dnssec_ok == f.dnssec_ok);
	require(!e.present || (e.end - e.offset == EDNS_OPT_BYTES && e.payload == EDNS_PAYLOAD));
}

static void check_answer(const struct dns_work *w, const uint8_t *ip, const uint8_t *out,
			 size_t len, bool whole)
{
	unsigned int bytes = dns_ip_bytes(ip);

	require(bytes && len > bytes + UDP_HEADER_BYTES && len <= w->mtu);
	check_headers(ip, out, len, bytes);
	bytes += UDP_HEADER_BYTES;
	check_message(ip + bytes, w->len, out + bytes, len - bytes, whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_host h;
	struct input in = { data, size };
	unsigned int choice = next8(&in);
	size_t len = choice & KEPT_TOO ? next16(&in) : in.left;
	struct dns_work *w = malloc(sizeof(*w));
	size_t out_len, rest;
	const uint8_t *out;
	uint8_t *packet;

	if (len > in.left)
		len = in.left;
	rest = in.left - len;
	packet = malloc(len + 1); /* its end is seen */
	if (!w || !packet)
		abort();
	memset(w, 0xa5, sizeof(*w)); /* the last query's */
	memcpy(packet, in.at, len);
	make_tables(&h, (choice >> ACTION_SHIFT) % DNS_ACTION_NUM);
	if (rest > sizeof(h.answers[0].value))
		rest = sizeof(h.answers[0].value);
	memcpy(&h.answers[0].value, in.at + len, rest);
	if (dns_host_run(&h, choice % DNS_HOST_POINTS, packet, len, w, &out, &out_len))
		check_answer(w, packet, out, out_len, rest == 0);
	free(packet);
	free(w);
	return 0;
}
