/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control protocol between `headrace` and headraced: one JSON object per line each way,
 * over a SOCK_STREAM unix socket in the abstract name space, "@headrace/INSTANCE" (abstract:
 * nothing to leave behind after kill -9; both ends check the other's SO_PEERCRED: the server
 * accepts root and the user that the command runs as, the client accepts only a root
 * server). `headrace run` speaks the same over a socket pair that headraced inherits.
 *
 * Request:  {"command": NAME, ...}
 * Answer:   any number of {"flow"|"drop"|"event"|"status"|"dns"|...: {...}} lines, then
 *           {"done": true} or {"error": TEXT}. A followed command ends when the client hangs up.
 *
 *   status                   one "status" object
 *   flows   follow: bool     "flow" per open flow; follow: then "event" lines for ever
 *   drops                    "drop" {where, reason, text, count} per non-zero counter
 *   events                   "event" lines for ever
 *   dns                      "dns" lines from the resolver: upstreams, cache, last queries
 *   stop                     headraced ends in order
 * Over the inherited pair only:
 *   run     RUN_* keys       {"ready": {...}} with the network namespace as passed descriptor
 *   report  full: bool       "flow" per ended flow (with "end"), then "summary"
 *
 * Keys of "flow" and "event" are written by one function, supervisor/show.c.
 */
#ifndef BASE_CONTROL_H
#define BASE_CONTROL_H

#include <stddef.h>

#define CONTROL_PREFIX "headrace/" /* behind the NUL of the abstract name */
#define CONTROL_LINE_MAX 65536
#define INSTANCE_NAME_MAX 32 /* [A-Za-z0-9._-], with NUL */

/* "run" keys */
#define RUN_INSTANCE "instance" /* string */
#define RUN_DNS "dns" /* array of "ADDRESS[:PORT]" */
#define RUN_IPV6 "ipv6" /* bool */
#define RUN_MTU "mtu" /* integer */
#define RUN_HOST_LOOPBACK "host_loopback" /* string */
#define RUN_UID "uid" /* integer: who may use the control socket besides root */
#define RUN_TUN_FD "tun_fd" /* true: the TUN is handed in with the request's descriptor */
#define RUN_LOG "log" /* "error".."debug" */

/* Is `name` fit to name an instance? */
int control_instance_valid(const char *name);

/* Listening, non-blocking socket of an instance. -EADDRINUSE = it is running. 0 or -errno. */
int control_listen(const char *instance, int *ret_fd);
/* Connected, blocking socket; the server's credentials are root's. -ECONNREFUSED = not there. */
int control_connect(const char *instance, int *ret_fd);
/* Names of the running instances (from /proc/net/unix), at most `max`. Returns their number. */
size_t control_instances(char names[][INSTANCE_NAME_MAX], size_t max);

#endif
