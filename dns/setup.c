// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Descriptors by kind and place, and the configuration that says what they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/role.h"
#include "conf/file.h"
#include "dns/setup.h"

void setup_init(struct setup *s)
{
	s->text_fd = -1;
	memset(s->list_fd, -1, sizeof(s->list_fd));
	memset(s->listener_fd, -1, sizeof(s->listener_fd));
	s->conf = NULL;
}

void setup_done(struct setup *s)
{
	fd_close(s->text_fd);
	for (unsigned int i = 0; i < CONF_LISTS_MAX; i++)
		fd_close(s->list_fd[i]);
	for (unsigned int i = 0; i < 2 * CONF_LISTENERS_MAX; i++)
		fd_close(s->listener_fd[i]);
	conf_free(s->conf);
	setup_init(s);
}

int setup_take(struct setup *s, uint32_t kind, uint32_t index, int fd)
{
	int *place;

	switch (kind) {
	case ROLE_FD_CONF:
		setup_done(s); /* the text comes first: what is there was never used */
		place = &s->text_fd;
		break;
	case ROLE_FD_LIST:
		place = index < CONF_LISTS_MAX ? &s->list_fd[index] : NULL;
		break;
	case ROLE_FD_LISTENER:
		place = index < 2 * CONF_LISTENERS_MAX ? &s->listener_fd[index] : NULL;
		break;
	default:
		return -ENOENT;
	}
	if (!place) {
		fd_close(fd);
		return -EPROTO;
	}
	fd_close(*place);
	*place = fd;
	return 0;
}

/* Everything that the configuration names has come. */
static int check_complete(const struct setup *s)
{
	for (size_t i = 0; i < s->conf->dns.lists; i++)
		if (s->list_fd[i] < 0)
			return -EPROTO;
	for (size_t i = 0; i < 2 * s->conf->dns.listeners; i++)
		if (s->listener_fd[i] < 0)
			return -EPROTO;
	return 0;
}

int setup_read(struct setup *s, const struct role_config *config, struct conf_errors *errors)
{
	struct conf_text text = { 0 };
	int err;

	*errors = (struct conf_errors){ 0 };
	err = s->text_fd < 0 ? 0 : conf_text_read_fd(s->text_fd, &text);
	if (err) {
		conf_errors_add(errors, "configuration: %s", strerror(-err));
		return err;
	}
	err = conf_read(text.text, text.len, "configuration", &s->conf, errors);
	conf_text_done(&text);
	if (err)
		return err;
	err = check_complete(s);
	if (!err)
		err = conf_use_servers(s->conf, config->upstream, config->upstreams);
	if (err)
		conf_errors_add(errors, "configuration: %s", strerror(-err));
	return err;
}

size_t setup_take_listeners(struct setup *s, int ret_fds[2 * CONF_LISTENERS_MAX])
{
	size_t num = 2 * s->conf->dns.listeners;

	for (size_t i = 0; i < num; i++) {
		ret_fds[i] = s->listener_fd[i];
		s->listener_fd[i] = -1;
	}
	return num;
}
