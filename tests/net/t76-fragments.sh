#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Fragments that lie: what can be put together honestly is served, in whatever order and size
# it came; what overlaps, overruns or contradicts is not, and is counted; what never becomes
# whole is held within bounds, the oldest goes, and honest datagrams are served meanwhile.
# shellcheck disable=SC2154 # set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
echo_start
session_start --dns $DNS4

device=$(device)
declare -A source=([4]=$(json status .status.device4) [6]=$(json status .status.device6))
declare -A echo=([4]=$ECHO4 [6]=$ECHO6)
number=$([ -n "$FULL" ] && echo 50000 || echo 5000)

fragments() { # FAMILY CASE [NUMBER]
	inside "$HELPERS/fragments" "$device" "${source[$1]}" "${echo[$1]}" 7 "${@:2}"
}
served() { same answered "$(fragments "$@")"; }
# refused FAMILY CASE REASON: nothing comes back, and it is counted.
refused() {
	local before
	before=$(dropped "$3")
	same silent "$(fragments "$1" "$2")" && within $((before + 1)) 1000000000 "$(dropped "$3")"
}
refused_beyond() { # what lies is dropped at the door, so that the honest rest can be whole
	local before
	before=$(dropped fragment_bad)
	served "$1" beyond && within $((before + 2)) 1000000000 "$(dropped fragment_bad)"
}
held() { json status '[.status.roles[].fragments_held // 0] | add'; }

for family in 4 6; do
	before=$(held)
	for name in order last-first tiny atomic; do
		check "${name}_is_served_v$family" served $family $name
	done
	check "nothing_is_held_v$family" same "$before" "$(held)"
	for name in overlap-later overlap-first overlap-head longer odd; do
		check "${name}_is_refused_v$family" refused $family $name fragment_bad
	done
	check "beyond_64_KiB_is_refused_and_the_rest_served_v$family" refused_beyond $family
done
check fragment_of_fragments_is_refused_v6 refused 6 nested fragment_bad
check tunnel_in_fragments_is_refused_v4 refused 4 nested protocol

# --- what never becomes whole; honest ones in fragments meanwhile
worker=$(role_pids worker | head -n 1)
before=$(rss_of "$worker")
# One whose fragments the flood has crowded out is sent again, as its application would.
honest() { inside "$HELPERS/udp" ping "${echo[$1]}" 7 1472 1500 9000 65507; }
never() { # FAMILY
	local capped largest=0 n=0 now
	capped=$(dropped fragment_cap)
	start "never$1" nsenter --target "$session_command" --net -- \
		"$HELPERS/fragments" "$device" "${source[$1]}" "${echo[$1]}" 7 never "$number"
	while ! gone "$started_pid"; do
		wait_for honest "$1" || return 1
		n=$((n + 1)) now=$(held)
		largest=$((now > largest ? now : largest))
	done
	echo "v$1: $n rounds of honest datagrams meanwhile, at most $largest fragments held" \
		>>"$T/figures"
	same silent "$(cat "$T/never$1.log")" && within 1 512 $largest && within 1 1000000 $n &&
		within $((capped + number / 2)) 1000000000 "$(dropped fragment_cap)"
}
check fragments_held_are_bounded_v4 never 4
check fragments_held_are_bounded_v6 never 6
grown=$(($(rss_of "$worker") - before))
echo "memory grew by $grown KiB" >>"$T/figures"
[[ $B == */sanitize ]] || check memory_is_bounded within -100000 8192 $grown

# --- whoever waits for the rest is told when the time is up (RFC 792, RFC 4443)
none_held() { same 0 "$(held)"; }
if [ -n "$FULL" ]; then
	check nothing_is_held_in_the_end wait_for -t 30 none_held
	check lost_is_a_reason within 1 1000000000 "$(dropped fragment_lost)"
fi
check still_serves still_serves
finish
