# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a whole host pays for having Headrace: flows that go their native way, and captured ones
# by both kinds of capture. The client is the host itself, or a client that it forwards for.
#
#   plain            host -> server, nothing of ours attached
#   headrace         the same with `headrace up`: captured at egress, and all is direct
#   headrace-rules   the same with 1,000 rules and 100,000 prefixes, none of which matches
#   plain-lan        client -> host -> server, the kernel forwards
#   headrace-lan     the same with capture on the client's device, all direct
#   headrace-egress  host -> server, forwarded by capture at egress
#   headrace-route   the same by routes to the TUN
#
# A daemon runs only while its configuration is measured: some of its programs see sockets of
# the whole machine. So each metric alternates, with `up` and `down` in between.
#
# shellcheck disable=SC2034,SC2154 # variables cross the files of session.sh

DIRECT_RULES=1000
DIRECT_PREFIXES=100 # of each rule
direct_configs=(plain headrace headrace-rules plain-lan headrace-lan headrace-egress headrace-route)
direct_up=''

# direct_rules: rules that look at everything a packet has, and match nothing that is sent here.
direct_rules() {
	awk -v rules=$DIRECT_RULES -v each=$DIRECT_PREFIXES 'BEGIN {
		print "rules:"
		for (i = 0; i < rules; i++) {
			printf "  - {name: r%d, destination: [", i
			for (j = 0; j < each; j++) {
				n = i * each + j
				printf "%s%d.%d.%d.0/24", j ? ", " : "", 11 + int(n / 65536), \
					int(n / 256) % 256, n % 256
			}
			printf "]"
			if (i % 4 == 1)
				printf ", port: [%d-%d]", 1000 + i, 1010 + i
			if (i % 4 == 2)
				printf ", protocol: [tcp], not: {user: [%d]}", 3000 + i
			if (i % 4 == 3)
				printf ", source: [10.%d.0.0/16]", i % 256
			print ", action: forward}"
		}
	}'
}

# direct_yaml CONFIG: the configuration that it is started with.
direct_yaml() {
	local uplinks='[to-server]' lan='[]' route=none default=direct
	case $1 in
	headrace-lan) lan='[to-client]' ;;
	headrace-egress) default=forward ;;
	headrace-route) default=forward uplinks=none route=table ;;
	esac
	cat <<-END
		log: warn
		capture: {uplinks: $uplinks, lan: $lan, route: $route}
		dns:
		  upstreams: {server: {type: plain, address: $SERVER}}
		default: $default
	END
	[ "$1" != headrace-rules ] || direct_rules
}

# direct_start CONFIG: 1 and a word if it does not come up.
direct_start() {
	case $1 in plain*) return 0 ;; esac
	[ -s "$work/$1.yaml" ] || direct_yaml "$1" >"$work/$1.yaml"
	direct_up=bench-$BENCH_ID-$1
	if in_ns host timeout 60 "$B/headrace" up --instance "$direct_up" -c "$work/$1.yaml" \
		>"$work/$1.log" 2>&1 </dev/null; then
		wait_for settled "$(direct_roles | head -n 1)" || warn "$1 still loads programs"
		return 0
	fi
	fail "$1" "does not come up: $(tail -n 3 "$work/$1.log")"
	direct_up=''
	return 1
}
direct_stop() {
	[ -n "$direct_up" ] || return 0
	in_ns host timeout 30 "$B/headrace" down --instance "$direct_up" >"$work/down.log" 2>&1 ||
		warn "$direct_up does not end: $(tail -n 1 "$work/down.log")"
	direct_up=''
}

# One sample of METRIC in CONFIG.
direct_sample() { # METRIC CONFIG
	local value='' other pid
	case $1 in
	tcp_up_1) one_transfer "$2" 1 up tcp_up_1 && return ;;
	crr) short crr "$2" $LANES && return ;;
	udp64_up)
		on "$2" $((DURATION + 10)) taskset -c 0 "$LOAD" flood-up $SERVER $PORT 64 "$DURATION" ||
			true
		;;
	rr_p50_1cpu)
		taskset -pc 0 "$server_pid" >/dev/null
		for pid in $(direct_roles); do taskset -apc 0 "$pid" >/dev/null; done
		on "$2" 20 taskset -c 0 "$LOAD" rr tcp $SERVER $PORT $PINGS || true
		taskset -pc "0-$(($(nproc) - 1))" "$server_pid" >/dev/null
		;;
	esac
	read -r value other <"$work/out" || true
	note "$1" "$2" "$value"
}
# The daemon's processes: of the one that is up.
direct_roles() {
	[ -z "$direct_up" ] || in_ns host "$B/headrace" status --instance "$direct_up" --json |
		jq -r '.status.pid, .status.roles[].pid // empty'
}

part_direct() {
	local metric config
	for config in "${direct_configs[@]}"; do
		netns[$config]=/run/netns/host
		case $config in *-lan) netns[$config]=/run/netns/client ;; esac
	done
	for metric in tcp_up_1 crr udp64_up rr_p50_1cpu; do
		for config in "${direct_configs[@]}"; do
			[ -z "${CONFIGS:-}" ] || [[ " $CONFIGS " == *" $config "* ]] || continue
			direct_start "$config" || continue
			direct_sample "$metric" "$config"
			direct_stop
		done
	done
}
