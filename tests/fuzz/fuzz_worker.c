// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The whole worker: packets enter as from the TUN, through the loop, the queue and its
 * virtio_net_hdr; TCP, UDP, echo, fragments and DNS go on together, with peers, time and
 * faults between them (peer*.c, application.c). An input is a list of operations, behind two
 * bytes that choose the set-up and how it ends.
 *
 * Checked, besides what those two check: a packet that is read has an effect or is counted
 * as dropped; a flow that was noted ends exactly once; in the end no socket is open, every
 * gauge is 0, and no byte of a buffer is held. If the input asks for it, everything works at
 * last, and then every connection must come to its end with all its bytes.
 *
 * Each input has a worker of its own, at the same time with the same random numbers: what it
 * does is the same whatever came before. Inputs of which the set-up is SHUTDOWN end in the
 * middle of whatever goes on, as a worker does that is told to stop.
 */
#include "worker/worker.c"

#include "bpf/classify.h"
#include "tests/fuzz/fake.h"
#include "tests/fuzz/world.h"
#include "tests/lib/tun_settings.h"
#include "worker/icmp.h"
#include "worker/tcp_internal.h"
#include "worker/udp.h"

#include <sys/epoll.h>

#define SHUTDOWN 0xff
#define FLOWS 512 /* noted at a time */
#define QUIET_MS 200000 /* longer than anything idle is kept */
#define ROUNDS_MAX 200
#define TURNS_MAX 10000 /* without any time between them */

#define WINDOW 32768 /* of the worker, at least, when all is taken */

#define OPERATIONS 16
#define OPERATION_TIME 8

/* lwIP's own state, whose header does not go together with the engine's. */
extern struct tcp_pcb *tcp_active_pcbs, *tcp_tw_pcbs;
extern uint32_t tcp_ticks;
void tcp_tmr(void);

static struct role role;
static struct worker *const worker = &role.worker;

static struct input *input; /* where packets come from, NULL = none now */
static unsigned int finishing; /* applications that still have something to say */
static int read_error, write_error; /* of the TUN */

static struct fence behind; /* the packet that was read */

/* --- flows that were noted and have not ended ------------------------------------------ */

static struct flow_key flows[FLOWS];
static struct flow_info infos[FLOWS];
static unsigned int flow_count, flow_ends;

static unsigned int flow_find(const struct flow_key *key)
{
	unsigned int i = 0;

	while (i < flow_count && memcmp(&flows[i], key, sizeof(*key)) != 0)
		i++;
	return i;
}

int __wrap_datapath_flow_note(struct datapath *dp, const struct flow_key *key,
			      const struct flow_info *info)
{
	unsigned int i = flow_find(key);

	require(i < FLOWS && i == flow_count && info->end == END_NONE);
	flows[i] = *key;
	infos[i] = *info;
	flow_count++;
	return 0;
}

int __wrap_datapath_flow_noted(struct datapath *dp, const struct flow_key *key,
			       struct flow_info *ret_info)
{
	unsigned int i = flow_find(key);

	if (i == flow_count)
		return -ENOENT;
	*ret_info = infos[i];
	return 0;
}

int __wrap_datapath_flow_end(struct datapath *dp, const struct flow_key *key, uint64_t created_ns,
			     const struct flow_info *info)
{
	unsigned int i = flow_find(key);

	require(info->end > END_NONE && info->end < FLOW_END_NUM);
	require(created_ns <= fake_world.now_ns);
	flow_ends++;
	if (i == flow_count)
		return 0;
	flow_count--;
	flows[i] = flows[flow_count];
	infos[i] = infos[flow_count];
	return 0;
}

/* --- every packet has an effect -------------------------------------------------------- */

struct effects {
	uint64_t drops, sends, writes, held, tcp, syns, ends, run, run_bytes;
};

static uint64_t written;
static struct effects before;
static uint8_t last[PARSE_HEAD_MAX]; /* packet */
static size_t last_len; /* 0 = none to account for */

static struct effects effects_now(void)
{
	const __u64 *drops = (const __u64 *)&worker->datapath.counters->drops;
	struct effects e = {
		.sends = peers.sends,
		.writes = written,
		.held = worker->datapath.counters->stats.fragments_held,
		.tcp = worker->tcp->table.count,
		.syns = worker->tcp->queue.class[0].count + worker->tcp->queue.class[1].count,
		.ends = flow_ends,
		.run = worker->udp->run.session ? worker->udp->run.count : 0,
		.run_bytes = worker->udp->run.session ? worker->udp->run.bytes : 0,
	};

	for (int i = 0; i < DROP_NUM; i++)
		e.drops += drops[i];
	return e;
}

static struct tcp_flow *connection_of(const struct flow_key *key)
{
	struct tcp_table *table = &worker->tcp->table;

	return tcp_table_find(table, key, tcp_table_hash(table, key));
}

static struct tcp_flow *connection_of_app(const struct app *a)
{
	struct flow_key key = { .saddr = a->path.src,
				.daddr = a->path.dst,
				.sport = a->path.sport,
				.dport = a->path.dport,
				.proto = IPPROTO_TCP };

	return connection_of(&key);
}

/* While others use its ports, the connection need not be its own. */
uint32_t world_isn(const struct app *a)
{
	const struct tcp_flow *f = connection_of_app(a);

	require(apps_wild || (f && f->syn));
	return f && f->syn ? stack_segment_seq(&f->syn->head, f->syn->packet) : 0;
}

/* lwIP alone knows what it makes of a segment of a connection. */
static bool is_of_connection(void)
{
	struct packet head;
	struct flow_key key;

	if (packet_parse(&head, last, last + (last_len < sizeof(last) ? last_len : sizeof(last)),
			 last_len))
		return false;
	packet_key_up(&head, &key);
	return head.proto == IPPROTO_TCP && connection_of(&key);
}

static void account(void)
{
	struct effects now;

	if (!last_len)
		return;
	now = effects_now();
	require(memcmp(&now, &before, sizeof(now)) != 0 || is_of_connection());
	last_len = 0;
}

static void remember(const uint8_t *packet, size_t len)
{
	before = effects_now();
	memcpy(last, packet, len < sizeof(last) ? len : sizeof(last));
	last_len = len;
}

/* --- the TUN --------------------------------------------------------------------------- */

static size_t next_packet(uint8_t *packet, struct virtio_net_hdr *header)
{
	size_t len = 0;

	if (input && apps_waiting())
		return apps_next(input, 0, true, packet, header);
	if (input && input->left && *input->at % OPERATIONS < APP_OPERATIONS)
		return apps_next(input, next8(input) % OPERATIONS, worker->queue.vnet_hdr_bytes > 0,
				 packet, header);
	memset(header, 0, sizeof(*header));
	while (finishing > 0 && !len)
		len = apps_finish(--finishing, packet);
	return len;
}

static ssize_t tun_read(void *arg, void *buf, size_t size)
{
	static uint8_t packet[65536 + 64];
	struct virtio_net_hdr_mrg_rxbuf h = { 0 };
	size_t header = worker->queue.vnet_hdr_bytes, len;

	account();
	if (read_error) {
		int e = read_error;

		read_error = 0;
		return -e;
	}
	len = next_packet(packet, &h.hdr);
	if (!len)
		return -EAGAIN;
	require(header + len <= size);
	fence_move(&behind, behind.size);
	behind = (struct fence){ buf, size, size };
	memcpy(buf, &h, header);
	memcpy((uint8_t *)buf + header, packet, len);
	fence_move(&behind, header + len);
	remember(packet, len);
	return (ssize_t)(header + len);
}

static ssize_t tun_write(void *arg, const struct iovec *iov, int iovcnt)
{
	static uint8_t packet[65536 + 64];
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)iovcnt };
	size_t header = worker->queue.vnet_hdr_bytes;
	size_t len = fake_gather(&msg, packet, sizeof(packet));
	struct virtio_net_hdr h = { 0 };

	require(len > header && len < sizeof(packet));
	if (header > 0)
		memcpy(&h, packet, sizeof(h));
	written++;
	apps_take(packet + header, len - header, &h, header > 0, !write_error);
	return write_error ? -write_error : (ssize_t)len;
}

static void tun_close(void *arg)
{
	close(worker->queue.fd);
}

static uint32_t tun_poll(struct fake *f)
{
	bool packets = input && input->left && *input->at % OPERATIONS < APP_OPERATIONS;

	return packets || finishing || read_error || (input && apps_waiting()) ? EPOLLIN : 0;
}

/* --- steps ----------------------------------------------------------------------------- */

static void turn(int timeout_ms)
{
	require(loop_once(worker->loop, timeout_ms) == 0);
	account();
	require(peers_read() == 0);
	require(!tcp_active_pcbs && !tcp_tw_pcbs);
	require(!worker->tcp || stack_buffer_bytes(worker->tcp->stack) < 64U << 20);
}

/* A loop that is woken again and again by what it does not take away would stop the clock. */
static void pass(uint64_t ms)
{
	uint64_t end = fake_world.now_ns + ms * NSEC_PER_MSEC, then = 0;
	unsigned int turns = 0;

	while (fake_world.now_ns < end) {
		turns = fake_world.now_ns == then ? turns + 1 : 0;
		require(turns < TURNS_MAX);
		then = fake_world.now_ns;
		turn((int)((end - then) / NSEC_PER_MSEC));
	}
}

static void act_time(struct input *in)
{
	uint32_t amount = next8(in);
	struct input *packets = input;

	input = NULL;
	pass(amount < 128 ? 1 + amount * 4 : (amount - 127) * 250);
	input = packets;
}

static void act_fault(struct input *in)
{
	uint32_t what = next8(in);

	if (what < 96)
		peers_act_fault(in);
	else if (what < 128)
		write_error = write_error ? 0 : what & 1 ? EAGAIN : EIO;
	else if (what < 140)
		read_error = EIO;
	else
		fake_world.alloc_countdown = what - 139;
}

static void step(struct input *in)
{
	uint32_t operation = *in->at % OPERATIONS;
	size_t left = in->left;

	if (operation < APP_OPERATIONS || apps_waiting()) {
		turn(0);
		if (in->left == left && !apps_waiting())
			act_time(in); /* the TUN is left alone for a while */
		return;
	}
	next8(in);
	switch (operation) {
	case OPERATION_TIME:
		act_time(in);
		return;
	case 9:
	case 10:
	case 11:
		peers_act_tcp(in);
		break;
	case 12:
		peers_act_udp(in);
		break;
	case 13:
		peers_act_icmp(in);
		break;
	case 14:
		act_fault(in);
		break;
	default:
		break;
	}
	if (operation != 15) /* else more happens in the same turn */
		turn(0);
}

/* --- beginning and end ------------------------------------------------------------------ */

static void role_begin(uint32_t how)
{
	static const unsigned int header_bytes[] = { 12, 12, 10, 0 };
	static const struct queue_io io = { tun_read, tun_write, tun_close };
	static const struct fake_ops tun_ops = { .poll = tun_poll };
	struct role_config config = {
		.kind = ROLE_WORKER,
		.slot = 1,
		.log_level = LOG_LEVEL_ERROR,
		.vnet_hdr_bytes = header_bytes[how & 3],
		.tun_tso = header_bytes[how & 3] && !(how & 8),
		.tun_uso = header_bytes[how & 3] && !(how & 16),
		.settings = tun_settings(),
		.icmp_id_base = WORLD_ICMP_ID,
		.icmp_id_bits = 3,
		.protect = PROTECT_CGROUP,
	};

	config.settings.resolver_queue = !(how & 32);
	limits_init(&config.limits);
	config.limits.n[LIMIT_FLOWS] = 16;
	config.limits.n[LIMIT_CONNECTS] = 4;
	config.limits.n[LIMIT_UDP] = 3;
	config.limits.n[LIMIT_ICMP] = 4;
	config.limits.n[LIMIT_BUFFERS] = 1 << 20;
	memset(&role, 0, sizeof(role));
	worker->relay_fd = worker->icmp_fd[0] = worker->icmp_fd[1] = -1;
	require(loop_new(&worker->loop) == 0);
	role.link.control.fd = -1;
	role.link.configured = true;
	require(take_config(&role.link, &config) == 0);
	peers_start(!(how & 4));
	worker->relay_fd = peers.relay_fd;
	worker->icmp_fd[0] = peers.raw_fd[0];
	worker->icmp_fd[1] = peers.raw_fd[1];
	worker->queue.fd = fake_open(&tun_ops, NULL);
	worker->queue.io = &io;
	require(start(&role.link) == 0);
}

static void check_nothing_left(void)
{
	const struct role_stats *s = &worker->datapath.counters->stats;

	require(flow_count == 0 && peers_open() == 0);
	require(s->tcp_open == 0 && s->tcp_connecting == 0);
	require(s->udp_open == 0 && s->icmp_open == 0);
	require(s->fragments_held == 0 && s->buffer_bytes == 0);
	for (int i = 0; i < BUDGET_NUM; i++)
		require(datapath_budget(&worker->datapath, (enum budget)i)->used == 0);
}

static void role_end(void)
{
	int fds[] = { worker->relay_fd, worker->icmp_fd[0], worker->icmp_fd[1] };

	fence_move(&behind, behind.size);
	behind = (struct fence){ 0 };
	input_free(role.input);
	role.input = NULL;
	tcp_engine_free(worker->tcp);
	udp_engine_free(worker->udp);
	icmp_engine_free(worker->icmp);
	worker->tcp = NULL;
	worker->udp = NULL;
	worker->icmp = NULL;
	check_nothing_left();
	role_done(&role);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	require(fake_count() == 0 && fake_tables() == 0);
}

/* lwIP's clock is the process's: back to its beginning, and between two slow ticks. */
static void lwip_clock_reset(void)
{
	tcp_ticks = 0;
	while (tcp_ticks == 0)
		tcp_tmr();
	tcp_ticks = 0;
}

static void set_up(uint32_t how)
{
	fake_world = (struct fake_world){ .now_ns = NSEC_PER_SEC, .random = 0x9e3779b97f4a7c15 };
	lwip_clock_reset();
	last_len = 0;
	written = flow_ends = 0;
	read_error = write_error = 0;
	finishing = 0;
	apps_reset();
	role_begin(how);
	peers_reset();
}

/* Connections of applications that know how to end them. */
static bool all_done(void)
{
	for (int i = 0; i < APPS && !apps_wild; i++) {
		struct tcp_flow *f = connection_of_app(&apps[i]);

		/* out of the worker's window it cannot say that its own is open again */
		if (f && f->state != TCP_FLOW_TIME_WAIT && app_behind_fin(&apps[i]) < WINDOW)
			return false;
	}
	return true;
}

/* Peers take and end, applications repeat and end: then nothing may hang. */
static void come_to_an_end(void)
{
	for (int i = 0; i < ROUNDS_MAX && !all_done(); i++) {
		peers_calm(true);
		finishing = APPS;
		/* a retransmission may have backed off for minutes */
		pass(i < ROUNDS_MAX / 2 ? 500 : 10000);
	}
	require(all_done());
}

/* Without TCP, whose idle time is hours, all is gone as soon as it has been idle. */
static void end_in_peace(bool by_applications)
{
	if (by_applications)
		come_to_an_end();
	finishing = 0;
	account();
	tcp_engine_free(worker->tcp);
	worker->tcp = NULL;
	pass(QUIET_MS);
	check_nothing_left();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint32_t how = next8(&in), ends = next8(&in);

	clock_inject(fake_clock);
	set_up(how);
	input = &in;
	while (in.left > 0)
		step(&in);
	input = NULL;
	write_error = read_error = 0;
	peers_calm(false);
	if (how != SHUTDOWN)
		end_in_peace(ends & 1);
	role_end();
	return 0;
}
