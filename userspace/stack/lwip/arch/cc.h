/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* lwIP's view of compiler and platform: Linux, gcc or clang, one thread. */
#ifndef STACK_LWIP_ARCH_CC_H
#define STACK_LWIP_ARCH_CC_H

#include <endian.h>
#include <stdint.h>

/* One instruction each; lwIP's own are function calls. */
#define lwip_htons(x) __builtin_bswap16((uint16_t)(x))
#define lwip_htonl(x) __builtin_bswap32((uint32_t)(x))

/* A broken invariant of lwIP ends the worker, which main restarts: memory stays sound. */
void stack_lwip_assert(const char *what) __attribute__((noreturn));

#define LWIP_PLATFORM_DIAG(x)                                                                      \
	do {                                                                                       \
	} while (0)
#define LWIP_PLATFORM_ASSERT(x) stack_lwip_assert(x)

#endif
