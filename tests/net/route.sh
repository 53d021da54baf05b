# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the tests of route capture share. Source it after host.sh; route_up comes instead of
# host_up: the same host, with one server of its own, sshd's stand-in, which is asked from
# outside.

# shellcheck disable=SC2034,SC2154 # used by those who source this; set by lib.sh and host.sh
TUN_STACK4=10.0.0.1

route_up() {
	host_up
	dns_start
	start_in "$HOST_PID" ssh "$HELPERS/seen" serve "$SSH_PORT" "$HOST4" "$HOST6"
	wait_for from_outside "$HOST4" || die "the host's server does not answer"
	network_state >"$T/state"
}

# route_config ROUTE [KEY=VALUE...]: host_config with capture.route alone, all forwarded.
route_config() {
	host_config uplinks=none lan='[]' "route=$1" "rules=$(host_rules)" default=forward "${@:2}"
}

# What must be as before: devices, addresses, routes, rules, sysctls of the host.
network_state() {
	in_host bash -c "$(declare -f snapshot_network); snapshot_network"
	in_host sysctl -a -r 'net.ipv[46].conf.*.(rp_filter|forwarding)' 2>/dev/null
}
as_before() { wait_for -t 10 same_state || diff -u "$T/state" "$T/state.now"; }
same_state() {
	network_state >"$T/state.now"
	cmp -s "$T/state" "$T/state.now"
}

ask() { in_host "$HELPERS/seen" ask "$1" "$2" $SEEN_PORT; }
# answered_by PROTOCOL ADDRESS: sets own and seen, the ports of the socket and at the far side.
answered_by() {
	local answer
	read -r answer own _ seen <<<"$(ask "$1" "$2")"
	[ "$answer" = answered ] || { echo "$1 $2: $answer $own"; return 1; }
}
# By a socket of Headrace, whose port is another one; or by the application's own.
forwarded() { answered_by "$@" && { [ "$own" != "$seen" ] || { echo "$* went out by itself"; return 1; }; }; }
direct() { answered_by "$@" && { [ "$own" = "$seen" ] || { echo "$* was forwarded"; return 1; }; }; }
refused() { ask "$1" "$2" | grep '^refused'; }
silent() { ask "$1" "$2" | grep '^silent'; }
pings() { in_host ping -c 1 -W 2 "$1"; }
routed_to() { in_host ip route get "${@:2}" 2>&1 | head -n 1 | grep "dev $1"; }
from_outside() { in_far "$HELPERS/seen" ask tcp "$1" "$SSH_PORT" | grep '^answered'; }
resolves_here() { in_host dig +short +time=2 +tries=1 "@$1" "${2:-www}.$ZONE" | grep -x $WEB4; }
no_loop() { same 0 "$(($(dropped loop_averted)))"; }
tun() { json status .status.tun; }
