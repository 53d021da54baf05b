// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * XDP that lets everything pass. What one end of a veth pair sends by XDP_TX arrives only if
 * the other end has a program, too.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
