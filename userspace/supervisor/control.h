/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The server's side of the control protocol (base/control.h): connections, lines in, lines
 * out. What a request means is the handler's affair (command.c).
 *
 * Bounded: clients, the bytes of a request line, the unsent bytes of all clients together,
 * those of one that follows events, and the time that a client may take nothing. Whoever
 * breaks a bound is dropped; forwarding never waits for a client.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/loop.h"

struct control;

struct control_client {
	struct list link;
	struct watch watch;
	struct control *control;
	bool run; /* the inherited pair of `headrace run`: its end is ours */
	bool follows; /* is sent events */
	bool dumps; /* has a packet socket */
	bool awaits_end; /* is answered when the instance has ended */
	bool finished; /* dropped as soon as everything is sent */
	uint64_t progress_ms; /* when it last took something, or had nothing to take */
	char *out; /* unsent bytes [out_sent, out_len) */
	size_t out_len, out_sent, out_size;
	int out_fd; /* descriptor that goes with byte out_fd_at, -1 = none; owned */
	size_t out_fd_at;
	int in_fd; /* descriptor that came with the request, -1 = none; owned */
	size_t in_len;
	char in[CONTROL_REQUEST_MAX];
};

struct control_ops {
	/* A request as a JSON object; it is answered by the functions below, now or later. */
	void (*request)(struct control *c, struct control_client *client, const json_t *request);
	/* The client is gone or about to be freed; forget it. */
	void (*gone)(struct control *c, struct control_client *client);
};

struct control {
	const struct control_ops *ops;
	struct loop *loop;
	struct watch listener;
	struct timer sweep;
	struct list clients;
	unsigned int count;
	size_t buffered; /* unsent bytes of all clients */
	uid_t uid; /* who may connect besides root, (uid_t)-1 = nobody */
};

/* No socket yet. */
void control_init(struct control *c, struct loop *loop, const struct control_ops *ops);
/* Serves the listening socket, which is then owned. 0 or -errno. */
int control_serve(struct control *c, int listen_fd, uid_t uid);
/* Serves one end of the inherited pair, which is then owned. 0 or -errno. */
int control_adopt(struct control *c, int fd);
/* Stops listening (the instance's name is free again); the clients stay. */
void control_close(struct control *c);
/* Tries once more to send what is left, drops all clients, closes. */
void control_done(struct control *c);

/*
 * Queues {"KEY": object}; `object` is taken over and may be NULL (out of memory). A client
 * that breaks a bound is dropped later, from the loop: it stays valid for the caller.
 */
void control_send(struct control_client *client, const char *key, json_t *object);
/* The same with a descriptor, which is duplicated. */
void control_send_fd(struct control_client *client, const char *key, json_t *object, int fd);
/* {"done": true} */
void control_answered(struct control_client *client);
/*
 * {KEY: {"line": TEXT}} for each line of `text`, an error with "error": true; without a client the
 * log is told.
 */
void control_tell(struct control_client *client, const char *key, const char *text, bool error);
/* {"error": TEXT} */
void control_refuse(struct control_client *client, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* To every client that follows, and `wants` it (NULL = all do); takes over `object`. */
void control_broadcast(struct control *c, const char *key, json_t *object,
		       bool (*wants)(void *arg, const struct control_client *client), void *arg);
bool control_has_followers(const struct control *c);

#endif
