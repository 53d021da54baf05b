// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Route capture and strict mode in the life of an instance. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "datapath/claim.h"
#include "datapath/kernel.h"
#include "supervisor/host.h"
#include "supervisor/instance.h"

_Static_assert(CONF_VIPS_MAX == ROLE_VIPS_MAX, "as many");

static struct instance *instance_of(struct routing *r)
{
	return container_of(r, struct instance, routing);
}

static const struct conf_route *conf_of(const struct instance *in)
{
	return &in->config.conf->capture.route;
}

static bool routes(const struct instance *in)
{
	return in->options.host && conf_of(in)->way != CONF_ROUTE_NONE;
}

/* --- settings ----------------------------------------------------------------------------- */

/* The devices that sockets are bound to, in the settings and of main's own raw sockets. */
static void bind_uplinks(struct instance *in, int ifindex4, int ifindex6)
{
	in->settings.uplink4_ifindex = (uint32_t)ifindex4;
	in->settings.uplink6_ifindex = (uint32_t)ifindex6;
}

static void uplink_changed(struct routing *r)
{
	struct instance *in = instance_of(r);
	int v4 = routing_bound_to(r, AF_INET), v6 = routing_bound_to(r, AF_INET6), err;

	bind_uplinks(in, v4, v6);
	err = kernel_settings(in->kernel, &in->settings);
	if (err)
		log_warn("route", "cannot write the kernel half's settings: %s", strerror(-err));
	crew_bind_icmp(&in->crew, v4, v6);
}

static const struct routing_ops routing_ops = { .uplink_changed = uplink_changed };

static void uplinks_looked(struct uplinks *u)
{
	host_uplinks_changed(container_of(u, struct instance, uplinks));
}

void host_init(struct instance *in)
{
	in->uplinks_claim = -1;
	in->uplinks.looked = uplinks_looked;
	routing_init(&in->routing, in->loop, &routing_ops);
	strict_init(&in->strict, in->loop);
}

/* Own sockets are told where to go by the kernel half; without its hooks they would come back. */
static int check_hooks(struct instance *in)
{
	if (!route_way_binds(conf_of(in)->way) || kernel_features(in->kernel)->cgroup[0])
		return 0;
	return error_text(in->error, -EOPNOTSUPP,
			  "capture.route: '%s' needs a cgroup2 hierarchy and BPF hooks on it, to "
			  "bind sockets by: use `way: table`",
			  conf_route_ways[conf_of(in)->way]);
}

static int prepare_routes(struct instance *in)
{
	struct settings *s = &in->settings;
	int err = check_hooks(in);

	if (err)
		return err;
	s->route = 1;
	s->any_source = conf_of(in)->fwmark.mask != 0;
	s->direct_mark = conf_of(in)->way == CONF_ROUTE_TABLE ? DIRECT_MARK : 0;
	return 0;
}

int host_attach(struct instance *in)
{
	int err = routes(in) ? kernel_attach_route(in->kernel) : 0;

	if (!err)
		return 0;
	if (route_way_binds(conf_of(in)->way))
		return error_at(in->error, err,
				"capture.route: cannot attach the hooks of connect()");
	log_warn("route", "no hooks of connect(): what rules send direct is forwarded: %s",
		 strerror(-err));
	return 0;
}

static int record_directory(char err[ERROR_TEXT_MAX])
{
	if (mkdir(RECORD_DIRECTORY, 0700) && errno != EEXIST)
		return error_at(err, -errno, "cannot make " RECORD_DIRECTORY);
	return 0;
}

/* A file that says: this instance has had a table of nftables. */
static const char *strict_record(const char *instance, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, RECORD_DIRECTORY "/%s.strict", instance);
	return path;
}

/* Without it the rest works: status says so. */
static void start_strict(struct instance *in)
{
	char err[ERROR_TEXT_MAX], path[PATH_MAX];
	int fd, r = record_directory(err);

	if (!r) {
		fd = open(strict_record(in->options.instance, path),
			  O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
		r = fd < 0 ? error_at(err, -errno, "cannot make %s", path) : 0;
		fd_close(fd);
	}
	if (!r)
		r = strict_start(&in->strict, in->options.instance, &in->settings, err);
	if (r)
		log_warn("strict", "%s", err);
}

/* --- one to a host -------------------------------------------------------------------------- */

/* A directory whose lock says: somebody captures what this network namespace sends itself. */
static const char *claim_path(char path[PATH_MAX])
{
	struct stat st;

	if (stat("/proc/thread-self/ns/net", &st))
		st.st_ino = 0;
	snprintf(path, PATH_MAX, RECORD_DIRECTORY "/uplinks-%llu", (unsigned long long)st.st_ino);
	return path;
}

#define CLAIM_TRIES 4 /* an instance that ends removes RECORD_DIRECTORY, where it is empty */

int host_claim(struct instance *in, char err[ERROR_TEXT_MAX])
{
	const struct conf_capture *c = &in->config.conf->capture;
	char path[PATH_MAX];
	int r = -ENOENT;

	if (!in->options.host || in->uplinks_claim >= 0 ||
	    (c->uplinks_mode == CONF_UPLINKS_NONE && c->loopback == CONF_LOOPBACK_NO))
		return 0;
	for (int i = 0; i < CLAIM_TRIES && r == -ENOENT; i++) {
		r = record_directory(err);
		if (r)
			return r;
		r = claim_make(claim_path(path), 0700, &in->uplinks_claim);
	}
	if (r == -EBUSY)
		return error_text(err, r,
				  "another instance captures what this host sends, and each would "
				  "capture what the other one carries: end it, or give this one "
				  "`uplinks: none`");
	return r ? error_at(err, r, "cannot make %s", path) : 0;
}

void host_unclaim(struct instance *in)
{
	char path[PATH_MAX];

	if (in->uplinks_claim < 0)
		return;
	rmdir(claim_path(path));
	in->uplinks_claim = fd_close(in->uplinks_claim);
	rmdir(RECORD_DIRECTORY);
}

static void clean_claim(void)
{
	char path[PATH_MAX];
	int fd;

	if (claim_stale(AT_FDCWD, claim_path(path), &fd))
		return;
	rmdir(path);
	fd_close(fd);
}

/* --- settings, and what they need ----------------------------------------------------------- */

int host_prepare(struct instance *in)
{
	int r;

	if (!in->options.host)
		return 0;
	host_clean(in->options.instance);
	r = host_claim(in, in->error);
	if (!r && routes(in))
		r = prepare_routes(in);
	if (!r && in->config.conf->capture.strict)
		start_strict(in);
	return r;
}

void host_roles(struct instance *in)
{
	const struct conf_route *c = conf_of(in);
	struct role_vip *vip = in->crew.config.vip;

	for (uint32_t i = 0; routes(in) && i < c->vips; i++)
		vip[i] = (struct role_vip){ .at = c->vip[i].at, .to = c->vip[i].to };
}

/* --- life --------------------------------------------------------------------------------- */

int host_begin(struct instance *in, char err[ERROR_TEXT_MAX])
{
	const struct routing_wish wish = { .instance = in->options.instance,
					   .directory = RECORD_DIRECTORY,
					   .conf = conf_of(in),
					   .v4 = &in->capture.v4,
					   .v6 = &in->capture.v6,
					   .tun = in->capture.tun.name,
					   .tun_ifindex = in->capture.tun.ifindex,
					   .dns = in->config.conf->dns.intercept };

	if (!in->options.host)
		return 0;
	host_uplinks_changed(in);
	if (!routes(in))
		return 0;
	return routing_start(&in->routing, &wish, err);
}

static bool forwards_something(const struct conf *c)
{
	for (size_t i = 0; i < c->rules; i++)
		if (c->rule[i].action == VERDICT_FORWARD)
			return true;
	return c->fallback == VERDICT_FORWARD;
}

/* What a policy says of flows holds for those that are forwarded: direct is direct. */
static void tell_idle_policies(const struct config *config, struct control_client *client,
			       const char *key)
{
	const struct conf *c = config->conf;
	char line[PATH_MAX + CONF_NAME_MAX + 128];

	for (size_t i = 0; i < c->dns.policies && !forwards_something(c); i++) {
		const struct conf_policy *p = &c->dns.policy[i];

		if (!p->only_resolved && !p->block_quic)
			continue;
		snprintf(line, sizeof(line),
			 "%s:%u: warning: policy %s: %s is for flows that are forwarded, and no "
			 "rule forwards any",
			 config->file, p->line, p->name,
			 p->only_resolved ? "only-resolved" : "block-quic");
		control_tell(client, key, line, false);
	}
}

void host_tell_missing(const struct instance *in, struct control_client *client, const char *key)
{
	char line[ERROR_TEXT_MAX + 64];

	for (size_t i = 0; i < in->uplinks.uplinks; i++) {
		const struct uplink *e = &in->uplinks.uplink[i];

		if (e->hooks)
			continue;
		snprintf(line, sizeof(line), "warning: %s is not captured: %s", e->plan.name,
			 uplink_why_not(e));
		control_tell(client, key, line, false);
	}
	for (size_t i = 0; i < in->devices.entries; i++) {
		const struct device_entry *e = &in->devices.entry[i];

		if (!e->error[0] || (e->ifindex && e->mode != CONF_DEVICE_AUTO))
			continue; /* one that is not as it was asked for is an error */
		snprintf(line, sizeof(line), "warning: dns.devices: %s", e->error);
		control_tell(client, key, line, false);
	}
	if (in->options.host)
		tell_idle_policies(&in->config, client, key);
	if (in->strict.error[0]) {
		snprintf(line, sizeof(line), "warning: capture.strict: %s", in->strict.error);
		control_tell(client, key, line, false);
	}
}

int host_again(struct instance *in, char err[ERROR_TEXT_MAX])
{
	if (!in->options.host)
		return 0;
	host_uplinks_changed(in);
	if (!routes(in))
		return 0;
	in->routing.wish.conf = conf_of(in); /* the one before is freed */
	return routing_set_mode(&in->routing, conf_of(in)->mode, err);
}

void host_uplinks_changed(struct instance *in)
{
	char device[CAPTURE_DEVICES_MAX][IF_NAMESIZE];
	size_t devices = 0;

	for (size_t i = 0; i < in->uplinks.uplinks; i++) {
		const struct uplink *u = &in->uplinks.uplink[i];

		if (u->hooks && u->plan.device.capture == CAPTURE_EGRESS)
			memcpy(device[devices++], u->plan.name, IF_NAMESIZE);
	}
	if (strict_set_devices(&in->strict, device, devices))
		log_warn("strict", "%s", in->strict.error);
}

void host_end(struct instance *in)
{
	char path[PATH_MAX];

	routing_stop(&in->routing);
	if (in->strict.library)
		unlink(strict_record(in->options.instance, path));
	strict_stop(&in->strict);
	if (in->options.host)
		rmdir(RECORD_DIRECTORY); /* unless others have something there */
}

void host_clean(const char *instance)
{
	char path[PATH_MAX];

	undo_clean_stale(RECORD_DIRECTORY);
	if (!unlink(strict_record(instance, path)))
		strict_clean(instance);
	clean_claim();
	rmdir(RECORD_DIRECTORY);
}
