#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Route capture: what a rule sends direct is listed like everything else, with its owner, its
# rule and what TCP counts of it, while it lasts and when it has ended.

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/host.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/route.sh"
# shellcheck disable=SC2154 # started_pid is set by lib.sh

# flow PROTOCOL ADDRESS JQ: of the newest flow to there. (Looking an address up sorts what it
# finds by connecting datagram sockets, which are flows, too.)
flow() {
	in_host "$B/headrace" flows --instance "$INSTANCE" --json --proto "$1" --dest "$2" |
		jq -rs "[.[].flow | select(.)] | sort_by(.duration_ms) | .[0] | $3"
}
held_pid=none # by hold
facts='"\(.verdict) \(.rule_name) \(.carrier) \(.capture) \(.proto) \(.state)"'

# The servers' side does not hear a connection any more, so that TCP goes on saying that it ends.
deaf() {
	in_far nft -f - <<-END || die "no deaf server"
		table inet deaf {
			chain input { type filter hook input priority 0; tcp dport 9 drop; }
		}
	END
}

# listed NAME ADDRESS: a connection to there, as the list has it.
listed() {
	check "$1: connects" hold held "$2" "$HOST_PID"
	check "$1: has its rule" same "direct direct kernel tun tcp open" "$(flow tcp "$2" "$facts")"
	check "$1: has its process" same "bash $held_pid 0" "$(flow tcp "$2" '"\(.process) \(.pid) \(.uid)"')"
	check "$1: has its cgroup" same "$(sed -n 's/^0:://p' "/proc/$held_pid/cgroup")" "$(flow tcp "$2" .cgroup)"
	check "$1: has its bytes" same "10 5" "$(flow tcp "$2" '"\(.bytes_up) \(.bytes_down)"')"
	own=$(in_host ss -Htnp dport = 9 | awk -v pid="pid=$held_pid," 'index($0, pid) { print $4 }')
	check "$1: has its own port" same "${own##*:}" "$(flow tcp "$2" .sport)"
	deaf
	stop "$held_pid"
	check "$1: has ended with it" same closed "$(flow tcp "$2" .state)"
	check "$1: still has" same closed "$(flow tcp "$2" .state)"
	in_far nft delete table inet deaf
}

route_up
for family in 4 6; do
	declare -n to=TO$family
	start_far "tcp$family" "$HELPERS/tcp" serve "${to[direct]}" 9
	wait_for in_host bash -c "exec 3<>/dev/tcp/${to[direct]}/9" || die "no TCP server"
done
for way in table bind; do
	route_config $way
	must_up
	headrace flows --instance "$INSTANCE" --follow --json >"$T/follow.$way" &
	follower=$!
	ours "$follower" headrace
	listed "$way-IPv4" "${TO4[direct]}"
	listed "$way-IPv6" "${TO6[direct]}"
	start_in "$HOST_PID" keep "$HELPERS/seen" keep "${TO4[direct]}" $SEEN_PORT
	keep=$started_pid
	udp_flow() { same "direct direct kernel tun udp open $keep" \
		"$(flow udp "${TO4[direct]}" "${facts%\"} \\(.pid)\"")"; }
	check "$way: UDP is listed" wait_for udp_flow
	kill -TERM "$keep"
	wait_for gone "$keep"
	check "$way: UDP has ended with its socket" same closed "$(flow udp "${TO4[direct]}" .state)"
	answered_by tcp "${TO6[direct]}" >/dev/null # sets own
	# shellcheck disable=SC2154 # set by it
	of_short() { jq -r "select(.event.sport == $own) | .event.type" "$T/follow.$way" | xargs; }
	short() { same "new end" "$(of_short)"; }
	check "$way: who follows is told of a short one, too" wait_for short
	check "$way: what is forwarded is none of these" eval 'forwarded tcp "${TO4[forward]}" &&
		same "" "$(jq -r "select(.event.sport == $own and .event.verdict == \"direct\")" "$T/follow.$way")"'
	stop "$follower"
	check "$way: down leaves nothing" eval 'down && as_before'
done

finish
