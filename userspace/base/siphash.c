// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SipHash-2-4: two rounds per 8-byte word of input, four at the end. */
#include <endian.h>
#include <string.h>

#include "base/siphash.h"

static inline uint64_t rotate_left(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] = rotate_left(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

/* The last word: what is left of the input, the input's length in the top byte. */
static uint64_t last_word(const uint8_t *rest, size_t len)
{
	uint64_t word = 0;

	memcpy(&word, rest, len % 8);
	return le64toh(word) | (uint64_t)len << 56;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
	const uint8_t *p = data;
	const uint8_t *end = p + len - len % 8;
	/* The constants spell "somepseudorandomlygeneratedbytes". */
	uint64_t v[4] = {
		key->k[0] ^ 0x736f6d6570736575ULL,
		key->k[1] ^ 0x646f72616e646f6dULL,
		key->k[0] ^ 0x6c7967656e657261ULL,
		key->k[1] ^ 0x7465646279746573ULL,
	};

	for (; p < end; p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		sip_word(v, le64toh(word));
	}
	sip_word(v, last_word(p, len));
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
