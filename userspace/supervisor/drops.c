// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Drop counters, told apart by who counted them. */
#include <stdio.h>

#include "datapath/kernel.h"
#include "supervisor/control.h"
#include "supervisor/drops.h"
#include "supervisor/show.h"

void drops_sum(struct kernel *k, struct drop_counters *ret_sum)
{
	__u64 *sum = (__u64 *)ret_sum;

	kernel_read_drops(k, ret_sum);
	for (unsigned int slot = 0; slot < ROLES_MAX; slot++) {
		const __u64 *add = (const __u64 *)&kernel_role_counters(k, slot)->drops;

		for (unsigned int i = 0; i < DROP_NUM; i++)
			sum[i] += add[i];
	}
}

static void send_counters(const char *where, const struct drop_counters *drops,
			  struct control_client *client)
{
	const __u64 *count = (const __u64 *)drops;

	for (unsigned int i = 0; i < DROP_NUM; i++)
		if (count[i])
			control_send(client, "drop", show_drop(where, i, count[i]));
}

void drops_send(struct kernel *k, unsigned int roles, struct control_client *client)
{
	struct drop_counters kernel;
	char where[32];

	kernel_read_drops(k, &kernel);
	send_counters("kernel", &kernel, client);
	send_counters("resolver", &kernel_role_counters(k, RESOLVER_QUEUE)->drops, client);
	for (unsigned int slot = 1; slot < roles; slot++) {
		snprintf(where, sizeof(where), "worker %u", slot);
		send_counters(where, &kernel_role_counters(k, slot)->drops, client);
	}
}
