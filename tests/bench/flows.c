// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a packet and a tick cost beside so many idle flows: `make bench BENCH=flows`. The table
 * of connections, the stack and the kernel programs themselves, without sockets, so that it
 * goes beyond the limit of descriptors (UDP: flows_udp.c). Flows are met in random order, at
 * each number the same many times; what grows with it are cache misses, nothing else may.
 *
 *   flows REP [FLOWS...]      samples as JSON lines; default: 1000 10000 100000 1000000
 *
 * Userspace is timed by the CPU time of this thread, the kernel programs by what
 * bpf_prog_test_run says of each run (its own two clock reads included).
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include <linux/ip.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/random.h"
#include "bench/flows.h"
#include "bpf/classify.h"
#include "datapath/kernel_internal.h"
#include "headrace.skel.h"
#include "lib/segment.h"
#include "lib/tun_settings.h"
#include "stack/internal.h"

/* lwIP and the worker each have their own names for them; both are not meant to meet. */
#undef TCP_FIN
#undef TCP_SYN
#undef TCP_RST
#undef TCP_ACK
#include "worker/tcp_internal.h"

#define TICKS 40 /* of 250 ms */
#define PASSES 5
#define L2 14 /* bpf_prog_test_run wants an Ethernet header */

/* --- TCP: the worker's table, and the stack with every connection open and idle ------------- */

struct bench_tcp {
	struct loop *loop;
	struct stack *stack;
	struct tcp_table table;
	struct tcp_flow **flow;
	uint32_t *seq; /* of each application's next byte */
	uint32_t heard; /* sequence number of what the stack sent last */
};

static struct bench_tcp tcp;
static uint64_t bench_now_ns = 1000 * NSEC_PER_SEC;

static uint64_t bench_clock(void)
{
	return bench_now_ns;
}

static int output(void *arg, const struct iovec *iov, int iovcnt, const struct queue_offload *off)
{
	uint8_t head[64];
	uint32_t seq;
	size_t len = 0;

	for (int i = 0; i < iovcnt && len < sizeof(head); i++) {
		size_t n = iov[i].iov_len;

		if (n > sizeof(head) - len)
			n = sizeof(head) - len;
		memcpy(head + len, iov[i].iov_base, n);
		len += n;
	}
	memcpy(&seq, head + sizeof(struct iphdr) + 4, sizeof(seq));
	tcp.heard = ntohl(seq);
	return 0;
}

static size_t received(struct conn *c, const struct iovec *iov, int iovcnt)
{
	size_t n = 0;

	for (int i = 0; i < iovcnt; i++)
		n += iov[i].iov_len;
	return n;
}

static void gone(struct conn *c)
{
	fprintf(stderr, "flows: a connection is gone\n");
	exit(1);
}

static size_t segment_of(unsigned int i, uint8_t flags, uint32_t ack, size_t len,
			 uint8_t packet[PACKET])
{
	static const uint8_t payload[PAYLOAD];
	struct packet_path path = path_of(i);
	struct segment s = { .flags = flags,
			     .seq = tcp.seq[i],
			     .ack = ack,
			     .window = 65535,
			     .payload = payload,
			     .len = len,
			     .mss = 1460,
			     .scale = 7,
			     .sack_permitted = true };

	tcp.seq[i] += (uint32_t)len + !!(flags & SEG_SYN);
	return segment_build(packet, &path, &s);
}

/* As a worker does with it. */
static void segment_input(uint8_t *packet, size_t len)
{
	struct packet head;
	struct flow_key key;
	struct tcp_flow *f;

	if (packet_parse(&head, packet, packet + len, 0))
		abort();
	packet_key_up(&head, &key);
	f = tcp_table_find(&tcp.table, &key, tcp_table_hash(&tcp.table, &key));
	if (!f)
		abort();
	conn_input(&f->conn, &head, packet);
}

/* Answers the SYN; without the ACK it stays half-open, and needs its timer. */
static struct tcp_flow *open_flow(unsigned int i, bool whole)
{
	struct tcp_flow *f = alloc(1, sizeof(*f));
	uint8_t packet[PACKET];
	struct packet head;
	size_t len = segment_of(i, SEG_SYN, 0, 0, packet);

	f->key = key_of(i, IPPROTO_TCP);
	conn_init(&f->conn, tcp.stack);
	tcp_table_add(&tcp.table, f);
	if (packet_parse(&head, packet, packet + len, 0) || conn_open(&f->conn, &head, packet))
		die("flows: conn_open");
	if (!whole)
		return f;
	len = segment_of(i, SEG_ACK, tcp.heard + 1, 0, packet);
	segment_input(packet, len);
	if (f->conn.state != CONN_OPEN)
		die("flows: no connection");
	return f;
}

static void close_flow(struct tcp_flow *f)
{
	conn_release(&f->conn);
	tcp_table_remove(&tcp.table, f);
	free(f);
}

/* Time passes until nothing is left to do. */
static void settle(void)
{
	for (int i = 0; i < 20; i++) {
		bench_now_ns += 125 * NSEC_PER_MSEC;
		loop_once(tcp.loop, 0);
	}
}

static void tcp_up(void)
{
	static const struct stack_ops ops = { output, received, gone };
	struct stack_options opt = {
		.ops = &ops, .mtu = 1500, .tso = true, .buffers_max = 64 << 20
	};

	clock_inject(bench_clock);
	random_bytes(&opt.isn_key, sizeof(opt.isn_key));
	addr_parse("10.0.0.1", &opt.address4);
	if (loop_new(&tcp.loop))
		die("flows: loop");
	opt.loop = tcp.loop;
	if (stack_new(&opt, &tcp.stack) || tcp_table_init(&tcp.table))
		die("flows: stack");
	tcp.flow = alloc(flows + 1, sizeof(struct tcp_flow *));
	tcp.seq = alloc(flows + 1, sizeof(*tcp.seq));
	for (unsigned int i = 0; i < flows; i++)
		tcp.flow[i] = open_flow(i, true);
	settle();
}

static void tcp_down(void)
{
	for (unsigned int i = 0; i < flows; i++)
		close_flow(tcp.flow[i]);
	stack_free(tcp.stack);
	loop_free(tcp.loop);
	tcp_table_done(&tcp.table);
	free(tcp.flow);
	free(tcp.seq);
	clock_inject(NULL);
}

static void tcp_lookups(const char *what, unsigned int first)
{
	struct flow_key *keys = random_keys(first, IPPROTO_TCP);
	double start = cpu_ns();
	unsigned int found = 0;

	for (unsigned int i = 0; i < SAMPLES; i++)
		found += !!tcp_table_find(&tcp.table, &keys[i],
					  tcp_table_hash(&tcp.table, &keys[i]));
	sample(what, (cpu_ns() - start) / SAMPLES);
	if (found != (first ? 0 : SAMPLES))
		die("flows: wrong look-ups");
	free(keys);
}

static void tcp_churn(void)
{
	struct flow_key *keys = random_keys(flows, IPPROTO_TCP);
	struct tcp_flow f = { .engine = NULL };
	double start = cpu_ns();

	for (unsigned int i = 0; i < SAMPLES; i++) {
		f.key = keys[i];
		tcp_table_add(&tcp.table, &f);
		tcp_table_remove(&tcp.table, &f);
	}
	sample("tcp_churn", (cpu_ns() - start) / SAMPLES);
	free(keys);
}

/* 64 bytes that come in for a random connection, and its part of the ACKs. */
static void tcp_segments(void)
{
	uint8_t(*packet)[PACKET] = alloc(SAMPLES, PACKET);
	size_t *len = alloc(SAMPLES, sizeof(*len));
	double start;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		unsigned int to = random_u32() % flows;
		const struct tcp_pcb *pcb = tcp.flow[to]->conn.pcb;

		len[i] = segment_of(to, SEG_ACK | SEG_PSH, pcb->snd_nxt, PAYLOAD, packet[i]);
	}
	forget_caches();
	start = cpu_ns();
	for (unsigned int i = 0; i < SAMPLES; i++) {
		segment_input(packet[i], len[i]);
		if (i % TURN == TURN - 1)
			loop_once(tcp.loop, 0);
	}
	sample("segment", (cpu_ns() - start) / SAMPLES);
	free(packet);
	free(len);
}

/* All idle: how many timers are armed. One busy beside them: what a tick costs. */
static void idle_ticks(void)
{
	struct tcp_flow *busy;
	double start;

	settle();
	sample("timers_idle",
	       timer_is_armed(&tcp.stack->tick) + timer_is_armed(&tcp.stack->ack_timer));
	busy = open_flow(flows, false);
	forget_caches();
	start = cpu_ns();
	for (int i = 0; i < TICKS; i++) {
		bench_now_ns += 250 * NSEC_PER_MSEC;
		loop_once(tcp.loop, 0);
	}
	sample("tick", (cpu_ns() - start) / TICKS);
	close_flow(busy);
}

static void bench_tcp(void)
{
	tcp_up();
	tcp_lookups("tcp_hit", 0);
	tcp_lookups("tcp_miss", flows);
	tcp_churn();
	tcp_segments();
	idle_ticks();
	tcp_down();
}

/* --- the kernel half ------------------------------------------------------------------------ */

static int silent(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

static unsigned int run_program(int fd, unsigned int i, uint8_t flags, size_t payload)
{
	uint8_t packet[L2 + PACKET] = { [12] = 0x08 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .repeat = 1);

	opts.data_size_in = (__u32)(L2 + segment_of(i, flags, 0, payload, packet + L2));
	if (bpf_prog_test_run_opts(fd, &opts))
		die("flows: bpf_prog_test_run");
	return opts.duration;
}

static void bench_program(void)
{
	struct headrace *skel = headrace__open();
	struct settings s = tun_settings();
	uint32_t zero = 0;
	double ns = 0;
	int fd;

	if (!skel)
		die("flows: programs");
	skel->rodata->l2_bytes = L2;
	bpf_map__set_max_entries(skel->maps.flows, flows);
	if (headrace__load(skel) ||
	    bpf_map_update_elem(bpf_map__fd(skel->maps.settings), &zero, &s, 0))
		die("flows: programs");
	fd = bpf_program__fd(skel->progs.tun_egress);
	tcp.seq = alloc(flows, sizeof(*tcp.seq));
	for (unsigned int i = 0; i < flows; i++) {
		unsigned int one = run_program(fd, i, SEG_SYN, 0);

		if (i + 1000 >= flows)
			ns += one;
	}
	sample("kernel_new", ns / 1000);
	forget_caches();
	ns = 0;
	for (unsigned int i = 0; i < SAMPLES; i++)
		ns += run_program(fd, random_u32() % flows, SEG_ACK, PAYLOAD);
	sample("kernel_hit", ns / SAMPLES);
	free(tcp.seq);
	headrace__destroy(skel);
}

/* Flows in the maps that are noted by a role and idle. */
static void fill_maps(struct kernel *k)
{
	struct flow flow = { .first_seen_ns = clock_ns(), .queue = 1 };
	struct flow_info info = { .outbound = "direct" };
	int cpus = libbpf_num_possible_cpus();
	struct kernel_stats *stats = alloc((size_t)cpus, sizeof(*stats));
	__u32 zero = 0;

	flow.last_seen_ns = flow.first_seen_ns;
	for (unsigned int i = 0; i < flows; i++) {
		struct flow_key key = key_of(i, IPPROTO_UDP);

		if (bpf_map_update_elem(k->maps.flows, &key, &flow, BPF_ANY) ||
		    bpf_map_update_elem(k->maps.flow_info, &key, &info, BPF_ANY))
			die("flows: map");
	}
	stats[0].flows_new = flows;
	if (bpf_map_update_elem(k->maps.stats, &zero, stats, BPF_ANY))
		die("flows: stats");
	free(stats);
}

/* One look of main for strays. Returns its CPU time; *ret_longest: of its longest part. */
static double stray_pass(struct kernel *k, double *ret_longest)
{
	double start = cpu_ns(), last = start;
	bool more = true;

	*ret_longest = 0;
	while (more) {
		double now;

		more = kernel_flow_end_strays(k, NSEC_PER_SEC, NSEC_PER_SEC);
		now = cpu_ns();
		if (now - last > *ret_longest)
			*ret_longest = now - last;
		last = now;
	}
	return last - start;
}

/*
 * The best of some passes, since interrupts are counted too: `known` = all flows were found
 * noted in the pass before, and it was wanted all the same.
 */
static void stray_passes(struct kernel *k, bool known, const char *part, const char *per_flow)
{
	double best = 1e18, shortest = 1e18;

	for (int i = 0; i < PASSES; i++) {
		double longest, all;

		k->strays.known_ns = known ? UINT64_MAX : 0;
		kernel_flow_strays_wanted(k);
		all = stray_pass(k, &longest);
		best = all < best ? all : best;
		shortest = longest < shortest ? longest : shortest;
	}
	sample(part, shortest);
	sample(per_flow, best / flows);
}

static void bench_strays(void)
{
	char err[256], name[32];
	struct kernel_options opt = { .instance = name, .flows_max = flows };
	double idle = 0, longest;
	struct kernel *k;

	snprintf(name, sizeof(name), "bench-%d", getpid());
	if (kernel_load(&opt, &k, err) || !kernel_features(k)->bpf) {
		fprintf(stderr, "flows: %s\n", err);
		exit(1);
	}
	fill_maps(k);
	stray_passes(k, false, "strays_new_part", "strays_new");
	stray_passes(k, true, "strays_known_part", "strays_known");
	for (int i = 0; i < SWEEPS; i++)
		idle += stray_pass(k, &longest);
	sample("strays_idle", idle / SWEEPS);
	kernel_unload(k);
}

static void bench(void)
{
	bench_tcp();
	bench_program();
	bench_strays();
}

int main(int argc, char **argv)
{
	libbpf_set_print(silent);
	return flows_main(argc, argv, bench);
}
