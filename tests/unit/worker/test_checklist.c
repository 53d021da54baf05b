// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The TCP checklist against the engine itself, over IPv4 and IPv6. */
#include "bpf/classify.h"
#include "lib/checklist.h"
#include "unit/worker/tcp_bench.h"

#define ISN_CLOCK_NS 4000 /* RFC 6528: of stack/isn.c */
#define SEGMENT_MAX 60000 /* as a kernel gives them to the TUN, with GSO */

static void link_put(const uint8_t *packet, size_t len)
{
	static uint8_t copy[SEGMENT_PACKET_MAX];
	struct worker_packet p = { .raw = { .data = copy, .len = len } };

	memcpy(copy, packet, len);
	assert_int_equal(packet_parse(&p.head, copy, copy + len, 0), 0);
	packet_key_up(&p.head, &p.key);
	tcp_engine_input(bench.w.tcp, &p);
}

static ssize_t link_take(uint8_t *buf, size_t size, bool *ret_complete)
{
	unsigned int skip = bench.w.queue.vnet_hdr_bytes;
	ssize_t n = read(bench.tun, app_buffer, sizeof(app_buffer));

	if (n < 0)
		return -1;
	*ret_complete = !(skip && (app_buffer[0] & 1));
	assert_true((size_t)n - skip <= size);
	memcpy(buf, app_buffer + skip, (size_t)n - skip);
	return n - skip;
}

static void link_turn(int fd, int ms)
{
	bench_turn(ms);
}

static void link_advance_isn(uint32_t by)
{
	bench.skipped_ns += (uint64_t)by * ISN_CLOCK_NS;
}

/* Its queue of connections is full, so the kernel drops every further SYN. */
static int silent_listener(struct endpoint *ret_at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sin, ret_at), 0);
	filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(filler, (struct sockaddr *)&sin, len), 0);
	close(filler);
	return fd;
}

static int silent_fd;

static void list_up(const char *app, const char *server, const char *silent)
{
	bench_up_with(12);
	peer_link = (struct peer_link){
		.put = link_put,
		.take = link_take,
		.turn = link_turn,
		.pass = bench_skip,
		.advance_isn = link_advance_isn,
		.segment_max = SEGMENT_MAX,
		.port = htons(80),
		.listener = bench.listener,
	};
	assert_int_equal(addr_parse(app, &peer_link.app), 0);
	assert_int_equal(addr_parse(server, &peer_link.server), 0);
	assert_int_equal(addr_parse(silent, &peer_link.silent), 0);
	bench.silent_addr = peer_link.silent;
	silent_fd = silent_listener(&bench.silent);
}

static int list_up4(void **state)
{
	list_up("10.0.0.2", "198.51.100.7", "198.51.100.99");
	return 0;
}

static int list_up6(void **state)
{
	list_up("fd68::2", "2001:db8::7", "2001:db8::99");
	return 0;
}

static int list_down(void **state)
{
	close(silent_fd);
	return bench_down(state);
}

/* Each test has an engine of its own. */
static size_t list_add(struct CMUnitTest *to, const struct CMUnitTest *from, size_t num,
		       CMFixtureFunction up)
{
	for (size_t i = 0; i < num; i++) {
		to[i] = from[i];
		to[i].setup_func = up;
		to[i].teardown_func = list_down;
	}
	return num;
}

static size_t list_all(struct CMUnitTest *to, CMFixtureFunction up)
{
	size_t n = list_add(to, checklist_blind, checklist_blind_num, up);

	n += list_add(to + n, checklist_syn, checklist_syn_num, up);
	n += list_add(to + n, checklist_data, checklist_data_num, up);
	return n + list_add(to + n, checklist_close, checklist_close_num, up);
}

int main(void)
{
	static struct CMUnitTest tests[256];
	size_t num =
		checklist_blind_num + checklist_syn_num + checklist_data_num + checklist_close_num;

	assert_true(2 * num <= sizeof(tests) / sizeof(tests[0]));
	num = list_all(tests, list_up4);
	num += list_all(tests + num, list_up6);
	return _cmocka_run_group_tests("checklist", tests, num, NULL, NULL);
}
