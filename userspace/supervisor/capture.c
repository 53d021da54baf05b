// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Setting up the capture point. Main visits the device's network namespace only inside
 * these functions. The programs are attached before the device comes up, so no packet ever
 * passes a device that is not guarded.
 *
 * A TUN that was handed in keeps its own addresses, routes and MTU; it has one queue for us
 * and so no steering. Where its addresses can be read, its subnets are those; where it has
 * none, any source is taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "datapath/kernel.h"
#include "netdev/link.h"
#include "netdev/netns.h"
#include "supervisor/capture.h"
#include "supervisor/options.h"
#include "supervisor/uplinks.h"

static int bring_up(const struct tun *t, char err[ERROR_TEXT_MAX])
{
	int r = link_configure(t->ifindex, t->mtu, TUN_TXQUEUELEN);

	if (r)
		return error_at(err, r, "cannot set an MTU of %u on %s", t->mtu, t->name);
	r = link_up(t->ifindex);
	return r ? error_at(err, r, "cannot bring up %s", t->name) : 0;
}

static int configure_address(const struct tun *t, const struct subnet *s, char err[ERROR_TEXT_MAX])
{
	char text[ADDR_TEXT_MAX];
	int r = link_add_address(t->ifindex, &s->device, s->bits);

	if (!r)
		return 0;
	return error_at(err, r, "cannot give %s the address %s%s", t->name,
			addr_format(&s->device, text),
			addr_is_v4(&s->device) ? "" : " (without IPv6 on this host: --no-ipv6)");
}

static int configure_family(const struct tun *t, const struct subnet *s, int family,
			    char err[ERROR_TEXT_MAX])
{
	int r = configure_address(t, s, err);

	if (r)
		return r;
	r = link_add_default_route(t->ifindex, family);
	if (r)
		return error_at(err, r, "cannot make %s the default route", t->name);
	return 0;
}

/* In the new namespace: from the kernel's bare device to one that carries traffic. */
static int configure(struct capture *c, char err[ERROR_TEXT_MAX])
{
	struct tun *t = &c->tun;
	int r = link_up(LINK_LOOPBACK);

	if (r)
		return error_at(err, r, "cannot bring up the loopback device");
	r = bring_up(t, err);
	if (r)
		return r;
	r = configure_family(t, &c->v4, AF_INET, err);
	if (!r && c->v6.bits)
		r = configure_family(t, &c->v6, AF_INET6, err);
	return r;
}

static void fill_settings(const struct capture *c, struct settings *s)
{
	s->tun4_prefix = c->v4.prefix;
	s->tun4_bits = c->v4.bits;
	s->stack4 = c->v4.stack;
	s->tun6_prefix = c->v6.prefix;
	s->tun6_bits = c->v6.bits;
	s->stack6 = c->v6.stack;
	s->tun_ifindex = (uint32_t)c->tun.ifindex;
	s->mtu = c->worker_mtu ? c->worker_mtu : c->tun.mtu;
	if (c->single_queue && s->workers > 1) {
		log_warn("capture", "%s has one queue: 1 worker instead of %u", c->tun.name,
			 s->workers);
		s->workers = 1;
	}
	s->resolver_queue = !c->single_queue;
	s->any_source = c->any_source;
}

/* Settings come first: without them the programs refuse every packet. */
static int attach(struct capture *c, struct kernel *kernel, struct settings *settings,
		  char err[ERROR_TEXT_MAX])
{
	int r;

	fill_settings(c, settings);
	if (netns_cookie((uint64_t *)&settings->netns_cookie))
		settings->netns_cookie = 0;
	r = kernel_settings(kernel, settings);
	if (r)
		return error_at(err, r, "cannot write the kernel half's settings");
	if (!c->single_queue) {
		r = tun_steer(&c->tun, kernel_steer_fd(kernel));
		if (r)
			return error_at(err, r, "cannot steer the queues of %s", c->tun.name);
	}
	r = kernel_attach_tun(kernel, c->tun.ifindex);
	return r ? error_at(err, r, "cannot attach the kernel half to %s", c->tun.name) : 0;
}

static int make_device(struct capture *c, const struct instance_options *opt, struct kernel *kernel,
		       struct settings *settings, char err[ERROR_TEXT_MAX])
{
	int r;

	/* Without a steering program queues are chosen by hash: then there may be only one. */
	c->single_queue = kernel_steer_fd(kernel) < 0;
	r = tun_open(&c->tun, c->single_queue ? 1 : opt->workers + 1, err);
	if (r)
		return r;
	c->tun.mtu = opt->mtu ? opt->mtu : MTU_DEFAULT;
	r = attach(c, kernel, settings, err);
	return r ? r : configure(c, err);
}

static int choose_subnets(struct capture *c, bool ipv6, char err[ERROR_TEXT_MAX])
{
	int r = subnet_choose4(link_is_routed, &c->v4);

	if (!r && ipv6)
		r = subnet_choose6(link_is_routed, &c->v6);
	return r ? error_at(err, r, "no private subnet that the host has no route into") : 0;
}

/* What the configuration says of route capture's device goes for all. */
static int choose_host_subnets(struct capture *c, const struct conf_route *route, bool ipv6,
			       char err[ERROR_TEXT_MAX])
{
	int r = choose_subnets(c, ipv6, err);

	if (route->address.bits)
		subnet_from_stack(&route->address.addr, route->address.bits, &c->v4);
	if (ipv6 && route->address6.bits)
		subnet_from_stack(&route->address6.addr, route->address6.bits, &c->v6);
	return r;
}

static int configure_addresses(struct capture *c, char err[ERROR_TEXT_MAX])
{
	struct tun *t = &c->tun;
	int r = bring_up(t, err);

	if (r)
		return r;
	r = configure_address(t, &c->v4, err);
	return !r && c->v6.bits ? configure_address(t, &c->v6, err) : r;
}

/*
 * In the host's namespace there is no route to the device but that of its subnets: what else
 * it gets, capture points send. Its MTU is for all of them.
 */
static int open_host(struct capture *c, const struct instance_options *opt,
		     const struct conf_capture *conf, struct kernel *kernel,
		     struct settings *settings, char err[ERROR_TEXT_MAX])
{
	int r;

	r = choose_host_subnets(c, &conf->route, opt->ipv6, err);
	if (r)
		return r;
	c->single_queue = kernel_steer_fd(kernel) < 0;
	r = tun_open_named(&c->tun, conf->route.tun[0] ? conf->route.tun : TUN_NAME_PATTERN,
			   c->single_queue ? 1 : opt->workers + 1, err);
	if (r)
		return r;
	c->tun.mtu = opt->mtu ? opt->mtu : MTU_DEFAULT;
	c->worker_mtu = c->tun.mtu;
	r = uplinks_needed_mtu(conf, &c->tun.mtu, &c->worker_mtu, err);
	if (!r)
		r = attach(c, kernel, settings, err);
	return r ? r : configure_addresses(c, err);
}

static int leave(int home, int r, char err[ERROR_TEXT_MAX])
{
	int left = netns_leave(home);

	if (left && !r)
		return error_at(err, left, "cannot return to the host's network namespace");
	return r;
}

static int open_own(struct capture *c, const struct instance_options *opt, struct kernel *kernel,
		    struct settings *settings, char err[ERROR_TEXT_MAX])
{
	int home, r;

	r = choose_subnets(c, opt->ipv6, err);
	if (r)
		return r;
	r = netns_new(&c->netns_fd, err);
	if (r)
		return r;
	r = netns_enter(c->netns_fd, &home);
	if (r)
		return error_at(err, r, "cannot enter the new network namespace");
	return leave(home, make_device(c, opt, kernel, settings, err), err);
}

static unsigned int mask_bits(const struct sockaddr *mask)
{
	struct endpoint ep;
	const struct sockaddr_storage *ss = (const struct sockaddr_storage *)mask;
	unsigned int bits = 0;
	size_t from, i;

	if (!mask || endpoint_from_sockaddr((const struct sockaddr *)ss, &ep))
		return 0;
	from = mask->sa_family == AF_INET ? 12 : 0;
	for (i = from; i < 16; i++)
		bits += (unsigned int)__builtin_popcount(ep.addr.b[i]);
	return bits;
}

/* Takes the first address of each family from the device. */
static void read_subnets(struct capture *c, bool ipv6)
{
	struct ifaddrs *all, *a;

	if (getifaddrs(&all))
		return;
	for (a = all; a; a = a->ifa_next) {
		struct endpoint ep;
		struct subnet *s;

		if (!a->ifa_addr || strcmp(a->ifa_name, c->tun.name) != 0 ||
		    endpoint_from_sockaddr(a->ifa_addr, &ep) || addr_is_link_local(&ep.addr))
			continue;
		s = addr_is_v4(&ep.addr) ? &c->v4 : &c->v6;
		if (!s->bits && (s == &c->v4 || ipv6))
			subnet_from_device(&ep.addr, mask_bits(a->ifa_netmask), s);
	}
	freeifaddrs(all);
}

/* In the namespace of the device that was handed in. */
static int adopt_device(struct capture *c, const struct instance_options *opt,
			struct kernel *kernel, struct settings *settings, char err[ERROR_TEXT_MAX])
{
	int r = 0;

	read_subnets(c, opt->ipv6);
	if (!c->v4.bits && !c->v6.bits) {
		c->any_source = true;
		r = choose_subnets(c, opt->ipv6, err);
	}
	return r ? r : attach(c, kernel, settings, err);
}

static int open_handed(struct capture *c, const struct instance_options *opt, struct kernel *kernel,
		       struct settings *settings, char err[ERROR_TEXT_MAX])
{
	int fd, home, r;

	if (opt->tun_fd < 0)
		return error_text(err, -EBADF, "no descriptor of a TUN was handed in");
	fd = fcntl(opt->tun_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return error_at(err, -errno, "descriptor %d of the TUN", opt->tun_fd);
	r = opt->unprivileged ? tun_adopt_here(&c->tun, fd, err) :
				tun_adopt(&c->tun, fd, &c->netns_fd, err);
	if (r) {
		fd_close(fd);
		return r;
	}
	c->single_queue = true;
	if (opt->mtu && opt->mtu < c->tun.mtu)
		c->tun.mtu = opt->mtu;
	if (opt->unprivileged)
		return adopt_device(c, opt, kernel, settings, err);
	r = netns_enter(c->netns_fd, &home);
	if (r)
		return error_at(err, r, "cannot enter the network namespace of %s", c->tun.name);
	return leave(home, adopt_device(c, opt, kernel, settings, err), err);
}

int capture_open(struct capture *c, const struct instance_options *opt,
		 const struct conf_capture *conf, struct kernel *kernel, struct settings *settings,
		 char err[ERROR_TEXT_MAX])
{
	int r;

	memset(c, 0, sizeof(*c));
	c->netns_fd = -1;
	c->handed = opt->tun_handed;
	c->host = opt->host;
	settings->workers = opt->workers;
	if (c->handed)
		r = open_handed(c, opt, kernel, settings, err);
	else if (c->host)
		r = open_host(c, opt, conf, kernel, settings, err);
	else
		r = open_own(c, opt, kernel, settings, err);
	if (r)
		capture_close(c);
	return r;
}

void capture_close(struct capture *c)
{
	tun_close(&c->tun);
	c->netns_fd = fd_close(c->netns_fd);
}

int capture_queue(const struct capture *c, unsigned int slot)
{
	return c->tun.fd[c->single_queue ? 0 : slot];
}
