// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What rules about flows cost: 1,024 of them with 100,000 networks, from the text of a
 * configuration to a generation in force, and a decision. One JSON object a line:
 *
 *   rules [RULES [NETWORKS]]
 *
 * rules_read     s    from text to structure, of a file of that size
 * rules_compile  s    from structure to tables
 * rules_load     s    from tables to the kernel half, in force
 * rules_mem      MB   that its maps take, as the kernel counts them
 * rules_cost     us   a decision more than without rules: to one address, again and again
 * rules_cold     us   the same: to addresses of which none comes twice
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "lib/rules_kernel.h"
#include "policy/compile.h"
#include "sample.h"

#define DECISIONS 100000
#define PASSES 5

static struct headrace *skel;
static struct kernel kernel;
static uint64_t chance = 0x243f6a8885a308d3ULL;

static void die(const char *what, int err)
{
	fprintf(stderr, "rules: %s: %s\n", what, strerror(err));
	exit(1);
}

static uint32_t next_random(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)(chance >> 16);
}

static int say_nothing(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

static void load_program(void)
{
	int err;

	libbpf_set_print(say_nothing);
	err = rules_kernel_load(&skel);
	if (err)
		die("load", -err);
	err = rules_kernel_open(skel, &kernel);
	if (err)
		die("maps", -err);
}

/* Rules of several conditions each; networks of all lengths, many within others. */
static char *write_conf(unsigned int rules, unsigned int networks)
{
	size_t room = 256 + rules * 128UL + networks * 24UL, used;
	char *text = malloc(room);

	if (!text)
		die("memory", ENOMEM);
	used = (size_t)snprintf(text, room, "default: direct\nrules:\n");
	for (unsigned int i = 0; i < rules; i++) {
		unsigned int num = networks / rules + (i < networks % rules);

		used += (size_t)snprintf(text + used, room - used,
					 "  - {port: %u-%u, protocol: tcp, action: %s, "
					 "destination: [",
					 1 + i * 50, 1000 + i * 60, i % 2 ? "drop" : "forward");
		for (unsigned int j = 0; j < num; j++) {
			unsigned int bits = 12 + next_random() % 21;
			uint32_t a = next_random() & ~0U << (32 - bits);

			used += (size_t)snprintf(text + used, room - used, "%s%u.%u.%u.%u/%u",
						 j ? "," : "", a >> 24, a >> 16 & 255, a >> 8 & 255,
						 a & 255, bits);
		}
		used += (size_t)snprintf(text + used, room - used, "]}\n");
	}
	return text;
}

static double memory_of(int fd)
{
	char path[64], line[128];
	double bytes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "memlock: %lf", &bytes) == 1)
			break;
	if (f)
		fclose(f);
	return bytes / 1e6;
}

/* Microseconds of a decision, the fastest of some passes. cold: each to another address. */
static double decide(bool cold)
{
	double best = 1e9;

	for (int pass = 0; pass < PASSES; pass++) {
		double start = now_s(), took;

		for (unsigned int i = 0; i < DECISIONS; i++) {
			struct rule_try_args args = { .facts.known = RULE_KNOWN_ALWAYS,
						      .facts.proto = 6,
						      .facts.dport = 443 };
			uint32_t a = cold ? next_random() : 0x0a0b0c0d;

			args.facts.daddr.b[10] = args.facts.daddr.b[11] = 0xff;
			memcpy(args.facts.daddr.b + 12, &a, 4);
			if (kernel_rules_try(&kernel, &args))
				die("rules_try", errno);
		}
		took = (now_s() - start) * 1e6 / DECISIONS;
		best = took < best ? took : best;
	}
	return best;
}

static struct conf *read_conf(const char *text)
{
	static struct conf_errors errors;
	struct conf *c;
	int err = conf_read(text, strlen(text), "bench", &c, &errors);

	if (err) {
		fprintf(stderr, "%s", errors.text);
		die("conf", -err);
	}
	return c;
}

struct cost {
	double warm, cold;
};

/* Microseconds of a decision under these rules. */
static struct cost bench(const char *text, bool tell)
{
	struct policy_source source = { .fallback = VERDICT_DIRECT };
	struct policy_tables t;
	struct cost cost;
	double start = now_s();
	struct conf *c = read_conf(text);
	int err;

	if (tell)
		sample("rules_read", now_s() - start, "s");
	source.conf = c;
	start = now_s();
	err = policy_compile(&source, &t);
	if (err)
		die("compile", -err);
	if (tell)
		sample("rules_compile", now_s() - start, "s");
	start = now_s();
	err = kernel_rules_load(&kernel, &t, false);
	if (err)
		die("load", -err);
	if (tell) {
		sample("rules_load", now_s() - start, "s");
		sample("rules_mem",
		       memory_of(kernel.rules.now.sets) + memory_of(kernel.rules.now.values) +
			       memory_of(kernel.rules.now.prefixes),
		       "MB");
		fprintf(stderr, "rules: %u sets, %u prefixes\n", t.sets, t.prefixes);
	}
	cost = (struct cost){ .warm = decide(false), .cold = decide(true) };
	policy_tables_done(&t);
	conf_free(c);
	return cost;
}

int main(int argc, char **argv)
{
	unsigned int rules = argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : 1024;
	unsigned int networks = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 100000;
	struct cost without, with;
	char *text;

	load_program();
	without = bench("", false);
	text = write_conf(rules, networks);
	with = bench(text, true);
	sample("rules_cost", with.warm - without.warm, "us");
	sample("rules_cold", with.cold - without.cold, "us");
	free(text);
	rules_kernel_close(skel, &kernel);
	return 0;
}
