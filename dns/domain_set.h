/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A few names of the configuration: "name" = it alone, "*.name" = those below, ".name" = both. */
#ifndef DNS_DOMAIN_SET_H
#define DNS_DOMAIN_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "dns/name.h"

struct domain_set {
	size_t num;
	struct domain_pattern *item; /* owned */
};

struct domain_pattern {
	struct name name;
	bool itself;
	bool below;
};

/* 0, -EINVAL = one of them is no name, -ENOMEM. Zero is a set of none. */
int domain_set_init(struct domain_set *s, char *const *text, size_t num);
void domain_set_done(struct domain_set *s);
bool domain_set_has(const struct domain_set *s, const struct name *name);

#endif
