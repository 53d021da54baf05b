#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Route capture at run time: modes that change under traffic, what others do to routes and
# rules, IPv6 that must not leak, loops that must not spin; and what else is asked of it.

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/host.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/route.sh"

mode() { headrace mode --instance "$INSTANCE" "$@"; }
# by_itself: nothing of the kind goes to the TUN.
by_itself() { direct tcp "${TO4[forward]}" && direct udp "${TO6[forward]}"; }
captured() { forwarded tcp "${TO4[forward]}" && forwarded udp "${TO6[forward]}"; }

route_up
web_start

# N-40: modes, under traffic.
route_config table
must_up
sum=$(web_file slow.bin $((12 << 20)))
start slow nsenter --target "$HOST_PID" --net -- curl -sf --limit-rate 3M -o "$T/slow.bin" "http://$WEB4/slow.bin"
# shellcheck disable=SC2154 # set by start
slow=$started_pid
wait_for test -s "$T/slow.bin" || die "no download"
flips=0 lost=0
while ((flips < 10)) && mode firewall >/dev/null && mode dns >/dev/null; do
	answered_by tcp "${TO4[forward]}" >/dev/null || lost=$((lost + 1))
	flips=$((flips + 1))
done
check N-40_ten_changes_under_traffic same 10 $flips
check N-40_no_flow_is_lost_by_them same 0 $lost
wait_for -t 60 gone "$slow"
check N-40_an_open_flow_goes_on same "$sum" "$(sha256sum <"$T/slow.bin")"
check N-40_mode_dns same dns "$(mode dns)"
check N-40_new_flows_go_by_themselves by_itself
check N-40_the_stack_answers_dns resolves_here $TUN_STACK4
check N-40_what_is_asked_elsewhere_is_not_intercepted eval '! resolves_here 203.0.113.77'
check N-40_back_to_firewall eval 'same firewall "$(mode firewall)" && captured'
sed -i 's/route: table/route: {way: table, mode: dns}/' "$T/host.yaml"
check N-40_a_reload_sets_the_mode eval 'reload >/dev/null && by_itself && same dns "$(mode)"'
sed -i 's/mode: dns/mode: firewall/' "$T/host.yaml"
check N-40_and_back eval 'reload >/dev/null && captured'
sed -i 's/way: table/way: halves/' "$T/host.yaml"
no_other_way() {
	! reload >"$T/reload" 2>&1 && grep 'route: cannot change while' "$T/reload" || {
		cat "$T/reload"
		return 1
	}
	captured
}
check the_way_cannot_change_at_run_time no_other_way
stranger() { in_host setpriv --reuid 65533 --regid 65533 --clear-groups "$B/headrace" mode --instance "$INSTANCE" dns; }
only_root() {
	! stranger 2>"$T/stranger" && grep 'only root' "$T/stranger" || {
		cat "$T/stranger"
		return 1
	}
	same firewall "$(mode)"
}
check only_root_changes_the_mode only_root

# What others do.
flush() { in_host ip rule flush && in_host ip rule add priority 32766 lookup main && in_host ip -6 rule flush &&
	in_host ip -6 rule add priority 32766 lookup main; }
flush
check flushed_rules_are_put_back wait_for captured
in_host ip route flush table 26738
in_host ip -6 route flush table 26738
check flushed_routes_are_put_back wait_for captured
check status_counts_it eval '[ "$(json status .status.route.repaired)" -gt 10 ]'
in_host ip rule add priority 32767 lookup default
in_host ip rule add priority 32765 from $SECOND4 lookup 100
in_host ip -6 rule add priority 32765 from $SECOND6 lookup 100
check T-08_ip_route_get_shows_the_tun routed_to "$(tun)" 1.2.3.4
check T-08_and_by_our_mark_the_uplink routed_to uplink 1.2.3.4 mark $OWN_MARK

# Complaint 1: what is sent to the TUN's own addresses, and an upstream that is ourselves.
check the_tuns_own_address_is_the_hosts pings 10.0.0.2
check a_port_of_the_stack_without_service_is_refused eval \
	'in_host "$HELPERS/seen" ask tcp $TUN_STACK4 4444 | grep "^refused"'
in_host ip route add 192.0.2.99/32 dev "$(tun)" src $HOST4
before=$(($(dropped source)))
in_host ping -c 1 -W 1 192.0.2.99 &>/dev/null
check N-06_a_source_outside_the_tuns_subnets_is_dropped within $((before + 1)) $((before + 3)) \
	"$(($(dropped source)))"
check down_leaves_nothing eval 'down && as_before'

route_config table "dns=  upstreams: {ourselves: {type: plain, address: $TUN_STACK4}}"
must_up
spent() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
resolver=$(role_pids resolver)
ticks=$(spent "$resolver")
check an_upstream_that_is_ourselves_is_no_answer eval '! resolves_here 203.0.113.77'
check its_packets_are_dropped_as_a_loop within 1 1000 "$(dropped loop_averted)"
check and_cost_nothing within 0 50 $(($(spent "$resolver") - ticks))
down >/dev/null

# Complaint 9: without IPv6 on the TUN nothing goes round it.
for way in table halves; do
	route_config $way top='ipv6: false'
	must_up
	watch_start
	check "$way: without IPv6 it is refused at once" eval 'ask tcp "${TO6[forward]}" | grep "^refused"'
	ask udp "${TO6[forward]}" >/dev/null
	settled
	check "$way: and does not leak" eval '! arrived "(tcp|udp) $HOST6 .*"'
	check "$way: flows from outside are answered over IPv6" from_outside $HOST6
	check "$way: IPv4 is forwarded" forwarded tcp "${TO4[forward]}"
	down >/dev/null
done

# N-41 to N-43 under route capture.
route_config table "dns=  upstreams: {nsd: {type: plain, address: $DNS4}}
  policies: [{name: strict, only-resolved: true, block-quic: true}]"
must_up
fetch() { in_host curl -sfo /dev/null --max-time 5 "$1"; }
check N-42_an_address_that_nobody_resolved_is_refused eval '! fetch "http://$WEB4/"'
check N-41_resolving_opens_the_way fetch "http://www.$ZONE/"
check N-41_to_the_address_itself fetch "http://$WEB4/"
check N-42_is_counted within 1 10 "$(dropped unresolved)"
# There is somebody over there who would answer.
start_far quic "$HELPERS/udp" echo $WEB4 443
start_far quic6 "$HELPERS/udp" echo $WEB6 80
wait_for listening "$WEB4:443" && wait_for listening "[$WEB6]:80" || die "no servers"
check N-43_quic_is_refused_at_once eval 'in_host "$HELPERS/seen" ask udp $WEB4 443 | grep "^refused ECONNREFUSED"'
check N-43_over_IPv6_too eval 'in_host "$HELPERS/seen" ask udp $WEB6 80 | grep "^refused ECONNREFUSED"'
check N-43_both_are_counted within 2 20 "$(dropped quic)"
down >/dev/null

# Who wants its queries left alone gets what it asks, by UDP and TCP; the stack answers as ever.
route_config table "dns=  intercept: false
  upstreams: {nsd: {type: plain, address: $DNS4}}"
must_up
queries() { json status '[.status.roles[].dns_queries // 0] | add'; }
asks() { in_host dig +short +time=5 +tries=1 "$@" "www.$ZONE" | grep -x $WEB4; }
let_by() { asks @$DNS4 && asks +tcp @$DNS4 && same 0 "$(queries)"; }
check dns_is_not_answered_for_others eval '! resolves_here 203.0.113.77'
check but_carried_by_udp_and_tcp let_by
check and_the_stack_answers_both eval 'asks @$TUN_STACK4 && asks +tcp @$TUN_STACK4 && same 2 "$(queries)"'
sed -i '/intercept: false/d' "$T/host.yaml"
check a_reload_does_not_change_it_by_halves eval '! reload 2>/dev/null && ! resolves_here 203.0.113.77'
down >/dev/null

# Whoever removes the TUN takes its routes along; nothing is there that could refuse.
route_config host-routes when-down=closed
must_up
in_host ip link del "$(tun)"
check closed_or_not_it_ends_with_its_tun wait_for gone "$daemon_pid"
check and_everything_is_as_before as_before

# T-07: all values of one's own, three instances side by side; T-09: addresses that lead elsewhere.
T07_up() { # NUMBER
	route_config "{way: table, tun: dmesh$1, address: 10.11.$1.1/24, table: 13${1}8, priority: ${1}0, fwmark: 13${1}8,
    vips: [{at: \"10.10.$1.1:80\", to: \"${TO4[direct]}:$SEEN_PORT\"}]}" rules=
	daemon_of[$1]=''
	up && daemon_of[$1]=$daemon_pid instance_of[$1]=$INSTANCE
}
marked() { in_host "$HELPERS/slip" mark tcp "$2" "$3" "$1" | grep '^answered'; }
declare -A daemon_of instance_of
base=$$
for n in 3 4 5; do
	up() {
		INSTANCE=test-$base-$n
		in_host "$B/headrace" up --instance "$INSTANCE" -c "$T/host.yaml" >"$T/up.log" 2>&1 8>&- || {
			cat "$T/up.log"
			return 1
		}
		daemon_pid=$(json status .status.pid)
		ours "$daemon_pid" headraced
	}
	check "T-07 instance $n comes up beside the others" T07_up $n
done
for n in 3 4 5; do
	check "T-07 mark 13${n}8 leads to its TUN" routed_to dmesh$n 1.2.3.4 mark 13${n}8
	check "T-07 ... and is forwarded" marked 13${n}8 "${TO4[forward]}" $SEEN_PORT
	check "T-09 an address of its own leads to its server" marked 13${n}8 10.10.$n.1 80
done
check T-07_what_has_no_mark_is_not_captured by_itself
for n in 3 4 5; do
	INSTANCE=${instance_of[$n]} daemon_pid=${daemon_of[$n]}
	check "T-07 instance $n goes without the others" down
done
check T-07_everything_is_as_before as_before

finish
