// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * "flows": a walk per client, a part of it at each turn of the loop. While the client has much
 * that it has not taken, its walk waits.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "datapath/view.h"
#include "supervisor/control.h"
#include "supervisor/flow_filter.h"
#include "supervisor/flows.h"
#include "supervisor/instance.h"
#include "supervisor/rule_show.h"
#include "supervisor/show.h"

#define AHEAD_BYTES (256U << 10) /* that a client need not have taken */
#define WAIT_MS 5

struct flow_list {
	struct flow_lists *lists;
	struct control_client *client;
	struct timer timer; /* to the next part */
	struct kernel_view view;
	struct flow_filter filter;
	uint64_t sent;
	bool follow; /* then it stays when its walk is over: its filter is that of events, too */
};

/* --- one flow ------------------------------------------------------------------------------- */

static const char *device_name(uint32_t ifindex, char buf[IF_NAMESIZE])
{
	return ifindex && if_indextoname(ifindex, buf) ? buf : NULL;
}

/* The names; `buf` has room for one of them. */
static struct show_flow names_of(const struct instance *in, const struct flow *f,
				 char buf[IF_NAMESIZE])
{
	const char *cgroup = kernel_cgroup_path(f->cgroup_id);

	return (struct show_flow){
		.cgroup = cgroup[0] ? cgroup : NULL,
		.rule_name = rule_name(in, f->epoch, f->rule),
		.device = f->capture == CAPTURE_LAN ? device_name(f->ifindex, buf) : NULL,
	};
}

static struct show_flow view_of(const struct instance *in, const struct kernel_flow *f,
				char buf[IF_NAMESIZE])
{
	struct show_flow s = names_of(in, &f->flow, buf);

	s.key = &f->key;
	s.flow = &f->flow;
	s.info = &f->info;
	s.now_ns = clock_ns();
	return s;
}

static int send_flow(void *arg, const struct kernel_flow *f)
{
	struct flow_list *l = arg;
	char buf[IF_NAMESIZE];
	struct show_flow s = view_of(l->lists->instance, f, buf);

	if (!flow_filter_takes(&l->filter, &s))
		return 0;
	control_send(l->client, "flow", show_flow(&s));
	l->sent++;
	return 0;
}

/* --- the walk ------------------------------------------------------------------------------- */

static void end(struct flow_list *l)
{
	loop_disarm(&l->timer);
	kernel_view_end(&l->view);
	l->client = NULL;
}

/* Who follows has been sent events since the walk began; now it has all that was there. */
static void finish(struct flow_list *l, int err)
{
	struct control_client *client = l->client;

	kernel_view_end(&l->view);
	if (!err && l->follow) {
		control_send(client, "listed", json_pack("{s:I}", "flows", (json_int_t)l->sent));
		return;
	}
	end(l);
	if (err < 0)
		control_refuse(client, "the flows cannot be read: %s", strerror(-err));
	else
		control_answered(client);
}

static void part(struct timer *t)
{
	struct flow_list *l = container_of(t, struct flow_list, timer);
	struct instance *in = l->lists->instance;
	bool more;
	int err;

	if (in->state != INSTANCE_RUNNING) {
		finish(l, -ESHUTDOWN);
		return;
	}
	if (l->client->out_len - l->client->out_sent > AHEAD_BYTES) {
		loop_arm(in->loop, t, WAIT_MS);
		return;
	}
	err = kernel_view_next(in->kernel, &l->view, send_flow, l, &more);
	if (l->client->finished)
		end(l);
	else if (err || !more)
		finish(l, err);
	else
		loop_arm(in->loop, t, 0);
}

static struct flow_list *list_new(struct flow_lists *fl)
{
	for (size_t i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		struct flow_list *l = fl->list[i];

		if (l && l->client)
			continue;
		if (!l) {
			l = fl->list[i] = calloc(1, sizeof(*l));
			if (!l)
				return NULL;
			l->lists = fl;
			timer_init(&l->timer, part);
		}
		return l;
	}
	return NULL;
}

void flow_lists_ask(struct flow_lists *fl, struct control_client *client, const json_t *request)
{
	struct flow_filter filter;
	char err[ERROR_TEXT_MAX];
	struct flow_list *l;

	flow_lists_forget(fl, client);
	if (flow_filter_read(&filter, json_object_get(request, "filter"), err)) {
		control_refuse(client, "%s", err);
		return;
	}
	kernel_direct_look(fl->instance->kernel);
	l = list_new(fl);
	if (!l || kernel_view_begin(&l->view)) {
		control_refuse(client, "out of memory");
		return;
	}
	l->client = client;
	l->filter = filter;
	l->sent = 0;
	l->follow = json_is_true(json_object_get(request, "follow"));
	loop_arm(fl->instance->loop, &l->timer, 0);
}

/* --- events --------------------------------------------------------------------------------- */

struct telling {
	struct flow_lists *lists;
	struct show_flow flow;
};

/* `events` asks for no list, and has no filter. */
static bool wants(void *arg, const struct control_client *client)
{
	const struct telling *t = arg;

	for (size_t i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		const struct flow_list *l = t->lists->list[i];

		if (l && l->client == client)
			return flow_filter_takes(&l->filter, &t->flow);
	}
	return true;
}

void flow_lists_event(struct flow_lists *fl, const struct flow_event *e)
{
	static const struct flow_info none;
	struct telling t = { .lists = fl };
	char buf[IF_NAMESIZE];

	t.flow = names_of(fl->instance, &e->flow, buf);
	t.flow.key = &e->key;
	t.flow.flow = &e->flow;
	t.flow.info = e->type == EVENT_FLOW_END ? &e->info : &none;
	control_broadcast(&fl->instance->control, "event", show_event(e, &t.flow), wants, &t);
}

/* --- life ----------------------------------------------------------------------------------- */

void flow_lists_init(struct flow_lists *fl, struct instance *in)
{
	*fl = (struct flow_lists){ .instance = in };
}

void flow_lists_forget(struct flow_lists *fl, const struct control_client *client)
{
	for (size_t i = 0; i <= CONTROL_CLIENTS_MAX; i++)
		if (fl->list[i] && fl->list[i]->client == client)
			end(fl->list[i]);
}

void flow_lists_done(struct flow_lists *fl)
{
	for (size_t i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		if (fl->list[i])
			end(fl->list[i]);
		free(fl->list[i]);
		fl->list[i] = NULL;
	}
}
