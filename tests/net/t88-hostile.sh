#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A hostile upstream, and others who forge its answers (RFC 5452): none of theirs is believed,
# nothing is held up by them, and nothing is left of them. FULL=1: 1,000,000 forgeries.
set -u
. "$(dirname "$0")/lib.sh"

HOSTILE=$RESOLVER4
forgeries=60000 seconds=3
[ -z "$FULL" ] || forgeries=1000000 seconds=20

world_up
start_far hostile "$HELPERS/dns_hostile" serve "$HOSTILE" 53
wait_for listening "$HOSTILE:53" || die "no hostile resolver: $(cat "$T/hostile.log")"
session_start --dns "$HOSTILE"
stack4=$(json status .status.stack4)
dig() { inside dig +tries=1 +time=7 "$@"; }
short() { dig +short "$@"; }
status_of() { dig "$@" | sed -nE 's/.*status: ([A-Z]+),.*/\1/p'; }
upstream() { json dns "select(.dns.type == \"upstream\") | .dns.$1" | head -n 1; }
sockets() { fds_of "$(role_pids resolver)"; }

check answers_at_all same 11.0.0.5 "$(short n5.test)"
calm=$(sockets)

# Those that keep a question waiting until its time is over, meanwhile.
for kind in hang half; do
	status_of ${kind}1.test >"$T/$kind" &
	slow+=($!)
done

check answers_without_QR_and_of_other_opcodes_are_passed_over same 11.0.0.7 "$(short qr7.test)"
check cut_pieces_are_passed_over same 11.0.0.8 "$(short short8.test)"
check a_pointer_to_itself_is_no_answer same SERVFAIL "$(status_of pointer9.test)"
check a_frame_of_64_KB_of_nonsense_is_no_answer same SERVFAIL "$(status_of frame10.test)"
check a_stream_that_is_closed_is_no_answer same SERVFAIL "$(status_of close11.test)"
whole() { short +tcp bytes12.test A | head -n 1 | grep -qx 11.0.0.12; }
check an_answer_of_60_KB_in_single_bytes_is_whole whole
late() {
	local i
	for i in 1 2 3; do
		same 11.0.0.$i "$(short late$i.test)" || return 1
	done
}
check late_and_extra_answers_change_nothing late
flood() {
	local before
	before=$(dropped dns_spoof)
	same 11.0.0.13 "$(short flood13.test)" && within 8 600 $(($(dropped dns_spoof) - before)) &&
		within 1 1000 "$(upstream tcp)"
}
check a_flood_of_forgeries_makes_it_ask_by_tcp flood

# Right address and port of the sender, port, ID and case guessed, at names that are being asked.
forge() {
	local before asking
	before=$(dropped dns_spoof)
	inside "$HELPERS/dns_hostile" ask "$stack4" 1000 $seconds >"$T/asked" 2>&1 &
	asking=$!
	in_far "$HELPERS/dns_hostile" forge "$HOSTILE" 172.31.255.1 $forgeries || return 1
	wait $asking || { cat "$T/asked"; return 1; }
	cat "$T/asked"
	echo "$forgeries forged, $(($(dropped dns_spoof) - before)) of them met an open port"
	[ "$(dropped dns_spoof)" -gt "$before" ]
}
check of_the_answers_forged_by_others_none_is_believed forge
[ -z "$FULL" ] || cat "$T/case"

for i in 0 1; do wait "${slow[i]}"; done
check a_stream_that_never_ends_costs_its_own_query_alone same "SERVFAIL SERVFAIL" \
	"$(cat "$T/hang") $(cat "$T/half")"
check and_all_is_well_afterwards same "11.0.0.14 0" "$(short n14.test) $(restarts)"
calm_again() { [ "$(sockets)" -le "$calm" ]; }
check no_socket_is_left wait_for calm_again
finish
