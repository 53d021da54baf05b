// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The host's own traffic at an uplink: egress decides what is captured, ingress notes what
 * comes from outside. One entry point each for devices with an Ethernet header and without.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/capture.h"
#include "bpf/count.h"
#include "bpf/maps.h"

SEC("tc")
int host_egress(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int host_egress3(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int host_ingress(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int host_ingress3(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
