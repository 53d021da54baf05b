// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace doctor`: what on this host stands in the way, what is done in another way than the
 * best, and what to do about it; with and without a running instance.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/doctor.h"
#include "tools/format.h"
#include "tools/object.h"

#define DOCTOR_WAIT_MS 3000

#define LEVEL_TEXT(name, text) [name] = text,
static const char *const doctor_levels[] = { FINDING_LEVELS(LEVEL_TEXT) };

/* --- findings ------------------------------------------------------------------------------- */

void finding_add(struct findings *f, enum finding_level level, const char *area, const char *fix,
		 const char *fmt, ...)
{
	struct finding *item = &f->item[f->count];
	va_list ap;

	if (f->count == FINDINGS_MAX) {
		f->lost++;
		return;
	}
	f->count++;
	item->level = level;
	item->area = area;
	va_start(ap, fmt);
	vsnprintf(item->text, sizeof(item->text), fmt, ap);
	va_end(ap);
	snprintf(item->fix, sizeof(item->fix), "%s", fix ? fix : "");
}

enum finding_level findings_worst(const struct findings *f)
{
	enum finding_level worst = FINDING_OK;

	for (size_t i = 0; i < f->count; i++)
		if (f->item[i].level > worst)
			worst = f->item[i].level;
	return worst;
}

/* --- an instance ---------------------------------------------------------------------------- */

static void doctor_features(struct findings *f, const json_t *features)
{
	if (!strcmp(object_text(features, "attach", ""), "none"))
		finding_add(f, FINDING_WARNING, "instance",
			    "see why in `headrace status`, features",
			    "without BPF: one worker, no policy in the kernel");
	else if (!strcmp(object_text(features, "attach", ""), "clsact"))
		finding_add(f, FINDING_NOTE, "instance", "a kernel from 6.6 on",
			    "attached by clsact: tcx is not to be had");
	if (!strcmp(object_text(features, "owners", ""), "not known"))
		finding_add(f, FINDING_WARNING, "instance",
			    "cgroup2 mounted, and a kernel with BTF",
			    "processes of flows are not known: rules by process or executable do "
			    "not match");
	if (json_is_false(json_object_get(features, "uso")))
		finding_add(f, FINDING_NOTE, "instance", NULL,
			    "the TUN takes UDP datagrams one by one: no USO (kernel 6.2)");
	if (!strcmp(object_text(features, "protect", ""), "SO_MARK"))
		finding_add(f, FINDING_WARNING, "instance", "mount cgroup2 where it can be written",
			    "own sockets are marked by the roles themselves, which keep "
			    "CAP_NET_ADMIN for it");
}

static void doctor_role(struct findings *f, const json_t *role)
{
	const char *name = object_text(role, "name", ""), *state = object_text(role, "state", "");

	if (strcmp(state, "ready") != 0)
		finding_add(f, FINDING_ERROR, "instance", "its log says why", "the %s is %s", name,
			    state);
	if (object_number(role, "restarts"))
		finding_add(f, FINDING_WARNING, "instance", "its log says why",
			    "the %s was restarted %llu times, %llu of them because it hung", name,
			    object_number(role, "restarts"), object_number(role, "hangs"));
}

static void doctor_kernel_counts(struct findings *f, const json_t *kernel)
{
	if (object_number(kernel, "events_lost"))
		finding_add(f, FINDING_WARNING, "instance", NULL,
			    "%llu events were lost: reports and `events` miss them",
			    object_number(kernel, "events_lost"));
	if (object_number(kernel, "pass_stale"))
		finding_add(f, FINDING_WARNING, "instance", "the log says what main was doing",
			    "%llu packets passed natively while main was gone",
			    object_number(kernel, "pass_stale"));
}

static void doctor_advice(struct findings *f, const json_t *status)
{
	const json_t *text, *device;
	size_t i;

	json_array_foreach(json_object_get(status, "advice"), i, text)
		finding_add(f, FINDING_NOTE, "instance", NULL, "%s", json_string_value(text));
	json_array_foreach(json_object_get(status, "devices"), i, device) {
		if (json_object_get(device, "error"))
			finding_add(f, FINDING_WARNING, "instance", NULL, "%s: %s",
				    object_text(device, "device", ""),
				    object_text(device, "error", ""));
		else if (strncmp(object_text(device, "mode", ""), "xdp", 3) != 0)
			finding_add(
				f, FINDING_NOTE, "instance", NULL,
				"%s: DNS is answered by %s, as its driver has no XDP of its own",
				object_text(device, "device", ""), object_text(device, "mode", ""));
	}
}

static void doctor_capture(struct findings *f, const json_t *point)
{
	if (json_object_get(point, "error"))
		finding_add(f, FINDING_ERROR, "instance", NULL, "%s is not captured: %s",
			    object_text(point, "device", ""), object_text(point, "error", ""));
	else if (!strcmp(object_text(point, "mode", ""), "clsact"))
		finding_add(f, FINDING_NOTE, "instance", NULL, "%s: captured by clsact, not tcx",
			    object_text(point, "device", ""));
}

/* Route capture and strict mode say themselves what is wrong with them. */
static void doctor_ways(struct findings *f, const json_t *status)
{
	static const char *const ways[] = { "route", "strict" };

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const json_t *way = json_object_get(status, ways[i]);

		if (object_text(way, "error", "")[0])
			finding_add(f, FINDING_ERROR, "instance", NULL, "capture.%s: %s", ways[i],
				    object_text(way, "error", ""));
		if (object_number(way, "repaired"))
			finding_add(
				f, FINDING_WARNING, "instance",
				"find out who removes it: its log says when",
				"capture.%s: what was removed by others was put back %llu times",
				ways[i], object_number(way, "repaired"));
	}
}

/* "0.0.0.0:53": UDP and TCP each. */
static void doctor_listen(const json_t *listen, struct doctor_instance *ret_in)
{
	const json_t *item;
	size_t i;

	json_array_foreach(listen, i, item) {
		const char *text = json_string_value(item),
			   *port = text ? strrchr(text, ':') : NULL;

		ret_in->listens = true;
		if (!port || strcmp(port, ":53") != 0)
			continue;
		ret_in->port53 += 2;
		ret_in->port53_any |= !strcmp(text, "0.0.0.0:53") || !strcmp(text, "[::]:53");
	}
}

void doctor_status(struct findings *f, const json_t *status, struct doctor_instance *ret_in)
{
	const json_t *captures = json_object_get(status, "captures"), *role, *point;
	size_t i;

	*ret_in = (struct doctor_instance){ .running = true, .host = json_is_array(captures) };
	json_array_foreach(captures, i, point) {
		ret_in->lan |= !strcmp(object_text(point, "point", ""), "lan");
		ret_in->loopback |= !strcmp(object_text(point, "point", ""), "loopback");
		doctor_capture(f, point);
	}
	ret_in->route = json_is_object(json_object_get(status, "route"));
	ret_in->bound = !ret_in->route &&
			!strncmp(object_text(json_object_get(status, "features"), "protect", ""),
				 "bound", strlen("bound"));
	doctor_listen(json_object_get(status, "listen"), ret_in);
	doctor_ways(f, status);
	finding_add(f, FINDING_OK, "instance", NULL, "%s: headraced %s, pid %llu",
		    object_text(status, "instance", ""), object_text(status, "version", ""),
		    object_number(status, "pid"));
	doctor_features(f, json_object_get(status, "features"));
	json_array_foreach(json_object_get(status, "roles"), i, role)
		doctor_role(f, role);
	doctor_kernel_counts(f, json_object_get(status, "kernel"));
	doctor_advice(f, status);
}

/* A line of the resolver's: is it about an upstream that does not answer, or leads back to us? */
void doctor_upstream(struct findings *f, const json_t *o)
{
	const char *state = object_text(o, "state", ""), *why = object_text(o, "error", "");
	const char *name = object_text(o, "name", "?"), *address = object_text(o, "address", "?");

	if (strcmp(object_text(o, "type", ""), "upstream") != 0)
		return;
	if (json_is_true(json_object_get(o, "looped")))
		finding_add(f, FINDING_WARNING, "resolver", "name another server in dns.upstreams",
			    "upstream %s at %s leads back to this resolver: it is left out", name,
			    address);
	else if (!strcmp(state, "failing") || !strcmp(state, "down"))
		finding_add(f, FINDING_WARNING, "resolver",
			    "see `headrace dns stats`: is it the right server, and may it be asked "
			    "from here?",
			    "upstream %s is %s: %s", name, state, why[0] ? why : address);
}

/* What the resolver says of its upstreams. */
static void doctor_upstreams(struct findings *f, const char *instance)
{
	json_t *request = json_pack("{s:s, s:s}", "command", "dns", "what", "stats");
	enum client_answer answer = ANSWER_OBJECT;
	struct client *c = malloc(sizeof(*c));
	const char *line, *kind;
	json_t *root, *object;

	if (!c || client_open(c, instance))
		goto out;
	client_request(c, request, -1);
	while (answer == ANSWER_OBJECT && client_line(c, DOCTOR_WAIT_MS, &line) > 0) {
		answer = client_parse(line, &root, &kind, &object);
		if (answer == ANSWER_OBJECT)
			doctor_upstream(f, object);
		json_decref(root);
	}
	client_done(c);
out:
	json_decref(request);
	free(c);
}

/* The "status" object of an instance; NULL = it gives none, and may say why. */
static json_t *doctor_ask(const char *instance, char why[FINDING_TEXT_MAX])
{
	enum client_answer answer = ANSWER_BROKEN;
	json_t *request = json_pack("{s:s}", "command", "status"), *root = NULL, *status = NULL;
	struct client *c = malloc(sizeof(*c));
	const char *line, *kind;

	if (!c || client_open(c, instance))
		goto out;
	client_request(c, request, -1); /* who has hung up already may have said why */
	if (client_line(c, DOCTOR_WAIT_MS, &line) > 0)
		answer = client_parse(line, &root, &kind, &status);
	if (answer == ANSWER_ERROR)
		snprintf(why, FINDING_TEXT_MAX, "%s", kind);
	status = answer == ANSWER_OBJECT ? json_incref(status) : NULL;
	json_decref(root);
	client_done(c);
out:
	json_decref(request);
	free(c);
	return status;
}

static void doctor_instance(struct findings *f, const char *instance, struct doctor_instance *ret)
{
	char names[2][INSTANCE_NAME_MAX], why[FINDING_TEXT_MAX] = "";
	size_t running = control_instances(names, 2);
	json_t *status;

	*ret = (struct doctor_instance){ .none = !running };
	if (!instance && running != 1) {
		finding_add(f, FINDING_OK, "instance", NULL,
			    running ? "several run: --instance NAME chooses one" :
				      "none is running");
		return;
	}
	status = doctor_ask(instance ? instance : names[0], why);
	if (status) {
		doctor_status(f, status, ret);
		doctor_upstreams(f, instance ? instance : names[0]);
	} else if (why[0]) {
		finding_add(f, FINDING_NOTE, "instance", NULL, "instance %s was not looked at: %s",
			    instance ? instance : names[0], why);
	} else {
		finding_add(f, FINDING_ERROR, "instance",
			    "its log says why; `headrace down` and `up` start it anew",
			    "instance %s does not answer", instance ? instance : names[0]);
	}
	json_decref(status);
}

/* --- the command ---------------------------------------------------------------------------- */

static const struct option_spec doctor_options[] = {
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_JSON,
	CLIENT_OPTION_END,
};

static void doctor_print(const struct finding *item, bool json)
{
	char text[FINDING_TEXT_MAX];
	json_t *o;

	if (!json) {
		printf("%-8s %-9s %s\n", doctor_levels[item->level], item->area,
		       format_text(item->text, text, sizeof(text)));
		if (item->fix[0])
			printf("%18s fix: %s\n", "", item->fix);
		return;
	}
	o = json_pack("{s:{s:s, s:s, s:s}}", "finding", "level", doctor_levels[item->level], "area",
		      item->area, "text", format_text(item->text, text, sizeof(text)));
	if (item->fix[0])
		json_object_set_new(json_object_get(o, "finding"), "fix", json_string(item->fix));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

/* The worst first. */
static void doctor_report(const struct findings *f, bool json)
{
	for (int level = FINDING_ERROR; level >= FINDING_OK; level--)
		for (size_t i = 0; i < f->count; i++)
			if (f->item[i].level == (enum finding_level)level)
				doctor_print(&f->item[i], json);
	if (f->lost)
		fprintf(stderr, "headrace: %zu more findings are not shown\n", f->lost);
}

static void doctor_look(struct findings *f, const char *instance)
{
	static struct hook_programs hooks;
	struct doctor_instance in;
	struct utsname host = { 0 };
	json_t *ruleset = doctor_nft_read();

	uname(&host);
	doctor_instance(f, instance, &in);
	doctor_kernel(f, "", host.release);
	doctor_hooks_read(&hooks);
	doctor_hooks(f, &hooks, &in);
	doctor_firewall(f, ruleset, &in);
	doctor_resolver(f, "", &in);
	doctor_network(f, "", &in);
	json_decref(ruleset);
}

static int doctor_main(int argc, char **argv)
{
	static struct findings findings;
	struct client_options opts = { 0 };
	int status = EXIT_TROUBLE;

	if (option_parse_only(&doctor_command, argc, argv, &opts, &status))
		return status;
	doctor_look(&findings, opts.instance);
	doctor_report(&findings, opts.json);
	return findings_worst(&findings) >= FINDING_WARNING ? EXIT_TROUBLE : EXIT_SUCCESS;
}

const struct command doctor_command = {
	.name = "doctor",
	.operands = "",
	.summary = "look for what stands in the way on this host, and say what to do",
	.details =
		"Looks at the kernel, other BPF programs on the same hooks and their order, the\n"
		"firewall, the resolver, the network's settings and a running instance, and says\n"
		"what stands in the way, with a fix; nothing is changed. Exit status 1: there are\n"
		"warnings or errors.",
	.options = doctor_options,
	.run = doctor_main,
};
