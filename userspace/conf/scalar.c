// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Kinds of single values: numbers, times, sizes, words, names, files, addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reader.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_text(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->text[0] && !node_is_empty(n);
}

/* A number in `size` bytes at `to`. */
static void store(void *to, size_t size, uint64_t n)
{
	if (size == 1)
		*(uint8_t *)to = (uint8_t)n;
	else if (size == 2)
		*(uint16_t *)to = (uint16_t)n;
	else if (size == 4)
		*(uint32_t *)to = (uint32_t)n;
	else
		*(uint64_t *)to = n;
}

/* Digits and what is behind them; 18 digits fit. NULL: no digits, or too many. */
static const char *digits(const char *text, int64_t *ret_n)
{
	size_t len = strspn(text, DIGITS);

	if (!len || len > 18)
		return NULL;
	*ret_n = strtoll(text, NULL, 10);
	return text + len;
}

static bool take_scaled(struct reader *r, struct node *n, const struct key *k, void *to,
			int64_t value, int64_t scale)
{
	if (value > INT64_MAX / scale || value * scale < k->min || value * scale > k->max)
		return reader_refuse(r, n, k, "is out of range");
	store(to, k->size, (uint64_t)(value * scale));
	return true;
}

static bool take_number(struct reader *r, struct node *n, const struct key *k, void *to)
{
	const char *end;
	int64_t value;

	end = is_text(n) ? digits(n->text, &value) : NULL;
	if (!end || *end)
		return reader_refuse(r, n, k, "is no number");
	return take_scaled(r, n, k, to, value, 1);
}

const struct kind kind_number = { .take = take_number };

static bool take_bytes(struct reader *r, struct node *n, const struct key *k, void *to)
{
	static const char units[] = "KMG";
	const char *end, *unit;
	int64_t value;

	end = is_text(n) ? digits(n->text, &value) : NULL;
	unit = end && *end ? strchr(units, *end) : NULL;
	if (!end || (*end && (!unit || end[1])))
		return reader_refuse(r, n, k, "is no size");
	return take_scaled(r, n, k, to, value, unit ? 1LL << (10 * (unit - units + 1)) : 1);
}

const struct kind kind_bytes = { .take = take_bytes };

/* A time in units of 1/`per_second` s. A number alone is none: of what? But 0 is 0. */
static bool take_time(struct reader *r, struct node *n, const struct key *k, void *to,
		      int64_t per_second)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	const char *end;
	int64_t value;

	end = is_text(n) ? digits(n->text, &value) : NULL;
	if (!end)
		return reader_refuse(r, n, k, "is no time");
	if (!*end && value)
		return reader_refuse(r, n, k, "has no unit");
	if (!*end)
		return take_scaled(r, n, k, to, 0, 1);
	if (per_second == 1000 && !strcmp(end, "ms"))
		return take_scaled(r, n, k, to, value, 1);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].name))
			return take_scaled(r, n, k, to, value, units[i].seconds * per_second);
	return reader_refuse(r, n, k, "is no time");
}

static bool take_ms(struct reader *r, struct node *n, const struct key *k, void *to)
{
	return take_time(r, n, k, to, 1000);
}

static bool take_seconds(struct reader *r, struct node *n, const struct key *k, void *to)
{
	return take_time(r, n, k, to, 1);
}

const struct kind kind_ms = { .take = take_ms };
const struct kind kind_seconds = { .take = take_seconds };

static bool take_bool(struct reader *r, struct node *n, const struct key *k, void *to)
{
	bool yes = is_text(n) && !strcmp(n->text, "true");

	if (!yes && !(is_text(n) && !strcmp(n->text, "false")))
		return reader_refuse(r, n, k, "is neither");
	*(bool *)to = yes;
	return true;
}

const struct kind kind_bool = { .take = take_bool, .expected = "true or false" };

/* The place of the word, -1: none. */
static int word_place(const struct node *n, const struct key *k)
{
	for (size_t i = 0; is_text(n) && i < k->words_num; i++)
		if (k->words[i] && !strcasecmp(n->text, k->words[i]))
			return (int)i;
	return -1;
}

static bool take_word(struct reader *r, struct node *n, const struct key *k, void *to)
{
	int place = word_place(n, k);

	if (place < 0)
		return reader_refuse(r, n, k, "is not known here");
	store(to, k->size, (uint64_t)place);
	return true;
}

const struct kind kind_word = { .take = take_word };

static bool take_device_mode(struct reader *r, struct node *n, const struct key *k, void *to)
{
	int place = word_place(n, k);

	if (place < 0)
		return reader_refuse(r, n, k, "is not known here");
	((struct conf_device *)to)->mode = (enum conf_device_mode)place;
	return true;
}

const struct kind kind_device_mode = { .take = take_device_mode };

static bool take_workers(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_text(n) || strcmp(n->text, "auto") != 0)
		return take_number(r, n, k, to);
	*(uint32_t *)to = 0;
	return true;
}

const struct kind kind_workers = { .take = take_workers,
				   .expected = "auto (one per CPU) or a number from 1 to 16" };

/* A key is the limit's name. What is wrong is said by who knows them all. */
static bool take_limits(struct reader *r, struct node *n, const struct key *k, void *to)
{
	unsigned int errors = r->errors_num;

	if (n->kind != NODE_MAP && !node_is_empty(n))
		return reader_refuse(r, n, k, "is no mapping");
	for (struct node *limit = n->first; limit; limit = limit->next) {
		char text[160], err[BUDGET_ERROR_MAX];

		if (limit->kind == NODE_BAD)
			continue;
		snprintf(text, sizeof(text), "%.80s=%.70s", limit->key,
			 limit->kind == NODE_SCALAR ? limit->text : "");
		if (strchr(limit->key, '='))
			reader_error(r, limit, "expected the name of a limit");
		else if (limits_set_text(to, text, err))
			reader_error(r, limit, "%s", err);
	}
	return r->errors_num == errors;
}

const struct kind kind_limits = { .take = take_limits,
				  .expected = "a mapping of limits (see headrace(1)) to numbers" };

/* --- names and files ---------------------------------------------------------------------- */

static bool take_name(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_text(n) || strlen(n->text) >= CONF_NAME_MAX ||
	    strspn(n->text, LETTERS DIGITS "._-") != strlen(n->text)) {
		char shown[TREE_SHOWN_MAX];

		reader_error(r, n,
			     "'%s' is no name, expected at most %d letters, digits, '.', '_' "
			     "and '-'",
			     n->kind == NODE_SCALAR ? text_shown(n->text, shown) : "",
			     CONF_NAME_MAX - 1);
		return false;
	}
	snprintf(to, CONF_NAME_MAX, "%s", n->text);
	return true;
}

const struct kind kind_name = { .take = take_name, .expected = "a name" };

static bool take_device(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct conf_device *d = to;

	if (!is_text(n) || strlen(n->text) >= sizeof(d->name) || !strcmp(n->text, ".") ||
	    !strcmp(n->text, "..") || strpbrk(n->text, "/: \t\r\n")) {
		char shown[TREE_SHOWN_MAX];

		reader_error(r, n,
			     "'%s' is no name of a network device, expected one of at most "
			     "15 characters",
			     text_shown(n->text, shown));
		return false;
	}
	memcpy(d->name, n->text, strlen(n->text) + 1);
	return true;
}

const struct kind kind_device = { .take = take_device };

static bool take_file(struct reader *r, struct node *n, const struct key *k, void *to)
{
	const char *slash = strrchr(r->file, '/');
	char **ret_file = to;
	char path[PATH_MAX];
	int len;

	if (!is_text(n))
		return reader_refuse(r, n, k, "is no file name");
	if (n->text[0] == '/' || !slash)
		len = snprintf(path, sizeof(path), "%s", n->text);
	else
		len = snprintf(path, sizeof(path), "%.*s%s", (int)(slash - r->file + 1), r->file,
			       n->text);
	if (len >= PATH_MAX)
		return reader_refuse(r, n, k, "is too long");
	*ret_file = reader_copy(r, path);
	return *ret_file;
}

const struct kind kind_file = { .take = take_file, .expected = "the name of a file" };

/* --- addresses ---------------------------------------------------------------------------- */

static bool take_address(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct addr a;

	if (!is_text(n) || addr_parse(n->text, &a))
		return reader_refuse(r, n, k, "is no address");
	*(struct addr *)to = a;
	return true;
}

const struct kind kind_address = { .take = take_address, .expected = "an IPv4 or IPv6 address" };

static bool take_endpoint(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct endpoint ep;

	if (!is_text(n) || endpoint_parse(n->text, DNS_PORT, &ep) || addr_is_multicast(&ep.addr))
		return reader_refuse(r, n, k, "is no address");
	((struct conf_listener *)to)->endpoint = ep;
	return true;
}

const struct kind kind_endpoint = { .take = take_endpoint,
				    .expected = "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT" };

/* Whom a query can be sent to. Port 0: none was said. */
static bool take_server(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct endpoint ep;

	if (!is_text(n) || endpoint_parse(n->text, 0, &ep) || addr_is_multicast(&ep.addr) ||
	    addr_is_zero(&ep.addr))
		return reader_refuse(r, n, k, "is no server's address");
	*(struct endpoint *)to = ep;
	return true;
}

const struct kind kind_server = { .take = take_server,
				  .expected = "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT" };

static bool take_host_loopback(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct addr a;

	if (!is_text(n) || addr_parse(n->text, &a) || addr_is_zero(&a) || addr_is_loopback(&a) ||
	    addr_is_multicast(&a) || addr_is_link_local(&a))
		return reader_refuse(r, n, k, "cannot be it");
	*(struct addr *)to = a;
	return true;
}

const struct kind kind_host_loopback = {
	.take = take_host_loopback,
	.expected = "a unicast address that is neither loopback nor link-local"
};

/* The prefix with its host bits cleared. */
static struct addr prefix_base(const struct addr *a, unsigned int bits)
{
	unsigned int keep = addr_is_v4(a) ? 96 + bits : bits;
	struct addr base = { 0 };

	memcpy(base.b, a->b, keep / 8);
	if (keep % 8)
		base.b[keep / 8] = (uint8_t)(a->b[keep / 8] & 0xff00U >> keep % 8);
	return base;
}

static bool prefix_refuse_host_bits(struct reader *r, const struct node *n, const struct prefix *p)
{
	char shown[TREE_SHOWN_MAX], text[ADDR_TEXT_MAX];

	reader_error(r, n, "'%s' has bits set behind its prefix length, expected %s/%u",
		     text_shown(n->text, shown), addr_format(&p->addr, text), p->bits);
	return false;
}

static bool take_prefix(struct reader *r, struct node *n, const struct key *k, void *to)
{
	struct prefix p;
	struct addr said;
	int err = is_text(n) ? prefix_parse(n->text, &p) : -EINVAL;

	if (err)
		return reader_refuse(
			r, n, k, err == -ERANGE ? "has no good prefix length" : "is no network");
	said = p.addr;
	p.addr = prefix_base(&said, p.bits);
	if (!addr_eq(&p.addr, &said))
		return prefix_refuse_host_bits(r, n, &p);
	*(struct prefix *)to = p;
	return true;
}

const struct kind kind_prefix = { .take = take_prefix,
				  .expected = "ADDRESS/BITS, or an address alone" };
