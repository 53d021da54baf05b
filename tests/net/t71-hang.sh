#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A role that hangs without dying is found and replaced; a whole instance that was stopped and
# goes on (Ctrl-Z, a frozen cgroup) is left alone. Two instances, so that both are waited for
# at once.
# shellcheck disable=SC2154 # set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

limit_s=$(awk '$2 == "ROLE_HANG_MS" { print $3 / 1000 }' "$TOP/userspace/base/limits.h")

world_up
web_start
dns_start
session_start --dns $DNS4

# of the session's own instance
stat_of() { json status "[.status.roles[] | select(.name | startswith(\"$1\")) | .$2] | add"; }
get() { inside curl -sf -m 5 -o /dev/null "http://www.$ZONE/"; }
other_than() { local now; now=$(role_pids "$1" | head -n 1) && [ -n "$now" ] && [ "$now" != "$2" ]; }

# --- the second instance: all of it is stopped while the first one's roles are waited for
start_host frozen "$B/headrace" run --quiet --instance "frozen-$$" --dns $DNS4 -- sleep infinity
frozen=$started_pid
frozen_status() { headrace status --instance "frozen-$$" --json; }
wait_for -t 20 frozen_status || die "no second instance"
frozen_main=$(frozen_status | jq .status.pid)
frozen_pids=$(frozen_status | jq -r '.status.pid, .status.roles[].pid')
stopped_since=$SECONDS
# shellcheck disable=SC2086 # a list
kill -STOP $frozen_pids

# --- hang: both roles of the first one
worker=$(role_pids worker | head -n 1)
resolver=$(role_pids resolver | head -n 1)
check works_before get
kill -STOP "$worker" "$resolver"
check hung_worker_is_replaced wait_for -t $((limit_s + 20)) other_than worker "$worker"
check hung_resolver_is_replaced wait_for -t 20 other_than resolver "$resolver"
check hung_worker_is_gone gone "$worker"
check hung_worker_is_counted same "1 1" "$(stat_of worker hangs) $(stat_of worker restarts)"
check hung_resolver_is_counted same "1 1" "$(stat_of resolver hangs) $(stat_of resolver restarts)"
check hang_is_said same 2 "$(grep -c 'hangs, no answer' "$T/session.log")"
check works_again wait_for get

# --- what was stopped altogether goes on with the same roles
stopped_long_enough() { [ $((SECONDS - stopped_since)) -gt $((limit_s + 1)) ]; }
wait_for -t $((limit_s + 5)) stopped_long_enough
# shellcheck disable=SC2086 # a list
kill -CONT $frozen_pids
went_on() { # the same processes, half a limit later too
	local until
	until=$(($(frozen_status | jq .status.uptime_ms) + 1000 * limit_s / 2))
	later() { [ "$(frozen_status | jq .status.uptime_ms)" -ge "$until" ]; }
	wait_for -t $((2 * limit_s)) later || return 1
	same "$frozen_pids" "$(frozen_status | jq -r '.status.pid, .status.roles[].pid')" &&
		same 0 "$(frozen_status | jq '[.status.roles[].hangs] | add')"
}
check stopped_instance_goes_on went_on

# --- an idle role is woken by that question, and by nothing else, once a second
wakes() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/status"; }
idle_wakes() {
	local role before from_ms to_ms n
	role=$(frozen_status | jq -r '.status.roles[] | select(.name == "worker 1").pid')
	before=$(wakes "$role") from_ms=$(date +%s%3N)
	passed() { [ $(($(date +%s%3N) - from_ms)) -ge 5000 ]; }
	wait_for passed
	n=$(($(wakes "$role") - before)) to_ms=$(date +%s%3N)
	within 1 $(((to_ms - from_ms) / 1000 + 2)) $n
}
check idle_worker_is_woken_once_a_second idle_wakes
stop "$frozen"
check stopped_instance_ends_in_order wait_for gone "$frozen_main"
finish
