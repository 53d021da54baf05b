#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The world that the other tests stand on, without Headrace: if this fails, they say nothing.
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
resolver_start
echo_start
tcp_start

sum=$(web_file file.bin 1000000)
get() { in_host curl -sf -m 10 "$1" | sha256sum; }
put() { in_host curl -sf -m 10 -T "$T/www/file.bin" "$1" && sha256sum <"$T/put/up.bin"; }
resolve() { in_host dig +short +time=2 "$@"; }

check web_answers_by_ipv4 same "$sum" "$(get "http://$WEB4/file.bin")"
check web_answers_by_ipv6 same "$sum" "$(get "http://[$WEB6]/file.bin")"
check web_takes_uploads same "$sum" "$(put "http://$WEB4/put/up.bin")"
check dns_answers same "$WEB4" "$(resolve "@$DNS4" "www.$ZONE" A)"
check dns_answers_by_ipv6 same "$WEB6" "$(resolve "@$DNS6" "www.$ZONE" AAAA)"
check dns_answers_unknown_types same '\# 4 0A000001' "$(resolve "@$DNS4" "odd.$ZONE" TYPE65280)"
check resolver_answers same "www.$ZONE.
$WEB4" "$(resolve "@$RESOLVER4" "alias.$ZONE" A)"
check udp_comes_back_by_ipv4 in_host "$HELPERS/udp" ping $ECHO4 7 0 1 1472 1473 9000 65507
check udp_comes_back_by_ipv6 in_host "$HELPERS/udp" ping $ECHO6 7 0 1 1452 1453 9000 65507
tcp() { in_host "$HELPERS/tcp" "$@"; }
check tcp_echo tcp echo $ECHO4 9 1000000
check tcp_half_close_by_client tcp half-up $ECHO6 9 1000000
check tcp_half_close_by_server tcp half-down $ECHO4 9 1000000
check tcp_reset_by_client tcp abort $ECHO4 9 30
check tcp_reset_by_server tcp aborted $ECHO6 9 30
check tcp_many_at_once tcp many $ECHO4 9 100
check tcp_one_after_the_other tcp serial $ECHO4 9 100
# A process that has the PID of one that was started and has ended, as its time of birth says.
spared() {
	start living sleep 60
	born[$started_pid]=1
	stop "$started_pid"
	! gone "$started_pid" || return 1
	birth "$started_pid"
	born[$started_pid]=$born_at
	stop "$started_pid"
	gone "$started_pid"
}
check who_has_the_pid_of_one_that_ended_is_spared spared
refused() { within 0 900 "$(tcp connect $ECHO4 10 | sed -n 's/^ECONNREFUSED //p')"; }
check tcp_refused refused
finish
