#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Strict mode: a packet socket that goes round traffic control slips by the rules without it and
# not with it; nobody else's packets or tables are touched, and a flush does not last.

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/host.sh"

host_up
in_host nft add table netdev probe 2>/dev/null || skip_all "the kernel has no nf_tables"
in_host nft delete table netdev probe
gateway=$(in_far ip -o link show wire | sed -E 's:.*link/ether ([^ ]*).*:\1:')

# by_hand WAY ADDRESS: does such a packet arrive? Each has a port of its own.
port=20000
by_hand() {
	port=$((port + 1))
	in_host "$HELPERS/slip" "$1" udp "$2" $port $HOST4 uplink "$gateway" >/dev/null 2>&1
	settled || return 2
	arrived "udp $HOST4 [0-9]+ $2 $port"
}
stopped() { by_hand "$@" && return 1 || [ $? = 1 ]; }
seen() { in_host "$HELPERS/seen" ask "$1" "$2" $SEEN_PORT | grep "^$3"; }
table() { in_host nft list tables netdev | grep headrace; }

watch_start
check a_packet_socket_reaches_anybody_without_headrace by_hand bypass "${TO4[drop]}"
for way in disguised foreign tagged; do
	check frames_of_its_own_making_do_without_headrace,_"$way" by_hand $way "${TO4[drop]}"
done
host_config rules="$(host_rules)" strict=false
must_up
check by_traffic_control_a_rule_stops_it stopped packet "${TO4[drop]}"
check round_traffic_control_it_slips_by by_hand bypass "${TO4[drop]}"
check without_strict_mode_there_is_no_table eval '! table'
down >/dev/null

host_config rules="$(host_rules)" strict=true
must_up
check status_names_its_devices eval '[ "$(json status ".status.strict.devices | sort | join(\" \")")" = "uplink uplink2" ]'
check with_it_a_rule_stops_it stopped bypass "${TO4[drop]}"
check by_traffic_control_as_well stopped packet "${TO4[drop]}"
for way in disguised foreign tagged; do
	check a_rule_stops_frames_of_its_own_making,_"$way" stopped $way "${TO4[drop]}"
done
check a_disguised_one_that_is_direct_passes by_hand disguised "${TO4[direct]}"
check what_is_direct_passes_round_traffic_control by_hand bypass "${TO4[direct]}"
check and_by_it by_hand packet "${TO4[direct]}"
check TCP_is_direct_as_before seen tcp "${TO4[direct]}" answered
check TCP_is_forwarded_as_before seen tcp "${TO4[forward]}" answered
check UDP_over_IPv6_is_direct_as_before seen udp "${TO6[direct]}" answered
check containers_reach_the_far_side in_box1 "$HELPERS/seen" ask udp "${TO4[direct]}" $SEEN_PORT
in_host ip neigh flush dev uplink2
check ARP_passes in_host ping -c 1 -W 2 -I uplink2 172.31.254.2

in_host nft flush ruleset
check a_flushed_table_is_put_back wait_for table
check and_stops_it_again stopped bypass "${TO4[drop]}"
check status_counts_it eval '[ "$(json status .status.strict.repaired)" -ge 1 ]'
firewall | in_host nft -f -
link uplink3 "$HOST_PID" 172.31.253.1/30 '' wire3 "$FAR_PID" 172.31.253.2/30 ''
check a_new_uplink_has_its_chain wait_for eval 'in_host nft list table netdev "headrace_${INSTANCE//-/_}" | grep -q uplink3'
before=$(in_host nft list ruleset | sed '/^table netdev headrace/,/^}/d')
check down_removes_it eval 'down && ! table'
check the_tables_of_others_are_as_they_were same "$before" "$(in_host nft list ruleset)"

must_up
kill -9 "$daemon_pid"
wait_for gone "$daemon_pid"
check a_killed_daemon_leaves_it table
check down_removes_what_a_killed_daemon_left eval 'headrace down --instance "$INSTANCE" && ! table'
finish
