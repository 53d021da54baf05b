// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Advice from the host's own settings. The forwarder owns the TIME_WAIT ends of upstream
 * connections: above some 14,000 to one destination connect() was measured to take 1,450 us
 * instead of 20, and tcp_tw_reuse=1 brought it back to 16.
 */
#include <stdio.h>
#include <sys/resource.h>

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

void advice_read(struct advice_facts *f, unsigned long long flows_max)
{
	struct rlimit lim;

	*f = (struct advice_facts){ .flows_max = flows_max };
	f->tw_reuse_known = read_numbers("/proc/sys/net/ipv4/tcp_tw_reuse", &f->tw_reuse, NULL);
	if (read_numbers("/proc/sys/net/ipv4/ip_local_port_range", &f->ports_first,
			 &f->ports_last) != 2)
		f->ports_first = f->ports_last = 0;
	if (!getrlimit(RLIMIT_NOFILE, &lim))
		f->descriptors = lim.rlim_max;
}

static void add(json_t *list, const char *text, const char *fix)
{
	json_array_append_new(list, json_pack("{s:s, s:s}", "text", text, "fix", fix));
}

json_t *advice_show(const struct advice_facts *f)
{
	json_t *list = json_array();
	long ports = f->ports_last - f->ports_first + 1;
	char text[256], fix[160];

	if (!list)
		return NULL;
	if (f->tw_reuse_known && f->tw_reuse != 1) {
		snprintf(text, sizeof(text),
			 "net.ipv4.tcp_tw_reuse is %ld: with it set to 1, many "
			 "short connections to one server stay fast",
			 f->tw_reuse);
		add(list, text, "sysctl -w net.ipv4.tcp_tw_reuse=1");
	}
	if (f->ports_last && ports < PORTS_ENOUGH) {
		snprintf(text, sizeof(text),
			 "net.ipv4.ip_local_port_range has %ld ports: that is "
			 "how many connections to one server can be open at once",
			 ports);
		add(list, text, "sysctl -w net.ipv4.ip_local_port_range='32768 60999'");
	}
	if (f->descriptors && f->descriptors < f->flows_max) {
		snprintf(text, sizeof(text),
			 "at most %llu descriptors per process: each forwarded "
			 "connection takes one in its worker, and up to %llu flows are tracked",
			 f->descriptors, f->flows_max);
		snprintf(fix, sizeof(fix),
			 "`ulimit -n %llu` before it is started, or LimitNOFILE=%llu in its unit; "
			 "or fewer flows, by `limits: {flows: N}`",
			 f->flows_max, f->flows_max);
		add(list, text, fix);
	}
	return list;
}
