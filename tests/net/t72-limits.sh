#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Budgets: two applications, at 10.0.0.2 and 10.0.0.3 of the namespace; the first takes all of
# each that it can get, the other is served all the same, and status and drops say it.
# shellcheck disable=SC2154 # set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
echo_start
tcp_start

# limits NAME=N...: a session with these, and its second address.
limits() {
	local options=() limit
	for limit; do options+=(--limit "$limit"); done
	session_start --dns "$DNS4" "${options[@]}"
	device=$(device)
	greedy=$(inside ip -o -4 addr show dev "$device" | sed -E 's:.*inet ([^/]*).*:\1:')
	modest=${greedy%.*}.77
	inside ip addr add "$modest/24" dev "$device"
}
# budget NAME KEY: of worker or resolver.
budget() { json status "[.status.budgets[] | select(.budget == \"$1\" and .where != \"kernel\") | .$2] | add"; }
# hog KIND ADDRESS PORT N: by the greedy one, until unhog; its line is in $T/hog.log.
hog() {
	start hog nsenter --target "$session_command" --net --mount -- \
		"$HELPERS/hog" "$1" "$greedy" "${@:2}"
	hog_pid=$started_pid
	wait_for -t 30 grep -q '^tried' "$T/hog.log" || { cat "$T/hog.log"; return 1; }
}
had() { sed 's/.* had //' "$T/hog.log"; }
unhog() {
	kill -KILL "$hog_pid"
	wait_for gone "$hog_pid"
}
page() { inside curl -sf -m 5 --interface "$modest" -o /dev/null "http://$WEB4/"; }
nobody_died() { same 0 "$(restarts)"; }

# --- what is wrong is said before anything is made
refused() { # VALUE MESSAGE
	local status=0
	headrace run --limit "$1" -- true >"$T/refused" 2>&1 || status=$?
	cat "$T/refused"
	same 2 $status && grep -qF "$2" "$T/refused"
}
check limit_without_a_number_is_refused refused flows 'expected NAME=N'
check limit_out_of_bounds_is_refused refused flows=3 'expected 16 to 1048576'
check unknown_limit_is_refused refused flow=100 'no such limit'

limits flows=64 tcp-connects=16 udp-sessions=32 dns-streams=8

configured() {
	same "64 48" "$(budget flows limit) $(budget flows limit_per_source)" &&
		same 16 "$(json status .status.limits.tcp_connects)" &&
		same "32 24" "$(budget udp_sessions limit) $(budget udp_sessions limit_per_source)" &&
		same 8 "$(budget dns_streams limit)" &&
		headrace status --instance "$INSTANCE" | grep -qE '^udp_sessions +worker 1 +0 +32 +24 +0'
}
check status_shows_what_was_configured configured

# --- flows: three quarters for one, whose further ones are refused
flows() {
	hog tcp "$ECHO4" 9 60 || return 1
	same 48 "$(had)" && within 48 64 "$(budget flows used)" &&
		within 12 1000 "$(dropped source_flows)" && within 12 1000 "$(budget flows hits)" &&
		page && nobody_died
}
check one_source_cannot_take_all_flows flows
unhog

# --- UDP: the longest unused session gives way
sessions() {
	hog udp "$ECHO4" 7 40 || return 1
	same 40 "$(had)" && same 24 "$(budget udp_sessions used)" &&
		same 16 "$(budget udp_sessions evicted)" || return 1
	inside dig +short +time=2 +tries=1 -b "$modest" "@$DNS4" "www.$ZONE" | grep -qx $WEB4 && page
}
check one_source_cannot_take_all_udp_sessions sessions
unhog

# --- connects: a source with all of them makes way for another at once
connects() {
	hog dial 198.51.100.99 80 40 || return 1
	in_flight() { [ "$(budget tcp_connects used)" = 16 ]; }
	wait_for in_flight && within 24 1000 "$(dropped connects)" && page &&
		within 1 1000 "$(dropped connect_replaced)"
}
check one_source_cannot_hold_all_connects connects
unhog

# --- DNS over TCP: the longest idle stream is closed
streams() {
	hog tcp 203.0.113.53 53 8 || return 1
	closed() { [ "$(budget dns_streams evicted)" = 2 ]; }
	wait_for closed && same 6 "$(budget dns_streams used)" &&
		inside dig +tcp +short +time=3 +tries=1 -b "$modest" @203.0.113.53 "www.$ZONE" |
		grep -qx $WEB4
}
check one_client_cannot_hold_all_dns_streams streams
unhog

# --- buffers: upstreams of one source are not read any more, another's are. A session of its
# own, as what is left of the sessions and connects above counts for the greedy one's flows.
check still_serves_after_flows_and_sessions still_serves
session_stop
limits buffer-bytes=16M
sum=$(web_file big.bin 20000000)
buffers() {
	hog stall "$ECHO4" 9 30 || return 1
	same 30 "$(had)" || return 1
	stalled() { [ "$(json status '[.status.roles[].buffer_bytes // 0] | add')" -ge 4000000 ]; }
	wait_for stalled || return 1
	same "$sum" "$(inside curl -sf -m 20 --interface "$modest" "http://$WEB4/big.bin" | sha256sum)" &&
		within 1 20000000 "$(json status '[.status.roles[].buffer_bytes // 0] | add')"
}
check one_source_cannot_take_all_buffers buffers
unhog
check still_serves_after_buffers still_serves
session_stop

# --- few descriptors: known at the start, and a budget like the others
descriptors() {
	within 8 84 "$(json status '.status.budgets[] | select(.budget == "descriptors" and .where == "worker 1") | .limit')" &&
		hog tcp "$ECHO4" 9 100 || return 1
	within 6 63 "$(had)" && within 1 100000 "$(dropped source_flows)" &&
		same 0 "$(dropped no_descriptor)" && page && nobody_died
}
SESSION_PREFIX="prlimit --nofile=100:100" limits
check few_descriptors_are_a_budget descriptors
unhog
check still_serves_after_descriptors still_serves
check a_soft_limit_is_raised within 90 100 "$(json status .status.limits.descriptors_per_process)"
session_stop
finish
