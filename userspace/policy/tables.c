// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tables of rules: their memory. */
#include <errno.h>
#include <stdlib.h>

#include "policy/tables.h"

int policy_tables_init(struct policy_tables *t, enum verdict fallback)
{
	*t = (struct policy_tables){ .table.fallback = (uint8_t)fallback };
	t->set = calloc(1, sizeof(*t->set));
	if (!t->set)
		return -ENOMEM;
	t->sets = 1;
	return 0;
}

void policy_tables_done(struct policy_tables *t)
{
	free(t->set);
	free(t->value);
	free(t->value_set);
	free(t->prefix);
	free(t->prefix_set);
	free(t->port_set);
	*t = (struct policy_tables){ 0 };
}
