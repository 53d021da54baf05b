// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Upstreams and their groups: URLs, pins, what goes with which type, what is made if missing. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reader.h"

#define PIN_BYTES 32
#define HTTPS_PREFIX "https://"
#define HTTPS_PORT 443
#define TLS_PORT 853

/* --- pins --------------------------------------------------------------------------------- */

static int base64_value(char c)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (int)(at - letters) : -1;
}

/* 43 characters and one '=' are 32 bytes (RFC 4648); the last two bits are 0. */
static bool pin_decode(const char *text, uint8_t pin[PIN_BYTES])
{
	uint32_t bits = 0;
	size_t at = 0;

	if (strlen(text) != 44 || text[43] != '=')
		return false;
	for (int i = 0; i < 43; i++) {
		int value = base64_value(text[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		if (i % 4 && at < PIN_BYTES)
			pin[at++] = (uint8_t)(bits >> (6 - i % 4 * 2));
	}
	return !(bits & 3);
}

static bool take_pin(struct reader *r, struct node *n, const struct key *k, void *to)
{
	const char *text = n->kind == NODE_SCALAR ? n->text : "";

	if (!strncmp(text, "sha256/", 7))
		text += 7;
	if (!pin_decode(text, to))
		return reader_refuse(r, n, k, "is no pin");
	return true;
}

const struct kind kind_pin = { .take = take_pin,
			       .expected = "sha256/ and 44 characters of Base64: the SHA-256 of "
					   "the SubjectPublicKeyInfo" };

/* --- URLs --------------------------------------------------------------------------------- */

/* "HOST", "HOST:PORT", "[V6]:PORT" into a copy of the host; 0 = no port was said. */
static bool authority_split(const char *text, size_t len, char *host, size_t size,
			    uint16_t *ret_port)
{
	const char *end = text + len, *bracket, *colon;
	unsigned long port = 0;

	if (*text == '[') {
		bracket = memchr(text, ']', len);
		colon = bracket && bracket + 1 < end ? bracket + 1 : NULL;
		if (!bracket || (colon && *colon != ':'))
			return false;
		text++;
		len = (size_t)(bracket - text);
	} else {
		colon = memchr(text, ':', len);
		len = colon ? (size_t)(colon - text) : len;
	}
	if (!len || len >= size)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	for (const char *p = colon ? colon + 1 : end; p < end; p++) {
		if (*p < '0' || *p > '9' || port > UINT16_MAX)
			return false;
		port = port * 10 + (unsigned long)(*p - '0');
	}
	*ret_port = (uint16_t)port;
	return port <= UINT16_MAX && (port || !colon);
}

/* What may stand in a request's path: visible ASCII without what ends it. */
static bool path_is_good(const char *path)
{
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == '#' || *p == '{' || *p == '}')
			return false;
	return *path == '/';
}

static bool take_url(struct reader *r, struct node *n, const struct key *k, void *to)
{
	char host[256];
	struct node name = { .kind = NODE_SCALAR,
			     .parent = n->parent,
			     .key = n->key,
			     .line = n->line,
			     .text = host };
	struct conf_upstream *u = to;
	const char *rest, *path;

	rest = n->kind == NODE_SCALAR && !strncmp(n->text, HTTPS_PREFIX, strlen(HTTPS_PREFIX)) ?
		       n->text + strlen(HTTPS_PREFIX) :
		       NULL;
	path = rest ? rest + strcspn(rest, "/?") : NULL;
	if (!rest || !path_is_good(path) ||
	    !authority_split(rest, (size_t)(path - rest), host, sizeof(host), &u->port))
		return reader_refuse(r, n, k, "is no URL of a DNS service");
	if (!kind_host.take(r, &name, k, &u->host))
		return false;
	u->path = reader_copy(r, path);
	return u->path;
}

const struct kind kind_url = { .take = take_url, .expected = "https://HOST[:PORT]/PATH" };

/* --- what goes with which type ------------------------------------------------------------ */

#define T(type) (1U << (type))
#define ENCRYPTED (T(CONF_TLS) | T(CONF_HTTPS))
#define ADDRESSED (T(CONF_PLAIN) | T(CONF_TCP) | ENCRYPTED)

static const struct {
	const char *key;
	unsigned int types; /* that know it */
	const char *text;
} belongs[] = {
	{ "address", ADDRESSED, "plain, tcp, tls and https" },
	{ "addresses", ADDRESSED, "plain, tcp, tls and https" },
	{ "family", ADDRESSED, "plain, tcp, tls and https" },
	{ "port", ADDRESSED & ~T(CONF_HTTPS), "plain, tcp and tls (https: in the url)" },
	{ "host", T(CONF_TLS), "tls (https: in the url)" },
	{ "url", T(CONF_HTTPS), "https" },
	{ "method", T(CONF_HTTPS), "https" },
	{ "pins", ENCRYPTED, "tls and https" },
	{ "ca", ENCRYPTED, "tls and https" },
};

static const char *const type_names[] = {
#define TYPE_NAME(name, text) [name] = text,
	CONF_UPSTREAM_TYPES(TYPE_NAME)
};

static void check_keys(struct reader *r, const struct node *n, const struct conf_upstream *u)
{
	for (size_t i = 0; i < sizeof(belongs) / sizeof(belongs[0]); i++) {
		const struct node *key = node_find(n, belongs[i].key);

		if (key && !(belongs[i].types & T(u->type)))
			reader_error(r, key, "not for upstreams of type %s, only for %s",
				     type_names[u->type], belongs[i].text);
	}
}

static void need(struct reader *r, const struct node *n, const struct conf_upstream *u,
		 const char *key, const char *expected)
{
	if (!node_find(n, key))
		reader_error(r, n, "an upstream of type %s without %s, expected %s",
			     type_names[u->type], key, expected);
}

/* A key with an empty list, or nothing, behind it. */
static void refuse_empty(struct reader *r, const struct node *key, const struct conf_upstream *u)
{
	if (key && key->kind != NODE_BAD && !u->addresses)
		reader_error(r, key, "no address, expected one or more");
}

static void check_needs(struct reader *r, const struct node *n, const struct conf_upstream *u)
{
	switch (u->type) {
	case CONF_PLAIN:
	case CONF_TCP:
		if (!node_find(n, "addresses"))
			need(r, n, u, "address", "address: ADDRESS[:PORT]");
		refuse_empty(r, node_find(n, "address"), u);
		refuse_empty(r, node_find(n, "addresses"), u);
		break;
	case CONF_TLS:
		need(r, n, u, "host", "host: NAME, whom the certificate must be for");
		break;
	case CONF_HTTPS:
		need(r, n, u, "url", "url: https://HOST[:PORT]/PATH");
		break;
	default:
		break;
	}
}

/* A host that is an address needs no look-up. */
static void host_to_address(struct conf_upstream *u)
{
	struct endpoint ep = { 0 };

	if (!u->host || u->addresses || addr_parse(u->host, &ep.addr))
		return;
	u->address[0] = ep;
	u->addresses = 1;
}

static void check_family(struct reader *r, const struct node *n, const struct conf_upstream *u)
{
	uint32_t v4 = 0;

	for (uint32_t i = 0; i < u->addresses; i++)
		v4 += addr_is_v4(&u->address[i].addr);
	if (u->addresses &&
	    ((u->family == CONF_V4 && !v4) || (u->family == CONF_V6 && v4 == u->addresses)))
		reader_error(r, n, "family %s, but none of its addresses is",
			     u->family == CONF_V4 ? "v4" : "v6");
}

void upstream_done(struct reader *r, struct node *n, void *to)
{
	const struct node *type = node_find(n, "type");
	struct conf_upstream *u = to;

	if (n && !type)
		reader_error(r, n,
			     "an upstream without type, expected plain, tcp, tls, https or "
			     "host");
	if (!type || type->kind == NODE_BAD)
		return;
	check_keys(r, n, u);
	check_needs(r, n, u);
	if (node_find(n, "address") && node_find(n, "addresses"))
		reader_error(r, n, "both address and addresses, expected one of them");
	host_to_address(u);
	if (!u->port)
		u->port = u->type == CONF_TLS	? TLS_PORT :
			  u->type == CONF_HTTPS ? HTTPS_PORT :
						  DNS_PORT;
	for (uint32_t i = 0; i < u->addresses; i++)
		if (!u->address[i].port)
			u->address[i].port = htons(u->port);
	check_family(r, n, u);
}

/* --- what is made if missing -------------------------------------------------------------- */

/* No upstreams at all: the host's own resolvers. */
void upstreams_after(struct reader *r, struct node *n, void *to)
{
	struct conf_dns *d = to;
	struct conf_upstream *u;

	if (n && n->num)
		return;
	if (!d->upstream)
		d->upstream = reader_alloc(r, 1, sizeof(*d->upstream));
	u = d->upstream;
	if (!u)
		return;
	section_read(r, NULL, &section_upstream, u);
	snprintf(u->name, sizeof(u->name), "host");
	u->type = CONF_HOST;
	u->port = DNS_PORT;
	d->upstreams = 1;
}

/* The group "default" is place 0. */
static bool default_to_front(struct conf_dns *d)
{
	for (size_t i = 0; i < d->groups; i++) {
		struct conf_group found = d->group[i];

		if (strcmp(found.name, "default") != 0)
			continue;
		memmove(d->group + 1, d->group, i * sizeof(found));
		d->group[0] = found;
		return true;
	}
	return false;
}

/* Without groups all upstreams are one, in the order of the file. */
static void make_default(struct reader *r, struct conf_dns *d)
{
	struct conf_group *g;

	if (!d->group)
		d->group = reader_alloc(r, 1, sizeof(*d->group));
	g = d->group;
	if (!g)
		return;
	section_read(r, NULL, &section_group, g);
	snprintf(g->name, sizeof(g->name), "default");
	for (uint32_t i = 0; i < d->upstreams && i < CONF_GROUP_UPSTREAMS_MAX; i++)
		g->upstream[g->upstreams++] = i;
	if (d->upstreams > CONF_GROUP_UPSTREAMS_MAX)
		reader_error_line(r, d->upstream[0].line,
				  "%zu upstreams and no groups, expected dns.groups: a group has "
				  "%d at most",
				  d->upstreams, CONF_GROUP_UPSTREAMS_MAX);
	d->groups = 1;
}

void groups_after(struct reader *r, struct node *n, void *to)
{
	struct conf_dns *d = to;

	if (!n || !n->num)
		make_default(r, d);
	else if (n->kind == NODE_MAP && d->groups && !default_to_front(d))
		reader_error(r, n, "no group 'default', expected one for what no rule decides");
}
