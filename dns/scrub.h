/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What of an upstream's answer belongs to the question: the chain of CNAMEs that begins at the
 * name asked and the records of the type asked at its end; in the authority section what says
 * why there are none, of zones that these names are in. All the rest is nothing that was asked.
 */
#ifndef DNS_SCRUB_H
#define DNS_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "dns/edns.h"
#include "dns/msg.h"

#define SCRUB_CHAIN_MAX 16 /* names, the one asked included */

/* The names that an answer leads through. */
struct scrub_chain {
	unsigned int num;
	struct name name[SCRUB_CHAIN_MAX];
};

/* Follows the CNAMEs of a well-formed answer. 0; -ELOOP = they lead in a circle or too far. */
int scrub_follow(const uint8_t *msg, size_t len, const struct msg_question *question,
		 struct scrub_chain *ret_chain);

/*
 * Writes what belongs to the question, without OPT, to `buf` (MSG_MAX bytes); the same bytes if
 * nothing else was there. `e` = edns_find() of the answer. Returns its length; -ELOOP,
 * -EBADMSG, -EMSGSIZE = it cannot be used. *ret_dropped: records that were left out, OPT apart.
 */
ssize_t scrub(const uint8_t *msg, const struct edns *e, const struct msg_question *question,
	      uint8_t *buf, unsigned int *ret_dropped);

/*
 * Does a well-formed answer lead a public name to a private address: one of A, AAAA or the
 * hints of SVCB and HTTPS that is private, loopback, link-local, shared (100.64/10),
 * unspecified, `also` (that leads to the host, zero = none), or one of these embedded in an IPv6
 * address? Hints that cannot be read count.
 */
bool scrub_is_rebinding(const uint8_t *msg, size_t len, size_t question_end,
			const struct addr *also);

#endif
