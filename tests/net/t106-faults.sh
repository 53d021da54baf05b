#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Main, workers and the resolver of a host's daemon killed and stopped under traffic, with
# when-down open and closed. Direct flows never notice. Captured ones pass natively or are
# refused once the heartbeat is stale; the next start finds its way, and `down` leaves nothing.
# exclusive: programs, maps and namespaces of the whole machine are compared
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
dns_start
tcp_start
HANG_S=$(awk '$2 == "ROLE_HANG_MS" { print $3 / 1000 }' "$TOP/userspace/base/limits.h")
in_host tc qdisc show >/dev/null 2>&1 || die "no tc"
snapshot_host "$T/before"

# What a new connection learns: native (its own port is seen), carried (another one), refused.
fate() { # CLIENT PROTOCOL FAMILY
	local to=${TO4[forward]} answer
	[ "$3" = 4 ] || to=${TO6[forward]}
	read -ra answer < <(SEEN_MS=700 in_"$1" "$HELPERS/seen" ask "$2" "$to" $SEEN_PORT)
	case ${answer[0]:-} in
	answered) [ "${answer[1]}" = "${answer[3]}" ] && echo native || echo carried ;;
	*) echo "${answer[*]:-nothing}" | sed 's/ .*//' ;;
	esac
}
# all_fates WANTED: of the host and the desk, TCP and UDP, both families.
all_fates() {
	local client proto family
	for client in host desk; do
		for proto in tcp udp; do
			for family in 4 6; do
				same "$1" "$(fate $client $proto $family)" || {
					echo "$client, $proto, IPv$family"
					return 1
				}
			done
		done
	done
}
becomes() { wait_for -t "${2:-15}" all_fates "$1" && all_fates "$1"; }

# Direct flows that never rest, until ends_whole says that nothing of them was lost.
steady_start() {
	start_host steady-host "$HELPERS/seen" keep "${TO4[direct]}" $SEEN_PORT
	steady_host=$started_pid
	start_in "$DESK_PID" steady-desk "$HELPERS/seen" keep "${TO6[direct]}" $SEEN_PORT
	steady_desk=$started_pid
}
talks=0
direct_goes_on() {
	speaks "$host_talk" && speaks "$desk_talk"
}
other_than() { local now; now=$(role_pids "$1" | head -n 1) && [ -n "$now" ] && [ "$now" != "$2" ]; }
resolved() { in_host dig +short +tries=1 +time=1 "@$DNS4" "www.$ZONE" | grep -qx $WEB4; }

faults() { # open|closed
	local when=$1 wanted role pid
	wanted=native
	[ "$when" = open ] || wanted=refused
	host_config when-down="$when" rules="$(host_rules)"
	must_up
	talks=$((talks + 1))
	host_talk=host-$talks desk_talk=desk-$talks
	talk_to $host_talk "$HOST_PID" "TCP4:$ECHO4:9"
	talk_to $desk_talk "$DESK_PID" "TCP6:[$ECHO6]:9"
	steady_start
	check "${when}_all_is_carried" becomes carried
	check "${when}_direct_works" direct_goes_on

	pid=$(role_pids worker | head -n 1)
	kill -KILL "$pid"
	check "${when}_killed_worker_comes_back" wait_for -t 15 other_than worker "$pid"
	check "${when}_and_carries" becomes carried
	pid=$(role_pids resolver | head -n 1)
	kill -KILL "$pid"
	check "${when}_killed_resolver_comes_back" wait_for -t 15 resolved
	if [ "$when" = open ] || [ -n "$FULL" ]; then
		pid=$(role_pids worker | head -n 1)
		role=$(role_pids resolver | head -n 1)
		kill -STOP "$pid" "$role"
		check "${when}_direct_does_not_need_them" direct_goes_on
		check "${when}_stopped_worker_is_replaced" wait_for -t $((HANG_S + 20)) other_than worker "$pid"
		check "${when}_stopped_resolver_is_replaced" wait_for -t 20 other_than resolver "$role"
		check "${when}_and_all_is_carried" becomes carried
	fi

	kill -STOP "$daemon_pid"
	check "${when}_main_stopped_captured_is_${wanted}" becomes $wanted
	check "${when}_main_stopped_direct_goes_on" direct_goes_on
	kill -CONT "$daemon_pid"
	check "${when}_main_goes_on_and_all_is_carried" becomes carried

	role=$(role_pids worker | head -n 1)
	kill -KILL "$daemon_pid"
	check "${when}_main_killed_captured_is_${wanted}" becomes $wanted
	check "${when}_main_killed_its_roles_end" wait_for gone "$role"
	check "${when}_main_killed_direct_goes_on" direct_goes_on

	check "${when}_next_start" up
	check "${when}_next_start_carries" becomes carried
	check "${when}_next_start_direct_goes_on" direct_goes_on
	check "${when}_down" down
	check "${when}_after_down_all_is_native" becomes native
	check "${when}_steady_flow_of_the_host_lost_nothing" lost_nothing steady-host "$steady_host"
	check "${when}_steady_flow_of_the_desk_lost_nothing" lost_nothing steady-desk "$steady_desk"
	check "${when}_down_leaves_nothing" compare_host "$T/before"
}

faults open
faults closed

# `down` after a kill cleans, too; and where nothing runs it says so.
host_config when-down=closed rules="$(host_rules)"
must_up
kill -KILL "$daemon_pid"
wait_for gone "$daemon_pid"
check down_cleans_after_a_kill headrace down --instance "$INSTANCE"
check then_all_is_native becomes native
check nothing_is_left compare_host "$T/before"
finish
