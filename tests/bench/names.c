// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a list of blocked names costs the resolver: memory, time to load, and what it adds to
 * deciding about a query. One JSON object a line:
 *
 *   names [COUNT]          1,000,000 names, as a hosts file
 *
 * dns_block_mem   MB     resident memory that the policies took, at its highest
 * dns_block_kept  MB     and that they keep
 * dns_block_load  s      from the file to policies that decide
 * dns_block_step  ms     the longest that one turn of the loop was held up
 * dns_block_cost  us     added to a query: names asked for again and again (in the CPU's caches)
 * dns_block_cold  us     added to a query: a million names, none asked for twice
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"
#include "dns/policy.h"
#include "sample.h"

#define ASKED 1000000
#define HOT 1000 /* names that are asked for again and again */
#define PASSES 5

static const uint64_t seed[2] = { 0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL };

static void die(const char *what)
{
	fprintf(stderr, "names: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* A figure of this process's memory, in MB. */
static double memory(const char *field)
{
	char line[128];
	double kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	if (!f)
		die("status");
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, field, strlen(field)))
			kib = strtod(line + strlen(field), NULL);
	}
	fclose(f);
	return kib * 1024 / 1e6;
}

/* Names of about the length that those of published lists have. */
static void name_text(char *out, uint32_t i, const char *top)
{
	uint32_t mixed = i * 2654435761U;

	sprintf(out, "%s%x.site-%x.%s", i % 3 ? "ads" : "telemetry", mixed >> 12, mixed & 0xfffff,
		top);
}

static int make_list(uint32_t count)
{
	int fd = memfd_create("list", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");
	char name[128];

	if (!f)
		die("list");
	for (uint32_t i = 0; i < count; i++) {
		name_text(name, i, "com");
		fprintf(f, "0.0.0.0 %s\n", name);
	}
	if (fclose(f))
		die("list");
	return fd;
}

static struct policies *compile(const char *yaml, int list, double *ret_longest)
{
	static struct conf_errors errors;
	struct policies *p;
	struct conf *c;
	int r = POLICIES_MORE;

	if (conf_read(yaml, strlen(yaml), "bench", &c, &errors) < 0 ||
	    policies_begin(c, &list, seed, &p) < 0) {
		fprintf(stderr, "names: %s\n", errors.text);
		exit(1);
	}
	*ret_longest = 0;
	while (r != POLICIES_DONE) {
		double start = now_s(), took;

		r = policies_step(p);
		if (r < 0) {
			fprintf(stderr, "names: %s\n", policies_errors(p)->text);
			exit(1);
		}
		took = now_s() - start;
		*ret_longest = took > *ret_longest ? took : *ret_longest;
	}
	return p;
}

/* Seconds for ASKED decisions about the names, the best of some passes. */
static double ask(const struct policies *p, const struct name *names, uint32_t num)
{
	struct policy_verdict v;
	unsigned int blocked = 0;
	double best = 1e18;

	for (int pass = 0; pass < PASSES; pass++) {
		double start = now_s(), took;

		for (uint32_t i = 0; i < ASKED; i++) {
			policies_decide(p, 0, &names[i % num], 1, &v);
			blocked += v.action != DNS_PASS;
		}
		took = now_s() - start;
		best = took < best ? took : best;
	}
	if (blocked)
		fprintf(stderr, "names: %u names were blocked that are in no list\n", blocked);
	return best;
}

static void check_blocked(const struct policies *p, uint32_t count)
{
	char text[128];
	struct policy_verdict v;
	struct name name;

	for (uint32_t i = 0; i < count; i += 97) {
		name_text(text, i, "com");
		if (name_from_text(text, &name) < 0)
			die(text);
		policies_decide(p, 0, &name, 1, &v);
		if (v.action != DNS_NXDOMAIN) {
			fprintf(stderr, "names: %s is not blocked\n", text);
			exit(1);
		}
	}
}

static void bench_cost(const struct policies *with, const struct policies *without)
{
	struct name *names = malloc(ASKED * sizeof(*names));
	char text[128];

	if (!names)
		die("names");
	for (uint32_t i = 0; i < ASKED; i++) {
		name_text(text, i, "org");
		if (name_from_text(text, &names[i]) < 0)
			die(text);
	}
	sample("dns_block_cost", (ask(with, names, HOT) - ask(without, names, HOT)) * 1e6 / ASKED,
	       "us");
	sample("dns_block_cold",
	       (ask(with, names, ASKED) - ask(without, names, ASKED)) * 1e6 / ASKED, "us");
	free(names);
}

int main(int argc, char **argv)
{
	uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
	struct policies *without, *with;
	struct policies_figures figures;
	double before, start, longest;
	int list = make_list(count);

	without = compile("dns:\n  policies: [{name: p}]\n", -1, &longest);
	before = memory("VmRSS:");
	start = now_s();
	with = compile("dns:\n  lists: {l: {file: /l}}\n"
		       "  policies: [{name: p, rules: [{list: l, block: nxdomain}]}]\n",
		       list, &longest);
	sample("dns_block_load", now_s() - start, "s");
	sample("dns_block_step", longest * 1e3, "ms");
	sample("dns_block_mem", memory("VmHWM:") - before, "MB");
	sample("dns_block_kept", memory("VmRSS:") - before, "MB");
	policies_figures(with, &figures);
	fprintf(stderr, "names: %llu names, %llu beside the table, %llu bytes\n",
		(unsigned long long)figures.names, (unsigned long long)figures.spilled,
		(unsigned long long)figures.bytes);
	check_blocked(with, count);
	bench_cost(with, without);
	policies_put(with);
	policies_put(without);
	close(list);
	return 0;
}
