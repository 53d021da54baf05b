// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Policies that refuse new flows (N-41 to N-43): what was resolved here, for how long, and for
 * whom; what is refused, and how. The answers that open the way are whole DNS messages read by
 * the resolver's own code; time passes by ageing what it wrote.
 */
#include "bpf/policy.h"

#include <netinet/in.h>

#include "base/limits.h"
#include "dns/domains.h"

#define HOST4 "198.51.100.7"
#define HOST6 "2001:db8::7"
#define CLIENT4 "10.0.0.2"
#define CLIENT6 "fd68:6561:6472:6163::2"
#define OTHER4 "10.0.0.3"
#define OWN 1 /* policy of the clients above but OTHER4 */

static struct harness *h;
static struct datapath resolver;

static int setup(void **state)
{
	h = harness_open(64);
	harness_role(h, &resolver);
	harness_policy(h, "::", 0, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	datapath_done(&resolver);
	harness_close(h);
	return 0;
}

static void restrict_clients(uint32_t flags)
{
	harness_policy(h, CLIENT4, 128, OWN, flags);
	harness_policy(h, CLIENT6, 128, OWN, flags);
}

/* --- answers --------------------------------------------------------------------------------- */

/* www.test, with a CNAME to x.test that has an A or AAAA record. */
static size_t answer(uint8_t *msg, const char *address, uint32_t ttl)
{
	static const uint8_t
		head
			[] = {
				0,    1,   0x81, 0x80, 0, 1,	0,   2,	  0,   0, 0, 0, /* header */
				3,    'w', 'w',	 'w',  4, 't',	'e', 's', 't', 0, 0, 1, 0, 1, /* question */
				0xc0, 12,  0,	 5,    0, 1,	0,   0,	  0,   9, 0, 8, 1, 'x', 4,
				't',  'e', 's',	 't',  0, 0xc0, 38,  0,	  0,   0, 1, 0, 0, 0,	0,
				0,    0 /* type, TTL and length follow below */
			};
	size_t at = sizeof(head), len;
	struct addr a;

	assert_int_equal(addr_parse(address, &a), 0);
	len = addr_is_v4(&a) ? 4 : 16;
	memcpy(msg, head, at);
	msg[at - 9] = len == 4 ? TYPE_A : TYPE_AAAA;
	msg_put32(msg + at - 6, ttl);
	msg[at - 1] = (uint8_t)len;
	memcpy(msg + at, a.b + 16 - len, len);
	return at + len;
}

static void resolve_for(uint32_t policy, const char *address, uint32_t ttl)
{
	struct msg_question question;
	uint8_t msg[128];
	size_t len = answer(msg, address, ttl);

	assert_int_equal(msg_question_get(msg, len, &question), 0);
	domains_note(&resolver, policy, &question, msg, len);
}

/* --- packets --------------------------------------------------------------------------------- */

struct attempt {
	const char *src, *dst;
	uint8_t proto;
	uint16_t dport;
};

static uint16_t next_port = 20000;

static int attempt_from(const struct attempt *a, uint16_t sport)
{
	struct craft c = { .version = strchr(a->dst, ':') ? 6 : 4,
			   .src = a->src,
			   .dst = a->dst,
			   .proto = a->proto,
			   .sport = sport,
			   .dport = a->dport,
			   .tcp_flags = CRAFT_SYN,
			   .payload = 0 };

	return harness_egress(h, &c);
}

/* A new flow each time. */
static int attempt(const char *src, const char *dst, uint8_t proto, uint16_t dport)
{
	struct attempt a = { src, dst, proto, dport };

	return attempt_from(&a, next_port++);
}

/* The answer in place: a RST to TCP, port unreachable to UDP, from whom the packet was for. */
static bool refusal_is_right(uint8_t proto)
{
	const uint8_t *p = h->out + HARNESS_L2;
	size_t at = p[0] >> 4 == 4 ? 20 : 40;

	if (!craft_checksums_right(p, h->out_len))
		return false;
	if (proto == IPPROTO_TCP)
		return p[at + 13] & CRAFT_RST;
	return p[0] >> 4 == 4 ? p[9] == 1 && p[at] == 3 && p[at + 1] == 3 :
				p[6] == 58 && p[at] == 1 && p[at + 1] == 4;
}

static void blocked(const char *src, const char *dst, uint8_t proto, uint16_t dport,
		    enum drop_reason why)
{
	uint64_t before = harness_drops(h, why);

	if (attempt(src, dst, proto, dport) != HARNESS_REDIRECT)
		fail_msg("%s -> %s:%u, protocol %u is let through", src, dst, dport, proto);
	if (!refusal_is_right(proto))
		fail_msg("%s -> %s:%u, protocol %u: wrong refusal", src, dst, dport, proto);
	assert_int_equal(harness_drops(h, why), before + 1);
}

static void passes(const char *src, const char *dst, uint8_t proto, uint16_t dport)
{
	if (attempt(src, dst, proto, dport) != HARNESS_OK)
		fail_msg("%s -> %s:%u, protocol %u is blocked", src, dst, dport, proto);
}

/* --- N-41, N-42 ------------------------------------------------------------------------------ */

static void timeline(const char *src, const char *dst, uint8_t proto)
{
	blocked(src, dst, proto, 8443, DROP_UNRESOLVED);
	resolve_for(OWN, dst, 1);
	passes(src, dst, proto, 8443);
	harness_domains_age(h, 299);
	passes(src, dst, proto, 8443);
	harness_domains_age(h, 3);
	blocked(src, dst, proto, 8443, DROP_UNRESOLVED);
}

static void n42_blocked_resolved_open_expired_blocked(void **state)
{
	restrict_clients(DNS_ONLY_RESOLVED);
	timeline(CLIENT4, HOST4, IPPROTO_TCP);
	timeline(CLIENT6, HOST6, IPPROTO_TCP);
}

static void n42_the_same_for_udp(void **state)
{
	restrict_clients(DNS_ONLY_RESOLVED);
	timeline(CLIENT4, HOST4, IPPROTO_UDP);
	timeline(CLIENT6, HOST6, IPPROTO_UDP);
}

static void n41_an_address_is_good_for_its_ttl_and_five_minutes(void **state)
{
	restrict_clients(DNS_ONLY_RESOLVED);
	resolve_for(OWN, HOST4, 3600);
	harness_domains_age(h, 3600 + 299);
	passes(CLIENT4, HOST4, IPPROTO_TCP, 443);
	harness_domains_age(h, 2);
	blocked(CLIENT4, HOST4, IPPROTO_TCP, 443, DROP_UNRESOLVED);
	resolve_for(OWN, HOST4, 0); /* each answer opens it anew */
	passes(CLIENT4, HOST4, IPPROTO_TCP, 443);
}

static void n42_what_others_resolved_does_not_count(void **state)
{
	restrict_clients(DNS_ONLY_RESOLVED);
	resolve_for(0, HOST4, 60);
	blocked(CLIENT4, HOST4, IPPROTO_TCP, 443, DROP_UNRESOLVED);
	passes(OTHER4, HOST4, IPPROTO_TCP, 443);
	passes(OTHER4, "198.51.100.9", IPPROTO_UDP, 443);
	assert_int_equal(harness_drops_all(h), 1);
}

static void n42_the_tun_and_the_stack_are_exempt(void **state)
{
	restrict_clients(DNS_ONLY_RESOLVED | DNS_BLOCK_QUIC);
	passes(CLIENT4, "10.0.0.77", IPPROTO_TCP, 80);
	passes(CLIENT6, "fd68:6561:6472:6163::77", IPPROTO_TCP, 80);
	passes(CLIENT4, "10.0.0.1", IPPROTO_UDP, 53);
	passes(CLIENT4, HOST4, IPPROTO_UDP, 53);
	passes(CLIENT4, HOST4, IPPROTO_TCP, 53);
	assert_int_equal(harness_drops_all(h), 0);
}

static void n42_a_flow_that_is_open_outlives_the_name(void **state)
{
	struct attempt a = { CLIENT4, HOST4, IPPROTO_UDP, 9000 };

	restrict_clients(DNS_ONLY_RESOLVED);
	resolve_for(OWN, HOST4, 1);
	assert_int_equal(attempt_from(&a, 5000), HARNESS_OK);
	harness_domains_age(h, 400);
	assert_int_equal(attempt_from(&a, 5000), HARNESS_OK);
	assert_int_equal(attempt_from(&a, 5001), HARNESS_REDIRECT);
	assert_int_equal(harness_flows(h), 1);
}

/* The entry of the old flow stays what it was: its role has not ended it yet. */
static void a_closed_flow_is_not_opened_anew(void **state)
{
	struct attempt a = { CLIENT4, HOST4, IPPROTO_TCP, 9000 };
	struct flow_key key;
	struct flow f;

	restrict_clients(DNS_ONLY_RESOLVED);
	resolve_for(OWN, HOST4, 1);
	assert_int_equal(attempt_from(&a, 5000), HARNESS_OK);
	f = harness_flow(h, &key);
	f.state = FLOW_CLOSED;
	bpf_map_update_elem(bpf_map__fd(h->skel->maps.flows), &key, &f, 0);
	harness_domains_age(h, 400);
	assert_int_equal(attempt_from(&a, 5000), HARNESS_REDIRECT);
	assert_int_equal(harness_flow(h, &key).state, FLOW_CLOSED);
	resolve_for(OWN, HOST4, 1);
	assert_int_equal(attempt_from(&a, 5000), HARNESS_OK);
	assert_int_equal(harness_flow(h, &key).state, FLOW_OPENING);
}

static void n42_a_refusal_is_told_with_both_ends(void **state)
{
	struct harness_events events;

	restrict_clients(DNS_ONLY_RESOLVED | DNS_BLOCK_QUIC);
	blocked(CLIENT4, HOST4, IPPROTO_TCP, 443, DROP_UNRESOLVED);
	blocked(CLIENT4, HOST4, IPPROTO_UDP, 443, DROP_QUIC);
	harness_read_events(h, &events);
	assert_int_equal(events.count, 2);
	assert_int_equal(events.event[0].type, EVENT_FLOW_END);
	assert_int_equal(events.event[0].info.end, END_UNRESOLVED);
	assert_int_equal(events.event[0].key.daddr.b[15], 7);
	assert_int_equal(events.event[0].key.saddr.b[15], 2);
	assert_int_equal(events.event[0].key.dport, htons(443));
	assert_int_equal(events.event[1].info.end, END_QUIC);
	assert_int_equal(harness_flows(h), 0);
}

/* --- N-43 ------------------------------------------------------------------------------------ */

static void n43_quic_is_refused_at_once(void **state)
{
	restrict_clients(DNS_BLOCK_QUIC);
	resolve_for(OWN, HOST4, 60);
	blocked(CLIENT4, HOST4, IPPROTO_UDP, 443, DROP_QUIC);
	blocked(CLIENT4, HOST4, IPPROTO_UDP, 80, DROP_QUIC);
	blocked(CLIENT6, HOST6, IPPROTO_UDP, 443, DROP_QUIC);
	blocked(CLIENT6, HOST6, IPPROTO_UDP, 80, DROP_QUIC);
}

static void n43_tcp_other_ports_and_other_clients_are_not(void **state)
{
	restrict_clients(DNS_BLOCK_QUIC);
	passes(CLIENT4, HOST4, IPPROTO_TCP, 443);
	passes(CLIENT6, HOST6, IPPROTO_TCP, 80);
	passes(CLIENT4, HOST4, IPPROTO_UDP, 444);
	passes(OTHER4, HOST4, IPPROTO_UDP, 443);
	assert_int_equal(harness_drops_all(h), 0);
}

static void without_policies_everything_passes(void **state)
{
	struct harness *bare = harness_open(16);

	assert_int_equal(harness_egress(bare, harness_kind("tcp4_syn")), HARNESS_OK);
	assert_int_equal(harness_egress(bare, harness_kind("udp4")), HARNESS_OK);
	harness_close(bare);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(n41_an_address_is_good_for_its_ttl_and_five_minutes),
		TEST(n42_blocked_resolved_open_expired_blocked),
		TEST(n42_the_same_for_udp),
		TEST(n42_what_others_resolved_does_not_count),
		TEST(n42_the_tun_and_the_stack_are_exempt),
		TEST(n42_a_flow_that_is_open_outlives_the_name),
		TEST(a_closed_flow_is_not_opened_anew),
		TEST(n42_a_refusal_is_told_with_both_ends),
		TEST(n43_quic_is_refused_at_once),
		TEST(n43_tcp_other_ports_and_other_clients_are_not),
		cmocka_unit_test(without_policies_everything_passes),
	};

	return cmocka_run_group_tests_name("bpf/admit", tests, NULL, NULL);
}
