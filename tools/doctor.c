// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace doctor`: what on this host stands in the way, what is done in another way than the
 * best, and what to do about it; with and without a running instance.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "tools/client.h"
#include "tools/command.h"
#include "tools/doctor.h"
#include "tools/format.h"

#define DOCTOR_WAIT_MS 3000
#define NAMES_LISTED_MAX (NAMES_TEXT_MAX - 20) /* bytes; the rest is for how many more there are */

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

void doctor_names_add(struct doctor_names *n, const char *name)
{
	size_t used = strlen(n->text), room = NAMES_LISTED_MAX > used ? NAMES_LISTED_MAX - used : 0;
	int len = snprintf(n->text + used, room, "%s%s", n->count ? ", " : "", name);

	if (len < 0 || (size_t)len >= room) {
		n->text[used] = '\0';
		n->lost++;
	}
	n->count++;
}

const char *doctor_names_text(struct doctor_names *n)
{
	size_t used = strlen(n->text);

	if (n->lost)
		snprintf(n->text + used, sizeof(n->text) - used, " and %zu more", n->lost);
	n->lost = 0;
	return n->text;
}

/* --- an instance ---------------------------------------------------------------------------- */

typedef void doctor_answer(void *arg, const char *kind, const json_t *object);

/* False: it does not answer. What it says instead is in `why`. */
static bool doctor_read(struct client *c, doctor_answer *fn, void *arg, char why[FINDING_TEXT_MAX])
{
	enum client_answer answer = ANSWER_OBJECT;
	json_t *root = NULL, *object = NULL;
	const char *line, *kind;

	while (answer == ANSWER_OBJECT) {
		if (client_line(c, DOCTOR_WAIT_MS, &line) <= 0)
			return false;
		answer = client_parse(line, &root, &kind, &object);
		if (answer == ANSWER_OBJECT)
			fn(arg, kind, object);
		else if (answer == ANSWER_ERROR)
			snprintf(why, FINDING_TEXT_MAX, "%s", kind);
		json_decref(root);
		root = NULL;
	}
	return true;
}

/*
 * `request` is given away. 0; -ECONNREFUSED = nobody is there; -EACCES, why in `why`; or another
 * -errno.
 */
static int doctor_ask(const char *instance, json_t *request, doctor_answer *fn, void *arg,
		      char why[FINDING_TEXT_MAX])
{
	struct client *c = malloc(sizeof(*c));
	int fd, err = c && request ? control_connect(instance, &fd) : -ENOMEM;

	if (!err) {
		client_init(c, fd);
		client_request(c, request, -1); /* who has hung up already may have said why */
		if (!doctor_read(c, fn, arg, why))
			err = -ETIMEDOUT;
		else if (why[0])
			err = -EACCES;
		client_done(c);
	}
	json_decref(request);
	free(c);
	return err;
}

/* Who judges, and what is known so far. */
struct doctor_judge {
	struct findings *findings;
	struct doctor_instance *instance;
};

static void judge_status(void *arg, const char *kind, const json_t *object)
{
	struct doctor_judge *j = arg;

	doctor_status(j->findings, object, j->instance);
}

static void judge_rule(void *arg, const char *kind, const json_t *object)
{
	struct doctor_judge *j = arg;

	doctor_rule(j->instance, kind, object);
}

static void judge_dns(void *arg, const char *kind, const json_t *object)
{
	struct doctor_judge *j = arg;

	doctor_upstream(j->findings, object);
}

static void doctor_silent(struct findings *f, const char *instance, int err, const char *why)
{
	char fix[FINDING_TEXT_MAX];

	if (err == -ECONNREFUSED) {
		snprintf(fix, sizeof(fix), "`headrace up --instance %s` starts it", instance);
		finding_add(f, FINDING_ERROR, "instance", fix, "no instance %s is running",
			    instance);
	} else if (err == -EPERM || err == -EACCES) {
		finding_add(f, FINDING_NOTE, "instance", NULL, "instance %s was not looked at: %s",
			    instance, why[0] ? why : "it is another user's");
	} else {
		snprintf(fix, sizeof(fix),
			 "its log says why; `headrace down --instance %s` ends it, and `headrace "
			 "up` starts it anew",
			 instance);
		finding_add(f, FINDING_ERROR, "instance", fix, "instance %s does not answer",
			    instance);
	}
}

static void doctor_examine(struct findings *f, const char *instance, struct doctor_instance *in)
{
	struct doctor_judge j = { f, in };
	char why[FINDING_TEXT_MAX] = "";
	int err = doctor_ask(instance, json_pack("{s:s}", "command", "status"), judge_status, &j,
			     why);

	if (err) {
		doctor_silent(f, instance, err, why);
		return;
	}
	doctor_ask(instance, json_pack("{s:s}", "command", "rules"), judge_rule, &j, why);
	doctor_rules_end(in);
	doctor_ask(instance, json_pack("{s:s, s:s}", "command", "dns", "what", "stats"), judge_dns,
		   &j, why);
}

static void doctor_instance(struct findings *f, const char *instance, struct doctor_instance *ret)
{
	char names[2][INSTANCE_NAME_MAX];
	size_t running = control_instances(names, 2);

	*ret = (struct doctor_instance){ .none = !running };
	if (instance || running == 1)
		doctor_examine(f, instance ? instance : names[0], ret);
	else
		finding_add(f, FINDING_OK, "instance", NULL,
			    running ? "several run: --instance NAME chooses one" :
				      "none is running");
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
	doctor_kernel(f, "", host.release, &in);
	doctor_hooks_read(&hooks);
	doctor_hooks(f, &hooks, &in);
	doctor_firewall(f, "", ruleset, &in);
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
