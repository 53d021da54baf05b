// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace run`: the life cycle of one command behind a forwarder of its own.
 *
 *	check the options        usage errors end here: nothing was changed
 *	headraced                started over a socket pair (daemon.c); sends the namespace
 *	COMMAND                  forked into it (job.c, sandbox.c, user.c)
 *	wait                     for signals, COMMAND, and the life line to headraced
 *	report, stop             on stderr; headraced takes everything down
 *	exit                     as COMMAND did, by the same signal where it was killed
 *
 * Signals are blocked from the first step on and read from a signalfd, so that none is lost
 * between two steps; before COMMAND runs they end the start, afterwards job.c says what
 * becomes of them. With --tun-fd there is no namespace: COMMAND, if there is one, runs where
 * the caller is, and without one the forwarder runs until it is interrupted.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/budget.h"
#include "base/clock.h"
#include "base/control.h"
#include "base/limits.h"
#include "base/log.h"
#include "bpf/contract.h"
#include "conf/conf.h"
#include "conf/file.h"
#include "tools/command.h"
#include "tools/config.h"
#include "tools/daemon.h"
#include "tools/job.h"
#include "tools/report.h"
#include "tools/sandbox.h"
#include "tools/user.h"

#define LOST_GRACE_MS 5000 /* for COMMAND to end after its network has vanished */
#define WORKERS_AUTO "auto"

struct run_options {
	struct option_list dns;
	struct option_list limits;
	const char *config;
	const char *host_loopback;
	const char *instance;
	const char *log;
	const char *user;
	const char *workers; /* "auto" or a number, NULL = the daemon's default */
	long mtu;
	long tun_fd;
	bool no_ipv6;
	bool report;
	bool quiet;
	bool json;
};

struct run {
	const struct run_options *opts;
	char **argv; /* COMMAND; argv[0] is NULL without one */
	struct user user;
	struct daemon daemon;
	struct job job;
	sigset_t caller_mask;
	int signal_fd;
	int interrupted; /* signal that ended the start, or the wait without a COMMAND */
	char instance[INSTANCE_NAME_MAX];
	char config[PATH_MAX]; /* absolute: headraced has another directory */
};

/* CPUs that we, and so the daemon, may run on. */
static int run_cpus(void)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return cpus < WORKERS_MAX ? cpus : WORKERS_MAX;
}

/* A TUN that is handed in has one queue, and so one reader. */
static int run_workers(const struct run_options *o)
{
	if (strcmp(o->workers, WORKERS_AUTO) != 0)
		return (int)strtol(o->workers, NULL, 10);
	return o->tun_fd >= 0 ? 1 : run_cpus();
}

static const char *dns_wrong(const char *text)
{
	struct endpoint ep;

	if (endpoint_parse(text, DNS_PORT, &ep))
		return "not an address, ADDRESS:PORT or [ADDRESS]:PORT";
	return addr_is_zero(&ep.addr) || addr_is_multicast(&ep.addr) ? "not a unicast address" :
								       NULL;
}

static const char *host_loopback_wrong(const char *text)
{
	struct addr a;

	if (addr_parse(text, &a))
		return "not an address";
	if (addr_is_zero(&a) || addr_is_multicast(&a) || addr_is_loopback(&a) ||
	    addr_is_link_local(&a))
		return "not an address that COMMAND can reach through the TUN";
	return NULL;
}

static const char *mtu_wrong(const char *text)
{
	char *end;
	long mtu = strtol(text, &end, 10);

	if (end == text || *end)
		return "not a number";
	return mtu && (mtu < MTU_MIN || mtu > MTU_MAX) ? "not 0 or a number from 1280 to 65535" :
							 NULL;
}

static const char *workers_wrong(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (!strcmp(text, WORKERS_AUTO))
		return NULL;
	return end == text || *end || n < 1 || n > WORKERS_MAX ?
		       "not auto or a number from 1 to 16" :
		       NULL;
}
_Static_assert(WORKERS_MAX == 16, "as the texts of --workers say");

static const char *limit_wrong(const char *text)
{
	static char err[BUDGET_ERROR_MAX];
	struct limits l;

	limits_init(&l);
	return limits_set_text(&l, text, err) ? err : NULL;
}

#define RUN_FIELD(field) .offset = offsetof(struct run_options, field)

static const struct option_spec run_options[] = {
	{ .name = "config",
	  .letter = 'c',
	  .value = "FILE",
	  .kind = OPTION_TEXT,
	  RUN_FIELD(config),
	  .help = "configuration, see headrace.yaml(5); other options win over it (default: none)" },
	{ .name = "dns",
	  .value = "ADDRESS",
	  .kind = OPTION_LIST,
	  RUN_FIELD(dns),
	  .max = DNS_UPSTREAMS_MAX,
	  .wrong = dns_wrong,
	  .help = "upstream DNS server, with :PORT if it is not 53; may be given up to 8 times "
		  "(default: what the host uses)" },
	{ .name = "no-ipv6",
	  .kind = OPTION_FLAG,
	  RUN_FIELD(no_ipv6),
	  .help = "give the namespace IPv4 only" },
	{ .name = "mtu",
	  .value = "N",
	  .kind = OPTION_NUMBER,
	  RUN_FIELD(mtu),
	  .max = MTU_MAX,
	  .wrong = mtu_wrong,
	  .help = "MTU of the TUN, 1280 to 65535 (default: 1500)" },
	{ .name = "workers",
	  .value = "N",
	  .kind = OPTION_TEXT,
	  RUN_FIELD(workers),
	  .wrong = workers_wrong,
	  .help = "processes that carry the traffic, 1 to 16, or auto: one per CPU (default: 1)" },
	{ .name = "user",
	  .value = "NAME",
	  .kind = OPTION_TEXT,
	  RUN_FIELD(user),
	  .help = "run COMMAND as this user (default: who called sudo)" },
	{ .name = "limit",
	  .value = "NAME=N",
	  .kind = OPTION_LIST,
	  RUN_FIELD(limits),
	  .max = OPTION_LIST_MAX,
	  .wrong = limit_wrong,
	  .help = "how much may be held, of flows or by one source for instance; the names are in "
		  "headrace(1) and `headrace status` (default: three quarters for one source)" },
	{ .name = "host-loopback",
	  .value = "ADDRESS",
	  .kind = OPTION_TEXT,
	  RUN_FIELD(host_loopback),
	  .wrong = host_loopback_wrong,
	  .help = "connections to this address reach the host's 127.0.0.1 or ::1 (default: none)" },
	{ .name = "instance",
	  .value = "NAME",
	  .kind = OPTION_TEXT,
	  RUN_FIELD(instance),
	  .wrong = client_instance_wrong,
	  .help = "name for `headrace status` and the pinned maps (default: run-PID)" },
	{ .name = "report",
	  .kind = OPTION_FLAG,
	  RUN_FIELD(report),
	  .help = "report every flow at the end (default: the 20 largest)" },
	{ .name = "quiet", .kind = OPTION_FLAG, RUN_FIELD(quiet), .help = "no report" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  RUN_FIELD(json),
	  .help = "report every flow as a JSON line" },
	{ .name = "tun-fd",
	  .value = "N",
	  .kind = OPTION_NUMBER,
	  RUN_FIELD(tun_fd),
	  .max = 1 << 20,
	  .help = "forward what comes from this open TUN descriptor; COMMAND is optional and "
		  "runs where you are" },
	{ .name = "log",
	  .value = "LEVEL",
	  .kind = OPTION_TEXT,
	  RUN_FIELD(log),
	  .wrong = daemon_log_wrong,
	  .help = "what headraced says on stderr: error, warn, info or debug (default: warn)" },
	{ .name = NULL },
};

static int run_usage(const char *text)
{
	fprintf(stderr, "headrace run: %s; see `headrace run --help`\n", text);
	return EXIT_USAGE;
}

/* What the table cannot check. 0 or the exit status after one line on stderr. */
static int run_check(const struct run *r)
{
	const struct run_options *o = r->opts;

	if (!r->argv[0] && o->tun_fd < 0)
		return run_usage("no COMMAND given");
	if (o->tun_fd >= 0 && fcntl((int)o->tun_fd, F_GETFD) < 0)
		return run_usage("--tun-fd: no such open descriptor");
	if (o->tun_fd >= 0)
		fcntl((int)o->tun_fd, F_SETFD, FD_CLOEXEC); /* headraced's, not COMMAND's */
	if (o->tun_fd >= 0 && o->workers && run_workers(o) > 1)
		return run_usage("--tun-fd brings one queue, which takes one worker");
	if (o->quiet && (o->report || o->json))
		return run_usage("--quiet excludes --report and --json");
	return 0;
}

/* All that is wrong with the file, before anything is begun. 0 or the exit status. */
static int run_config(struct run *r)
{
	struct conf *conf;

	if (!r->opts->config)
		return 0;
	if (conf_file_absolute(r->opts->config, r->config)) {
		fprintf(stderr, "headrace: %s: name too long\n", r->opts->config);
		return EXIT_TROUBLE;
	}
	conf = config_check(r->opts->config);
	if (conf && (conf->given & CONF_GIVEN_CAPTURE))
		fprintf(stderr,
			"headrace: %s: `capture` is for `headrace up` and not heeded here\n",
			r->opts->config);
	conf_free(conf);
	return conf ? 0 : EXIT_TROUBLE;
}

static int run_root(void)
{
	if (!geteuid())
		return 0;
	fprintf(stderr, "headrace: run needs root for the namespace, the TUN and BPF; "
			"use `sudo headrace run ...`, which runs COMMAND as you\n");
	return EXIT_TROUBLE;
}

static json_t *run_dns_servers(const struct option_list *dns)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < dns->count; i++)
		json_array_append_new(array, json_string(dns->items[i]));
	return array;
}

/* Those that are not the defaults. */
static json_t *run_limits(const struct option_list *given)
{
	char err[BUDGET_ERROR_MAX];
	struct limits l, standard;
	json_t *o = json_object();

	limits_init(&l);
	limits_init(&standard);
	for (size_t i = 0; i < given->count; i++)
		limits_set_text(&l, given->items[i], err); /* was checked */
	for (int i = 0; o && i < LIMIT_NUM; i++)
		if (l.n[i] != standard.n[i])
			json_object_set_new(o, limit_name((enum limit)i),
					    json_integer((json_int_t)l.n[i]));
	return o;
}

/* Freed by the caller; NULL = no memory. */
static json_t *run_request(struct run *r)
{
	const struct run_options *o = r->opts;
	json_t *q = json_pack("{s:s, s:s, s:I}", "command", "run", RUN_INSTANCE, r->instance,
			      RUN_UID, (json_int_t)r->user.uid);

	if (q && o->config)
		json_object_set_new(q, RUN_CONFIG, json_string(r->config));
	if (q && o->dns.count)
		json_object_set_new(q, RUN_DNS, run_dns_servers(&o->dns));
	if (q && o->no_ipv6)
		json_object_set_new(q, RUN_IPV6, json_false());
	if (q && o->mtu >= 0)
		json_object_set_new(q, RUN_MTU, json_integer(o->mtu));
	if (q && o->host_loopback)
		json_object_set_new(q, RUN_HOST_LOOPBACK, json_string(o->host_loopback));
	if (q && o->workers)
		json_object_set_new(q, RUN_WORKERS, json_integer(run_workers(o)));
	if (q && o->log)
		json_object_set_new(q, RUN_LOG, json_string(o->log));
	if (q && o->limits.count)
		json_object_set_new(q, RUN_LIMITS, run_limits(&o->limits));
	if (q && o->tun_fd >= 0)
		json_object_set_new(q, RUN_TUN_FD, json_true());
	if (q && (o->report || o->json))
		json_object_set_new(q, RUN_REPORT_FULL, json_true());
	return q;
}

/*
 * Blocks signals and opens the descriptor they come by. Stop signals are blocked too while a
 * COMMAND runs (see job.c), but are nobody's to read.
 */
static int run_signals(struct run *r)
{
	sigset_t read_set;
	sigset_t block_set;

	signal(SIGCHLD, SIG_DFL); /* ignored by the caller, no child could be waited for */
	job_signals(&read_set);
	block_set = read_set;
	if (r->argv[0]) {
		sigaddset(&block_set, SIGTSTP);
		sigaddset(&block_set, SIGTTIN);
		sigaddset(&block_set, SIGTTOU);
	}
	sigprocmask(SIG_BLOCK, &block_set, &r->caller_mask);
	r->signal_fd = signalfd(-1, &read_set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd >= 0)
		return 0;
	perror("headrace: signalfd");
	return -1;
}

static bool ends_start(uint32_t signal)
{
	return signal == SIGINT || signal == SIGQUIT || signal == SIGTERM || signal == SIGHUP;
}

/* Reads the waiting signals. Without a running job those that end a program are noted. */
static void run_read_signals(struct run *r)
{
	struct signalfd_siginfo si;

	while (read(r->signal_fd, &si, sizeof(si)) == sizeof(si)) {
		if (r->job.pid)
			job_signal(&r->job, &si);
		else if (ends_start(si.ssi_signo))
			r->interrupted = (int)si.ssi_signo;
	}
	job_reap(&r->job);
}

/* Waits for a signal or something from headraced. False if the time is up. */
static bool run_poll(struct run *r, int timeout_ms, bool *ret_daemon)
{
	struct pollfd p[2] = { { .fd = r->signal_fd, .events = POLLIN },
			       { .fd = r->daemon.client.fd, .events = POLLIN } };
	int n = poll(p, 2, timeout_ms);

	*ret_daemon = n > 0 && p[1].revents;
	if (n > 0 && p[0].revents)
		run_read_signals(r);
	return n != 0;
}

static int run_wait_ready(struct run *r)
{
	uint64_t deadline = clock_ms() + DAEMON_READY_MS;
	int ready = 0;

	while (!ready && !r->interrupted) {
		uint64_t now = clock_ms();
		bool readable;

		if (now >= deadline || !run_poll(r, (int)(deadline - now), &readable)) {
			fprintf(stderr, "headrace: headraced was not ready within %d s\n",
				DAEMON_READY_MS / 1000);
			return -1;
		}
		if (readable)
			ready = daemon_progress(&r->daemon);
	}
	if (ready > 0 && r->opts->tun_fd < 0 && (r->daemon.netns_fd < 0 || !*r->daemon.stack4)) {
		fprintf(stderr, "headrace: headraced sent no network namespace\n");
		return -1;
	}
	return ready > 0 ? 0 : -1;
}

static int run_start_job(struct run *r)
{
	struct sandbox sandbox = { .netns_fd = r->daemon.netns_fd, .nameserver = r->daemon.stack4 };
	struct job_plan plan = { .argv = r->argv, .user = &r->user, .mask = &r->caller_mask };
	int err;

	if (r->daemon.netns_fd >= 0)
		plan.sandbox = &sandbox;
	err = job_start(&r->job, &plan);
	if (err)
		fprintf(stderr, "headrace: cannot start %s: %s\n", r->argv[0], strerror(-err));
	return err ? -1 : 0;
}

/* What headraced says unasked is skipped. False when it is gone. */
static bool run_daemon_lives(struct run *r)
{
	int n = client_fill(&r->daemon.client);

	while (client_take(&r->daemon.client))
		;
	return n > 0 || n == -EAGAIN;
}

/* Until COMMAND ends (or, without one, a signal comes). False: headraced died first. */
static bool run_wait(struct run *r)
{
	bool readable;

	job_reap(&r->job);
	while (r->argv[0] ? !r->job.ended : !r->interrupted) {
		run_poll(r, -1, &readable);
		if (readable && !run_daemon_lives(r))
			return false;
	}
	return true;
}

static int run_lost(struct run *r)
{
	fprintf(stderr, "headrace: headraced ended unexpectedly%s\n",
		r->argv[0] ? "; its network is gone, so COMMAND is ended too" : "");
	job_end(&r->job, LOST_GRACE_MS);
	return EXIT_TROUBLE;
}

static void run_report(struct run *r)
{
	const struct report_options opt = { .full = r->opts->report, .json = r->opts->json };
	int err;

	if (r->opts->quiet || (r->argv[0] && !r->job.executed))
		return;
	err = report_print(&r->daemon.client, &opt, stderr);
	if (err)
		fprintf(stderr, "headrace: no flow report: %s\n", strerror(-err));
}

/* Between start and stop of headraced. The exit status. */
static int run_session(struct run *r)
{
	json_t *request = run_request(r);
	int err = request ? daemon_request(&r->daemon, request, (int)r->opts->tun_fd) : -1;

	json_decref(request);
	if (err || run_wait_ready(r))
		return EXIT_TROUBLE;
	if (r->argv[0] && run_start_job(r))
		return EXIT_TROUBLE;
	if (!run_wait(r))
		return run_lost(r);
	run_report(r);
	if (!r->argv[0]) {
		r->interrupted = 0; /* that is how it is meant to end */
		return EXIT_SUCCESS;
	}
	return job_exit_status(&r->job);
}

/*
 * Ends by `signal` as COMMAND did, so that a shell sees what it would have seen without us.
 * No core of ours: COMMAND has left its own.
 */
static int end_by_signal(int signal_number)
{
	struct rlimit no_core = { 0, 0 };
	sigset_t set;

	fflush(NULL);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(signal_number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	raise(signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + signal_number; /* a signal that ends nothing */
}

static int run_all(struct run *r)
{
	int status = EXIT_TROUBLE;

	r->daemon.netns_fd = -1;
	client_init(&r->daemon.client, -1);
	if (run_signals(r))
		return EXIT_TROUBLE;
	if (!daemon_start(&r->daemon, -1))
		status = run_session(r);
	daemon_stop(&r->daemon);
	close(r->signal_fd);
	if (r->interrupted)
		return end_by_signal(r->interrupted);
	if (r->job.ended && status == job_exit_status(&r->job) && WIFSIGNALED(r->job.status))
		return end_by_signal(WTERMSIG(r->job.status));
	return status;
}

static void run_instance_name(struct run *r)
{
	if (r->opts->instance)
		snprintf(r->instance, sizeof(r->instance), "%s", r->opts->instance);
	else
		snprintf(r->instance, sizeof(r->instance), "run-%d", (int)getpid());
}

static int run_main(int argc, char **argv)
{
	struct run_options opts = { .tun_fd = -1, .mtu = -1 };
	struct run *r;
	char err[USER_ERROR_MAX];
	int status = EXIT_TROUBLE;
	int first = option_parse(&run_command, argc, argv, &opts, &status);

	if (first < 0)
		return status;
	r = calloc(1, sizeof(*r));
	if (!r) {
		fprintf(stderr, "headrace: out of memory\n");
		return EXIT_TROUBLE;
	}
	r->opts = &opts;
	r->argv = argv + first;
	run_instance_name(r);
	status = run_check(r);
	if (!status)
		status = run_config(r);
	if (!status && user_choose(&r->user, opts.user, err))
		status = run_usage(err);
	if (!status)
		status = run_root();
	if (!status)
		status = run_all(r);
	user_done(&r->user);
	free(r);
	return status;
}

const struct command run_command = {
	.name = "run",
	.operands = "-- COMMAND [ARG...]",
	.summary = "run a command behind a forwarder of its own",
	.details = "Runs COMMAND in a network namespace whose only way out is a TUN that headrace\n"
		   "forwards: its DNS is answered, its TCP, UDP and ping leave through sockets of\n"
		   "headrace. Nothing of the host is changed and nothing is left behind. At the\n"
		   "end a report of its flows is written on stderr.",
	.options = run_options,
	.run = run_main,
};
