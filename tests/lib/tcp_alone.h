/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP engine in the test's own unit, without the rest of the worker: what it needs of that
 * is renamed to fake_*(), which the test defines. What else it wants to replace (recv(), the
 * loop) it renames before this.
 */
#ifndef TESTS_LIB_TCP_ALONE_H
#define TESTS_LIB_TCP_ALONE_H

#define worker_drop fake_drop
#define worker_writev fake_writev
#define worker_icmp_error fake_icmp_error
#define worker_upstream_of fake_upstream_of
#define worker_flow_info fake_flow_info
#define datapath_flow_note fake_flow_note
#define datapath_flow_end fake_flow_end
#define socket_connect fake_connect

#include "worker/tcp.c"
#include "worker/tcp_connect.c"
#include "worker/tcp_keepalive.c"
#include "worker/tcp_opening.c"
#include "worker/tcp_queue.c"
#include "worker/tcp_relay.c"
#include "worker/tcp_table.c"
#include "worker/tcp_yield.c"

#endif
