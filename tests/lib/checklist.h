/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP robustness checklist, written once: tests/unit/worker/test_checklist.c runs it
 * against the engine itself, tests/net/checklist through a real TUN. Each file ends with its
 * list of cmocka tests.
 */
#ifndef LIB_CHECKLIST_H
#define LIB_CHECKLIST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/peer.h"

/* Segments by who guesses, and others that make no sense: RFC 5961, RFC 9293 3.10.7. */
extern const struct CMUnitTest checklist_blind[];
extern const size_t checklist_blind_num;
/* SYN and its options. */
extern const struct CMUnitTest checklist_syn[];
extern const size_t checklist_syn_num;
/* Windows, order, overlaps, urgent data, numbers that wrap. */
extern const struct CMUnitTest checklist_data[];
extern const size_t checklist_data_num;
/* FIN, RST in every state, TIME_WAIT. */
extern const struct CMUnitTest checklist_close[];
extern const size_t checklist_close_num;

#define CHECKLIST(name) const size_t name##_num = sizeof(name) / sizeof(name[0])

#endif
