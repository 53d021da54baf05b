// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Initial sequence numbers by RFC 6528: a keyed hash of the 4-tuple plus a clock of 4 us, so
 * that nobody off the path can guess them and a tuple used again starts above its last use.
 */
#include <string.h>

#include "base/clock.h"
#include "stack/internal.h"

#define ISN_CLOCK_NS 4000

/* lwIP's hook has no argument for it. */
static struct siphash_key isn_key;

void isn_setup(const struct siphash_key *key)
{
	isn_key = *key;
}

static void isn_put_addr(uint32_t words[4], const ip_addr_t *a)
{
	memset(words, 0, 16);
	if (IP_IS_V6(a))
		memcpy(words, ip_2_ip6(a)->addr, 16);
	else
		words[3] = ip_2_ip4(a)->addr;
}

uint32_t stack_isn(const struct ip_addr *local, uint16_t local_port, const struct ip_addr *remote,
		   uint16_t remote_port)
{
	struct {
		uint32_t local[4];
		uint32_t remote[4];
		uint16_t local_port;
		uint16_t remote_port;
		uint32_t v6;
	} tuple = { .local_port = local_port, .remote_port = remote_port, .v6 = IP_IS_V6(local) };

	_Static_assert(sizeof(tuple) == 40, "no padding: all of it is hashed");
	isn_put_addr(tuple.local, local);
	isn_put_addr(tuple.remote, remote);
	return (uint32_t)siphash(&isn_key, &tuple, sizeof(tuple)) +
	       (uint32_t)(clock_ns() / ISN_CLOCK_NS);
}
