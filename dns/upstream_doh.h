/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNS over HTTPS (RFC 8484) by HTTP/2: a request is a stream, POST or GET. */
#ifndef DNS_UPSTREAM_DOH_H
#define DNS_UPSTREAM_DOH_H

#include "dns/connection.h"

extern const struct protocol doh_protocol;

#endif
