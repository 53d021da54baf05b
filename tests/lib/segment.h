/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP segments by hand: an application's end of a connection for the tests of the stack. */
#ifndef LIB_SEGMENT_H
#define LIB_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netdev/packet.h"

#define SEG_FIN 0x01
#define SEG_SYN 0x02
#define SEG_RST 0x04
#define SEG_PSH 0x08
#define SEG_ACK 0x10
#define SEG_URG 0x20

#define SEGMENT_PACKET_MAX 65575
#define SEGMENT_SACKS_MAX 4

struct segment {
	uint8_t flags;
	uint32_t seq;
	uint32_t ack;
	uint16_t window; /* as in the header: not scaled */
	uint16_t urgent;
	const uint8_t *payload;
	size_t len;
	/* Written as they are instead of the usual ones: a multiple of 4, at most 40 bytes. */
	const uint8_t *options;
	size_t options_len;
	/* Options; written and found in a SYN only. 0 / -1 / false = not there. */
	uint16_t mss;
	int scale;
	bool sack_permitted;
	/* In any segment but a SYN. */
	unsigned int sack_blocks;
	struct {
		uint32_t start, end;
	} sack[SEGMENT_SACKS_MAX];
};

/* Writes the whole packet (checksums right). Returns its length. */
size_t segment_build(uint8_t *buf, const struct packet_path *path, const struct segment *s);

/*
 * Takes a packet apart. `complete`: its TCP checksum must be right as it stands, otherwise it
 * must hold the sum of the pseudo header. False if anything about the packet is wrong.
 */
bool segment_parse(const uint8_t *packet, size_t len, bool complete, struct packet_path *ret_path,
		   struct segment *ret_segment);

#endif
