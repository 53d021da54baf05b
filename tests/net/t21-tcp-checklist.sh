#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The TCP checklist through the TUN, segment by segment, over IPv4 and IPv6: guessed RST, SYN
# and ACK, absurd flags and options, windows that shut and shrink, any order, wrapping numbers,
# every way to close. The segments come from an address that no kernel owns. Then the same
# instance serves as before, and what was refused has its reason.
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
session_start --dns "$DNS4"

device=$(device)
inside sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0

# list FAMILY APP SERVER SILENT: the list's TAP lines in $T/FAMILY.
list() {
	inside env CMOCKA_MESSAGE_OUTPUT=TAP "$HELPERS/checklist/main" "$device" "$FAR_PID" \
		"${@:2}" >"$T/$1" 2>&1
}
# listed FAMILY STATUS: a case per item; all that was said if one failed.
listed() {
	grep -E '^(not )?ok' "$T/$1" | sed -E "s/ [0-9]+ - / $1_/"
	[ "$2" = 0 ] && return 0
	cat "$T/$1"
	cases_failed=$((cases_failed + 1))
}
list ipv4 10.0.0.77 $ECHO4 198.51.100.99 &
list ipv6 fd68:6561:6472:6163::77 $ECHO6 2001:db8:100::99
listed ipv6 $?
wait $!
listed ipv4 $?

for reason in tcp_flags tcp_reset tcp_syn tcp_window tcp_ack; do
	check ${reason}_is_a_reason within 1 1000000000 "$(dropped $reason)"
done
no_flows() { [ "$(json status '[.status.roles[].tcp_open // 0] | add')" = 0 ]; }
check no_connection_is_left wait_for no_flows
no_entries() { headrace flows --instance "$INSTANCE" | grep -qx 'no open flows'; }
check no_entry_is_left_in_the_flow_table wait_for no_entries
check still_serves still_serves
finish
