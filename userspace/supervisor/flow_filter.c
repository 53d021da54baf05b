// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Filters of flows. Each key has one entry in a table: how its value is read and how a flow is
 * compared with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "policy/compile.h"
#include "supervisor/flow_filter.h"

#define TEXT(name, text) [name] = text,
static const char *const verdicts[] = { VERDICTS(TEXT) };
static const char *const states[] = { FLOW_STATES(TEXT) };
static const char *const captures[] = { CAPTURE_POINTS(TEXT) };
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Each reads a value to where it belongs; false = it is not one. */
static bool read_number(const json_t *value, json_int_t max, uint32_t *ret_number)
{
	json_int_t n = json_integer_value(value);

	*ret_number = (uint32_t)n;
	return json_is_integer(value) && n >= 0 && n <= max;
}

static bool read_text(const json_t *value, char *to, size_t size)
{
	const char *text = json_string_value(value);

	if (!text || !text[0] || strlen(text) >= size)
		return false;
	memcpy(to, text, strlen(text) + 1);
	return true;
}

static bool read_name(const json_t *value, const char *const *names, size_t num, uint8_t *ret_place)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < num; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		*ret_place = (uint8_t)i;
		return true;
	}
	return false;
}

static bool read_prefix(const json_t *value, struct prefix *p)
{
	const char *text = json_string_value(value);

	return text && !prefix_parse(text, p);
}

static bool read_proto(const json_t *value, struct flow_filter *f)
{
	const char *text = json_string_value(value);
	char *end;
	unsigned long n;

	if (!text)
		return false;
	if (!strcmp(text, "tcp") || !strcmp(text, "udp")) {
		f->proto = f->proto6 = text[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
		return true;
	}
	if (!strcmp(text, "icmp")) {
		f->proto = IPPROTO_ICMP;
		f->proto6 = IPPROTO_ICMPV6;
		return true;
	}
	n = strtoul(text, &end, 10);
	f->proto = f->proto6 = (uint8_t)n;
	return text[0] >= '0' && text[0] <= '9' && !*end && n < 256;
}

/* A cgroup's, without slashes at its end. */
static bool read_path(const json_t *value, struct flow_filter *f)
{
	size_t len;

	if (!read_text(value, f->cgroup, sizeof(f->cgroup)))
		return false;
	for (len = strlen(f->cgroup); len > 1 && f->cgroup[len - 1] == '/'; len--)
		f->cgroup[len - 1] = '\0';
	return true;
}

/* A number is the rule's place, 0 the default; a text its name. */
static bool read_rule(const json_t *value, struct flow_filter *f)
{
	if (json_is_integer(value))
		return read_number(value, RULES_MAX, &f->rule);
	return read_text(value, f->rule_name, sizeof(f->rule_name));
}

static bool read_port(const json_t *value, struct flow_filter *f)
{
	uint32_t port;
	bool good = read_number(value, UINT16_MAX, &port);

	f->port = (uint16_t)port;
	return good;
}

/* X(key, how its value is read, what is expected, whether a flow is one) */
#define FILTER_KEYS(X)                                                                             \
	X(pid, read_number(v, UINT32_MAX, &f->pid), "a process ID", s->flow->pid == f->pid)        \
	X(process, read_text(v, f->process, sizeof(f->process)), "a name of at most 15 bytes",     \
	  !strncmp((const char *)s->flow->comm, f->process, COMM_BYTES))                           \
	X(uid, read_number(v, UINT32_MAX, &f->uid), "a user ID", s->flow->uid == f->uid)           \
	X(cgroup, read_path(v, f), "a path", s->cgroup &&policy_path_has(f->cgroup, s->cgroup))    \
	X(unit, read_text(v, f->unit, sizeof(f->unit)), "a unit's name",                           \
	  s->cgroup &&policy_unit_has(f->unit, s->cgroup))                                         \
	X(client, read_prefix(v, &f->client), "an address or prefix",                              \
	  addr_in_prefix(&s->key->saddr, &f->client.addr, f->client.bits))                         \
	X(dest, read_prefix(v, &f->dest), "an address or prefix",                                  \
	  addr_in_prefix(&s->key->daddr, &f->dest.addr, f->dest.bits))                             \
	X(port, read_port(v, f), "a port", ntohs(s->key->dport) == f->port)                        \
	X(proto, read_proto(v, f), "tcp, udp, icmp or a number",                                   \
	  s->key->proto == f->proto || s->key->proto == f->proto6)                                 \
	X(name, read_text(v, f->name, sizeof(f->name)), "a name",                                  \
	  is_named(s->info->domain, f->name))                                                      \
	X(rule, read_rule(v, f), "a rule's number or name", has_rule(s, f))                        \
	X(verdict, read_name(v, verdicts, COUNT(verdicts), &f->verdict),                           \
	  "direct, forward, dns, local, reject or drop", s->flow->verdict == f->verdict)           \
	X(state, read_name(v, states, COUNT(states), &f->state),                                   \
	  "opening, open, closing or closed", s->flow->state == f->state)                          \
	X(capture, read_name(v, captures, COUNT(captures), &f->capture),                           \
	  "tun, egress, lan or loopback", s->flow->capture == f->capture)

#define FILTER_ENUM(key, read, what, takes) FILTER_##key,
enum filter_key { FILTER_KEYS(FILTER_ENUM) FILTER_NUM };

/* The name itself, or one below it; "*." or "." in front of it makes no difference. */
static bool is_named(const char *domain, const char *name)
{
	size_t len = strnlen(domain, DOMAIN_TEXT_MAX), want;

	if (name[0] == '*' && name[1])
		name++;
	name += name[0] == '.';
	want = strlen(name);
	if (len < want || strncasecmp(domain + len - want, name, want) != 0)
		return false;
	return len == want || domain[len - want - 1] == '.';
}

static bool has_rule(const struct show_flow *s, const struct flow_filter *f)
{
	if (f->rule_name[0])
		return s->rule_name && !strcmp(s->rule_name, f->rule_name);
	return s->flow->rule == f->rule;
}

#define FILTER_READ(key, read, what, takes)                                                        \
	if (!strcmp(name, #key)) {                                                                 \
		f->asks |= 1U << FILTER_##key;                                                     \
		if (read)                                                                          \
			return 0;                                                                  \
		return error_text(err, -EINVAL, "filter '" #key "': expected " what);              \
	}

static int read_key(struct flow_filter *f, const char *name, const json_t *v,
		    char err[ERROR_TEXT_MAX])
{
	FILTER_KEYS(FILTER_READ)
	return error_text(err, -EINVAL, "no filter '%.40s'", name);
}

int flow_filter_read(struct flow_filter *f, const json_t *object, char err[ERROR_TEXT_MAX])
{
	const char *name;
	json_t *value;
	int r = 0;

	memset(f, 0, sizeof(*f));
	if (object && !json_is_object(object))
		return error_text(err, -EINVAL, "filter: expected an object");
	json_object_foreach((json_t *)object, name, value) {
		if (!r)
			r = read_key(f, name, value, err);
	}
	return r;
}

#define FILTER_TAKES(key, read, what, takes)                                                       \
	if (f->asks & 1U << FILTER_##key && !(takes))                                              \
		return false;

bool flow_filter_takes(const struct flow_filter *f, const struct show_flow *s)
{
	FILTER_KEYS(FILTER_TAKES)
	return true;
}
