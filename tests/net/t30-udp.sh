#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# UDP: datagrams of every size and their boundaries, both families, errors that come back,
# sessions that are counted and bounded.
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
echo_start
session_start --dns $DNS4
udp() { inside "$HELPERS/udp" "$@"; }

sizes="0 1 2 512 1471 1472 1473 1480 2960 8972 9000 16384 32768 65506 65507"
# shellcheck disable=SC2086 # a list of sizes
{
	check N-31_sizes_ipv4 udp ping $ECHO4 7 $sizes
	check N-31_sizes_ipv6 udp ping $ECHO6 7 0 1 2 512 1451 1452 1453 2960 9000 16384 65487
}
# Any port but 53, which is the resolver's whatever the address.
for port in 1 80 443 5353 65535; do
	start_far "echo$port" "$HELPERS/udp" echo $ECHO4 $port
	wait_for listening "$ECHO4:$port"
	check N-33_port_$port udp ping $ECHO4 $port 100
done
sessions() { json status '[.status.roles[].udp_total // 0] | add'; }
many_sessions() {
	local before i
	before=$(sessions)
	for ((i = 0; i < 20; i++)); do
		udp ping $ECHO4 7 100 || return 1
	done
	within 20 20 $(($(sessions) - before))
}
check N-32_sessions_are_counted many_sessions

# A refused port answers with ICMP, which reaches the connected socket.
refused() {
	udp ping "$1" 4 10
	[ $? = 1 ] && udp ping "$1" 4 10 | grep -q 'Connection refused'
}
check refused_ipv4 refused $ECHO4
check refused_ipv6 refused $ECHO6
check N-21_no_own_packet_on_the_tun same 0 "$(dropped loop_averted)"
check no_role_was_restarted same 0 "$(json status '[.status.roles[].restarts // 0] | add')"

# 60 s of silence end a session; in real time only in full.
if [ -n "$FULL" ]; then
	open() { json status '[.status.roles[].udp_open // 0] | add'; }
	udp ping $ECHO4 7 10 >/dev/null
	sleep 55
	check N-30_session_lives_55_s within 1 100 "$(open)"
	sleep 36
	check N-30_session_is_gone_after_91_s same 0 "$(open)"
fi
finish
