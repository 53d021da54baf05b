#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Signals and sudden ends with everything in place: what reaches COMMAND, that the report
# comes all the same, and that nobody outlives the others.
# shellcheck disable=SC2154 # started_pid is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
web_file file.bin 50000000 >/dev/null

# begin TAG COMMAND...: a run in the background; sets $session, $main and $command_pid.
begin() {
	local tag=$1
	shift
	start_host "$tag" env --default-signal=INT,QUIT "$B/headrace" run --dns $DNS4 \
		--instance "$tag-$$" -- "$@"
	session=$started_pid
	wait_for -t 20 headrace status --instance "$tag-$$" || return 1
	main=$(headrace status --instance "$tag-$$" --json | jq .status.pid)
	found() { command_pid=$(pgrep -P "$session" | grep -vx "$main"); [ -n "$command_pid" ]; }
	wait_for found
}
all_gone() { wait_for gone "$session" && wait_for gone "$main" && wait_for gone "$command_pid"; }
said() {
	grep -q -- "$2" "$T/$1.log" && return 0
	echo "no '$2' in:"
	cat "$T/$1.log"
	return 1
}

# --- passed on, and the command decides
passed_on() {
	# shellcheck disable=SC2016 # expanded inside
	begin "on$1" sh -c 'trap "echo got-it; exit 3" "$1"; while :; do sleep 0.1; done' sh "$1" ||
		return 1
	sleep_of_the_trap() { pgrep -P "$command_pid" sleep; }
	wait_for sleep_of_the_trap
	kill "-$1" "$session"
	all_gone && said "on$1" got-it && said "on$1" '^headrace: 0 flows'
}
for signal in TERM HUP INT QUIT USR1 USR2; do
	check "${signal}_is_passed_on" passed_on $signal
done

# --- a download that is ended by TERM is reported, and its status is that of the signal
reported() {
	local status=0
	headrace run --dns $DNS4 -- timeout -s TERM 1 \
		curl -s --limit-rate 1M -o /dev/null "http://www.$ZONE/file.bin" \
		2>"$T/reported.log" || status=$?
	same 124 $status && said reported "^www.$ZONE .*reset by application\|^www.$ZONE .*open"
}
check ended_download_is_reported reported
killed_status() {
	local status=0
	headrace run --quiet -- sh -c "kill -$1 \$\$" || status=$?
	same $((128 + $1)) $status
}
check status_of_kill killed_status 9
check status_of_segv killed_status 11
check status_of_pipe killed_status 13

# --- sudden ends
client_killed() {
	begin client sh -c 'while :; do sleep 0.2; done' || return 1
	kill -KILL "$session"
	all_gone
}
check killed_client_takes_all_along client_killed
main_killed() {
	begin main sh -c 'trap "echo asked; exit 0" TERM; while :; do sleep 0.1; done' || return 1
	kill -KILL "$main"
	all_gone && said main asked && said main 'headraced ended unexpectedly'
}
check killed_main_is_said_and_ends_the_command main_killed
device_removed() {
	# shellcheck disable=SC2016 # expanded inside; not before all of them are known
	begin device sh -c 'until [ -e "$1" ]; do sleep 0.1; done
		ip link del headrace0; while :; do sleep 0.2; done' sh "$T/go" || return 1
	touch "$T/go"
	all_gone && said device 'the device headrace0 was removed' &&
		same 1 "$(grep -c 'read failed' "$T/device.log")"
}
check removed_device_is_said_and_ends_the_command device_removed
stubborn() {
	begin stubborn sh -c 'trap "" TERM; while :; do sleep 0.1; done' || return 1
	kill -KILL "$main"
	all_gone
}
check command_that_ignores_it_is_killed stubborn

# --- a second one works at once
check next_run_works run -- curl -sf -m 10 -o /dev/null "http://www.$ZONE/"
finish
