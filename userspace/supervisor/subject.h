/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Of whom and of what "explain" is asked: the facts that a packet of it would have. */
#ifndef SUPERVISOR_SUBJECT_H
#define SUPERVISOR_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "bpf/contract.h"
#include "netdev/lookup.h"

struct instance;

#define SUBJECT_ADDRESSES_MAX 8

struct subject {
	struct rule_facts facts; /* without the destination's address */
	enum capture_point capture;
	char name[DOMAIN_TEXT_MAX]; /* of the destination, "" = it was asked for by address */
	struct addr addr[SUBJECT_ADDRESSES_MAX]; /* of the destination */
	unsigned int addrs; /* 0 = of a name that is not known */
	bool interface_given;
	uint32_t pid;
	char cgroup[512]; /* path, "" = not known */
	char executable[512];
};

/* Reads a request (base/control.h, "explain"). 0, or -errno: `err` says what is wrong. */
int subject_read(struct subject *s, const struct instance *in, const json_t *request,
		 char err[ERROR_TEXT_MAX]);
/*
 * Fills in what depends on the address that is gone to: source and device, by the routes.
 * *ret_route: what they say; its error is returned (-ENETUNREACH), 0 also where none were asked.
 */
int subject_aim(struct subject *s, const struct instance *in, const struct addr *to,
		struct route_lookup *ret_route);
/* The facts in words. */
json_t *subject_show(const struct subject *s, const struct rule_facts *facts);

#endif
