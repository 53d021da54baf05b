// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A role that is no longer ours: messages from it to main, each with two bytes of length
 * before it, while a client waits for its answer to a query. Whatever comes, the client is
 * only told whole objects under the key that it asked for.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* for its static functions, and so that no process is needed */
#include "supervisor/role.c"

#include "supervisor/control.h"
#include "supervisor/query.h"
#include "tests/fuzz/fuzz.h"

static struct queries queries;
static struct role role;

static void on_ready(struct role *r)
{
	require(r->state == ROLE_STATE_READY);
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

static const struct role_ops role_fuzz_ops = { .ready = on_ready,
					       .text = on_text,
					       .hung = on_hung };

static void on_request(struct control *c, struct control_client *client, const json_t *request)
{
	queries_ask(&queries, &role, "dns", client);
}

static void on_gone(struct control *c, struct control_client *client)
{
	queries_forget(&queries, client);
}

static const struct control_ops control_ops = { .request = on_request, .gone = on_gone };

/* Every line that the client was sent is an object with one key of ours. */
static void check_told(int fd)
{
	static char buf[1 << 20];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	char *at = buf, *end;

	while (n > 0 && (end = memchr(at, '\n', (size_t)(buf + n - at)))) {
		json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);

		require(json_is_object(line) && json_object_size(line) == 1);
		require(json_is_object(json_object_get(line, "dns")) ||
			json_is_true(json_object_get(line, "done")) ||
			json_is_string(json_object_get(line, "error")));
		json_decref(line);
		at = end + 1;
	}
}

static void feed(struct loop *loop, int fd, int client, const uint8_t *data, size_t size)
{
	while (size > 2) {
		size_t len = (size_t)data[0] << 8 | data[1];

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		if (send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		loop_once(loop, 0);
		role_check(&role);
		check_told(client);
		data += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control control;
	struct loop *loop;
	int pair[2], sock[2];

	log_setup("fuzz", LOG_LEVEL_ERROR);
	require(!loop_new(&loop) && !message_pair(sock));
	require(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	role_init(&role, ROLE_RESOLVER, 0, loop, "fuzz", &role_fuzz_ops);
	role.state = ROLE_STATE_STARTING;
	role.pid = 1; /* said to be alive; process.fd is -1, so it is sent nothing */
	role.socket = (struct watch){ .ready = socket_ready, .fd = sock[0] };
	require(!loop_add(loop, &role.socket, EPOLLIN));
	queries_init(&queries, loop);
	control_init(&control, loop, &control_ops);
	require(!control_adopt(&control, pair[1]) && send(pair[0], "{}\n", 3, 0) == 3);
	loop_once(loop, 0);
	feed(loop, sock[1], pair[0], data, size);
	close_socket(&role);
	loop_disarm(&role.timer);
	close(sock[1]);
	close(pair[0]);
	control_done(&control);
	queries_done(&queries);
	loop_free(loop);
	return 0;
}
