// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a running instance says of itself: what it does in another way than the best, and why. */
#include <fnmatch.h>
#include <string.h>

#include "tools/doctor.h"
#include "tools/object.h"

#define FIX_LOG "its log says why (`journalctl -t headraced`, or the file of --log-file)"

static bool is(const json_t *object, const char *key, const char *text)
{
	return !strcmp(object_text(object, key, ""), text);
}

static bool begins_with(const char *text, const char *key)
{
	return !strncmp(text, key, strlen(key));
}

/* --- how things are done ---------------------------------------------------------------------- */

/* Everything else follows from it. */
static void instance_without_bpf(struct findings *f, const json_t *features)
{
	finding_add(
		f, FINDING_WARNING, "instance",
		"let it use bpf(2): in a container by CAP_BPF, CAP_NET_ADMIN and a seccomp "
		"profile that has bpf; lockdown=confidentiality forbids it" FIX_RESTART,
		"without BPF (%s): one worker, no policy in the kernel, sockets marked by roles "
		"that keep CAP_NET_ADMIN",
		object_text(features, "bpf_error", "not known why"));
}

static void instance_hooks(struct findings *f, const json_t *features)
{
	if (is(features, "owners", "not known"))
		finding_add(
			f, FINDING_WARNING, "instance",
			"cgroup2 mounted, and a kernel with BTF and CONFIG_CGROUP_BPF" FIX_RESTART,
			"processes of flows are not known: rules by process or executable do "
			"not match");
	if (is(features, "protect", "SO_MARK"))
		finding_add(f, FINDING_WARNING, "instance",
			    "cgroup2 mounted where it can be written, and a kernel with "
			    "CONFIG_CGROUP_BPF" FIX_RESTART,
			    "own sockets are marked by the roles themselves, which keep "
			    "CAP_NET_ADMIN for it");
	if (is(features, "direct", "none"))
		finding_add(f, FINDING_WARNING, "instance",
			    "cgroup2 mounted, and a kernel with CONFIG_CGROUP_BPF" FIX_RESTART,
			    "route capture without hooks of connect(): what rules send direct is "
			    "forwarded");
	if (is(features, "direct", "connect hooks, not listed"))
		finding_add(f, FINDING_NOTE, "instance", NULL,
			    "route capture without an iterator of sockets: `headrace flows` does "
			    "not list what is direct");
	if (is(features, "dns", "resolver alone"))
		finding_add(f, FINDING_NOTE, "instance", FIX_LOG,
			    "the resolver answers all of DNS: the kernel half's program for it "
			    "cannot be loaded");
}

static void instance_device(struct findings *f, const json_t *features)
{
	if (is(features, "bpffs", "none"))
		finding_add(f, FINDING_NOTE, "instance", "mount -t bpf bpf /sys/fs/bpf" FIX_RESTART,
			    "maps and links are not pinned: when it is killed, 'when-down: closed' "
			    "is open");
	if (json_is_false(json_object_get(features, "tso")))
		finding_add(f, FINDING_NOTE, "instance", NULL,
			    "the TUN takes packets one by one, with their checksums: no "
			    "segmentation offload (TUNSETOFFLOAD)");
	else if (json_is_false(json_object_get(features, "uso")))
		finding_add(f, FINDING_NOTE, "instance", NULL,
			    "the TUN takes UDP datagrams one by one: no USO (kernel 6.2)");
}

static void instance_features(struct findings *f, const json_t *features)
{
	if (json_is_false(json_object_get(features, "bpf")))
		instance_without_bpf(f, features);
	else
		instance_hooks(f, features);
	instance_device(f, features);
}

/* --- what has happened ------------------------------------------------------------------------ */

static void instance_role(struct findings *f, const json_t *role, struct doctor_instance *in)
{
	const char *name = object_text(role, "name", ""), *state = object_text(role, "state", "");

	if (in->pids < DOCTOR_PIDS_MAX && object_number(role, "pid"))
		in->pid[in->pids++] = (pid_t)object_number(role, "pid");
	if (strcmp(state, "ready") != 0)
		finding_add(f, FINDING_ERROR, "instance", FIX_LOG, "the %s is %s", name, state);
	if (object_number(role, "restarts"))
		finding_add(f, FINDING_WARNING, "instance", FIX_LOG,
			    "the %s was restarted since the start, times: %llu, because it hung: "
			    "%llu",
			    name, object_number(role, "restarts"), object_number(role, "hangs"));
}

static void instance_counts(struct findings *f, const json_t *kernel)
{
	if (object_number(kernel, "events_lost"))
		finding_add(f, FINDING_WARNING, "instance", NULL,
			    "%llu events were lost since the start: reports and `headrace events` "
			    "miss them",
			    object_number(kernel, "events_lost"));
	if (object_number(kernel, "pass_stale"))
		finding_add(f, FINDING_WARNING, "instance",
			    "the log says what main was doing; with `when-down: closed` they are "
			    "refused instead",
			    "%llu packets passed natively since the start, whatever the rules say: "
			    "main was gone or hung",
			    object_number(kernel, "pass_stale"));
}

static void instance_advice(struct findings *f, const json_t *status)
{
	const json_t *advice;
	size_t i;

	json_array_foreach(json_object_get(status, "advice"), i, advice)
		finding_add(f, FINDING_NOTE, "instance", object_text(advice, "fix", ""), "%s",
			    object_text(advice, "text", ""));
}

/* --- devices ---------------------------------------------------------------------------------- */

static void instance_dns_device(struct findings *f, const json_t *device)
{
	const char *name = object_text(device, "device", ""), *mode;

	if (json_object_get(device, "error")) {
		finding_add(
			f, FINDING_WARNING, "instance",
			"name one in dns.devices that `ip link` shows, or wait until it is there",
			"DNS is not answered on the device: %s", object_text(device, "error", ""));
		return;
	}
	mode = object_text(device, "mode", "");
	if (!strcmp(mode, "xdp, alone"))
		finding_add(f, FINDING_NOTE, "instance", NULL,
			    "%s: no other XDP program can join ours there: the kernel cannot "
			    "extend programs",
			    name);
	else if (strcmp(mode, "xdp") != 0)
		finding_add(f, FINDING_NOTE, "instance", NULL,
			    "%s: DNS is answered by traffic control (%s): XDP is for drivers of "
			    "hardware that have it",
			    name, mode);
}

static void instance_capture(struct findings *f, const json_t *point, struct doctor_instance *in)
{
	const char *name = object_text(point, "device", "");
	bool lan = is(point, "point", "lan");

	if (begins_with(object_text(point, "error", ""), "a port of "))
		return; /* what it carries is captured by its bridge */
	in->lan |= lan;
	in->loopback |= is(point, "point", "loopback");
	if (lan && !json_is_true(json_object_get(point, "dns_only")) &&
	    in->lan_devices < DOCTOR_LANS_MAX)
		snprintf(in->lan_device[in->lan_devices++], 16, "%.15s", name);
	if (begins_with(object_text(point, "error", ""), "no such device"))
		finding_add(f, FINDING_WARNING, "instance",
			    "name one below capture: that `ip link` shows, or make it",
			    "%s is not captured: %s", name, object_text(point, "error", ""));
	else if (json_object_get(point, "error"))
		finding_add(f, FINDING_ERROR, "instance", FIX_LOG, "%s is not captured: %s", name,
			    object_text(point, "error", ""));
	else if (is(point, "mode", "clsact"))
		doctor_names_add(&in->clsact, name);
}

/* Route capture and strict mode say themselves what is wrong with them. */
static void instance_ways(struct findings *f, const json_t *status)
{
	static const char *const ways[] = { "route", "strict" };
	static const char *const fixes[] = {
		FIX_LOG, "a kernel with nf_tables and CONFIG_NETFILTER_EGRESS, or `strict: false` "
			 "below capture:" FIX_RESTART
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const json_t *way = json_object_get(status, ways[i]);
		const char *error = object_text(way, "error", "");

		if (begins_with(error, "capture."))
			error += strlen("capture.");
		if (begins_with(error, ways[i])) /* "strict: ..." */
			error += strlen(ways[i]) + strspn(error + strlen(ways[i]), ": ");
		if (error[0])
			finding_add(f, FINDING_ERROR, "instance", fixes[i], "capture.%s: %s",
				    ways[i], error);
		if (object_number(way, "repaired"))
			finding_add(
				f, FINDING_WARNING, "instance",
				"find out who removes it: its log says when",
				"capture.%s: what was removed by others was put back, times: %llu",
				ways[i], object_number(way, "repaired"));
	}
}

/* "0.0.0.0:53": UDP and TCP each. */
static void instance_listens(const json_t *listen, struct doctor_instance *in)
{
	const json_t *item;
	size_t i;

	json_array_foreach(listen, i, item) {
		const char *text = json_string_value(item),
			   *port = text ? strrchr(text, ':') : NULL;

		in->listens = true;
		if (!port || strcmp(port, ":53") != 0)
			continue;
		in->port53 += 2;
		in->port53_any |= !strcmp(text, "0.0.0.0:53") || !strcmp(text, "[::]:53");
	}
}

void doctor_status(struct findings *f, const json_t *status, struct doctor_instance *ret_in)
{
	const json_t *captures = json_object_get(status, "captures"),
		     *features = json_object_get(status, "features"), *item;
	size_t i;

	*ret_in = (struct doctor_instance){ .running = true, .host = json_is_array(captures) };
	ret_in->owners = is(features, "owners", "cgroup hooks");
	ret_in->route = json_is_object(json_object_get(status, "route"));
	ret_in->bound = !ret_in->route &&
			begins_with(object_text(features, "protect", ""), "bound");
	instance_listens(json_object_get(status, "listen"), ret_in);
	ret_in->pid[ret_in->pids++] = (pid_t)object_number(status, "pid");
	if (is(features, "attach", "clsact"))
		doctor_names_add(&ret_in->clsact, object_text(status, "tun", "TUN"));
	json_array_foreach(captures, i, item)
		instance_capture(f, item, ret_in);
	instance_ways(f, status);
	finding_add(f, FINDING_OK, "instance", NULL, "%s: headraced %s, pid %llu",
		    object_text(status, "instance", ""), object_text(status, "version", ""),
		    object_number(status, "pid"));
	instance_features(f, features);
	json_array_foreach(json_object_get(status, "roles"), i, item)
		instance_role(f, item, ret_in);
	instance_counts(f, json_object_get(status, "kernel"));
	instance_advice(f, status);
	json_array_foreach(json_object_get(status, "devices"), i, item)
		instance_dns_device(f, item);
}

/* --- rules ------------------------------------------------------------------------------------ */

/* Does the condition "interface a, b*" name the device? */
static bool names_device(const char *condition, const char *device)
{
	char names[NAMES_TEXT_MAX], *save = NULL;

	snprintf(names, sizeof(names), "%s", condition + strlen("interface "));
	for (char *n = strtok_r(names, ", ", &save); n; n = strtok_r(NULL, ", ", &save))
		if (!fnmatch(n, device, 0))
			return true;
	return false;
}

/* What it asks for no client of a LAN has: those are known for the host's own sockets alone. */
static bool is_of_the_host(const char *condition)
{
	static const char *const keys[] = { "user ", "cgroup ", "unit ", "process ",
					    "executable " };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (begins_with(condition, keys[i]))
			return true;
	return false;
}

/* May a rule with these conditions be about what comes in by that device? */
static bool rule_concerns(const json_t *conditions, const char *device)
{
	const json_t *item;
	size_t i;

	json_array_foreach(conditions, i, item) {
		const char *text = json_string_value(item);

		if (is_of_the_host(text) ||
		    (begins_with(text, "interface ") && !names_device(text, device)))
			return false;
	}
	return true;
}

/* Does it decide about all that comes in by the device? */
static bool rule_covers(const json_t *conditions, const char *device)
{
	const char *text = json_string_value(json_array_get(conditions, 0));

	return !json_array_size(conditions) ||
	       (json_array_size(conditions) == 1 && begins_with(text, "interface ") &&
		names_device(text, device));
}

/* Devices about which everything is decided, and not by forwarding, are of no concern any more. */
static void drop_covered(struct doctor_instance *in, const json_t *conditions)
{
	size_t kept = 0;

	for (size_t i = 0; i < in->lan_devices; i++) {
		if (rule_covers(conditions, in->lan_device[i]))
			continue;
		if (kept != i)
			memcpy(in->lan_device[kept], in->lan_device[i], sizeof(in->lan_device[0]));
		kept++;
	}
	in->lan_devices = kept;
}

void doctor_rule(struct doctor_instance *in, const char *kind, const json_t *object)
{
	const json_t *conditions = json_object_get(object, "conditions");

	if (!strcmp(kind, "rules"))
		in->forwards_rest = is(object, "default", "forward");
	if (strcmp(kind, "rule") != 0)
		return;
	if (!is(object, "action", "forward")) {
		drop_covered(in, conditions);
		return;
	}
	for (size_t i = 0; i < in->lan_devices; i++)
		in->forwards |= rule_concerns(conditions, in->lan_device[i]);
}

void doctor_rules_end(struct doctor_instance *in)
{
	in->forwards |= in->forwards_rest && in->lan_devices;
}

/* --- DNS -------------------------------------------------------------------------------------- */

void doctor_upstream(struct findings *f, const json_t *o)
{
	const char *state = object_text(o, "state", ""), *why = object_text(o, "error", "");
	const char *name = object_text(o, "name", "?"), *address = object_text(o, "address", "?");

	if (!is(o, "type", "upstream"))
		return;
	if (json_is_true(json_object_get(o, "looped")))
		finding_add(f, FINDING_WARNING, "resolver",
			    "name another server in dns.upstreams; then `headrace reload`",
			    "upstream %s at %s leads back to this resolver: it is left out", name,
			    address);
	else if (!strcmp(state, "failing") || !strcmp(state, "down"))
		finding_add(f, FINDING_WARNING, "resolver",
			    "see `headrace dns stats`: is it the right server, and may it be asked "
			    "from here?",
			    "upstream %s is %s: %s", name, state, why[0] ? why : address);
}
