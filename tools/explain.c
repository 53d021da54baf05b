// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace explain`: which rule decides about a flow that somebody would open, and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "base/addr.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/explain.h"
#include "tools/object.h"

struct explain_options {
	struct client_options client; /* first: the common options are told by their place in it */
	const char *user, *cgroup, *unit, *process, *from, *mac, *proto, *interface, *fwmark;
	long pid, uid, dscp;
};

#define EXPLAIN_TEXT(...) OPTION_TEXT_OF(struct explain_options, __VA_ARGS__)
#define EXPLAIN_NUMBER(...) OPTION_NUMBER_OF(struct explain_options, __VA_ARGS__)

static const struct option_spec explain_options[] = {
	EXPLAIN_NUMBER("pid", pid, 0x7fffffff, "a flow of this process"),
	EXPLAIN_NUMBER("uid", uid, 0xfffffffeL, "a flow of this user ID"),
	EXPLAIN_TEXT("user", user, "NAME", "a flow of this user"),
	EXPLAIN_TEXT("cgroup", cgroup, "PATH", "a flow of this cgroup"),
	EXPLAIN_TEXT("unit", unit, "UNIT", "a flow of this systemd unit"),
	EXPLAIN_TEXT("process", process, "NAME", "a flow of a process of this name"),
	EXPLAIN_TEXT("client", from, "ADDRESS", "a flow of this client in a LAN"),
	EXPLAIN_TEXT("mac", mac, "ADDRESS", "of this hardware address"),
	EXPLAIN_TEXT("proto", proto, "PROTO", "tcp (the default), udp or icmp"),
	EXPLAIN_TEXT("interface", interface, "DEVICE", "by this device, not the one of the routes"),
	EXPLAIN_TEXT("fwmark", fwmark, "MARK", "with this fwmark, as 0x10 or 16"),
	EXPLAIN_NUMBER("dscp", dscp, 63, "with this DSCP"),
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

/* --- the request ---------------------------------------------------------------------------- */

const char *explain_split(const char *operand, char dest[EXPLAIN_DEST_MAX], long *ret_port)
{
	const char *colon = strrchr(operand, ':'), *end = operand + strlen(operand);
	struct addr plain;
	char *digits_end;

	*ret_port = 0;
	if (!addr_parse(operand, &plain) || (colon && strchr(colon, ']')))
		colon = NULL; /* IPv6 without a port */
	if (colon) {
		*ret_port = strtol(colon + 1, &digits_end, 10);
		if (colon[1] < '0' || colon[1] > '9' || *digits_end || *ret_port > 65535)
			return "the port is no number up to 65535";
		end = colon;
	}
	if (*operand == '[') {
		if (end[-1] != ']')
			return "no ']' behind the address";
		operand++;
		end--;
	}
	if (end <= operand || end - operand >= EXPLAIN_DEST_MAX)
		return "expected ADDRESS, NAME, ADDRESS:PORT, NAME:PORT or [ADDRESS]:PORT";
	memcpy(dest, operand, (size_t)(end - operand));
	dest[end - operand] = '\0';
	return NULL;
}

static void explain_put(json_t *request, const char *key, const char *value)
{
	if (value)
		json_object_set_new(request, key, json_string(value));
}

static void explain_put_number(json_t *request, const char *key, long value)
{
	if (value >= 0)
		json_object_set_new(request, key, json_integer(value));
}

/* False: it was said why. */
static bool explain_put_mark(json_t *request, const char *mark)
{
	char *end;
	unsigned long n;

	if (!mark)
		return true;
	n = strtoul(mark, &end, 0);
	if (*mark < '0' || *mark > '9' || *end || n > UINT32_MAX) {
		fprintf(stderr, "headrace explain: --fwmark '%s': expected a number\n", mark);
		return false;
	}
	json_object_set_new(request, "fwmark", json_integer((json_int_t)n));
	return true;
}

/* NULL: it was said why. */
static json_t *explain_request(const struct explain_options *o, const char *operand)
{
	json_t *request = json_pack("{s:s}", "command", "explain");
	char dest[EXPLAIN_DEST_MAX];
	const char *wrong;
	long port;

	wrong = explain_split(operand, dest, &port);
	if (wrong)
		fprintf(stderr, "headrace explain: '%s': %s\n", operand, wrong);
	if (wrong || !client_put_user(request, o->user) || !explain_put_mark(request, o->fwmark)) {
		json_decref(request);
		return NULL;
	}
	explain_put(request, "dest", dest);
	explain_put_number(request, "port", port);
	explain_put_number(request, "pid", o->pid);
	explain_put_number(request, "uid", o->uid);
	explain_put_number(request, "dscp", o->dscp);
	explain_put(request, "cgroup", o->cgroup);
	explain_put(request, "unit", o->unit);
	explain_put(request, "process", o->process);
	explain_put(request, "client", o->from);
	explain_put(request, "mac", o->mac);
	explain_put(request, "proto", o->proto);
	explain_put(request, "interface", o->interface);
	return request;
}

/* --- the answer ----------------------------------------------------------------------------- */

static void explain_list(const json_t *list, const char *between, FILE *out)
{
	const json_t *text;
	size_t i;

	json_array_foreach(list, i, text)
		fprintf(out, "%s%s", i ? between : "",
			json_is_string(text) ? json_string_value(text) : "?");
}

static void explain_fact(const json_t *o, const char *label, const char *key, FILE *out)
{
	const json_t *value = json_object_get(o, key);

	if (json_is_string(value))
		fprintf(out, "  %-11s%s\n", label, json_string_value(value));
	else if (json_is_integer(value))
		fprintf(out, "  %-11s%lld\n", label, (long long)json_integer_value(value));
}

static void explain_route(const json_t *route, FILE *out)
{
	const char *error = object_text(route, "error", NULL);
	const char *gateway = object_text(route, "gateway", NULL);
	unsigned long long table = object_number(route, "table");

	if (!route)
		return;
	if (error) {
		fprintf(out, "  %-11s%s\n", "route", error);
		return;
	}
	fprintf(out, "  %-11s%s%s by %s, table ", "route", gateway ? "via " : "directly",
		gateway ? gateway : "", object_text(route, "device", "?"));
	if (table == RT_TABLE_MAIN || table == RT_TABLE_LOCAL)
		fprintf(out, "%s\n", table == RT_TABLE_MAIN ? "main" : "local");
	else
		fprintf(out, "%llu\n", table);
}

static void explain_name(const json_t *o, FILE *out)
{
	const char *name = object_text(o, "name", NULL), *how = object_text(o, "name_known", NULL);

	fprintf(out, "  %-11s%s%s%s\n", "name", name ? name : "", name && how ? ", " : "",
		how ? how : "");
}

static void explain_facts(const json_t *o, FILE *out)
{
	unsigned long long port = object_number(o, "dport");

	fprintf(out, "%s %s -> %s", object_text(o, "proto", "?"), object_text(o, "saddr", "?"),
		object_text(o, "daddr", "?"));
	if (port)
		fprintf(out, " port %llu", port);
	fputc('\n', out);
	explain_fact(o, "process", "process", out);
	explain_fact(o, "pid", "pid", out);
	explain_fact(o, "executable", "executable", out);
	explain_fact(o, "user ID", "uid", out);
	explain_fact(o, "cgroup", "cgroup", out);
	explain_fact(o, "MAC", "mac", out);
	explain_fact(o, "interface", "interface", out);
	explain_fact(o, "fwmark", "fwmark", out);
	explain_fact(o, "DSCP", "dscp", out);
	explain_name(o, out);
	explain_route(json_object_get(o, "route"), out);
}

/* "rule 2 (web, direct): no: port 443 ..." */
static void explain_tried(const json_t *o, FILE *out)
{
	const json_t *unknown = json_object_get(o, "unknown");

	fprintf(out, "  rule %llu (%s, %s): ", object_number(o, "rule"),
		object_text(o, "rule_name", "?"), object_text(o, "action", "?"));
	if (json_is_true(json_object_get(o, "matches"))) {
		fputs("matches", out);
	} else {
		fputs("no, by ", out);
		explain_list(json_object_get(o, "failed"), ", ", out);
	}
	if (json_array_size(unknown)) {
		fputs(" (not known: ", out);
		explain_list(unknown, ", ", out);
		fputc(')', out);
	}
	if (json_array_size(json_object_get(o, "conditions"))) {
		fputs("\n      asks for ", out);
		explain_list(json_object_get(o, "conditions"), "; ", out);
	} else {
		fputs("\n      asks for nothing: it is for every flow", out);
	}
	fputc('\n', out);
}

static void explain_verdict(const json_t *o, FILE *out)
{
	const char *verdict = object_text(o, "verdict", "?");
	bool decides = json_is_true(json_object_get(o, "decides"));
	unsigned long long rule = object_number(o, "rule");

	fputs(decides ? "verdict: " : "the rules would say: ", out);
	if (!strcmp(verdict, "none")) {
		fputs("none yet, as this cgroup has not been looked at: the first packet is lost "
		      "and sent again\n",
		      out);
		return;
	}
	fprintf(out, "%s, by ", verdict);
	if (!rule)
		fputs("the default, as no rule matches\n", out);
	else
		fprintf(out, "rule %llu (%s)\n", rule, object_text(o, "rule_name", "?"));
}

void explain_print(const char *kind, const json_t *o, FILE *out)
{
	if (!strcmp(kind, "facts"))
		explain_facts(o, out);
	else if (!strcmp(kind, "before"))
		fprintf(out, "verdict: %s, before any rule: %s\n", object_text(o, "verdict", "?"),
			object_text(o, "why", "?"));
	else if (!strcmp(kind, "tried"))
		explain_tried(o, out);
	else if (!strcmp(kind, "explained"))
		explain_verdict(o, out);
}

/* Blocks of several addresses stand apart. */
static void explain_object(void *arg, const char *kind, json_t *object)
{
	bool *begun = arg;

	if (!strcmp(kind, "facts") && *begun)
		putchar('\n');
	*begun = true;
	object_clean(object);
	explain_print(kind, object, stdout);
}

static int explain_main(int argc, char **argv)
{
	struct explain_options o = { .pid = -1, .uid = -1, .dscp = -1 };
	bool begun = false;
	int status = EXIT_TROUBLE;
	const char *dest;
	int num = option_parse_operands(&explain_command, argc, argv, &o, 1, &dest, &status);
	json_t *request;

	if (num < 0)
		return status;
	if (!num) {
		fprintf(stderr, "headrace explain: expected one DEST[:PORT]; see `headrace explain "
				"--help`\n");
		return EXIT_USAGE;
	}
	request = explain_request(&o, dest);
	if (!request)
		return EXIT_USAGE;

	const struct client_show show = { .object = explain_object,
					  .arg = &begun,
					  .json = o.client.json };

	return client_ask(o.client.instance, request, &show);
}

const struct command explain_command = {
	.name = "explain",
	.operands = "DEST[:PORT]",
	.summary = "say which rule decides about a flow, and why",
	.details =
		"Says what becomes of a flow to DEST, an address or a name that was resolved here:\n"
		"what comes before the rules, how each rule up to the one that decides is met or\n"
		"not, and the verdict. The kernel's own program is asked; nothing is sent. What is\n"
		"not said of whoever opens the flow is not known, and no rule matches by it.",
	.options = explain_options,
	.run = explain_main,
};
