/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bytes that follow from their place in a stream, so that whatever is sent twice agrees and a
 * byte lost, doubled or out of its place shows. They come from a table, since a target spends
 * its time on filling and comparing them.
 */
#ifndef TESTS_FUZZ_PATTERN_H
#define TESTS_FUZZ_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define PATTERN_MAX 65536 /* bytes that lie one behind the other; then it begins anew */

/* The byte at `at` and at least PATTERN_MAX behind it. */
const uint8_t *pattern(uint32_t at);

#endif
