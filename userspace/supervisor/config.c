// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Main reads the file as root and in the host's own view of files, whatever becomes of the
 * caller's directory; the resolver, which can open none of it, reads the same bytes from a memfd
 * that nobody can change any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "netdev/socket.h"
#include "supervisor/config.h"
#include "supervisor/role.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

void config_init(struct config *c)
{
	memset(c, 0, sizeof(*c));
	c->text_fd = -1;
	memset(c->list_fd, -1, sizeof(c->list_fd));
	memset(c->listener_fd, -1, sizeof(c->listener_fd));
}

void config_done(struct config *c)
{
	fd_close(c->text_fd);
	for (unsigned int i = 0; i < CONF_LISTS_MAX; i++)
		fd_close(c->list_fd[i]);
	for (unsigned int i = 0; i < 2 * CONF_LISTENERS_MAX; i++)
		fd_close(c->listener_fd[i]);
	conf_text_done(&c->text);
	conf_free(c->conf);
	config_init(c);
}

int config_read(struct config *c, const char *file, struct conf_errors *errors)
{
	if (!*file)
		return conf_read("", 0, "defaults", &c->conf, errors);
	snprintf(c->file, sizeof(c->file), "%s", file);
	return conf_load(file, &c->text, &c->conf, errors);
}

static bool has_capture_points(const struct conf_capture *c)
{
	return c->uplinks_mode != CONF_UPLINKS_NONE || c->lans || c->loopback != CONF_LOOPBACK_NO;
}

int config_check_kernel(const struct config *c, bool host, const char *why_no_bpf,
			struct conf_errors *errors)
{
	const struct conf_dns *d = &c->conf->dns;
	int err = 0;

	if (!why_no_bpf)
		return 0;
	if (host && has_capture_points(&c->conf->capture)) {
		conf_errors_add(errors,
				"%s%scapture: uplinks, lan and loopback need BPF, which cannot be "
				"used here (%s): `uplinks: none` with `route: table` does without",
				c->file, c->file[0] ? ": " : "", why_no_bpf);
		err = -EOPNOTSUPP;
	}
	for (size_t i = 0; i < d->policies; i++) {
		const struct conf_policy *p = &d->policy[i];

		if (!p->only_resolved && !p->block_quic)
			continue;
		conf_errors_add(errors,
				"%s:%u: dns.policies.%s: only-resolved and block-quic need BPF, "
				"which cannot be used here (%s)",
				c->file, p->line, p->name, why_no_bpf);
		err = -EOPNOTSUPP;
	}
	if (c->conf->rules) {
		conf_errors_add(errors, "%s:%u: rules: need BPF, which cannot be used here (%s)",
				c->file, c->conf->rule[0].line, why_no_bpf);
		err = -EOPNOTSUPP;
	}
	return err;
}

/* --- opening ------------------------------------------------------------------------------ */

static int write_sealed(int fd, const struct conf_text *t)
{
	if (t->len && write(fd, t->text, t->len) != (ssize_t)t->len)
		return -ENOSPC;
	return fcntl(fd, F_ADD_SEALS, SEALS) ? -errno : 0;
}

static int open_text(struct config *c, struct conf_errors *errors)
{
	int err;

	c->text_fd = memfd_create("headrace.yaml", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	err = c->text_fd < 0 ? -errno : write_sealed(c->text_fd, &c->text);
	if (err)
		conf_errors_add(errors, "no memory for the configuration: %s", strerror(-err));
	return err;
}

static int open_list(const struct config *c, const struct conf_list *list, int *ret_fd,
		     struct conf_errors *errors)
{
	struct stat st;
	int fd, err = 0;

	fd = open(list->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
	if (fd < 0 || fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	if (err) {
		conf_errors_add(errors, "%s:%u: dns.lists.%s: cannot read %s: %s", c->file,
				list->line, list->name, list->file,
				err == -EINVAL ? "not a regular file" : strerror(-err));
		fd_close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/*
 * SO_REUSEADDR for TCP alone, where it is for connections that linger: two UDP sockets with it
 * could have one address, and one of them would get nothing.
 */
static int listen_at(const struct endpoint *ep, int type, int *ret_fd)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(ep, &ss);
	const int on = 1;
	int fd, err;

	err = socket_open(ss.ss_family, type, &fd);
	if (err)
		return err;
	if ((ss.ss_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) ||
	    (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))) ||
	    bind(fd, (struct sockaddr *)&ss, len) || (type == SOCK_STREAM && listen(fd, SOMAXCONN)))
		err = -errno;
	if (err) {
		fd_close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* The socket that `old` has for the same address, -1 = none. */
static int find_listener(const struct config *old, const struct endpoint *ep, unsigned int tcp)
{
	if (!old || !old->conf)
		return -1;
	for (size_t i = 0; i < old->conf->dns.listeners; i++) {
		const struct endpoint *had = &old->conf->dns.listener[i].endpoint;

		if (had->port == ep->port && addr_eq(&had->addr, &ep->addr))
			return old->listener_fd[2 * i + tcp];
	}
	return -1;
}

static int open_listener(struct config *c, const struct config *const old[2], size_t place,
			 unsigned int tcp, struct conf_errors *errors)
{
	const struct conf_listener *l = &c->conf->dns.listener[place];
	int had = find_listener(old[0], &l->endpoint, tcp), *fd = &c->listener_fd[2 * place + tcp];
	char text[ENDPOINT_TEXT_MAX];
	int err = 0;

	if (had < 0)
		had = find_listener(old[1], &l->endpoint, tcp);
	if (had >= 0)
		*fd = fcntl(had, F_DUPFD_CLOEXEC, 0);
	else
		err = listen_at(&l->endpoint, tcp ? SOCK_STREAM : SOCK_DGRAM, fd);
	if (had >= 0 && *fd < 0)
		err = -errno;
	if (err)
		conf_errors_add(errors, "%s:%u: dns.listen: cannot listen on %s (%s): %s", c->file,
				l->line, endpoint_format(&l->endpoint, text), tcp ? "TCP" : "UDP",
				strerror(-err));
	return err;
}

int config_open(struct config *c, const struct config *const old[2], struct conf_errors *errors)
{
	const struct conf_dns *d = &c->conf->dns;
	int err, first;

	err = open_text(c, errors);
	for (size_t i = 0; i < d->lists; i++) {
		first = open_list(c, &d->list[i], &c->list_fd[i], errors);
		err = err ? err : first;
	}
	for (size_t i = 0; i < 2 * d->listeners; i++) {
		first = open_listener(c, old, i / 2, i % 2, errors);
		err = err ? err : first;
	}
	return err;
}

/* --- handing over ------------------------------------------------------------------------- */

/* A list as an open file of its own: its position is nobody else's. */
static int send_list(struct role *r, uint32_t index, int fd)
{
	char path[32];
	int own, err;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	err = role_send_descriptor(r, ROLE_FD_LIST, index, own);
	fd_close(own);
	return err;
}

int config_send(const struct config *c, struct role *r)
{
	const struct conf_dns *d = &c->conf->dns;
	int err;

	err = role_send_descriptor(r, ROLE_FD_CONF, 0, c->text_fd);
	for (uint32_t i = 0; !err && i < d->lists; i++)
		err = send_list(r, i, c->list_fd[i]);
	for (uint32_t i = 0; !err && i < 2 * d->listeners; i++)
		err = role_send_descriptor(r, ROLE_FD_LISTENER, i, c->listener_fd[i]);
	return err;
}
