/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The control protocol between `headrace` and headraced: one JSON object per line each way,
 * over a SOCK_STREAM unix socket in the abstract name space, "@headrace/INSTANCE" (abstract:
 * nothing to leave behind after kill -9; both ends check the other's SO_PEERCRED: the server
 * accepts root and the user that the command runs as, the client accepts a server of root's or
 * its own user's). `headrace run` speaks the same over a socket pair that headraced inherits.
 *
 * Request:  {"command": NAME, ...}
 * Answer:   any number of {"flow"|"drop"|"event"|"status"|"dns"|...: {...}} lines, then
 *           {"done": true} or {"error": TEXT}. A followed command ends when the client hangs up.
 *
 *   status                   one "status" object
 *   flows   follow: bool     "flow" per flow, those that pass as they are, too; follow: "listed"
 *           filter: object   {flows} after the last of them, "event" lines from the beginning on
 *                            and for ever. filter: pid, uid, port, rule (numbers), process,
 *                            cgroup, unit, client, dest (ADDRESS[/BITS]), proto, name, rule
 *                            (its name), verdict, state, capture (text): all must hold
 *   rules                    "rules" {epoch, valid_from, age_ms, rules, default, default_hits},
 *                            then "rule" {rule, name, line, action, hits, conditions
 *                            [TEXT], warnings [TEXT]} each
 *   explain dest, port,      for each address of dest "facts" {what would be known, name_known,
 *           proto, pid, uid, route}, "before" {verdict, why} if something decides before the
 *           cgroup, unit,    rules, "tried" {rule, rule_name, action, matches, failed [TEXT],
 *           process, client, unknown [TEXT], conditions [TEXT]} for each rule up to the one that
 *           mac, interface,  decides, "explained" {verdict, rule, rule_name, epoch, decides}
 *           fwmark, dscp
 *   drops                    "drop" {where, reason, text, count} per non-zero counter
 *   events                   "event" lines for ever
 *   dns     what: TEXT       "dns" lines from the resolver; what and its operands are in
 *                            dns/console.h; without it upstreams, cache, last queries
 *   reload  reset_flows: bool  root only: "reload" {line, error: true where it is one} each;
 *                            an error is the end of one that has changed nothing. reset_flows:
 *                            flows are decided anew by the rules
 *   mode    mode: TEXT       "mode" {mode} of route capture; with a mode, root only: set first
 *   dump                     root only: "dump" {tun, mtu} with a packet socket of the TUN as passed
 *                            descriptor (netdev/sniff.h), and no end: the client hangs up when it
 *                            has had enough
 *   stop                     headraced ends in order
 * Over the inherited pair only:
 *   run     RUN_* keys       {"ready": {...}}, which is the end of this answer, with the
 *                            network namespace as passed descriptor; before it, or before an
 *                            error, "start" {line, error: true where it is one}: what of the
 *                            configuration is wrong, or not in force yet
 *   report  full: bool       "flow" per ended flow (with "end"), then "summary"
 *
 * Keys of "flow" and "event" are written by one function, supervisor/show.c. Every object is
 * flat where it says so; units are the suffix of the key (_ms, _us, _bytes); a key whose value
 * is not known is left out; new keys may be added at any time and readers ignore them.
 *
 *   ready    instance, version, pid, tun (device name), mtu, stack4, device4, bits4 and, with
 *            IPv6, stack6, device6, bits6: the stack's address is where DNS is answered.
 *            Without a namespace of its own (tun_fd) no descriptor comes along.
 *            A daemon of the host (RUN_HOST) passes no descriptor.
 *   flow     flat: proto ("tcp", "udp", "icmp", "icmpv6" or a number as text), saddr, sport,
 *            daddr, dport, domain, verdict (VERDICTS), state (FLOW_STATES), end (FLOW_ENDS, as
 *            soon as it has ended), bytes_up, bytes_down, packets_up, packets_down,
 *            duration_ms (first packet to end or now), idle_ms, outbound, upstream ("ADDR:PORT"),
 *            slot, carrier ("kernel", "resolver", "worker N"); rule (its place from 1, 0 = the
 *            default), rule_name, epoch (of the rules that decided), capture (CAPTURE_POINTS),
 *            opened ("outside", "before": no rule decided); uid, pid, process, cgroup_id, cgroup
 *            (path), unit; of a client in a LAN mac, device
 *   event    type (EVENT_TYPES), time_ms (Unix), and the keys of "flow" beside them
 *   drop     where ("kernel", "resolver", "worker 1"), reason, text, count
 *   summary  flows, bytes_up, bytes_down, drops, dns_queries, and not_kept (flows that are in
 *            the sums only); "report" without `full` sends the REPORT_SHORT largest flows
 *   status   instance, version, pid, uptime_ms, the keys of "ready"; features {attach, protect,
 *            ...}; limits {NAME: NUMBER, as configured or by default, for all workers together};
 *            budgets [{where, budget, used, limit, limit_per_source, hits, evicted}] of each
 *            role (BUDGETS) and the kernel's flow table; kernel {KERNEL_STATS}; roles [{name,
 *            slot, pid, state, cpu_ms (of the present process), drops (all reasons together),
 *            ROLE_STATS...}];
 *            listen [TEXT]: dns.listen, if the configuration names any;
 *            devices [{device, mode ("xdp", "xdp, alone", "tcx", "clsact") or error}], if the
 *            configuration names any;
 *            features.dns: who answers DNS, "resolver" until the kernel half is ready for it;
 *            captures [{device, point ("uplink", "lan", "loopback"), mode ("tcx", "clsact") or
 *            error, dns_only, bridged}] of the daemon of a host;
 *            route {way, mode, tun, table, repaired (routes and rules that somebody else removed),
 *            uplink4, uplink6, error}, with route capture; strict {devices, repaired} or {error}
 *            with strict mode;
 *            dumps: clients that have a packet socket ("dump");
 *            advice [TEXT]: what the user may want to change on the host
 *   dns      flat, told apart by type; keys are in dns/show.h
 */
#ifndef BASE_CONTROL_H
#define BASE_CONTROL_H

#include <stddef.h>
#include <sys/types.h>

#define CONTROL_PREFIX "headrace/" /* behind the NUL of the abstract name */
#define CONTROL_LINE_MAX 65536
#define INSTANCE_HOST "host" /* of the daemon of a host, if it is given no name */
#define INSTANCE_NAME_MAX 32 /* [A-Za-z0-9._-], with NUL */
#define REPORT_SHORT 20 /* flows of a report that is not `full`: the most bytes both ways */

#define CONTROL_START "start" /* the key of what is told before "ready" */

/* "run" keys */
#define RUN_CONFIG "config" /* absolute name of a file; the other keys win over it */
#define RUN_INSTANCE "instance" /* string */
#define RUN_DNS "dns" /* array of "ADDRESS[:PORT]" */
#define RUN_IPV6 "ipv6" /* bool */
#define RUN_MTU "mtu" /* integer */
#define RUN_HOST_LOOPBACK "host_loopback" /* string */
#define RUN_UID "uid" /* integer: who may use the control socket besides root */
#define RUN_TUN_FD "tun_fd" /* true: the TUN is handed in with the request's descriptor */
#define RUN_HOST "host" /* true: the daemon of a host, which lives on without the pair */
#define RUN_LOG "log" /* "error".."debug" */
#define RUN_WORKERS "workers" /* integer: worker roles, 1 if absent */
#define RUN_LIMITS "limits" /* object: name of base/budget.h -> integer */
#define RUN_REPORT_FULL "report_full" /* bool: keep every flow; else the REPORT_SHORT largest */

/* Is `name` fit to name an instance? */
int control_instance_valid(const char *name);

/* Listening, non-blocking socket of an instance. -EADDRINUSE = it is running. 0 or -errno. */
int control_listen(const char *instance, int *ret_fd);
/* Connected, blocking socket. -ECONNREFUSED = not there, -EPERM = the server is somebody else's. */
int control_connect(const char *instance, int *ret_fd);
/* Who is at the other end of a connected unix socket (SO_PEERCRED). 0 or -errno. */
int control_peer_uid(int fd, uid_t *ret_uid);
/* Names of the running instances (from /proc/net/unix), at most `max`. Returns their number. */
size_t control_instances(char names[][INSTANCE_NAME_MAX], size_t max);

#endif
