// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The uplink is the device of the best default route that does not lead to the TUN, for each
 * family. Changes are looked for now and then: who follows netlink closely is route capture.
 */
#include <netinet/in.h>
#include <string.h>

#include "base/log.h"
#include "netdev/route.h"
#include "supervisor/instance.h"
#include "supervisor/unprivileged.h"

#define LOOK_BEATS 4 /* heartbeats from one look to the next */

static uint32_t find(const struct instance *in, int family)
{
	struct route_uplink up = { 0 };
	int err = route_find_uplink(family, in->capture.tun.ifindex, &up);

	if (err)
		log_debug("main", "no uplink of IPv%d: %s", family == AF_INET ? 4 : 6,
			  strerror(-err));
	return err ? 0 : (uint32_t)up.ifindex;
}

void unprivileged_look(struct instance *in)
{
	struct settings *s = &in->settings;
	uint32_t v4, v6;

	if (in->beats++ % LOOK_BEATS)
		return;
	v4 = find(in, AF_INET);
	v6 = find(in, AF_INET6);
	if (in->beats > 1 && v4 == s->uplink4_ifindex && v6 == s->uplink6_ifindex)
		return;
	if (!v4 && !v6)
		log_warn("main", "there is no default route but to %s: nothing is forwarded",
			 in->capture.tun.name);
	s->uplink4_ifindex = v4;
	s->uplink6_ifindex = v6;
	crew_uplinks(&in->crew, v4, v6);
}
