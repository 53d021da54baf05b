// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * headrace, the client: a table of commands. `run` starts a private daemon; every other
 * command asks one that runs over its control socket. Links neither libbpf nor lwIP.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"

static const struct command *const commands[] = {
	&run_command,	&up_command,	  &down_command,   &status_command, &flows_command,
	&rules_command, &explain_command, &doctor_command, &drops_command,  &events_command,
	&dns_command,	&check_command,	  &reload_command, &mode_command,   &dump_command,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fputs("Usage: headrace COMMAND [OPTION...]\n\n"
	      "Forwards the traffic of this host, or of a command, and shows what it does.\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nOptions:\n"
	      "  --help     show this help and exit; `headrace COMMAND --help` for a command's\n"
	      "  --version  show the version and exit\n\n"
	      "Exit status: 0, 1 (trouble) or 2 (usage); `headrace run` has its COMMAND's.\n",
	      out);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	}
	return NULL;
}

/* Output that was lost (a full disk, a closed pipe) is an error even if all else went well. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	perror("headrace: writing the output");
	return status ? status : EXIT_TROUBLE;
}

/*
 * A standard descriptor that the caller has closed is taken, so that no socket of ours gets
 * its number and is written to by mistake. Using it fails as before: /dev/null, the wrong way.
 */
static void hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	hold_standard_descriptors();
	if (!name) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		usage(stdout);
		return finish(EXIT_SUCCESS);
	}
	if (!strcmp(name, "--version") || !strcmp(name, "-V")) {
		puts("headrace " HEADRACE_VERSION);
		return finish(EXIT_SUCCESS);
	}

	const struct command *cmd = command_find(name);

	if (!cmd) {
		fprintf(stderr, "headrace: unknown %s '%s'; see `headrace --help`\n",
			*name == '-' ? "option" : "command", name);
		return EXIT_USAGE;
	}
	return finish(cmd->run(argc - 1, argv + 1));
}
