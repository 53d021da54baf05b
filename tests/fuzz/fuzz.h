/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What libFuzzer, or the replay in main.c, calls for each input. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
