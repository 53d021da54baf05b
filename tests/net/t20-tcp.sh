#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# TCP through lwIP: any destination and port, both families, whole streams both ways, one and
# many at a time, half-close, resets, backpressure. FULL=1: 1 GiB, 500 resets of each kind,
# 50,000 connections (5,000 under ASan).
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
tcp_start
dns_start
start_far low "$HELPERS/tcp" serve $ECHO4 1
start_far high "$HELPERS/tcp" serve $ECHO6 65535
session_start --dns $DNS4

bytes=$((100 << 20)) each=$((8 << 20)) resets=60 serial=2000 half=$((64 << 20))
if [ -n "$FULL" ]; then
	bytes=$((1 << 30)) each=$((64 << 20)) resets=500 serial=50000
	[[ $B != */sanitize ]] || serial=5000 # no growth is measured there
fi
big=$(web_file big.bin $bytes)
part=$(web_file part.bin $each)
tcp() { inside "$HELPERS/tcp" "$@"; }

download() { same "$big" "$(inside curl -sS -m 300 "http://$1/big.bin" | sha256sum)"; }
upload() {
	inside curl -sS -m 300 -T "$T/www/big.bin" "http://$1/put/big.bin" || return 1
	same "$big" "$(sha256sum <"$T/put/big.bin")"
	rm -f "$T/put/big.bin"
}
download16() {
	inside bash -c "for i in {1..16}; do
		curl -sS -m 300 http://$1/part.bin | sha256sum & done; wait" >"$T/sums"
	same "16 $part" "$(sort "$T/sums" | uniq -c | sed 's/^ *//')"
}
upload16() {
	inside bash -c "for i in {1..16}; do
		curl -sS -m 300 -T $T/www/part.bin http://$1/put/\$i.bin & done; wait" || return 1
	same "16 $part" "$(for i in {1..16}; do sha256sum <"$T/put/$i.bin"; done | uniq -c |
		sed 's/^ *//')"
	rm -f "$T"/put/*
}

check N-25_download_ipv4 download $WEB4
check N-25_download_ipv6 download "[$WEB6]"
check N-25_upload_ipv4 upload $WEB4
check N-25_upload_ipv6 upload "[$WEB6]"
check N-25_download_16_at_once_ipv4 download16 $WEB4
check N-25_download_16_at_once_ipv6 download16 "[$WEB6]"
check N-25_upload_16_at_once_ipv4 upload16 $WEB4
check N-25_upload_16_at_once_ipv6 upload16 "[$WEB6]"
check N-25_both_ways_at_once tcp echo $ECHO4 9 $half
check N-20_port_1 tcp echo $ECHO4 1 100000
check N-20_port_65535 tcp echo $ECHO6 65535 100000

check N-24_half_close_by_application_ipv4 tcp half-up $ECHO4 9 $half
check N-24_half_close_by_application_ipv6 tcp half-up $ECHO6 9 $half
check N-24_half_close_by_upstream_ipv4 tcp half-down $ECHO4 9 $half
check N-24_half_close_by_upstream_ipv6 tcp half-down $ECHO6 9 $half

# A refused port, an unreachable address, a silent one: each reaches the application as such.
# How soon is tried ten times, for a machine may be busy with other things.
connect() { tcp connect "$@" | tee /dev/stderr; }
soon() { # MS ERROR ADDRESS PORT
	local ms i
	for i in {1..10}; do
		ms=$(connect "$3" "$4" | sed -nE "s/^$2 //p")
		[ -n "$ms" ] || return 1
		! within 0 "$1" "$ms" || return 0
	done
	return 1
}
refused() { soon 50 ECONNREFUSED "$1" 4; }
unreachable() { soon 500 'E(HOST|NET)UNREACH' "$1" 80; }
silent() { within 29000 33000 "$(connect 198.51.100.99 80 | sed -nE 's/^E(TIMEDOUT|HOSTUNREACH) //p')"; }
in_host ip route add unreachable 198.51.100.98
in_host ip -6 route add unreachable 2001:db8:100::98
check N-24_refused_ipv4 refused $ECHO4
check N-24_refused_ipv6 refused $ECHO6
check N-24_unreachable_ipv4 unreachable 198.51.100.98
check N-24_unreachable_ipv6 unreachable 2001:db8:100::98
if [ -n "$FULL" ]; then
	check N-24_timed_out silent
fi

check reset_by_application tcp abort $ECHO4 9 $resets
check reset_by_application_ipv6 tcp abort $ECHO6 9 $resets
check reset_by_upstream tcp aborted $ECHO4 9 $resets
check reset_by_upstream_ipv6 tcp aborted $ECHO6 9 $resets

# A reader that takes nothing holds the sender up, and no more than bounded buffers fill.
worker=$(role_pids worker | head -n 1)
slow_reader() {
	local before after
	before=$(rss_of "$worker")
	start stalled nsenter --target "$session_command" --net --mount -- \
		curl -sS --limit-rate 100k -o /dev/null "http://$WEB4/big.bin"
	local pid=$started_pid
	check_bounded() { [ "$(inside ss -Htn state established | awk '$1 > 0' | wc -l)" -gt 0 ]; }
	wait_for check_bounded || return 1
	sleep 2 # long enough for a gigabyte, were nothing holding it up
	after=$(rss_of "$worker")
	kill "$pid"
	within -1048576 16384 $((after - before)) # less: what earlier cases held was given back
}
check N-25_buffers_are_bounded slow_reader

check many_at_once tcp many $ECHO4 9 2000
check many_at_once_ipv6 tcp many $ECHO6 9 200

# Short connections leave no memory and no descriptor behind.
idle() { [ "$(json status '[.status.roles[].tcp_open // 0] | add')" = 0 ]; }
steady() {
	local rss fds
	tcp serial $ECHO4 9 $((serial / 10)) || return 1
	wait_for idle || return 1
	rss=$(rss_of "$worker") fds=$(fds_of "$worker")
	tcp serial $ECHO4 9 $serial || return 1
	wait_for idle || return 1
	same "$fds" "$(fds_of "$worker")" || return 1
	case $B in
	*/sanitize) ;; # it keeps what was freed; its own check at the end tells what leaked
	*) within $((rss * 99 / 100)) $((rss * 101 / 100 + 64)) "$(rss_of "$worker")" ;;
	esac
}
in_host sysctl -qw net.ipv4.tcp_tw_reuse=1
check N-25_short_connections_leave_nothing steady

# Every socket of ours bears the mark, and none was ever seen on the TUN.
marked() {
	start busy nsenter --target "$session_command" --net --mount -- \
		curl -sS --limit-rate 1M -o /dev/null "http://$WEB4/big.bin"
	local pid=$started_pid
	ours() { in_host ss -Htne state established dst $WEB4; }
	seen() { [ -n "$(ours)" ]; }
	wait_for seen || return 1
	ours
	[ "$(ours | grep -vc 'fwmark:0x68720000')" = 0 ]
	local status=$?
	kill "$pid"
	return $status
}
check N-21_sockets_are_marked marked
check N-21_no_own_packet_on_the_tun same 0 "$(dropped loop_averted)"

# 1,024 connects in flight, no more: the rest are dropped and counted, and tried again by TCP.
# They last for 30 s, which only the long form waits for; so nothing of this session comes later.
limit() {
	local before
	before=$(dropped connects)
	start dial nsenter --target "$session_command" --net --mount -- \
		"$HELPERS/tcp" dial 198.51.100.99 80 1100
	local pid=$started_pid
	in_flight() { json status '[.status.roles[].tcp_connecting // 0] | add'; }
	full() { [ "$(in_flight)" = 1024 ] && [ "$(dropped connects)" -ge $((before + 76)) ]; }
	wait_for full
	local status=$?
	wait_for gone "$pid"
	empty() { [ "$(in_flight)" = 0 ]; }
	[ $status = 0 ] && tcp echo $ECHO4 9 1000 || return 1
	[ -z "$FULL" ] || wait_for -t 40 empty
}
check N-20_connects_in_flight_are_limited limit

check worker_was_never_restarted same 0 "$(json status '[.status.roles[].restarts // 0] | add')"
finish
