// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The UDP engine beside so many idle sessions (see flows.c): its table alone, and the whole
 * engine with sockets that are only numbers, so that a datagram costs all but the system calls.
 *
 *   flows_udp REP [FLOWS...]
 */
#include <malloc.h>
#include <netinet/in.h>
#include <unistd.h>

#include <linux/udp.h>

#include "base/budget.h"
#include "base/limits.h"
#include "bench/fake_sockets.h"
#include "bench/flows.h"
#include "bpf/classify.h"
#include "flow/sessions.h"
#include "netdev/socket.h"
#include "worker/room.h"
#include "worker/udp.h"

#define IDLE_MS 3600000

/* --- UDP: the table of sessions ------------------------------------------------------------- */

static void udp_lookups(struct sessions *t, const char *what, unsigned int first)
{
	struct flow_key *keys = random_keys(first, IPPROTO_UDP);
	double start = cpu_ns();
	unsigned int found = 0;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		struct session *s = sessions_find(t, &keys[i]);

		if (!s)
			continue;
		sessions_touch(t, s);
		found++;
	}
	sample(what, (cpu_ns() - start) / SAMPLES);
	if (found != (first ? 0 : SAMPLES))
		die("flows: wrong look-ups");
	free(keys);
}

static void udp_churn(struct sessions *t)
{
	struct flow_key *keys = random_keys(flows, IPPROTO_UDP);
	double start = cpu_ns();

	for (unsigned int i = 0; i < SAMPLES; i++)
		sessions_remove(t, sessions_add(t, &keys[i]));
	sample("udp_churn", (cpu_ns() - start) / SAMPLES);
	free(keys);
}

static void close_session(struct session *s)
{
	die("flows: idle session");
}

/* None has been idle for long enough. */
static void udp_sweeps(struct sessions *t)
{
	double start = cpu_ns();

	for (int i = 0; i < SWEEPS; i++)
		sessions_sweep(t, flows, close_session);
	sample("udp_sweep", (cpu_ns() - start) / SWEEPS);
}

static void bench_udp(void)
{
	struct sources sources;
	struct sessions t;
	struct session *s;

	if (sources_init(&sources) ||
	    sessions_init(&t, &sources, SOURCE_UDP, flows + 1, sizeof(struct udp_session), IDLE_MS))
		die("flows: sessions");
	for (unsigned int i = 0; i < flows; i++) {
		struct flow_key key = key_of(i, IPPROTO_UDP);

		if (!sessions_add(&t, &key))
			die("flows: session");
	}
	udp_lookups(&t, "udp_hit", 0);
	udp_lookups(&t, "udp_miss", flows);
	udp_churn(&t);
	udp_sweeps(&t);
	while ((s = sessions_any(&t)))
		sessions_remove(&t, s);
	sessions_done(&t);
	sources_done(&sources);
}

/* --- UDP: the whole engine, with sockets that are only numbers ------------------------------- */

static size_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%*u %lu", &pages) != 1)
		die("flows: statm");
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void engine_up(struct worker *w)
{
	struct limits *l = &w->config.limits;

	malloc_trim(0); /* what the last one had */
	*w = (struct worker){ .queue = { .fd = -1 }, .relay_fd = -1, .icmp_fd = { -1, -1 } };
	limits_init(l);
	l->n[LIMIT_FLOWS] = l->n[LIMIT_SOURCE_FLOWS] = flows + 1;
	l->n[LIMIT_UDP] = l->n[LIMIT_SOURCE_UDP] = flows + 1;
	w->config.settings.workers = 1;
	w->config.udp_idle_ms = IDLE_MS;
	w->config.udp_sweep_ms = IDLE_MS;
	datapath_init(&w->datapath, 1);
	socket_protect_setup(PROTECT_SO_MARK, HEADRACE_MARK);
	if (loop_new(&w->loop) || room_init(w) || udp_engine_new(w, &w->udp))
		die("flows: worker");
	/* These take none. */
	budget_setup(datapath_budget(&w->datapath, BUDGET_DESCRIPTORS), flows + 1, flows + 1, 1);
	fake_sockets_on = true;
}

static void engine_down(struct worker *w)
{
	fake_sockets_on = false;
	udp_engine_free(w->udp);
	room_done(w);
	loop_free(w->loop);
	datapath_done(&w->datapath);
}

static size_t datagram_of(unsigned int i, uint8_t packet[PACKET])
{
	struct packet_path path = path_of(i);
	size_t ip = packet_ip_header(packet, &path, IPPROTO_UDP, sizeof(struct udphdr) + PAYLOAD);
	struct udphdr udp = { .source = path.sport,
			      .dest = path.dport,
			      .len = htons(sizeof(udp) + PAYLOAD) };

	memcpy(packet + ip, &udp, sizeof(udp));
	return ip + sizeof(udp) + PAYLOAD;
}

static void datagram_input(struct worker *w, uint8_t *packet, size_t len)
{
	struct worker_packet p = { .raw = { .data = packet, .len = len } };

	if (packet_parse(&p.head, packet, packet + len, 0))
		abort();
	packet_key_up(&p.head, &p.key);
	udp_engine_input(w->udp, &p);
}

static void engine_open(struct worker *w)
{
	uint8_t packet[PACKET];
	size_t before = resident_bytes();

	for (unsigned int i = 0; i < flows; i++) {
		datagram_input(w, packet, datagram_of(i, packet));
		udp_engine_flush(w->udp);
		if (i % UDP_CROWD_OPENS == UDP_CROWD_OPENS - 1)
			loop_once(w->loop, 0); /* more in a turn would be dropped */
	}
	sample("udp_rss", (double)(resident_bytes() - before) / flows);
	if (w->udp->sessions.count != flows)
		die("flows: sessions are missing");
}

/* 64 bytes that go out for a random session, all but the send itself. */
static void engine_datagrams(struct worker *w)
{
	uint8_t(*packet)[PACKET] = alloc(SAMPLES, PACKET);
	size_t len = 0;
	double start;

	for (unsigned int i = 0; i < SAMPLES; i++)
		len = datagram_of(random_u32() % flows, packet[i]);
	forget_caches();
	start = cpu_ns();
	for (unsigned int i = 0; i < SAMPLES; i++) {
		datagram_input(w, packet[i], len);
		if (i % TURN == TURN - 1) {
			udp_engine_flush(w->udp);
			loop_once(w->loop, 0);
		}
	}
	sample("udp_datagram", (cpu_ns() - start) / SAMPLES);
	if (w->udp->sessions.count != flows)
		die("flows: sessions are missing");
	free(packet);
}

static void bench_engine(void)
{
	struct worker w;

	engine_up(&w);
	engine_open(&w);
	engine_datagrams(&w);
	engine_down(&w);
}

static void bench(void)
{
	bench_udp();
	bench_engine();
}

int main(int argc, char **argv)
{
	return flows_main(argc, argv, bench);
}
