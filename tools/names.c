// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Texts of the private resolv.conf and nsswitch.conf (see names.h). */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/names.h"

#define HOSTS_LINE "hosts: files dns\n"

char *names_resolv_conf(const char *nameserver)
{
	char *text;

	if (asprintf(&text,
		     "# Made by headrace for one command; the host's own file is untouched.\n"
		     "nameserver %s\n"
		     "options edns0\n",
		     nameserver) < 0)
		return NULL;
	return text;
}

/* Does the line (of `len` bytes) configure the hosts database? "#hosts:" does not. */
static bool is_hosts_line(const char *line, size_t len)
{
	const char *end = line + len;

	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	if ((size_t)(end - line) < strlen("hosts:") || memcmp(line, "hosts", 5) != 0)
		return false;
	line += 5;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	return line < end && *line == ':';
}

char *names_nsswitch(const char *host)
{
	char *text = malloc(strlen(host) + sizeof("\n" HOSTS_LINE));
	char *to = text;
	bool replaced = false;

	if (!text)
		return NULL;
	while (*host) {
		size_t len = strcspn(host, "\n");

		len += host[len] == '\n';
		if (!is_hosts_line(host, len)) {
			to = mempcpy(to, host, len);
		} else if (!replaced) {
			to = stpcpy(to, HOSTS_LINE);
			replaced = true;
		}
		host += len;
	}
	if (to > text && to[-1] != '\n')
		*to++ = '\n';
	stpcpy(to, replaced ? "" : HOSTS_LINE);
	return text;
}
