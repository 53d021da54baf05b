/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a program of the benchmark looks at the clock and tells a figure. */
#ifndef TESTS_BENCH_SAMPLE_H
#define TESTS_BENCH_SAMPLE_H

#include <stdio.h>
#include <time.h>

static inline double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static inline void sample(const char *metric, double value, const char *unit)
{
	printf("{\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", metric, value, unit);
}

#endif
