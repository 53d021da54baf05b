#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The commands that ask a running instance: what they show as text and as JSON while a
# download runs, which instance they ask, and who may ask.
# shellcheck disable=SC2154 # started_pid is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
web_file file.bin 20000000 >/dev/null
instance=client-$$

# shellcheck disable=SC2016 # expanded inside
start_host session "$B/headrace" run --dns $DNS4 --instance "$instance" -- sh -c '
	curl -s --limit-rate 200k -o /dev/null "http://$1/file.bin" &
	echo up >"$2/up"; read -r line <"$2/end"; kill $!' sh "www.$ZONE" "$T"
session=$started_pid
mkfifo "$T/end"
wait_for test -e "$T/up" || die "the session did not start: $(cat "$T/session.log")"
flow_there() { headrace flows --json | grep -q '"tcp"'; }
wait_for flow_there || die "no flow: $(cat "$T/session.log")"

# --- text
has() {
	local text=$1
	shift
	"$@" >"$T/shown" 2>&1
	grep -qE -- "$text" "$T/shown" && return 0
	echo "no '$text' in:"
	cat "$T/shown"
	return 1
}
check flows_show_name_address_and_counters \
	has "^curl/[0-9]+ .* www\.$ZONE +$WEB4:80 +tcp +forward +default +worker 1 +open .* [kM]B +[0-9]" \
	headrace flows
check status_names_the_instance has "^instance +$instance$" headrace status
check status_shows_the_roles has "name +resolver" headrace status
check status_shows_how_it_is_done has "attach +(tcx|clsact)" headrace status
check dns_shows_the_upstream has "$DNS4" headrace dns
check instance_by_name has "^instance +$instance$" headrace status --instance "$instance"
inside() { nsenter --target "$session_shell" --net --mount -- "$@"; }
session_shell=$(pgrep -P "$session" -x sh)
inside bash -c 'echo >/dev/udp/10.0.0.1/9999'
check drops_show_reason_and_count has "^kernel +stack_port +[1-9][0-9]* +port of" headrace drops

# --- JSON: each line is one object with one key
json_of() {
	local kind=$1
	shift
	headrace "$@" --json >"$T/shown" || return 1
	[ -s "$T/shown" ] || return 1
	[ "$(jq -c "keys == [\"$kind\"]" "$T/shown" | sort -u)" = true ] && return 0
	cat "$T/shown"
	return 1
}
check json_of_status json_of status status
check json_of_flows json_of flow flows
check json_of_dns json_of dns dns

# --- followed
start_host follow "$B/headrace" flows --follow
follow=$started_pid
start_host events "$B/headrace" events --json
ask() {
	inside curl -s -o /dev/null "http://v4.$ZONE/"
	grep -q "end .*v4.$ZONE .* finished" "$T/follow.log" &&
		jq -e "select(.event.type == \"end\" and .event.domain == \"v4.$ZONE\")" \
			"$T/events.log" >/dev/null
}
check new_and_ended_flows_are_followed wait_for ask

# --- who may ask
stranger() { in_host setpriv --reuid 65533 --regid 65533 --clear-groups "$B/headrace" status; }
refused() { ! stranger >"$T/shown" 2>&1 && [ "$(wc -l <"$T/shown")" = 1 ]; }
check a_stranger_is_refused refused

# --- several, none
start_host second "$B/headrace" run --dns $DNS4 --instance "$instance-2" -- sleep 60
second=$started_pid
both() { headrace status --instance "$instance-2"; }
wait_for both || die "the second instance did not start"
several() {
	local status=0
	headrace status >"$T/shown" 2>&1 || status=$?
	same 1 $status && grep -q "$instance, $instance-2\|$instance-2, $instance" "$T/shown" && return 0
	cat "$T/shown"
	return 1
}
check several_are_listed several
ends() { kill "$second" && wait_for gone "$second"; }
check an_instance_ends_by_sigterm ends
echo >"$T/end"
wait_for gone "$session" || die "the session did not end"
check following_ends_with_the_instance wait_for gone "$follow"
none() {
	local status=0
	headrace status >"$T/shown" 2>&1 || status=$?
	same 1 $status && grep -q "headrace run" "$T/shown"
}
check none_says_what_to_do none
finish
