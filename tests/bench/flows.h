/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the programs of `make bench BENCH=flows`: how many flows there are, which they are,
 * and how a figure about them is told. Each is included by one file, so all is static.
 */
#ifndef TESTS_BENCH_FLOWS_H
#define TESTS_BENCH_FLOWS_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "bpf/contract.h"
#include "netdev/packet.h"

#define SAMPLES 20000 /* packets of one figure */
#define PAYLOAD 64
#define TURN 64 /* packets between two turns of the loop */
#define SWEEPS 1000
#define PACKET 192
#define CACHE_BYTES (64 << 20)

static unsigned int flows;
static int rep;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void *alloc(size_t num, size_t bytes)
{
	void *p = calloc(num, bytes);

	if (!p)
		die("flows: no memory");
	return p;
}

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* {"metric":"flows_WHAT","config":"headrace-100k",...} */
static void sample(const char *what, double value)
{
	unsigned int n = flows;
	const char *unit = "";

	if (n >= 1000000 && n % 1000000 == 0) {
		n /= 1000000;
		unit = "M";
	} else if (n >= 1000 && n % 1000 == 0) {
		n /= 1000;
		unit = "k";
	}
	printf("{\"metric\":\"flows_%s\",\"config\":\"headrace-%u%s\",\"rep\":%d,\"value\":%.6g}\n",
	       what, n, unit, rep, value);
	fflush(stdout);
}

/* Fills the caches with something else. */
static void forget_caches(void)
{
	static uint8_t *other;

	if (!other)
		other = alloc(1, CACHE_BYTES);
	for (size_t i = 0; i < CACHE_BYTES; i += 64)
		other[i]++;
}

static struct packet_path path_of(unsigned int i)
{
	struct packet_path p = { .sport = htons((uint16_t)(1024 + i / 250)), .dport = htons(443) };

	addr_parse("10.0.0.2", &p.src);
	p.src.b[15] = (uint8_t)(2 + i % 250);
	addr_parse("192.0.2.1", &p.dst);
	return p;
}

static struct flow_key key_of(unsigned int i, uint8_t proto)
{
	struct packet_path p = path_of(i);

	return (struct flow_key){
		.saddr = p.src, .daddr = p.dst, .sport = p.sport, .dport = p.dport, .proto = proto
	};
}

/* Keys of SAMPLES flows of those from `first` on. */
static struct flow_key *random_keys(unsigned int first, uint8_t proto)
{
	struct flow_key *keys = alloc(SAMPLES, sizeof(*keys));

	for (unsigned int i = 0; i < SAMPLES; i++)
		keys[i] = key_of(first + random_u32() % flows, proto);
	forget_caches();
	return keys;
}

/* Runs `bench` for each number of flows that the arguments (REP [FLOWS...]) ask for. */
static int flows_main(int argc, char **argv, void (*bench)(void))
{
	static const unsigned int standard[] = { 1000, 10000, 100000, 1000000 };
	int num = argc > 2 ? argc - 2 : (int)(sizeof(standard) / sizeof(standard[0]));

	if (argc < 2) {
		fprintf(stderr, "usage: %s REP [FLOWS...]\n", argv[0]);
		return 2;
	}
	rep = atoi(argv[1]);
	for (int i = 0; i < num; i++) {
		flows = argc > 2 ? (unsigned int)strtoul(argv[2 + i], NULL, 10) : standard[i];
		if (flows < 1000 || flows > 4000000) {
			fprintf(stderr, "flows: from 1000 to 4000000\n");
			return 2;
		}
		bench();
	}
	return 0;
}

#endif
