// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Choice of subnets. The usual one first, so that examples and firewalls can name it; the
 * others at random, so that two hosts behind one another do not choose alike. Only the
 * host's routes count: every instance has a namespace of its own, so instances do not meet.
 */
#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "supervisor/subnet.h"

#define SUBNET_TRIES 64

/* fd68:6561:6472:6163::/64 spells "headrac". */
static const uint8_t usual_id[7] = { 0x68, 0x65, 0x61, 0x64, 0x72, 0x61, 0x63 };

static void fill4(struct subnet *s, uint8_t x, uint8_t y)
{
	memset(s, 0, sizeof(*s));
	s->prefix.b[10] = s->prefix.b[11] = 0xff;
	s->prefix.b[12] = 10;
	s->prefix.b[13] = x;
	s->prefix.b[14] = y;
	s->bits = 24;
	s->stack = s->device = s->prefix;
	s->stack.b[15] = 1;
	s->device.b[15] = 2;
}

/* fd + 40 random bits (RFC 4193) + 16 bits of subnet */
static void fill6(struct subnet *s, const uint8_t id[7])
{
	memset(s, 0, sizeof(*s));
	s->prefix.b[0] = 0xfd;
	memcpy(s->prefix.b + 1, id, 7);
	s->bits = 64;
	s->stack = s->device = s->prefix;
	s->stack.b[15] = 1;
	s->device.b[15] = 2;
}

static bool is_free(subnet_routed_fn routed, const struct subnet *s)
{
	bool used;

	return !routed(&s->prefix, s->bits, &used) && !used;
}

int subnet_choose4(subnet_routed_fn routed, struct subnet *ret_subnet)
{
	struct subnet s;

	fill4(&s, 0, 0);
	for (int i = 0; i < SUBNET_TRIES; i++) {
		if (is_free(routed, &s)) {
			*ret_subnet = s;
			return 0;
		}
		fill4(&s, (uint8_t)random_u16(), (uint8_t)random_u16());
	}
	return -EADDRNOTAVAIL;
}

int subnet_choose6(subnet_routed_fn routed, struct subnet *ret_subnet)
{
	uint8_t id[7];
	struct subnet s;

	memcpy(id, usual_id, sizeof(id));
	for (int i = 0; i < SUBNET_TRIES; i++) {
		fill6(&s, id);
		if (is_free(routed, &s)) {
			*ret_subnet = s;
			return 0;
		}
		random_bytes(id, sizeof(id));
	}
	return -EADDRNOTAVAIL;
}

static struct addr usual_stack(bool v4)
{
	struct subnet s;

	if (v4)
		fill4(&s, 0, 0);
	else
		fill6(&s, usual_id);
	return s.stack;
}

void subnet_from_device(const struct addr *device, unsigned int bits, struct subnet *ret_subnet)
{
	unsigned int first = addr_is_v4(device) ? 96 : 0;
	struct subnet s = { .prefix = *device, .device = *device, .bits = bits };

	for (unsigned int bit = first + bits; bit < 128; bit++)
		s.prefix.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	s.stack = s.prefix;
	s.stack.b[15] |= 1;
	if (addr_eq(&s.stack, device))
		s.stack.b[15] ^= 3; /* .1 is taken: .2 */
	if (!addr_in_prefix(&s.stack, &s.prefix, bits) || addr_eq(&s.stack, device))
		s.stack = usual_stack(addr_is_v4(device)); /* no other host in it */
	*ret_subnet = s;
}

void subnet_from_stack(const struct addr *stack, unsigned int bits, struct subnet *ret_subnet)
{
	struct addr next = *stack;

	/* both are in one /30 or /126, which is the smallest that is taken */
	if ((stack->b[15] & 3) == 2)
		next.b[15]--;
	else
		next.b[15]++;
	subnet_from_device(&next, bits, ret_subnet);
	ret_subnet->stack = *stack;
}
