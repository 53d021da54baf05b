// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Named limits, and what a process makes of them. See the header. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/budget.h"

#define DESCRIPTORS_MIN 8
#define DESCRIPTORS_FALLBACK 1024 /* where the limit cannot be read */
#define DESCRIPTORS_MAX (1 << 20) /* the kernel's own default of fs.nr_open */

static const struct {
	const char *name;
	uint64_t standard, min, max;
	const char *text;
} table[] = {
#define LIMITS_ROW(enumerator, name, standard, min, max, text)                                     \
	[enumerator] = { #name, standard, min, max, text },
	LIMITS(LIMITS_ROW)
};

_Static_assert(sizeof(table) / sizeof(table[0]) == LIMIT_NUM, "limits");

void limits_init(struct limits *l)
{
	for (int i = 0; i < LIMIT_NUM; i++)
		l->n[i] = table[i].standard;
}

const char *limit_name(enum limit which)
{
	return table[which].name;
}

const char *limit_text(enum limit which)
{
	return table[which].text;
}

static bool name_is(const char *name, const char *text, size_t len)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] != (text[i] == '-' ? '_' : text[i]))
			return false;
	return true;
}

int limits_set(struct limits *l, const char *name, size_t name_len, long long n,
	       char err[BUDGET_ERROR_MAX])
{
	for (int i = 0; i < LIMIT_NUM; i++) {
		if (!name_is(table[i].name, name, name_len))
			continue;
		if (n < 0 || (uint64_t)n < table[i].min || (uint64_t)n > table[i].max) {
			snprintf(err, BUDGET_ERROR_MAX, "limit '%s' %lld: expected %llu to %llu",
				 table[i].name, n, (unsigned long long)table[i].min,
				 (unsigned long long)table[i].max);
			return -EINVAL;
		}
		l->n[i] = (uint64_t)n;
		return 0;
	}
	snprintf(err, BUDGET_ERROR_MAX, "'%.*s': no such limit", name_len < 40 ? (int)name_len : 40,
		 name);
	return -EINVAL;
}

/* A number with K, M or G behind it. False: it is none, or too large. */
static bool parse_scaled(const char *text, long long *ret_n)
{
	static const char units[] = "KMG";
	const char *unit;
	int shift = 0;
	char *end;

	errno = 0;
	*ret_n = strtoll(text, &end, 10);
	if (errno || end == text)
		return false;
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (int)(unit - units + 1);
		end++;
	}
	if (*end || *ret_n < 0 || *ret_n > INT64_MAX >> shift)
		return false;
	*ret_n <<= shift;
	return true;
}

int limits_set_text(struct limits *l, const char *text, char err[BUDGET_ERROR_MAX])
{
	const char *equals = strchr(text, '=');
	long long n;

	if (!equals || equals == text || !parse_scaled(equals + 1, &n)) {
		snprintf(err, BUDGET_ERROR_MAX,
			 "limit '%.60s': expected NAME=N, a number that may end in K, M or G",
			 text);
		return -EINVAL;
	}
	return limits_set(l, text, (size_t)(equals - text), n, err);
}

uint32_t limits_dns_flows(const struct limits *l)
{
	uint64_t quarter = l->n[LIMIT_FLOWS] / 4;

	return quarter < DNS_FLOWS_MAX ? (uint32_t)quarter : DNS_FLOWS_MAX;
}

void limits_one_source(struct limits *l)
{
	static const struct {
		enum limit all, source;
	} shares[] = {
		{ LIMIT_FLOWS, LIMIT_SOURCE_FLOWS },
		{ LIMIT_UDP, LIMIT_SOURCE_UDP },
		{ LIMIT_ICMP, LIMIT_SOURCE_ICMP },
		{ LIMIT_DESCRIPTORS, LIMIT_SOURCE_DESCRIPTORS },
		{ LIMIT_BUFFERS, LIMIT_SOURCE_BUFFERS },
		{ LIMIT_DNS_STREAMS, LIMIT_SOURCE_DNS_STREAMS },
	};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		if (!l->n[shares[i].source]) /* more than all is all, see budget_setup() */
			l->n[shares[i].source] = l->n[shares[i].all] ? l->n[shares[i].all] :
								       table[shares[i].source].max;
}

uint64_t budget_source_share(uint64_t limit)
{
	uint64_t share = limit - limit / 4;

	return share ? share : 1;
}

uint64_t budget_part(uint64_t n, unsigned int share)
{
	return n / share ? n / share : 1;
}

void budget_setup(struct budget_use *b, uint64_t limit, uint64_t source, unsigned int share)
{
	b->limit = budget_part(limit, share);
	b->source_limit = source ? budget_part(source, share) : budget_source_share(b->limit);
	if (b->source_limit > b->limit)
		b->source_limit = b->limit;
}

/* The lowest free number tells how many there are: a role's lie close together. */
static uint64_t descriptors_open(void)
{
	int fd = dup(STDERR_FILENO);

	if (fd < 0)
		return 0;
	close(fd);
	return (uint64_t)fd;
}

uint64_t budget_descriptors(unsigned int spare)
{
	uint64_t own = descriptors_open() + spare;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = DESCRIPTORS_FALLBACK;
	if (limit.rlim_cur > DESCRIPTORS_MAX)
		limit.rlim_cur = DESCRIPTORS_MAX;
	if (limit.rlim_cur < own + DESCRIPTORS_MIN)
		return DESCRIPTORS_MIN;
	return limit.rlim_cur - own;
}

int budget_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) ? -errno : 0;
}
