#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Packets that no honest kernel sends, put onto the TUN: cut, changed, fragments that lie. All
# of it is counted, nobody dies, and the same instance forwards as before.
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
echo_start
session_start --dns "$DNS4"

device=$(device)
mutations=$([ -n "$FULL" ] && echo 20000 || echo 200)

counts() { json drops '"\(.drop.where) \(.drop.reason) \(.drop.count)"' | sort; }
total() { counts | awk '{ n += $3 } END { print n + 0 }'; }

hostile() {
	local before
	before=$(total)
	inside "$HELPERS/hostile" "$device" 1 "$mutations" "$TOP/tests/fuzz/corpus/packet/"* || return 1
	within $((before + 100)) 1000000000 "$(total)"
}
check hostile_packets_are_counted hostile
check malformed_is_a_reason within 1 1000000000 "$(dropped malformed)"
check checksum_is_a_reason within 1 1000000000 "$(dropped checksum)"
check protocol_is_a_reason within 1 1000000000 "$(dropped protocol)"
check header_chain_is_a_reason within 1 1000000000 "$(dropped header_chain)"
check nobody_died same 0 "$(restarts)"

# --- what the flood opened and nobody carries gives its places in the flow table back
forwards() { inside ping -c 1 -W 1 "$ECHO4"; }
check forwards_again_within_5_s wait_for -t 5 forwards

# --- N-17: a query in fragments is answered or dropped, never let through to its address
query() { # www.example.test A with an EDNS option of 650 bytes (RFC 6891), as raw bytes
	printf '\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01'
	printf '\x03www\x07example\x04test\x00\x00\x01\x00\x01'
	printf '\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x02\x8e\xfd\xe9\x02\x8a'
	printf '%0650d' 0
}
fragmented() { # ADDRESS: over a route of MTU 600
	local before
	before=$(json status .status.kernel.fragments)
	query >"$T/query"
	inside socat -t 3 - "UDP4:$1:53,shut-none" <"$T/query" | od -An -tx1 | tr -d ' \n' >"$T/answer"
	grep -q "^1234.*$(printf '%02x%02x%02x%02x' ${WEB4//./ })" "$T/answer" || return 1
	within $((before + 2)) 1000000000 "$(json status .status.kernel.fragments)"
}
inside ip route change default dev "$device" mtu 600
check N-17_query_in_fragments_is_answered fragmented 203.0.113.53 # no such host
inside ip route change default dev "$device"

# --- N-03: any destination, any port
anywhere() { # one of every first byte that is forwarded
	local i
	for i in 1 9 11 100 126 128 172 192 198 203 223; do
		in_far ip addr add "$i.1.2.3/32" dev lo
		inside ping -c 1 -W 2 "$i.1.2.3" || return 1
		in_far ip addr del "$i.1.2.3/32" dev lo
	done
}
check N-03_any_destination anywhere
nowhere() { # loopback in disguise is no destination
	local before
	before=$(dropped destination)
	inside "$HELPERS/hostile" "$device" 1 0 "$TOP/tests/fuzz/corpus/packet/loopback4" \
		"$TOP/tests/fuzz/corpus/packet/mapped6" || return 1
	within $((before + 1)) 1000000000 "$(dropped destination)"
}
check N-03_loopback_in_disguise_is_refused nowhere

# --- the same instance still forwards
check still_serves still_serves
check udp_afterwards inside "$HELPERS/udp" ping "$ECHO4" 7 0 1 1472 9000 65507
check ping_afterwards inside ping -c 1 -W 2 "$ECHO4"
check still_nobody_died same 0 "$(restarts)"
finish
