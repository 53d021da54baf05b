/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Random bytes from the kernel; a failure ends the process (nothing safe is left to do). */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *buf, size_t len);
/* Buffered: about one system call per 64 values. */
uint16_t random_u16(void);
uint32_t random_u32(void);

#endif
