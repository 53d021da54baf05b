#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Nothing is left: of runs that ended in order, with an error, by Ctrl-C, and, once the next
# one has started, of runs whose main was killed. FULL=1: 50 runs.
# exclusive: programs, maps and namespaces of the whole machine are compared
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
web_file file.bin 20000000 >/dev/null
get() { run -- curl -sf -m 10 -o /dev/null "http://www.$ZONE/"; }
get # what the kernel makes once, at the first use, is there before the snapshot
snapshot_host "$T/before"

runs=6 killed=2
[ -z "$FULL" ] || { runs=50 killed=10; }

check B-05_after_a_run get
check B-05_nothing_is_left_of_it compare_host "$T/before"
wrong() { ! run -- false && ! run --user nosuchuser -- true && ! run --mtu 1 -- true; }
check errors wrong
check nothing_is_left_of_errors compare_host "$T/before"

# kill_run SIGNAL WHOM: in mid-transfer.
kill_run() {
	session_start --dns $DNS4
	start load nsenter --target "$session_command" --net --mount -- \
		curl -sS --limit-rate 1M -o /dev/null "http://$WEB4/file.bin"
	local load=$started_pid
	flows() { json flows .flow.proto | grep -q tcp; }
	wait_for flows || return 1
	if [ "$2" = main ]; then
		kill "-$1" "$(main_pid)"
	else
		kill "-$1" "$session"
	fi
	wait_for gone "$session"
	local status=$?
	kill -KILL "$session_command" 2>/dev/null
	stop "$load"
	return $status
}
check terminated_client kill_run TERM client
check nothing_is_left_of_it_terminated compare_host "$T/before"
check killed_client kill_run KILL client
check nothing_is_left_of_it_killed compare_host "$T/before"
check killed_main kill_run KILL main

many() {
	local i
	for ((i = 1; i < runs; i++)); do
		if [ $((i % (runs / killed))) = 0 ]; then
			kill_run KILL main || return 1
		else
			get || return 1
		fi
	done
	get
}
check "N-08_${runs}_runs_some_killed" many
check nothing_is_left_of_them compare_host "$T/before"
finish
