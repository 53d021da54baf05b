// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Two tables, read in both directions. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/dns_words.h"

struct word {
	uint16_t value;
	const char *text;
};

struct words {
	const char *prefix; /* of values without a name */
	size_t num;
	const struct word *word;
};

static const struct word type_words[] = {
	{ 1, "A" },	 { 2, "NS" },	  { 5, "CNAME" },  { 6, "SOA" },     { 12, "PTR" },
	{ 13, "HINFO" }, { 15, "MX" },	  { 16, "TXT" },   { 28, "AAAA" },   { 29, "LOC" },
	{ 33, "SRV" },	 { 35, "NAPTR" }, { 39, "DNAME" }, { 41, "OPT" },    { 43, "DS" },
	{ 44, "SSHFP" }, { 46, "RRSIG" }, { 47, "NSEC" },  { 48, "DNSKEY" }, { 50, "NSEC3" },
	{ 52, "TLSA" },	 { 64, "SVCB" },  { 65, "HTTPS" }, { 99, "SPF" },    { 249, "TKEY" },
	{ 250, "TSIG" }, { 251, "IXFR" }, { 252, "AXFR" }, { 255, "ANY" },   { 256, "URI" },
	{ 257, "CAA" },
};

static const struct word rcode_words[] = {
	{ 0, "NOERROR" }, { 1, "FORMERR" }, { 2, "SERVFAIL" }, { 3, "NXDOMAIN" },
	{ 4, "NOTIMP" },  { 5, "REFUSED" }, { 6, "YXDOMAIN" }, { 7, "YXRRSET" },
	{ 8, "NXRRSET" }, { 9, "NOTAUTH" }, { 10, "NOTZONE" }, { 16, "BADVERS" },
};

static const struct words types = { "TYPE", sizeof(type_words) / sizeof(type_words[0]),
				    type_words };
static const struct words rcodes = { "RCODE", sizeof(rcode_words) / sizeof(rcode_words[0]),
				     rcode_words };

static const char *word_text(const struct words *w, unsigned int value, char buf[DNS_WORD_MAX])
{
	for (size_t i = 0; i < w->num; i++)
		if (w->word[i].value == value)
			return w->word[i].text;
	snprintf(buf, DNS_WORD_MAX, "%s%u", w->prefix, value);
	return buf;
}

/* Digits alone, up to 65535. */
static int number_parse(const char *text, uint16_t *ret_value)
{
	unsigned int value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(*text - '0');
		if (value > UINT16_MAX)
			return -EINVAL;
	}
	*ret_value = (uint16_t)value;
	return 0;
}

static int word_parse(const struct words *w, const char *text, uint16_t *ret_value)
{
	size_t prefix = strlen(w->prefix);

	for (size_t i = 0; i < w->num; i++)
		if (!strcasecmp(w->word[i].text, text)) {
			*ret_value = w->word[i].value;
			return 0;
		}
	return number_parse(strncasecmp(text, w->prefix, prefix) ? text : text + prefix, ret_value);
}

const char *dns_type_text(uint16_t type, char buf[DNS_WORD_MAX])
{
	return word_text(&types, type, buf);
}

const char *dns_rcode_text(unsigned int rcode, char buf[DNS_WORD_MAX])
{
	return word_text(&rcodes, rcode, buf);
}

int dns_type_parse(const char *text, uint16_t *ret_type)
{
	return word_parse(&types, text, ret_type);
}

int dns_rcode_parse(const char *text, uint16_t *ret_rcode)
{
	return word_parse(&rcodes, text, ret_rcode);
}
