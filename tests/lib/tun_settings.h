/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Settings as main writes them for one worker and a resolver with a queue of its own. */
#ifndef LIB_TUN_SETTINGS_H
#define LIB_TUN_SETTINGS_H

#include "bpf/contract.h"

#define TUN_MAPPED 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
#define TUN_ULA 0xfd, 0x68, 0x65, 0x61, 0x64, 0x72, 0x61, 0x63, 0, 0, 0, 0, 0, 0, 0

static inline struct settings tun_settings(void)
{
	struct settings s = {
		.heartbeat_ns = 1ULL << 62, /* of a main that lives, at any time */
		.tun4_prefix = { { TUN_MAPPED, 10, 0, 0, 0 } },
		.tun4_bits = 24,
		.stack4 = { { TUN_MAPPED, 10, 0, 0, 1 } },
		.tun6_prefix = { { TUN_ULA, 0 } },
		.tun6_bits = 64,
		.stack6 = { { TUN_ULA, 1 } },
		.mark = HEADRACE_MARK,
		.workers = 1,
		.mtu = 1500,
		.resolver_queue = 1,
	};

	return s;
}

#endif
