# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A sample in one line.
def sum(f): map(f) | add // 0;
"\(.load.tcp.opened | add) connections, \(.load.tcp.failed | add) failed, " +
"\(.load.datagram.back)/\(.load.datagram.sent) datagrams, \(.load.dns.answered) answers, " +
"\(.kills) kills; flows \(.maps.flows), " +
(.processes | map("\(.name) \(.rss_kib) KiB/\(.fds) fds") | join(", "))
