#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Loopback as a capture point: local servers are reached through a worker by 127.0.0.1 and ::1,
# as is a resolver there (loopback: true); or only the resolver's queries are captured
# (loopback: dns), which names the application that asked. Nothing of lo is left changed.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"
host_up
dns_start
start_host local "$HELPERS/seen" serve 7070 127.0.0.1 ::1
wait_for in_host "$HELPERS/seen" ask tcp 127.0.0.1 7070 || die "no local server"
sum=$(head -c 3000000 /dev/urandom | tee "$T/big" | sha256sum)

settings() { in_host sysctl -n net.ipv4.conf.{lo,all,default}.{accept_local,route_localnet}; }
before=$(settings)
ask() { in_host "$HELPERS/seen" ask "$@"; }
status() { json status "$1"; }
captured() { status .status.kernel.captured; }
flow() { json flows "select(.flow.capture == \"loopback\" and $1)" | grep -q .; }

# More packets than before have gone to the TUN.
by_worker() { # COMMAND...: succeeds, and by a worker
	local n
	n=$(captured)
	"$@" && [ "$(captured)" -gt "$n" ]
}
answers() { # tcp|udp ADDRESS
	[ "$(ask "$1" "$2" 7070 | cut -d' ' -f1,3)" = "answered $2" ]
}
pings() { in_host "$HELPERS/seen" ping "$1" | grep -q ^answered; }
refuses() { ask "$1" "$2" 9 | grep -q '^refused ECONNREFUSED'; }

# --- everything on loopback -------------------------------------------------------------------

host_config loopback=true uplinks=none lan='[]' default=forward
must_up
check T-12_loopback_is_a_capture_point same loopback \
	"$(status '.status.captures[] | select(.device == "lo") | .point')"
for address in 127.0.0.1 ::1; do
	check "T-12_tcp_by_${address}_goes_through_a_worker" by_worker answers tcp "$address"
	check "T-12_udp_by_${address}_goes_through_a_worker" by_worker answers udp "$address"
	check "T-12_ping_of_${address}_goes_through_a_worker" by_worker pings "$address"
	check "T-12_refused_tcp_by_${address}_is_refused" by_worker refuses tcp "$address"
	check "T-12_refused_udp_by_${address}_is_refused" by_worker refuses udp "$address"
done
check T-12_flow_names_its_owner flow '.flow.process == "seen" and .flow.verdict == "forward"'
web_local() { # ADDRESS: one connection that carries a lot, both ends on this host
	in_host timeout 30 python3 - "$T/big" "$1" <<-'END' | sha256sum
		import socket, sys, threading
		data = open(sys.argv[1], "rb").read()
		family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
		server = socket.create_server((sys.argv[2], 0), family=family)
		def serve():
		    c = server.accept()[0]
		    c.sendall(data)
		    c.close()
		threading.Thread(target=serve).start()
		c = socket.create_connection(server.getsockname()[:2])
		while True:
		    part = c.recv(65536)
		    if not part:
		        break
		    sys.stdout.buffer.write(part)
	END
}
bulk() { same "$sum" "$(web_local "$1")"; }
check T-12_bytes_arrive_whole by_worker bulk 127.0.0.1
check T-12_bytes_arrive_whole_by_ipv6 by_worker bulk ::1
check T-12_own_addresses_are_no_loopback eval \
	'n=$(captured); in_host "$HELPERS/seen" ping '$HOST4' | grep -q answered && same "$n" "$(captured)"'
looks_up() { same "$WEB4" "$(in_host dig +short +tries=1 +time=5 @127.0.0.53 "www.$ZONE")"; }
check T-12_queries_to_a_resolver_on_loopback_are_answered by_worker looks_up
check T-12_settings_of_lo_alone_are_changed same "1 1 0 0 0 0" "$(settings | xargs)"
down
check nothing_of_lo_stays_changed same "$before" "$(settings)"

# --- by rules ---------------------------------------------------------------------------------

host_config loopback=true uplinks=none lan='[]' rules='  - {port: [7070], action: direct}
  - {port: [9], protocol: [tcp], action: drop}
  - {action: reject}'
must_up
rules_hold() { n=$(captured); answers tcp 127.0.0.1 && answers udp ::1 && same "$n" "$(captured)"; }
check T-12_a_rule_lets_pass wait_for rules_hold
explained() { # WANTED DEST
	same "$1" "$(in_host "$B/headrace" explain --instance "$INSTANCE" --json "$2" |
		jq -r 'select(.explained) | .explained | "\(.verdict) \(.decides)"')"
}
check T-12_a_rule_is_explained explained "reject true" 127.0.0.1:10
check T-12_a_rule_is_explained_by_ipv6 explained "direct true" "[::1]:7070"
check T-12_own_addresses_are_no_rules_matter explained "reject false" $HOST4:10
check T-12_a_rule_drops eval 'ask tcp 127.0.0.1 9 | grep -q silent'
check T-12_a_rule_refuses eval 'ask tcp ::1 10 | grep -q "refused ECONNREFUSED" &&
	ask udp 127.0.0.1 10 | grep -q "refused ECONNREFUSED"'
direct_told() { flow '.flow.verdict == "direct" and .flow.process == "seen" and .flow.bytes_down > 0'; }
check T-12_direct_flows_are_seen_both_ways direct_told

# --- killed, and taken over -------------------------------------------------------------------

kill -KILL "$daemon_pid"
wait_for gone "$daemon_pid"
check killed_it_opens_loopback_again wait_for answers tcp 127.0.0.1
in_host "$B/headrace" down --instance "$INSTANCE" >"$T/down" 2>&1
check down_after_that_restores_lo same "$before" "$(settings)"

# --- queries alone ----------------------------------------------------------------------------

host_config loopback=dns uplinks=none lan='[]' default=forward
must_up
check T-12_dns_queries_are_captured by_worker looks_up
named() { headrace dns log --instance "$INSTANCE" --json |
	jq -es 'any(.[].dns; .name == "www.'"$ZONE"'" and .process == "dig")' >"$T/named"; }
check T-12_the_application_that_asked_is_named wait_for named
others_pass() { n=$(captured); answers tcp 127.0.0.1 && answers udp ::1 && same "$n" "$(captured)"; }
check T-12_nothing_else_is others_pass
check T-12_and_no_flow_of_it_is_kept eval '! flow ".flow.verdict == \"direct\""'
down
check nothing_of_lo_stays_changed_after_all same "$before" "$(settings)"
finish
