/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNS types and response codes, and what people call them (IANA's DNS parameters). */
#ifndef BASE_DNS_WORDS_H
#define BASE_DNS_WORDS_H

#include <stdint.h>

#define DNS_WORD_MAX 16 /* with its NUL */

/* "A", "NXDOMAIN"; what has no name is "TYPE65280", "RCODE23" (RFC 3597), in buf. */
const char *dns_type_text(uint16_t type, char buf[DNS_WORD_MAX]);
const char *dns_rcode_text(unsigned int rcode, char buf[DNS_WORD_MAX]);

/* The same read, in either case; also the number alone. 0 or -EINVAL. */
int dns_type_parse(const char *text, uint16_t *ret_type);
int dns_rcode_parse(const char *text, uint16_t *ret_rcode);

#endif
