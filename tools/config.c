// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What `check` and `run` say about a configuration file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/file.h"
#include "tools/config.h"

/* A file that is not readable here may be so for headraced: a warning. */
static void check_file(const char *file, unsigned int line, const char *what, const char *name,
		       const char *named, const char *then)
{
	if (access(named, R_OK))
		fprintf(stderr, "%s:%u: warning: dns.%s.%s: cannot read %s: %s%s\n", file, line,
			what, name, named, strerror(errno), then);
}

static void check_authorities(const char *file, const struct conf_dns *d)
{
	for (size_t i = 0; i < d->upstreams; i++)
		if (d->upstream[i].ca_file)
			check_file(file, d->upstream[i].line, "upstreams", d->upstream[i].name,
				   d->upstream[i].ca_file, "");
}

void config_check_lists(const char *file, const struct conf *conf)
{
	for (size_t i = 0; i < conf->dns.lists; i++)
		check_file(file, conf->dns.list[i].line, "lists", conf->dns.list[i].name,
			   conf->dns.list[i].file, "; without it headrace does not start");
}

struct conf *config_check(const char *file)
{
	static struct conf_errors errors;
	struct conf_text text;
	struct conf *conf;
	int err;

	err = conf_load(file, &text, &conf, &errors);
	fputs(errors.text, stderr);
	if (err) {
		fprintf(stderr, "%s: %u error%s\n", file, errors.num, errors.num == 1 ? "" : "s");
		return NULL;
	}
	conf_text_done(&text);
	check_authorities(file, &conf->dns);
	return conf;
}
