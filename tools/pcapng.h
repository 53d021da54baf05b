/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A file of packets, in the form pcapng (draft-ietf-opsawg-pcapng), which tcpdump and wireshark
 * read: one interface of raw IP, each packet with its time in nanoseconds and its direction.
 *
 * Blocks are gathered and written together. A write that fails takes back what of a block it
 * has written: what is there can be read, whatever happens.
 */
#ifndef TOOLS_PCAPNG_H
#define TOOLS_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCAPNG_BUFFER_BYTES (1U << 20)
#define PCAPNG_PACKET_MAX 65536 /* bytes of one that are kept; more is cut */

struct pcapng_packet {
	uint64_t time_ns; /* Unix */
	const void *data; /* IP header */
	uint32_t len; /* of data */
	uint32_t original_len;
	bool outbound; /* sent by an application; else its answer */
};

struct pcapng {
	int fd; /* the caller's */
	uint64_t size; /* of the file, what waits to be written included */
	uint64_t packets; /* in whole blocks, likewise */
	size_t used; /* bytes that wait */
	uint8_t buffer[PCAPNG_BUFFER_BYTES];
};

/* Puts the head, without a write. `device` and `snaplen` are told to the reader. */
void pcapng_begin(struct pcapng *p, int fd, const char *device, uint32_t snaplen);
/* How many bytes of the file the packet takes. */
size_t pcapng_bytes(const struct pcapng_packet *packet);
/* 0, or -errno of the write that it needed: then the packet is not in the file. */
int pcapng_add(struct pcapng *p, const struct pcapng_packet *packet);
/* Ends the file: what was seen in all, and how many packets are missing. 0 or -errno. */
int pcapng_end(struct pcapng *p, uint64_t time_ns, uint64_t seen, uint64_t dropped);
/*
 * Writes what waits. 0, or -errno: what was not written is gone, and no longer in `packets`;
 * a regular file ends with a whole block.
 */
int pcapng_flush(struct pcapng *p);

#endif
