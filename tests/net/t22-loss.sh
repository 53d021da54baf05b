#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# TCP over networks that lose, reorder and double packets, between the application and the
# stack and between our sockets and upstream: every byte arrives, and in bearable time.
#
#   on the TUN    the application's packets of up to 64 KiB are lost as wholes
#   in a LAN      a client behind the private namespace, whose veth cuts them: one packet of
#                 1,500 bytes is lost, comes late or twice
#   upstream      the veth pair between host and far side
#
# FULL=1: longer streams, both families.
set -u
. "$(dirname "$0")/lib.sh"

lossy_object=$TOP/build/tests/net/lossy.bpf.o
world_up
tcp_start
web_start
dns_start
session_start --dns "$DNS4"
tun=$(device)

# client behind the private namespace, inside of its subnets: cli ---- lan, no offloads
namespace LAN_PID
in_lan() { in_ns "$LAN_PID" "$@"; }
mac() { "$1" ip -o link show "$2" | sed -E 's:.*link/ether ([^ ]*).*:\1:'; }
lan_up() {
	in_lan ip link add cli type veth peer name lan netns "$session_command" || return 1
	in_lan ip addr add 10.0.0.9/32 dev cli
	in_lan ip addr add fd68:6561:6472:6163::9/128 dev cli nodad
	in_lan ip link set cli up addrgenmode none
	inside ip addr add 172.30.0.1/24 dev lan
	inside ip addr add fd68:30::1/64 dev lan nodad
	inside ip link set lan up addrgenmode none
	inside ip route add 10.0.0.9/32 dev lan
	inside ip -6 route add fd68:6561:6472:6163::9/128 dev lan
	in_lan ip route add default via 172.30.0.1 dev cli onlink
	in_lan ip -6 route add default via fd68:30::1 dev cli onlink
	# without a link-local address the gateway cannot ask for the client of what it forwards
	in_lan ip neigh replace fd68:30::1 lladdr "$(mac inside lan)" dev cli nud permanent
	inside ip neigh replace fd68:6561:6472:6163::9 lladdr "$(mac in_lan cli)" dev lan nud permanent
	inside sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	inside ethtool -K lan tso off gso off && in_lan ethtool -K cli tso off gso off
}
lan_up >"$T/lan.log" 2>&1 || die "no LAN: $(cat "$T/lan.log")"
wait_for in_lan ping -c 1 -W 1 10.0.0.1 || in_lan ping -c 1 -W 1 172.30.0.1 >/dev/null ||
	die "the LAN's gateway cannot be reached"

# lossy_on NAMESPACE-PID DROP REORDER DUPLICATE PLACE...: rates of 10,000.
lossy=() # "PID LOG"
seed=0
lossy_on() {
	local log
	seed=$((seed + 1)) log=$T/lossy$seed.log
	start lossy$seed nsenter --target "$1" --net -- \
		"$HELPERS/lossy" "$lossy_object" "$2" "$3" "$4" $seed "${@:5}"
	lossy+=("$started_pid $log")
	said() { grep -q ready "$1" || gone "$2"; }
	wait_for said "$log" "$started_pid"
	grep -q ready "$log" || { cat "$log"; return 1; }
}
# lossy_off: true if something was lost on each.
lossy_off() {
	local l status=0
	for l in "${lossy[@]}"; do
		stop "${l% *}"
		tail -n 1 "${l#* }"
		grep -q ' [1-9][0-9]* dropped' "${l#* }" || status=1
	done
	lossy=()
	return $status
}

bytes=$((2 << 20)) streams=8
[ -z "$FULL" ] || bytes=$((64 << 20))
part=$(web_file part.bin $bytes)

# transfer LAN|TUN ADDRESS: 8 streams down, 8 up, and one both ways at once with half-closes.
transfer() {
	local where=inside
	[ "$1" = tun ] || where=in_lan
	$where bash -c "for i in {1..$streams}; do
		curl -sS -m $((200 * PATIENCE)) http://$2/part.bin | sha256sum & done; wait" >"$T/sums"
	same "$streams $part" "$(sort "$T/sums" | uniq -c | sed 's/^ *//')" || return 1
	rm -f "$T"/put/*
	$where bash -c "for i in {1..$streams}; do
		curl -sS -m $((200 * PATIENCE)) -T $T/www/part.bin http://$2/put/\$i.bin & done; wait" || return 1
	same "$streams $part" "$(for ((i = 1; i <= streams; i++)); do
		sha256sum <"$T/put/$i.bin"; done | uniq -c | sed 's/^ *//')" || return 1
	$where "$HELPERS/tcp" echo $ECHO4 9 $bytes &&
		$where "$HELPERS/tcp" half-up $ECHO4 9 $bytes &&
		$where "$HELPERS/tcp" half-down $ECHO4 9 $bytes
}

# through WHERE ADDRESS DROP REORDER DUPLICATE
through() {
	case $1 in
	tun) lossy_on "$session_command" "$3" "$4" "$5" "$tun/in" "$tun/out" ;;
	lan)
		lossy_on "$LAN_PID" "$3" "$4" "$5" cli/in
		lossy_on "$session_command" "$3" "$4" "$5" lan/in
		;;
	upstream)
		lossy_on "$HOST_PID" "$3" "$4" "$5" uplink/in
		lossy_on "$FAR_PID" "$3" "$4" "$5" wire/in
		;;
	esac
	transfer "$([ "$1" = lan ] && echo lan || echo tun)" "$2"
	local status=$?
	lossy_off && return $status
}

lossy_on "$session_command" 0 0 0 lo/in || skip_all "no tcx here (Linux 6.6)"
lossy_off >/dev/null

check clean_lan transfer lan $WEB4
check tun_loses_1_percent through tun $WEB4 100 0 100
check tun_loses_5_percent through tun $WEB4 500 0 100
check lan_loses_1_percent_and_reorders through lan $WEB4 100 100 100
check lan_loses_5_percent_and_reorders through lan $WEB4 500 300 100
check lan_loses_5_percent_ipv6 through lan "[$WEB6]" 500 300 100
check upstream_loses_1_percent_and_reorders through upstream $WEB4 100 100 100
if [ -n "$FULL" ]; then
	check upstream_loses_5_percent_and_reorders through upstream $WEB4 500 300 100
	check tun_loses_5_percent_ipv6 through tun "[$WEB6]" 500 0 100
fi

# Short answers, of which the last packet is lost as often as any: no waits of a second, as
# lwIP's own timer would make them.
short_answers() {
	local before took
	lossy_on "$session_command" 500 0 0 "$tun/in"
	before=$(date +%s%N)
	inside "$HELPERS/tcp" serial $ECHO4 9 200 || return 1
	took=$((($(date +%s%N) - before) / 1000000))
	lossy_off
	echo "$took ms"
}
check short_connections_with_5_percent_lost short_answers
check clean_again transfer tun $WEB4
check still_serves still_serves
finish
