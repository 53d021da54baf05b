// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Advice from the host's own settings. The forwarder owns the TIME_WAIT ends of upstream
 * connections: above some 14,000 to one destination connect() was measured to take 1,450 us
 * instead of 20, and tcp_tw_reuse=1 brought it back to 16.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "bpf/contract.h"
#include "supervisor/advice.h"

#define PORTS_ENOUGH 28000 /* the kernel's own default is 28,232 */

static int read_numbers(const char *path, long *a, long *b)
{
	FILE *f = fopen(path, "re");
	int n;

	if (!f)
		return 0;
	n = b ? fscanf(f, "%ld %ld", a, b) : fscanf(f, "%ld", a);
	fclose(f);
	return n < 0 ? 0 : n;
}

void advice_read(struct advice_facts *f)
{
	struct rlimit lim;

	*f = (struct advice_facts){ 0 };
	f->tw_reuse_known = read_numbers("/proc/sys/net/ipv4/tcp_tw_reuse", &f->tw_reuse, NULL);
	if (read_numbers("/proc/sys/net/ipv4/ip_local_port_range", &f->ports_first,
			 &f->ports_last) != 2)
		f->ports_first = f->ports_last = 0;
	if (!getrlimit(RLIMIT_NOFILE, &lim))
		f->descriptors = lim.rlim_max;
}

static void add(json_t *list, const char *text)
{
	json_array_append_new(list, json_string(text));
}

json_t *advice_show(const struct advice_facts *f)
{
	json_t *list = json_array();
	long ports = f->ports_last - f->ports_first + 1;
	char text[256];

	if (!list)
		return NULL;
	if (f->tw_reuse_known && f->tw_reuse != 1) {
		snprintf(text, sizeof(text),
			 "net.ipv4.tcp_tw_reuse is %ld: with it set to 1, many "
			 "short connections to one server stay fast (sysctl -w "
			 "net.ipv4.tcp_tw_reuse=1)",
			 f->tw_reuse);
		add(list, text);
	}
	if (f->ports_last && ports < PORTS_ENOUGH) {
		snprintf(text, sizeof(text),
			 "net.ipv4.ip_local_port_range has %ld ports: that is "
			 "how many connections to one server can be open at once",
			 ports);
		add(list, text);
	}
	if (f->descriptors && f->descriptors < FLOWS_MAX) {
		snprintf(
			text, sizeof(text),
			"at most %llu descriptors per process: each forwarded "
			"connection takes one in its worker, and up to %d flows are tracked (raise "
			"the hard limit, ulimit -Hn)",
			f->descriptors, FLOWS_MAX);
		add(list, text);
	}
	return list;
}
