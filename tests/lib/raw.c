// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets put onto a device as they are. See the header. */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "lib/raw.h"

struct raw raw_open(const char *device)
{
	struct raw raw = { .sock = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
			   .device = (int)if_nametoindex(device) };

	if (raw.sock < 0 || raw.device == 0)
		err(1, "%s", device);
	return raw;
}

int raw_put(const struct raw *raw, const uint8_t *packet, size_t len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP),
		.sll_ifindex = raw->device,
	};

	if (sendto(raw->sock, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

void raw_put_valid(const struct raw *raw, const uint8_t *packet, size_t len)
{
	int status = raw_put(raw, packet, len);

	if (status && status != -ENOBUFS)
		errx(1, "sendto: %s", strerrordesc_np(-status));
}

void raw_put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

void raw_put32(uint8_t *p, uint32_t value)
{
	raw_put16(p, value >> 16);
	raw_put16(p + 2, value);
}

uint32_t raw_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

uint16_t raw_checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t raw_random(void) /* xorshift64 (Marsaglia 2003) */
{
	static uint64_t state = 0x9e3779b97f4a7c15;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}
