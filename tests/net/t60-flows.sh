#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What can be seen from outside while flows run: bpftool shows them with names and counters
# that agree with the bytes sent; `headrace` shows the same.
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
tcp_start
session_start --dns $DNS4
web_file file.bin 5000000 >/dev/null
# bpffs may be mounted for headraced alone: look from there.
pins=$(json status .status.features.pins)
main=$(main_pid)
there() { nsenter --target "$main" --mount -- "$@"; }
map() { there bpftool "$@" map dump pinned "$pins/$map"; }

# A connection that stays open after exactly 1,000,000 bytes up and down.
cat >"$T/hold" <<-END
	exec 3<>/dev/tcp/$ECHO4/9
	echo echo >&3
	head -c 1000000 /dev/zero >&3 &
	head -c 1000000 <&3 | wc -c >$T/got
	exec sleep infinity
END
# Segments that either side had to send again, which count again: a reader that is not served at
# once acknowledges late, and the last packet comes twice. Such a connection is made anew.
again() {
	inside nstat -asz TcpRetransSegs TcpExtTCPDSACKOldSent |
		awk '$1 ~ /^Tcp/ { n += $2 } END { print n + 0 }'
}
held() { [ "$(cat "$T/got" 2>/dev/null)" = 1000000 ]; }
no_tcp_flow() { [ -z "$(json flows 'select(.flow.proto == "tcp")')" ]; }
hold_exactly() {
	local before
	for _ in {1..20}; do
		rm -f "$T/got"
		before=$(again)
		start hold nsenter --target "$session_command" --net --mount -- bash "$T/hold"
		wait_for held || return 1
		dump=$(map --json)
		listed=$(json flows 'select(.flow.proto == "tcp") |
			"\(.flow.bytes_up) \(.flow.bytes_down)"')
		[ "$(again)" != "$before" ] || return 0
		stop "$started_pid"
		wait_for no_tcp_flow || return 1
	done
	return 1
}
map=flows
check a_connection_has_nothing_sent_again hold_exactly
flow() { jq -r ".[].formatted | select(.value.verdict == 1 and .key.proto == 6) | $1" <<<"$dump"; }
readable() { jq -e '.[0].formatted.key.daddr' <<<"$dump"; }
check map_is_pinned_and_readable readable
check map_shows_one_tcp_flow same 1 "$(flow .key.proto | wc -l)"
check counters_agree_up same 1000005 "$(flow .value.bytes_up)"
check counters_agree_down same 1000000 "$(flow .value.bytes_down)"
check headrace_flows_agrees same "1000005 1000000" "$listed"
check pins_are_roots_alone same "700 root 600 root" \
	"$(there stat -c '%a %U' "$pins" "$pins/flows" | xargs)"
inside curl -s -o /dev/null "http://www.$ZONE/"
shows() { map | grep -q -- "$1" || { map; return 1; }; }
map=drops
check drops_are_shown_by_reason shows '"loop_averted"'
map=stats
check stats_are_shown_by_name shows '"up_packets"'
map=domains
check domains_know_the_name shows "www.$ZONE"
map=flow_info
check flow_info_knows_the_outbound shows '"outbound": "direct"'

events() {
	start events nsenter --target "$HOST_PID" --net -- \
		"$B/headrace" events --instance "$INSTANCE" --json
	local pid=$started_pid
	seen() { inside curl -s -o /dev/null "http://www.$ZONE/"; grep -q "www.$ZONE" "$T/events.log"; }
	wait_for seen
	local status=$?
	kill "$pid"
	return $status
}
check events_show_new_and_ended_flows events
check status_names_how_it_is_done same true \
	"$(json status '.status.features | has("attach") and has("protect")')"
finish
