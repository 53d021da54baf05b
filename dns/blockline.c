// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lines of lists. Of a line with several names those in front of a bad one count.
 *
 * Names may have letters, digits, '-' and '_'. International ones are written in punycode: what
 * a browser would ask for cannot be told from raw UTF-8 without tables of Unicode's version.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "dns/blockline.h"

#define SELF_AND_BELOW (DNS_NAME_SELF | DNS_NAME_BELOW)

/* A part of a line. */
struct text {
	const char *p;
	const char *end;
};

static enum blockline because(struct blocklist *b, enum blockline what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum blockline because(struct blocklist *b, enum blockline what, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->why, sizeof(b->why), fmt, ap);
	va_end(ap);
	return what;
}

/* --- parts of a line ---------------------------------------------------------------------- */

static size_t text_len(struct text t)
{
	return (size_t)(t.end - t.p);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct text trim(struct text t)
{
	while (t.p < t.end && is_blank(*t.p))
		t.p++;
	while (t.p < t.end && is_blank(t.end[-1]))
		t.end--;
	return t;
}

static bool begins(struct text t, const char *with)
{
	size_t len = strlen(with);

	return text_len(t) >= len && !memcmp(t.p, with, len);
}

static bool equals(struct text t, const char *what)
{
	return text_len(t) == strlen(what) && begins(t, what);
}

/* Takes `with` off the front if it is there. */
static bool take(struct text *t, const char *with)
{
	if (!begins(*t, with))
		return false;
	t->p += strlen(with);
	return true;
}

static bool has(struct text t, const char *what)
{
	return memmem(t.p, text_len(t), what, strlen(what)) != NULL;
}

/* What stands in front of the next `c`, which is taken off with it; all of it without one. */
static struct text take_until(struct text *t, char c)
{
	const char *at = memchr(t->p, c, text_len(*t));
	struct text part = { t->p, at ? at : t->end };

	t->p = at ? at + 1 : t->end;
	return part;
}

/* The next word; empty at the end. */
static struct text take_word(struct text *t)
{
	struct text word;

	*t = trim(*t);
	word = (struct text){ t->p, t->p };
	while (word.end < t->end && !is_blank(*word.end))
		word.end++;
	t->p = word.end;
	return word;
}

/* Of text that is quoted in a message: visible ASCII, no more than a few characters. */
static const char *quote(struct text t, char buf[40])
{
	size_t used = 0;

	for (; t.p < t.end && used < 36; t.p++)
		buf[used++] = *t.p > ' ' && *t.p < 0x7f ? *t.p : '?';
	buf[used] = '\0';
	return buf;
}

/* --- names -------------------------------------------------------------------------------- */

/* What may stand in a name, as it is in lower case; 0 = nothing else. */
static const uint8_t letters[256] = {
	['-'] = '-', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
	['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',
	['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',
	['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',
	['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',
	['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
	['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',
	['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
	['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',
	['Z'] = 'z',
};

static enum blockline bad_octet(struct blocklist *b, uint8_t c)
{
	if (!c)
		return because(b, BLOCKLINE_BAD, "a NUL byte");
	if (c >= 0x80)
		return because(b, BLOCKLINE_BAD, "not ASCII: international names in punycode");
	if (c <= ' ' || c == 0x7f)
		return because(b, BLOCKLINE_BAD, "a blank or control character in a name");
	return because(b, BLOCKLINE_BAD, "'%c' in a name", c);
}

static enum blockline bad_label(struct blocklist *b, size_t len)
{
	if (!len)
		return because(b, BLOCKLINE_BAD, "an empty label");
	return because(b, BLOCKLINE_BAD, "a label of more than 63 bytes");
}

/* Top-level names have a letter (RFC 3696 section 2): what has none is an address, or cut. */
static bool is_number(const uint8_t *label)
{
	for (unsigned int i = 1; i <= label[0]; i++) {
		if (label[i] < '0' || label[i] > '9')
			return false;
	}
	return true;
}

/* BLOCKLINE_NAMES and b->name in lower case, or BLOCKLINE_BAD. */
static enum blockline read_name(struct blocklist *b, struct text t)
{
	uint8_t *wire = b->name.wire;
	size_t used = 0, last = 0;
	bool more = true;

	if (t.p < t.end && t.end[-1] == '.')
		t.end--;
	if (t.p == t.end)
		return because(b, BLOCKLINE_BAD, "no name");
	while (more) {
		struct text label = take_until(&t, '.');
		size_t len = text_len(label);

		more = t.p > label.end;
		if (!len || len > NAME_LABEL_MAX)
			return bad_label(b, len);
		if (used + len + 2 > NAME_WIRE_MAX)
			return because(b, BLOCKLINE_BAD, "a name of more than 255 bytes");
		for (size_t i = 0; i < len; i++) {
			wire[used + 1 + i] = letters[(uint8_t)label.p[i]];
			if (!wire[used + 1 + i])
				return bad_octet(b, (uint8_t)label.p[i]);
		}
		wire[used] = (uint8_t)len;
		last = used;
		used += 1 + len;
	}
	if (is_number(wire + last))
		return because(b, BLOCKLINE_BAD, "an address or a number, not a name");
	wire[used++] = 0;
	b->name.len = (uint8_t)used;
	return BLOCKLINE_NAMES;
}

/* Reads a name and gives it on. */
static enum blockline give(struct blocklist *b, struct text t, uint32_t kinds, bool exception)
{
	enum blockline what = read_name(b, t);
	int r;

	if (what != BLOCKLINE_NAMES)
		return what;
	b->names++;
	b->exceptions += exception;
	r = b->entry(b->arg, &b->name, kinds, exception);
	if (r < 0)
		b->failed = r;
	return BLOCKLINE_NAMES;
}

/* --- forms of lines ----------------------------------------------------------------------- */

static bool read_address(struct text word, struct addr *ret_addr)
{
	struct text address = take_until(&word, '%');
	char text[ADDR_TEXT_MAX];

	if (text_len(address) >= sizeof(text))
		return false;
	if (equals(address, "0") || equals(address, "0.0.0.0")) {
		*ret_addr = addr_from_v4(0);
		return true;
	}
	memcpy(text, address.p, text_len(address));
	text[text_len(address)] = '\0';
	return addr_parse(text, ret_addr) == 0;
}

/* Could it be an address? Cheap, and false for nearly every name. */
static bool like_address(struct text word)
{
	return memchr(word.p, ':', text_len(word)) ||
	       (word.p < word.end && word.end[-1] >= '0' && word.end[-1] <= '9');
}

/* Does an answer with this address keep clients from where they wanted to go? */
static bool address_blocks(const struct addr *a)
{
	return addr_is_zero(a) || addr_is_loopback(a);
}

/* Names that every hosts file has for the host's own use. */
static bool is_usual(struct text name)
{
	static const char *const usual[] = { "localhost", "localhost.localdomain", "local",
					     "broadcasthost", "0.0.0.0" };

	if (!strchr("lb0i", *name.p))
		return false; /* as nearly all are */
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (equals(name, usual[i]))
			return true;
	}
	return begins(name, "ip6-");
}

static enum blockline hosts_line(struct blocklist *b, struct text t)
{
	enum blockline what = BLOCKLINE_EMPTY;
	struct text address, name;
	struct addr addr;
	char buf[40];

	t = take_until(&t, '#');
	address = take_word(&t);
	if (!read_address(address, &addr))
		return because(b, BLOCKLINE_BAD, "'%s' is no address", quote(address, buf));
	name = take_word(&t);
	if (name.p == name.end)
		return because(b, BLOCKLINE_BAD, "an address without a name");
	for (; name.p < name.end; name = take_word(&t)) {
		if (is_usual(name))
			continue;
		if (!address_blocks(&addr))
			return because(b, BLOCKLINE_BAD, "'%s' is no address that blocks",
				       quote(address, buf));
		what = give(b, name, DNS_NAME_SELF, false);
		if (what != BLOCKLINE_NAMES)
			return what;
	}
	return what;
}

static enum blockline domains_line(struct blocklist *b, struct text t)
{
	uint32_t kinds = DNS_NAME_SELF;

	t = trim(take_until(&t, '#'));
	if (take(&t, "*."))
		kinds = DNS_NAME_BELOW;
	else if (take(&t, "."))
		kinds = SELF_AND_BELOW;
	return give(b, t, kinds, false);
}

/* What stands behind the last slash: to whom queries go, or what they are answered with. */
static bool dnsmasq_blocks(struct text key, struct text target)
{
	struct addr addr;

	if (target.p == target.end)
		return true;
	if (!equals(key, "address"))
		return false;
	return equals(target, "#") || (read_address(target, &addr) && address_blocks(&addr));
}

static enum blockline dnsmasq_line(struct blocklist *b, struct text t)
{
	enum blockline what = BLOCKLINE_BAD;
	const char *comment = memmem(t.p, text_len(t), " #", 2);
	struct text key, target;
	char buf[40];

	if (comment)
		t.end = comment;
	key = trim(take_until(&t, '='));
	t = trim(t);
	if (!equals(key, "address") && !equals(key, "server") && !equals(key, "local"))
		return because(b, BLOCKLINE_IGNORED, "option '%s' of dnsmasq", quote(key, buf));
	if (!take(&t, "/"))
		return because(b, BLOCKLINE_IGNORED, "'%s' for all names", quote(key, buf));
	target = (struct text){ t.p, t.end };
	while (memchr(target.p, '/', text_len(target)))
		take_until(&target, '/');
	if (!dnsmasq_blocks(key, target))
		return because(b, BLOCKLINE_IGNORED, "'%s' to somewhere is no block",
			       quote(key, buf));
	if (t.p == target.p)
		return because(b, BLOCKLINE_BAD, "no name");
	while (t.p < target.p) {
		what = give(b, take_until(&t, '/'), SELF_AND_BELOW, false);
		if (what != BLOCKLINE_NAMES)
			return what;
	}
	return what;
}

/* Options that change nothing for DNS: all others narrow a rule to less than a name. */
static enum blockline adblock_options(struct blocklist *b, struct text options)
{
	char buf[40];

	while (options.p < options.end) {
		struct text option = trim(take_until(&options, ','));

		if (!equals(option, "important") && !equals(option, "all"))
			return because(b, BLOCKLINE_IGNORED, "option '%s' has no meaning for names",
				       quote(take_until(&option, '='), buf));
	}
	return BLOCKLINE_NAMES;
}

/* Rules that hide or change parts of pages. */
static bool is_cosmetic(struct text t)
{
	static const char *const marks[] = { "##", "#@#", "#?#", "#$#", "#%#", "$$" };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (has(t, marks[i]))
			return true;
	}
	return false;
}

/* Takes a pattern apart if it is a name and nothing more. Returns kinds, 0 = it is not. */
static uint32_t adblock_kinds(struct text *pattern)
{
	uint32_t kinds = DNS_NAME_SELF;

	if (take(pattern, "||")) {
		kinds = take(pattern, "*.") ? DNS_NAME_BELOW : SELF_AND_BELOW;
		if (pattern->p < pattern->end && pattern->end[-1] == '|')
			pattern->end--;
		if (pattern->p == pattern->end || pattern->end[-1] != '^')
			return 0;
		pattern->end--;
	}
	for (const char *p = pattern->p; p < pattern->end; p++) {
		if (strchr("*/^|:?=", *p) && *p)
			return 0;
	}
	return kinds;
}

static enum blockline adblock_line(struct blocklist *b, struct text t)
{
	bool exception = take(&t, "@@");
	struct text pattern;
	enum blockline what;
	uint32_t kinds;

	if (is_cosmetic(t))
		return because(b, BLOCKLINE_IGNORED, "a rule about parts of pages");
	if (begins(t, "/"))
		return because(b, BLOCKLINE_IGNORED, "a pattern, not a name");
	pattern = trim(take_until(&t, '$'));
	what = adblock_options(b, t);
	if (what != BLOCKLINE_NAMES)
		return what;
	kinds = adblock_kinds(&pattern);
	if (!kinds)
		return because(b, BLOCKLINE_IGNORED, "a pattern, not a name");
	return give(b, pattern, kinds, exception);
}

/* Is what stands in front of the first '=' like an option of dnsmasq? */
static bool like_option(struct text t)
{
	while (t.p < t.end && ((*t.p >= 'a' && *t.p <= 'z') || *t.p == '-'))
		t.p++;
	return t.p < t.end && *t.p == '=';
}

static enum conf_list_format form_of(struct text t)
{
	struct text rest = t;
	struct addr addr;

	for (const char *p = t.p; p < t.end; p++) {
		if (*p == '|' || *p == '^' || *p == '$' || *p == '@')
			return CONF_LIST_ADBLOCK;
		if (*p == '=' && like_option(t))
			return CONF_LIST_DNSMASQ;
		if (*p == '#' && is_cosmetic(t))
			return CONF_LIST_ADBLOCK;
		if (*p == '#')
			break;
	}
	if (*t.p == '/')
		return CONF_LIST_ADBLOCK;
	rest = take_word(&rest);
	if (like_address(rest) && read_address(rest, &addr))
		return CONF_LIST_HOSTS;
	return CONF_LIST_DOMAINS;
}

static bool is_comment(enum conf_list_format format, char c)
{
	if (c == '#')
		return true;
	return (c == '!' || c == '[') && (format == CONF_LIST_AUTO || format == CONF_LIST_ADBLOCK);
}

enum blockline blockline_read(struct blocklist *b, const char *line, const char *end)
{
	struct text t = trim((struct text){ line, end });
	enum conf_list_format format = b->format;

	if (t.p == t.end || is_comment(format, *t.p))
		return BLOCKLINE_EMPTY;
	if (format == CONF_LIST_AUTO)
		format = form_of(t);
	switch (format) {
	case CONF_LIST_HOSTS:
		return hosts_line(b, t);
	case CONF_LIST_DNSMASQ:
		return dnsmasq_line(b, t);
	case CONF_LIST_ADBLOCK:
		return adblock_line(b, t);
	default:
		return domains_line(b, t);
	}
}
