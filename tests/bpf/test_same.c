// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The same packets through tun_egress in the kernel and through the parser and classifier as
 * compiled for the host: action, queue and drop reason must agree, and of flows which worker
 * carries them. The packets are each kind
 * under several settings, each cut at every length, and random mutations of them (their
 * number: HEADRACE_MUTATIONS; the seed is fixed and printed with what fails).
 */
#include "bpf/policy.h"

#include "base/clock.h"
#include "bpf/classify.h"
#include "worker/admit.h"

#define MUTATIONS 300000
#define SETTINGS_NUM 6
#define FLOWS 60000 /* the kernel's table must not fill up: that verdict the host has not */

struct same {
	struct harness *h;
	struct datapath worker;
	struct settings settings;
	struct drop_counters before;
	uint64_t random;
	unsigned long packets;
	unsigned long flows; /* packets whose flow was in the table */
	unsigned long refused; /* by the client's policy */
};

/* xorshift64: the same packets on every machine */
static uint32_t next_random(struct same *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random >> 16;
}

static struct settings settings_number(int i)
{
	struct settings s = tun_settings();

	s.workers = i == 0 ? 1 : 5 * i;
	s.resolver_queue = i != 1;
	s.steer_seed = 0x2545f491U * (uint32_t)i;
	s.any_source = i == 2;
	if (i == 3)
		s.tun4_bits = 31;
	return s;
}

struct outcome {
	int action;
	uint32_t mark;
	int reason; /* -1 = none */
};

/* Refusals that cannot be answered are dropped: a RST. */
static struct outcome on_host(struct same *s, const uint8_t *bytes, size_t len)
{
	struct outcome o = { .action = HARNESS_DROP, .reason = -1 };
	struct decision d;
	struct packet p;
	int ret = packet_parse(&p, bytes, bytes + len, 0);

	if (ret) {
		o.reason = -ret;
		return o;
	}
	d = packet_classify(&p, &s->settings, CAPTURE_TUN);
	if (packet_needs_admission(&p, &s->settings, &d)) {
		ret = admit_packet(&s->worker, &p);
		s->refused += ret < 0;
		if (ret)
			d = decide_refuse(VERDICT_REJECT, -ret);
	}
	if (d.verdict == VERDICT_DROP || d.verdict == VERDICT_REJECT) {
		o.reason = d.reason;
		if (d.verdict == VERDICT_REJECT &&
		    !(p.proto == PROTO_TCP && (p.tcp_flags & TCP_FLAG_RST)))
			o.action = HARNESS_REDIRECT;
		return o;
	}
	o.action = HARNESS_OK;
	o.mark = QUEUE_MARK | d.queue;
	return o;
}

/* The one reason whose counter moved; -1 = none, -2 = more than one. */
static int reason_counted(struct same *s)
{
	struct drop_counters now;
	int i, reason = -1;

	harness_sums(s->h->skel->maps.drops, (__u64 *)&now);
	for (i = 0; i < DROP_NUM; i++)
		if (((__u64 *)&now)[i] != ((__u64 *)&s->before)[i])
			reason = reason == -1 ? i : -2;
	s->before = now;
	return reason;
}

static void print_packet(const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < 128; i++)
		fprintf(stderr, "%02x%s", bytes[i], i % 32 == 31 ? "\n" : "");
	fprintf(stderr, "\n");
}

/* The worker that the kernel's flow table names, if the packet has a flow; else 0. */
static int slot_in_table(const struct same *s, const struct packet *p)
{
	struct flow_key key;
	struct flow f;

	packet_key_up(p, &key);
	if (!p->l4_valid || bpf_map_lookup_elem(bpf_map__fd(s->h->skel->maps.flows), &key, &f))
		return -1;
	return f.queue;
}

/* Where it is -1, the packet has no flow: a segment but no SYN, a later fragment, an error. */
static void compare_slots(struct same *s, const uint8_t *bytes, size_t len, const char *name)
{
	struct packet p;
	int slot, want;

	assert_int_equal(packet_parse(&p, bytes, bytes + len, 0), 0);
	want = packet_classify(&p, &s->settings, CAPTURE_TUN).slot;
	slot = slot_in_table(s, &p);
	s->flows += slot >= 0;
	if (slot < 0 || slot == want)
		return;
	fail_msg("%s: kernel's flow is of slot %d, host says %d", name, slot, want);
}

static void compare(struct same *s, const uint8_t *bytes, size_t len, const char *name)
{
	struct outcome want = on_host(s, bytes, len), got = { .reason = -1 };

	got.action = harness_run(s->h, s->h->skel->progs.tun_egress, bytes, len, NULL, 1);
	got.mark = got.action == HARNESS_OK ? s->h->mark : 0;
	if (want.reason >= 0 || got.action != HARNESS_OK)
		got.reason = reason_counted(s);
	s->packets++;
	if (got.action == want.action && got.mark == want.mark && got.reason == want.reason) {
		if (got.action == HARNESS_OK)
			compare_slots(s, bytes, len, name);
		return;
	}
	print_packet(bytes, len);
	fail_msg("%s, %zu bytes, packet %lu: kernel %d %x %d, host %d %x %d", name, len, s->packets,
		 got.action, got.mark, got.reason, want.action, want.mark, want.reason);
}

/* Flows of accepted mutations would fill the table, and those of other settings be wrong. */
static void clear_flows(struct same *s)
{
	int fd = bpf_map__fd(s->h->skel->maps.flows);
	struct flow_key key;

	while (!bpf_map_get_next_key(fd, NULL, &key))
		bpf_map_delete_elem(fd, &key);
}

/* Under the last settings policies refuse; what most packets are for is resolved for v4. */
static void use_policies(struct harness *h, int number)
{
	__u32 flags = number == 4 ? DNS_ONLY_RESOLVED :
		      number == 5 ? DNS_ONLY_RESOLVED | DNS_BLOCK_QUIC :
				    0;

	harness_policy(h, "10.0.0.0", 96, 1, flags);
	harness_policy(h, "::", 0, 2, flags);
}

static void use_settings(struct same *s, int number)
{
	s->settings = settings_number(number);
	harness_settings(s->h, &s->settings);
	use_policies(s->h, number);
	clear_flows(s);
}

static void every_kind_and_length(void **state)
{
	struct same *s = *state;
	uint8_t bytes[CRAFT_MAX];
	size_t i, len, cut;
	int number;

	for (number = 0; number < SETTINGS_NUM; number++) {
		use_settings(s, number);
		for (i = 0; i < craft_kinds_num; i++) {
			len = craft(&craft_kinds[i], bytes);
			compare(s, bytes, len, craft_kinds[i].name);
			for (cut = 1; number == 0 && cut < len && cut < 400; cut++)
				compare(s, bytes, cut, craft_kinds[i].name);
		}
	}
}

/* Makes the lengths of the IP header true again, so that the layers above are reached. */
static void mend_length(uint8_t *bytes, size_t len)
{
	size_t claim = bytes[0] >> 4 == 4 ? len : len - 40;
	int at = bytes[0] >> 4 == 4 ? 2 : 4;

	if (len >= 40) {
		bytes[at] = claim >> 8;
		bytes[at + 1] = claim;
	}
}

static size_t mutate(struct same *s, uint8_t *bytes, size_t len)
{
	unsigned int changes = 1 + next_random(s) % 4, at;

	while (changes--) {
		at = next_random(s) % (len < 120 ? len : 120);
		switch (next_random(s) % 4) {
		case 0:
			bytes[at] = next_random(s);
			break;
		case 1:
			bytes[at] ^= 1U << next_random(s) % 8;
			break;
		case 2:
			bytes[at] = "\0\x06\x11\x2b\x2c\x3a\x3b\x3c\x01\xff"[next_random(s) % 10];
			break;
		default:
			len = 1 + next_random(s) % len;
			break;
		}
	}
	if (next_random(s) % 2)
		mend_length(bytes, len);
	return len;
}

static void random_mutations(void **state)
{
	const char *wanted = getenv("HEADRACE_MUTATIONS");
	unsigned long count = wanted ? strtoul(wanted, NULL, 10) : MUTATIONS, i;
	struct same *s = *state;
	uint8_t bytes[CRAFT_MAX];
	size_t kind, len;

	for (i = 0; i < count; i++) {
		if (i % 20000 == 0)
			use_settings(s, i / 20000 % SETTINGS_NUM);
		kind = next_random(s) % craft_kinds_num;
		len = craft(&craft_kinds[kind], bytes);
		len = mutate(s, bytes, len);
		compare(s, bytes, len, craft_kinds[kind].name);
	}
	assert_true(s->flows > s->packets / 20);
	assert_true(s->refused > s->packets / 200);
	print_message("%lu packets judged alike, %lu of flows, %lu refused by policy\n", s->packets,
		      s->flows, s->refused);
}

/* The destinations that most kinds have. */
static void resolve_some(struct datapath *dp)
{
	const uint64_t never = clock_ns() + 3600 * NSEC_PER_SEC;
	struct addr a;

	assert_int_equal(addr_parse("192.0.2.7", &a), 0);
	assert_int_equal(datapath_domain_put(dp, 1, &a, "a.test", never), 0);
}

static int open_group(void **state)
{
	static struct same s = { .random = 0x9e3779b97f4a7c15 };

	s.h = harness_open(FLOWS);
	harness_role(s.h, &s.worker);
	resolve_some(&s.worker);
	*state = &s;
	return 0;
}

static int close_group(void **state)
{
	struct same *s = *state;

	datapath_done(&s->worker);
	harness_close(s->h);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_and_length),
		cmocka_unit_test(random_mutations),
	};

	return cmocka_run_group_tests_name("bpf/same", tests, open_group, close_group);
}
