/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What libFuzzer, or the replay in main.c, calls for each input, and what targets share: a
 * check that holds in every build, an input that is read a number at a time, and memory
 * whose end a sanitizer sees.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sanitizer/asan_interface.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(holds)                                                                             \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds);                \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What is left of an input. Behind its end there are zeroes. */
struct input {
	const uint8_t *at;
	size_t left;
};

static inline uint32_t next8(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

static inline uint32_t next16(struct input *in)
{
	uint32_t high = next8(in);

	return high << 8 | next8(in);
}

/*
 * A block of memory of which the first `end` bytes may be used and the rest not (with ASan:
 * elsewhere all may). It begins at a multiple of 8.
 */
struct fence {
	uint8_t *block;
	size_t size;
	size_t end; /* `size` at first */
};

static inline void fence_move(struct fence *f, size_t end)
{
	if (end > f->size)
		abort();
	if (end > f->end)
		ASAN_UNPOISON_MEMORY_REGION(f->block + f->end, end - f->end);
	else if (end < f->end)
		ASAN_POISON_MEMORY_REGION(f->block + end, f->end - end);
	f->end = end;
}

#endif
