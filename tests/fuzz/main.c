// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Replays inputs through a fuzz target that was built without libFuzzer: each argument is a
 * file or a directory of files (not deeper). Every input lies in a block of exactly its size,
 * so that a sanitizer sees the first byte read beyond it. Says how many inputs there were;
 * none at all is a failure, since then nothing was tested.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1 << 20)

static uint8_t input[INPUT_MAX];
static unsigned long replayed;

static int fail(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return -1;
}

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *exact;
	size_t size;

	if (!f)
		return fail(path);
	size = fread(input, 1, sizeof(input), f);
	fclose(f);
	exact = malloc(size ? size : 1);
	if (!exact)
		return fail(path);
	memcpy(exact, input, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	replayed++;
	return 0;
}

static int replay_directory(const char *path)
{
	struct dirent **entries;
	int num = scandir(path, &entries, NULL, alphasort);
	int r = 0;

	if (num < 0)
		return fail(path);
	for (int i = 0; i < num; i++) {
		char name[4096];
		struct stat st;

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		if (r == 0 && stat(name, &st) == 0 && S_ISREG(st.st_mode))
			r = replay_file(name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) < 0 ? fail(argv[i]) :
		    S_ISDIR(st.st_mode)	   ? replay_directory(argv[i]) :
					     replay_file(argv[i]))
			return 1;
	}
	if (replayed == 0) {
		fprintf(stderr, "%s: no input\n", argv[0]);
		return 1;
	}
	printf("%lu inputs\n", replayed);
	return 0;
}
