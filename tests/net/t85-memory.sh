#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# N-09: what an idle flow costs in the worker: 3,000 TCP connections and 10,000 UDP sessions
# that have been used once. The kernel's sockets are not in this figure.
set -u
. "$(dirname "$0")/lib.sh"

[[ $B != *sanitize ]] || skip_all "a sanitizer's shadow memory would be measured"
world_up
dns_start
start_far server "$B/tests/bench/load" server $ECHO4 7700
wait_for listening "$ECHO4:7700" || die "no server"
exact_rss() { awk '/^Rss:/ { print $2; exit }' "/proc/$worker/smaps_rollup"; } # KiB

# cost KIND COUNT LIMIT: bytes of each, in a worker that has done nothing else.
cost() {
	local before bytes
	session_start --dns $DNS4
	worker=$(role_pids worker | head -n 1)
	# What is allocated once, at the first use, is there before.
	inside timeout 5 "$B/tests/bench/load" rr "$1" $ECHO4 7700 1 || return 1
	before=$(exact_rss)
	start idle nsenter --target "$session_command" --net --mount -- \
		prlimit --nofile=20000:20000 "$B/tests/bench/load" idle "$1" $ECHO4 7700 "$2"
	local pid=$started_pid
	wait_for -t 60 grep -qx ready "$T/idle.log" || { cat "$T/idle.log"; return 1; }
	sleep 1 # buffers of what was just used are given back
	bytes=$((($(exact_rss) - before) * 1024 / $2))
	kill "$pid"
	echo "$bytes bytes each"
	within 1 "$3" "$bytes" &&
		same 0 "$(json status '[.status.roles[].restarts // 0] | add')" && session_stop
}
check N-09_idle_tcp_connection cost tcp 3000 600
sed 's/^/    /' "$T/case"
check N-09_idle_udp_session cost udp 10000 256
sed 's/^/    /' "$T/case"
finish
