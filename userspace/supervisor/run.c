// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Main's loop around one instance: signals, the client's hang-up, and what is said when the
 * instance is ready or has ended. Main is single-threaded; its signals arrive by signalfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/budget.h"
#include "base/fd.h"
#include "base/log.h"
#include "datapath/kernel.h"
#include "supervisor/command.h"
#include "supervisor/host.h"
#include "supervisor/instance.h"
#include "supervisor/run.h"
#include "supervisor/status.h"

struct run {
	struct instance instance;
	struct loop *loop;
	struct watch signals;
	bool inherited;
};

static struct run *run_of(struct instance *in)
{
	return container_of(in, struct run, instance);
}

static void instance_ready(struct instance *in)
{
	bool told = false;

	list_for_each_safe(l, next, &in->control.clients) {
		struct control_client *client = container_of(l, struct control_client, link);

		if (!client->run)
			continue;
		client->awaits_end = false;
		host_tell_missing(in, client, CONTROL_START);
		told = true;
		control_send_fd(client, "ready", status_ready(in),
				in->capture.handed || in->capture.host ? -1 : in->capture.netns_fd);
	}
	if (!told)
		host_tell_missing(in, NULL, CONTROL_START);
	log_info("main", "instance %s is ready on %s attach=%s protect=\"%s\" mtu=%u",
		 in->options.instance, in->capture.tun.name, kernel_features(in->kernel)->attach,
		 kernel_features(in->kernel)->protect, in->capture.tun.mtu);
}

static void instance_has_ended(struct instance *in)
{
	/* once it was ready, the client waits for no answer that could say it */
	if (in->error[0] && (!run_of(in)->inherited || in->started_ms))
		log_err("main", "%s", in->error);
	command_ended(in);
	loop_stop(in->loop, in->error[0] ? EXIT_FAILURE : EXIT_SUCCESS);
}

static const struct instance_ops instance_ops = {
	.ready = instance_ready,
	.ended = instance_has_ended,
	.flow_event = command_flow_event,
	.events_read = command_events_read,
};

static struct instance *instance_of(struct control *c)
{
	return container_of(c, struct instance, control);
}

static void client_request(struct control *c, struct control_client *client, const json_t *request)
{
	command_handle(instance_of(c), client, request);
}

static void client_gone(struct control *c, struct control_client *client)
{
	struct instance *in = instance_of(c);

	command_forget(in, client);
	if (client->run && in->options.host && in->state == INSTANCE_RUNNING)
		return; /* who started the daemon has seen it ready */
	if (client->run && in->state != INSTANCE_ENDED && in->state != INSTANCE_STOPPING)
		instance_stop(in);
}

static const struct control_ops control_ops = {
	.request = client_request,
	.gone = client_gone,
};

static void signals_ready(struct watch *w, uint32_t events)
{
	struct run *r = container_of(w, struct run, signals);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGHUP && r->instance.options.host) {
		if (r->instance.state == INSTANCE_RUNNING)
			reload_begin(&r->instance, NULL, false);
		return;
	}
	log_info("main", "%s, ending", strsignal((int)si.ssi_signo));
	instance_stop(&r->instance);
}

static int watch_signals(struct run *r)
{
	static const int asked[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		sigaddset(&set, asked[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	r->signals = (struct watch){ .ready = signals_ready,
				     .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) };
	return r->signals.fd < 0 ? -errno : loop_add(r->loop, &r->signals, EPOLLIN);
}

/* Terminal, pipes and directory of the caller belong to the command: only stderr is ours. */
static int let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), err = 0;

	if (null < 0)
		return -errno;
	if (chdir("/"))
		err = -errno;
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		err = -errno;
	if (null > STDERR_FILENO)
		fd_close(null);
	return err;
}

static struct run *run_new(void)
{
	struct run *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	err = loop_new(&r->loop);
	if (err)
		goto err_free;
	r->signals.fd = -1;
	instance_init(&r->instance, r->loop, &instance_ops, &control_ops);
	command_init(&r->instance);
	if (budget_raise_descriptors()) /* roles inherit it; what there is must do */
		log_warn("main", "the limit of descriptors stays as it is");
	err = let_go();
	if (!err)
		err = watch_signals(r);
	if (err)
		goto err_loop;
	return r;

err_loop:
	fd_close(r->signals.fd);
	loop_free(r->loop);
err_free:
	log_err("main", "cannot start: %s", strerror(-err));
	free(r);
	return NULL;
}

static int run_to_end(struct run *r)
{
	int fd = r->signals.fd, status = loop_run(r->loop);

	if (status < 0) {
		log_err("main", "event loop: %s", strerror(-status));
		status = EXIT_FAILURE;
	}
	instance_done(&r->instance);
	loop_remove(r->loop, &r->signals);
	fd_close(fd);
	loop_free(r->loop);
	free(r);
	return status;
}

int run_inherited(int fd)
{
	struct run *r = run_new();
	int err;

	if (!r)
		return EXIT_FAILURE;
	r->inherited = true;
	err = control_adopt(&r->instance.control, fd);
	if (err) {
		r->inherited = false; /* nobody to tell but stderr */
		error_at(r->instance.error, err, "descriptor %d of --run-fd", fd);
		instance_stop(&r->instance);
	}
	return run_to_end(r);
}

int run_foreground(const struct instance_options *opt, struct config *config)
{
	struct run *r = run_new();

	if (!r) {
		config_done(config);
		return EXIT_FAILURE;
	}
	r->instance.options = *opt;
	r->instance.config = *config;
	log_setup("headraced[main]", opt->log_level);
	instance_start(&r->instance);
	return run_to_end(r);
}
