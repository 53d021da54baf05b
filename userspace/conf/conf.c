// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The configuration: from text to structure, and away with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/reader.h"
#include "conf/tree.h"

static int read_tree(struct reader *r, const char *text, size_t len)
{
	struct tree tree;
	int err;

	err = tree_read(&tree, r, text, len);
	/* half a tree tells no more errors than the one that ended it */
	if (!err)
		section_read(r, tree.root, &schema_root, r->conf);
	if (err == -ENOMEM)
		r->no_memory = true;
	tree_free(&tree);
	return reader_done(r);
}

int conf_read(const char *text, size_t len, const char *file, struct conf **ret_conf,
	      struct conf_errors *errors)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct reader r;
	int err;

	if (!c)
		return -ENOMEM;
	limits_init(&c->limits);
	reader_init(&r, file, c, errors);
	if (len > CONF_FILE_MAX) {
		reader_error_line(&r, 0, "longer than %u bytes", CONF_FILE_MAX);
		err = reader_done(&r);
	} else {
		err = read_tree(&r, text, len);
	}
	if (err) {
		conf_free(c);
		return err;
	}
	*ret_conf = c;
	return 0;
}

static void free_texts(char **text, size_t num)
{
	for (size_t i = 0; i < num; i++)
		free(text[i]);
	free(text);
}

static void free_policy(struct conf_policy *p)
{
	for (size_t i = 0; i < p->rules; i++) {
		free_texts(p->rule[i].domain, p->rule[i].domains);
		free(p->rule[i].type);
		free(p->rule[i].cname);
	}
	free(p->rule);
	free(p->client);
}

static void free_upstream(struct conf_upstream *u)
{
	free(u->host);
	free(u->path);
	free(u->ca_file);
}

void conf_free(struct conf *c)
{
	struct conf_dns *d;

	if (!c)
		return;
	d = &c->dns;
	for (size_t i = 0; i < d->upstreams; i++)
		free_upstream(&d->upstream[i]);
	for (size_t i = 0; i < d->lists; i++)
		free(d->list[i].file);
	for (size_t i = 0; i < d->policies; i++)
		free_policy(&d->policy[i]);
	free_texts(d->cache.flush_domain, d->cache.flush_domains);
	free_texts(d->private_domain, d->private_domains);
	free(d->listener);
	free(d->allow);
	free(d->device);
	free(d->upstream);
	free(d->group);
	free(d->bootstrap);
	free(d->list);
	free(d->policy);
	free(c);
}
