#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Policies that let their clients reach only what they have resolved here, and that refuse
# QUIC: TCP and UDP, IPv4 and IPv6, refused at once, and other policies' clients not at all.
# nsd, nginx and the echo server are the far side. (Expiry runs on aged entries in
# tests/bpf/test_admit.c.)
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
web_start
echo_start
OTHER4=10.0.0.77
cat >"$T/conf.yaml" <<-END
	log: info
	dns:
	  upstreams: {nsd: {type: plain, address: $DNS4}}
	  groups: {default: {upstreams: [nsd]}}
	  policies:
	    - {name: free, clients: [$OTHER4/32]}
	    - {name: strict, only-resolved: true, block-quic: true}
END
session_start -c "$T/conf.yaml"
inside ip addr add $OTHER4/32 dev "$(device)"

# at_once STATUS COMMAND...: fails so within 2 s (it would be 10 s and more by a timeout).
at_once() {
	local status=$1 got=0
	shift
	timeout 2 "$@" || got=$?
	same "$status" "$got"
}
# curl: 7 = refused
fetch() { inside curl -sfo /dev/null --max-time 8 "$@"; }
refused() { at_once 7 nsenter --target "$session_command" --net --mount -- curl -sfo /dev/null "$@"; }
udp() { inside socat -t 3 - "UDP:$1,connect-timeout=3" <<<"hello" 2>&1; }
udp_refused() { udp "$1" | grep -q refused; }
udp_answers() { udp "$1" | grep -q hello; }

check N-42_tcp_to_an_address_that_nobody_resolved_is_refused refused "http://$WEB4/"
check N-42_tcp_by_ipv6_too refused "http://[$WEB6]/"
check N-42_udp_is_refused_by_icmp udp_refused "$ECHO4:7"
check N-42_udp_by_ipv6_too udp_refused "[$ECHO6]:7"
check N-42_refusals_are_counted within 4 40 "$(dropped unresolved)"
check another_policys_client_is_unaffected fetch --interface $OTHER4 "http://$WEB4/"

check N-42_resolving_opens_the_way fetch "http://www.$ZONE/"
check N-42_and_to_the_address_itself fetch "http://$WEB4/"
check N-42_by_ipv6_once_it_is_resolved eval 'inside dig +short +tries=1 "www.$ZONE" AAAA >/dev/null &&
	fetch "http://[$WEB6]/"'
check N-42_what_others_resolve_does_not_count refused "http://$ECHO4/"
check the_kernels_answers_keep_it_open eval 'inside dig +short +tries=1 "www.$ZONE" >/dev/null &&
	fetch "http://$WEB4/"'

# QUIC: refused at once even where the name was resolved; TCP to the same place is not.
# There is somebody over there who would answer.
start_far quic "$HELPERS/udp" echo $WEB4 443
start_far quic6 "$HELPERS/udp" echo $WEB6 80
wait_for listening "$WEB4:443" && wait_for listening "[$WEB6]:80" || die "no servers"
check N-43_another_policys_client_is_answered eval \
	'inside socat -t 3 - "UDP:$WEB4:443,bind=$OTHER4" <<<hello | grep -q hello'
check N-43_quic_is_refused_at_once udp_refused "$WEB4:443"
check N-43_http_3_on_port_80_too udp_refused "[$WEB6]:80"
check N-43_is_counted within 2 20 "$(dropped quic)"
check N-43_tcp_to_the_same_place_passes fetch "http://$WEB4:80/"

# The refusals are shown with both ends and the reason.
logged() { grep -qE "blocked 10\.[0-9.]+:[0-9]+ -> $WEB4:$1 \\($2" "$T/session.log"; }
check N-42_a_refusal_is_logged_with_source_and_destination logged 80 'not resolved via DNS'
check N-43_so_is_quic logged 443 'QUIC is blocked'
session_stop
finish
