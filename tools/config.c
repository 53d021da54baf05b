// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What `check` and `run` say about a configuration file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/file.h"
#include "tools/config.h"

/* A file that is not readable here may be so for headraced, which is root: a warning. */
static void check_file(const char *file, unsigned int line, const char *what, const char *name,
		       const char *named)
{
	if (access(named, R_OK))
		fprintf(stderr, "%s:%u: warning: dns.%s.%s: cannot read %s: %s\n", file, line, what,
			name, named, strerror(errno));
}

static void check_files(const char *file, const struct conf_dns *d)
{
	for (size_t i = 0; i < d->lists; i++)
		check_file(file, d->list[i].line, "lists", d->list[i].name, d->list[i].file);
	for (size_t i = 0; i < d->upstreams; i++)
		if (d->upstream[i].ca_file)
			check_file(file, d->upstream[i].line, "upstreams", d->upstream[i].name,
				   d->upstream[i].ca_file);
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
	check_files(file, &conf->dns);
	return conf;
}
