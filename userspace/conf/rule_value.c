// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Kinds of values that only rules about flows have. What a user, a cgroup or an interface of
 * that name is, is looked up where the rules come into force: here it is only what could be one.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/reader.h"

static bool is_text(const struct node *n)
{
	return n->kind == NODE_SCALAR && n->text[0] && !node_is_empty(n);
}

/* A number up to `max`, decimal or 0x and hexadecimal, up to `end`. NULL: it is none. */
static const char *number(const char *text, uint64_t max, uint64_t *ret_n)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	if (!isdigit((unsigned char)text[0]) || (hex && !isxdigit((unsigned char)text[2])))
		return NULL;
	errno = 0;
	*ret_n = strtoull(text, &end, hex ? 16 : 10);
	return errno || *ret_n > max ? NULL : end;
}

static bool take_action(struct reader *r, struct node *n, const struct key *k, void *to)
{
	static const char *const words[VERDICT_NUM] = { [VERDICT_DIRECT] = "direct",
							[VERDICT_FORWARD] = "forward",
							[VERDICT_REJECT] = "reject",
							[VERDICT_DROP] = "drop" };
	char near[NEAR_TEXT_MAX], shown[TREE_SHOWN_MAX];

	if (!is_text(n))
		return reader_refuse(r, n, k, "");
	for (unsigned int i = 0; i < VERDICT_NUM; i++)
		if (words[i] && !strcmp(n->text, words[i])) {
			*(uint8_t *)to = (uint8_t)i;
			return true;
		}
	if (!strncmp(n->text, "proxy", 5) && (!n->text[5] || n->text[5] == ' '))
		reader_error(r, n, "'%s' is not built yet, expected %s", text_shown(n->text, shown),
			     k->kind->expected);
	else
		reader_error(r, n, "'%s' is not known here, expected %s%s",
			     text_shown(n->text, shown), k->kind->expected,
			     near_text(n->text, words, VERDICT_NUM, near));
	return false;
}

const struct kind kind_flow_action = { .take = take_action,
				       .expected = "one of direct, forward, reject, drop" };

static bool take_ports(struct reader *r, struct node *n, const struct key *k, void *to)
{
	uint64_t first = 0, last = 0;
	const char *end;

	end = is_text(n) ? number(n->text, UINT16_MAX, &first) : NULL;
	last = first;
	if (end && *end == '-')
		end = number(end + 1, UINT16_MAX, &last);
	if (!end || *end || !first || last < first)
		return reader_refuse(r, n, k, "is no port");
	*(struct conf_ports *)to = (struct conf_ports){ (uint16_t)first, (uint16_t)last };
	return true;
}

const struct kind kind_ports = { .take = take_ports,
				 .expected = "a port from 1 to 65535, or FIRST-LAST" };

static bool take_protocol(struct reader *r, struct node *n, const struct key *k, void *to)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = {
		{ "tcp", IPPROTO_TCP },		{ "udp", IPPROTO_UDP },	  { "icmp", IPPROTO_ICMP },
		{ "icmp6", IPPROTO_ICMPV6 },	{ "sctp", IPPROTO_SCTP }, { "gre", IPPROTO_GRE },
		{ "udplite", IPPROTO_UDPLITE },
	};
	uint64_t value;
	const char *end;

	for (size_t i = 0; is_text(n) && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(n->text, known[i].name)) {
			*(uint8_t *)to = known[i].number;
			return true;
		}
	end = is_text(n) ? number(n->text, UINT8_MAX, &value) : NULL;
	if (!end || *end)
		return reader_refuse(r, n, k, "is no protocol");
	*(uint8_t *)to = (uint8_t)value;
	return true;
}

const struct kind kind_protocol = {
	.take = take_protocol,
	.expected = "tcp, udp, icmp (and icmp6), icmp6, sctp, gre, udplite or a number up to 255"
};

/* --- who ---------------------------------------------------------------------------------- */

static bool take_copy(struct reader *r, struct node *n, void *to)
{
	*(char **)to = reader_copy(r, n->text);
	return *(char **)to;
}

/* (uid_t)-1 is no user: what the kernel says when it knows none. */
static bool take_user(struct reader *r, struct node *n, const struct key *k, void *to)
{
	uint64_t uid;
	const char *end;

	if (!is_text(n) || strlen(n->text) > 255 || strpbrk(n->text, ": \t\r\n/"))
		return reader_refuse(r, n, k, "is no user");
	end = number(n->text, UINT32_MAX - 1, &uid);
	if (isdigit((unsigned char)n->text[0]) && (!end || *end))
		return reader_refuse(r, n, k, "is no user");
	return take_copy(r, n, to);
}

const struct kind kind_user = { .take = take_user, .expected = "a user's name or number" };

/* A path without "//", "." and "..", and without a slash at its end. */
static bool path_is_plain(const char *path)
{
	const char *at = path;

	if (*at != '/' || strlen(path) >= CONF_TEXT_MAX)
		return false;
	if (!at[1])
		return true;
	for (; *at; at += 1 + strcspn(at + 1, "/")) {
		size_t len = strcspn(at + 1, "/");

		if (!len || (len == 1 && at[1] == '.') || (len == 2 && !memcmp(at + 1, "..", 2)))
			return false;
	}
	return true;
}

static bool take_cgroup(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_text(n) || !path_is_plain(n->text))
		return reader_refuse(r, n, k, "is no cgroup");
	return take_copy(r, n, to);
}

const struct kind kind_cgroup = {
	.take = take_cgroup,
	.expected = "a path below the cgroup2 mount such as /system.slice/foo.service"
};

/* A name without a suffix is a service's, as systemctl has it. */
static bool take_unit(struct reader *r, struct node *n, const struct key *k, void *to)
{
	char name[256 + sizeof(".service")];

	if (!is_text(n) || strlen(n->text) > 255 || strpbrk(n->text, "/ \t\r\n") ||
	    n->text[0] == '.')
		return reader_refuse(r, n, k, "is no unit");
	snprintf(name, sizeof(name), "%s%s", n->text, strchr(n->text, '.') ? "" : ".service");
	*(char **)to = reader_copy(r, name);
	return *(char **)to;
}

const struct kind kind_unit = { .take = take_unit,
				.expected = "the name of a unit such as foo.service" };

static bool take_process(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_text(n))
		return reader_refuse(r, n, k, "is no process's name");
	if (strlen(n->text) >= COMM_BYTES) {
		reader_error(r, n,
			     "'%.24s' is longer than the %d bytes that the kernel keeps of "
			     "a process's name, expected '%.15s'",
			     n->text, COMM_BYTES - 1, n->text);
		return false;
	}
	return take_copy(r, n, to);
}

const struct kind kind_process = { .take = take_process, .expected = "a process's name" };

static bool take_executable(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_text(n) || n->text[0] != '/' || strlen(n->text) >= CONF_TEXT_MAX)
		return reader_refuse(r, n, k, "is no absolute path");
	return take_copy(r, n, to);
}

const struct kind kind_executable = { .take = take_executable,
				      .expected = "a file's absolute path such as /usr/bin/curl" };

/* --- where it came from ------------------------------------------------------------------- */

static bool take_mac(struct reader *r, struct node *n, const struct key *k, void *to)
{
	const char *at = is_text(n) ? n->text : "";
	struct conf_mac mac;

	for (int i = 0; i < 6; i++, at += at[2] ? 3 : 2) {
		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) ||
		    (i < 5 ? at[2] != ':' && at[2] != '-' : at[2]))
			return reader_refuse(r, n, k, "is no hardware address");
		mac.b[i] = (uint8_t)strtoul((char[]){ at[0], at[1], '\0' }, NULL, 16);
	}
	*(struct conf_mac *)to = mac;
	return true;
}

const struct kind kind_mac = { .take = take_mac,
			       .expected = "a hardware address such as 02:00:00:00:00:01" };

static bool take_interface(struct reader *r, struct node *n, const struct key *k, void *to)
{
	if (!is_text(n) || strlen(n->text) > 15 || !strcmp(n->text, ".") ||
	    !strcmp(n->text, "..") || strpbrk(n->text, "/: \t\r\n"))
		return reader_refuse(r, n, k, "is no name of a network device");
	return take_copy(r, n, to);
}

const struct kind kind_interface = {
	.take = take_interface,
	.expected = "a name of at most 15 characters, '*' for any number of them"
};
