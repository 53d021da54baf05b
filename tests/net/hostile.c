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
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define PACKET_BYTES 65535
#define BYTES_CHANGED 4
#define PAUSE_NS 2000000

static int sock;
static unsigned int device;
static unsigned long sent;
static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t next_random(void) /* xorshift64 (Marsaglia 2003) */
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32);
}

static void put(const uint8_t *packet, size_t len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP),
		.sll_ifindex = (int)device,
	};

	if (sendto(sock, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) >= 0) {
		sent++;
	} else if (errno != EMSGSIZE && errno != ENOBUFS && errno != EINVAL) {
		perror("hostile: sendto");
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
			copy[next_random() % len] = (uint8_t)next_random();
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
	sock = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	device = if_nametoindex(argv[1]);
	if (sock < 0 || device == 0) {
		perror("hostile");
		return 1;
	}
	for (int i = 4; i < argc; i++)
		put_file(argv[i], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	printf("%lu\n", sent);
	close(sock);
	return 0;
}
