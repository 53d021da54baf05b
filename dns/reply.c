// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Answers out. What comes from upstream, from the cache and from the kernel half's copies is
 * made the same here: no AA, RA set, our own OPT.
 *
 * An answer that does not fit is replaced by an empty one with TC: the client comes
 * back by TCP and gets it whole from the cache.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "dns/filter.h"
#include "dns/generation.h"
#include "dns/intake.h"
#include "dns/reply.h"
#include "dns/service.h"

#define FLAGS_OF_ANSWER (MSG_OPCODE | MSG_TC | MSG_AD | MSG_RCODE)

static int64_t unix_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* What decided: the rule's place in the configuration. */
static void describe_rule(const struct query *q, const struct answer *a, char *buf, size_t size)
{
	const struct policy_verdict *v = &q->verdict;
	const struct conf_policy *p;

	buf[0] = '\0';
	if (a->why) {
		snprintf(buf, size, "%s", a->why);
	} else if (q->generation && (v->conf || v->action != DNS_PASS)) {
		p = &q->generation->dns->policy[v->policy];
		snprintf(buf, size, "%s line %u%s%s", p->name, v->conf ? v->conf->line : p->line,
			 v->list ? " list " : "", v->list ? v->list : "");
	}
}

void reply_describe(const struct query *q, const struct answer *a, struct history_entry *h)
{
	h->time_ms = unix_ms();
	h->client.addr = q->client.flow.saddr;
	h->client.port = q->client.flow.sport;
	h->proto = q->client.flow.proto;
	h->source = (uint8_t)a->source;
	h->upstream = a->upstream;
	h->action = (uint8_t)q->verdict.action;
	describe_rule(q, a, h->rule, sizeof(h->rule));
	h->type = q->question.type;
	h->rcode = msg_get16(a->msg + 2) & MSG_RCODE;
	h->duration_us = (clock_ns() - q->started_ns) / 1000;
	name_format(&q->question.name, h->name, sizeof(h->name));
}

static void note(struct service *s, const struct query *q, const struct answer *a)
{
	struct history_entry *h = history_add(&s->history);
	char rcode[MSG_TEXT_MAX];

	reply_describe(q, a, h);
	if (query_has_flow(&q->client))
		datapath_flow_owner(s->datapath, &q->client.flow, &h->owner);
	log_debug("dns", "REPLY number=%llu rcode=%s source=%s records=%u us=%llu",
		  (unsigned long long)q->number, msg_rcode_text(h->rcode, rcode),
		  history_source_text(a->source), msg_get16(a->msg + 6),
		  (unsigned long long)h->duration_us);
}

/*
 * Its policy is told by the generation in force now: it is told some time later, and what a
 * reload has moved meanwhile is named by its new place.
 */
static void describe_kernel_rule(const struct service *s, const struct dns_log_entry *e,
				 struct history_entry *h)
{
	const struct conf_policy *p;
	bool rule;

	if (!s->generation || e->policy >= s->generation->dns->policies)
		return;
	p = &s->generation->dns->policy[e->policy];
	rule = e->rule < p->rules;
	if (rule || e->action != DNS_PASS)
		snprintf(h->rule, sizeof(h->rule), "%s line %u", p->name,
			 rule ? p->rule[e->rule].line : p->line);
}

void reply_note_kernel(struct service *s, const struct dns_log_entry *e)
{
	struct history_entry *h;
	struct name name;

	if (name_parse(e->name, e->name_len, 0, &name) < 0 || e->action >= DNS_ACTION_NUM)
		return;
	h = history_add(&s->history);
	h->time_ms = unix_ms() - (int64_t)((clock_ns() - e->time_ns) / NSEC_PER_MSEC);
	h->client.addr = e->client;
	h->client.port = e->port;
	h->proto = IPPROTO_UDP;
	h->source = SOURCE_KERNEL;
	h->action = e->action;
	h->type = e->type;
	h->rcode = e->rcode;
	flow_owner_set(&h->owner, e->uid, e->pid, e->comm);
	describe_kernel_rule(s, e, h);
	name_format(&name, h->name, sizeof(h->name));
}

/* Bytes of message that this client can take in one piece. */
static size_t client_limit(const struct service *s, const struct query *q)
{
	size_t room, limit = edns_limit(&q->edns);

	if (q->client.flow.proto != IPPROTO_UDP)
		return MSG_MAX;
	if (q->client.socket && addr_is_loopback(&q->client.flow.saddr))
		return limit;
	room = filter_room(&q->client.flow, q->client.socket ? MTU_MIN : s->options.mtu);
	return limit < room ? limit : room;
}

static size_t append_opt(const struct query *q, const struct answer *a)
{
	size_t len = edns_append(a->msg, a->len, q->edns.dnssec_ok);

	edns_set_rcode(a->msg, len, a->rcode_high);
	if (!a->from)
		return len;
	return edns_copy_options(a->msg, len, a->from, a->from_edns, q->edns.options);
}

/* The header and the question of `msg` with TC. */
static size_t cut(struct service *s, const struct query *q, const uint8_t *msg)
{
	size_t len = q->question.end;
	uint8_t *out = s->short_answer;

	memcpy(out, msg, len);
	msg_put16(out + 2, (uint16_t)(msg_get16(out + 2) | MSG_TC));
	memset(out + 6, 0, 6);
	return q->edns.present ? edns_append(out, len, q->edns.dnssec_ok) : len;
}

static void deliver(struct service *s, const struct query *q, const uint8_t *msg, size_t len)
{
	if (len > client_limit(s, q)) {
		len = cut(s, q, msg);
		msg = s->short_answer;
	}
	s->options.reply(s->options.arg, &q->client, msg, len);
}

static void put_flags(const struct query *q, const struct answer *a)
{
	uint16_t flags = msg_get16(a->msg + 2), own = q->flags & (MSG_RD | MSG_CD);

	if (a->verbatim)
		flags = (uint16_t)((flags & ~(MSG_RD | MSG_CD)) | own);
	else
		flags = (uint16_t)(MSG_QR | MSG_RA | (flags & FLAGS_OF_ANSWER) | own);
	msg_put16(a->msg + 2, flags);
}

void reply_send(struct service *s, const struct query *q, const struct answer *a)
{
	uint16_t additional = msg_get16(a->msg + 10);
	size_t len = a->len;

	msg_put16(a->msg, q->id);
	put_flags(q, a);
	memcpy(a->msg + MSG_HEADER_BYTES, q->question.name.wire, q->question.name.len);
	if (q->kind != QUERY_REFRESH)
		note(s, q, a);
	if (query_has_flow(&q->client))
		flows_answered(s->flows, &q->client.flow, !a->failed, &a->upstream);
	if (q->edns.present && !a->verbatim)
		len = append_opt(q, a);
	if (q->kind == QUERY_CLIENT)
		deliver(s, q, a->msg, len);
	else if (q->kind == QUERY_LOOKUP)
		q->done(q->arg, q, a, len);
	msg_put16(a->msg + 10, additional);
}

void reply_rcode(struct service *s, const struct query *q, enum msg_rcode rcode)
{
	struct answer a = { .msg = s->answer,
			    .source = SOURCE_RESOLVER,
			    .rcode_high = (uint8_t)(rcode >> 4),
			    .failed = rcode == RCODE_SERVFAIL };

	a.len = intake_question(a.msg, &q->question, q->flags, &(struct edns){ 0 });
	a.len = msg_reply(a.msg, a.msg, a.len, (enum msg_rcode)(rcode & MSG_RCODE));
	reply_send(s, q, &a);
}

void reply_servfail(struct service *s, const struct query *q, enum drop_reason why)
{
	datapath_drop(s->datapath, why);
	datapath_count(s->datapath, RSTAT_DNS_SERVFAIL, 1);
	reply_rcode(s, q, RCODE_SERVFAIL);
}
