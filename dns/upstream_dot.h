/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Length-prefixed messages on a stream, as many at a time as there are IDs, answered in any
 * order: DNS over TLS (RFC 7858) and over plain TCP (RFC 7766).
 */
#ifndef DNS_UPSTREAM_DOT_H
#define DNS_UPSTREAM_DOT_H

#include "dns/connection.h"

extern const struct protocol dot_protocol;

#endif
