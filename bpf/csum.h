/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Internet checksums (RFC 1071) in the programs, over scratch memory. Sums are of words as
 * they stand in memory, so a folded sum is stored as it is, whatever the byte order.
 */
#ifndef BPF_CSUM_H
#define BPF_CSUM_H

#include "bpf/maps.h"

#define CSUM_STEP 512 /* bpf_csum_diff takes no more at a time */
#define CSUM_STEPS 3

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CSUM_BE16(x) __builtin_bswap16(x)
#else
#define CSUM_BE16(x) (x)
#endif

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * Adds `len` bytes at `from`, which must have room for 3 steps behind it; bytes behind len
 * up to the next multiple of 4 must be zero.
 */
static __always_inline __u32 csum_bytes(__u8 *from, __u32 len, __u32 sum)
{
	__u32 i, step;

	len = (len + 3) & ~3U;
#pragma unroll
	for (i = 0; i < CSUM_STEPS; i++) {
		step = len > i * CSUM_STEP ? len - i * CSUM_STEP : 0;
		if (step > CSUM_STEP)
			step = CSUM_STEP;
		PARSE_HIDE(step);
		if (step > CSUM_STEP)
			return 0;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)(from + i * CSUM_STEP), step, sum);
	}
	return sum;
}

/* Adds the pseudo header; `addresses`: both, as they stand in the IP header. */
static __always_inline __u32 csum_pseudo(__u8 *addresses, __u32 bytes, __u8 proto, __u32 l4_len)
{
	__u32 sum = CSUM_BE16(proto) + CSUM_BE16((__u16)l4_len);

	return bpf_csum_diff(NULL, 0, (__be32 *)addresses, bytes, sum);
}

#endif
