// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the host's files say of its resolver, and who has port 53. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/doctor.h"

#define DOCTOR_DNS_PORT 53
#define OWN_SOCKETS_MAX 4096
#define VARLINK "/run/systemd/resolve/io.systemd.Resolve"

/* --- servers ---------------------------------------------------------------------------------- */

struct doctor_servers {
	unsigned int all, loopback;
	bool stub; /* systemd-resolved's */
	char first[64];
};

static void doctor_resolv_conf(const char *root, struct doctor_servers *s)
{
	FILE *f = doctor_open(root, "/etc/resolv.conf");
	char line[512], server[64];

	memset(s, 0, sizeof(*s));
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " nameserver %63s", server) != 1)
			continue;
		if (!s->all++)
			snprintf(s->first, sizeof(s->first), "%s", server);
		s->loopback += !strncmp(server, "127.", 4) || !strcmp(server, "::1");
		s->stub |= !strcmp(server, "127.0.0.53") || !strcmp(server, "127.0.0.54");
	}
	fclose(f);
}

/* Does the line of hosts: in nsswitch.conf ask systemd-resolved by its own socket? */
static bool names_resolve(const char *root)
{
	FILE *f = doctor_open(root, "/etc/nsswitch.conf");
	char line[512], *save = NULL;
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f)) {
		const char *word = strtok_r(line, " \t\n", &save);

		if (!word || strcmp(word, "hosts:") != 0)
			continue;
		while (!found && (word = strtok_r(NULL, " \t\n", &save)))
			found = !strcmp(word, "resolve");
	}
	fclose(f);
	return found;
}

static void doctor_nss(struct findings *f, const char *root, const struct doctor_instance *in)
{
	char path[512];

	snprintf(path, sizeof(path), "%s%s", root, VARLINK);
	if (!access(path, F_OK) && in->host && names_resolve(root))
		finding_add(
			f, FINDING_NOTE, "resolver",
			"take `resolve` and what stands in brackets behind it out of the line "
			"hosts: of /etc/nsswitch.conf",
			"/etc/nsswitch.conf has applications ask systemd-resolved by a socket of "
			"its own: who asked is not known, with `loopback: dns` either");
}

/* --- port 53 ---------------------------------------------------------------------------------- */

struct sockets {
	unsigned long inode[OWN_SOCKETS_MAX];
	size_t num;
};

static void sockets_of(const char *root, pid_t pid, struct sockets *s)
{
	char path[512], target[64];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc/%d/fd", root, (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (len <= 0 || s->num == OWN_SOCKETS_MAX)
			continue;
		target[len] = '\0';
		if (sscanf(target, "socket:[%lu]", &s->inode[s->num]) == 1)
			s->num++;
	}
	if (dir)
		closedir(dir);
}

static bool is_own(const struct sockets *own, unsigned long inode)
{
	for (size_t i = 0; i < own->num; i++)
		if (own->inode[i] == inode)
			return true;
	return false;
}

/* Sockets of others bound to port 53, in a file like /proc/net/udp; *ret_any: to all addresses. */
static unsigned int doctor_port53(const char *root, const char *path, const struct sockets *own,
				  bool *ret_any)
{
	FILE *f = doctor_open(root, path);
	unsigned int found = 0, port, state;
	char line[512], addr[40];
	unsigned long inode;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line,
			   " %*d: %39[0-9A-F]:%x %*[0-9A-F]:%*x %x %*[0-9A-F]:%*x %*x:%*x %*x %*u "
			   "%*d %lu",
			   addr, &port, &state, &inode) != 4 ||
		    port != DOCTOR_DNS_PORT || is_own(own, inode))
			continue;
		/* 7: not connected (UDP), 10: listening (TCP) */
		if (state != 7 && state != 10)
			continue;
		found++;
		*ret_any |= strspn(addr, "0") == strlen(addr);
	}
	fclose(f);
	return found;
}

static void doctor_listeners(struct findings *f, const char *root, const struct doctor_instance *in)
{
	static const char *const files[] = { "/proc/net/udp", "/proc/net/udp6", "/proc/net/tcp",
					     "/proc/net/tcp6" };
	static struct sockets own;
	unsigned int found = 0;
	bool any = false;

	own.num = 0;
	for (size_t i = 0; i < in->pids; i++)
		sockets_of(root, in->pid[i], &own);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		found += doctor_port53(root, files[i], &own, &any);
	if (!own.num) { /* without root it is not seen whose they are */
		any &= !in->port53_any;
		found -= found < in->port53 ? found : in->port53;
	}
	if (any)
		finding_add(f, FINDING_NOTE, "resolver",
			    "bind that one to addresses of its own (`ss -lnp 'sport = :53'` names "
			    "it), if Headrace is to have that port",
			    "somebody listens on port 53 of all addresses: dns.listen cannot have "
			    "that port");
	else if (found)
		finding_add(f, FINDING_OK, "resolver", NULL,
			    "port 53 is taken on some addresses, by %u sockets of others", found);
}

/* --- all -------------------------------------------------------------------------------------- */

void doctor_resolver(struct findings *f, const char *root, const struct doctor_instance *in)
{
	struct doctor_servers s;

	doctor_resolv_conf(root, &s);
	if (!s.all) {
		finding_add(f, FINDING_WARNING, "resolver",
			    "a line `nameserver ADDRESS` in /etc/resolv.conf",
			    "/etc/resolv.conf names no server: applications ask 127.0.0.1, and "
			    "without dns.upstreams Headrace has none to ask");
	} else if (s.loopback == s.all && in->host && !in->loopback) {
		finding_add(
			f, FINDING_NOTE, "resolver",
			"`loopback: dns` below capture:; then `headrace reload`",
			"%s answers on %s (/etc/resolv.conf): of its queries to outside the owner "
			"is the resolver, not the application, and what it has cached is not seen",
			s.stub ? "systemd-resolved" : "a resolver", s.first);
	} else {
		finding_add(f, FINDING_OK, "resolver", NULL, "the host asks %s%s", s.first,
			    s.stub ? " (systemd-resolved)" : "");
	}
	doctor_nss(f, root, in);
	doctor_listeners(f, root, in);
}
