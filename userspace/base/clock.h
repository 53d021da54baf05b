/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One monotonic clock for everything with a deadline, so that tests can turn it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC 1000000000ULL

/* CLOCK_MONOTONIC, the kernel half's bpf_ktime_get_ns. */
uint64_t clock_ns(void);
uint64_t clock_ms(void);

/* Replaces the clock by `read_ns`, for tests; NULL restores it. */
void clock_inject(uint64_t (*read_ns)(void));

#endif
