#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The load generator of the benchmark: each of its modes once, over loopback. What it prints
# must have its form and be possible; how fast it was is no matter here.
set -u
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip_all "needs root"
scratch
namespace NS_PID
LOAD=$B/tests/bench/load
SERVER=(127.0.0.1 7700)

load() { in_ns "$NS_PID" timeout 10 "$LOAD" "$@"; }
# figures PATTERN MODE ARG...: the mode ends well and prints this and nothing else.
figures() {
	local got status=0
	got=$(load "${@:2}") || status=$?
	[ $status = 0 ] && [[ $got =~ ^($1)$ ]] && return 0
	echo "status $status, printed '$got'"
	return 1
}
fails() { ! load "$@"; }
held() { # KIND COUNT: that many sockets of the client are connected to the server
	local flag=-t
	[ "$1" = tcp ] || flag=-u
	grep -qx ready "$T/idle-$1.log" &&
		same "$2" "$(in_ns "$NS_PID" ss -Hn $flag state established "dport = :7700" | wc -l)"
}
# shellcheck disable=SC2154 # started_pid: by start of lib.sh
idle() {
	start "idle-$1" nsenter --target "$NS_PID" --net -- "$LOAD" idle "$1" "${SERVER[@]}" "$2"
	wait_for held "$@" && stop "$started_pid"
}

check says_so_without_a_server fails crr "${SERVER[@]}" 1 1
start server nsenter --target "$NS_PID" --net -- "$LOAD" server "${SERVER[@]}"
wait_for load first "${SERVER[@]}" || die "the server does not start: $(cat "$T/server.log")"

check first_byte figures '[0-9]{19}' first "${SERVER[@]}"
check short_connections figures '[1-9][0-9]* 0' crr "${SERVER[@]}" 1 4
check ping_pong_tcp figures '[0-9.]+ [0-9.]+' rr tcp "${SERVER[@]}" 100
check ping_pong_udp figures '[0-9.]+ [0-9.]+' rr udp "${SERVER[@]}" 100
check flood_up figures '[1-9][0-9]*' flood-up "${SERVER[@]}" 64 1
check flood_down figures '[1-9][0-9]*' flood-down "${SERVER[@]}" 1400 1
check idle_connections idle tcp 50
check idle_sessions idle udp 50
check refuses_an_unknown_mode fails nonsense "${SERVER[@]}"
check refuses_a_bad_address fails first example.test 7700
finish
