// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Blocks of pcapng in the byte order of this machine, which its head tells. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/pcapng.h"

#define BLOCK_SECTION 0x0a0d0d0aU
#define BLOCK_INTERFACE 1U
#define BLOCK_STATISTICS 5U
#define BLOCK_PACKET 6U
#define BYTE_ORDER_MAGIC 0x1a2b3c4dU
#define LINKTYPE_RAW 101 /* IPv4 or IPv6, as the first byte says */

#define OPTIONS_END 0U /* code and length */
#define OPTION_APPLICATION 4 /* of a section */
#define OPTION_NAME 2 /* of an interface, as the next */
#define OPTION_RESOLUTION 9
#define OPTION_FLAGS 2 /* of a packet */
#define OPTION_SEEN 4 /* of statistics, as the next */
#define OPTION_DROPPED 5

#define FLAGS_INBOUND 1U
#define FLAGS_OUTBOUND 2U
#define NANOSECONDS 9 /* 10^-9 */

#define BLOCK_FRAME 12U /* type and length before it, length behind it */
#define PACKET_FRAME (BLOCK_FRAME + 20 + 12) /* with its options */

/* --- one block at a time; there is room for it ---------------------------------------------- */

static void block_put(struct pcapng *p, const void *data, size_t len)
{
	memcpy(p->buffer + p->used, data, len);
	p->used += len;
}

static void block_put32(struct pcapng *p, uint32_t value)
{
	block_put(p, &value, sizeof(value));
}

static void block_put16(struct pcapng *p, uint16_t value)
{
	block_put(p, &value, sizeof(value));
}

static size_t block_padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static void block_put_padded(struct pcapng *p, const void *data, size_t len)
{
	static const uint8_t none[4];

	block_put(p, data, len);
	block_put(p, none, block_padded(len) - len);
}

static void block_put_option(struct pcapng *p, uint16_t code, const void *data, size_t len)
{
	block_put16(p, code);
	block_put16(p, (uint16_t)len);
	block_put_padded(p, data, len);
}

/* Returns where the block begins, for block_end(). */
static size_t block_begin(struct pcapng *p, uint32_t type)
{
	size_t at = p->used;

	block_put32(p, type);
	block_put32(p, 0);
	return at;
}

static void block_end(struct pcapng *p, size_t at)
{
	uint32_t len = (uint32_t)(p->used - at + sizeof(len));

	block_put32(p, len);
	memcpy(p->buffer + at + sizeof(uint32_t), &len, sizeof(len));
	p->size += len;
}

static void block_put_time(struct pcapng *p, uint64_t time_ns)
{
	block_put32(p, (uint32_t)(time_ns >> 32));
	block_put32(p, (uint32_t)time_ns);
}

/* --- the file -------------------------------------------------------------------------------- */

static void pcapng_section(struct pcapng *p)
{
	static const int64_t not_known = -1;
	size_t at = block_begin(p, BLOCK_SECTION);

	block_put32(p, BYTE_ORDER_MAGIC);
	block_put16(p, 1);
	block_put16(p, 0);
	block_put(p, &not_known, sizeof(not_known));
	block_put_option(p, OPTION_APPLICATION, "headrace " HEADRACE_VERSION,
			 strlen("headrace " HEADRACE_VERSION));
	block_put32(p, OPTIONS_END);
	block_end(p, at);
}

static void pcapng_interface(struct pcapng *p, const char *device, uint32_t snaplen)
{
	static const uint8_t resolution = NANOSECONDS;
	size_t at = block_begin(p, BLOCK_INTERFACE);

	block_put16(p, LINKTYPE_RAW);
	block_put16(p, 0);
	block_put32(p, snaplen);
	block_put_option(p, OPTION_NAME, device, strnlen(device, 64));
	block_put_option(p, OPTION_RESOLUTION, &resolution, sizeof(resolution));
	block_put32(p, OPTIONS_END);
	block_end(p, at);
}

void pcapng_begin(struct pcapng *p, int fd, const char *device, uint32_t snaplen)
{
	p->fd = fd;
	p->size = p->packets = 0;
	p->used = 0;
	pcapng_section(p);
	pcapng_interface(p, device, snaplen);
}

static uint32_t packet_kept(const struct pcapng_packet *packet)
{
	return packet->len < PCAPNG_PACKET_MAX ? packet->len : PCAPNG_PACKET_MAX;
}

size_t pcapng_bytes(const struct pcapng_packet *packet)
{
	return PACKET_FRAME + block_padded(packet_kept(packet));
}

int pcapng_add(struct pcapng *p, const struct pcapng_packet *packet)
{
	uint32_t len = packet_kept(packet),
		 flags = packet->outbound ? FLAGS_OUTBOUND : FLAGS_INBOUND;
	size_t at;
	int err;

	if (p->used + pcapng_bytes(packet) > sizeof(p->buffer)) {
		err = pcapng_flush(p);
		if (err)
			return err;
	}
	at = block_begin(p, BLOCK_PACKET);
	block_put32(p, 0); /* the interface */
	block_put_time(p, packet->time_ns);
	block_put32(p, len);
	block_put32(p, packet->original_len);
	block_put_padded(p, packet->data, len);
	block_put_option(p, OPTION_FLAGS, &flags, sizeof(flags));
	block_put32(p, OPTIONS_END);
	block_end(p, at);
	p->packets++;
	return 0;
}

int pcapng_end(struct pcapng *p, uint64_t time_ns, uint64_t seen, uint64_t dropped)
{
	int err = pcapng_flush(p);
	size_t at;

	if (err)
		return err;
	at = block_begin(p, BLOCK_STATISTICS);
	block_put32(p, 0);
	block_put_time(p, time_ns);
	block_put_option(p, OPTION_SEEN, &seen, sizeof(seen));
	block_put_option(p, OPTION_DROPPED, &dropped, sizeof(dropped));
	block_put32(p, OPTIONS_END);
	block_end(p, at);
	return pcapng_flush(p);
}

/* --- writing ---------------------------------------------------------------------------------- */

static uint32_t block_word(const struct pcapng *p, size_t at)
{
	uint32_t value;

	memcpy(&value, p->buffer + at, sizeof(value));
	return value;
}

/* Of the bytes that wait only `written` have found place: the file ends before a cut block. */
static void pcapng_give_up(struct pcapng *p, size_t written)
{
	uint64_t before = p->size - p->used;
	size_t at = 0, whole = 0;

	while (at < p->used) {
		size_t len = block_word(p, at + sizeof(uint32_t));

		if (at + len <= written)
			whole = at + len;
		else if (block_word(p, at) == BLOCK_PACKET)
			p->packets--;
		at += len;
	}
	p->used = 0;
	p->size = before + whole;
	if (written > whole && ftruncate(p->fd, (off_t)p->size))
		return; /* no regular file: its reader sees where it was cut */
}

int pcapng_flush(struct pcapng *p)
{
	size_t written = 0;

	while (written < p->used) {
		ssize_t n = write(p->fd, p->buffer + written, p->used - written);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int err = n ? -errno : -ENOSPC;

			pcapng_give_up(p, written);
			return err;
		}
		written += (size_t)n;
	}
	p->used = 0;
	return 0;
}
