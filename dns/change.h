/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A change of configuration, on its way into force: compiled beside the one that is, a part in
 * each turn of the loop, then swapped in one step, here and in the kernel half. What cannot be
 * compiled changes nothing.
 *
 * state     | event                        | action                          | next
 * IDLE      | change_begin()               | begin to compile                | COMPILING
 * COMPILING | a part is done               | the next part                   | COMPILING
 * COMPILING | the size of the table is known | ask main for one              | TABLE
 * TABLE     | it is there, or will not be  | go on with it, or without       | COMPILING
 * COMPILING | compiled                     | swap, tell it                   | IDLE
 * any       | failed                       | tell it                         | IDLE
 */
#ifndef DNS_CHANGE_H
#define DNS_CHANGE_H

#include <stdbool.h>

#include "base/loop.h"
#include "conf/conf.h"

struct service;
struct policies;

enum change_state { CHANGE_IDLE, CHANGE_COMPILING, CHANGE_TABLE };

/* 0 or -errno. `errors`: why, or what was skipped of lists; valid during the call. */
typedef void (*change_done_fn)(void *arg, int status, const struct conf_errors *errors);

struct change {
	enum change_state state;
	struct service *service;
	struct policies *policies; /* that are being compiled; owned */
	uint64_t table_ms; /* clock_ms() at which a table was asked for */
	struct timer timer;
	change_done_fn done;
	void *arg;
	struct conf_errors errors;
};

/* Writes to the log why it failed, or what was skipped. */
void change_log(int status, const struct conf_errors *errors);

void change_init(struct change *r, struct service *s);
/* Forgets one that is under way; its done is not called. */
void change_cancel(struct change *r);

/*
 * `conf`: a reference of the caller's, who keeps it. The first parts are compiled at once,
 * until `done` has been called or main has to be waited for, if `at_once`. 0; -EBUSY = one is
 * under way; -errno, done is not called.
 */
int change_begin(struct change *r, struct conf *conf, const int *list_fds, bool at_once,
		 change_done_fn done, void *arg);

#endif
