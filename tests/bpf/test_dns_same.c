// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The same DNS queries, random ones and mutations of them, through the programs in the kernel
 * and through their code as compiled for the host: whether they are answered, and every byte
 * of the answer, must agree. Blocks must be what the resolver answers, too (dns/synth.h).
 * Number of packets: HEADRACE_MUTATIONS; the seed is fixed, and what fails is printed.
 */
#include "bpf/dns_world.h"

#include "dns/edns.h"
#include "dns/synth.h"

#define PACKETS 60000
#define PACKETS_OF_TABLES 2000 /* then others are made up */

struct same {
	struct dns_world *w;
	uint64_t random;
	char kept[DNS_HOST_ANSWERS][DNS_NAME_MAX]; /* names of answers */
	unsigned long packets;
	unsigned long answered;
	unsigned long blocked;
};

/* xorshift64: the same packets on every machine */
static uint32_t next_random(struct same *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random >> 16;
}

/* Names of a small world, so that many are met with in the tables. */
static const char *random_name(struct same *s, char buf[DNS_NAME_MAX])
{
	static const char *const tops[] = { "test", "example", "Example", "org" };
	static const char *const labels[] = { "a", "B", "www", "a-label-of-more-than-eight-octets",
					      "xn--80ak6aa92e" };
	unsigned int depth = next_random(s) % (next_random(s) % 16 ? 4 : 7);
	char *to = buf;

	while (depth--)
		to += sprintf(to, "%s.", labels[next_random(s) % 5]);
	sprintf(to, "%s", tops[next_random(s) % 4]);
	return buf;
}

static uint16_t random_type(struct same *s)
{
	return (uint16_t[]){ 1, 28, 1, 15, 65, 16, 1000, 255, 0, 41, 252, 6 }[next_random(s) % 12];
}

static void random_policy(struct same *s, struct dns_policy *p)
{
	int i;

	for (i = 1; i < 8; i++) {
		p->group[i].domains = next_random(s) & next_random(s) & 0xff;
		p->group[i].lists = next_random(s) & next_random(s) & 0xff;
		p->group[i].except = next_random(s) & next_random(s) & next_random(s) & 0xff;
	}
	p->any_domain = next_random(s) & 0xff;
	p->any_list = next_random(s) & next_random(s) & next_random(s) & 0xff;
	for (i = 0; i < DNS_TYPE_NUM; i++)
		p->type_rules[i] = next_random(s) & 0xff;
	p->ask_other = next_random(s) & next_random(s) & 0xff;
	for (i = 0; i < 8; i++)
		p->action[i] = next_random(s) % 2 ? DNS_PASS : next_random(s) % DNS_ACTION_NUM;
	p->no_match = DNS_PASS;
}

static void random_answer(struct same *s, struct dns_host *h)
{
	char *name = s->kept[h->answers_num];
	struct dns_host_answer *a;
	uint8_t rdata[64];
	int records = next_random(s) % 5;

	a = dns_host_answer_add(h, next_random(s) % DNS_HOST_POLICIES, random_name(s, name), 1,
				next_random(s) % 4 ? 0 : next_random(s) % 4);
	for (size_t i = 0; i < sizeof(rdata); i++)
		rdata[i] = next_random(s);
	while (records--)
		dns_host_answer_record(a, 1, 1 + next_random(s) % 1000, rdata,
				       next_random(s) % sizeof(rdata));
	a->value.stored_ns -= next_random(s) % 400 * DNS_SECOND_NS;
	if (next_random(s) % 8 == 0)
		a->value.epoch ^= 1;
	if (next_random(s) % 16 == 0)
		((uint8_t *)&a->value)[next_random(s) % sizeof(a->value)] ^= 1;
}

static void random_tables(struct same *s)
{
	struct dns_host *h = dns_world_reset(s->w);
	char name[DNS_NAME_MAX];
	int i, which;

	h->state.seed[0] ^= next_random(s);
	h->state.epoch += next_random(s) % 2;
	h->state.block_ttl[0] = h->state.block_ttl[1] = next_random(s) % 4000;
	h->settings.mtu = next_random(s) % 4 ? 1500 : 100 + next_random(s) % 500;
	for (which = 0; which < 2; which++) {
		for (i = 0; i < DNS_HOST_POLICIES; i++)
			random_policy(s, &h->policies[which][i]);
		for (i = 0; i < 40; i++)
			dns_host_name_add(h, which, random_name(s, name), 1 + next_random(s) % 8,
					  1 + next_random(s) % 3);
		dns_host_client_add(h, which, "10.0.0.0", 28, next_random(s) % 4);
		dns_host_client_add(h, which, "10.0.0.2", 32, next_random(s) % 5);
		dns_host_client_add(h, which, "fd68::", 16, next_random(s) % 4);
	}
	for (i = 0; i < DNS_HOST_ANSWERS; i++)
		random_answer(s, h);
	dns_world_push(s->w);
}

static struct dns_ask random_ask(struct same *s, char name[DNS_NAME_MAX])
{
	static const char options[] = "\0\x0a\0\x08"
				      "12345678"
				      "\0\x0c\0";
	struct dns_ask ask = {
		.name = random_name(s, name),
		.id = next_random(s),
		.type = random_type(s),
		.edns = next_random(s) % 2,
	};

	if (next_random(s) % 2) {
		ask.name = s->kept[next_random(s) % DNS_HOST_ANSWERS];
		ask.type = 1;
	}
	if (next_random(s) % 4 == 0)
		ask.flags = next_random(s) & 0x0130;
	if (!ask.edns)
		return ask;
	ask.dnssec_ok = next_random(s) % 4 == 0;
	ask.payload = next_random(s) % 4 ? 0 : next_random(s) % 600;
	ask.options = options;
	ask.options_len = (uint16_t[]){ 0, 0, 12, 16, 0, 14 }[next_random(s) % 6];
	return ask;
}

static void mutate(struct same *s, uint8_t *packet, size_t *len)
{
	unsigned int changes = next_random(s) % 2 ? 0 : next_random(s) % 4, at;

	while (changes--) {
		at = next_random(s) % *len;
		if (next_random(s) % 2)
			at = 20 + next_random(s) % 60 % (*len - 20);
		switch (next_random(s) % 6) {
		case 0:
			packet[at] = next_random(s);
			break;
		case 1:
			packet[at] ^= 1U << next_random(s) % 8;
			break;
		case 2:
			*len = 21 + next_random(s) % (*len - 20);
			break;
		case 3:
			*len += next_random(s) % 20;
			break;
		default:
			packet[at] ^= 0x20;
			break;
		}
	}
}

/* The resolver's own answer to a query that the kernel blocked. */
static void compare_block(struct same *s, const uint8_t *packet)
{
	const struct dns_work *work = &s->w->work;
	size_t headers = packet[0] >> 4 == 4 ? 28 : 48, len;
	const uint8_t *query = packet + headers;
	struct msg_question question;
	uint8_t buf[DNS_ASK_MAX];

	if (work->action == DNS_PASS)
		return;
	assert_int_equal(msg_question_get(query, work->len, &question), 0);
	len = synth_block(buf, query, &question, work->action, s->w->host.state.block_ttl[0]);
	if (work->edns)
		len = edns_append(buf, len, work->dnssec_ok);
	s->blocked++;
	if (work->out_len == work->end + (work->edns ? DNS_OPT_BYTES : 0) &&
	    (work->out.msg[2] & 2)) /* cut: only the record is gone */
		return;
	assert_int_equal(s->w->h->out_len - headers, len);
	assert_memory_equal(s->w->h->out + HARNESS_L2 + headers, buf, len);
}

static void random_queries(void **state)
{
	const char *wanted = getenv("HEADRACE_MUTATIONS");
	unsigned long count = wanted ? strtoul(wanted, NULL, 10) : PACKETS;
	struct same *s = *state;
	uint8_t packet[CRAFT_MAX];
	char name[DNS_NAME_MAX];
	struct dns_ask ask;
	size_t len;

	for (s->packets = 0; s->packets < count; s->packets++) {
		if (s->packets % PACKETS_OF_TABLES == 0)
			random_tables(s);
		memset(packet, 0, sizeof(packet));
		ask = random_ask(s, name);
		len = dns_world_packet(&ask, next_random(s) % 2 ? 4 : 6, packet);
		mutate(s, packet, &len);
		if (!dns_world_run(s->w, next_random(s) % DNS_HOST_POINTS, packet, len))
			continue;
		s->answered++;
		compare_block(s, packet);
	}
	print_message("%lu queries, %lu answered, of them %lu blocked\n", s->packets, s->answered,
		      s->blocked);
	assert_true(s->answered > s->packets / 32);
	assert_true(s->blocked > s->answered / 8);
	assert_true(s->answered - s->blocked > s->answered / 8);
}

static int open_group(void **state)
{
	static struct same s = { .random = 0x9e3779b97f4a7c15 };

	s.w = dns_world_open();
	*state = &s;
	return 0;
}

static int close_group(void **state)
{
	struct same *s = *state;

	dns_world_close(s->w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_queries),
	};

	return cmocka_run_group_tests_name("bpf/dns_same", tests, open_group, close_group);
}
