// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Strays: entries of `flows` that no role knows of. Only a new flow can be one, since a role's
 * note stays as long as its flow, so idle flows that are carried cost nothing here:
 *
 * - Without a new flow since a pass that found all of them noted there is no pass.
 * - Where few of many flows are new a pass waits, PASS_SLOW_NS at most, so that it looks at
 *   PASS_SHARE flows for each new one, however many are idle.
 * - A pass asks for the note of a flow only if it was not there already in the pass before.
 *
 * One exception the kernel half counts: a role's flow has ended, and an entry stays that is
 * younger than it, whose note was of the role's flow. Then the next pass asks for all notes.
 *
 * Notes without an entry of a role that died would make strays of flows to come pass for noted.
 *
 * A pass is made in parts, so that main is never away for longer than one of them takes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/clock.h"
#include "datapath/kernel_internal.h"

#define PASS_SHARE 8
#define PASS_SLOW_NS (60 * NSEC_PER_SEC)
/* The kernel half's clock goes by ticks, and a flow is entered just before it is counted. */
#define CLOCK_SLACK_NS NSEC_PER_SEC

void strays_init(struct strays *s)
{
	memset(s, 0, sizeof(*s));
	s->wanted = true; /* whatever is there from before */
}

static int end_stray(void *arg, const struct flow_key *key, const struct flow *flow)
{
	struct kernel *k = arg;
	struct strays *s = &k->strays;
	uint64_t idle = key->proto == IPPROTO_TCP ? s->idle_tcp_ns : s->idle_ns;
	struct flow_info info;

	if (flow->first_seen_ns < s->known_ns ||
	    !bpf_map_lookup_elem(k->maps.flow_info, key, &info))
		return 0;
	if (flow->last_seen_ns + idle >= clock_ns()) {
		if (s->unknown_ns > flow->first_seen_ns)
			s->unknown_ns = flow->first_seen_ns;
		return 0;
	}
	memset(&info, 0, sizeof(info));
	info.end = END_IDLE;
	walk_flow_end(k->programs.flow_end, key, flow->first_seen_ns, &info);
	return 0;
}

/* `stats` are of now. */
static bool is_worthwhile(const struct strays *s, const struct kernel_stats *stats)
{
	uint64_t fresh = stats->flows_new - s->flows_new;

	if (s->wanted)
		return true;
	/* Some were still without a note, so that their time has to come. */
	if (s->unknown_ns != UINT64_MAX)
		fresh++;
	if (!fresh)
		return false;
	return fresh * PASS_SHARE >= stats->flows_new - stats->flows_closed ||
	       clock_ns() - s->began_ns >= PASS_SLOW_NS;
}

/* Notes that were there may have gone. */
static void forget_notes(struct strays *s, const struct kernel_stats *stats)
{
	if (stats->flows_left == s->flows_left)
		return;
	s->flows_left = stats->flows_left;
	s->known_ns = 0;
	s->wanted = true;
}

static bool pass_begin(struct kernel *k)
{
	struct strays *s = &k->strays;
	struct kernel_stats stats;

	kernel_read_stats(k, &stats);
	forget_notes(s, &stats);
	if (!is_worthwhile(s, &stats) || walk_start(&s->walk))
		return false;
	s->walking = true;
	s->wanted = false;
	s->began_ns = clock_ns();
	s->flows_new = stats.flows_new;
	s->unknown_ns = UINT64_MAX;
	return true;
}

static void pass_end(struct strays *s, bool whole)
{
	uint64_t known = s->began_ns - CLOCK_SLACK_NS;

	walk_end(&s->walk);
	s->walking = false;
	if (whole)
		s->known_ns = known < s->unknown_ns ? known : s->unknown_ns;
	else
		s->wanted = true;
}

bool kernel_flow_end_strays(struct kernel *k, uint64_t idle_ns, uint64_t idle_tcp_ns)
{
	struct strays *s = &k->strays;
	bool more;
	int err;

	if (k->maps.flows < 0 || (!s->walking && !pass_begin(k)))
		return false;
	s->idle_ns = idle_ns;
	s->idle_tcp_ns = idle_tcp_ns;
	err = walk_next(&s->walk, k->maps.flows, end_stray, k, &more);
	if (!more)
		pass_end(s, !err);
	return more;
}

void kernel_flow_strays_wanted(struct kernel *k)
{
	k->strays.wanted = true;
}

static void forget_note(const struct kernel *k, const struct flow_key *key,
			const struct flow_info *info, unsigned int slot)
{
	struct flow flow;

	if (info->slot == slot && bpf_map_lookup_elem(k->maps.flows, key, &flow))
		bpf_map_delete_elem(k->maps.flow_info, key);
}

void kernel_flow_notes_forget(struct kernel *k, unsigned int slot)
{
	struct batch b = { 0 };
	int more = 1;
	__u32 count;

	if (k->maps.flow_info < 0 ||
	    batch_start(&b, sizeof(struct flow_key), sizeof(struct flow_info)))
		return;
	while (more > 0) {
		const struct flow_key *key;
		const struct flow_info *info;

		more = batch_read(&b, k->maps.flow_info, &count);
		key = b.keys;
		info = b.values;
		for (__u32 i = 0; more >= 0 && i < count; i++)
			forget_note(k, &key[i], &info[i], slot);
	}
	batch_end(&b);
}
