#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A host with containers, a LAN and a firewall of its own: published ports, containers of one
# bridge, the firewall's rules, the order of rules, DNS before them, a ruleset that somebody
# flushes, a kernel without tcx links; and no port that is closed looks open.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
dns_start
web_start
start_in "$BOX1_PID" published "$HELPERS/seen" serve 80 $BOX4 $BOX6
start_in "$BOX2_PID" neighbour "$HELPERS/seen" serve $SEEN_PORT 172.18.0.3 fd31:18::3
start_far guarded "$HELPERS/seen" serve 7100 "${TO4[direct]}" "${TO4[forward]}"
wait_for listening ":7100" || die "no server"
in_host nft insert rule inet filter forward tcp dport 7100 reject with tcp reset

answer() { in_"$1" "$HELPERS/seen" ask "$2" "$3" "$4"; }
answers() { answer "$@" | tee /dev/stderr | grep -q ^answered; }
refuses() { answer "$@" | tee /dev/stderr | grep -q '^refused ECONNREFUSED'; }
# carried, native: whether the far side sees another port than the application has.
carried() { within_words "$(answer "$@")" differ; }
native() { within_words "$(answer "$@")" same; }
within_words() {
	local words
	read -ra words <<<"$1"
	echo "$1"
	[ "${words[0]}" = answered ] || return 1
	if [ "$2" = same ]; then [ "${words[1]}" = "${words[3]}" ]; else [ "${words[1]}" != "${words[3]}" ]; fi
}

published() {
	answers far tcp $HOST4 $PUBLISHED && answers far tcp $HOST6 $PUBLISHED &&
		answers desk tcp $HOST4 $PUBLISHED && answers host tcp $HOST4 $PUBLISHED &&
		answers far tcp $SECOND4 $PUBLISHED
}
between_containers() { # the other one sees the container's own address
	local proto
	for proto in tcp udp; do
		same $BOX4 "$(answer box1 $proto 172.18.0.3 $SEEN_PORT | awk '{ print $3 }')" &&
			same $BOX6 "$(answer box1 $proto fd31:18::3 $SEEN_PORT | awk '{ print $3 }')" ||
			return 1
	done
	in_box1 ping -n -c 1 -W 5 172.18.0.3 && in_box1 ping -6 -n -c 1 -W 5 fd31:18::3
}
resolves_at() { in_"$1" dig +short +tries=1 +time=4 "@$2" "www.$ZONE" | grep -qx $WEB4; }

check without_headrace_published published
check without_headrace_between_containers between_containers
check without_headrace_the_firewall_refuses refuses desk tcp "${TO4[direct]}" 7100

# --- everything is forwarded ---

# Devices by pattern, the ports of the captured bridge among them: those are left alone.
host_config lan="['br-*', 'box*p', lan0]" default=forward \
	rules="  - {name: direct, destination: [${TO4[direct]}, '${TO6[direct]}'], action: direct}"
must_up
check published_ports_work published
check containers_of_one_bridge_are_left_alone between_containers
for client in host box1 desk; do
	check "all_is_forwarded_of_$client" carried $client tcp "${TO4[forward]}" $SEEN_PORT
	check "the_rule_says_direct_of_$client" native $client tcp "${TO6[direct]}" $SEEN_PORT
done
check the_firewall_goes_on_with_what_is_direct refuses desk tcp "${TO4[direct]}" 7100
check what_is_forwarded_does_not_pass_it carried desk tcp "${TO4[forward]}" 7100

# Every one of these ports is closed over there, and none looks open.
closed() {
	local client port
	for client in host box1 desk; do
		for port in 1 22 23 25 110 143 443 3306 5432 65535; do
			refuses $client tcp "${TO4[forward]}" $port || return 1
		done
		refuses $client tcp "${TO6[forward]}" 443 && refuses $client udp "${TO4[forward]}" 9 || return 1
	done
}
check no_closed_port_looks_open closed
in_far sysctl -qw net.ipv4.ip_forward=1
in_far ip route add unreachable 198.51.100.97
nobody() {
	local got
	got=$(answer host tcp 198.51.100.97 80)
	echo "$got"
	[[ $got =~ ^refused\ E(HOST|NET)UNREACH\  ]]
}
check nobody_there_is_said nobody

# --- a prefix that is the host's own as a whole (AnyIP) ---

any4=198.18.0.5 any6=fd31:a::5
in_far ip addr add $any4/32 dev lo
in_far ip addr add $any6/128 dev lo nodad
start_far elsewhere "$HELPERS/seen" serve $SEEN_PORT $any4 $any6
in_host nft "add rule inet filter input meta l4proto { tcp, udp } th dport $SEEN_PORT accept"
anyip() { # add|del
	in_host ip route "$1" local 198.18.0.0/24 dev lo &&
		in_host ip -6 route "$1" local fd31:a::/48 dev lo
}
of_all() { # carried|native
	local client proto address
	for client in desk box1; do
		for proto in tcp udp; do
			for address in $any4 $any6; do $1 $client $proto $address $SEEN_PORT || return 1; done
		done
	done
}
why_passed() { # WANTED ADDRESS
	same "$1" "$(in_host "$B/headrace" explain --instance "$INSTANCE" --json --client $DESK4 "$2" |
		jq -r 'select(.before) | .before.why')"
}
check what_is_elsewhere_is_forwarded wait_for of_all carried
check a_prefix_becomes_local anyip add
in_host sysctl -qw net.ipv6.ip_nonlocal_bind=1 # of IPv6 only single addresses can be bound
start_host own-prefix "$HELPERS/seen" serve $SEEN_PORT $any4 $any6
check it_is_the_hosts_own wait_for -t 20 of_all native
check that_is_explained why_passed "it is one of the host's own addresses" $any4:80
check an_address_beside_it_is_not why_passed '' 198.18.1.5:80
check it_is_local_no_more anyip del
check it_is_forwarded_again wait_for -t 20 of_all carried

# --- what somebody else does to the firewall ---

in_host nft flush ruleset
check after_a_flush_all_is_forwarded carried host udp "${TO6[forward]}" $SEEN_PORT
check after_a_flush_of_clients_too carried desk udp "${TO6[forward]}" $SEEN_PORT
firewall | in_host nft -f -
in_host nft insert rule inet filter forward tcp dport 7100 reject with tcp reset
check with_it_again_published_ports_work published
check down down
check after_down_published published

# --- the order of rules ---

# DNS comes first: where its servers are is no matter of rules about flows.
host_config lan="[br-box, lan0]" rules="  - {name: servers, destination: [192.0.2.0/24], action: direct}
  - {name: shut, destination: [192.0.2.0/24, 198.51.100.0/24], port: [53, 9000-9999], action: reject}
  - {name: wide, destination: [198.51.100.0/24, '2001:db8:100::/48'], action: forward}
  - {name: narrow, destination: ['${TO4[direct]}'], action: reject}"
must_up
for client in host box1 desk; do
	check "dns_comes_before_rules_of_$client" resolves_at $client 192.0.2.77
	check "the_first_rule_wins_of_$client" carried $client tcp "${TO4[direct]}" $SEEN_PORT
done
check an_earlier_rule_with_more_conditions refuses desk tcp "${TO4[direct]}" 9500
check hits_of_a_rule_that_never_decides same 0 "$(rule_hits narrow)"
check down_again down

# --- a bridge whose ports are captured ---

host_config lan="[br-box, {name: 'box*p', bridged: true}]" \
	rules="  - {name: between, source: [$BOX4, '$BOX6'], destination: [172.18.0.3, 'fd31:18::3'], action: reject}"
must_up
bridged() {
	local proto
	for proto in tcp udp; do
		refuses box1 $proto 172.18.0.3 $SEEN_PORT && refuses box1 $proto fd31:18::3 $SEEN_PORT || return 1
	done
}
check a_rule_about_containers_holds_on_the_bridge bridged
check the_other_way_is_open answers box2 tcp $BOX4 80
check what_the_bridge_forwards_is_direct native box1 tcp "${TO4[direct]}" $SEEN_PORT
check down_after_that down

# --- a kernel without tcx links ---

host_config attach=clsact default=forward
must_up
check clsact_is_said same clsact "$(json status '.status.features.attach')"
for client in host box1 desk; do
	check "by_clsact_all_is_forwarded_of_$client" carried $client tcp "${TO6[forward]}" $SEEN_PORT
done
check by_clsact_published_ports_work published
check down_at_last down
check no_qdisc_is_left eval '! in_host tc qdisc show | grep -q clsact'
finish
