// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a client may send to the control socket, behind three bytes of set-up. Lines are cut,
 * parsed and, as "run" requests, turned into options. However the stream is cut into pieces,
 * and however slowly its answers are taken, every line gets one answer; nothing stays counted
 * as unsent and no descriptor stays open when the client is gone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/options.h"
#include "tests/fuzz/channel.h"
#include "tests/fuzz/fuzz.h"

#define OWNER 1000 /* who may connect besides root */
#define LONG_SPACE 1 /* this byte stands for so many spaces: */
#define SPACES 1024
#define STREAM_MAX (24 * SPACES)
#define PIECES 256 /* about, at most */

/* The second byte. */
#define BY_LISTENER 0x01 /* else over the inherited pair */
#define STRANGER 0x02 /* who may not connect */
#define DESCRIPTORS 0x04 /* come with every piece */
#define SLOW 0x08 /* takes so many bytes a turn: the third byte */
#define STUCK 0x10 /* takes so many 16 bytes in all, then time passes */
#define NO_MEMORY 0x20 /* so many allocations work, then one fails */
#define EVENTS 0x40 /* between the pieces */
#define WE_END 0x80 /* else the client goes first, by a reset if the third byte is odd */

static struct control control;
static struct loop *loop;
static struct channel client;
static unsigned int flags, amount;
static bool calling; /* at the listener */
static bool followed;
static bool slow; /* takes little a turn */
static unsigned int answers, events;

pid_t __wrap_getpid(void);

pid_t __wrap_getpid(void)
{
	return 4711;
}

json_t *__real_json_loadb(const char *text, size_t len, size_t how, json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t len, size_t how, json_error_t *error);

/* Of jansson only what builds and writes lines is short of memory. Its scanner does not check
 * whether it could keep a byte, and looks for a string's end that it then has not kept. */
json_t *__wrap_json_loadb(const char *text, size_t len, size_t how, json_error_t *error)
{
	unsigned int countdown = fake_world.alloc_countdown;
	json_t *value;

	fake_world.alloc_countdown = 0;
	value = __real_json_loadb(text, len, how, error);
	fake_world.alloc_countdown = countdown;
	return value;
}

/* As command.c treats "run", with an answer of each kind. */
static void on_request(struct control *c, struct control_client *cl, const json_t *request)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	struct instance_options opt;
	char err[OPTIONS_ERROR_MAX];
	int fd;

	options_init(&opt);
	if (options_from_json(&opt, request, err)) {
		require(memchr(err, '\0', sizeof(err)) && err[0]);
		control_refuse(cl, "%s", err);
		return;
	}
	require(control_instance_valid(opt.instance) && opt.dns_count <= DNS_UPSTREAMS_MAX);
	require(opt.workers >= 1 && opt.workers <= WORKERS_MAX);
	require(!opt.mtu || (opt.mtu >= MTU_MIN && opt.mtu <= MTU_MAX));
	if (command && !strcmp(command, "events"))
		cl->follows = followed = true;
	if (opt.tun_handed && cl->in_fd >= 0) {
		require(cl->run);
		close(cl->in_fd);
		cl->in_fd = -1;
	}
	if (!command || strcmp(command, "run") != 0) {
		control_answered(cl);
		return;
	}
	fd = channel_spare_fd();
	control_send_fd(cl, "ready", json_pack("{s:s}", "instance", opt.instance), fd);
	close(fd);
}

static void on_gone(struct control *c, struct control_client *cl)
{
}

static const struct control_ops ops = { .request = on_request, .gone = on_gone };

/* --- the client ------------------------------------------------------------------------- */

static bool begins(const char *text, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && !memcmp(text, with, n);
}

/* {"KEY":"TEXT"}, with all in TEXT escaped that has to be. */
static bool is_text(const char *text, size_t len, const char *key)
{
	const char *at = text + strlen(key), *end = text + len - 2;

	if (!begins(text, len, key) || at > end || memcmp(end, "\"}", 2) != 0)
		return false;
	for (; at < end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '"' || (unsigned char)*at < ' ')
			return false;
	}
	return at == end;
}

/* Not parsed by jansson: that would be slower than all that is tested. */
static void on_line(const char *text, size_t len)
{
	if (begins(text, len, "{\"event\":{\"n\":")) {
		events++;
		return;
	}
	answers++;
	require(is_text(text, len, "{\"error\":\"") ||
		(len == 13 && !memcmp(text, "{\"done\":true}", 13)) ||
		(begins(text, len, "{\"ready\":{\"instance\":\"") && text[len - 1] == '}'));
}

static uint32_t listener_poll(struct fake *f)
{
	return calling ? EPOLLIN : 0;
}

static int listener_accept(struct fake *f)
{
	if (!calling)
		return -EAGAIN;
	calling = false;
	return client.fd;
}

static const struct fake_ops listener_ops = { .poll = listener_poll, .accept = listener_accept };

static void turn(void)
{
	if (slow)
		client.room = amount + 1;
	require(!loop_once(loop, 0));
	channel_take_lines(&client, on_line);
}

static void call(void)
{
	require(channel_open(&client, false) >= 0);
	client.uid = flags & STRANGER ? OWNER + 1 : OWNER;
	fake_world.alloc_countdown = flags & NO_MEMORY ? amount : 0;
	slow = (flags & (SLOW | STUCK)) == SLOW;
	if (flags & STUCK)
		client.room = (size_t)amount * 16;
	calling = flags & BY_LISTENER;
	if (calling)
		turn();
	else if (control_adopt(&control, client.fd))
		close(client.fd);
}

/* Says one piece and lets it be read: whether it was. */
static bool say(const uint8_t *data, size_t len, unsigned int passed)
{
	channel_say(&client, data, len, passed);
	for (int i = 0; i < 4 && client.fd >= 0 && client.len > 0; i++)
		turn();
	if (flags & EVENTS)
		control_broadcast(&control, "event", json_pack("{s:i}", "n", (int)len), NULL, NULL);
	return client.fd >= 0 && client.len == 0;
}

/* In pieces of up to 1 + (first byte & 15)^2 * 16 bytes, more if there is very much. */
static void feed(const uint8_t *data, size_t size, unsigned int seed)
{
	uint32_t most = 1 + (seed & 15) * (seed & 15) * 16, x = seed + 1;
	size_t at = 0;

	while (at < size && client.fd >= 0) {
		size_t n;

		x = x * 1103515245 + 12345;
		n = 1 + size / PIECES + (x >> 8) % most;
		n = n < size - at ? n : size - at;
		if (!say(data + at, n, flags & DESCRIPTORS ? (x >> 4) % 7 : 0))
			break;
		at += n;
	}
}

/* --- what must come of it --------------------------------------------------------------- */

/* Answers to a stream: one for each line that is not empty, the last for one too long. */
static unsigned int answers_due(const uint8_t *data, size_t size)
{
	unsigned int n = 0;

	for (size_t at = 0; at < size;) {
		const uint8_t *newline = memchr(data + at, '\n', size - at);
		size_t len = newline ? (size_t)(newline - data) - at : size - at;

		if (len >= CONTROL_REQUEST_MAX)
			return n + 1;
		n += newline && len > 0;
		at += len + 1;
	}
	return n;
}

static void check_answers(unsigned int due)
{
	bool stranger = (flags & BY_LISTENER) && (flags & STRANGER);
	bool dropped = (flags & (NO_MEMORY | STUCK)) || ((flags & SLOW) && (followed || stranger));

	if (stranger)
		due = 1; /* it is told that it may not ask, as far as it takes that at once */
	require(dropped ? answers <= due + 1 : answers == due);
	require(events == 0 || followed);
}

/* Who takes nothing is dropped, unless it is the command's own client. */
static void stall(void)
{
	for (int ms = 0; ms < CONTROL_STALL_MS + 3000; ms += 1000) {
		fake_world.now_ns += 1000000000;
		turn();
	}
	require(control.buffered == 0 || !(flags & BY_LISTENER));
}

static void end_it(void)
{
	slow = false;
	client.room = flags & STUCK ? 0 : SIZE_MAX;
	if (!(flags & WE_END)) {
		turn();
		turn();
		channel_hang_up(&client, amount & 1);
		turn();
		turn();
		require(control.count == 0);
	}
	control_done(&control);
	channel_take_lines(&client, on_line);
	require(control.count == 0 && control.buffered == 0 && client.fd < 0);
}

static size_t expand(const uint8_t *data, size_t size, uint8_t *stream)
{
	size_t len = 0;

	for (size_t i = 0; i < size && len + SPACES <= STREAM_MAX; i++) {
		size_t n = data[i] == LONG_SPACE ? SPACES : 1;

		memset(stream + len, data[i] == LONG_SPACE ? ' ' : data[i], n);
		len += n;
	}
	return len;
}

static void set_up(void)
{
	log_setup("fuzz", LOG_LEVEL_ERROR);
	clock_inject(fake_clock);
	json_object_seed(1);
	json_set_alloc_funcs(malloc, free);
	fake_world.now_ns = 1000000000;
	followed = false;
	answers = events = 0;
	require(!loop_new(&loop));
	control_init(&control, loop, &ops);
	require(!control_serve(&control, fake_open(&listener_ops, NULL), OWNER));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t stream[STREAM_MAX];
	size_t len;

	if (size < 3)
		return 0;
	flags = data[1];
	amount = data[2];
	len = expand(data + 3, size - 3, stream);
	set_up();
	call();
	if (client.fd >= 0)
		feed(stream, len, data[0]);
	if (flags & STUCK)
		stall();
	end_it();
	fake_world.alloc_countdown = 0;
	check_answers(answers_due(stream, len));
	loop_free(loop);
	require(fake_count() == 0);
	return 0;
}
