// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets that no kernel would send, put onto a device as they are (AF_PACKET): each packet
 * of the corpus whole, cut at every length, and with bytes changed at random. The random
 * sequence is the same each time.
 *
 *   hostile DEVICE SKIP MUTATIONS FILE...
 *
 * Prints how many were sent. SKIP bytes of each file are not the packet's (a fuzz target's
 * own); MUTATIONS is per file; a pause after each file lets the reader
 * keep up, so that packets are judged and not lost in a full queue.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/raw.h"

#define PACKET_BYTES 65535
#define BYTES_CHANGED 4
#define PAUSE_NS 2000000

static struct raw raw;
static unsigned long sent;

/* What is no packet at all the device need not take. */
static void put(const uint8_t *packet, size_t len)
{
	int status = raw_put(&raw, packet, len);

	if (!status) {
		sent++;
	} else if (status != -EMSGSIZE && status != -ENOBUFS && status != -EINVAL) {
		fprintf(stderr, "hostile: sendto: %s\n", strerror(-status));
		exit(1);
	}
}

static void put_cut(const uint8_t *packet, size_t len)
{
	for (size_t cut = 1; cut <= len && cut <= 256; cut++)
		put(packet, cut);
	put(packet, len);
}

static void put_changed(const uint8_t *packet, size_t len, unsigned long times)
{
	static uint8_t copy[PACKET_BYTES];

	for (unsigned long i = 0; i < times; i++) {
		memcpy(copy, packet, len);
		for (int j = 0; j < BYTES_CHANGED; j++)
			copy[raw_random() % len] = (uint8_t)raw_random();
		put(copy, len);
	}
}

static void put_file(const char *path, unsigned long skip, unsigned long mutations)
{
	static uint8_t packet[PACKET_BYTES];
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	FILE *f = fopen(path, "r");
	size_t len;

	if (!f) {
		perror(path);
		exit(1);
	}
	len = fread(packet, 1, sizeof(packet), f);
	fclose(f);
	if (len <= skip)
		return;
	put_cut(packet + skip, len - skip);
	put_changed(packet + skip, len - skip, mutations);
	nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: hostile DEVICE SKIP MUTATIONS FILE...\n");
		return 2;
	}
	raw = raw_open(argv[1]);
	for (int i = 4; i < argc; i++)
		put_file(argv[i], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	printf("%lu\n", sent);
	close(raw.sock);
	return 0;
}
