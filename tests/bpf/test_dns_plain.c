// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which DNS queries the kernel half takes for plain ones, and what it tells of those that it
 * answered. Everything else goes on as it came.
 */
#include "bpf/dns_expect.h"

static char cookie[] = "\0\x0a\0\x08"
		       "12345678";
static char cookie_padding[] = "\0\x0a\0\x10"
			       "1234567812345678"
			       "\0\x0c\0\x04"
			       "\0\0\0\0";
static char subnet[] = "\0\x08\0\x07"
		       "\0\x01\x18\0\x0a\0\0";
static char overrun[] = "\0\x0a\0\x09"
			"12345678";
static char cut_short[] = "\0\x0a\0\x08"
			  "12345678"
			  "\0\x0c\0";
static char five[] = "\0\x0c\0\0\0\x0c\0\0\0\x0c\0\0\0\x0c\0\0\0\x0c\0\0";

#define NAME_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define NAME_49 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw"
#define NAME_255 NAME_63 "." NAME_63 "." NAME_63 "." NAME_49 ".bad.example"
#define LABELS_10 "1.2.3.4.5.6.7.8.9.0."
#define LABELS_40 LABELS_10 LABELS_10 LABELS_10 "1.2.3.4.5.6.7.8.bad.example"

static const struct dns_ask plain[] = {
	{ .name = "bad.example", .edns = true, .options = cookie, .options_len = 12 },
	{ .name = "bad.example", .edns = true, .options = cookie_padding, .options_len = 28 },
	{ .name = NAME_63 ".bad.example" },
	{ .name = NAME_255 },
	{ .name = LABELS_40 },
	{ .name = "bad.example", .flags = 0x0130 },
	{ .name = "bad.example", .flags = 0x0010 },
};

static const struct dns_ask unusual[] = {
	{ .name = "bad.example", .flags = 0x8100 }, /* an answer */
	{ .name = "bad.example", .flags = 0x0900 }, /* IQUERY */
	{ .name = "bad.example", .flags = 0x0500 }, /* AA */
	{ .name = "bad.example", .flags = 0x0300 }, /* TC */
	{ .name = "bad.example", .flags = 0x0180 }, /* RA */
	{ .name = "bad.example", .flags = 0x0140 }, /* Z */
	{ .name = "bad.example", .flags = 0x0103 }, /* RCODE */
	{ .name = "bad.example", .class = 3 },
	{ .name = "bad.example", .class = 255 },
	{ .name = "bad.example", .type = 41 },
	{ .name = "bad.example", .type = 251 },
	{ .name = "bad.example", .type = 252 },
	{ .name = "bad.example", .type = 255 },
	{ .name = "bad.example", .questions = 2 },
	{ .name = "bad.example", .answers = 1 },
	{ .name = "bad.example", .authorities = 1 },
	{ .name = "bad.example", .additionals = 1 },
	{ .name = "bad.example", .additionals = 1, .edns = true },
	{ .name = "bad.example", .behind = 1 },
	{ .name = "bad.example", .edns = true, .behind = 1 },
	{ .name = "bad.example", .edns = true, .version = 1 },
	{ .name = "bad.example", .edns = true, .rcode_high = 1 },
	{ .name = "bad.example", .edns = true, .edns_flags = 0x4000 },
	{ .name = "bad.example", .edns = true, .edns_flags = 1 },
	{ .name = "bad.example", .edns = true, .options = subnet, .options_len = 11 },
	{ .name = "bad.example", .edns = true, .options = overrun, .options_len = 12 },
	{ .name = "bad.example", .edns = true, .options = cut_short, .options_len = 15 },
	{ .name = "bad.example", .edns = true, .options = five, .options_len = 20 },
	{ .name = "x." LABELS_40 },
	{ .name = NAME_63 "a.bad.example" }, /* a label of 64: the bits of a pointer */
	{ .name = NAME_63 "." NAME_63 "." NAME_63 "." NAME_49 "x.bad.example" },
};

static void answers_all_that_is_plain(void **state)
{
	struct dns_world *w = *state;
	struct expected e;

	block(dns_world_reset(w), DNS_NODATA);
	dns_world_push(w);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		unsigned int flags = plain[i].flags ? plain[i].flags & 0x0110U : 0x0100U;

		e = expect(&plain[i], 0x8080 | flags, 0, 1);
		expect_soa(&e, 60);
		expect_opt(&e, &plain[i]);
		asked_everywhere(w, &plain[i], &e);
	}
}

static void leaves_all_that_is_unusual(void **state)
{
	struct dns_world *w = *state;

	block(dns_world_reset(w), DNS_NODATA);
	dns_world_push(w);
	for (size_t i = 0; i < sizeof(unusual) / sizeof(unusual[0]); i++)
		left_everywhere(w, &unusual[i]);
}

/* A query that would be answered, but for how it comes. */
static const struct craft carriers[] = {
	{ .name = "IPv4 options", .ip_options = 4 },
	{ .name = "first fragment", .more = true },
	{ .name = "later fragment", .offset = 8 },
	{ .name = "hop-by-hop", .version = 6, .chain = "h" },
	{ .name = "atomic fragment", .version = 6, .chain = "f" },
	{ .name = "another port", .dport = 5353 },
	{ .name = "port 0", .sport = 0xffff },
	{ .name = "TCP", .proto = IPPROTO_TCP },
	{ .name = "multicast", .dst = "224.0.0.251" },
	{ .name = "link-local", .version = 6, .dst = "fe80::1" },
	{ .name = "loopback", .dst = "127.0.0.1" },
	{ .name = "foreign source", .src = "192.0.2.1" },
	{ .name = "foreign source", .version = 6, .src = "2001:db8::1" },
};

static void leaves_other_carriers(void **state)
{
	struct dns_world *w = *state;
	uint8_t msg[DNS_ASK_MAX], packet[CRAFT_MAX];
	size_t len = dns_ask(&(struct dns_ask){ .name = "bad.example" }, msg), size;

	block(dns_world_reset(w), DNS_NODATA);
	dns_world_push(w);
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		struct craft c = carriers[i];

		c.proto = c.proto ? c.proto : IPPROTO_UDP;
		c.dport = c.dport ? c.dport : DNS_PORT;
		c.sport = c.sport ? c.sport : 40000;
		c.data = msg;
		c.payload = (uint16_t)len;
		size = craft(&c, packet);
		if (c.sport == 0xffff)
			memset(packet + 20, 0, 2);
		for (int point = 0; point < DNS_HOST_POINTS; point++)
			if (dns_world_run(w, point, packet, size))
				fail_msg("%s is answered at point %d", c.name, point);
	}
}

static void leaves_cut_and_padded_packets(void **state)
{
	struct dns_world *w = *state;
	uint8_t packet[CRAFT_MAX] = { 0 };
	struct dns_ask ask = { .name = "bad.example", .edns = true };
	size_t len;

	block(dns_world_reset(w), DNS_NODATA);
	dns_world_push(w);
	for (int version = 4; version <= 6; version += 2) {
		len = dns_world_packet(&ask, version, packet);
		for (int point = 0; point < DNS_HOST_POINTS; point++) {
			assert_true(dns_world_run(w, point, packet, len));
			for (size_t cut = 20; cut < len; cut++)
				assert_false(dns_world_run(w, point, packet, cut));
			/* Ethernet pads short frames, and that is no part of the packet */
			assert_true(dns_world_run(w, point, packet, len + 18));
		}
	}
}

/* Its own sockets' packets would come back for ever; tun_egress counts and drops them. */
static void leaves_packets_of_our_own(void **state)
{
	struct dns_world *w = *state;
	uint8_t packet[CRAFT_MAX];
	size_t len = dns_world_packet(&(struct dns_ask){ .name = "bad.example" }, 4, packet);

	block(dns_world_reset(w), DNS_NODATA);
	dns_world_push(w);
	assert_true(dns_world_run(w, DNS_HOST_TUN, packet, len));
	w->ctx.mark = HEADRACE_MARK;
	assert_false(dns_world_kernel(w, DNS_HOST_TUN, packet, len));
	assert_false(dns_world_kernel(w, DNS_HOST_ETH, packet, len));
}

/* Several datagrams in one (UDP GSO) are for the resolver to take apart. */
static void leaves_gso_packets(void **state)
{
	struct dns_world *w = *state;
	uint8_t packet[CRAFT_MAX];
	size_t len = dns_world_packet(&(struct dns_ask){ .name = "bad.example" }, 4, packet);

	block(dns_world_reset(w), DNS_NODATA);
	dns_world_push(w);
	w->ctx.gso_size = 29;
	w->ctx.gso_segs = 1;
	assert_false(dns_world_kernel(w, DNS_HOST_TUN, packet, len));
}

/* On Ethernet only what was sent to us, by whom the resolver would answer, too. */
static void devices_answer_only_for_our_listeners(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	uint8_t msg[DNS_ASK_MAX], packet[CRAFT_MAX];
	struct craft c = {
		.src = "198.51.100.1",
		.dst = "10.0.0.1",
		.proto = IPPROTO_UDP,
		.sport = 40000,
		.dport = DNS_PORT,
		.data = msg,
	};
	size_t len;

	c.payload = (uint16_t)dns_ask(&(struct dns_ask){ .name = "bad.example" }, msg);
	block(h, DNS_NODATA);
	dns_world_push(w);
	len = craft(&c, packet);
	assert_false(dns_world_run(w, DNS_HOST_ETH, packet, len));
	assert_false(dns_world_run(w, DNS_HOST_XDP, packet, len));
	dns_host_client_add(h, 0, "198.51.100.0", 24, DNS_CLIENT_ALLOWED);
	dns_world_push(w);
	assert_true(dns_world_run(w, DNS_HOST_ETH, packet, len));
	assert_true(dns_world_run(w, DNS_HOST_XDP, packet, len));
	c.src = NULL;
	c.dst = "10.0.0.3";
	len = craft(&c, packet);
	assert_false(dns_world_run(w, DNS_HOST_ETH, packet, len));
	assert_false(dns_world_run(w, DNS_HOST_XDP, packet, len));
	assert_true(dns_world_run(w, DNS_HOST_TUN, packet, len));
}

/* A query without a checksum (IPv4 allows it) gets an answer with one; a wrong one none. */
static void checksums_are_made_and_kept_wrong(void **state)
{
	struct dns_world *w = *state;
	uint8_t packet[CRAFT_MAX];
	size_t len = dns_world_packet(&(struct dns_ask){ .name = "bad.example" }, 4, packet);

	block(dns_world_reset(w), DNS_NODATA);
	dns_world_push(w);
	packet[26] = packet[27] = 0;
	for (int point = 0; point < DNS_HOST_POINTS; point++) {
		assert_true(dns_world_run(w, point, packet, len));
		assert_true(w->h->out[HARNESS_L2 + 26] | w->h->out[HARNESS_L2 + 27]);
		assert_true(craft_checksums_right(w->h->out + HARNESS_L2, w->h->out_len));
	}
	packet[27] = 1;
	assert_true(dns_world_run(w, DNS_HOST_TUN, packet, len));
	assert_false(craft_checksums_right(w->h->out + HARNESS_L2, w->h->out_len));
	assert_false(dns_world_run(w, DNS_HOST_XDP, packet, len));
	packet[10] ^= 1; /* the IP header's own */
	assert_false(dns_world_run(w, DNS_HOST_TUN, packet, len));
}

/* --- what is told of it ------------------------------------------------------------------ */

static void counts_what_it_does(void **state)
{
	static const enum kernel_stat which[] = { STAT_DNS_BLOCKED, STAT_DNS_ANSWERED,
						  STAT_DNS_ASKED,   STAT_UP_PACKETS,
						  STAT_UP_BYTES,    STAT_DNS_LOG_LOST };
	static const uint64_t more[] = { 1, 1, 1, 2, 28 + 12 + 13 + 4 + 28 + 12 + 17 + 4, 0 };
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	uint64_t before[6];
	const uint8_t *msg;
	size_t len, i;

	block(h, DNS_NODATA);
	keep(h, "kept.in.example", 0);
	dns_world_push(w);
	for (i = 0; i < 6; i++)
		before[i] = harness_stat(w->h, which[i]);
	dns_world_ask(w, DNS_HOST_TUN, 4, &(struct dns_ask){ .name = "bad.example" }, &msg, &len);
	dns_world_ask(w, DNS_HOST_TUN, 4, &(struct dns_ask){ .name = "kept.in.example" }, &msg,
		      &len);
	dns_world_ask(w, DNS_HOST_TUN, 4, &(struct dns_ask){ .name = "none.example" }, &msg, &len);
	for (i = 0; i < 6; i++)
		assert_int_equal(harness_stat(w->h, which[i]) - before[i], more[i]);
}

struct logged {
	unsigned int count;
	struct dns_log_entry last;
};

static int on_log(void *ctx, void *data, size_t size)
{
	struct logged *l = ctx;

	assert_int_equal(size, sizeof(l->last));
	memcpy(&l->last, data, size);
	l->count++;
	return 0;
}

static void logs_who_asked_what(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct logged l = { .count = 0 };
	struct ring_buffer *ring;
	const uint8_t *msg;
	size_t len;

	ring = ring_buffer__new(bpf_map__fd(w->h->skel->maps.dns_log), on_log, &l, NULL);
	assert_non_null(ring);
	assert_true(ring_buffer__consume(ring) >= 0);
	block(h, DNS_NXDOMAIN);
	dns_host_client_add(h, 0, "10.0.0.2", 32, 2);
	h->policies[0][2] = h->policies[0][0];
	dns_world_push(w);
	l.count = 0;
	assert_true(dns_world_ask(w, DNS_HOST_TUN, 4,
				  &(struct dns_ask){ .name = "a.Bad.Example", .type = 28 }, &msg,
				  &len));
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
	assert_int_equal(l.count, 1);
	assert_int_equal(l.last.type, 28);
	assert_int_equal(l.last.rcode, 3);
	assert_int_equal(l.last.action, DNS_NXDOMAIN);
	assert_int_equal(l.last.rule, 0);
	assert_int_equal(l.last.policy, 2);
	assert_int_equal(l.last.port, htons(40000));
	assert_memory_equal(l.last.client.b, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02", 16);
	assert_int_equal(l.last.name_len, 15);
	assert_memory_equal(l.last.name, "\1a\3Bad\7Example", 15);
	assert_true(dns_world_now() - l.last.time_ns < 10 * DNS_SECOND_NS);
}

static uint64_t hits_of(struct dns_world *w, unsigned int i)
{
	struct dns_answer a;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(w->h->skel->maps.dns_answers),
					     &w->host.answers[i].key, &a),
			 0);
	return a.hits;
}

static void hits_are_counted(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	const uint8_t *msg;
	size_t len;

	keep(h, "www.example", 0);
	dns_world_push(w);
	for (int i = 0; i < 3; i++)
		assert_true(dns_world_ask(w, DNS_HOST_TUN, 6,
					  &(struct dns_ask){ .name = "www.example" }, &msg, &len));
	assert_int_equal(hits_of(w, 0), 3);
}

static int open_group(void **state)
{
	*state = dns_world_open();
	return 0;
}

static int close_group(void **state)
{
	dns_world_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_all_that_is_plain),
		cmocka_unit_test(leaves_all_that_is_unusual),
		cmocka_unit_test(leaves_other_carriers),
		cmocka_unit_test(leaves_cut_and_padded_packets),
		cmocka_unit_test(leaves_packets_of_our_own),
		cmocka_unit_test(leaves_gso_packets),
		cmocka_unit_test(devices_answer_only_for_our_listeners),
		cmocka_unit_test(checksums_are_made_and_kept_wrong),
		cmocka_unit_test(counts_what_it_does),
		cmocka_unit_test(logs_who_asked_what),
		cmocka_unit_test(hits_are_counted),
	};

	return cmocka_run_group_tests_name("bpf/dns_plain", tests, open_group, close_group);
}
