// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS answered in the kernel: bytes in, bytes out, through the TUN's program, the Ethernet
 * device's and XDP's, IPv4 and IPv6; every packet also runs through the code as compiled for
 * the host, which must agree (dns_world_run()).
 */
#include "bpf/captured.h"
#include "bpf/dns_expect.h"

#include <sys/utsname.h>

static const uint8_t address[4] = { 203, 0, 113, 7 };

static const char *const blocked[] = { "exact.example", "bad.example", "a.Bad.Example",
				       "a.b.c.BAD.example", "deep.below.example" };
static const char *const passed[] = { "a.exact.example", "notbad.example", "example", ".",
				      "below.example",	 "bad.example.org" };

static const struct {
	enum dns_action action;
	unsigned int type;
	unsigned int rcode;
	unsigned int zeros; /* bytes of address; none: an SOA, or nothing if refused */
} blocks[] = {
	{ DNS_NXDOMAIN, 1, 3, 0 }, { DNS_NXDOMAIN, 16, 3, 0 }, { DNS_NODATA, 28, 0, 0 },
	{ DNS_ZERO, 1, 0, 4 },	   { DNS_ZERO, 28, 0, 16 },    { DNS_ZERO, 65, 0, 0 },
	{ DNS_ZERO, 1000, 0, 0 },  { DNS_REFUSED, 1, 5, 0 },
};

static struct expected expect_block(const struct dns_ask *ask, size_t i)
{
	unsigned int flags = 0x8080 | blocks[i].rcode | (ask->no_flags ? 0 : 0x0100);
	bool soa = !blocks[i].zeros && blocks[i].action != DNS_REFUSED;
	struct expected e = expect(ask, flags, blocks[i].zeros != 0, soa);
	static const uint8_t zeros[16];

	if (soa)
		expect_soa(&e, 60);
	if (blocks[i].zeros)
		expect_record(&e, blocks[i].type, 60, zeros, blocks[i].zeros);
	expect_opt(&e, ask);
	return e;
}

static void blocks_by_every_mode(void **state)
{
	struct dns_world *w = *state;
	struct expected e;
	size_t i, name;

	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		block(dns_world_reset(w), blocks[i].action);
		dns_world_push(w);
		for (name = 0; name < sizeof(blocked) / sizeof(blocked[0]); name++) {
			struct dns_ask ask = {
				.name = blocked[name],
				.type = (uint16_t)blocks[i].type,
				.id = (uint16_t)(1 + 7919 * name),
				.edns = name & 1,
				.dnssec_ok = name & 2,
				.no_flags = name == 4,
			};

			e = expect_block(&ask, i);
			asked_everywhere(w, &ask, &e);
		}
	}
}

static void leaves_names_of_no_list(void **state)
{
	struct dns_world *w = *state;
	size_t i;

	block(dns_world_reset(w), DNS_NXDOMAIN);
	dns_world_push(w);
	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		left_everywhere(w, &(struct dns_ask){ .name = passed[i] });
}

/* What only the resolver can tell or make is left to it. */
static void leaves_what_the_resolver_decides(void **state)
{
	static const enum dns_action actions[] = { DNS_ASK, DNS_PASS, DNS_REWRITE };
	struct dns_world *w = *state;
	struct dns_host *h;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		block(dns_world_reset(w), actions[i]);
		dns_world_push(w);
		left_everywhere(w, &(struct dns_ask){ .name = "bad.example" });
	}
	h = dns_world_reset(w);
	block(h, DNS_NXDOMAIN);
	dns_host_name_add(h, 0, "asked.example", DNS_GROUP_ASK, SUFFIX);
	h->policies[0][0].ask_other = 1;
	dns_world_push(w);
	left_everywhere(w, &(struct dns_ask){ .name = "a.asked.example" });
	left_everywhere(w, &(struct dns_ask){ .name = "bad.example", .type = 1000 });
	h->state.enabled = 0;
	dns_world_push(w);
	left_everywhere(w, &(struct dns_ask){ .name = "bad.example" });
}

/* What a capture point sent to the TUN is answered there, if it is the resolver's to answer. */
static void answers_captured_queries_where_they_were_captured(void **state)
{
	struct __sk_buff dns = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_DNS);
	struct __sk_buff other = capture_ctx(CAPTURE_IFINDEX, CAPTURE_EGRESS, VERDICT_FORWARD);
	struct dns_ask ask = { .name = "bad.example", .type = 1, .id = 7 };
	uint8_t msg[DNS_ASK_MAX], packet[CRAFT_MAX], mac[] = CAPTURE_MAC;
	struct craft c = { .proto = IPPROTO_UDP, .sport = 5353, .dport = 53, .data = msg };
	struct settings s = capture_settings();
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	size_t len;

	block(h, DNS_NXDOMAIN);
	h->settings = s;
	dns_world_push(w);
	capture_device_put(w->h, CAPTURE_IFINDEX, CAPTURE_EGRESS, 0);
	c.payload = dns_ask(&ask, msg);
	len = craft(&c, packet);
	assert_int_equal(harness_run(w->h, w->h->skel->progs.dns_tun, packet, len, &other, 1), -1);
	assert_int_equal(harness_run(w->h, w->h->skel->progs.dns_tun, packet, len, &dns, 1),
			 HARNESS_REDIRECT);
	assert_int_equal(w->h->mark, 0);
	assert_memory_equal(w->h->out, mac, sizeof(mac)); /* in a frame, to the uplink itself */
	assert_int_equal(w->h->out[12] << 8 | w->h->out[13], 0x0800);
	assert_true(craft_checksums_right(w->h->out + 2 * HARNESS_L2, w->h->out_len - HARNESS_L2));
	assert_int_equal(w->h->out[2 * HARNESS_L2 + 28 + 3] & 15, 3); /* NXDOMAIN */
}

/* --- cached answers ---------------------------------------------------------------------- */

static struct expected expect_kept(const struct dns_ask *ask, unsigned int flags)
{
	struct expected e = expect(ask, flags, 1, 0);

	expect_record(&e, 1, 200, address, sizeof(address));
	expect_opt(&e, ask);
	return e;
}

static void answers_what_is_kept(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	static const char *const names[] = { "www.Example", "A.very.DEEP.name.of.many.labels.test",
					     "xn--9krT00a.EXAMPLE", "." };
	struct expected e;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		keep(h, names[i], 0);
		keep(h, names[i], DNS_ANSWER_DO);
	}
	dns_world_push(w);
	for (size_t i = 0; i < 4 * sizeof(names) / sizeof(names[0]); i++) {
		struct dns_ask ask = { .name = names[i / 4], .id = (uint16_t)(i * 4099 + 1) };

		ask.edns = i & 3;
		ask.dnssec_ok = i & 2;
		e = expect_kept(&ask, 0x8180);
		asked_everywhere(w, &ask, &e);
	}
}

/* AD and DO are part of the key; without RD, or with CD, the resolver is asked. */
static void tells_flags_apart(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct dns_ask ask = { .name = "www.example", .flags = 0x0120 };
	struct expected e;

	dns_put16(keep(h, "www.example", DNS_ANSWER_AD)->msg + 2, 0x81a0);
	dns_put16(keep(h, "aa.example", 0)->msg + 2, 0x8483);
	dns_world_push(w);
	e = expect_kept(&ask, 0x81a0);
	asked_everywhere(w, &ask, &e);
	left_everywhere(w, &(struct dns_ask){ .name = "www.example" });
	left_everywhere(w, &(struct dns_ask){ .name = "www.example", .flags = 0x0020 });
	left_everywhere(w, &(struct dns_ask){ .name = "www.example", .flags = 0x0130 });
	left_everywhere(w, &(struct dns_ask){ .name = "www.example",
					      .flags = 0x0120,
					      .edns = true,
					      .dnssec_ok = true });
	left_everywhere(w, &(struct dns_ask){ .name = "www.example", .type = 28 });
	left_everywhere(w, &(struct dns_ask){ .name = "aa.example", .no_flags = true });
	ask = (struct dns_ask){ .name = "aa.example" };
	e = expect_kept(&ask, 0x8583);
	asked_everywhere(w, &ask, &e);
}

/* Each of these answers is there, and none may be given. */
static void leaves_what_is_not_good_any_more(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct dns_answer *a;

	a = keep(h, "aged.example", 0);
	a->stored_ns -= 300 * DNS_SECOND_NS;
	a = keep(h, "expired.example", 0);
	a->expires_ns = h->now_ns - 1;
	a = keep(h, "epoch.example", 0);
	a->epoch += 2;
	a = keep(h, "torn.example", 0);
	a->check_end++;
	a = keep(h, "name.example", 0);
	a->name[2] ^= 1;
	a = keep(h, "length.example", 0);
	a->name_len--;
	a = keep(h, "long.example", 0);
	a->len = DNS_ANSWER_BYTES + 1;
	a = keep(h, "short.example", 0);
	a->len = 20;
	a = keep(h, "offset.example", 0);
	a->ttl_offset[0] = a->len - 3;
	a = keep(h, "early.example", 0);
	a->ttl_offset[0] = 12;
	a = keep(h, "many.example", 0);
	a->ttls = DNS_ANSWER_TTLS + 1;
	a = keep(h, "negative.example", 0);
	dns_put32(a->msg + a->ttl_offset[0], 0x80000000);
	dns_world_push(w);
	for (unsigned int i = 0; i < h->answers_num; i++) {
		static const char *const names[] = {
			"aged.example",	  "expired.example", "epoch.example", "torn.example",
			"name.example",	  "length.example",  "long.example",  "short.example",
			"offset.example", "early.example",   "many.example",  "negative.example",
		};

		left_everywhere(w, &(struct dns_ask){ .name = names[i] });
	}
}

/* An answer that fills what the kernel gives, with as many TTLs as there can be. */
static struct dns_answer *keep_large(struct dns_host *h, const char *name)
{
	struct dns_host_answer *a = dns_host_answer_add(h, 0, name, 1, 0);
	uint8_t rdata[512] = { 1, 2, 3 };

	for (int i = 0; i < DNS_ANSWER_TTLS - 1; i++)
		dns_host_answer_record(a, 1, 1000 + (uint32_t)i, address, sizeof(address));
	dns_host_answer_record(a, 1, 5000, rdata, (uint16_t)(DNS_ANSWER_BYTES - a->value.len - 12));
	a->value.stored_ns -= DNS_SECOND_NS / 2;
	return &a->value;
}

static void gives_the_largest_or_truncates(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct dns_answer *a = keep_large(h, "large.example");
	struct dns_ask ask = { .name = "large.example" };
	struct expected e = { .len = DNS_ANSWER_BYTES };

	dns_world_push(w);
	memcpy(e.bytes, a->msg, DNS_ANSWER_BYTES);
	e.bytes[0] = 0x12;
	e.bytes[1] = 0x34;
	asked_everywhere(w, &ask, &e);
	ask.edns = true;
	ask.payload = 523;
	e.bytes[11] = 1;
	expect_opt(&e, &ask);
	asked_everywhere(w, &ask, &e);
	for (ask.payload = 522; ask.payload; ask.payload /= 8) {
		e = expect(&ask, 0x8380, 0, 0);
		expect_opt(&e, &ask);
		asked_everywhere(w, &ask, &e);
	}
}

/* The device's MTU counts as the client's limit does; what does not fit even cut is left. */
static void heeds_the_mtu(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct dns_ask ask = { .name = "large.example" };
	struct dns_answer *a = keep_large(h, "large.example");
	struct expected e = { .len = DNS_ANSWER_BYTES };
	const uint8_t *msg;
	size_t len;

	h->settings.mtu = 28 + DNS_ANSWER_BYTES;
	dns_world_push(w);
	memcpy(e.bytes, a->msg, DNS_ANSWER_BYTES);
	e.bytes[0] = 0x12;
	e.bytes[1] = 0x34;
	asked(w, DNS_HOST_TUN, 4, &ask, &e);
	e = expect(&ask, 0x8380, 0, 0);
	asked(w, DNS_HOST_TUN, 6, &ask, &e);
	h->settings.mtu--;
	dns_world_push(w);
	asked(w, DNS_HOST_TUN, 4, &ask, &e);
	h->settings.mtu = 48;
	dns_world_push(w);
	assert_false(dns_world_ask(w, DNS_HOST_TUN, 4, &ask, &msg, &len));
}

/* --- policies and generations ------------------------------------------------------------ */

static void clients_have_their_own_policies(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct dns_ask ask = { .name = "bad.example" };
	struct expected no, yes;
	const uint8_t *msg;
	size_t len;

	block(h, DNS_PASS);
	h->policies[0][1] = h->policies[0][0];
	h->policies[0][1].action[0] = DNS_NXDOMAIN;
	dns_host_client_add(h, 0, "10.0.0.2", 32, 1);
	keep(h, "bad.example", 0);
	dns_world_push(w);
	no = expect_block(&ask, 0);
	yes = expect_kept(&ask, 0x8180);
	for (int point = 0; point < DNS_HOST_POINTS; point++) {
		asked(w, point, 4, &ask, &no);
		asked(w, point, 6, &ask, &yes);
	}
	h->clients[0][1].value = DNS_HOST_POLICIES - 1; /* has no answer kept, though it passes */
	dns_world_push(w);
	assert_false(dns_world_ask(w, DNS_HOST_TUN, 4, &ask, &msg, &len));
	h->clients[0][0].key.bits = 96; /* now IPv6 has no policy */
	memset(h->clients[0][0].key.addr + 10, 0xff, 2);
	dns_world_push(w);
	assert_false(dns_world_ask(w, DNS_HOST_TUN, 6, &ask, &msg, &len));
}

/* Rules are tried in order: the first that matches decides, whatever those behind it say. */
static void first_rule_decides(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct dns_policy *p = &h->policies[0][0];
	struct dns_ask ask = { .name = "a.bad.example" };
	struct expected e;

	block(h, DNS_PASS);
	p->group[2].domains = 4;
	p->any_domain = 1 | 2;
	p->any_list = 4 | 2;
	p->group[GROUP_BAD].lists = 1;
	p->type_rules[DNS_TYPE_A] = 4 | 1;
	p->type_rules[DNS_TYPE_AAAA] = 4 | 2;
	p->type_rules[DNS_TYPE_MX] = 0;
	p->action[0] = DNS_REFUSED;
	p->action[1] = DNS_NODATA;
	p->action[2] = DNS_NXDOMAIN;
	dns_host_name_add(h, 0, "a.bad.example", 2, SUFFIX);
	dns_host_name_add(h, 0, "good.bad.example", 3, SUFFIX);
	p->group[3].except = 1;
	dns_world_push(w);
	e = expect(&ask, 0x8185, 0, 0);
	asked_everywhere(w, &ask, &e);
	ask.type = 28;
	e = expect(&ask, 0x8180, 0, 1);
	expect_soa(&e, 60);
	asked_everywhere(w, &ask, &e);
	left_everywhere(w, &(struct dns_ask){ .name = "good.bad.example" });
	left_everywhere(w, &(struct dns_ask){ .name = "bad.example", .type = 15 });
}

static void epoch_names_the_generation(void **state)
{
	struct dns_world *w = *state;
	struct dns_host *h = dns_world_reset(w);
	struct dns_ask ask = { .name = "bad.example" };
	struct expected e;

	block(h, DNS_NXDOMAIN);
	memset(h->names[1], 0, sizeof(h->names[1]));
	dns_world_push(w);
	e = expect_block(&ask, 0);
	asked_everywhere(w, &ask, &e);
	h->state.epoch++;
	dns_world_push(w);
	left_everywhere(w, &ask);
	h->state.epoch++;
	h->state.buckets[0] = 0;
	dns_world_push(w);
	left_everywhere(w, &ask);
}

/* Of the million that the verifier looks at: half on 6.1, which prunes worse, else a quarter. */
static void leaves_the_verifier_room(void **state)
{
	struct dns_world *w = *state;
	struct bpf_program *const progs[] = { w->h->skel->progs.dns_tun, w->h->skel->progs.dns_eth,
					      w->h->skel->progs.dns_xdp };
	struct utsname kernel;

	assert_int_equal(uname(&kernel), 0);
	for (size_t i = 0; i < sizeof(progs) / sizeof(progs[0]); i++) {
		struct bpf_prog_info info = { 0 };
		__u32 len = sizeof(info);

		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(progs[i]), &info, &len), 0);
		print_message("%s: %u instructions verified\n", bpf_program__name(progs[i]),
			      info.verified_insns);
		assert_in_range(info.verified_insns, 1,
				strncmp(kernel.release, "6.1.", 4) == 0 ? 500000 : 250000);
	}
}

static int open_group(void **state)
{
	*state = dns_world_open();
	return 0;
}

static int close_group(void **state)
{
	dns_world_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaves_the_verifier_room),
		cmocka_unit_test(blocks_by_every_mode),
		cmocka_unit_test(leaves_names_of_no_list),
		cmocka_unit_test(leaves_what_the_resolver_decides),
		cmocka_unit_test(answers_captured_queries_where_they_were_captured),
		cmocka_unit_test(answers_what_is_kept),
		cmocka_unit_test(tells_flags_apart),
		cmocka_unit_test(leaves_what_is_not_good_any_more),
		cmocka_unit_test(gives_the_largest_or_truncates),
		cmocka_unit_test(heeds_the_mtu),
		cmocka_unit_test(clients_have_their_own_policies),
		cmocka_unit_test(first_rule_decides),
		cmocka_unit_test(epoch_names_the_generation),
	};

	return cmocka_run_group_tests_name("bpf/dns", tests, open_group, close_group);
}
