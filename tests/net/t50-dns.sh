#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# DNS: port 53 of any address, UDP and TCP, is answered by the resolver from nsd or unbound.
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
resolver_start
tcp_start
session_start --dns $DNS4
dig() { inside dig +tries=1 +time=6 "$@"; }
short() { dig +short "$@"; }
status_of() { dig "$@" | sed -nE 's/.*status: ([A-Z]+),.*/\1/p'; }
stack4=$(json status .status.stack4)
stack6=$(json status .status.stack6)

for at in "@$stack4" "@$stack6" @203.0.113.200 @2001:db8:ffff::1; do
	check "N-10_udp_${at#@}" same $WEB4 "$(short "$at" "www.$ZONE" A)"
	check "N-11_tcp_${at#@}" same $WEB6 "$(short "$at" +tcp "www.$ZONE" AAAA)"
done
check default_server same $WEB4 "$(short "www.$ZONE")"
check alias same "www.$ZONE.
$WEB4" "$(short "alias.$ZONE")"
check unknown_type same '\# 4 0A000001' "$(short "odd.$ZONE" TYPE65280)"
check nxdomain same NXDOMAIN "$(status_of "nowhere.$ZONE")"
check no_such_type_is_empty same NOERROR "$(status_of "v4.$ZONE" AAAA)"
long() { [ "$(short "$@" | tr -d '\n' | wc -c)" -gt "$min" ] || { echo "short: $(dig "$@")"; return 1; }; }
min=700
check text_beyond_512_bytes_by_edns long "long.$ZONE" TXT
check text_beyond_512_bytes_without_edns_by_tcp long +noedns "long.$ZONE" TXT
min=2000
check N-16_text_beyond_the_mtu_by_tcp long "huge.$ZONE" TXT
truncated() { dig +ignore +noedns "long.$ZONE" TXT | grep -qE 'flags:.* tc'; }
check N-16_too_large_is_truncated truncated
check from_cache_after_the_first same $WEB4 "$(short "www.$ZONE"; short "www.$ZONE" >/dev/null)"
cached() { [ "$(json status '[.status.roles[].dns_cached // 0] | add')" -ge 1 ]; }
check cache_is_used cached

# Two clients at once with equal IDs: each gets its own answer.
same_ids() {
	inside bash -c "for i in {1..50}; do
		dig +short +tries=1 +time=6 +qid=7 v4.$ZONE A & dig +short +tries=1 +time=6 +qid=7 v6.$ZONE AAAA &
		done; wait" | sort | uniq -c | sed 's/^ *//' >"$T/ids"
	same "50 $WEB4
50 $WEB6" "$(sort -k 2 "$T/ids")"
}
check N-14_equal_ids_do_not_collide same_ids

# Short or broken queries get no answer, and are counted.
broken() {
	local before
	before=$(dropped dns_malformed)
	inside bash -c "printf 'abc' >/dev/udp/$stack4/53"
	counted() { [ "$(dropped dns_malformed)" -gt "$before" ]; }
	wait_for counted
}
check N-12_short_query_is_counted broken
session_stop

# A resolver of the host, found by its resolv.conf; one that never answers.
session_start --dns $RESOLVER4
check by_unbound same "www.$ZONE.
$WEB4" "$(short "alias.$ZONE")"
session_stop

session_start --dns 198.51.100.99
slow() {
	local start=$SECONDS
	dig +qid=4711 "www.$ZONE" >"$T/slow"
	within 4 $((7 * PATIENCE)) $((SECONDS - start)) && grep -q 'status: SERVFAIL' "$T/slow"
}
check N-12_servfail_after_5_s slow
# There is no inner proxy here that could fail; an upstream that does is answered for like this.
failure() { grep -q 'id: 4711' "$T/slow" && grep -qE "^;www\.$ZONE\.\s+IN\s+A" "$T/slow"; }
check N-13_failure_is_servfail_with_id_and_question failure
stall() {
	inside dig +tries=1 +time=6 "www2.$ZONE" >/dev/null &
	local pid=$!
	inside "$HELPERS/tcp" echo $ECHO4 9 20000000 || return 1
	kill -0 $pid # the query still waits
	local status=$?
	wait $pid
	return $status
}
check N-15_slow_upstream_stalls_nothing stall
session_stop

# Names that were looked up are known of flows, in the map and in the report.
web_start
headrace run --dns $DNS4 --report -- curl -sS -o /dev/null "http://www.$ZONE/" 2>"$T/report"
named() { grep -E "www\.$ZONE" "$T/report" | grep -q tcp || { cat "$T/report"; return 1; }; }
check flow_carries_the_name named
finish
