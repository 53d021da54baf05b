/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The client's end of the control protocol (base/control.h): a line reader that also takes
 * the one descriptor that may come along, and the whole of a plain command.
 */
#ifndef TOOLS_CLIENT_H
#define TOOLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/control.h"

struct client {
	int fd; /* -1 = not connected */
	int passed_fd; /* descriptor that came along, -1 = none; the caller may take it */
	size_t used; /* bytes in buf */
	size_t taken; /* of them, already returned by client_take() */
	char buf[CONTROL_LINE_MAX + 1];
};

/* Takes over a connected socket. */
void client_init(struct client *c, int fd);
/* Closes what is open; harmless when nothing is. */
void client_done(struct client *c);

/*
 * Connects to `instance`, or with NULL to the only one that runs. 0, or -1 after one line on
 * stderr that says what to do.
 */
int client_open(struct client *c, const char *instance);

/* Sends one request line; passed_fd = -1 for none. 0 or -errno. */
int client_request(struct client *c, const json_t *request, int passed_fd);

/* Reads what is there, without waiting. 1; 0 = the server hung up; -errno (-EAGAIN). */
int client_fill(struct client *c);
/* The next complete line without its newline, valid until client_fill(); NULL = none yet. */
const char *client_take(struct client *c);
/* Waits for the next line, at most timeout_ms (-1 = for ever). 1, 0 = hung up, -errno. */
int client_line(struct client *c, int timeout_ms, const char **ret_line);

/* What a line of an answer says. */
enum client_answer { ANSWER_OBJECT, ANSWER_DONE, ANSWER_ERROR, ANSWER_BROKEN };

/*
 * Parses `line`. ANSWER_OBJECT: *ret_kind is its one key and *ret_object the value;
 * ANSWER_ERROR: *ret_kind is the text of the error. Both live as long as *ret_root, which
 * the caller gives to json_decref() in every case (it may be NULL).
 */
enum client_answer client_parse(const char *line, json_t **ret_root, const char **ret_kind,
				json_t **ret_object);

/* How a command shows what it is sent. */
struct client_show {
	/* `kind` is "flow", "drop", ...; called for each object unless `json`. */
	void (*object)(void *arg, const char *kind, json_t *object);
	void (*end)(void *arg); /* after the last; may be NULL */
	void *arg;
	int json; /* print each line as it came */
};

/* Shows one line. 1 = more to come, 0 = done, -1 = failed, which has been said on stderr. */
int client_show_line(const struct client_show *show, const char *line);
/*
 * A whole command: connects, sends {"command": name} with `follow` if it is set, shows the
 * answer. Returns the exit status; every error has been said on stderr.
 */
int client_command(const char *instance, const char *name, int follow,
		   const struct client_show *show);
/* The same for any request, which is given away; NULL is out of memory. */
int client_ask(const char *instance, json_t *request, const struct client_show *show);

/* Common options of such commands, for their tables. */
struct client_options {
	const char *instance;
	bool json;
	bool follow;
};

/* Puts the number of a user as "uid" into a request; NULL: nothing. False: it was said why. */
bool client_put_user(json_t *request, const char *name);

/* NULL, or what is wrong with the name of an instance. */
const char *client_instance_wrong(const char *name);

#define CLIENT_OPTION_INSTANCE                                                                     \
	{                                                                                          \
		.name = "instance", .value = "NAME", .kind = OPTION_TEXT,                          \
		.offset = offsetof(struct client_options, instance),                               \
		.wrong = client_instance_wrong,                                                    \
		.help = "talk to this instance; needed only where several run"                     \
	}
#define CLIENT_OPTION_JSON                                                                         \
	{                                                                                          \
		.name = "json", .kind = OPTION_FLAG,                                               \
		.offset = offsetof(struct client_options, json),                                   \
		.help = "one JSON object per line, as the daemon sends it"                         \
	}
#define CLIENT_OPTION_FOLLOW                                                                       \
	{                                                                                          \
		.name = "follow", .kind = OPTION_FLAG,                                             \
		.offset = offsetof(struct client_options, follow),                                 \
		.help = "go on: a table that is kept up to date, or lines, until interrupted"      \
	}
#define CLIENT_OPTION_END                                                                          \
	{                                                                                          \
		.name = NULL                                                                       \
	}

#endif
