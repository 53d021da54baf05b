#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules by name where one address has several: each client goes by its own latest answer, others
# by the latest there was, also where the kernel half would answer from its cache; and what is
# known is told by the new lists after a reload.
# shellcheck disable=SC2154 # set by lib.sh and host.sh
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
web_start
dns_start
NOWHERE=192.0.2.99 # a name server that does not exist: who answers is the daemon

# www and v4 lead to the same address; the list has the first of them.
echo "www.$ZONE" >"$T/list"
config() {
	host_config rules="  - {name: $1, $2, port: [80], action: reject}" dns="  lists: {ads: {file: $T/list}}
  upstreams: {nsd: {type: plain, address: $DNS4}}"
}
config exact "domain: www.$ZONE"
must_up

answers() { same "$WEB4" "$(in_"$1" dig +short +tries=2 +time=5 @$NOWHERE "$2.$ZONE")"; }
# resolves WHO NAME: three times; the kernel half answers from the second on, if it may.
resolves() { answers "$@" && answers "$@" && answers "$@"; }
fetches() { in_"$1" curl -sf -m 10 -o /dev/null "http://$WEB4/"; }
is_refused() { # at once: curl's 7
	local status
	in_"$1" curl -sf -m 10 -o /dev/null "http://$WEB4/"
	status=$?
	same 7 $status
}

check without_a_name_no_rule_by_name_holds fetches host
check the_desk_asks_for_one_name resolves desk www
check and_the_rule_holds_for_it is_refused desk
check the_host_asks_for_another_of_that_address resolves host v4
check the_rule_does_not_hold_for_the_host fetches host
check it_goes_on_to_hold_for_the_desk is_refused desk
check the_desk_asks_for_the_other_one resolves desk v4
check its_latest_answer_counts fetches desk
check the_host_asks_for_the_first_one resolves host www
check its_latest_answer_counts_too is_refused host
check and_the_desk_stays_with_its_own fetches desk
check who_asked_for_none_goes_by_the_latest is_refused box1
for round in 1 2 3; do
	check "in_turns_of_asking_${round}_each_gets_its_own" eval \
		"answers desk www && answers host v4 && is_refused desk && fetches host &&
		answers desk v4 && answers host www && fetches desk && is_refused host"
done

# By whichever of its addresses the host asks and goes: by IPv4 for an address of IPv6.
answers6() { same "$WEB6" "$(in_"$1" dig +short +tries=2 +time=5 @$NOWHERE "$2.$ZONE" AAAA)"; }
fetches6() { in_host curl -sf -m 10 -o /dev/null "http://[$WEB6]/"; }
is_refused6() { fetches6; same 7 $?; }
check the_host_asks_by_ipv4_for_an_address_of_ipv6 answers6 host www
check the_desk_asks_for_another_name_of_it answers6 desk v6
check the_hosts_own_answer_holds_for_its_flows_by_ipv6 is_refused6
check the_host_asks_for_the_other_name answers6 host v6
check and_the_desk_for_the_one answers6 desk www
check the_hosts_latest_holds_for_its_flows_by_ipv6 fetches6

# --- lists -----------------------------------------------------------------------------------

config listed "lists: [ads]"
check a_rule_by_list_is_taken reload
check the_host_asks_again resolves host www
check a_name_of_the_list_is_refused is_refused host
check one_that_is_not_in_it_goes_on fetches desk
echo "v4.$ZONE" >"$T/list"
check another_list_is_taken reload
# Without asking again: what is known of the addresses is told by the new list.
check the_former_name_is_not_in_it_any_more wait_for fetches host
check the_other_one_is wait_for is_refused desk
check it_ends_in_order down
finish
