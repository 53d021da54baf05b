// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* siphash.c against the vectors of the paper and of its authors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/siphash.h"

static const struct siphash_key key = { { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL } };

static void gives_the_published_values(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} cases[] = {
		{ 0, 0x726fdb47dd0e0e31ULL },
		{ 1, 0x74f839c593dc67fdULL },
		{ 2, 0x0d6c8009d9a94f5aULL },
		{ 15, 0xa129ca6149be45e5ULL }, /* the paper's appendix */
	};
	uint8_t data[16];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(siphash(&key, data, cases[i].len) == cases[i].hash);
}

static void does_not_care_about_alignment(void **state)
{
	uint64_t hash = 0;

	for (size_t at = 0; at < 8; at++) {
		uint8_t data[48] = { 0 };

		for (size_t i = 0; i < 23; i++)
			data[at + i] = (uint8_t)(i * 7);
		if (at == 0)
			hash = siphash(&key, data, 23);
		assert_true(siphash(&key, data + at, 23) == hash);
	}
}

static void every_bit_of_key_and_input_counts(void **state)
{
	uint8_t data[17] = { 0 };
	uint64_t base = siphash(&key, data, sizeof(data));

	for (size_t i = 0; i < sizeof(data) * 8; i++) {
		data[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_true(siphash(&key, data, sizeof(data)) != base);
		data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (unsigned int i = 0; i < 128; i++) {
		struct siphash_key other = key;

		other.k[i / 64] ^= 1ULL << i % 64;
		assert_true(siphash(&other, data, sizeof(data)) != base);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_published_values),
		cmocka_unit_test(does_not_care_about_alignment),
		cmocka_unit_test(every_bit_of_key_and_input_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
