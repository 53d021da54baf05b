#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Floods of what opens something: SYNs to a port that is open, closed or silent, datagrams,
# echo requests, queries; from one source and from as many as there are. Meanwhile another
# source's download goes on, and right after it a fresh connection is served: of a source that
# has never been heard of, and of that one.
# shellcheck disable=SC2154 # set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

SILENT4=203.0.113.200 SILENT6=2001:db8:7::200 # routed, and dropped on the way
OTHER4=10.0.0.3 # who is served meanwhile
NEW4=10.0.0.1 # and two digits: who has never been heard of, another one after each flood
ONE4=10.0.0.77 # who floods: no such host, so nothing that it is sent is answered
ANY6=fd68:6561:6472:6163::/64

number=$([ -n "$FULL" ] && echo 50000 || echo 10000)
rate=20000 # per second
[[ $B != */sanitize ]] || rate=5000

world_up
web_start
dns_start
echo_start
session_start --dns $DNS4

device=$(device)
sum=$(web_file bulk.bin 30000000)
inside ip addr add $OTHER4/24 dev "$device"
in_far ip route add blackhole $SILENT4/32
in_far ip -6 route add blackhole $SILENT6/128

gauge() { json status "[.status.roles[].$1 // 0] | add"; }

# flood NAME KIND ARGUMENT...: of tests/net/flood.c behind DEVICE. While it lasts the other source
# downloads. The times to fresh connections are said; other work on this machine adds to them, so
# the bounds are those of a SYN that is lost once, or of a queue of datagrams to be read first.
# When that queue is empty, a fresh one is served as before.
new=10
flood() {
	local name=$1 bulk ms new_ms bound=20000
	shift
	[ "$1" != syn ] || bound=3000
	new=$((new + 1))
	inside ip addr add $NEW4$new/24 dev "$device"
	start "$name" nsenter --target "$session_command" --net --mount -- bash -c \
		"curl -sS --interface $OTHER4 -m 100 --limit-rate 10M http://$WEB4/bulk.bin | sha256sum"
	bulk=$started_pid
	inside "$HELPERS/flood" "$device" "$@" || return 1
	new_ms=$(fresh_ms --interface $NEW4$new) || return 1
	ms=$(fresh_ms --interface $OTHER4) || return 1
	echo "$name: fresh connection in $new_ms ms, of a known source in $ms ms" >>"$T/figures"
	within 0.001 $bound "$new_ms" && within 0.001 $bound "$ms" || return 1
	wait_for -t 100 gone "$bulk"
	same "$sum" "$(cat "$T/$name.log")" && fresh_connection && same 0 "$(restarts)"
}

check syns_of_one_to_an_open_port flood one-open syn "$number" $rate $ONE4 $WEB4 80
check syns_of_one_to_a_closed_port flood one-closed syn "$number" $rate $ONE4 $WEB4 81
check syns_of_one_to_a_silent_host flood one-silent syn "$number" $rate $ONE4 $SILENT4 80
check syns_of_many_to_an_open_port flood many-open syn "$number" $rate $ANY6 $WEB6 80
check syns_of_many_to_a_closed_port flood many-closed syn "$number" $rate $ANY6 $WEB6 81
check syns_of_many_to_a_silent_host flood many-silent syn "$number" $rate $ANY6 $SILENT6 80
check syns_of_one_to_everywhere flood one-everywhere syn "$number" $rate $ONE4 203.0.113.0/24 0

# a session that is used goes on, whatever is opened beside it
start used nsenter --target "$session_command" --net -- bash -c \
	"exec 3<>/dev/udp/$ECHO4/7; while echo x >&3; do read -rt 0.1 <>$T/tick; done"
used=$started_pid
used_ms() { # how long the oldest of the sessions with the echo server lasts
	json flows "select(.flow.proto == \"udp\" and .flow.daddr == \"$ECHO4\") | .flow.duration_ms" |
		sort -n | tail -n 1
}
used_is_there() { [ -n "$(used_ms)" ]; }
wait_for used_is_there
before_ms=$(date +%s%3N)
check datagrams_to_everywhere flood udp udp "$number" $rate $ONE4 203.0.113.0/24 0
limit=$(json status .status.limits.udp_sessions)
check udp_sessions_are_bounded within 1 "$limit" "$(gauge udp_open)"
check datagrams_of_many flood udp-many udp $((limit * 3 / 2)) $rate $ANY6 $ECHO6 7
check udp_sessions_are_bounded_still within 1 "$limit" "$(gauge udp_open)"
check used_session_went_on within $(($(date +%s%3N) - before_ms - 2000)) 1000000000 "$(used_ms)"
stop "$used"
check other_sessions_live inside "$HELPERS/udp" ping $ECHO4 7 1 100 1400

check echo_requests flood echo echo "$number" $rate $ONE4 $ECHO4 0
check echo_sessions_are_bounded within 1 "$(json status .status.limits.icmp_sessions)" \
	"$(gauge icmp_open)"
check ping_is_answered inside ping -c 1 -W 5 $ECHO4

# --- queries for names that nobody has asked for before, while a client asks on
asks_on() {
	local n=0
	while ! gone "$1"; do
		inside dig +short +time=5 +tries=2 "v4.$ZONE" "@$ONE_DNS" | grep -qx $WEB4 || return 1
		n=$((n + 1))
	done
	echo "dns: $n queries of the other client answered meanwhile" >>"$T/figures"
	within 1 1000000 $n
}
queries() {
	local pid
	start queries nsenter --target "$session_command" --net -- \
		"$HELPERS/flood" "$device" dns "$number" $((rate / 4)) "$1" "$2" 53
	pid=$started_pid
	ONE_DNS=$3 asks_on "$pid" && same 0 "$(restarts)"
}
check queries_of_one queries $ONE4 "$(json status .status.stack4)" "$(json status .status.stack4)"
check queries_of_many queries $ANY6 "$(json status .status.stack6)" "$(json status .status.stack4)"

# --- what the log says of it does not grow with it
check log_is_short within 0 200 "$(wc -l <"$T/session.log")"
check still_serves still_serves
finish
