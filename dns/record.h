/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a record holds, for people. */
#ifndef DNS_RECORD_H
#define DNS_RECORD_H

#include <stddef.h>

#include "dns/msg.h"

#define RECORD_TEXT_MAX 1024

/*
 * The data of a record in presentation form: addresses, names, MX, SRV, SOA and TXT as zone files
 * have them, all else (and what is malformed) as \# LENGTH HEX (RFC 3597). Cut if longer.
 * Returns buf.
 */
const char *record_text(const uint8_t *msg, size_t len, const struct msg_record *r,
			char buf[RECORD_TEXT_MAX]);

#endif
