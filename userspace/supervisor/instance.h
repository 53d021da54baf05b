/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An instance: everything that one headraced makes and runs, from the first check to the
 * undoing of the last step.
 */
#ifndef SUPERVISOR_INSTANCE_H
#define SUPERVISOR_INSTANCE_H

#include "base/error.h"
#include "base/loop.h"
#include "supervisor/capture.h"
#include "supervisor/config.h"
#include "supervisor/control.h"
#include "supervisor/crew.h"
#include "supervisor/devices.h"
#include "supervisor/flows.h"
#include "supervisor/options.h"
#include "supervisor/query.h"
#include "supervisor/reload.h"
#include "supervisor/report.h"
#include "supervisor/route.h"
#include "supervisor/rules.h"
#include "supervisor/strict.h"
#include "supervisor/uplinks.h"

struct instance;

/*
 * state    | event                | action                                   | next
 * IDLE     | instance_start()     | all steps, crew_start()                  | STARTING
 * STARTING | every role is ready  | serve the control socket, ops->ready     | RUNNING
 * STARTING | a step or role fails | keep the error, crew_stop()              | STOPPING
 * IDLE     | instance_stop()      | ops->ended                               | ENDED
 * STARTING, RUNNING | instance_stop() | crew_stop()                          | STOPPING
 * STOPPING | instance_stop()      | kill the roles                           | STOPPING
 * STOPPING | no role is left      | undo the steps, ops->ended               | ENDED
 */
#define INSTANCE_STATES(X)                                                                         \
	X(INSTANCE_IDLE, "idle")                                                                   \
	X(INSTANCE_STARTING, "starting")                                                           \
	X(INSTANCE_RUNNING, "running")                                                             \
	X(INSTANCE_STOPPING, "ending")                                                             \
	X(INSTANCE_ENDED, "ended")

enum instance_state { INSTANCE_STATES(CONTRACT_ENUM) INSTANCE_STATE_NUM };

struct instance_ops {
	void (*ready)(struct instance *in);
	/* Nothing is left. in->error: why it failed, "" = ended in order. */
	void (*ended)(struct instance *in);
	void (*flow_event)(struct instance *in, const struct flow_event *e);
	/* All events that were waiting have been told. */
	void (*events_read)(struct instance *in);
};

struct instance {
	const struct instance_ops *ops;
	struct loop *loop;
	struct instance_options options;
	struct config config; /* in force */
	struct reload reload;
	enum instance_state state;
	unsigned int steps; /* done, to be undone in reverse order */
	char error[ERROR_TEXT_MAX];
	uint64_t started_ms;
	int listen_fd; /* of the control socket, until it is served; -1 = none */
	struct settings settings;
	struct kernel *kernel;
	struct capture capture;
	struct devices devices;
	struct rules rules;
	struct uplinks uplinks; /* capture points of a host */
	int uplinks_claim; /* see host_claim(); -1 = not taken */
	struct routing routing; /* see supervisor/host.h */
	struct strict strict;
	struct crew crew;
	struct control control;
	struct queries queries;
	struct flow_lists flow_lists;
	struct report report;
	struct watch events; /* ring buffer of the kernel half */
	struct watch dns_loaded; /* what answers DNS in the kernel half can be attached */
	struct timer events_delay; /* armed from the first unread event to the read */
	struct timer heartbeat;
	struct timer beat; /* what the kernel half sees of main */
	struct timer sweep; /* of flows that no role took */
	unsigned int beats; /* heartbeats of an unprivileged one */
	bool flows_full; /* some were refused between the last two heartbeats */
	uint64_t flow_cap_seen; /* drops by the full flow table, at the last heartbeat */
	/* A report that waits until closing connections have ended; NULL = none. */
	struct control_client *report_to;
	bool report_full;
	struct timer report_limit;
};

/* Fills in the structure; ready for instance_start(). */
void instance_init(struct instance *in, struct loop *loop, const struct instance_ops *ops,
		   const struct control_ops *control_ops);
/* Reads and checks a file. 0, or -errno with in->error filled. */
int instance_read_config(struct instance *in, const char *file);
/* Starts what in->options asks for; ops->ready or ops->ended follows, maybe at once. */
void instance_start(struct instance *in);
/* Ends it in order; ops->ended follows. A second call ends it without patience. */
void instance_stop(struct instance *in);
/* Takes the events that wait, now; ops->events_read follows. */
void instance_read_events(struct instance *in);
/*
 * Another configuration is in force: what is captured, and what the kernel half is told of it,
 * follows. 0 or -errno with err filled.
 */
int instance_capture_again(struct instance *in, char err[ERROR_TEXT_MAX]);
/* Frees what is left once it has ended. */
void instance_done(struct instance *in);

const char *instance_state_name(enum instance_state state);

#endif
