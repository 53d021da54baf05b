/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What dns.c and dns_hostile.c, which are programs of their own, have in common. */
#ifndef TESTS_NET_DNS_HELPER_H
#define TESTS_NET_DNS_HELPER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static inline uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static inline void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

#endif
