// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* addr.c: addresses and endpoints to and from text and sockaddr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void text_survives_the_round_trip(void **state)
{
	static const char *const texts[] = { "0.0.0.0",
					     "192.0.2.1",
					     "255.255.255.255",
					     "::",
					     "::1",
					     "2001:db8::1",
					     "fe80::1:2:3:4",
					     "2001:db8:1111:2222:3333:4444:5555:6666" };
	char buf[ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct addr a = addr(texts[i]);

		assert_string_equal(addr_format(&a, buf), texts[i]);
	}
}

static void mapped_text_is_ipv4(void **state)
{
	struct addr a = addr("::ffff:192.0.2.1");
	char buf[ADDR_TEXT_MAX];

	assert_true(addr_is_v4(&a));
	assert_string_equal(addr_format(&a, buf), "192.0.2.1");
	assert_int_equal(addr_to_v4(&a), htonl(0xc0000201));
}

static void refuses_what_is_no_address(void **state)
{
	static const char *const texts[] = { "",	  "1.2.3", "1.2.3.4.5", "256.1.1.1",
					     "localhost", ":::",   "1.2.3.4 ",	"2001:db8::1%eth0",
					     "12345::" };
	struct addr a;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(addr_parse(texts[i], &a), -EINVAL);
}

static void knows_the_kinds_of_addresses(void **state)
{
	static const struct {
		const char *text;
		bool v4, zero, loopback, multicast, link_local;
	} cases[] = {
		{ "0.0.0.0", true, true, false, false, false },
		{ "::", false, true, false, false, false },
		{ "127.0.0.1", true, false, true, false, false },
		{ "127.255.255.254", true, false, true, false, false },
		{ "::1", false, false, true, false, false },
		{ "223.255.255.255", true, false, false, false, false },
		{ "224.0.0.0", true, false, false, true, false },
		{ "239.255.255.250", true, false, false, true, false },
		{ "240.0.0.1", true, false, false, false, false },
		{ "255.255.255.255", true, false, false, true, false },
		{ "ff02::1", false, false, false, true, false },
		{ "169.254.1.1", true, false, false, false, true },
		{ "169.253.1.1", true, false, false, false, false },
		{ "fe80::1", false, false, false, false, true },
		{ "febf::1", false, false, false, false, true },
		{ "fec0::1", false, false, false, false, false },
		{ "2001:db8::7f00:1", false, false, false, false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct addr a = addr(cases[i].text);

		assert_int_equal(addr_is_v4(&a), cases[i].v4);
		assert_int_equal(addr_is_zero(&a), cases[i].zero);
		assert_int_equal(addr_is_loopback(&a), cases[i].loopback);
		assert_int_equal(addr_is_multicast(&a), cases[i].multicast);
		assert_int_equal(addr_is_link_local(&a), cases[i].link_local);
	}
}

static bool in_prefix(const char *a, const char *prefix, unsigned int bits)
{
	struct addr x = addr(a), y = addr(prefix);

	return addr_in_prefix(&x, &y, bits);
}

static void prefixes_match_to_the_bit(void **state)
{
	assert_true(in_prefix("10.0.0.255", "10.0.0.0", 24));
	assert_false(in_prefix("10.0.1.0", "10.0.0.0", 24));
	assert_true(in_prefix("10.0.1.0", "10.0.0.0", 23));
	assert_true(in_prefix("10.0.0.1", "10.0.0.1", 32));
	assert_false(in_prefix("10.0.0.2", "10.0.0.1", 32));
	assert_true(in_prefix("1.2.3.4", "200.0.0.0", 0));
	assert_false(in_prefix("200.0.0.0", "1.2.3.4", 1));
	assert_true(in_prefix("2001:db8:0:7fff::", "2001:db8::", 49));
	assert_false(in_prefix("2001:db8:0:8000::", "2001:db8::", 49));
	assert_true(in_prefix("2001:db8::1", "2001:db8::1", 128));
	assert_false(in_prefix("2001:db8::2", "2001:db8::1", 128));
}

static void reads_prefixes(void **state)
{
	static const struct {
		const char *text, *addr;
		unsigned int bits;
	} good[] = { { "192.0.2.0/24", "192.0.2.0", 24 },
		     { "192.0.2.1/24", "192.0.2.1", 24 },
		     { "192.0.2.1", "192.0.2.1", 32 },
		     { "0.0.0.0/0", "0.0.0.0", 0 },
		     { "2001:db8::/32", "2001:db8::", 32 },
		     { "::1", "::1", 128 },
		     { "::/128", "::", 128 } };
	static const char *const bad_bits[] = { "192.0.2.0/33",		  "192.0.2.0/",
						"192.0.2.0/ 8",		  "192.0.2.0/8x",
						"192.0.2.0/-1",		  "2001:db8::/129",
						"::/18446744073709551616" };
	static const char *const bad_addr[] = { "", "/24", "192.0.2/24", "example.org/8" };
	char text[ADDR_TEXT_MAX];
	struct prefix p;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(prefix_parse(good[i].text, &p), 0);
		assert_string_equal(addr_format(&p.addr, text), good[i].addr);
		assert_int_equal(p.bits, good[i].bits);
	}
	for (size_t i = 0; i < sizeof(bad_bits) / sizeof(bad_bits[0]); i++)
		assert_int_equal(prefix_parse(bad_bits[i], &p), -ERANGE);
	for (size_t i = 0; i < sizeof(bad_addr) / sizeof(bad_addr[0]); i++)
		assert_int_equal(prefix_parse(bad_addr[i], &p), -EINVAL);
}

static void prefixes_do_not_mix_families(void **state)
{
	assert_false(in_prefix("10.0.0.1", "::", 0));
	assert_false(in_prefix("::1", "0.0.0.0", 0));
	assert_false(in_prefix("10.0.0.1", "10.0.0.1", 33));
	assert_false(in_prefix("::1", "::1", 129));
}

static void endpoints_take_every_form(void **state)
{
	static const struct {
		const char *text, *formatted;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1:53" },
		{ "192.0.2.1:5353", "192.0.2.1:5353" },
		{ "2001:db8::1", "[2001:db8::1]:53" },
		{ "[2001:db8::1]", "[2001:db8::1]:53" },
		{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
	};
	char buf[ENDPOINT_TEXT_MAX];
	struct endpoint ep;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(endpoint_parse(cases[i].text, 53, &ep), 0);
		assert_string_equal(endpoint_format(&ep, buf), cases[i].formatted);
	}
}

static void refuses_what_is_no_endpoint(void **state)
{
	static const char *const texts[] = {
		"",
		":53",
		"192.0.2.1:",
		"192.0.2.1:0",
		"192.0.2.1:65536",
		"192.0.2.1:+53",
		"192.0.2.1: 53",
		"192.0.2.1:53x",
		"192.0.2.1:99999999999999999999",
		"[::1",
		"[::1]53",
		"[::1]:",
		"[]:53",
		"[::1]:53:54",
		"name:53",
		"[2001:db8:1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:53",
	};
	struct endpoint ep = { .port = 7 };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(endpoint_parse(texts[i], 53, &ep), -EINVAL);
	assert_int_equal(ep.port, 7);
}

static void sockaddrs_survive_the_round_trip(void **state)
{
	static const char *const texts[] = { "192.0.2.1:80", "[2001:db8::1]:443" };
	struct endpoint ep, back;
	struct sockaddr_storage ss;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(endpoint_parse(texts[i], 0, &ep), 0);
		assert_int_equal(endpoint_to_sockaddr(&ep, &ss),
				 i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		assert_int_equal(ss.ss_family, i ? AF_INET6 : AF_INET);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&ss, &back), 0);
		assert_true(addr_eq(&ep.addr, &back.addr) && ep.port == back.port);
	}
}

static void mapped_sockaddr_becomes_ipv4(void **state)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	struct endpoint ep;

	assert_int_equal(inet_pton(AF_INET6, "::ffff:10.1.2.3", &in6.sin6_addr), 1);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&in6, &ep), 0);
	assert_true(addr_is_v4(&ep.addr));
}

static void refuses_other_families(void **state)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	struct endpoint ep;

	assert_int_equal(endpoint_from_sockaddr(&sa, &ep), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_survives_the_round_trip),
		cmocka_unit_test(mapped_text_is_ipv4),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(knows_the_kinds_of_addresses),
		cmocka_unit_test(reads_prefixes),
		cmocka_unit_test(prefixes_match_to_the_bit),
		cmocka_unit_test(prefixes_do_not_mix_families),
		cmocka_unit_test(endpoints_take_every_form),
		cmocka_unit_test(refuses_what_is_no_endpoint),
		cmocka_unit_test(sockaddrs_survive_the_round_trip),
		cmocka_unit_test(mapped_sockaddr_becomes_ipv4),
		cmocka_unit_test(refuses_other_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
