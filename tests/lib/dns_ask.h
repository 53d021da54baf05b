/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNS queries for tests, built from a description; written apart from the code under test. */
#ifndef LIB_DNS_ASK_H
#define LIB_DNS_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_ASK_MAX 1024

/* Zero means the usual: ID 0x1234, RD, type A, class IN, one question, no OPT. */
struct dns_ask {
	const char *name; /* as it is to be asked, case included; "." the root */
	uint16_t id;
	uint16_t flags; /* instead of RD */
	uint16_t type;
	uint16_t class;
	uint16_t questions; /* as the header says */
	uint16_t answers;
	uint16_t authorities;
	uint16_t additionals; /* besides the OPT */
	bool no_flags; /* RD not set either */
	bool edns;
	bool dnssec_ok;
	uint16_t payload; /* instead of 1232 */
	uint8_t version;
	uint8_t rcode_high;
	uint16_t edns_flags; /* besides DO */
	const char *options; /* bytes of RDATA */
	uint16_t options_len;
	uint16_t behind; /* zeros behind the message's end */
};

/* Returns the message's length. */
size_t dns_ask(const struct dns_ask *a, uint8_t msg[DNS_ASK_MAX]);

#endif
