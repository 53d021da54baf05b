#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is seen of a whole host: each flow with its owner, rule and carrier, also those that pass
# as they are; the rules with their counters; what decides and why; what stands in the way.
# shellcheck disable=SC2154 # set by lib.sh and host.sh
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
web_start
dns_start
for verdict in direct forward; do
	start_far "tcp-$verdict" "$HELPERS/tcp" serve "${TO4[$verdict]}" 9
	wait_for listening "${TO4[$verdict]}:9" || die "no TCP server for $verdict"
done

host_config loopback=false rules="$(host_rules)
  - {name: named, domain: .$ZONE, port: [80], action: forward}"
must_up

hold straight "${TO4[direct]}" "$HOST_PID" || die "no direct connection"
hold carried "${TO4[forward]}" "$HOST_PID" || die "no forwarded connection"
hold client "${TO4[forward]}" "$DESK_PID" || die "no connection of the client"

# --- flows -----------------------------------------------------------------------------------

# flow FILTER-OPTIONS... JQ: of the flows that the options leave.
flow() {
	in_host "$B/headrace" flows --instance "$INSTANCE" --json "${@:1:$#-1}" |
		jq -r ".flow | ${*: -1}"
}
of_straight() { flow --dest "${TO4[direct]}" --port 9 "$1"; }
of_carried() { flow --dest "${TO4[forward]}" --port 9 --capture egress "$1"; }
of_client() { flow --client $DESK4 --port 9 "$1"; }

check a_direct_flow_is_there_with_verdict_rule_and_carrier same "direct direct kernel egress" \
	"$(of_straight '"\(.verdict) \(.rule_name) \(.carrier) \(.capture)"')"
check it_has_its_process_and_user same "bash 0" "$(of_straight '"\(.process) \(.uid)"')"
check the_process_is_the_one_that_connected same "$straight_pid" "$(of_straight .pid)"
check its_cgroup_is_that_of_its_process same \
	"$(sed -n 's/^0:://p' "/proc/$straight_pid/cgroup")" "$(of_straight .cgroup)"
check a_forwarded_flow_is_carried_by_a_worker same "forward forward worker $carried_pid" \
	"$(of_carried '"\(.verdict) \(.rule_name) \(.carrier[:6]) \(.pid)"')"
check its_bytes_are_counted same "10 5" "$(of_carried '"\(.bytes_up) \(.bytes_down)"')"
desk_mac=$(in_desk ip -o link show eth0 | sed 's/.*ether \([0-9a-f:]*\).*/\1/')
check T-03_a_clients_flow_has_its_address_mac_and_device same "$DESK4 $desk_mac lan0 lan" \
	"$(of_client '"\(.saddr) \(.mac) \(.device) \(.capture)"')"
check filters_leave_what_they_say same "$straight_pid" "$(flow --pid "$straight_pid" .pid)"
check a_rule_is_a_filter same "forward forward" \
	"$(flow --rule forward --proto tcp .verdict | sort | xargs)"
check nobody_is_left_where_nothing_fits same '' "$(flow --process nosuch .pid)"
pattern="^bash/$straight_pid +root .*${TO4[direct]}:9 +tcp +direct +direct +kernel +open"
people_read() { headrace flows --instance "$INSTANCE" --sort time | tee "$T/shown" | grep -E "$pattern"; }
check people_read_the_same people_read
in_host dig +short +tries=2 +time=5 @192.0.2.99 www.$ZONE >"$T/dig"
check its_dns_is_answered grep -q "$WEB4" "$T/dig"
fetch() { in_host curl -sf -m 10 -o /dev/null "http://$WEB4/"; }
check a_rule_by_name_forwards_what_was_resolved fetch
start_host browser bash -c "exec 3<>/dev/tcp/$WEB4/80; exec sleep infinity 3<&3"
named_flow() { same "www.$ZONE" "$(flow --rule named .domain | head -1)"; }
check the_flow_has_its_name wait_for named_flow

# --- packets: what is forwarded passes the TUN, what is direct does not

start_host dump "$B/headrace" dump --instance "$INSTANCE" -w "$T/dump.pcapng"
dump=$started_pid
wait_for grep -q "end it by" "$T/dump.log"
fetch && in_host "$HELPERS/seen" ask tcp "${TO4[direct]}" $SEEN_PORT >/dev/null
kill -INT "$dump"
wait_for gone "$dump"
packets() { tcpdump -nr "$T/dump.pcapng" "$@" 2>/dev/null | wc -l; }
check T-05_forwarded_packets_are_dumped test "$(packets "src $WEB4 and tcp port 80")" -gt 2
check T-05_and_direct_ones_are_not same 0 "$(packets "host ${TO4[direct]} and port $SEEN_PORT")"

# --- rules -----------------------------------------------------------------------------------

hits=$(rule_hits named)
check a_rule_counts_what_it_decides test "${hits:-0}" -ge 1
check another_flow_by_it fetch
more_hits() { [ "$(rule_hits named)" -gt "$hits" ]; }
check and_goes_on_counting wait_for more_hits
check the_list_is_in_order same "direct forward reject drop named" "$(json rules \
	'select(.rule) | .rule.name' | xargs)"

# --- explain ---------------------------------------------------------------------------------

explain() { in_host "$B/headrace" explain --instance "$INSTANCE" --json "$@"; }
says() {
	explain "$@" | jq -r 'select(.explained) | .explained | "\(.verdict) \(.rule_name) \(.decides)"'
}
for verdict in "${verdicts[@]}"; do
	check "explain_says_${verdict}_by_its_rule" same "$verdict $verdict true" \
		"$(says "${TO4[$verdict]}:80")"
	check "explain_says_${verdict}_of_a_client_by_IPv6" same "$verdict $verdict true" \
		"$(says --client $DESK6 "[${TO6[$verdict]}]:80")"
done
check explain_knows_the_name_that_was_resolved same "forward named true" \
	"$(says www.$ZONE:80 | head -1)"
check another_port_fails_by_that_condition_alone same port "$(explain "$WEB4:81" |
	jq -r 'select(.tried.rule_name == "named") | .tried.failed[]')"
check what_nobody_resolved_is_said same domain "$(explain "198.51.100.99:80" |
	jq -r 'select(.tried.rule_name == "named") | .tried.unknown[]')"
check dns_comes_before_the_rules same dns "$(explain --proto udp 198.51.100.99:53 |
	jq -r 'select(.before) | .before.verdict')"
check the_hosts_own_addresses_come_before_the_rules same "direct false" "$(explain $HOST4:80 |
	jq -r 'if .before then .before.verdict elif .explained then .explained.decides else empty end' |
	xargs)"
check routes_are_told same uplink "$(explain 198.51.100.99:80 |
	jq -r 'select(.facts) | .facts.route.device')"
check a_process_is_looked_at_as_it_is_now same sleep \
	"$(explain --pid "$straight_pid" 198.51.100.99:80 |
	jq -r 'select(.facts) | .facts.process')"

# --- doctor ----------------------------------------------------------------------------------

in_host "$B/headrace" doctor --instance "$INSTANCE" --json >"$T/doctor" 2>&1
doctor_status=$?
finds() { # AREA PATTERN
	jq -r "select(.finding.area == \"$1\") | .finding | \"\(.level) \(.text)\"" "$T/doctor" |
		grep -E "$2" || { cat "$T/doctor"; return 1; }
}
check doctor_says_that_forwarded_flows_pass_no_forward_chain finds firewall \
	'^warning chain inet filter forward'
check doctor_tells_by_its_status same 1 $doctor_status
check doctor_finds_the_instance finds instance "^ok $INSTANCE:"
check doctor_knows_its_own_programs finds hooks '^ok [1-9][0-9]* programs of headrace'

# --- following -------------------------------------------------------------------------------

start_host follow "$B/headrace" flows --follow --json --instance "$INSTANCE" --dest "${TO4[direct]}"
follow_pid=$started_pid
check following_begins_with_what_there_is wait_for grep -q '"listed"' "$T/follow.log"
talk() { in_host bash -c "exec 3<>/dev/tcp/$1/9; printf 'echo\nhello' >&3; head -c 5 <&3 >/dev/null"; }
talk "${TO4[direct]}"
told() {
	jq -c "select(.event.type == \"$1\" and .event.verdict == \"direct\")" "$T/follow.log" | grep .
}
check a_direct_flow_is_told_when_it_opens wait_for told new
check and_when_it_ends wait_for told end
talk "${TO4[forward]}"
talk "${TO4[direct]}"
two() { [ "$(told new | wc -l)" -ge 2 ]; }
check later_ones_too wait_for two
check what_the_filter_leaves_out_is_not_told same '' \
	"$(jq -r 'select(.event.verdict == "forward") | .event.daddr' "$T/follow.log")"
stop "$follow_pid"
start_host screen script -qfc "$B/headrace flows --follow --sort rate --instance $INSTANCE" /dev/null
screen_pid=$started_pid
drawn() { [ "$(grep -c 'flows, by rate' "$T/screen.log")" -ge 3 ]; }
check on_a_terminal_the_table_is_drawn_anew wait_for drawn
check with_what_there_is grep -q "bash/$straight_pid" "$T/screen.log"
stop "$screen_pid"
for pid in "$straight_pid" "$carried_pid" "$client_pid" "$(flow --rule named .pid | head -1)"; do
	stop "$pid"
done
check it_ends_in_order down
finish
