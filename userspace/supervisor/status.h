/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* "ready" and "status" of an instance as JSON objects; keys in base/control.h. */
#ifndef SUPERVISOR_STATUS_H
#define SUPERVISOR_STATUS_H

#include <jansson.h>

struct instance;

/* NULL = out of memory. */
json_t *status_ready(const struct instance *in);
json_t *status_show(struct instance *in);

#endif
