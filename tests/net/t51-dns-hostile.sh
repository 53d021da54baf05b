#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# DNS against clients and resolvers that do what dig and nsd do not: 10,000 queries at once
# with one ID, queries in fragments and behind extension headers, forged answers, answers
# without the question's case, 60 KB in single bytes, a dead first resolver, a dead role.
set -u
. "$(dirname "$0")/lib.sh"

HOSTILE=$RESOLVER4
DEAD=192.0.2.53 # an address of the far side where nothing listens here

world_up
start_far hostile "$HELPERS/dns" serve "$HOSTILE" 53
wait_for listening "$HOSTILE:53" || die "no hostile resolver: $(cat "$T/hostile.log")"
session_start --dns $HOSTILE
stack4=$(json status .status.stack4)
device4=$(json status .status.device4)
device6=$(json status .status.device6)
dns() { inside "$HELPERS/dns" "$@"; }
short() { inside dig +short +tries=1 +time=6 "$@"; }
alive() { kill -0 "$session_command" && [ "$(short n5.test)" = 198.18.0.5 ]; }

check N-14_10000_queries_of_one_id dns many "$stack4" 10000
check N-17_ipv4_fragments dns fragments4 "$device4" 203.0.113.200
check N-17_ipv6_fragments dns fragments6 "$device6" 2001:db8:ffff::1
check N-17_ipv6_destination_options dns options6 "$device6" 2001:db8:ffff::1
check N-11_half_closed_stream_gets_its_answers dns halfclose "$stack4"

spoofed() {
	local before
	before=$(dropped dns_spoof)
	same 198.18.0.0 "$(short spoof.test)" && within 6 1000 $(($(dropped dns_spoof) - before))
}
check forged_answers_are_counted_and_not_believed spoofed
check a_resolver_that_loses_the_case_is_asked_by_tcp same 198.18.0.1 \
	"$(short lower-of-thirty-two-letters-and-more.test)" # chance alone: 1 in 2^31
whole() { short +tcp cut.test A | head -n 1 | grep -qx 198.18.0.1; }
check an_answer_of_60_kB_in_single_bytes whole

restart() {
	local pid
	pid=$(role_pids resolver)
	kill -KILL "$pid"
	back() { [ -n "$(role_pids resolver)" ] && [ "$(role_pids resolver)" != "$pid" ] && alive; }
	wait_for back
}
check a_resolver_that_dies_is_back restart
session_stop

session_start --dns $DEAD --dns $HOSTILE
# A question is over after 5 s: the second one is asked before that, or there is no answer.
check a_resolver_that_refuses_is_passed_over same 198.18.0.77 "$(short n77.test)"
state() {
	json dns 'select(.dns.type == "upstream") | .dns.state' | head -n 1 | grep -qxE 'failing|down'
}
for i in 1 2 3; do short n8$i.test >/dev/null; done
check and_is_shown_as_failing state
finish
