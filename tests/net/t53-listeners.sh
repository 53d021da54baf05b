#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Listeners of the configuration: sockets of the host beside the stack's address, by UDP and
# TCP, loopback and wildcard, below port 1024; who is answered there; connections and queries
# that are bounded.
#
#   host: 127.0.0.1:53  [::1]:53  0.0.0.0:5353  [::]:5353      far: foreign and allowed clients
#
# shellcheck disable=SC2154 # session is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
HOST4=172.31.255.1 HOST6=fd31:255::1
FOREIGN=203.0.113.66 ALLOWED=203.0.113.67
in_far ip addr add $FOREIGN/32 dev lo
in_far ip addr add $ALLOWED/32 dev lo
cat >"$T/conf.yaml" <<-END
	dns:
	  listen: ["127.0.0.1:53", "[::1]:53", "0.0.0.0:5353", "[::]:5353"]
	  allow: [$ALLOWED/32]
	  upstreams:
	    nsd: {type: plain, address: $DNS4}
	  groups:
	    default: {upstreams: [nsd]}
END
session_start -c "$T/conf.yaml"

host_dig() { in_host dig +tries=1 +time=6 "$@"; }
far_dig() { in_far dig +tries=1 +time=6 "$@"; }
short() { "$1" +short "${@:2}"; }
status_of() { "$@" | sed -nE 's/.*status: ([A-Z]+),.*/\1/p'; }

for at in 127.0.0.1 ::1; do
	check "C-01_udp_$at" same $WEB4 "$(short host_dig @$at "www.$ZONE")"
	check "C-01_tcp_$at" same $WEB6 "$(short host_dig @$at +tcp "www.$ZONE" AAAA)"
done
# The answer comes from the address that was asked: dig takes no other.
for at in 127.9.8.7 $HOST4 $HOST6; do
	check "C-01_udp_to_a_socket_for_all_addresses_$at" same $WEB4 \
		"$(short host_dig @$at -p 5353 "www.$ZONE")"
done
check C-01_udp_from_another_machine same $WEB4 "$(short far_dig @$HOST4 -p 5353 "www.$ZONE")"
check C-01_udp_from_another_machine_by_ipv6 same $WEB4 \
	"$(short far_dig @$HOST6 -p 5353 "www.$ZONE")"
check C-01_tcp_from_another_machine same $WEB4 \
	"$(short far_dig @$HOST4 -p 5353 +tcp "www.$ZONE")"
# A client that has a link-local address alone can be answered by its device only.
in_host ip addr add fe80::1/64 dev uplink nodad
in_far ip addr add fe80::2/64 dev wire nodad
check C-01_udp_from_a_link_local_address same $WEB4 \
	"$(short far_dig "@fe80::1%wire" -p 5353 "www.$ZONE")"
check the_stack_answers_as_ever same $WEB4 "$(inside dig +short +tries=1 "www.$ZONE")"

# Who is not loopback, private, link-local or in 100.64/10 is refused, unless allowed.
check C-02_a_foreign_client_is_refused same REFUSED \
	"$(status_of far_dig @$HOST4 -p 5353 -b $FOREIGN "www.$ZONE")"
check C-02_a_foreign_client_is_refused_by_tcp same REFUSED \
	"$(status_of far_dig @$HOST4 -p 5353 -b $FOREIGN +tcp "www.$ZONE")"
check C-02_an_allowed_one_is_answered same $WEB4 \
	"$(short far_dig @$HOST4 -p 5353 -b $ALLOWED "www.$ZONE")"
check C-02_refusals_are_counted within 2 2 "$(dropped dns_foreign)"

# RFC 7766: many queries on one connection, answered as they are done.
check pipelined_queries_on_one_connection same 20 \
	"$(printf '%s\n' "www.$ZONE"{,,,,,,,,,,,,,,,,,,,} >"$T/names"
	host_dig @127.0.0.1 +tcp +keepopen +short -f "$T/names" | grep -cx $WEB4)"

# Connections of one client are bounded; the others are answered meanwhile.
streams() { json status '.status.budgets[] | select(.budget == "dns_streams") | .used'; }
hog() {
	local limit
	limit=$(json status '.status.budgets[] | select(.budget == "dns_streams") | .limit_per_source')
	# shellcheck disable=SC2016 # expanded by the inner shell
	start_far hog bash -c 'for ((i = 0; i < $1; i++)); do
		exec {fd}<>/dev/tcp/$2/5353 || exit 1; done; echo all; read -r line <"$3"' - \
		"$((limit + 20))" $HOST4 "$T/hog"
	hog=$started_pid
	wait_for -t 20 grep -q all "$T/hog.log" || return 1
	same $WEB4 "$(short host_dig @127.0.0.1 +tcp "www.$ZONE")" &&
		within 1 "$limit" "$(streams)"
}
mkfifo "$T/hog"
check connections_of_one_client_are_bounded hog
echo >"$T/hog"
wait_for gone "$hog"

# A port that is taken is told with its line, and nothing is changed.
taken() {
	in_host "$B/headrace" run --quiet -c "$T/conf.yaml" -- true >"$T/taken" 2>&1 && return 1
	grep -qE 'conf\.yaml:2: .*127\.0\.0\.1:53.*in use' "$T/taken" && return 0
	cat "$T/taken"
	return 1
}
check C-01_an_address_that_is_taken_is_told_with_its_line taken
session_stop
finish
