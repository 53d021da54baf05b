// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What programs on our hooks mean. Of those of traffic control on a device one after the other
 * runs, until one decides: what is before ours can take packets from it. Of those on a cgroup
 * all run. An XDP program sees packets before everything else.
 */
#include <string.h>
#include <unistd.h>

#include "tools/doctor.h"

bool doctor_is_ours(const char *program)
{
	static const char *const ours[] = {
		"dns_eth",	  "dns_tun",	   "dns_xdp",	   "host_egress",  "host_egress3",
		"host_ingress",	  "host_ingress3", "lan_egress",   "lan_egress3",  "lan_ingress",
		"lan_ingress3",	  "lo_egress",	   "tun_egress",   "tun_ingress",  "sock_note",
		"sock_connect4",  "sock_connect6", "sock_release", "sock_protect", "route_connect4",
		"route_connect6",
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcmp(program, ours[i]))
			return true;
	return false;
}

static bool hooks_same(const struct hook_program *a, const struct hook_program *b)
{
	return !strcmp(a->hook, b->hook) && !strcmp(a->device, b->device);
}

static bool is_traffic_control(const struct hook_program *p)
{
	return !strcmp(p->how, "tcx") || !strcmp(p->how, "clsact");
}

/* Of a hook that one of ours is on: where is the last of them? NULL = none is. */
static const struct hook_program *ours_there(const struct hook_programs *p, size_t at)
{
	const struct hook_program *last = NULL;

	for (size_t i = 0; i < p->count; i++)
		if (hooks_same(&p->item[i], &p->item[at]) && doctor_is_ours(p->item[i].name))
			last = &p->item[i];
	return last;
}

/* "tc egress of eth0: 'shaper' (id 13, clsact)" */
static const char *hooks_text(const struct hook_program *item, char buf[FINDING_TEXT_MAX])
{
	int n = snprintf(buf, FINDING_TEXT_MAX, "%s%s%s: '%s' (", item->hook,
			 item->device[0] ? " of " : "", item->device, item->name);

	if (item->id)
		snprintf(buf + n, FINDING_TEXT_MAX - (size_t)n, "id %u, %s)", item->id, item->how);
	else
		snprintf(buf + n, FINDING_TEXT_MAX - (size_t)n, "filter of %s)", item->how);
	return buf;
}

/* Links of ours go first when they are made; a filter takes the first priority that is free. */
static void hooks_before(struct findings *f, const struct hook_program *item, const char *text)
{
	bool tcx = !strcmp(item->how, "tcx");
	char fix[FINDING_TEXT_MAX];

	snprintf(fix, sizeof(fix),
		 tcx ? "`headrace down` and `headrace up` put ours before it" :
		       "attach it behind ours: `tc filter` with a larger `pref` on %s",
		 item->device);
	finding_add(
		f, FINDING_WARNING, "hooks", fix,
		"%s, before ours: what it takes, drops or accepts for good is not seen by rules",
		text);
}

static void hooks_foreign(struct findings *f, const struct hook_programs *p, size_t at)
{
	const struct hook_program *item = &p->item[at], *ours = ours_there(p, at);
	char text[FINDING_TEXT_MAX];

	hooks_text(item, text);
	if (!ours || !is_traffic_control(item))
		finding_add(f, FINDING_NOTE, "hooks", NULL, "%s%s", text,
			    ours ? ", beside ours: both run" : "");
	else if (ours > item)
		hooks_before(f, item, text);
	else
		finding_add(f, FINDING_NOTE, "hooks", NULL,
			    "%s, behind ours: it does not see what is captured", text);
}

/* An instance that was told to, or one on a kernel that has nothing else. */
static void order_clsact(struct findings *f, bool tcx, struct doctor_names devices)
{
	if (!devices.count)
		return;
	if (tcx)
		finding_add(f, FINDING_NOTE, "instance",
			    "take `attach: clsact` out of capture:" FIX_RESTART,
			    "captured by clsact filters, though the kernel has tcx links: %s",
			    doctor_names_text(&devices));
	else
		finding_add(f, FINDING_NOTE, "instance", "a kernel from 6.6 on has tcx links",
			    "captured by clsact filters, as the kernel has no tcx links: %s",
			    doctor_names_text(&devices));
}

/* With nobody who carries what they capture they refuse it, or let it pass. */
static void hooks_left(struct findings *f, size_t programs)
{
	finding_add(f, FINDING_ERROR, "hooks",
		    "`headrace up` starts the daemon anew, `headrace down` takes them away",
		    "a daemon that was killed has left programs on devices (%zu): with when-down: "
		    "closed they refuse what rules would capture",
		    programs);
}

void doctor_hooks(struct findings *f, const struct hook_programs *p,
		  const struct doctor_instance *in)
{
	size_t ours = 0, others = 0, captures = 0;

	order_clsact(f, p->tcx, in->clsact);
	if (p->error) {
		finding_add(f, FINDING_NOTE, "hooks",
			    geteuid() ?
				    "run as root" :
				    "let this shell use bpf(2): a container's seccomp profile or "
				    "its capabilities forbid it",
			    "other programs on the hooks could not be looked at: %s",
			    strerror(-p->error));
		return;
	}
	for (size_t i = 0; i < p->count; i++) {
		if (doctor_is_ours(p->item[i].name)) {
			ours++;
			captures += p->item[i].device[0] != '\0';
			continue;
		}
		hooks_foreign(f, p, i);
		others++;
	}
	if (in->none && captures)
		hooks_left(f, captures);
	finding_add(f, FINDING_OK, "hooks", NULL,
		    "%zu programs of headrace, %zu of others, on devices and the root cgroup; the "
		    "kernel has %s",
		    ours, others, p->tcx ? "tcx" : "clsact alone");
}
