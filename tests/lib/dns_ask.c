// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* See dns_ask.h. */
#include <assert.h>
#include <string.h>

#include "lib/dns_ask.h"

static uint8_t *put16(uint8_t *to, unsigned int v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
	return to + 2;
}

static uint8_t *put_name(uint8_t *to, const char *name)
{
	size_t label;

	while (*name && strcmp(name, ".") != 0) {
		label = strcspn(name, ".");
		*to++ = (uint8_t)label;
		memcpy(to, name, label);
		to += label;
		name += label;
		name += *name == '.';
	}
	*to++ = 0;
	return to;
}

static uint8_t *put_opt(uint8_t *to, const struct dns_ask *a)
{
	*to++ = 0;
	to = put16(to, 41);
	to = put16(to, a->payload ? a->payload : 1232);
	*to++ = a->rcode_high;
	*to++ = a->version;
	to = put16(to, (unsigned int)a->dnssec_ok << 15 | a->edns_flags);
	to = put16(to, a->options_len);
	if (a->options_len)
		memcpy(to, a->options, a->options_len);
	return to + a->options_len;
}

size_t dns_ask(const struct dns_ask *a, uint8_t msg[DNS_ASK_MAX])
{
	uint8_t *to = msg;

	assert(strlen(a->name) + a->options_len + a->behind < DNS_ASK_MAX - 64);
	memset(msg, 0, DNS_ASK_MAX);
	to = put16(to, a->id ? a->id : 0x1234);
	to = put16(to, a->flags || a->no_flags ? a->flags : 0x0100);
	to = put16(to, a->questions ? a->questions : 1);
	to = put16(to, a->answers);
	to = put16(to, a->authorities);
	to = put16(to, a->additionals + a->edns);
	to = put_name(to, a->name);
	to = put16(to, a->type ? a->type : 1);
	to = put16(to, a->class ? a->class : 1);
	if (a->edns)
		to = put_opt(to, a);
	return (size_t)(to - msg) + a->behind;
}
