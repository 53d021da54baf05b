/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets put onto a device as they are (AF_PACKET), for programs of the network tests that
 * send what no socket would: their fields, their checksums, and random numbers that are the
 * same each time.
 */
#ifndef LIB_RAW_H
#define LIB_RAW_H

#include <stddef.h>
#include <stdint.h>

struct raw {
	int sock;
	int device; /* its index */
};

/* Exits where there is no such device, or the right to send is missing. */
struct raw raw_open(const char *device);

/* Sends an IP packet as the family that it says it is. 0, or -errno. */
int raw_put(const struct raw *raw, const uint8_t *packet, size_t len);

/* The same for packets that are as they should be: a full queue loses them, all else exits. */
void raw_put_valid(const struct raw *raw, const uint8_t *packet, size_t len);

void raw_put16(uint8_t *p, uint32_t value);
void raw_put32(uint8_t *p, uint32_t value);

/* RFC 1071: adds to a sum; the checksum of a sum. */
uint32_t raw_sum(uint32_t sum, const uint8_t *p, size_t len);
uint16_t raw_checksum(uint32_t sum);

uint32_t raw_random(void);

#endif
