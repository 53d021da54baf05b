# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The benchmark's world: three network namespaces in a line, and processes in them.
#
#   client ----veth---- host ----veth---- server
#   10.71.0.2   10.71.0.1  10.72.0.1   10.72.0.2, and $SERVER on lo
#
# Forwarders run in "host"; their clients live in namespaces of their own (paths.sh). The
# server's address is not the host's gateway: pasta maps that one to the host itself.
# Names stand in a /run/netns of our own, and vanish with our mount namespace.
#
# shellcheck disable=SC2034 # variables cross the files of session.sh

SERVER=10.73.0.1
PORT=7700       # load server
IPERF_PORT=7701
LOAD=$B/tests/bench/load
work=/run/netns/work

in_ns() { # NAMESPACE COMMAND...: not `ip netns exec`, which would hide bpffs
	nsenter --net="/run/netns/$1" -- "${@:2}"
}

# tune NETNS-FILE: reno, checked: the default may be BBR, which paces and hides everything.
# Short connections leave thousands of TIME_WAITs behind, here and in no other namespace.
tune() {
	nsenter --net="$1" -- sysctl -qw net.ipv4.tcp_congestion_control=reno \
		net.ipv4.tcp_tw_reuse=1 net.ipv4.ip_local_port_range="1024 65000" &&
		[ "$(nsenter --net="$1" -- sysctl -n net.ipv4.tcp_congestion_control)" = reno ]
}

# start NAME COMMAND...: in the background, output to $work/NAME.log, pid in $started.
start() {
	"${@:2}" >"$work/$1.log" 2>&1 </dev/null &
	started=$!
}

# stop PID: TERM, KILL after 5 s; returns when it is gone.
stop() {
	local i
	kill -TERM "$1" 2>/dev/null || return 0
	for ((i = 0; i < 250; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.02
	done
	kill -KILL "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

# wait_for COMMAND...: at most 10 s.
wait_for() {
	local end=$((SECONDS + 10))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# settled PID: no child of a headraced is still its copy, as the one is that loads programs which
# are not needed at once.
settled() {
	local child
	for child in $(pgrep -P "$1"); do
		! cmp -s "/proc/$1/cmdline" "/proc/$child/cmdline" || return 1
	done
}

# family PID: the process and all that descend from it.
family() {
	local child
	echo "$1"
	for child in $(pgrep -P "$1"); do family "$child"; done
}

listening() { in_ns server ss -Hltn "sport = :$1" | grep -q .; }

link() { # A-NAMESPACE A-ADDRESS B-NAMESPACE B-ADDRESS
	ip link add "to-$3" netns "$1" type veth peer name "to-$1" netns "$3"
	in_ns "$1" ip addr add "$2/24" dev "to-$3"
	in_ns "$3" ip addr add "$4/24" dev "to-$1"
	in_ns "$1" ip link set "to-$3" up
	in_ns "$3" ip link set "to-$1" up
}

world_up() {
	local ns
	mkdir -p /run/netns
	mount -t tmpfs -o mode=755 headrace-bench /run/netns
	mkdir $work
	for ns in client host server; do
		ip netns add $ns
		in_ns $ns ip link set lo up
		tune /run/netns/$ns || { warn "namespace $ns: no reno"; exit 1; }
	done
	link client 10.71.0.2 host 10.71.0.1
	link host 10.72.0.1 server 10.72.0.2
	in_ns server ip addr add $SERVER/32 dev lo
	in_ns client ip route add default via 10.71.0.1
	in_ns host ip route add default via 10.72.0.2
	in_ns server ip route add default via 10.72.0.1
	in_ns host sysctl -qw net.ipv4.ip_forward=1
	start server nsenter --net=/run/netns/server -- "$LOAD" server $SERVER $PORT
	server_pid=$started
	wait_for listening $PORT || { warn "the server did not start"; exit 1; }
}

# masquerade on|off: without it no conntrack either.
masquerade_now=off
masquerade() {
	[ "$1" != $masquerade_now ] || return 0
	masquerade_now=$1
	in_ns host nft flush ruleset
	[ "$1" = off ] || in_ns host nft "add table ip nat
		add chain ip nat post { type nat hook postrouting priority 100 ; }
		add rule ip nat post oifname to-server masquerade"
}

# like_cards yes|no: whether datagrams reach the host as from a network card: the server's device
# cuts batches (see flood() in load.c), the host's puts together what belongs together (GRO).
# veth does neither unless told so, and GRO only from a sender without TSO.
like_cards() {
	local cut=on gro=off
	[ "$1" = no ] || cut=off gro=on
	in_ns server ethtool -K to-host tx-udp-segmentation $cut tso $cut
	in_ns host ethtool -K to-server gro $gro
}
