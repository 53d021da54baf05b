/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which addresses a name was resolved to: what gives flows their names. */
#ifndef DNS_DOMAINS_H
#define DNS_DOMAINS_H

#include <stddef.h>
#include <stdint.h>

#include "datapath/role.h"
#include "dns/msg.h"

#define DOMAINS_ADDRESSES_MAX 256 /* of one answer */

/* `name` in lower case and presentation form. Returns text. */
const char *domains_text(const struct name *name, char text[DOMAIN_TEXT_MAX]);

/* Is it an A or AAAA record of the answer section? Then *ret_addr is what it says. */
bool domains_address(const uint8_t *msg, const struct msg_record *record, struct addr *ret_addr);

/*
 * Notes for clients of the policy every A and AAAA record of the answer section under the name
 * that was asked, for its TTL and DNS_DOMAIN_GRACE_MS. `msg` is well-formed.
 */
void domains_note(struct datapath *dp, uint32_t policy, const struct msg_question *question,
		  const uint8_t *msg, size_t len);

#endif
