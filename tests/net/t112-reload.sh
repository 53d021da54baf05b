#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# New rules for a host while flows of every kind go on: as many as there may be, with when-down
# closed, where a main that is busy must not count as gone; and flows that older rules have let
# in go on (--flows keep) or are decided anew (--flows reset), those of a LAN's client, too.
# shellcheck disable=SC2154 # set by lib.sh and host.sh
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
for verdict in direct forward; do
	for to in "${TO4[$verdict]}" "${TO6[$verdict]}"; do
		start_far "tcp-$to" "$HELPERS/tcp" serve "$to" 9
		wait_for listening "$(echo "$to" | sed 's/.*:.*/[&]/'):9" || die "no server at $to"
	done
done

# --- as many rules as there may be ------------------------------------------------------------

# 100,000 networks of which none is the far side's, before the verdicts.
many() {
	awk 'BEGIN {
		for (r = 0; r < 1020; r++) {
			printf "  - {name: many-%d, action: reject, destination: [", r
			for (i = 0; i < 98; i++) {
				n = r * 98 + i
				printf "%s11.%d.%d.%d/32", i ? ", " : "", n / 65536, n / 256 % 256, n % 256
			}
			print "]}"
		}
	}'
	host_rules
}
# Flows that never rest, until they are said to have lost nothing.
keep_start() {
	start_host keep-host "$HELPERS/seen" keep "${TO6[forward]}" $SEEN_PORT
	keep_host=$started_pid
	start_in "$DESK_PID" keep-desk "$HELPERS/seen" keep "${TO6[forward]}" $SEEN_PORT
	keep_desk=$started_pid
}
config() { host_config when-down=closed heartbeat="$1" rules="$2"; }

# How far ahead of now main's last beat is, in seconds.
ahead() {
	bpftool -j map dump pinned "$pins/settings" |
		jq -r '.[0].formatted.value.heartbeat_ns' >"$T/beat" &&
		awk -v beat="$(cat "$T/beat")" '{ print int(beat / 1e9 - $1) }' /proc/uptime
}
is_ahead() { within 5 60 "$(ahead)"; }
config 5s "$(host_rules)"
must_up
pins=$(json status .status.features.pins)
keep_start
config 5s "$(many)"
start_host reload "$B/headrace" reload --instance "$INSTANCE"
reload_pid=$started_pid
check main_says_that_it_will_be_away wait_for is_ahead
check rules_as_large_as_there_may_be_are_taken wait_for -t 60 gone "$reload_pid"
check it_is_back within -60 0 "$(ahead)"
check they_are_all_there same 1024 "$(json rules 'select(.rule) | .rule.name' | grep -c .)"
check and_small_ones_again eval 'config 5s "$(host_rules)"; reload'
check main_was_not_taken_for_gone_meanwhile same 0 "$(dropped stale)"
check captured_flow_of_the_host_lost_nothing lost_nothing keep-host "$keep_host"
check captured_flow_of_the_desk_lost_nothing lost_nothing keep-desk "$keep_desk"
check down down

config 500ms "$(host_rules)"
must_up

# --- flows that older rules have let in -------------------------------------------------------

clients=(host desk)
pid_of() { local pid=${1^^}_PID; echo "${!pid}"; }
for client in "${clients[@]}"; do
	for verdict in direct forward; do
		talk_to "$client-$verdict" "$(pid_of $client)" "TCP4:${TO4[$verdict]}:9"
		talk_to "$client-$verdict-by-ipv6" "$(pid_of $client)" "TCP6:[${TO6[$verdict]}]:9"
		start_in "$(pid_of $client)" "udp-$client-$verdict" \
			"$HELPERS/seen" keep "${TO4[$verdict]}" $SEEN_PORT
	done
done
all_speak() { # PREFIX [PATTERN]
	local name
	for name in "${sessions[@]}"; do
		[[ $name != *${2:-}* ]] || check "$1_$name" speaks "$name"
	done
}
all_speak before
# Everything that is not older or from outside is refused from now on, but for UDP to `direct`.
config 500ms "  - {name: shut, port: 9, protocol: tcp, action: reject}
  - {name: turn, destination: [${TO4[direct]}], protocol: udp, action: forward}
  - {name: back, destination: [${TO4[forward]}], protocol: udp, action: direct}"
check reload_keep reload --flows keep
all_speak kept
refused() { in_"$1" "$HELPERS/seen" ask tcp "$2" 9 | grep -q '^refused ECONNREFUSED'; }
for client in "${clients[@]}"; do
	check "kept_but_new_ones_of_the_${client}_are_refused" refused $client "${TO4[direct]}"
	check "kept_but_new_ones_of_the_${client}_are_refused_by_ipv6" refused $client "${TO6[forward]}"
done
# verdict_of CLIENT ADDRESS: what the list says of its datagrams now. Rules of before have no name.
verdict_of() {
	json flows "select(.flow.proto == \"udp\" and .flow.state != \"closed\" and
		.flow.daddr == \"$2\" and
		(.flow.capture == \"egress\") == $([ "$1" = host ] && echo true || echo false)) |
		.flow.verdict + \" \" + (.flow.rule_name // \"\")" | sort -u | xargs
}
is_now() { same "$3" "$(verdict_of "$1" "$2")"; }
for client in "${clients[@]}"; do
	check "kept_datagrams_of_the_${client}_go_on_direct" is_now $client "${TO4[direct]}" direct
	check "kept_datagrams_of_the_${client}_go_on_forwarded" is_now $client "${TO4[forward]}" forward
done

check reload_reset reload --flows reset
was_reset() { # NAME: its next word is answered by a reset
	echo word >&"${voice[$1]}"
	wait_for grep -qi 'reset by peer' "$T/$1.log" || { cat "$T/$1.log"; return 1; }
}
for name in "${sessions[@]}"; do check "reset_$name" was_reset "$name"; done
for client in "${clients[@]}"; do
	check "reset_datagrams_of_the_${client}_turn_to_a_worker" \
		wait_for is_now $client "${TO4[direct]}" "forward turn"
	check "reset_datagrams_of_the_${client}_turn_back" \
		wait_for is_now $client "${TO4[forward]}" "direct back"
done
check down_at_last down
finish
