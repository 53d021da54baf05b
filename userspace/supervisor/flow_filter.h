/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which flows a client wants to be shown: all conditions that it names must hold. */
#ifndef SUPERVISOR_FLOW_FILTER_H
#define SUPERVISOR_FLOW_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/addr.h"
#include "base/error.h"
#include "supervisor/show.h"

#define FILTER_TEXT_MAX 256

/* Zeroed = every flow. */
struct flow_filter {
	uint32_t asks; /* bits by enum filter_key of flow_filter.c */
	uint32_t pid;
	uint32_t uid;
	uint32_t rule;
	uint16_t port; /* host order */
	uint8_t proto, proto6; /* ICMP is two protocols */
	uint8_t verdict, state, capture;
	char process[COMM_BYTES];
	struct prefix client, dest;
	char cgroup[FILTER_TEXT_MAX];
	char unit[FILTER_TEXT_MAX];
	char name[FILTER_TEXT_MAX];
	char rule_name[FILTER_TEXT_MAX];
};

/*
 * Reads an object of FLOW_FILTERS (base/control.h); NULL = no condition. 0, or -EINVAL: `err`
 * says what is wrong.
 */
int flow_filter_read(struct flow_filter *f, const json_t *object, char err[ERROR_TEXT_MAX]);
bool flow_filter_takes(const struct flow_filter *f, const struct show_flow *s);

#endif
