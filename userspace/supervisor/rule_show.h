/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rules about flows in words, for "rules", "explain" and whoever shows a flow. */
#ifndef SUPERVISOR_RULE_SHOW_H
#define SUPERVISOR_RULE_SHOW_H

#include <stdint.h>

#include <jansson.h>

#include "conf/conf.h"

struct control_client;
struct instance;

/* Name of the rule at `place` (from 1) of the rules of `epoch`; NULL = it is not known any more. */
const char *rule_name(const struct instance *in, uint32_t epoch, uint32_t place);
/* A rule's conditions, one text each: "port 443, 8000-8100", "not user root". */
json_t *rule_conditions(const struct conf *c, const struct conf_flow_rule *r);
/* Answers "rules". */
void rules_send(const struct instance *in, struct control_client *client);

#endif
