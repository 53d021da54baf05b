/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The commands of `headrace`: one file each, one table in headrace.c. */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include "tools/option.h"

/* Exit statuses of headrace itself; `run` returns its COMMAND's otherwise. */
#define EXIT_TROUBLE 1
#define EXIT_USAGE 2
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct command {
	const char *name;
	const char *operands; /* behind the options in the synopsis, "" = none */
	const char *summary; /* one line, for the table of `headrace --help` */
	const char *details; /* below the synopsis of `headrace NAME --help` */
	const struct option_spec *options; /* ends with a NULL name */
	/* argv[0] is the command's name. Returns the exit status. */
	int (*run)(int argc, char **argv);
};

extern const struct command run_command; /* run.c */
extern const struct command status_command; /* status.c */
extern const struct command flows_command; /* flows.c */
extern const struct command drops_command; /* drops.c */
extern const struct command events_command; /* events.c */
extern const struct command dns_command; /* dns.c */
extern const struct command check_command; /* check.c */
extern const struct command reload_command; /* reload.c */
extern const struct command rules_command; /* rules.c */
extern const struct command explain_command; /* explain.c */
extern const struct command up_command; /* up.c */
extern const struct command down_command; /* up.c */
extern const struct command doctor_command; /* doctor.c */
extern const struct command mode_command; /* mode.c */
extern const struct command dump_command; /* dump.c */

#endif
