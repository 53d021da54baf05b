#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Several workers: flows spread over them, all packets of a flow reach one of them, in
# fragments or not, and when one dies the flows of the others go on.
#
#   fragments of a datagram -> worker A, which gathers them -> inbox of worker B, which has
#   the session of whole datagrams from the same socket
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
tcp_start
echo_start
start_far late "$HELPERS/udp" echo $ECHO4 77
late=$started_pid
wait_for listening "$ECHO4:77" || die "no UDP echo on port 77"
sum=$(web_file file.bin 5000000)

# role SLOT KEY and all KEY: of the session's workers.
role() { json status ".status.roles[] | select(.slot == $1) | .$2 // 0"; }
all() { json status "[.status.roles[] | select(.slot > 0) | .$1 // 0] | add"; }
each_has() { # KEY: every worker has some of it
	local slot
	for slot in $(seq "$workers"); do
		within 1 1000000000 "$(role "$slot" "$1")" || return 1
	done
}
flows_where() { json flows "select($1) | .flow.slot" | wc -l; }
# Connections to port 9 that worker SLOT has.
held_by() { flows_where ".flow.proto == \"tcp\" and .flow.dport == 9 and .flow.slot == $1"; }
download() { same "$sum" "$(inside curl -sf -m 20 "http://www.$ZONE/file.bin" | sha256sum)"; }

# Sockets one after the other; each sends small and big datagrams in turn. A port that was used
# lately has its session still, so there may be fewer than sockets, but never more.
one_session_each() { # ADDRESS
	local i before
	before=$(all udp_total)
	for i in $(seq 24); do
		inside "$HELPERS/udp" ping "$1" 7 100 4000 1 20000 1472 1473 65000 || return 1
	done
	within 12 24 $(($(all udp_total) - before))
}
big_pings() { # ADDRESS: each an identifier of its own
	local i
	for i in $(seq 8); do
		inside ping -q -c 2 -i 0.1 -W 2 -s $((2000 + 500 * i)) "$1" || return 1
	done
}
looks_up() {
	local i
	for i in $(seq 8); do
		same "$WEB4" "$(inside dig +short +tries=2 +time=2 "www.$ZONE")" || return 1
		same "$WEB4" "$(inside dig +tcp +short +tries=2 +time=2 "www.$ZONE")" || return 1
	done
}

# Every flow in the table is of the worker that counts its session, those that were opened by
# a first fragment too.
agree() {
	local slot
	for slot in $(seq "$workers"); do
		same "$(role "$slot" udp_open)" \
			"$(flows_where ".flow.proto == \"udp\" and .flow.slot == $slot")" || return 1
	done
}
table_and_workers_agree() { wait_for agree || agree; }

# Answers that come when the application has gone: its kernel refuses them, and each refusal
# ends the session, whichever worker reads it.
late_flows() { flows_where ".flow.dport == 77"; }
late_are() { within "$1" "$2" "$(late_flows)"; }
refused_answers() {
	local i
	inside sysctl -qw net.ipv4.icmp_ratelimit=0
	kill -STOP "$late"
	for i in $(seq 16); do
		inside bash -c "echo $i >/dev/udp/$ECHO4/77"
	done
	wait_for -t 60 late_are 12 16 || late_are 12 16 || return 1 # two may have had the same port
	kill -CONT "$late"
	wait_for -t 60 late_are 0 0 || late_are 0 0
}

# hold_say: the holder of 64 connections uses each of them once.
hold_lines() { [ "$(wc -l <"$T/hold.log")" -gt "$1" ]; }
hold_say() {
	local lines
	lines=$(wc -l <"$T/hold.log")
	echo >&7
	wait_for -t 60 hold_lines "$lines" || return 1
	tail -n 1 "$T/hold.log"
}
hold_start() {
	rm -f "$T/hold.in"
	mkfifo "$T/hold.in"
	start hold nsenter --target "$session_command" --net --mount -- \
		sh -c "exec $HELPERS/tcp hold $ECHO4 9 64 <$T/hold.in"
	exec 7>"$T/hold.in"
	wait_for -t 60 grep -q open "$T/hold.log"
}
connections_spread() {
	local slot
	same "64 answered" "$(hold_say)" || return 1
	for slot in $(seq "$workers"); do
		within 1 63 "$(held_by "$slot")" &&
			within "$(held_by "$slot")" 1000 "$(role "$slot" tcp_open)" || return 1
	done
}
is_back() { [ "$(role "$1" restarts)" = 1 ] && [ "$(role "$1" state)" = ready ]; }
has_none() { same 0 "$(held_by "$1")"; }
killed_worker() {
	local victim=$1 lost pid
	lost=$(held_by "$victim")
	pid=$(role "$victim" pid)
	kill -KILL "$pid"
	wait_for is_back "$victim" && wait_for has_none "$victim" || return 1
	same "$((64 - lost)) answered" "$(hold_say)"
}

# Workers are killed in turn while fragments go from each to each; what they were about to
# take from their inboxes is thrown away, and main ends with as many descriptors as before.
killed_under_fragments() {
	local i victim pid pids=() fds rounds=2
	[ -z "$FULL" ] || rounds=20
	fds=$(fds_of "$(main_pid)")
	for i in 1 2 3 4; do
		start "stream$i" nsenter --target "$session_command" --net --mount -- bash -c \
			"while [ ! -e $T/enough ]; do $HELPERS/udp ping $ECHO4 7 4000 20000 100 1; done"
		pids+=("$started_pid")
	done
	for i in $(seq "$rounds"); do
		victim=$((1 + i % workers))
		pid=$(role $victim pid)
		kill -KILL "$pid"
		wait_for -t 20 replaced $victim "$pid" || return 1
	done
	touch "$T/enough"
	for pid in "${pids[@]}"; do wait_for -t 20 gone "$pid" || return 1; done
	rm "$T/enough"
	wait_for main_has "$fds" && one_session_each $ECHO4 && download
}
main_has() { same "$1" "$(fds_of "$(main_pid)")"; }
replaced() { [ "$(role "$1" state)" = ready ] && [ "$(role "$1" pid)" != "$2" ]; }
restarts() { json status '[.status.roles[].restarts // 0] | add'; }

check two_many_are_refused same 2 "$(headrace run --workers 17 -- true 2>/dev/null; echo $?)"
for workers in 2 4; do
	session_start --workers $workers --dns $DNS4
	n=${workers}_workers
	check ${n}_are_there same $workers "$(role_pids worker | wc -l)"
	check ${n}_download download
	check ${n}_one_session_per_socket_ipv4 one_session_each $ECHO4
	check ${n}_one_session_per_socket_ipv6 one_session_each $ECHO6
	check ${n}_each_carries_datagrams each_has udp_total
	check ${n}_table_agrees table_and_workers_agree
	check ${n}_each_hands_over_and_takes each_has handed_in
	check ${n}_what_is_handed_over_arrives same "$(all handed_out)" "$(all handed_in)"
	check ${n}_ping_ipv4 big_pings $ECHO4
	check ${n}_ping_ipv6 big_pings $ECHO6
	check ${n}_ping_of_the_stack inside ping -q -c 2 -i 0.1 -W 2 -s 5000 10.0.0.1
	check ${n}_dns looks_up
	check ${n}_refused_answers_end_sessions refused_answers
	check ${n}_connections_open hold_start
	check ${n}_connections_spread connections_spread
	check ${n}_nothing_was_dropped_between_them same 0 "$(dropped handover)"
	check ${n}_one_is_killed_the_others_go_on killed_worker $((workers - 1))
	check ${n}_the_killed_one_is_back each_has pid
	check ${n}_fragments_after_that one_session_each $ECHO4
	check ${n}_refusals_after_that refused_answers
	check ${n}_download_after_that download
	check ${n}_one_restart same 1 "$(restarts)"
	check ${n}_load_is_shown each_has cpu_ms
	[ $workers = 2 ] && [ -z "$FULL" ] ||
		check ${n}_killed_one_by_one_under_fragments killed_under_fragments
	exec 7>&-
	session_stop
done
auto() { run --workers auto -- curl -sf -m 10 "http://$WEB4/"; }
check auto_is_one_per_cpu auto
finish
