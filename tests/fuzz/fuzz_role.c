// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A role that is no longer ours: messages from it to main, each with two bytes of length
 * before it, while a client waits for its answer to a query. Whatever comes, the client is
 * only told whole objects under the key that it asked for. A length of which the two highest
 * bits are set is an event instead: processes end, time passes, calls fail, the role is
 * started again. In the end it can be stopped, and nothing of it is left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* for its static functions */
#include "supervisor/role.c"

#include "supervisor/control.h"
#include "supervisor/query.h"
#include "tests/fuzz/channel.h"
#include "tests/fuzz/fuzz.h"

#define PID 4711
#define LENGTH_MASK 0x3fff
#define PASSED(length) ((length) >> 14) /* descriptors: one, or more than may be kept */
#define PASSED_MANY 200
#define EVENT 3

static struct queries queries;
static struct role role;
static struct loop *loop;
static struct control control;
static struct channel main_end; /* of the role's socket */
static struct channel client;
static bool asks; /* the client has a question open */

/* --- the process ------------------------------------------------------------------------ */

static struct {
	int pidfd; /* -1 = none */
	bool exists, ended, killed;
	bool no_fork, no_pidfd, no_pair;
} process;

pid_t __wrap_fork(void);
int __wrap_pidfd_open(pid_t pid, unsigned int flags);
int __wrap_pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned int flags);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *si, int options);
pid_t __wrap_waitpid(pid_t pid, int *status, int options);
int __wrap_kill(pid_t pid, int sig);

static int refuse(bool *once, int err)
{
	if (!*once)
		return 0;
	*once = false;
	errno = err;
	return -1;
}

pid_t __wrap_fork(void)
{
	require(!process.exists);
	if (refuse(&process.no_fork, EAGAIN))
		return -1;
	process.exists = true;
	process.ended = process.killed = false;
	return PID;
}

static uint32_t pidfd_poll(struct fake *f)
{
	return process.ended || process.killed ? EPOLLIN : 0;
}

static void pidfd_closed(struct fake *f)
{
	process.pidfd = -1;
}

static const struct fake_ops pidfd_ops = { .poll = pidfd_poll, .close = pidfd_closed };

int __wrap_pidfd_open(pid_t pid, unsigned int flags)
{
	require(pid == PID && process.exists && process.pidfd < 0);
	if (refuse(&process.no_pidfd, EMFILE))
		return -1;
	process.pidfd = fake_open(&pidfd_ops, NULL);
	return process.pidfd;
}

int __wrap_pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned int flags)
{
	require(fd == process.pidfd && process.exists && sig == SIGKILL);
	process.killed = true;
	return 0;
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *si, int options)
{
	require(type == P_PIDFD && (int)id == process.pidfd && process.exists);
	require(process.ended || process.killed); /* else main would stand still */
	si->si_code = process.ended ? CLD_EXITED : CLD_KILLED;
	si->si_status = process.ended ? 1 : SIGKILL;
	process.exists = false;
	return 0;
}

pid_t __wrap_waitpid(pid_t pid, int *status, int options)
{
	require(pid == PID && process.exists && process.killed);
	process.exists = false;
	return pid;
}

int __wrap_kill(pid_t pid, int sig)
{
	require(pid == PID && process.exists && sig == SIGKILL);
	process.killed = true;
	return 0;
}

/* The first is main's end; the other is closed once it is the role's. */
static int pair(int type, int fds[2])
{
	require(type == (SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK));
	require(main_end.fd < 0); /* the last one was closed */
	if (process.no_pair) {
		process.no_pair = false;
		return -EMFILE;
	}
	fds[0] = channel_open(&main_end, true);
	fds[1] = channel_spare_fd();
	return 0;
}

/* --- main ------------------------------------------------------------------------------- */

static int on_hand_over(struct role *r)
{
	require(r->state == ROLE_STATE_STARTING);
	return role_send(r, ROLE_START, NULL, 0, -1);
}

static void on_ready(struct role *r)
{
	require(r->state == ROLE_STATE_READY);
}

static void on_died(struct role *r, bool was_ready, const char *how)
{
	require(r->state == ROLE_STATE_WAITING && r->pid < 0 && how[0]);
}

static void on_stopped(struct role *r)
{
	require(r->state == ROLE_STATE_STOPPED && r->pid < 0);
}

static void on_text(struct role *r, uint64_t tag, const char *text, size_t len)
{
	require(len <= ROLE_MESSAGE_MAX);
	queries_text(&queries, tag, text, len);
}

static void on_hung(struct role *r)
{
	require(r->state == ROLE_STATE_READY);
}

static int on_want_names(struct role *r, uint32_t buckets)
{
	require(r->kind == ROLE_RESOLVER && buckets && buckets <= DNS_NAMES_BUCKETS_MAX);
	return 0;
}

static const struct role_ops role_fuzz_ops = { .hand_over = on_hand_over,
					       .ready = on_ready,
					       .died = on_died,
					       .stopped = on_stopped,
					       .text = on_text,
					       .hung = on_hung,
					       .want_names = on_want_names };

static const struct query_ask dns_ask = { .key = "dns", .limit_ms = CONTROL_QUERY_MS };

static void on_request(struct control *c, struct control_client *cl, const json_t *request)
{
	asks = true;
	queries_ask(&queries, &role, &dns_ask, cl);
}

static void on_gone(struct control *c, struct control_client *cl)
{
	queries_forget(&queries, cl);
}

static const struct control_ops control_ops = { .request = on_request, .gone = on_gone };

/* Every line that the client was sent is an object with one key of ours. */
static void on_line(const char *text, size_t len)
{
	json_t *line = json_loadb(text, len, 0, NULL);

	require(json_is_object(line) && json_object_size(line) == 1 && asks);
	if (!json_is_object(json_object_get(line, "dns"))) {
		asks = false; /* this was the end of the answer */
		require(json_is_true(json_object_get(line, "done")) ||
			json_is_string(json_object_get(line, "error")));
	}
	json_decref(line);
}

/* --- the input -------------------------------------------------------------------------- */

static void turn(void)
{
	require(!loop_once(loop, 0));
	channel_take_lines(&client, on_line);
	main_end.taken_len = 0; /* what main says is not looked at */
}

static void pass_time(uint64_t ms)
{
	fake_world.now_ns += ms * NSEC_PER_MSEC;
	turn();
}

/* Asks, unless an answer is still due. */
static void ask(void)
{
	if (asks || client.fd < 0)
		return;
	channel_say(&client, "{}\n", 3, 0);
	turn();
}

/* An object that is larger than a message, and one too large for a line. */
static void say_much(unsigned int messages)
{
	static struct {
		struct role_message m;
		uint8_t text[ROLE_MESSAGE_MAX - sizeof(struct role_message)];
	} __attribute__((packed)) much = { .m.type = ROLE_TEXT };
	struct role_text t = { .tag = queries.last_tag, .length = ROLE_TEXT_MAX };

	memcpy(much.text, &t, sizeof(t));
	memset(much.text + sizeof(t), ' ', ROLE_TEXT_MAX);
	for (unsigned int i = 0; i < messages && main_end.fd >= 0 && !main_end.ended; i++) {
		channel_say(&main_end, &much, sizeof(much), 0);
		turn();
		if (main_end.len > 0)
			break; /* is not listened to any more */
	}
}

static void event(unsigned int what, unsigned int amount)
{
	switch (what) {
	case 0:
		pass_time(amount * 50);
		break;
	case 1:
		process.ended = process.exists;
		if (main_end.fd >= 0)
			channel_hang_up(&main_end, amount & 1);
		break;
	case 2:
		if (main_end.fd >= 0)
			channel_hang_up(&main_end, amount & 1);
		break;
	case 3:
		process.no_fork = amount & 1;
		process.no_pidfd = amount & 2;
		process.no_pair = amount & 4;
		fake_world.watch_error = amount & 8 ? ENOSPC : 0;
		break;
	case 4:
		main_end.room = amount & 1 ? SIZE_MAX : amount; /* its socket is full, or not */
		break;
	case 5:
		say_much(amount & 15);
		break;
	case 6:
		ask();
		break;
	case 7:
		role_stop(&role);
		break;
	case 8:
		if (role.state == ROLE_STATE_STOPPED)
			role_start(&role);
		break;
	}
	turn();
}

/* One message, which main reads unless it has closed the socket. */
static void say(const uint8_t *data, size_t len, unsigned int passed)
{
	if (main_end.fd < 0 || main_end.ended)
		return;
	channel_say(&main_end, data, len, passed);
	turn();
	role_check(&role);
	require(main_end.fd < 0 || main_end.len == 0);
}

static void feed(const uint8_t *data, size_t size)
{
	while (size > 2) {
		unsigned int head = (unsigned int)data[0] << 8 | data[1];
		size_t len = head & LENGTH_MASK;

		data += 2;
		size -= 2;
		if (PASSED(head) == EVENT) {
			event(len >> 8, len & 0xff);
			continue;
		}
		if (len > size)
			len = size;
		say(data, len, PASSED(head) == 2 ? PASSED_MANY : PASSED(head));
		data += len;
		size -= len;
	}
}

static void set_up(void)
{
	log_setup("fuzz", LOG_LEVEL_ERROR);
	clock_inject(fake_clock);
	json_object_seed(1);
	fake_world.now_ns = NSEC_PER_SEC;
	fake_world.watch_error = 0;
	fake_world.pair = pair;
	memset(&process, 0, sizeof(process));
	process.pidfd = main_end.fd = -1;
	asks = false;
	require(!loop_new(&loop));
	role_init(&role, ROLE_RESOLVER, 0, loop, "fuzz", &role_fuzz_ops);
	require(!role_start(&role));
	queries.loop = loop;
	queries.last_tag = 0;
	control_init(&control, loop, &control_ops);
	require(!control_adopt(&control, channel_open(&client, false)));
	ask();
}

/* Whatever was, the role ends when it is told to. */
static void stop(void)
{
	process.no_fork = process.no_pidfd = process.no_pair = false;
	fake_world.watch_error = 0;
	role_stop(&role);
	for (int i = 0; i < 3 && role.state != ROLE_STATE_STOPPED; i++)
		pass_time(ROLE_STOP_MS);
	require(role.state == ROLE_STATE_STOPPED);
	require(!process.exists && process.pidfd < 0 && main_end.fd < 0);
	pass_time(CONTROL_QUERY_MS);
	turn(); /* what it was told is sent */
	require(!asks); /* every question has had its end */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int inputs;
	static char *nothing[] = { NULL };

	if (inputs == 0) {
		queries_init(&queries, NULL);
		environ = nothing; /* is the same for every input, and looked through each time */
	}
	set_up();
	feed(data, size);
	stop();
	control_done(&control);
	/* empty now, but large: made anew only sometimes */
	if (++inputs % 256 == 0)
		queries_done(&queries);
	loop_free(loop);
	require(fake_count() == 0);
	return 0;
}
