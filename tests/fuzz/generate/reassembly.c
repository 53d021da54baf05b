// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes the corpus of fuzz_reassembly: a file per kind of sequence, as records of that
 * target: flags, offset in units of 8 bytes, length.
 *
 *   cc -o build/reassembly tests/fuzz/generate/reassembly.c
 *   build/reassembly tests/fuzz/corpus/reassembly
 */
#include <stdint.h>
#include <stdio.h>

#define V6 0x80
#define MORE 0x40
#define RAW 0x20
#define LATER 0x10
#define STEPS_MAX 5
#define SMALL_MAX 0x7ff /* lengths that are written as they are */
#define LARGE 0x8000 /* the rest is half the length */

static const struct {
	const char *name;
	struct {
		uint8_t flags;
		uint16_t units;
		uint16_t len;
	} step[STEPS_MAX];
} kinds[] = {
	{ "in_order4", { { MORE, 0, 1480 }, { MORE, 185, 1480 }, { 0, 370, 48 } } },
	{ "in_order6", { { V6 | MORE, 0, 1448 }, { V6 | MORE, 181, 1448 }, { V6, 362, 112 } } },
	{ "last_first", { { 0, 370, 48 }, { MORE, 185, 1480 }, { MORE, 0, 1480 } } },
	{ "overlap", { { MORE, 0, 800 }, { MORE, 99, 800 }, { 0, 199, 8 } } },
	{ "duplicate", { { MORE, 0, 800 }, { MORE, 0, 800 }, { 0, 100, 8 } } },
	{ "tiny", { { 1 | MORE, 0, 8 }, { 1 | MORE, 1, 8 }, { 1, 2, 1 } } },
	{ "two_ends", { { MORE, 0, 800 }, { 0, 100, 8 }, { 0, 200, 8 } } },
	{ "beyond", { { MORE, 0, 800 }, { 0, 8191, 100 } } },
	{ "largest", { { MORE, 0, 32768 }, { 0, 4096, 32746 } } },
	{ "many", { { MORE, 0x6000, 80 }, { 0, 0x600a, 8 } } },
	{ "too_many", { { 2 | MORE, 0xe000, 80 }, { 3 | MORE, 0xe000, 80 }, { 2, 0xe00a, 8 } } },
	{ "two_datagrams", { { MORE, 0, 80 }, { 1 | MORE, 0, 80 }, { 0, 10, 8 }, { 1, 10, 8 } } },
	{ "times_out",
	  { { MORE, 0, 80 }, { 1 | LATER | MORE, 0, 80 }, { LATER, 10, 8 }, { 1 | LATER, 10, 8 } } },
};

static int write_kind(const char *directory, size_t k)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, kinds[k].name);
	f = fopen(path, "we");
	if (!f)
		return -1;
	for (int i = 0; i < STEPS_MAX && kinds[k].step[i].len; i++) {
		uint16_t units = kinds[k].step[i].units, len = kinds[k].step[i].len;

		if (len > SMALL_MAX)
			len = LARGE | len / 2;
		uint8_t record[5] = { kinds[k].step[i].flags, units >> 8, units, len >> 8, len };

		if (fwrite(record, 1, sizeof(record), f) != sizeof(record)) {
			fclose(f);
			return -1;
		}
	}
	return fclose(f);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && argc == 2; i++) {
		if (write_kind(argv[1], i)) {
			perror(argv[1]);
			return 1;
		}
	}
	return argc == 2 ? 0 : 2;
}
