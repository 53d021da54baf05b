// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What clients are shown. Names of enumerators and counters come from the X-macros of
 * bpf/contract.h. Text that a role wrote into a map (domain, outbound) need not be UTF-8 nor
 * end in a NUL: it is cut to its field, and other bytes than printable ASCII become '?'.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/addr.h"
#include "base/clock.h"
#include "supervisor/show.h"

#define TEXT(name, text) [name] = text,
static const char *const verdicts[] = { VERDICTS(TEXT) };
static const char *const states[] = { FLOW_STATES(TEXT) };
static const char *const ends[] = { FLOW_ENDS(TEXT) };
static const char *const captures[] = { CAPTURE_POINTS(TEXT) };
static const char *const events[] = { EVENT_TYPES(TEXT) };
#define DROP_FIELD(name, field, text) [name] = #field,
#define DROP_TEXT(name, field, text) [name] = text,
static const char *const drop_fields[] = { DROP_REASONS(DROP_FIELD) };
static const char *const drop_texts[] = { DROP_REASONS(DROP_TEXT) };

#define TEXT_MAX 512 /* shown of any text */
#define UID_OVERFLOW 65534 /* what the kernel gives where it has no user */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
_Static_assert(COUNT(verdicts) == VERDICT_NUM, "verdicts");
_Static_assert(COUNT(states) == FLOW_STATE_NUM, "states");
_Static_assert(COUNT(ends) == FLOW_END_NUM, "ends");
_Static_assert(COUNT(captures) == CAPTURE_NUM, "capture points");
_Static_assert(COUNT(events) == EVENT_NUM, "events");
_Static_assert(COUNT(drop_fields) == DROP_NUM, "drops");

#define NAME_OF(names, i) ((i) < COUNT(names) ? (names)[i] : "?")

const char *show_end(enum flow_end end)
{
	return NAME_OF(ends, (unsigned int)end);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

/* Leaves the key out if the text is empty. */
static void set_text(json_t *o, const char *key, const char *text, size_t size)
{
	char clean[TEXT_MAX];
	size_t n = strnlen(text, size < sizeof(clean) ? size : sizeof(clean) - 1);

	if (!n)
		return;
	for (size_t i = 0; i < n; i++)
		clean[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	set(o, key, json_stringn(clean, n));
}

static void set_proto(json_t *o, uint8_t proto)
{
	char text[8];

	switch (proto) {
	case IPPROTO_TCP:
		set(o, "proto", json_string("tcp"));
		break;
	case IPPROTO_UDP:
		set(o, "proto", json_string("udp"));
		break;
	case IPPROTO_ICMP:
		set(o, "proto", json_string("icmp"));
		break;
	case IPPROTO_ICMPV6:
		set(o, "proto", json_string("icmpv6"));
		break;
	default:
		snprintf(text, sizeof(text), "%u", proto);
		set(o, "proto", json_string(text));
	}
}

static void set_key(json_t *o, const struct flow_key *key)
{
	char text[ADDR_TEXT_MAX];

	set_proto(o, key->proto);
	set(o, "saddr", json_string(addr_format(&key->saddr, text)));
	set(o, "sport", number(ntohs(key->sport)));
	set(o, "daddr", json_string(addr_format(&key->daddr, text)));
	set(o, "dport", number(ntohs(key->dport)));
}

static uint64_t span_ms(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / NSEC_PER_MSEC : 0;
}

static void set_counters(json_t *o, const struct flow *f, uint64_t now_ns)
{
	set(o, "verdict", json_string(NAME_OF(verdicts, f->verdict)));
	set(o, "state", json_string(NAME_OF(states, f->state)));
	set(o, "bytes_up", number(f->bytes_up));
	set(o, "bytes_down", number(f->bytes_down));
	set(o, "packets_up", number(f->packets_up));
	set(o, "packets_down", number(f->packets_down));
	set(o, "duration_ms", number(span_ms(f->first_seen_ns, now_ns)));
	set(o, "idle_ms", number(span_ms(f->last_seen_ns, now_ns)));
	set(o, "slot", number(f->queue));
}

/* Who moves its bytes. */
static void set_carrier(json_t *o, const struct flow *f)
{
	char text[16];

	if (f->verdict != VERDICT_FORWARD && f->verdict != VERDICT_DNS &&
	    f->verdict != VERDICT_LOCAL)
		snprintf(text, sizeof(text), "kernel");
	else if (f->queue == RESOLVER_QUEUE)
		snprintf(text, sizeof(text), "resolver");
	else
		snprintf(text, sizeof(text), "worker %u", f->queue);
	set(o, "carrier", json_string(text));
}

static void set_mac(json_t *o, const __u8 mac[6])
{
	static const __u8 none[6];
	char text[18];

	if (!memcmp(mac, none, sizeof(none)))
		return;
	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	set(o, "mac", json_string(text));
}

/* The innermost part of the path that is a unit of systemd's. */
static void set_unit(json_t *o, const char *path)
{
	static const char *const kinds[] = { ".service", ".scope", ".socket", ".mount", ".swap" };
	const char *part = strrchr(path, '/'), *end = path + strlen(path);

	for (; part; end = part, part = memrchr(path, '/', (size_t)(part - path))) {
		size_t len = (size_t)(end - part - 1);

		for (size_t i = 0; i < COUNT(kinds); i++) {
			size_t kind = strlen(kinds[i]);

			if (len <= kind || memcmp(end - kind, kinds[i], kind) != 0)
				continue;
			set_text(o, "unit", part + 1, len);
			return;
		}
	}
}

static void set_owner(json_t *o, const struct show_flow *s)
{
	const struct flow *f = s->flow;

	if (f->uid != UID_OVERFLOW)
		set(o, "uid", number(f->uid));
	if (f->pid)
		set(o, "pid", number(f->pid));
	set_text(o, "process", (const char *)f->comm, sizeof(f->comm));
	if (f->cgroup_id)
		set(o, "cgroup_id", number(f->cgroup_id));
	if (s->cgroup) {
		set_text(o, "cgroup", s->cgroup, strlen(s->cgroup) + 1);
		set_unit(o, s->cgroup);
	}
	set_mac(o, f->mac);
	if (s->device)
		set_text(o, "device", s->device, strlen(s->device) + 1);
}

static void set_decision(json_t *o, const struct show_flow *s)
{
	const struct flow *f = s->flow;

	set(o, "rule", number(f->rule));
	if (s->rule_name)
		set_text(o, "rule_name", s->rule_name, strlen(s->rule_name) + 1);
	set(o, "epoch", number(f->epoch));
	set(o, "capture", json_string(NAME_OF(captures, f->capture)));
	if (f->flags & FLOW_INBOUND)
		set(o, "opened", json_string("outside"));
	else if (f->flags & FLOW_OLDER)
		set(o, "opened", json_string("before"));
	set_carrier(o, f);
}

static void set_info(json_t *o, const struct flow_info *i)
{
	struct endpoint up = { .addr = i->upstream, .port = i->upstream_port };
	char text[ENDPOINT_TEXT_MAX];

	set_text(o, "domain", i->domain, sizeof(i->domain) - 1);
	set_text(o, "outbound", i->outbound, sizeof(i->outbound));
	if (!addr_is_zero(&up.addr))
		set(o, "upstream", json_string(endpoint_format(&up, text)));
	if (i->end != END_NONE)
		set(o, "end", json_string(NAME_OF(ends, i->end)));
}

json_t *show_flow(const struct show_flow *f)
{
	json_t *o = json_object();

	if (!o)
		return NULL;
	set_key(o, f->key);
	set_info(o, f->info);
	set_counters(o, f->flow, f->now_ns);
	set_decision(o, f);
	set_owner(o, f);
	return o;
}

/* Unix time of a moment of the monotonic clock. */
static uint64_t unix_ms(uint64_t mono_ns)
{
	struct timespec ts;
	uint64_t now = clock_ns();

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NSEC_PER_MSEC -
	       span_ms(mono_ns, now);
}

json_t *show_event(const struct flow_event *e, const struct show_flow *names)
{
	struct flow_info none = { 0 };
	struct show_flow f = { .key = &e->key,
			       .flow = &e->flow,
			       .now_ns = e->time_ns,
			       .info = e->type == EVENT_FLOW_END ? &e->info : &none,
			       .cgroup = names->cgroup,
			       .device = names->device,
			       .rule_name = names->rule_name };
	json_t *o = show_flow(&f);

	if (!o)
		return NULL;
	set(o, "type", json_string(NAME_OF(events, e->type)));
	set(o, "time_ms", number(unix_ms(e->time_ns)));
	return o;
}

json_t *show_drop(const char *where, enum drop_reason reason, uint64_t count)
{
	return json_pack("{s:s, s:s, s:s, s:I}", "where", where, "reason",
			 NAME_OF(drop_fields, (unsigned int)reason), "text",
			 NAME_OF(drop_texts, (unsigned int)reason), "count", (json_int_t)count);
}

json_t *show_drop_counters(const struct drop_counters *d)
{
	const __u64 *count = (const __u64 *)d;
	json_t *o = json_object();

	for (unsigned int i = 0; o && i < DROP_NUM; i++)
		if (count[i])
			set(o, drop_fields[i], number(count[i]));
	return o;
}

#define SET_FIELD(name, field, text) set(o, #field, number(s->field));

json_t *show_kernel_stats(const struct kernel_stats *s)
{
	json_t *o = json_object();

	if (!o)
		return NULL;
	KERNEL_STATS(SET_FIELD)
	return o;
}

void show_role_stats(json_t *o, const struct role_stats *s)
{
	ROLE_STATS(SET_FIELD)
}
