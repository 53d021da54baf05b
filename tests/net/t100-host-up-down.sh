#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The daemon of a host comes and goes: what it captures, that it leaves nothing behind however
# it ends, devices that appear later, both ways of attaching, and what becomes of captured and
# of direct traffic while it is gone (when-down).
# shellcheck disable=SC2154 # started_pid is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"
world_up
web_start
dns_start
INSTANCE=host-$$
NOWHERE=192.0.2.99 # a name server that does not exist: who answers is the daemon
main_pid=''

# --- what the host has ------------------------------------------------------------------------

# All of it that a daemon could leave changed. Programs by tcx links are not to be seen so: they
# end with process or pin, and that nothing answers for $NOWHERE tells it, too.
host_state() {
	local dev
	in_host ip -o -d link show | sed 's/ state [A-Z]* / /; s/,LOWER_UP//'
	in_host ip -o addr show | sed 's/valid_lft.*//'
	in_host ip -4 route show table all | sort
	in_host ip -6 route show table all | sed 's/expires [^ ]*//' | sort
	in_host ip rule show
	in_host ip -6 rule show
	in_host nft list ruleset
	for dev in $(in_host ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do
		in_host tc qdisc show dev "$dev"
		in_host tc filter show dev "$dev" ingress
		in_host tc filter show dev "$dev" egress
	done
	in_host sysctl -a 2>/dev/null | grep -E '^net\.ipv[46]\.(conf|ip_forward)' |
		grep -v stable_secret
	find /sys/fs/bpf /sys/fs/cgroup -path "*$INSTANCE*"
}
nothing_left() {
	wait_for test -z "$(find /sys/fs/cgroup -path "*$INSTANCE*")"
	host_state >"$T/now" 2>&1
	diff "$T/before" "$T/now"
}

# --- the daemon -------------------------------------------------------------------------------

# config [LINES OF capture:]: a heartbeat that a loaded machine does not miss.
config() {
	printf 'capture:\n  heartbeat: %s\n%s\ndns:\n  upstreams: {nsd: {type: plain, address: %s}}\n' \
		"${HEARTBEAT:-5s}" "${1:-}" "$DNS4" >"$T/host.yaml"
}
client() { in_host "$B/headrace" "$@" --instance "$INSTANCE" 8>&-; }
up() {
	: >"$T/daemon.log"
	client up -c "$T/host.yaml" --log-file "$T/daemon.log" || { cat "$T/daemon.log"; return 1; }
	main_pid=$(status .status.pid)
	ours "$main_pid" headraced
}
down() { client down && wait_for gone "$main_pid"; }
status() { client status --json | jq -r "$1"; }
how() { status ".status.captures[] | select(.device == \"$1\") | .mode // .error"; }
is_captured_by() { [ "$(how "$1")" = "$2" ]; }
query() { in_host dig +short +tries=1 +time="${1:-5}" @$NOWHERE "www.$ZONE"; }
resolves() { same $WEB4 "$(query)"; }
asked_nobody() { [ "$(query 1)" != $WEB4 ]; }
fetches() { in_host curl -sf -m 10 -o /dev/null "http://$WEB4/"; }
# Until its roles have gone, too, the TUN takes packets which nobody will answer.
killed() {
	local tun
	tun=$(status .status.tun)
	kill -KILL "$main_pid" && wait_for gone "$main_pid" && wait_for without_device "$tun"
}
without_device() { ! in_host ip link show dev "$1" >/dev/null 2>&1; }

is_tcx() { [ "$attach_way" = tcx ]; }
not_attached() { ! in_host tc filter show dev "$1" egress | grep -q .; }

# A download that is under way while the daemon comes and goes; it ends by itself.
download_start() {
	start download nsenter --target "$HOST_PID" --net -- \
		curl -sf --limit-rate 400K -o "$T/got" "http://$WEB4/slow"
	download_pid=$started_pid
	wait_for test -s "$T/got"
}
download_whole() {
	wait_for -t 60 gone "$download_pid" && same "$slow_sum" "$(sha256sum <"$T/got")"
}

slow_sum=$(web_file slow 6000000)
host_state >"$T/before" 2>&1

# --- up and down ------------------------------------------------------------------------------

config
check the_daemon_answers_nobody_before asked_nobody
download_start
check up_returns_when_it_is_ready up
check its_uplink_is_captured is_captured_by uplink "$(status .status.features.attach)"
attach_way=$(status .status.features.attach)
check the_loopback_is_not_captured same '' "$(how lo)"
check its_own_device_is_not_captured same '' "$(how headrace0)"
check dns_is_answered_whoever_is_asked resolves
check what_is_direct_goes_its_own_way fetches
check the_stack_answers_ping in_host ping -c 1 -W 5 "$(status .status.stack4)"
check the_stack_answers_dns same $WEB4 \
	"$(in_host dig +short +tries=1 +time=5 @"$(status .status.stack4)" www.$ZONE)"
check the_tun_takes_what_the_uplink_takes [ "$(status .status.mtu)" -ge 1500 ]
no_second() {
	client up -c "$T/host.yaml" >"$T/second" 2>&1
	[ $? = 1 ] && grep -q 'is running already' "$T/second"
}
check a_second_one_of_the_name_is_refused no_second
# Each would capture what the other one's workers send, for ever.
other() { in_host "$B/headrace" "$1" --instance "$INSTANCE-other" "${@:2}" 8>&- >"$T/other" 2>&1; }
no_other() {
	other up -c "$T/host.yaml"
	[ $? = 1 ] && grep -q 'another instance captures what this host sends' "$T/other"
}
check one_of_another_name_is_refused no_other
printf 'capture: {uplinks: none, lan: [%s]}\n' docker0 >"$T/other.yaml"
check one_of_clients_alone_is_not other up -c "$T/other.yaml"
printf 'capture: {uplinks: auto, lan: [%s]}\n' docker0 >"$T/other.yaml"
no_uplinks() { other reload; grep -q 'another instance captures' "$T/other"; }
check but_gets_no_uplinks_by_a_reload no_uplinks
check and_goes other down
check the_first_one_goes_on resolves
check the_only_instance_needs_no_name \
	same "$INSTANCE" "$(in_host "$B/headrace" status --json | jq -r .status.instance)"
check down_returns_when_all_is_undone down
check nothing_is_left_of_it nothing_left
check nobody_answers_afterwards asked_nobody
check down_where_nothing_runs_is_no_error client down

# --- errors -----------------------------------------------------------------------------------

printf 'capture:\n  uplink: auto\n  when-down: ajar\n' >"$T/bad.yaml"
bad_file() {
	client up -c "$T/bad.yaml" >"$T/bad" 2>&1
	[ $? = 1 ] || return 1
	grep -q "^$T/bad.yaml:2: .*did you mean 'uplinks'" "$T/bad" &&
		grep -q "^$T/bad.yaml:3: capture.when-down: .*expected one of open, closed" "$T/bad"
}
check errors_have_file_and_line bad_file
check nothing_is_left_of_a_bad_file nothing_left
printf 'dns:\n  listen: ["198.51.100.250:53"]\n  lists: {gone: {file: gone.txt}}\n' >"$T/bad.yaml"
bad_listener() {
	client up -c "$T/bad.yaml" >"$T/bad" 2>&1
	[ $? = 1 ] || return 1
	grep -q "^$T/bad.yaml:3: .*cannot read $T/gone.txt" "$T/bad" &&
		grep -q "^$T/bad.yaml:2: .*cannot listen on 198.51.100.250:53 (UDP)" "$T/bad" &&
		grep -q "^$T/bad.yaml:2: .*cannot listen on 198.51.100.250:53 (TCP)" "$T/bad" &&
		grep -q "^headrace: $T/bad.yaml: 3 errors" "$T/bad"
}
check a_start_that_fails_says_why bad_listener
check nothing_is_left_of_a_failed_start nothing_left

config
no_capture_in_run() {
	in_host "$B/headrace" run --quiet -c "$T/host.yaml" -- true 2>"$T/run.err" 8>&- &&
		grep -q '`capture` is for `headrace up`' "$T/run.err"
}
check run_does_not_capture_and_says_so no_capture_in_run

printf 'capture: {uplinks: [uplink, nosuch0]}\ndns:\n  policies: [{block-quic: true}]\n' >"$T/bad.yaml"
{
	echo '  listen: [172.31.255.1]'
	echo '  devices:'
	for i in {1..64}; do echo "    nosuch$i: auto"; done
} >>"$T/bad.yaml"
warnings() {
	client up -c "$T/bad.yaml" >"$T/bad" 2>&1
}
check what_is_not_there_does_not_keep_it_from_starting warnings
check a_device_that_is_not_there_is_a_warning \
	grep -q '^warning: nosuch0 is not captured: no such device' "$T/bad"
check so_is_each_of_those_where_queries_are_answered \
	same 64 "$(grep -c '^warning: dns.devices: nosuch[0-9]*: no such device' "$T/bad")"
check a_policy_about_flows_that_go_direct_is_a_warning \
	grep -q "^$T/bad.yaml:3: warning: .*block-quic is for flows that are forwarded" "$T/bad"
client down

# --- killed -----------------------------------------------------------------------------------

up || die "no second start: $(cat "$T/case")"
killed
check open_nothing_is_captured_when_it_is_killed asked_nobody
check open_what_it_asked_goes_its_own_way same $WEB4 \
	"$(in_host dig +short +tries=1 +time=5 @$DNS4 www.$ZONE)"
check down_cleans_after_a_kill client down
check nothing_is_left_of_a_killed_one nothing_left
up || die "no third start"
killed
check the_next_start_cleans_what_it_finds up
check and_captures resolves
down
check nothing_is_left_of_both nothing_left

# A main that is stopped: captured traffic goes its own way until it is back.
HEARTBEAT=200ms config
up || die "no fourth start"
kill -STOP "$main_pid"
check open_a_stopped_one_counts_as_gone wait_for asked_nobody
check open_direct_traffic_does_not_notice_a_stopped_one fetches
kill -CONT "$main_pid"
check open_it_captures_again_when_it_goes_on wait_for resolves
kill -STOP "$main_pid"
check down_ends_a_hung_one client down
wait_for gone "$main_pid"
check nothing_is_left_of_a_hung_one nothing_left
check the_download_never_noticed_any_of_it download_whole

# --- closed -----------------------------------------------------------------------------------

refused_at_once() { # not: after the 20 s in which an answer might have come
	local began=$SECONDS
	in_host dig +tries=1 +time=20 @$DNS4 www.$ZONE >"$T/dig"
	grep 'connection refused' "$T/dig" && within 0 15 $((SECONDS - began)) && return 0
	cat "$T/dig"
	return 1
}
doctor_says() { ! in_host "$B/headrace" doctor >"$T/doctor" && grep -qF "$1" "$T/doctor"; }
for way in tcx clsact; do
	[ $way = clsact ] || is_tcx || continue
	config "$(printf '  when-down: closed\n  attach: %s' $way)"
	download_start
	check "${way}_closed_up" up
	check "${way}_closed_is_how_it_is_attached" is_captured_by uplink $way
	check "${way}_closed_resolves" resolves
	killed
	check "${way}_closed_what_was_captured_is_refused_at_once" refused_at_once
	check "${way}_closed_what_is_direct_does_not_notice" fetches
	check "${way}_closed_the_doctor_knows_why" doctor_says 'with when-down: closed they refuse'
	check "${way}_closed_another_run_does_not_open_it" \
		in_host "$B/headrace" run --quiet --dns $DNS4 -- true
	check "${way}_closed_it_is_refused_still" refused_at_once
	check "${way}_closed_the_next_start_takes_over" up
	check "${way}_closed_and_captures" resolves
	in_host ip link del "$(status .status.tun)"
	check "${way}_closed_it_ends_when_its_device_is_removed" wait_for gone "$main_pid"
	check "${way}_closed_and_does_not_open_it" refused_at_once
	check "${way}_closed_a_start_after_that_takes_over_too" up
	check "${way}_closed_and_captures_again" resolves
	killed
	check "${way}_closed_down_opens_it_again" client down
	check "${way}_closed_nothing_is_left" nothing_left
	check "${way}_closed_direct_flows_never_noticed" download_whole
done

# --- devices that come later ------------------------------------------------------------------

config "$(printf "  attach: clsact\n  lan: ['later*']")"
up || die "no start with clsact"
check clsact_is_used_where_it_is_asked_for is_captured_by uplink clsact
filters() { in_host tc filter show dev "$1" "$2" | grep -q "$3"; }
check clsact_has_its_filter_on_the_way_out filters uplink egress host_egress
check clsact_has_its_filter_on_the_way_in filters uplink ingress host_ingress
check clsact_resolves resolves
# Somebody makes a clean sweep of what is attached to a device.
for dev in uplink headrace0; do
	in_host tc qdisc del dev $dev clsact
	check "what_is_removed_from_${dev}_is_put_back" wait_for filters $dev egress egress
	check "and_resolves_again_${dev}" wait_for resolves
done
check it_is_said grep -q 'put back what was removed device=uplink' "$T/daemon.log"
in_host tc filter del dev uplink ingress
check filters_alone_are_put_back_too wait_for filters uplink ingress host_ingress
in_host ip link add later0 type veth peer name other0
in_host ip addr add 192.0.2.1/30 dev other0
in_host ip link set other0 up
in_host ip link set later0 up
check C-52_a_device_that_appears_is_captured wait_for is_captured_by other0 clsact
check a_lan_device_that_appears_is_captured wait_for is_captured_by later0 clsact
in_host ip link del later0
check C-52_one_that_vanishes_is_forgotten wait_for is_captured_by later0 ''
config "$(printf '  attach: clsact\n  uplinks: none')"
check a_reload_takes_effect client reload
check a_reload_detaches wait_for is_captured_by uplink ''
check a_reload_leaves_no_filter_behind not_attached uplink
config "$(printf '  attach: clsact\n  uplinks: [upl*]')"
kill -HUP "$main_pid"
check sighup_reloads wait_for is_captured_by uplink clsact
check sighup_resolves resolves
down
check nothing_is_left_of_clsact nothing_left

# What was killed is cleaned from wherever `down` is said.
up || die "no start to be killed"
killed
check a_killed_one_leaves_filters filters uplink egress host_egress
check down_is_said_in_another_namespace in_far "$B/headrace" down --instance "$INSTANCE"
check nothing_is_left_there_either nothing_left

finish
