/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the daemon of a host has beside its capture points: route capture and strict mode, as
 * the configuration wants them. All of it is about an instance, and does nothing for one that
 * is no daemon.
 */
#ifndef SUPERVISOR_HOST_H
#define SUPERVISOR_HOST_H

#include "base/error.h"

struct control_client;
struct instance;

#define RECORD_DIRECTORY "/run/headrace" /* what is to be undone, and who captures the host */

/* Once, with the instance's loop. */
void host_init(struct instance *in);
/*
 * Of the instances in one network namespace one captures what the host itself sends: two would
 * capture each other's. Does nothing if it has been done, or the configuration does not want
 * it. 0; -EBUSY, or another -errno, with err filled. host_unclaim() is harmless at any time.
 */
int host_claim(struct instance *in, char err[ERROR_TEXT_MAX]);
void host_unclaim(struct instance *in);
/*
 * Fills in the kernel half's settings, before they are written and the roles get them. 0 or
 * -errno with in->error filled.
 */
int host_prepare(struct instance *in);
/* The TUN's programs are attached: those of route capture come behind them. Likewise. */
int host_attach(struct instance *in);
/* The roles' configuration, before they are started. */
void host_roles(struct instance *in);
/* Roles, TUN and capture points are there: routes lead to it. 0 or -errno with err filled. */
int host_begin(struct instance *in, char err[ERROR_TEXT_MAX]);
/* Another configuration is in force. */
int host_again(struct instance *in, char err[ERROR_TEXT_MAX]);
/* The uplinks are others: strict mode follows. */
void host_uplinks_changed(struct instance *in);
/*
 * Tells `client`, or without one the log, what the configuration wants and is not in force:
 * devices that are not captured, strict mode, policies about flows where nothing is forwarded.
 */
void host_tell_missing(const struct instance *in, struct control_client *client, const char *key);
/* First of all when the instance ends: nothing is led to it any more. */
void host_end(struct instance *in);
/* Takes back what a daemon of that name has left that was killed. */
void host_clean(const char *instance);

#endif
