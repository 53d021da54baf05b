/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS over TCP (RFC 7766), on the stream sockets that workers hand over and
 * those accepted here: length-prefixed
 * queries, as many at a time as the client likes, answered in whatever order they are done.
 */
#ifndef DNS_STREAM_H
#define DNS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "datapath/role.h"
#include "dns/query.h"

struct streams;

/*
 * `query` is called for each message; it may call stream_reply() at once. 0 = there is or
 * will be one answer; -errno = there will be none, and the stream is closed: what cannot be
 * read as a message leaves no trust in what follows.
 */
struct stream_options {
	uint32_t max;
	uint32_t client_max; /* of one client address, 0 = its default share */
	int (*query)(void *arg, const struct client *client, const uint8_t *msg, size_t len);
	void *arg;
};

/* 0 or -errno. `loop` and `dp` outlive it. */
int streams_new(struct loop *loop, struct datapath *dp, const struct stream_options *options,
		struct streams **ret_streams);
/* Accepts NULL. Closes all. */
void streams_free(struct streams *ss);

/*
 * Takes `fd` (SOCK_STREAM, closed here whatever happens), the stream of `client` (flow and
 * socket). With all streams in use, or all of this client's, an idle one is closed for it; else
 * it is refused.
 */
void stream_open(struct streams *ss, int fd, const struct client *client);
/* Sends an answer, or forgets it if the client's stream is gone. */
void stream_reply(struct streams *ss, const struct client *client, const uint8_t *msg, size_t len);
uint32_t streams_count(const struct streams *ss);

#endif
