// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Domain names and patterns, kept in lower case without the last dot. What is not ASCII is
 * refused: which form of it would be asked for is the application's choice, not ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reader.h"

#define LABEL_MAX 63
#define NAME_TEXT_MAX 253 /* of a name of 255 bytes on the wire, without the last dot */

/* What is wrong with the labels of `text`. NULL: nothing. */
static const char *labels_wrong(const char *text)
{
	size_t label = 0;

	if (strlen(text) > NAME_TEXT_MAX)
		return "is longer than a name can be";
	for (const char *p = text;; p++) {
		if (*p & 0x80)
			return "is not ASCII: write it in punycode (xn--...)";
		if (*p && *p != '.' && (*p <= ' ' || *p > '~' || strchr("*/\\\"',:;[]{}()@", *p)))
			return "has a character that no domain name has";
		if (*p && *p != '.') {
			label++;
			continue;
		}
		if (!label)
			return "has an empty label";
		if (label > LABEL_MAX)
			return "has a label of more than 63 characters";
		label = 0;
		if (!*p)
			return NULL;
	}
}

/* `prefix` bytes are a pattern's "*." or ".". */
static bool take_labels(struct reader *r, struct node *n, const struct key *k, size_t prefix,
			char **ret_name)
{
	const char *wrong;
	size_t len;
	char *copy;

	copy = reader_copy(r, n->text);
	if (!copy)
		return false;
	len = strlen(copy);
	if (len > prefix + 1 && copy[len - 1] == '.')
		copy[len - 1] = '\0';
	for (char *p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 'a' - 'A');
	wrong = labels_wrong(copy + prefix);
	if (wrong) {
		free(copy);
		return reader_refuse(r, n, k, wrong);
	}
	free(*ret_name); /* url and host say the same thing, and only one of them is right */
	*ret_name = copy;
	return true;
}

static bool is_scalar(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->text[0];
}

static bool take_domain(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_scalar(n))
		return reader_refuse(r, n, k, "is no domain name");
	return take_labels(r, n, k, 0, to);
}

const struct kind kind_domain = { .take = take_domain,
				  .expected = "a domain name such as example.org" };

static bool take_pattern(struct reader *r, struct node *n, const struct key *k, void *to)
{
	size_t prefix;

	if (!is_scalar(n))
		return reader_refuse(r, n, k, "is no domain name");
	prefix = !strncmp(n->text, "*.", 2) ? 2 : n->text[0] == '.';
	return take_labels(r, n, k, prefix, to);
}

const struct kind kind_pattern = {
	.take = take_pattern,
	.expected = "'example.org' (it alone), '*.example.org' (those below it) or "
		    "'.example.org' (both)"
};

/* Whom a certificate is for: a name or an address. */
static bool take_host(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct addr a;

	if (!is_scalar(n))
		return reader_refuse(r, n, k, "is no host");
	if (addr_parse(n->text, &a))
		return take_labels(r, n, k, 0, to);
	if (addr_is_zero(&a) || addr_is_multicast(&a))
		return reader_refuse(r, n, k, "is no server's address");
	free(*(char **)to);
	*(char **)to = reader_copy(r, n->text);
	return *(char **)to;
}

const struct kind kind_host = { .take = take_host,
				.expected = "a domain name such as dns.example.org, or an "
					    "address" };
