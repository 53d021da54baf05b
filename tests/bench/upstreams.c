// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What asking an upstream costs over each transport, without the rest of the resolver:
 *
 *   upstreams loop TYPE ADDRESS PORT HOST CA ZONE NAMES SECONDS LANES
 *   upstreams connect TYPE ADDRESS PORT HOST CA ZONE NAMES SECONDS 1
 *
 * loop: LANES questions outstanding, for random ones of n0.ZONE ... Prints answers a second,
 * p50 and p99 in microseconds, microseconds of this process' CPU time an answer, failures.
 * connect: a question over a new connection each time. Prints the same, and how many of the
 * handshakes were resumed. TYPE: tcp tls https get (https by GET). Needs CAP_NET_ADMIN, for
 * sockets are marked as they are in a role.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "dns/edns.h"
#include "dns/msg.h"
#include "dns/transport.h"
#include "netdev/socket.h"

#define LANES_MAX 1024
#define DRAIN_MS 10000 /* for the last answers; what is missing then has failed */
#define SAMPLES_MAX 4000000
#define MARK 0x4852

struct lane {
	struct transport_request request;
	struct plain_question question;
	uint64_t asked_ns;
	uint8_t message[PLAIN_QUESTION_MAX];
};

static struct {
	struct loop *loop;
	struct datapath datapath;
	struct conf_upstream upstream;
	struct transport *transport;
	struct lane lane[LANES_MAX];
	const char *zone;
	unsigned int names;
	bool anew; /* a connection for each question */
	bool over;
	unsigned long asked, answers, failures;
	uint32_t sample_us[SAMPLES_MAX];
} bench;

static size_t put_labels(uint8_t *to, const char *text)
{
	size_t at = 0;

	while (*text) {
		size_t len = strcspn(text, ".");

		to[at++] = (uint8_t)len;
		memcpy(to + at, text, len);
		at += len;
		text += len + (text[len] == '.');
	}
	to[at++] = 0;
	return at;
}

static void draw_question(struct lane *l)
{
	struct plain_question *q = &l->question;
	char name[128];

	snprintf(name, sizeof(name), "n%u.%s", random_u32() % bench.names, bench.zone);
	memset(l->message, 0, MSG_HEADER_BYTES);
	msg_put16(l->message + 2, MSG_RD);
	msg_put16(l->message + 4, 1);
	q->question_end = MSG_HEADER_BYTES + put_labels(l->message + MSG_HEADER_BYTES, name) + 4;
	msg_put16(l->message + q->question_end - 4, TYPE_A);
	msg_put16(l->message + q->question_end - 2, CLASS_IN);
	q->message = l->message;
	q->len = edns_append(l->message, q->question_end, false);
	l->request.question = q;
}

static void ask(struct lane *l)
{
	draw_question(l);
	l->asked_ns = clock_ns();
	bench.asked++;
	if (transport_ask(bench.transport, &l->request) < 0) {
		bench.failures++;
		loop_stop(bench.loop, 1);
	}
}

static void done(struct transport_request *r, int status, uint8_t *answer, size_t len)
{
	struct lane *l = container_of(r, struct lane, request);

	if (status < 0) {
		bench.failures++;
		loop_stop(bench.loop, 1);
		return;
	}
	if (bench.answers < SAMPLES_MAX)
		bench.sample_us[bench.answers] = (uint32_t)((clock_ns() - l->asked_ns) / 1000);
	bench.answers++;
	if (!bench.over && !bench.anew)
		ask(l);
	bench.over |= bench.anew;
}

static unsigned int addresses(void *arg, struct endpoint ret_to[CONF_ADDRESSES_MAX])
{
	ret_to[0] = bench.upstream.address[0];
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void run_loop(unsigned int lanes, uint64_t until_ms)
{
	for (unsigned int i = 0; i < lanes; i++)
		ask(&bench.lane[i]);
	while (clock_ms() < until_ms && !bench.failures)
		loop_once(bench.loop, 100);
	bench.over = true;
	for (until_ms = clock_ms() + DRAIN_MS; bench.asked > bench.answers;) {
		if (clock_ms() >= until_ms || bench.failures)
			break;
		loop_once(bench.loop, 100);
	}
	bench.failures += bench.asked - bench.answers;
}

static void run_connect(uint64_t until_ms)
{
	while (clock_ms() < until_ms && !bench.failures) {
		bench.over = false;
		transport_reset(bench.transport);
		ask(&bench.lane[0]);
		while (!bench.over && !bench.failures)
			loop_once(bench.loop, 100);
	}
}

static void report(double seconds, double cpu)
{
	size_t n = bench.answers < SAMPLES_MAX ? bench.answers : SAMPLES_MAX;
	struct transport_figures f;

	transport_figures(bench.transport, &f);
	qsort(bench.sample_us, n, sizeof(bench.sample_us[0]), compare);
	printf("%.0f %u %u %.1f %lu %lu/%lu\n", (double)bench.answers / seconds,
	       n ? bench.sample_us[n / 2] : 0, n ? bench.sample_us[n * 99 / 100] : 0,
	       bench.answers ? cpu / (double)bench.answers : 0, bench.failures,
	       (unsigned long)f.resumed, (unsigned long)f.handshakes);
	if (f.error[0])
		fprintf(stderr, "upstreams: %s\n", f.error);
}

static int take_type(const char *type)
{
	struct conf_upstream *u = &bench.upstream;

	u->get = !strcmp(type, "get");
	if (!strcmp(type, "tcp"))
		u->type = CONF_TCP;
	else if (!strcmp(type, "tls"))
		u->type = CONF_TLS;
	else if (!strcmp(type, "https") || u->get)
		u->type = CONF_HTTPS;
	else
		return -EINVAL;
	return 0;
}

static int setup(char **argv, char error[TRANSPORT_ERROR_MAX])
{
	struct conf_upstream *u = &bench.upstream;
	struct transport_options options = { .datapath = &bench.datapath, .upstream = u };

	snprintf(u->name, sizeof(u->name), "bench");
	u->port = (uint16_t)strtoul(argv[4], NULL, 10);
	u->host = argv[5];
	u->ca_file = argv[6];
	u->path = (char *)"/dns-query";
	bench.zone = argv[7];
	bench.names = (unsigned int)strtoul(argv[8], NULL, 10);
	if (take_type(argv[2]) < 0 || !bench.names ||
	    endpoint_parse(argv[3], u->port, &u->address[0]) < 0)
		return -EINVAL;
	datapath_init(&bench.datapath, 0);
	socket_protect_setup(PROTECT_SO_MARK, MARK);
	options.addresses = addresses;
	if (loop_new(&bench.loop) < 0)
		return -ENOMEM;
	options.loop = bench.loop;
	for (unsigned int i = 0; i < LANES_MAX; i++)
		bench.lane[i].request.done = done;
	return transport_new(&options, &bench.transport, error);
}

int main(int argc, char **argv)
{
	char error[TRANSPORT_ERROR_MAX] = "wrong arguments";
	uint64_t began, until;
	unsigned long lanes;
	double cpu;

	if (argc != 11 || setup(argv, error) < 0) {
		fprintf(stderr, "upstreams: %s\n", error);
		return 2;
	}
	lanes = strtoul(argv[10], NULL, 10);
	bench.anew = !strcmp(argv[1], "connect");
	log_setup("upstreams", LOG_LEVEL_ERROR);
	began = clock_ms();
	until = began + strtoul(argv[9], NULL, 10) * 1000;
	cpu = cpu_us();
	if (bench.anew)
		run_connect(until);
	else
		run_loop(lanes < LANES_MAX ? (unsigned int)lanes : LANES_MAX, until);
	report((double)(clock_ms() - began) / 1000, cpu_us() - cpu);
	transport_free(bench.transport);
	loop_free(bench.loop);
	return bench.failures != 0;
}
