// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * `headrace dump`: the packets that pass an instance's TUN, for tcpdump and wireshark.
 *
 * The daemon hands over a packet socket and has no part in the rest: nothing is written by it,
 * and what is not read in time is lost here, and counted, while traffic goes on. Without a dump
 * there is no such socket, and no packet pays for it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_packet.h>

#include "base/fd.h"
#include "tools/client.h"
#include "tools/command.h"
#include "tools/dump_files.h"
#include "tools/object.h"

#define DUMP_BATCH 32 /* packets of one read */
#define DUMP_CONTROL_BYTES 256 /* what comes beside one */
#define DUMP_FILE_MB 100 /* by default */
#define DUMP_FILE_MB_MAX (1L << 20)
#define DUMP_SNAPLEN_MIN 40 /* a header of IPv6 */
#define DUMP_NSEC 1000000000ULL

struct dump_options {
	struct client_options common; /* the first: CLIENT_OPTION_INSTANCE */
	const char *file;
	long count;
	long snaplen;
	long size_mb;
	long files;
};

struct dump {
	int packets; /* the packet socket */
	int signals;
	struct client *client;
	struct dump_files files;
	uint64_t dropped; /* by the kernel */
	int failure; /* -errno of a write, 0 = none */
	bool full;
	struct mmsghdr message[DUMP_BATCH];
	struct iovec iov[DUMP_BATCH];
	struct sockaddr_ll from[DUMP_BATCH];
	char control[DUMP_BATCH][DUMP_CONTROL_BYTES] __attribute__((aligned(8)));
	uint8_t data[DUMP_BATCH][PCAPNG_PACKET_MAX];
};

static const struct option_spec dump_option_table[] = {
	{ .name = "write",
	  .value = "FILE",
	  .letter = 'w',
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct dump_options, file),
	  .help = "write to FILE, which must not be there; `-` is the standard output, as "
		  "without this option" },
	{ .name = "count",
	  .value = "N",
	  .kind = OPTION_NUMBER,
	  .min = 1,
	  .max = 1L << 40,
	  .offset = offsetof(struct dump_options, count),
	  .help = "end after N packets" },
	{ .name = "snaplen",
	  .value = "BYTES",
	  .kind = OPTION_NUMBER,
	  .min = DUMP_SNAPLEN_MIN,
	  .max = PCAPNG_PACKET_MAX,
	  .offset = offsetof(struct dump_options, snaplen),
	  .help = "keep no more of a packet (default: all of it)" },
	{ .name = "size",
	  .value = "MB",
	  .kind = OPTION_NUMBER,
	  .min = 1,
	  .max = DUMP_FILE_MB_MAX,
	  .offset = offsetof(struct dump_options, size_mb),
	  .help = "no file gets larger than MB million bytes (default: 100)" },
	{ .name = "files",
	  .value = "N",
	  .kind = OPTION_NUMBER,
	  .min = 1,
	  .max = DUMP_FILES_MAX,
	  .offset = offsetof(struct dump_options, files),
	  .help = "go on in FILE.1, FILE.2, ... and keep the latest N (default: end with the "
		  "first)" },
	CLIENT_OPTION_INSTANCE,
	CLIENT_OPTION_END,
};

/* --- packets --------------------------------------------------------------------------------- */

static uint64_t dump_time_ns(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * DUMP_NSEC + (uint64_t)t->tv_nsec;
}

static uint64_t dump_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return dump_time_ns(&t);
}

/* What the kernel tells beside message i. */
static void dump_control(struct dump *d, int i, struct pcapng_packet *packet)
{
	struct msghdr *msg = &d->message[i].msg_hdr;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		struct tpacket_auxdata aux;
		struct timespec at;

		if (cm->cmsg_level == SOL_PACKET && cm->cmsg_type == PACKET_AUXDATA &&
		    cm->cmsg_len >= CMSG_LEN(sizeof(aux))) {
			memcpy(&aux, CMSG_DATA(cm), sizeof(aux));
			packet->original_len = aux.tp_len;
		}
		if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_TIMESTAMPNS &&
		    cm->cmsg_len >= CMSG_LEN(sizeof(at))) {
			memcpy(&at, CMSG_DATA(cm), sizeof(at));
			packet->time_ns = dump_time_ns(&at);
		}
	}
}

static void dump_packet(struct dump *d, int i)
{
	struct pcapng_packet packet = { .data = d->data[i],
					.len = d->message[i].msg_len,
					.original_len = d->message[i].msg_len,
					.outbound = d->from[i].sll_pkttype == PACKET_OUTGOING };
	int r;

	dump_control(d, i, &packet);
	if (!packet.time_ns)
		packet.time_ns = dump_now_ns();
	r = dump_files_add(&d->files, &packet);
	if (r < 0)
		d->failure = r;
	else if (r == DUMP_FULL)
		d->full = true;
}

static void dump_prepare(struct dump *d)
{
	for (int i = 0; i < DUMP_BATCH; i++) {
		d->iov[i] = (struct iovec){ d->data[i], sizeof(d->data[i]) };
		d->message[i].msg_hdr = (struct msghdr){ .msg_name = &d->from[i],
							 .msg_namelen = sizeof(d->from[i]),
							 .msg_iov = &d->iov[i],
							 .msg_iovlen = 1,
							 .msg_control = d->control[i],
							 .msg_controllen = DUMP_CONTROL_BYTES };
	}
}

/* Packets read; 0 = none is there. A device that is down for a while has none. */
static int dump_read(struct dump *d)
{
	int n;

	dump_prepare(d);
	n = recvmmsg(d->packets, d->message, DUMP_BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n && !d->failure && !d->full; i++)
		dump_packet(d, i);
	return n < 0 ? 0 : n;
}

/* The counters are cleared by being read. */
static void dump_count_dropped(struct dump *d)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	if (!getsockopt(d->packets, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		d->dropped += stats.tp_drops;
}

/* The kernel need not copy what is not kept. */
static void dump_cut(int fd, long snaplen)
{
	struct sock_filter keep = BPF_STMT(BPF_RET | BPF_K, (uint32_t)snaplen);
	struct sock_fprog program = { .len = 1, .filter = &keep };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)))
		perror("headrace dump: packets are kept whole");
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Until a limit, an error, a signal, or the instance's end. */
static void dump_all(struct dump *d)
{
	struct pollfd p[] = { { .fd = d->packets, .events = POLLIN },
			      { .fd = d->client->fd, .events = POLLIN },
			      { .fd = d->signals, .events = POLLIN } };
	bool ending = false;

	while (!d->failure && !d->full) {
		int n = dump_read(d);

		if (n || d->failure || d->full)
			continue;
		if (!d->failure)
			d->failure = dump_files_flush(&d->files);
		if (ending)
			return;
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			d->failure = -errno;
		/* what is there already is still taken */
		ending = p[2].revents || (p[1].revents && client_fill(d->client) != 1);
	}
}

static int dump_signals(int *ret_fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return -errno;
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? -errno : 0;
}

/* Says how it went. Exit status. */
static int dump_finish(struct dump *d)
{
	const char *where = d->files.name ? d->files.name : "the output";
	int err, failure = d->failure;

	dump_count_dropped(d);
	err = dump_files_close(&d->files, dump_now_ns(), d->dropped, failure != 0);
	if (!failure)
		failure = err;
	if (failure == -EPIPE && !d->files.name)
		failure = 0; /* who reads has had enough */
	if (failure)
		fprintf(stderr, "headrace dump: %s: %s: ended; traffic goes on\n", where,
			strerror(-failure));
	fprintf(stderr,
		"headrace dump: %llu packets written, %llu not written, %llu not read in time%s\n",
		(unsigned long long)dump_files_packets(&d->files),
		(unsigned long long)(d->files.seen - dump_files_packets(&d->files)),
		(unsigned long long)d->dropped,
		d->full && d->files.limits.packets != d->files.seen ? "; the file has its size" :
								      "");
	return failure ? EXIT_TROUBLE : EXIT_SUCCESS;
}

/* --- the command ------------------------------------------------------------------------------ */

/* Asks for the socket. 0, or -1 after a line on stderr. */
static int dump_ask(struct client *c, char device[64])
{
	json_t *request = json_pack("{s:s}", "command", "dump"), *root = NULL, *object;
	const char *line, *kind;
	int err = request ? client_request(c, request, -1) : -ENOMEM, n;

	json_decref(request);
	/* who is turned away is told why, though nobody reads what was asked */
	n = err && err != -EPIPE ? err : client_line(c, -1, &line);
	if (n <= 0) {
		fprintf(stderr, "headrace dump: the daemon does not answer: %s\n",
			n ? strerror(-n) : "it hung up");
		return -1;
	}
	switch (client_parse(line, &root, &kind, &object)) {
	case ANSWER_OBJECT:
		snprintf(device, 64, "%s", object_text(object, "tun", "?"));
		err = c->passed_fd < 0 ? -1 : 0;
		break;
	case ANSWER_ERROR:
		fprintf(stderr, "headrace: %s\n", kind);
		err = -1;
		break;
	default:
		err = -1;
	}
	json_decref(root);
	return err;
}

static int dump_to(struct dump *d, const struct dump_options *o, const char *device)
{
	const struct dump_limits limits = {
		.file_bytes = o->file ? (uint64_t)o->size_mb * 1000000 : 0,
		.files = (uint64_t)o->files,
		.packets = (uint64_t)o->count,
		.snaplen = (uint32_t)o->snaplen,
	};
	int err;

	dump_cut(d->packets, o->snaplen);
	err = dump_files_open(&d->files, o->file, device, &limits);
	if (err) {
		fprintf(stderr, "headrace dump: cannot make %s: %s\n", o->file, strerror(-err));
		return EXIT_TROUBLE;
	}
	fprintf(stderr, "headrace dump: packets of %s; end it by Ctrl-C\n", device);
	dump_all(d);
	return dump_finish(d);
}

static int dump_run(struct dump *d, const struct dump_options *o)
{
	int status = EXIT_TROUBLE, err;
	char device[64];

	if (client_open(d->client, o->common.instance))
		return EXIT_TROUBLE;
	err = dump_signals(&d->signals);
	if (err) {
		fprintf(stderr, "headrace dump: signals: %s\n", strerror(-err));
	} else if (!dump_ask(d->client, device)) {
		d->packets = d->client->passed_fd;
		status = dump_to(d, o, device);
	}
	fd_close(d->signals);
	client_done(d->client);
	return status;
}

static int dump_main(int argc, char **argv)
{
	struct dump_options o = { .snaplen = PCAPNG_PACKET_MAX };
	int status = EXIT_TROUBLE;
	struct dump *d;

	if (option_parse_only(&dump_command, argc, argv, &o, &status))
		return status;
	if (o.file && !strcmp(o.file, "-"))
		o.file = NULL;
	if (!o.file && isatty(STDOUT_FILENO)) {
		fprintf(stderr, "headrace dump: a terminal shows no packets: give -w FILE, or "
				"`headrace dump | tcpdump -nr -`\n");
		return EXIT_USAGE;
	}
	if (!o.file && (o.size_mb || o.files)) {
		fprintf(stderr, "headrace dump: --size and --files are for a file, -w FILE; see "
				"`headrace dump --help`\n");
		return EXIT_USAGE;
	}
	o.size_mb = o.size_mb ? o.size_mb : DUMP_FILE_MB;
	o.files = o.files ? o.files : 1;
	d = calloc(1, sizeof(*d));
	if (d)
		d->client = malloc(sizeof(*d->client));
	if (d && d->client) {
		d->signals = -1;
		status = dump_run(d, &o);
	} else {
		fprintf(stderr, "headrace: out of memory\n");
	}
	if (d)
		free(d->client);
	free(d);
	return status;
}

const struct command dump_command = {
	.name = "dump",
	.operands = "",
	.summary = "write the packets that pass the TUN, for tcpdump and wireshark",
	.details =
		"Writes a copy of each packet that passes the TUN, in pcapng, until it is\n"
		"interrupted, a limit is reached or the instance ends: what applications send\n"
		"there, and the answers. What goes its own way does not pass it. Only root may.\n"
		"\n"
		"  headrace dump | tcpdump -nr - port 443\n"
		"  headrace dump -w trouble.pcapng --size 20 --files 5",
	.options = dump_option_table,
	.run = dump_main,
};
