#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Peers without manners, many at once: applications that send a byte now and then or never
# read, upstreams that never read, never answer, close late, send for ever or reset. Memory
# stays within its budget and others are served all the while.
# shellcheck disable=SC2154 # set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

number=$([ -n "$FULL" ] && echo 2000 || echo 300)
budget=$(awk '$2 == "TCP_BUFFERS_MAX" { print substr($3, 2) }' "$TOP/userspace/base/limits.h")
budget=$((budget << 20)) # "(256 << 20)"

world_up
web_start
dns_start
tcp_start
session_start --dns $DNS4

declare -A port=([mute]=101 [deaf]=102 [flood]=103 [late]=104)
declare -A server
for kind in mute deaf flood late; do
	start_far $kind "$HELPERS/slow" serve $kind $ECHO4 ${port[$kind]}
	server[$kind]=$started_pid
	wait_for listening "$ECHO4:${port[$kind]}" || die "no server $kind"
done

gauge() { json status "[.status.roles[].$1 // 0] | add"; }
open_at_most() { [ "$(gauge tcp_open)" -le "$1" ]; }
worker() { role_pids worker | head -n 1; }
start_inside() { start "$1" nsenter --target "$session_command" --net --mount -- "${@:2}"; }
connected() { grep -qx "$number connected" "$T/$1.log"; }
left() {
	kill -USR1 "$1"
	wait_for grep -q left "$T/$2.log"
	sed -n 's/ left//p' "$T/$2.log"
}
get() { inside curl -sf -m 20 -o /dev/null "http://$WEB4/"; }
sum=$(web_file ten.bin 10000000)
get_ten() { same "$sum" "$(inside curl -sS -m 60 "http://$WEB4/ten.bin" | sha256sum)"; }

# held NAME: what the worker holds now, and that it is within the budget.
held() {
	local bytes rss
	bytes=$(gauge buffer_bytes) rss=$(rss_of "$(worker)")
	echo "$1: $((bytes >> 10)) KiB in buffers, RSS $rss KiB" >>"$T/figures"
	within 0 $((budget + (2 << 20))) "$bytes" || return 1
	[[ $B == */sanitize ]] || within 0 $(((budget >> 10) * 5 / 4)) "$rss"
}

# crowd NAME CLIENT SERVER: all connect, others are served while they are there.
crowd() {
	start_inside "$1" "$HELPERS/slow" "$2" $ECHO4 "${port[$3]}" "$number"
	crowd_pid=$started_pid
	wait_for -t 60 connected "$1" || { cat "$T/$1.log"; return 1; }
	get && get_ten && held "$1" && fresh_connection
}
# dispersed: the crowd goes, and so does all that was held for it.
dispersed() {
	stop "$crowd_pid"
	wait_for -t 60 open_at_most 5 || { gauge tcp_open; return 1; }
	no_bytes() { [ "$(gauge buffer_bytes)" -lt $((4 << 20)) ]; }
	wait_for -t 30 no_bytes || { gauge buffer_bytes; return 1; }
	same 0 "$(restarts)"
}

# --- slow-loris: a byte now and then
check a_byte_now_and_then_others_are_served crowd loris drip mute
check none_of_them_was_lost same "$number" "$(left "$crowd_pid" loris)"
check they_go dispersed

# --- applications that never read a large download
check applications_that_never_read crowd stall stall flood
check some_of_them_wait_on within 1 "$number" "$(left "$crowd_pid" stall)"
check upstreams_are_told_when_they_go dispersed

# --- upstreams that never read
check upstreams_that_never_read crowd push push deaf
check some_of_those_wait_on within 1 "$number" "$(left "$crowd_pid" push)"
stays_until_upstream_goes() { # what applications have sent is upstream's to take, or to lose
	stop "$crowd_pid"
	get && within "$number" $((number + 5)) "$(gauge tcp_open)" || return 1
	stop "${server[deaf]}"
	dispersed
}
check their_bytes_wait_until_upstream_goes stays_until_upstream_goes

# --- upstreams that close late: the applications are long gone, the line is lost, no more
closes_late() {
	start_inside leave "$HELPERS/slow" leave $ECHO4 "${port[late]}" "$number"
	wait_for -t 60 gone "$started_pid" && connected leave || return 1
	within "$number" $((number + 5)) "$(gauge tcp_open)" && get || return 1
	kill -USR1 "${server[late]}"
	wait_for -t 30 open_at_most 5 && same 0 "$(restarts)"
}
check upstreams_that_close_late closes_late

# --- upstreams that send for ever after the application has gone: they are told
sends_on() {
	start_inside gone "$HELPERS/slow" stall $ECHO4 "${port[flood]}" "$number"
	wait_for -t 60 connected gone || return 1
	kill -KILL "$started_pid"
	wait_for -t 60 open_at_most 5 && get
}
check upstreams_that_send_on sends_on

# --- resets and half-closes of upstream among them
check upstream_resets_in_mid_transfer inside "$HELPERS/tcp" aborted $ECHO4 9 50
check upstream_half_closes_and_goes_on inside "$HELPERS/tcp" half-down $ECHO4 9 10000000

check log_is_short within 0 200 "$(wc -l <"$T/session.log")"
check still_serves still_serves
finish
