// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The host's resolver configuration, read by c-ares, which knows the file's many forms;
 * c-ares asks nothing here. It says 127.0.0.1 where no server is configured (or there is no
 * file): that is told apart by looking for the line, so that "none" can be said as such.
 *
 * A loopback stub such as 127.0.0.53 is as good as any unless the host's queries are captured:
 * roles live in the host's network namespace. Link-local servers come without their interface
 * (c-ares 1.18 does not say it) and so cannot be reached; the next one is asked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ares.h>

#include "base/clock.h"
#include "base/fd.h"
#include "dns/bootstrap.h"
#include "netdev/socket.h"

#define LINE_MAX_BYTES 512
#define LINES_MAX 4096

void bootstrap_init(struct bootstrap *b, const char *path, const char *resolved_path,
		    bool host_capture)
{
	memset(b, 0, sizeof(*b));
	b->path = path;
	b->resolved_path = resolved_path;
	b->host_capture = host_capture;
}

static bool line_names(const char *line, const char *server)
{
	static const char keyword[] = "nameserver";

	line += strspn(line, " \t");
	if (strncmp(line, keyword, sizeof(keyword) - 1) != 0)
		return false;
	line += sizeof(keyword) - 1;
	line += strspn(line, " \t");
	return strncmp(line, server, strlen(server)) == 0;
}

static bool file_names(const char *path, const char *server)
{
	FILE *f = fopen(path, "re");
	char line[LINE_MAX_BYTES];
	bool found = false;

	if (!f)
		return false;
	for (int i = 0; i < LINES_MAX && !found && fgets(line, sizeof(line), f); i++)
		found = line_names(line, server);
	fclose(f);
	return found;
}

/* Are these c-ares' servers for want of any? */
static bool is_fallback(const struct endpoint *servers, int num)
{
	return num == 1 && addr_is_v4(&servers[0].addr) &&
	       addr_to_v4(&servers[0].addr) == htonl(INADDR_LOOPBACK);
}

static struct endpoint endpoint_of(const struct ares_addr_port_node *node)
{
	struct endpoint ep = { 0 };
	int port = node->udp_port ? node->udp_port : DNS_PORT;

	ep.addr = node->family == AF_INET ? addr_from_v4(node->addr.addr4.s_addr) :
					    addr_from_v6(&node->addr.addr6);
	ep.port = htons((uint16_t)port);
	return ep;
}

static int read_channel(ares_channel channel, struct endpoint *ret_servers)
{
	struct ares_addr_port_node *list = NULL;
	int num = 0;

	if (ares_get_servers_ports(channel, &list) != ARES_SUCCESS)
		return -ENOMEM;
	for (struct ares_addr_port_node *node = list; node && num < DNS_UPSTREAMS_MAX;
	     node = node->next)
		ret_servers[num++] = endpoint_of(node);
	ares_free_data(list);
	return num;
}

int bootstrap_read(const char *path, struct endpoint ret_servers[DNS_UPSTREAMS_MAX])
{
	char copy[256];
	struct ares_options options = { .resolvconf_path = copy };
	ares_channel channel;
	int r;

	snprintf(copy, sizeof(copy), "%s", path);
	r = ares_init_options(&channel, &options, ARES_OPT_RESOLVCONF);
	if (r != ARES_SUCCESS)
		return r == ARES_ENOMEM ? -ENOMEM : -EINVAL;
	r = read_channel(channel, ret_servers);
	ares_destroy(channel);
	if (is_fallback(ret_servers, r) && !file_names(path, "127.0.0.1"))
		return 0;
	return r;
}

/* Such an address is one that the kernel would also send from to reach it. */
bool bootstrap_is_own(const struct addr *address)
{
	struct endpoint to = { .addr = *address, .port = htons(DNS_PORT) }, from;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	bool own = false;
	int fd;

	if (addr_is_loopback(address) || addr_is_zero(address))
		return true;
	if (socket_connect(&to, SOCK_DGRAM, &fd) < 0)
		return false;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    endpoint_from_sockaddr((struct sockaddr *)&ss, &from) == 0)
		own = addr_eq(&from.addr, address);
	fd_close(fd);
	return own;
}

/* Takes out what may lead back to us. Returns how many are left. */
static int drop_own(struct endpoint *servers, int num)
{
	int left = 0;

	for (int i = 0; i < num; i++) {
		if (!bootstrap_is_own(&servers[i].addr))
			servers[left++] = servers[i];
	}
	return left;
}

int bootstrap_servers(const struct bootstrap *b, struct endpoint ret_servers[DNS_UPSTREAMS_MAX])
{
	int num = bootstrap_read(b->path, ret_servers), left;

	if (num <= 0 || !b->host_capture)
		return num;
	left = drop_own(ret_servers, num);
	if (left)
		return left;
	num = bootstrap_read(b->resolved_path, ret_servers);
	return num <= 0 ? num : drop_own(ret_servers, num);
}

/* Is it another file than the last time? */
static bool file_changed(const char *path, struct stat *seen)
{
	struct stat st;
	bool same;

	if (stat(path, &st) < 0)
		memset(&st, 0, sizeof(st));
	same = fd_same_file(&st, seen);
	*seen = st;
	return !same;
}

bool bootstrap_changed(struct bootstrap *b)
{
	uint64_t now = clock_ms();
	bool changed = !b->known;

	if (b->known && now - b->checked_ms < BOOTSTRAP_CHECK_MS)
		return false;
	b->checked_ms = now;
	b->known = true;
	changed |= file_changed(b->path, &b->seen[0]);
	if (b->host_capture)
		changed |= file_changed(b->resolved_path, &b->seen[1]);
	return changed;
}
