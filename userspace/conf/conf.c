// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The configuration: from text to structure, and away with it. */
#include <arpa/inet.h>
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
	c->references = 1;
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

static void free_conditions(struct conf_conditions *c)
{
	free_texts(c->domain, c->domains);
	free_texts(c->user, c->users);
	free_texts(c->cgroup, c->cgroups);
	free_texts(c->unit, c->units);
	free_texts(c->process, c->processes);
	free_texts(c->executable, c->executables);
	free_texts(c->interface, c->interfaces);
	free(c->destination);
	free(c->source);
	free(c->port);
	free(c->protocol);
	free(c->mac);
	free(c->dscp);
	free(c->fwmark);
}

static void free_flow_rules(struct conf *c)
{
	for (size_t i = 0; i < c->rules; i++) {
		free_conditions(&c->rule[i].is);
		free_conditions(&c->rule[i].isnt);
	}
	free(c->rule);
}

struct conf *conf_get(struct conf *c)
{
	c->references++;
	return c;
}

void conf_free(struct conf *c)
{
	struct conf_dns *d;

	if (!c || --c->references)
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
	free(c->capture.uplink);
	free(c->capture.lan);
	free(d->listener);
	free(d->allow);
	free(d->device);
	free(d->upstream);
	free(d->group);
	free(d->bootstrap);
	free(d->list);
	free(d->policy);
	free_flow_rules(c);
	free(c);
}

/* --- what the command line adds ------------------------------------------------------------ */

static void server_upstream(struct conf_upstream *u, const struct endpoint *server)
{
	char text[ENDPOINT_TEXT_MAX];

	*u = (struct conf_upstream){ .type = CONF_PLAIN,
				     .port = ntohs(server->port),
				     .addresses = 1,
				     .family = CONF_BOTH,
				     .timeout_ms = CONF_UPSTREAM_TIMEOUT_MS };
	u->address[0] = *server;
	snprintf(u->name, sizeof(u->name), "%s", endpoint_format(server, text));
}

int conf_use_servers(struct conf *c, const struct endpoint *server, uint32_t servers)
{
	struct conf_dns *d = &c->dns;
	struct conf_group *g = &d->group[0];
	struct conf_upstream *more;

	if (!servers)
		return 0;
	if (servers > CONF_GROUP_UPSTREAMS_MAX)
		servers = CONF_GROUP_UPSTREAMS_MAX;
	more = realloc(d->upstream, (d->upstreams + servers) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	d->upstream = more;
	g->upstreams = servers;
	for (uint32_t i = 0; i < servers; i++) {
		server_upstream(&more[d->upstreams], &server[i]);
		g->upstream[i] = (uint32_t)d->upstreams++;
	}
	return 0;
}

/* --- what a reload cannot change ----------------------------------------------------------- */

const char *conf_fixed_difference(const struct conf *a, const struct conf *b)
{
	if (a->log_level != b->log_level)
		return "log";
	if (a->workers != b->workers)
		return "workers";
	if (a->ipv6 != b->ipv6)
		return "ipv6";
	if (a->mtu != b->mtu)
		return "mtu";
	if (memcmp(&a->host_loopback, &b->host_loopback, sizeof(a->host_loopback)) != 0)
		return "host-loopback";
	if (memcmp(&a->limits, &b->limits, sizeof(a->limits)) != 0)
		return "limits";
	if (conf_route_differs(&a->capture.route, &b->capture.route))
		return "capture.route";
	if (a->capture.attach != b->capture.attach)
		return "capture.attach";
	if (a->capture.strict != b->capture.strict)
		return "capture.strict";
	if (a->dns.intercept != b->dns.intercept) /* workers know it from their start */
		return "dns.intercept";
	return NULL;
}
