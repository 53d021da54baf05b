/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs of traffic control on a device of this network namespace. Internal to datapath/. */
#ifndef DATAPATH_TC_H
#define DATAPATH_TC_H

#include <stdbool.h>

#include <bpf/libbpf.h>

/*
 * A tcx link (Linux 6.6), behind those that are there: its descriptor, or -errno. The program
 * is attached for as long as somebody holds it.
 */
int tcx_attach(int prog_fd, int ifindex, enum bpf_tc_attach_point point);

/* clsact: the qdisc (*ret_own: it was not there), and filters of our handle. 0 or -errno. */
int qdisc_make(int ifindex, bool *ret_own);
void qdisc_remove(int ifindex);
int filter_attach(int ifindex, enum bpf_tc_attach_point point, unsigned int priority, int prog_fd);
void filter_detach(int ifindex, enum bpf_tc_attach_point point, unsigned int priority);

#endif
