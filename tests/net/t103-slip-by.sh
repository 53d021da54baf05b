#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Ways to slip by a rule: by the socket, by routes and devices, by the packet. Each is first
# shown to reach the far side without Headrace, by TCP and UDP, IPv4 and IPv6 (as far as it
# has them); with it, nothing of it arrives. A rule refuses where they go; each try has a port
# of its own there, by which the watcher on the far side knows it.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
in_host sysctl -qw net.ipv4.tcp_fastopen=1 net.mptcp.enabled=1
to4=${TO4[reject]} to6=${TO6[reject]}
first_port=20000
NOT=9 # there is no such way by this protocol or family

mac_of() { in_far ip -o link show "$1" | sed -E 's:.*link/ether ([^ ]*).*:\1:'; }
wire_mac=$(mac_of wire) wire2_mac=$(mac_of wire2)

# Whatever port they go to, the far side's server answers.
in_far nft -f - <<-END || die "no servers"
	table inet ports {
		chain prerouting {
			type nat hook prerouting priority -100;
			meta l4proto { tcp, udp } th dport $first_port-$((first_port + 999)) dnat to :$SEEN_PORT
		}
	}
END

# A namespace whose packets the host forwards: they are captured where they come in.
namespace POD_PID
link pod0 "$HOST_PID" 172.19.0.1/24 fd31:19::1/64 eth0 "$POD_PID" 172.19.0.2/24 fd31:19::2/64
in_ns "$POD_PID" ip route add default via 172.19.0.1
in_ns "$POD_PID" ip -6 route add default via fd31:19::1
in_host nft -f - <<-END || die "no forwarding"
	add rule inet filter forward iifname pod0 accept
	add rule ip nat postrouting ip saddr 172.19.0.0/24 masquerade
	add rule ip6 nat postrouting ip6 saddr fd31:19::/64 masquerade
END
device_mac() { in_host ip -o link show "$1" | sed -E 's:.*link/ether ([^ ]*).*:\1:'; }
# The bridge's address is not that of the port.
in_host ip link set br-box address 02:00:00:00:18:01
for name in "$BOX1_PID" "$BOX2_PID"; do in_ns "$name" ip neigh flush all; done
pod_mac=$(device_mac pod0) port_mac=$(device_mac box1p)

# --- the ways ---
# Each is a function; $proto, $to, $port and $six ('' or 6) say where to.

slip() { in_host "$HELPERS/slip" "$1" "$proto" "$to" "$port" "${@:2}"; }
own() { [ "$six" ] && echo $HOST6 || echo $HOST4; }
own2() { [ "$six" ] && echo $SECOND6 || echo $SECOND4; }
only() { [ "$proto" = "$1" ]; }

plain() { slip plain; }
bound_to_device() {
	in_host setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$HELPERS/slip" device "$proto" "$to" "$port" uplink
}
bound_to_second_device() { slip device uplink2; }
bound_to_source() { slip source "$(own)"; }
by_source_in_another_table() { slip source "$(own2)"; }
unicast_if() { slip unicast-if uplink2; }
pktinfo() { only udp || return $NOT; slip pktinfo uplink2; }
spoofed_mark() { slip mark "$OWN_MARK"; }
used_elsewhere_before() {
	slip elsewhere "$([ "$six" ] && echo "${TO6[direct]}" || echo "${TO4[direct]}")" $SEEN_PORT
}
v4_mapped() { [ -z "$six" ] || return $NOT; slip mapped; }
ip_options() { slip options; }
fast_open() { only tcp || return $NOT; slip fast-open; }
multipath() { only tcp || return $NOT; slip mptcp; }
explicit_congestion() {
	local status
	only tcp || return $NOT
	in_host sysctl -qw net.ipv4.tcp_ecn=1
	slip plain
	status=$?
	in_host sysctl -qw net.ipv4.tcp_ecn=2
	return $status
}
udp_lite() { only udp || return $NOT; slip udplite; }
segmented() { only udp || return $NOT; slip gso; }
cut_by_the_kernel() { only udp || return $NOT; slip large; }
raw_socket() { slip raw "$(own)"; }
cut_in_the_header() { slip fragments "$(own)"; }
cut_and_reversed() { slip reversed "$(own)"; }
other_protocol() { only udp || return $NOT; slip other "$(own)" 253; }
packet_socket() { slip packet "$(own)" uplink "$wire_mac"; }
past_the_queues() { slip bypass "$(own2)" uplink2 "$wire2_mac"; }
more_specific_route() {
	local status gateway=172.31.254.2
	[ -z "$six" ] || gateway=fd31:254::2
	in_host ip ${six:+-6} route add "$to" via $gateway
	slip plain
	status=$?
	in_host ip ${six:+-6} route del "$to"
	return $status
}
rule_to_another_table() {
	local status
	in_host ip ${six:+-6} rule add to "$to" lookup 100 pref 10
	slip plain
	status=$?
	in_host ip ${six:+-6} rule del to "$to" lookup 100 pref 10
	return $status
}
from_a_namespace_behind() { in_ns "$POD_PID" "$HELPERS/slip" plain "$proto" "$to" "$port"; }
# By whom is root there: neither connections nor answers, nor what else the host would route.
from_behind() {
	in_ns "$POD_PID" "$HELPERS/slip" "$1" "$proto" "$to" "$port" \
		"$([ "$six" ] && echo fd31:19::2 || echo 172.19.0.2)" "${@:2}"
}
segments_from_behind() { only tcp || return $NOT; from_behind segment; }
dhcp_from_behind() { only udp || return $NOT; from_behind dhcp; }
answers_of_icmp_from_behind() { only udp || return $NOT; from_behind icmp; }
gre_from_behind() { only udp || return $NOT; from_behind other 47; }
other_protocol_from_behind() { only udp || return $NOT; from_behind other 253; }
priority_tag_from_behind() { from_behind tagged eth0 "$pod_mac"; }
two_priority_tags_from_behind() { from_behind twice-tagged eth0 "$pod_mac"; }
to_the_port_of_a_bridge() {
	in_box1 "$HELPERS/slip" packet "$proto" "$to" "$port" \
		"$([ "$six" ] && echo $BOX6 || echo $BOX4)" eth0 "$port_mac"
}
# The socket was made before: see early.
socket_made_before() {
	local name=early-$proto$six
	wait_for grep -q waiting "$T/$name.log" || return 1
	echo x >"$T/$name.fifo"
	wait_for early_ended "$name" || return 1
	cat "$T/$name.log"
	grep -q answered "$T/$name.log"
}
early_ended() { grep -qE 'answered|:' "$T/$1.log"; }

ways=(plain bound_to_device bound_to_second_device bound_to_source by_source_in_another_table
	unicast_if pktinfo spoofed_mark used_elsewhere_before v4_mapped ip_options fast_open
	multipath udp_lite explicit_congestion segmented cut_by_the_kernel raw_socket cut_in_the_header
	cut_and_reversed other_protocol packet_socket past_the_queues more_specific_route rule_to_another_table
	from_a_namespace_behind segments_from_behind dhcp_from_behind answers_of_icmp_from_behind
	gre_from_behind other_protocol_from_behind priority_tag_from_behind
	two_priority_tags_from_behind to_the_port_of_a_bridge socket_made_before)
# Of packets that nobody has a socket for, no sender learns what became of them.
unheard=(raw_socket cut_in_the_header cut_and_reversed other_protocol packet_socket past_the_queues
	udp_lite segments_from_behind dhcp_from_behind answers_of_icmp_from_behind gre_from_behind
	other_protocol_from_behind priority_tag_from_behind two_priority_tags_from_behind
	to_the_port_of_a_bridge)

# --- trying them ---

# each_try COMMAND WAY: COMMAND with $proto, $to, $port and $six set, for all four. A way has
# the same ports each time.
each_try() {
	local proto to six status=0 tried=0 port
	port=$(port_of "$2")
	for proto in tcp udp; do
		for six in '' 6; do
			to=$to4
			[ -z "$six" ] || to=$to6
			port=$((port + 1))
			"$@"
			case $? in
			0) tried=$((tried + 1)) ;;
			"$NOT") ;;
			*)
				echo "$2: $proto, IPv${six:-4}"
				status=1
				;;
			esac
		done
	done
	[ $tried -gt 0 ] && return $status
}
port_of() {
	local i
	for i in "${!ways[@]}"; do
		[ "${ways[i]}" != "$1" ] || echo $((first_port + 4 * i))
	done
}
here() { # WAY
	case $1 in
	other_protocol*) arrived "253 .* $to 0" ;;
	udp_lite) arrived "136 $(own) 0 $to 0" ;;
	gre_from_behind) arrived "47 .* $to 0" ;;
	answers_of_icmp_from_behind) arrived "icmp .* $to 0" ;;
	dhcp_from_behind) arrived "udp .* $to (67|547)" ;;
	*) arrived "$proto .* $to $port" ;;
	esac
}

works() { # WAY: without Headrace: it is answered, and arrives
	"$1" || return
	wait_for -t 5 here "$1"
}
fails() { # WAY: with Headrace: not a packet of it arrives
	"$1"
	case $? in
	"$NOT") return "$NOT" ;;
	0)
		case " ${unheard[*]} " in
		*" $1 "*) ;;
		*) [ "$1" = used_elsewhere_before ] && only udp || return 1 ;;
		esac
		;;
	esac
	settled && ! here "$1"
}

early() { # a socket for socket_made_before
	local name=early-$proto$six
	rm -f "$T/$name.fifo"
	mkfifo "$T/$name.fifo"
	start_host "$name" env SLIP_WAIT="$T/$name.fifo" "$HELPERS/slip" plain "$proto" "$to" "$port"
	wait_for grep -q waiting "$T/$name.log"
}
all() { # PREFIX COMMAND WAY...
	local way
	for way in "${@:3}"; do check "$1$way" each_try "$2" "$way"; done
}

watch_start
each_try early socket_made_before
all without_headrace_works_ works "${ways[@]}"

each_try early socket_made_before
host_config lan="[br-box, lan0, 'pod*']" \
	rules="  - {name: shut, destination: [$to4, '$to6'], action: reject}"
must_up
watch_start
usual=("${ways[@]}")
for i in "${!usual[@]}"; do [ "${usual[i]}" != past_the_queues ] || unset "usual[i]"; done
all nothing_slips_by_ fails "${usual[@]}"
# Of what is cut, later parts have no ports: not one of them either.
nothing_at_all() { ! grep -E " ($to4|$to6) [0-9]+\$" "$T/watch.log"; }
check no_part_of_anything_slips_by nothing_at_all
check the_rule_has_decided within 40 1000000 "$(rule_hits shut)"
check down down

# What CAP_NET_RAW can still do goes past traffic control; strict mode closes that, too.
host_config strict=true rules="  - {name: shut, destination: [$to4, '$to6'], action: reject}"
must_up
watch_start
all strict_nothing_slips_by_ fails past_the_queues packet_socket raw_socket plain
check strict_no_part_slips_by nothing_at_all
check strict_direct_goes_on in_host "$HELPERS/seen" ask tcp "${TO4[direct]}" $SEEN_PORT
check down_again down
watch_start
all after_down_works_ works plain past_the_queues
finish
