// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * headraced: what the command line asks for, and the way to the process that does it. The
 * same executable is main (supervisor/) and, run again by main with --role, each of its
 * roles.
 *
 * Options are a table of name, argument, help and setter; --help is printed from it. Exit
 * status 2: the command line is wrong; 1: it could not be done.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/role.h"
#include "datapath/kernel.h"
#include "dns/resolver.h"
#include "netdev/tun.h"
#include "supervisor/config.h"
#include "supervisor/host.h"
#include "supervisor/privilege.h"
#include "supervisor/run.h"
#include "worker/worker.h"

#define EXIT_USAGE 2

enum mode { MODE_NONE, MODE_RUN_FD, MODE_TUN_FD, MODE_CLEAN, MODE_HELP, MODE_VERSION };

struct arguments {
	enum mode mode;
	const char *serving; /* an option of one that serves in the foreground, NULL = none */
	bool named; /* --instance was given */
	int run_fd;
	const char *config; /* NULL = none */
	const char *tun; /* name of one that is there, NULL = none */
	struct instance_options options;
};

static int parse_number(const char *text, long long *ret_n)
{
	char *end;

	errno = 0;
	*ret_n = strtoll(text, &end, 10);
	return errno || end == text || *end ? -EINVAL : 0;
}

static int parse_descriptor(const char *text, int *ret_fd, char *err)
{
	long long n;

	if (parse_number(text, &n) || n < 0 || n > 1 << 20) {
		snprintf(err, OPTIONS_ERROR_MAX, "'%.40s' is not the number of a descriptor", text);
		return -EINVAL;
	}
	*ret_fd = (int)n;
	return 0;
}

static int set_mode(struct arguments *a, enum mode mode, char *err)
{
	if (a->mode != MODE_NONE && a->mode != mode) {
		snprintf(err, OPTIONS_ERROR_MAX,
			 "only one of --run-fd, --tun-fd, --clean, --help and "
			 "--version can be given");
		return -EINVAL;
	}
	a->mode = mode;
	return 0;
}

static int take_help(struct arguments *a, const char *value, char *err)
{
	return set_mode(a, MODE_HELP, err);
}

static int take_version(struct arguments *a, const char *value, char *err)
{
	return set_mode(a, MODE_VERSION, err);
}

static int take_run_fd(struct arguments *a, const char *value, char *err)
{
	int r = parse_descriptor(value, &a->run_fd, err);

	return r ? r : set_mode(a, MODE_RUN_FD, err);
}

static int take_tun_fd(struct arguments *a, const char *value, char *err)
{
	int r = parse_descriptor(value, &a->options.tun_fd, err);

	a->options.tun_handed = true;
	return r ? r : set_mode(a, MODE_TUN_FD, err);
}

/* Opened when everything else is read. */
static int take_tun(struct arguments *a, const char *value, char *err)
{
	a->tun = value;
	a->options.tun_handed = true;
	return set_mode(a, MODE_TUN_FD, err);
}

static int take_clean(struct arguments *a, const char *value, char *err)
{
	return set_mode(a, MODE_CLEAN, err);
}

/* Only noted: it has been read before the options that win over it. */
static int take_config(struct arguments *a, const char *value, char *err)
{
	a->serving = "--config";
	a->config = value;
	return 0;
}

static int take_instance(struct arguments *a, const char *value, char *err)
{
	a->serving = "--instance";
	a->named = true;
	return options_set_instance(&a->options, value, err);
}

static int take_dns(struct arguments *a, const char *value, char *err)
{
	a->serving = "--dns";
	return options_add_dns(&a->options, value, err);
}

static int take_host_loopback(struct arguments *a, const char *value, char *err)
{
	a->serving = "--host-loopback";
	return options_set_host_loopback(&a->options, value, err);
}

static int take_mtu(struct arguments *a, const char *value, char *err)
{
	long long n;

	a->serving = "--mtu";
	if (parse_number(value, &n)) {
		snprintf(err, OPTIONS_ERROR_MAX, "MTU '%.40s' is not a number", value);
		return -EINVAL;
	}
	return options_set_mtu(&a->options, n, err);
}

static int take_no_ipv6(struct arguments *a, const char *value, char *err)
{
	a->serving = "--no-ipv6";
	a->options.ipv6 = false;
	return 0;
}

static int take_limit(struct arguments *a, const char *value, char *err)
{
	a->serving = "--limit";
	return limits_set_text(&a->options.limits, value, err);
}

static int take_log(struct arguments *a, const char *value, char *err)
{
	a->serving = "--log";
	return options_set_log(&a->options, value, err);
}

static const struct option_spec {
	const char *name;
	const char *value; /* what its argument is called in --help, NULL = none */
	int (*take)(struct arguments *a, const char *value, char *err);
	const char *help; /* lines of at most 52 characters; NULL = hidden */
} specs[] = {
	{ "--config", "FILE", take_config,
	  "configuration, see headrace.yaml(5); also -c FILE;\nother options win over it" },
	{ "--instance", "NAME", take_instance,
	  "name of the instance (default: host, with a TUN\nthat was handed in run-PID)" },
	{ "--tun-fd", "N", take_tun_fd,
	  "serve the TUN that is open as descriptor N, and\nnothing else of the host" },
	{ "--tun", "NAME", take_tun, "the same with a persistent TUN, see ip-tuntap(8)" },
	{ "--clean", NULL, take_clean,
	  "take away what a daemon of that name has left that\nwas killed, and end" },
	{ "--dns", "ADDRESS[:PORT]", take_dns,
	  "upstream DNS server, may be given up to 8 times\n(default: the host's own)" },
	{ "--host-loopback", "ADDRESS", take_host_loopback,
	  "forward this address to the host's 127.0.0.1 or ::1" },
	{ "--mtu", "N", take_mtu, "send no larger packets to the TUN (default: its MTU)" },
	{ "--no-ipv6", NULL, take_no_ipv6, "IPv4 only" },
	{ "--limit", "NAME=N", take_limit, "how much may be held: see headrace(1)" },
	{ "--log", "LEVEL", take_log, "error, warn, info or debug (default: info)" },
	{ "--run-fd", "N", take_run_fd, NULL }, /* as `headrace run` starts it */
	{ "--help", NULL, take_help, "show this" },
	{ "--version", NULL, take_version, "show the version" },
};

#define SPECS (sizeof(specs) / sizeof(specs[0]))

static int usage_error(const char *text)
{
	fprintf(stderr, "headraced: %s (see headraced --help)\n", text);
	return EXIT_USAGE;
}

static void print_option(const struct option_spec *s)
{
	const char *help = s->help;
	char left[64];

	snprintf(left, sizeof(left), "%s%s%s", s->name, s->value ? " " : "",
		 s->value ? s->value : "");
	for (size_t len; *help; help += len + (help[len] == '\n'), left[0] = '\0') {
		len = strcspn(help, "\n");
		printf("  %-25s %.*s\n", left, (int)len, help);
	}
}

static void print_help(void)
{
	printf("Usage: headraced -c FILE [OPTION...]\n"
	       "       headraced --tun-fd N | --tun NAME [OPTION...]\n"
	       "       headraced --clean [--instance NAME]\n\n"
	       "The daemon of headrace(1), in the foreground until SIGTERM; SIGHUP: it reads its\n"
	       "configuration again. `headrace up` starts it in the background, `headrace run`\n"
	       "one for a command.\n\n"
	       "Options:\n");
	for (size_t i = 0; i < SPECS; i++)
		if (specs[i].help)
			print_option(&specs[i]);
}

static const struct option_spec *spec_find(const char *name, size_t len)
{
	if (len == 2 && !strncmp(name, "-c", len))
		return spec_find("--config", strlen("--config"));
	for (size_t i = 0; i < SPECS; i++)
		if (strlen(specs[i].name) == len && !strncmp(specs[i].name, name, len))
			return &specs[i];
	return NULL;
}

/* One option, as `--name value` or `--name=value`. Moves *i behind it. */
static int parse_one(struct arguments *a, int argc, char **argv, int *i, char *err)
{
	const char *arg = argv[(*i)++], *value = strchr(arg, '=');
	const struct option_spec *s = spec_find(arg, value ? (size_t)(value - arg) : strlen(arg));

	if (!s) {
		snprintf(err, OPTIONS_ERROR_MAX, "'%.60s': no such option", arg);
		return -EINVAL;
	}
	if (!s->value && value) {
		snprintf(err, OPTIONS_ERROR_MAX, "%s takes no value", s->name);
		return -EINVAL;
	}
	if (value)
		value++;
	else if (s->value && *i < argc)
		value = argv[(*i)++];
	if (s->value && !value) {
		snprintf(err, OPTIONS_ERROR_MAX, "%s needs a value: %s", s->name, s->value);
		return -EINVAL;
	}
	return s->take(a, value, err);
}

/* What the options contradict together. NULL = nothing. */
static const char *contradiction(const struct arguments *a)
{
	static char text[96];

	if (a->mode == MODE_NONE && !a->config)
		return "nothing to do: give -c FILE for the daemon of this host, or --tun-fd";
	if (a->tun && a->options.tun_fd >= 0)
		return "only one of --tun-fd and --tun can be given";
	if (a->mode != MODE_RUN_FD || !a->serving)
		return NULL;
	snprintf(text, sizeof(text), "%s is not for --run-fd", a->serving);
	return text;
}

static int parse_all(struct arguments *a, int argc, char **argv, char *err)
{
	for (int i = 1; i < argc;)
		if (parse_one(a, argc, argv, &i, err))
			return -EINVAL;
	return 0;
}

static void arguments_init(struct arguments *a)
{
	*a = (struct arguments){ .mode = MODE_NONE, .run_fd = -1 };
	options_init(&a->options);
	a->options.log_level = LOG_LEVEL_INFO;
}

/* Reads the file, then the options once more over what it says. False: it has been said why. */
static bool configure(struct arguments *a, int argc, char **argv, struct config *config)
{
	static struct conf_errors errors;
	char file[PATH_MAX], err[OPTIONS_ERROR_MAX];
	const char *name = a->config;

	if (!name)
		return true;
	if (conf_file_absolute(name, file) || config_read(config, file, &errors)) {
		fprintf(stderr, "%s", errors.used ? errors.text : "headraced: name too long\n");
		return false;
	}
	fprintf(stderr, "%s", errors.text); /* warnings */
	arguments_init(a);
	options_from_conf(&a->options, config->conf);
	return !parse_all(a, argc, argv, err);
}

/* Without a TUN that was handed in it is the daemon of this host. */
static void serve_host(struct arguments *a)
{
	char err[OPTIONS_ERROR_MAX];

	a->options.host = !a->options.tun_handed;
	if (a->options.host && !a->named)
		options_set_instance(&a->options, INSTANCE_HOST, err);
}

/* A role: `--role KIND SLOT PROTECT`, with its socket as ROLE_FD. */
static int role_main(char **argv)
{
	static char who[32];
	bool worker = !strcmp(argv[0], "worker");
	enum role_kind kind = worker ? ROLE_WORKER : ROLE_RESOLVER;
	int protect = 0;
	const char *what;
	int type, err, status;
	socklen_t len = sizeof(type);

	while (protect < PROTECT_NUM && strcmp(argv[2], privilege_protect_names[protect]) != 0)
		protect++;
	prctl(PR_SET_NAME, "headraced"); /* what ps and top show; "exe" after the re-exec */
	snprintf(who, sizeof(who), worker ? "headraced[worker %s]" : "headraced[resolver]",
		 argv[1]);
	log_setup(who, LOG_LEVEL_INFO);
	if (protect == PROTECT_NUM || getsockopt(ROLE_FD, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    type != SOCK_SEQPACKET)
		return usage_error("--role is for headraced itself");
	err = privilege_drop(kind, (enum protect_mode)protect, &what);
	if (err) {
		log_err("role", "cannot drop privilege (%s): %s", what, strerror(-err));
		return EXIT_FAILURE;
	}
	status = worker ? worker_main() : resolver_main();
	/* the kill is on its way: nothing at the exit, a leak check least of all, has time */
	if (role_is_orphan())
		_exit(status);
	return status;
}

int main(int argc, char **argv)
{
	char err[OPTIONS_ERROR_MAX];
	struct config config;
	struct arguments a;
	const char *wrong;

	if (argc == 5 && !strcmp(argv[1], "--role"))
		return role_main(argv + 2);
	arguments_init(&a);
	if (parse_all(&a, argc, argv, err))
		return usage_error(err);
	wrong = contradiction(&a);
	if (wrong)
		return usage_error(wrong);
	log_setup("headraced[main]", LOG_LEVEL_INFO);
	switch (a.mode) {
	case MODE_HELP:
		print_help();
		return EXIT_SUCCESS;
	case MODE_VERSION:
		printf("headraced %s\n", HEADRACE_VERSION);
		return EXIT_SUCCESS;
	case MODE_RUN_FD:
		return run_inherited(a.run_fd);
	case MODE_CLEAN:
		kernel_clean_instance(a.named ? a.options.instance : INSTANCE_HOST);
		host_clean(a.named ? a.options.instance : INSTANCE_HOST);
		return EXIT_SUCCESS;
	default:
		config_init(&config);
		if (!configure(&a, argc, argv, &config))
			return EXIT_FAILURE;
		if (a.tun && tun_open_existing(a.tun, &a.options.tun_fd, err)) {
			fprintf(stderr, "headraced: %s\n", err);
			return EXIT_FAILURE;
		}
		a.options.unprivileged = a.tun && geteuid();
		if (a.options.unprivileged)
			a.options.uid = geteuid();
		serve_host(&a);
		return run_foreground(&a.options, &config);
	}
}
