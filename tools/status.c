// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* `headrace status`: what an instance is made of and what its roles count. */
#include <stdio.h>
#include <string.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/format.h"
#include "tools/object.h"

static const struct option_spec status_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static const char *text_of(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));

	return text ? text : "?";
}

static long long number_of(const json_t *status, const char *key)
{
	return json_integer_value(json_object_get(status, key));
}

static void print_family(const json_t *status, const char *name, const char *device,
			 const char *bits, const char *stack)
{
	if (json_object_get(status, device))
		printf("%-10s%s/%lld, stack and DNS %s\n", name, text_of(status, device),
		       number_of(status, bits), text_of(status, stack));
}

/* What "ready" says too, in a few lines; the keys are then gone from the object. */
static void print_identity(json_t *status)
{
	static const char *const keys[] = { "instance", "version", "pid",     "uptime_ms",
					    "tun",	"mtu",	   "stack4",  "device4",
					    "bits4",	"stack6",  "device6", "bits6" };
	char uptime[FORMAT_MAX];

	printf("%-10s%s\n", "instance", text_of(status, "instance"));
	printf("%-10sheadraced %s, pid %lld, up %s\n", "daemon", text_of(status, "version"),
	       number_of(status, "pid"),
	       format_ms((uint64_t)number_of(status, "uptime_ms"), uptime));
	printf("%-10s%s, MTU %lld\n", "device", text_of(status, "tun"), number_of(status, "mtu"));
	print_family(status, "IPv4", "device4", "bits4", "stack4");
	print_family(status, "IPv6", "device6", "bits6", "stack6");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_del(status, keys[i]);
}

static void status_object(void *arg, const char *kind, json_t *object)
{
	if (strcmp(kind, "status") != 0)
		return;
	print_identity(object);
	object_print(object, stdout);
}

static int status_main(int argc, char **argv)
{
	struct client_options opts = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&status_command, argc, argv, &opts, &status))
		return status;

	const struct client_show show = { .object = status_object, .json = opts.json };

	return client_command(opts.instance, "status", 0, &show);
}

const struct command status_command = {
	.name = "status",
	.operands = "",
	.summary = "show addresses, features, roles and counters of an instance",
	.details = "Shows how an instance does its work on this kernel, its addresses and roles,\n"
		   "what they count, and advice where the host's settings stand in the way.",
	.options = status_options,
	.run = status_main,
};
