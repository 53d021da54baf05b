// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a client may send to the control socket: the first byte says in pieces of which size
 * the rest arrives. Lines are cut, parsed and, as "run" requests, turned into options; every
 * line gets one answer, and nothing stays counted as unsent when the client is gone.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/options.h"
#include "tests/fuzz/fuzz.h"

#define OUT_BYTES (1 << 20) /* what the client's socket takes before it must read */

static void on_request(struct control *c, struct control_client *client, const json_t *request)
{
	struct instance_options opt;
	char err[OPTIONS_ERROR_MAX];

	options_init(&opt);
	if (options_from_json(&opt, request, err)) {
		require(memchr(err, '\0', sizeof(err)) && err[0]);
		control_refuse(client, "%s", err);
		return;
	}
	require(control_instance_valid(opt.instance) && opt.dns_count <= DNS_UPSTREAMS_MAX);
	require(opt.workers >= 1 && opt.workers <= WORKERS_MAX);
	require(!opt.mtu || (opt.mtu >= MTU_MIN && opt.mtu <= MTU_MAX));
	control_answered(client);
}

static void on_gone(struct control *c, struct control_client *client)
{
}

static const struct control_ops ops = { .request = on_request, .gone = on_gone };

static void drain(int fd)
{
	char buf[4096];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void feed(struct loop *loop, int fd, const uint8_t *data, size_t size)
{
	size_t piece = size ? 1 + data[0] * 16U : 1;

	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (send(fd, data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		loop_once(loop, 0);
		drain(fd);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control control;
	struct loop *loop;
	int pair[2];

	log_setup("fuzz", LOG_LEVEL_ERROR);
	require(!loop_new(&loop));
	require(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	control_init(&control, loop, &ops);
	require(!control_adopt(&control, pair[1]));
	feed(loop, pair[0], data, size);
	close(pair[0]);
	loop_once(loop, 0);
	control_done(&control);
	require(control.count == 0 && control.buffered == 0);
	loop_free(loop);
	return 0;
}
