/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Roles for tests of main. Main runs its own executable again with --role, and that is the
 * test program: its main() calls role_fake_main() for that, and the slot says how to behave.
 */
#ifndef TESTS_ROLE_FAKE_H
#define TESTS_ROLE_FAKE_H

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/message.h"
#include "base/role.h"

enum fake_behaviour {
	FAKE_GOOD, /* ready after START, answers queries, ends at STOP */
	FAKE_DIES_AT_ONCE,
	FAKE_NEVER_READY,
	FAKE_DEAF, /* ready, but ignores STOP */
	FAKE_RUDE, /* ready, then breaks the protocol */
	FAKE_DIES_WHEN_ASKED, /* ready, aborts on a query */
	FAKE_CLOSES, /* ready, then closes its socket and lives on */
	FAKE_HANGS, /* ready, then reads nothing more */
};

static void fake_send(enum role_message_type type, const void *body, size_t len)
{
	char buf[ROLE_MESSAGE_MAX];
	struct role_message m = { .type = type };

	memcpy(buf, &m, sizeof(m));
	if (len)
		memcpy(buf + sizeof(m), body, len);
	if (message_send(ROLE_FD, buf, sizeof(m) + len, -1))
		_exit(9);
}

/* Answers with what it was given: {"dns":{"restarted":N,"descriptors":M}} in two pieces. */
static void fake_answer(uint64_t tag, const struct role_config *cfg, unsigned int descriptors)
{
	char body[sizeof(struct role_text) + 256];
	struct role_text t = { .tag = tag };
	char *text = body + sizeof(t);

	snprintf(text, 256, "{\"dns\":{\"restarted\":%u,\"descriptors\":%u,\"key\":%u}}\n{\"x",
		 cfg->restarted, descriptors, (unsigned int)(cfg->isn_key.k[0] & 0xffff));
	t.length = (uint32_t)strlen(text);
	memcpy(body, &t, sizeof(t));
	fake_send(ROLE_TEXT, body, sizeof(t) + t.length);
	snprintf(text, 256, "\":1}\n");
	t.length = (uint32_t)strlen(text);
	memcpy(body, &t, sizeof(t));
	fake_send(ROLE_TEXT, body, sizeof(t) + t.length);
	t.length = 0;
	memcpy(body, &t, sizeof(t));
	fake_send(ROLE_TEXT, body, sizeof(t));
}

static void fake_start(enum fake_behaviour how)
{
	if (how == FAKE_NEVER_READY)
		return;
	fake_send(ROLE_READY, NULL, 0);
	if (how == FAKE_RUDE)
		fake_send(ROLE_MESSAGE_NUM + 5, "x", 1);
	if (how == FAKE_CLOSES)
		close(ROLE_FD);
	while (how == FAKE_CLOSES || how == FAKE_HANGS)
		pause();
}

static int role_fake_main(enum fake_behaviour how)
{
	struct role_config cfg = { 0 };
	unsigned int descriptors = 0;
	char buf[ROLE_MESSAGE_MAX];

	for (;;) {
		struct pollfd p = { .fd = ROLE_FD, .events = POLLIN };
		struct role_message m;
		int fd = -1;
		ssize_t n;

		poll(&p, 1, -1);
		n = message_recv(ROLE_FD, buf, sizeof(buf), &fd);
		if (n == -EAGAIN)
			continue;
		if (n <= 0)
			return 0;
		memcpy(&m, buf, sizeof(m));
		if (m.type == ROLE_CONFIG)
			memcpy(&cfg, buf + sizeof(m), sizeof(cfg));
		else if (m.type == ROLE_DESCRIPTOR && fd >= 0)
			descriptors++;
		else if (m.type == ROLE_START && how == FAKE_DIES_AT_ONCE)
			return 7; /* sooner, main might not have set it up yet */
		else if (m.type == ROLE_START)
			fake_start(how);
		else if (m.type == ROLE_PING)
			fake_send(ROLE_PONG, NULL, 0);
		else if (m.type == ROLE_STOP && how != FAKE_DEAF)
			return 0;
		else if (m.type == ROLE_QUERY && how == FAKE_DIES_WHEN_ASKED)
			_exit(3);
		else if (m.type == ROLE_QUERY) {
			struct role_text t;

			memcpy(&t, buf + sizeof(m), sizeof(t));
			fake_answer(t.tag, &cfg, descriptors);
		}
		if (fd >= 0)
			close(fd);
	}
}

#endif
