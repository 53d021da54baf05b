#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The soak test's own parts: its load over loopback without any forwarder, which must find
# nothing wrong there and must find what is; and its judge, which must see each thing that can
# be wrong.
set -u
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip_all "needs root"
scratch
namespace NS_PID
SOAK=$B/tests/soak
judge=$TOP/tests/soak/judge.jq

# --- load
in_ns "$NS_PID" sysctl -qw net.ipv4.ping_group_range="0 2147483647" || die "no sysctl"
in_ns "$NS_PID" nft "add table inet t; add chain inet t in { type filter hook input priority 0; }
	add rule inet t in tcp dport 7802 drop" || die "no nft"
in_loop() { start "$1" nsenter --target "$NS_PID" --net -- "${@:2}"; }
in_loop server "$SOAK/server" 127.0.0.1 7800 ::1 7800
# shellcheck disable=SC2154 # by start of lib.sh
server=$started_pid
in_loop liar "$SOAK/server" wrong 127.0.0.1 7810 ::1 7810
in_loop echo4 "$HELPERS/udp" echo 127.0.0.1 7
in_loop echo6 "$HELPERS/udp" echo ::1 7
there() { [ "$(in_ns "$NS_PID" ss -Hlntu | wc -l)" = 6 ]; }
wait_for there || die "no servers"

# final NAME FILTER: is it true of the last counters?
final() {
	grep '"final":true' "$T/$1.log"
	[ "$(grep '"final":true' "$T/$1.log" | jq ".counters | $2")" = true ]
}
# load NAME COUNTER LEAST ARG...: runs a load until it has counted so many.
load() {
	local name=$1 counter=$2 least=$3
	in_loop "$name" "$SOAK/$name" "${@:4}"
	counted() {
		[ "$(grep '"counters"' "$T/$name.log" | tail -n 1 | jq ".counters | $counter >= $least")" = true ]
	}
	wait_for -t 30 counted || return 1
	kill -TERM "$started_pid"
	wait_for -t 60 gone "$started_pid" && ! grep failure "$T/$name.log"
}
check streams load tcp '(.done | add)' 1000 127.0.0.1 ::1 7800 200 1 20000000 7
check all_that_was_opened_ended_well final tcp '.opened == .done and .wrong == 0'
check every_kind_was_there final tcp '[.done[]] | all(. > 0)'
check datagrams load datagram .back 200 127.0.0.1 ::1 7 100 7
check every_datagram_came_back final datagram '.sent == .back and .lost == 0'
kill -TERM "$server"
wait_for gone "$server"
check the_server_saw_nothing_wrong final server '.failed == 0 and .open == 0 and .nothing == 0'
lied_to() {
	load tcp .wrong 1 127.0.0.1 ::1 7810 100 0 0 7 && return 1
	grep '"what":"wrong bytes down"' "$T/tcp.log"
}
check wrong_bytes_are_found lied_to

# --- judge: a clean run, and the same with one thing wrong
cat >"$T/samples" <<'END'
{"phase":"before","ms":1000,"processes":[{"name":"main","rss_kib":9000,"fds":40,"cpu_s":1}],
"maps":{"flows":0,"domains":10},"kernel":{"events_lost":0},"roles":[{"name":"worker 1",
"tcp_open":0,"buffer_bytes":0,"udp_open":0,"icmp_open":0,"tcp_connecting":0,"fragments_held":0,
"dns_pending":0,"restarts":0}],"drops":[{"reason":"stray","count":3}],"slab_kib":100000,
"kernel_bytes":300000,"sockets":{"tcp_inuse":2},"conntrack":0,"udp_errors":0,
"lost":{"tcp":9,"dns":1,"datagrams":2},"load":{"tcp":{"opened":{"half":9},"failed":{"half":0},
"late":0,"up_bytes":1,"down_bytes":2},"datagram":{"sent":9,"lost":0},"dns":{"asked":3,"again":0,
"failed":0}},"kills":0}
END
jq -c '., (.phase = "after" | .ms = 90000 | .maps.domains = 20 | .roles[0].restarts = 1)' \
	"$T/samples" >"$T/clean"
at=50000
kill='{"name":"worker 1","pid":7,"ms":'$at'}'
died='{"event":{"proto":"tcp","sport":4000,"time_ms":'$at'}}'
pause=
# failure FROM WHAT PORT SINCE
failure() {
	jq -cn --arg from "$1" --arg what "$2" --argjson port "$3" --argjson since "$4" \
		'{from: $from, what: $what, proto: "tcp", kind: "half", family: 4, port: $port,
			id: "1", since_ms: $since, ms: ($since + 500)}'
}
# verdict CHANGE FAILURES: the first thing that is wrong, or "clean".
verdict() {
	jq -c "if .phase == \"after\" then $1 else . end" "$T/clean" >"$T/changed"
	jq -rn -f "$judge" --slurpfile samples "$T/changed" --slurpfile failures <(echo "$2") \
		--slurpfile kills <(echo "$kill") --slurpfile died <(echo "$died") \
		--slurpfile pauses <(echo "$pause") --slurpfile problems /dev/null --argjson sanitize false | jq -r '.wrong[0] // "clean"'
}
# finds PATTERN CHANGE [FAILURES]
finds() { # shellcheck disable=SC2053 # a pattern
	[[ $(verdict "$2" "${3:-}") == $1 ]] || { verdict "$2" "${3:-}"; return 1; }
}
check clean_is_clean finds clean .
check held_by_a_killed_role finds clean . "$(failure tcp ECONNRESET 4000 $((at - 300)))"
check not_held_by_it finds '*no role died' . "$(failure tcp ECONNRESET 4001 $((at - 300)))"
check at_another_time finds '*no role died' . "$(failure tcp ECONNRESET 4000 $((at + 20000)))"
while_paused() {
	local pause='{"from":"tcp","since_ms":60000,"ms":80000}'
	finds clean . "$(failure tcp EHOSTUNREACH 4001 59800)" &&
		finds "*wrong bytes*" . "$(failure tcp "wrong bytes down" 4001 59800)"
}
check machine_stood_still while_paused
check wrong_bytes_have_no_excuse finds '*wrong bytes*' . \
	"$(failure tcp "wrong bytes down" 4000 $((at - 300)))"
check lost_datagrams_on_the_wire finds clean . "$(failure datagram lost 1 80000)"
check lost_datagrams_elsewhere finds '1 datagrams lost*' '.lost.datagrams = 0' \
	"$(failure datagram lost 1 80000)"
check entries finds 'map flows*' '.maps.flows = 1'
left_by_the_warm_up() {
	jq -c '.maps.flows = 1' "$T/clean" >"$T/clean.new" && mv "$T/clean.new" "$T/clean"
	finds 'map flows: 1 entries left*' .
}
check descriptors finds 'main: 40 descriptors*' '.processes[0].fds = 41'
check memory finds 'main: RSS*' '.processes[0].rss_kib = 14000'
check kernel_memory finds 'kernel memory*' '.kernel_bytes = 9000000'
check slab_where_nobody_is_charged finds 'slab*' '.kernel_bytes = null | .slab_kib = 200000'
check sockets finds 'sockets*' '.sockets.tcp_inuse = 3'
check conntrack finds '*conntrack*' '.conntrack = 1'
check open_connections finds '*tcp_open*' '.roles[0].tcp_open = 1'
check roles_that_died finds '2 roles died*' '.roles[0].restarts = 2'
check unexpected_drops finds 'dropped: 4 times checksum' '.drops += [{reason: "checksum", count: 4}]'
check lost_events finds '*events lost' '.kernel.events_lost = 1'
check entries_left_by_the_warm_up left_by_the_warm_up
finish
