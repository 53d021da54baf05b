// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Puts lossy.bpf.c in front of everything else at devices of this network namespace, until
 * it is ended by SIGTERM; then it prints what was done to how many packets.
 *
 *   lossy OBJECT DROP REORDER DUPLICATE SEED DEVICE/in|DEVICE/out...
 *
 * Rates are of 10,000 packets. Status 77: this kernel has no tcx (Linux 6.6).
 */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* Of Linux 6.6, by number: Debian 12's headers end before them. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47
#define ATTACH_BEFORE (1U << 3)

#define PLACES_MAX 8

/* As they lie in the object, in the order of their declaration. */
struct rates {
	__u32 drop, reorder, duplicate, seed;
};
struct counts {
	__u64 packets, dropped, reordered, duplicated;
};

__attribute__((noreturn)) static void die(const char *what, int error)
{
	fprintf(stderr, "lossy: %s: %s\n", what, strerror(error));
	exit(error == EINVAL ? 77 : 1);
}

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, args) : 0;
}

static struct bpf_map *section(struct bpf_object *obj, const char *suffix)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);

		if (strlen(name) > strlen(suffix) &&
		    strcmp(name + strlen(name) - strlen(suffix), suffix) == 0)
			return map;
	}
	die(suffix, ENOENT);
}

static struct bpf_object *load(const char *path, const struct rates *rates)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);

	if (!obj)
		die(path, errno);
	if (bpf_map__set_initial_value(section(obj, ".rodata"), rates, sizeof(*rates)) < 0)
		die("rates", EIO);
	if (bpf_object__load(obj) < 0)
		die("load", EIO);
	return obj;
}

static void attach(const struct bpf_object *obj, char *place)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = ATTACH_BEFORE);
	char *way = strchr(place, '/');
	const struct bpf_program *prog;
	bool in;

	if (!way || (strcmp(way, "/in") != 0 && strcmp(way, "/out") != 0))
		die(place, EDOM);
	*way++ = '\0';
	in = strcmp(way, "in") == 0;
	prog = bpf_object__find_program_by_name(obj, in ? "lossy_in" : "lossy_out");
	if (!if_nametoindex(place))
		die(place, errno);
	if (bpf_link_create(bpf_program__fd(prog), (int)if_nametoindex(place),
			    in ? ATTACH_TCX_INGRESS : ATTACH_TCX_EGRESS, &opts) < 0)
		die("attach", errno);
}

/* Returns with SIGTERM, SIGINT or SIGHUP, which are blocked before "ready" is said. */
static void wait_for_end(void)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	puts("ready");
	fflush(stdout);
	sigwait(&set, &sig);
}

int main(int argc, char **argv)
{
	struct rates rates;
	struct counts counts;
	struct bpf_object *obj;
	__u32 key = 0;

	if (argc < 7 || argc > 6 + PLACES_MAX) {
		fputs("usage: lossy OBJECT DROP REORDER DUPLICATE SEED DEVICE/in|out...\n", stderr);
		return 2;
	}
	libbpf_set_print(print);
	rates.drop = (__u32)strtoul(argv[2], NULL, 10);
	rates.reorder = (__u32)strtoul(argv[3], NULL, 10);
	rates.duplicate = (__u32)strtoul(argv[4], NULL, 10);
	rates.seed = (__u32)strtoul(argv[5], NULL, 10);
	obj = load(argv[1], &rates);
	for (int i = 6; i < argc; i++)
		attach(obj, argv[i]);
	wait_for_end();
	if (bpf_map_lookup_elem(bpf_map__fd(section(obj, ".bss")), &key, &counts) < 0)
		die("counts", errno);
	printf("%llu packets, %llu dropped, %llu reordered, %llu duplicated\n", counts.packets,
	       counts.dropped, counts.reordered, counts.duplicated);
	bpf_object__close(obj);
	return 0;
}
