// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes the corpus of fuzz_packet: one file per kind of packet, behind a byte of settings.
 *
 *   cc -Itests -o build/packet tests/fuzz/generate/packet.c tests/lib/craft.c
 *   build/packet tests/fuzz/corpus/packet
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/craft.h"

int main(int argc, char **argv)
{
	uint8_t bytes[CRAFT_MAX];
	char path[512];
	size_t i, len;
	FILE *f;

	for (i = 0; i < craft_kinds_num && argc == 2; i++) {
		len = craft(&craft_kinds[i], bytes);
		snprintf(path, sizeof(path), "%s/%s", argv[1], craft_kinds[i].name);
		f = fopen(path, "we");
		if (!f || fputc((int)i, f) == EOF || fwrite(bytes, 1, len, f) != len || fclose(f)) {
			perror(path);
			return 1;
		}
	}
	return argc == 2 ? 0 : 2;
}
