// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS load of the soak test: RATE questions per second, over UDP and every eighth over TCP,
 * each from a port of its own, asked again if there is no answer, as any resolver of an
 * application does. The answer follows from the name (zone, below), so that it is checked.
 *
 *   dns ADDRESS4 ADDRESS6 ZONE RATE SEED      until SIGTERM; status 1: a wrong answer
 *   dns zone                                  prints the records of nK and no others
 *
 *   nK   A 11.x.y.z (private ones are not let through), AAAA 2001:db8:1::y:z and 3 TXT
 *        strings of the number K
 *   mK   does not exist
 */
#include "tests/soak/soak.h"

#define NAMES 1000
#define QUESTIONS_MAX 1024
#define TRIES 6
#define TRY_MS 3000
#define BURST 20
#define MESSAGE_MAX 2048
#define TXT_BYTES 250
#define TXT_STRINGS 3
#define HEADER 12
#define FLAG_QR 0x80
#define RCODE 0x0f
#define NXDOMAIN 3
#define EVENTS_MAX 64

enum type { TYPE_A = 1, TYPE_TXT = 16, TYPE_AAAA = 28 };

struct question {
	int fd; /* -1 = free */
	int family;
	bool tcp;
	bool exists;
	bool sent; /* over TCP: after the connect */
	unsigned int port;
	unsigned int number; /* K */
	unsigned int tries;
	uint16_t id;
	uint16_t type;
	uint8_t query[MESSAGE_MAX / 4]; /* after its length, as over TCP */
	size_t query_len;
	size_t got;
	uint8_t answer[MESSAGE_MAX]; /* likewise */
	uint64_t since_ms;
	uint64_t try_ms;
};

static struct question questions[QUESTIONS_MAX];
static struct address to[2];
static const char *zone;
static unsigned int rate;
static int epoll_fd;

static struct {
	uint64_t asked;
	uint64_t answered;
	uint64_t again; /* tries after the first */
	uint64_t servfail;
	uint64_t failed; /* no answer after TRIES */
	uint64_t wrong;
	uint64_t late; /* not asked in time */
	uint64_t open;
} counters;

static void print_counters(bool final)
{
	printf("{\"counters\":{\"asked\":%llu,\"answered\":%llu,\"again\":%llu,"
	       "\"servfail\":%llu,\"failed\":%llu,\"wrong\":%llu,\"late\":%llu,\"open\":%llu,"
	       "\"final\":%s}}\n",
	       (unsigned long long)counters.asked, (unsigned long long)counters.answered,
	       (unsigned long long)counters.again, (unsigned long long)counters.servfail,
	       (unsigned long long)counters.failed, (unsigned long long)counters.wrong,
	       (unsigned long long)counters.late, (unsigned long long)counters.open,
	       final ? "true" : "false");
}

/* --- what is right -------------------------------------------------------------------------- */

static void text_of(char *text, unsigned int number, unsigned int string)
{
	snprintf(text, TXT_BYTES + 1, "%u-%0*u", string, TXT_BYTES - 2, number);
}

static void print_zone(void)
{
	char text[TXT_BYTES + 1];

	for (unsigned int k = 0; k < NAMES; k++) {
		printf("n%u 20 A 11.%u.%u.%u\n", k, k / 65536, k / 256 % 256, k % 256);
		printf("n%u 20 AAAA 2001:db8:1::%x:%x\n", k, k / 65536, k % 65536);
		printf("n%u 20 TXT", k);
		for (unsigned int i = 0; i < TXT_STRINGS; i++) {
			text_of(text, k, i);
			printf(" \"%s\"", text);
		}
		printf("\n");
	}
}

static size_t right_rdata(const struct question *q, uint8_t *rdata)
{
	unsigned int k = q->number;
	char text[TXT_BYTES + 1];

	if (q->type == TYPE_TXT) {
		for (unsigned int i = 0; i < TXT_STRINGS; i++) {
			text_of(text, k, i);
			rdata[(size_t)i * (TXT_BYTES + 1)] = TXT_BYTES;
			memcpy(rdata + (size_t)i * (TXT_BYTES + 1) + 1, text, TXT_BYTES);
		}
		return (size_t)TXT_STRINGS * (TXT_BYTES + 1);
	}
	if (q->type == TYPE_A) {
		memcpy(rdata, (uint8_t[]){ 11, k / 65536, k / 256 % 256, k % 256 }, 4);
		return 4;
	}
	memcpy(rdata,
	       (uint8_t[]){ 0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, k / 65536,
			    k / 256 % 256, k % 256 },
	       16);
	return 16;
}

static unsigned int get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Is the one record of the answer, which begins with a compressed name, the right one? */
static bool is_right_record(const struct question *q, const uint8_t *p, size_t len)
{
	uint8_t rdata[TXT_STRINGS * (TXT_BYTES + 1)];
	size_t wanted = right_rdata(q, rdata);

	return len >= 12 + wanted && p[0] >= 0xc0 && get16(p + 2) == q->type && get16(p + 4) == 1 &&
	       get16(p + 10) == wanted && !memcmp(p + 12, rdata, wanted);
}

enum judgement { ANSWER_RIGHT, ANSWER_WRONG, ANSWER_AGAIN };

static enum judgement judge(const struct question *q, const uint8_t *m, size_t len)
{
	size_t question_len = q->query_len - 2 - HEADER;

	if (len < HEADER + question_len || get16(m) != q->id || !(m[2] & FLAG_QR) ||
	    get16(m + 4) != 1 || memcmp(m + HEADER, q->query + 2 + HEADER, question_len) != 0)
		return ANSWER_WRONG;
	if ((m[3] & RCODE) == 2) {
		counters.servfail++;
		return ANSWER_AGAIN;
	}
	if (!q->exists)
		return (m[3] & RCODE) == NXDOMAIN && !get16(m + 6) ? ANSWER_RIGHT : ANSWER_WRONG;
	if ((m[3] & RCODE) != 0 || get16(m + 6) != 1)
		return ANSWER_WRONG;
	return is_right_record(q, m + HEADER + question_len, len - HEADER - question_len) ?
		       ANSWER_RIGHT :
		       ANSWER_WRONG;
}

/* --- questions ------------------------------------------------------------------------------ */

static void question_free(struct question *q)
{
	close(q->fd);
	q->fd = -1;
	counters.open--;
}

static void question_failed(struct question *q, const char *what)
{
	struct failure f = { .proto = q->tcp ? "tcp" : "udp",
			     .kind = q->tcp ? "dns_tcp" : "dns",
			     .what = what,
			     .family = q->family,
			     .port = q->port,
			     .id = q->number,
			     .since_ms = q->since_ms };

	tell_failure(&f);
	question_free(q);
}

static size_t put_name(uint8_t *p, const char *name)
{
	size_t at = 0;

	while (*name) {
		size_t len = strcspn(name, ".");

		p[at] = (uint8_t)len;
		memcpy(p + at + 1, name, len);
		at += len + 1;
		name += len + (name[len] == '.');
	}
	p[at++] = 0;
	return at;
}

static void build_query(struct question *q)
{
	char name[128];
	uint8_t *m = q->query + 2;
	size_t len = HEADER;

	snprintf(name, sizeof(name), "%c%u.%s", q->exists ? 'n' : 'm', q->number, zone);
	memset(m, 0, HEADER);
	put16(m, q->id);
	m[2] = 1; /* recursion desired */
	put16(m + 4, 1);
	len += put_name(m + len, name);
	put16(m + len, q->type);
	put16(m + len + 2, 1);
	len += 4;
	put16(q->query, (unsigned int)len);
	q->query_len = len + 2;
}

static void question_send(struct question *q)
{
	size_t skip = q->tcp ? 0 : 2;

	/* A full buffer or an error: the next try is later. */
	(void)send(q->fd, q->query + skip, q->query_len - skip, MSG_NOSIGNAL | MSG_DONTWAIT);
	q->sent = true;
}

/* One try, from a new port. */
static void question_try(struct question *q)
{
	unsigned int ipv6 = q->family == 6;
	struct epoll_event event = { .events = q->tcp ? EPOLLOUT : EPOLLIN, .data.ptr = q };

	q->try_ms = now_ms();
	q->tries++;
	q->got = 0;
	q->sent = false;
	q->fd = socket(to[ipv6].sa.ss_family,
		       (q->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (q->fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, q->fd, &event) < 0)
		die("socket");
	if (connect(q->fd, (struct sockaddr *)&to[ipv6].sa, to[ipv6].len) < 0 &&
	    errno != EINPROGRESS)
		die("connect");
	q->port = local_port(q->fd);
	if (!q->tcp)
		question_send(q);
}

static void question_again(struct question *q)
{
	if (q->tries == TRIES) {
		counters.failed++;
		question_failed(q, "no answer");
		return;
	}
	counters.again++;
	close(q->fd);
	question_try(q);
}

static void ask(void)
{
	static unsigned int next;
	struct question *q = &questions[next++ % QUESTIONS_MAX];
	unsigned int kind = (unsigned int)random_below(16);

	if (q->fd >= 0) {
		counters.late++;
		return;
	}
	*q = (struct question){ .fd = -1, .family = random_below(2) ? 6 : 4, .since_ms = now_ms() };
	q->tcp = kind < 2;
	q->exists = kind != 15;
	q->number = (unsigned int)random_below(q->exists ? NAMES : 1U << 30);
	q->id = (uint16_t)random_below(65536);
	q->type = kind & 1 ? TYPE_A : q->tcp ? TYPE_TXT : TYPE_AAAA;
	build_query(q);
	counters.asked++;
	counters.open++;
	question_try(q);
}

/* A try that failed waits for its time to be over: no storm while a role is restarted. */
static void question_quiet(struct question *q)
{
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, q->fd, NULL);
}

static void question_read(struct question *q)
{
	size_t skip = q->tcp ? 2 : 0;
	ssize_t n = recv(q->fd, q->answer + q->got, sizeof(q->answer) - q->got, MSG_DONTWAIT);
	enum judgement j;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			question_quiet(q);
		return;
	}
	q->got += (size_t)n;
	if (q->tcp && (q->got < 2 || q->got < 2 + (size_t)get16(q->answer)))
		return;
	j = judge(q, q->answer + skip, q->got - skip);
	if (j == ANSWER_RIGHT) {
		counters.answered++;
		question_free(q);
	} else if (j == ANSWER_WRONG) {
		counters.wrong++;
		question_failed(q, "wrong answer");
	} else {
		question_quiet(q);
	}
}

static void question_event(struct question *q)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = q };
	int error = 0;
	socklen_t len = sizeof(error);

	if (q->sent) {
		question_read(q);
		return;
	}
	getsockopt(q->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		question_quiet(q);
		return;
	}
	question_send(q);
	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, q->fd, &event);
}

static void try_again(void)
{
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < QUESTIONS_MAX; i++) {
		if (questions[i].fd >= 0 && now - questions[i].try_ms >= TRY_MS)
			question_again(&questions[i]);
	}
}

static void ask_due(void)
{
	for (uint64_t n = take_due(rate, BURST, &counters.late); n > 0; n--)
		ask();
}

static void run_once(void)
{
	static uint64_t swept_ms, told_ms;
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epoll_fd, events, EVENTS_MAX, TICK_MS);
	uint64_t now = now_ms();

	(void)take_pause();
	for (int i = 0; i < n; i++)
		question_event(events[i].data.ptr);
	if (!stopping)
		ask_due();
	if (now - swept_ms >= 200) {
		swept_ms = now;
		try_again();
	}
	if (now - told_ms >= COUNTERS_S * 1000) {
		told_ms = now;
		print_counters(false);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "zone")) {
		print_zone();
		return 0;
	}
	if (argc != 6) {
		fprintf(stderr, "usage: dns ADDRESS4 ADDRESS6 ZONE RATE SEED, or dns zone\n");
		return 2;
	}
	to[0] = parse_address(argv[1], 53);
	to[1] = parse_address(argv[2], 53);
	zone = argv[3];
	rate = parse_count(argv[4], 100000);
	random_state = parse_count(argv[5], 1U << 31);
	catch_signals();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < QUESTIONS_MAX; i++)
		questions[i].fd = -1;
	while (!stopping || counters.open)
		run_once();
	print_counters(true);
	return counters.wrong > 0;
}
