#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Several at once: each has its own namespace with the same addresses, its own flows and
# report, and the end of one is nothing to the others.
# shellcheck disable=SC2154 # started_pid is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
count=5
for i in $(seq $count); do
	web_file "file$i.bin" $((i * 1000000)) | awk '{ print $1 }' >"$T/sum$i"
done

# Each waits for the others, downloads its own file, and waits again.
for i in $(seq $count); do
	# shellcheck disable=SC2016 # expanded inside
	start_host "run$i" "$B/headrace" run --dns $DNS4 --instance "side$i-$$" --json -- sh -c '
		touch "$1/up$2"
		while [ ! -e "$1/go" ]; do sleep 0.05; done
		curl -sf -m 20 "http://www.'$ZONE'/file$2.bin" | sha256sum | cut -d" " -f1 >"$1/got$2"
		touch "$1/done$2"
		while [ ! -e "$1/end$2" ]; do sleep 0.05; done' sh "$T" "$i"
	pids[i]=$started_pid
done
all() {
	local i
	for i in $(seq $count); do [ -e "$T/$1$i" ] || return 1; done
}
check all_start wait_for -t 30 all up
touch "$T/go"
check all_download wait_for -t 30 all "done"
equal() {
	local i
	for i in $(seq $count); do same "$(cat "$T/sum$i")" "$(cat "$T/got$i")" || return 1; done
}
check downloads_are_intact equal
one_namespace_each() {
	local i
	for i in $(seq $count); do
		readlink "/proc/$(pgrep -P "${pids[i]}" -x sh)/ns/net"
	done | sort -u | wc -l
}
check each_has_a_namespace same $count "$(one_namespace_each)"
check each_has_the_usual_address same 10.0.0.1 \
	"$(for i in $(seq $count); do headrace status --instance "side$i-$$" --json |
		jq -r .status.stack4; done | sort -u)"

# --- the first ends, the others go on
touch "$T/end1"
check first_ends wait_for gone "${pids[1]}"
check others_go_on headrace status --instance "side2-$$"
for i in $(seq 2 $count); do touch "$T/end$i"; done
ended() { local i; for i in $(seq $count); do gone "${pids[i]}" || return 1; done; }
check all_end wait_for -t 15 ended
reports() {
	local i bytes
	for i in $(seq $count); do
		bytes=$(jq -s 'map(.flow // empty | select(.proto == "tcp") | .bytes_down) | add' \
			"$T/run$i.log")
		within $((i * 1000000)) $((i * 1000000 + 100000)) "$bytes" || return 1
	done
}
check each_report_has_its_own_bytes reports

# --- a name that is taken
start_host taken "$B/headrace" run --dns $DNS4 --instance "same-$$" -- sleep 100
wait_for headrace status --instance "same-$$"
refused() {
	local status=0
	headrace run --instance "same-$$" -- touch "$T/touched" 2>"$T/err" || status=$?
	same 1 $status && same 1 "$(wc -l <"$T/err")" && grep -q "same-$$" "$T/err" &&
		[ ! -e "$T/touched" ]
}
check same_name_twice_is_refused_in_one_line refused
check the_first_of_the_name_lives headrace status --instance "same-$$"
finish
