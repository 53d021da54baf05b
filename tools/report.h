/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow report at the end of `headrace run`. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/client.h"

struct report_options {
	bool full; /* every flow, not only the REPORT_SHORT largest */
	bool json;
};

/* Asks for the report and prints it on `out`. 0, or -errno if it did not come. */
int report_print(struct client *c, const struct report_options *opt, FILE *out);

#endif
