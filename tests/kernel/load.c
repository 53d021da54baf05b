// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Loads every program of an object into the running kernel and prints how many instructions
 * its verifier looked at. With two objects the second is loaded likewise, and so on.
 *
 *   load [-i INSTRUCTIONS] [-o NAME] OBJECT...
 *                     status 0 = all of them were taken, and none had more instructions to be
 *                     looked at; -o: of programs whose name begins otherwise
 *
 * Limits: programs are loaded one object at a time with the sizes the object names; attaching
 * is proved by `headrace run` itself.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static unsigned long instructions_max = ULONG_MAX;
static const char *others; /* programs that the limit is not for */

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stdout, fmt, args) : 0;
}

static int show_program(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int r = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);

	if (r < 0) {
		printf("%s: not loaded: %s\n", bpf_program__name(prog), strerror(errno));
		return -1;
	}
	printf("%-16s %8u instructions verified, %6u bytes\n", bpf_program__name(prog),
	       info.verified_insns, info.xlated_prog_len);
	if (others && !strncmp(bpf_program__name(prog), others, strlen(others)))
		return 0;
	if (info.verified_insns > instructions_max) {
		printf("%s: %lu instructions are allowed\n", bpf_program__name(prog),
		       instructions_max);
		return -1;
	}
	return 0;
}

static int load(const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct bpf_program *prog;
	int n = 0;
	int r;

	if (!obj) {
		printf("%s: %s\n", path, strerror(errno));
		return -1;
	}
	bpf_object__for_each_program(prog, obj) bpf_program__set_autoload(prog, true);
	r = bpf_object__load(obj);
	if (r < 0)
		printf("%s: refused: %s\n", path, strerror(-r));
	bpf_object__for_each_program(prog, obj)
	{
		if (r == 0 && show_program(prog) < 0)
			r = -1;
		n++;
	}
	if (!n)
		printf("%s: no programs in it\n", path);
	bpf_object__close(obj);
	return n ? r : -1;
}

int main(int argc, char **argv)
{
	int status = 0, option;

	while ((option = getopt(argc, argv, "i:o:")) != -1) {
		if (option == 'i')
			instructions_max = strtoul(optarg, NULL, 10);
		else if (option == 'o')
			others = optarg;
		else
			return 2;
	}
	if (optind == argc)
		return 2;
	libbpf_set_print(print);
	for (int i = optind; i < argc; i++) {
		if (load(argv[i]) < 0)
			status = 1;
	}
	return status;
}
