// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes the corpus of fuzz_icmp: a reply and each kind of error, in both families, as a raw
 * socket gives them.
 *
 *   cc -o build/icmp tests/fuzz/generate/icmp.c
 *   build/icmp tests/fuzz/corpus/icmp
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ID4 0x48, 0x00
#define ID6 0x48, 0x01

static const uint8_t header4[20] = { 0x45, [3] = 84, [8] = 60, [9] = 1, [12] = 198, 51,
				     100,  1,	     172,      31,	255,	    1 };
static const uint8_t quoted4[28] = { 0x45, [3] = 84, [8] = 1, [9] = 1, [12] = 172, 31, 255,
				     1,	   198,	     51,      100,     1,	   8,  0,
				     0,	   0,	     ID4,     0,       7 };
static const uint8_t quoted6[48] = { 0x60, [5] = 64, [6] = 58, 1, 0xfd, [23] = 1, 0x20, 1, 0x0d,
				     0xb8, [39] = 1, 128,      0, 0,	0,	  ID6,	0, 7 };
static const uint8_t fragment6[56] = { 0x60, [5] = 64, [6] = 44, 1, 0xfd, [23] = 1, 0x20, 1, 0x0d,
				       0xb8, [39] = 1, 58,	 0, 0,	  1,	    0,	  0, 0,
				       9,    128,      0,	 0, 0,	  ID6,	    0,	  7 };

static const struct {
	const char *name;
	uint8_t family;
	uint8_t icmp[8];
	const uint8_t *quoted;
	size_t quoted_len;
} kinds[] = {
	{ "reply4", 4, { 0, 0, 0, 0, ID4, 0, 7 }, NULL, 0 },
	{ "reply6", 6, { 129, 0, 0, 0, ID6, 0, 7 }, NULL, 0 },
	{ "unreachable4", 4, { 3, 1 }, quoted4, sizeof(quoted4) },
	{ "too_big4", 4, { 3, 4, 0, 0, 0, 0, 5, 20 }, quoted4, sizeof(quoted4) },
	{ "expired4", 4, { 11, 0 }, quoted4, sizeof(quoted4) },
	{ "parameter4", 4, { 12, 0, 0, 0, 20 }, quoted4, sizeof(quoted4) },
	{ "unreachable6", 6, { 1, 3 }, quoted6, sizeof(quoted6) },
	{ "too_big6", 6, { 2, 0, 0, 0, 0, 0, 5, 20 }, quoted6, sizeof(quoted6) },
	{ "expired6", 6, { 3, 0 }, quoted6, sizeof(quoted6) },
	{ "fragment6", 6, { 3, 0 }, fragment6, sizeof(fragment6) },
	{ "cut4", 4, { 11, 0 }, quoted4, 20 },
	{ "cut6", 6, { 3, 0 }, quoted6, 40 },
};

static int write_kind(const char *directory, size_t k)
{
	uint8_t m[256] = { kinds[k].family == 6 };
	size_t n = 1;
	char path[512];
	FILE *f;
	int bad;

	if (kinds[k].family == 4) {
		memcpy(m + n, header4, sizeof(header4));
		n += sizeof(header4);
	}
	memcpy(m + n, kinds[k].icmp, sizeof(kinds[k].icmp));
	n += sizeof(kinds[k].icmp);
	memcpy(m + n, kinds[k].quoted ? kinds[k].quoted : m, kinds[k].quoted_len);
	n += kinds[k].quoted_len + (kinds[k].quoted_len < 28 ? 0 : 16); /* some data */
	snprintf(path, sizeof(path), "%s/%s", directory, kinds[k].name);
	f = fopen(path, "we");
	if (!f)
		return -1;
	bad = fwrite(m, 1, n, f) != n;
	return fclose(f) || bad ? -1 : 0;
}

int main(int argc, char **argv)
{
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]) && argc == 2; k++) {
		if (write_kind(argv[1], k)) {
			perror(argv[1]);
			return 1;
		}
	}
	return argc == 2 ? 0 : 2;
}
