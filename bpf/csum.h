/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Internet checksums (RFC 1071) in the programs, over scratch memory. Sums are of words as
 * they stand in memory, so a folded sum is stored as it is, whatever the byte order.
 */
#ifndef BPF_CSUM_H
#define BPF_CSUM_H

#include "bpf/maps.h"

#define CSUM_STEP 512 /* bpf_csum_diff takes no more at a time */

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

/* The part of `len` bytes, a multiple of 4, that is summed behind `done`; -1 never is. */
static __always_inline int csum_step(__u32 len, __u32 done, __u32 max)
{
	__u32 most = max - done < CSUM_STEP ? max - done : CSUM_STEP;
	__u32 step = len > done ? len - done : 0;

	if (step > most)
		step = most;
	PARSE_HIDE(step);
	return step > most ? -1 : (int)step;
}

/*
 * Adds `len` bytes at `from`, of which there is room for `max`, a constant; bytes behind len
 * up to the next multiple of 4 must be zero.
 */
static __always_inline __u32 csum_bytes(__u8 *from, __u32 len, __u32 max, __u32 sum)
{
	__u32 done;
	int step;

#pragma unroll
	for (done = 0; done < max; done += CSUM_STEP) {
		step = csum_step((len + 3) & ~3U, done, max);
		if (step < 0)
			return 0;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)(from + done), step, sum);
	}
	return sum;
}

/* What takes the same bytes off a sum, as csum_bytes() adds to it. */
static __always_inline __u32 csum_bytes_less(__u8 *from, __u32 len, __u32 max)
{
	__u32 done, sum = 0;
	int step;

#pragma unroll
	for (done = 0; done < max; done += CSUM_STEP) {
		step = csum_step((len + 3) & ~3U, done, max);
		if (step < 0)
			return 0;
		sum = bpf_csum_diff((__be32 *)(from + done), step, NULL, 0, sum);
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
