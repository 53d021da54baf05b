#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Roles that die, limits that are reached: the rest goes on, and it is said.
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
tcp_start
session_start --dns $DNS4
web_file file.bin 50000000 >/dev/null
session_log() { cat "$T/session.log"; }
get() { inside curl -sf -m 10 -o /dev/null "http://www.$ZONE/"; }

# --- roles are unprivileged
worker=$(role_pids worker | head -n 1)
resolver=$(role_pids resolver | head -n 1)
field() { sed -n "s/^$2:\t//p" "/proc/$1/status"; }
for role in worker resolver; do
	pid=${!role}
	check "${role}_is_not_root" test "$(stat -c %u "/proc/$pid")" != 0
	check "${role}_has_no_capabilities" same "0000000000000000 0000000000000000" \
		"$(field "$pid" CapEff) $(field "$pid" CapPrm)"
	check "${role}_has_no_new_privileges" same 1 "$(field "$pid" NoNewPrivs)"
	[[ $B == *sanitize ]] || check "${role}_has_seccomp" same 2 "$(field "$pid" Seccomp)"
done

# --- a role that is killed comes back; its flows end with an error within a second
killed_worker() {
	inside ping -n -c 1 -W 3 -M "do" -s 100 $WEB4 || return 1
	start idle nsenter --target "$session_command" --net --mount -- \
		bash -c "exec 3<>/dev/tcp/$ECHO4/9; echo echo >&3; cat <&3"
	local pid=$started_pid
	seen() { json flows 'select(.flow.proto == "tcp") | .flow.daddr' | grep -q $ECHO4; }
	wait_for seen || return 1
	kill -KILL "$worker"
	wait_for -t 1 gone "$pid" || return 1
	grep 'reset by peer' "$T/idle.log" && wait_for get
}
check killed_worker_comes_back killed_worker
# Its raw socket is the old one, and was last used for pings that must stay whole.
large_ping() { inside ping -n -c 1 -W 3 -M dont -s 4000 $WEB4; }
check its_successor_sends_large_pings large_ping
restarts() { json status "[.status.roles[] | select(.name | startswith(\"$1\")) | .restarts // 0] | add"; }
check restart_is_counted within 1 1 "$(restarts worker)"
killed_resolver() {
	kill -KILL "$resolver"
	resolved() { inside dig +short +tries=1 +time=1 "www.$ZONE" | grep -qx $WEB4; }
	wait_for resolved
}
check killed_resolver_comes_back killed_resolver
check other_role_went_on within 1 1 "$(restarts worker)"

# --- what the sanitizers of a role report is seen here: a fault like any other, by a signal
reported() { sanitizer_reports | grep -q .; }
broken() { # ROLE: it dies with a report in its own file, and comes back
	local pid
	pid=$(role_pids "$1" | head -n 1)
	kill -SEGV "$pid"
	wait_for reported || return 1
	no_sanitizer_report && return 1
	grep -q "^==$pid==ERROR: AddressSanitizer: SEGV" "$T"/sanitizer/*."$pid" || return 1
	wait_for get && forget_sanitizer_reports
}
if [[ $B == */sanitize ]]; then
	check sanitizer_report_of_worker_is_seen broken worker
	check sanitizer_report_of_resolver_is_seen broken resolver
fi

# --- a worker's descriptors run out: those flows are refused, others go on
descriptors() {
	inside "$HELPERS/tcp" many $ECHO4 9 100 && return 1
	wait_for get && within 1 100000 "$(dropped source_flows)" && same 0 "$(dropped no_descriptor)"
}
session_stop
SESSION_PREFIX="prlimit --nofile=96:96" session_start --dns $DNS4
check descriptors_run_out descriptors
check nobody_was_restarted same 0 "$(restarts '')"
worker=$(role_pids worker | head -n 1)
resolver=$(role_pids resolver | head -n 1)

# --- main is killed: the command's network ends, the command with it, and the client says so
killed_main() {
	kill -KILL "$(main_pid)"
	wait_for -t 10 gone "$session" || return 1
	grep -qi headraced "$T/session.log" || { cat "$T/session.log"; return 1; }
	for pid in $worker $resolver; do
		wait_for gone "$pid" || return 1
	done
}
check killed_main_ends_all killed_main
again() { run -- curl -sf -m 10 -o /dev/null "http://$WEB4/"; }
check next_start_works again
finish
