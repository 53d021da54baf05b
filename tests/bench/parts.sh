# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is measured: part_X takes one sample of each of its metrics in every configuration,
# metric by metric, so that those of a pair lie next to each other in time.
#
# shellcheck disable=SC2154 # variables cross the files of session.sh

LANES=16        # connections at once in crr
MANY=64         # connections at once where workers are compared
PINGS=20000     # round trips in rr
IDLE_TCP=3000   # connections and sessions in mem
IDLE_UDP=10000
WARM=64         # of each before the first look, which touches code and tables once

# ticks PID...: CPU time of processes, in clock ticks; those that are gone count nothing.
ticks() {
	local pid sum=0 stat
	for pid in "$@"; do
		stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
		# The name in brackets may hold spaces: fields are counted after it.
		read -ra stat <<<"${stat##*) }"
		sum=$((sum + stat[11] + stat[12]))
	done
	echo $sum
}

# Everything but idle, iowait and what was stolen; others on the machine included.
machine_ticks() { awk '/^cpu /{ print $2 + $3 + $4 + $7 + $8 }' /proc/stat; }

# rss PID...: resident bytes.
rss() {
	local pid
	for pid in "$@"; do cat "/proc/$pid/status" 2>/dev/null || true; done |
		awk '/^VmRSS:/ { sum += $2 } END { print sum * 1024 }'
}

per_gb() { awk -v t="$1" -v b="$2" -v hz="$(getconf CLK_TCK)" 'BEGIN { print t / hz / (b / 1e9) }'; }

# one_transfer CONFIG STREAMS UP|DOWN [METRIC]: a server of its own each time, as one that was
# left in the middle of a test takes no other. Forwarders' CPU time is taken with one stream.
one_transfer() {
	local config=$1 streams=$2 way=$3 reverse=() server own all bytes=0 rate=
	[ "$way" = up ] || reverse=(-R)
	start iperf nsenter --net=/run/netns/server -- iperf3 -s -1 -p $IPERF_PORT
	server=$started
	wait_for listening $IPERF_PORT || warn "iperf3 does not start"
	# shellcheck disable=SC2086 # a list of pids
	own=$(ticks ${forwarder[$config]:-})
	all=$(machine_ticks)
	if on "$config" $((DURATION + 10)) iperf3 -c $SERVER -p $IPERF_PORT -t "$DURATION" \
		-P "$streams" "${reverse[@]}" -J; then
		# shellcheck disable=SC2086 # a list of pids
		own=$(($(ticks ${forwarder[$config]:-}) - own))
		all=$(($(machine_ticks) - all))
		read -r rate bytes < <(jq -r '.end.sum_received |
			"\(.bits_per_second / 1e9) \(.bytes)"' "$work/out" 2>/dev/null) || true
	fi
	stop "$server"
	note "${4:-tcp_${way}_$streams}" "$config" "$rate"
	[ -z "${4:-}" ] && [ "$streams" = 1 ] && [ "$bytes" -gt 0 ] 2>/dev/null || return 0
	note "tcp_syscpu_$way" "$config" "$(per_gb "$all" "$bytes")"
	[ -z "${forwarder[$config]:-}" ] || note "tcp_cpu_$way" "$config" "$(per_gb "$own" "$bytes")"
}

part_tcp() {
	local streams way config
	paths_up
	for streams in 1 8; do
		for way in up down; do
			for config in "${configs[@]}"; do
				one_transfer "$config" $streams $way
			done
		done
	done
	paths_down
}

# short METRIC CONFIG LANES: short connections, so many at once.
short() {
	local metric=$1 config=$2 lanes=$3 rate='' failed=0
	on "$config" $((DURATION + 10)) "$LOAD" crr $SERVER $PORT "$DURATION" "$lanes" || true
	read -r rate failed <"$work/out" || true
	[ "${failed:-0}" = 0 ] || fail "$config" "$failed connections of $metric failed"
	note "$metric" "$config" "$rate"
}

# One stream while the client's device loses packets of both directions. Forwarders and kernel
# hand it packets of up to 64 KiB, which are lost as wholes.
part_loss() {
	local percent way config
	paths_up
	for percent in 0 0.1 1 5; do
		for way in down up; do
			for config in "${configs[@]}"; do
				lossy_transfer "$config" $percent $way
			done
		done
	done
	paths_down
}

lossy_transfer() { # CONFIG PERCENT UP|DOWN
	local device lossy
	[ -n "${netns[$1]:-}" ] || return 0
	device=$(nsenter --net="${netns[$1]}" -- ip -4 -o route show default |
		sed -E 's/.* dev ([^ ]+).*/\1/')
	start lossy nsenter --net="${netns[$1]}" -- "$B/tests/net/lossy" \
		"$top/build/tests/net/lossy.bpf.o" "$(awk -v p="$2" 'BEGIN { print p * 100 }')" 0 0 \
		"$rep" "$device/in" "$device/out"
	lossy=$started
	if wait_for grep -q ready "$work/lossy.log"; then
		one_transfer "$1" 1 "$3" "tcp_$3_loss$2"
	else
		fail "$1" "no loss: $(tail -n 1 "$work/lossy.log")"
	fi
	stop "$lossy"
}

part_crr() {
	local config
	paths_up
	for config in "${configs[@]}"; do short crr "$config" $LANES; done
	paths_down
}

# What a worker per CPU does to many connections; peers have nothing of the kind.
part_workers() {
	local way config wanted=()
	for config in "${configs[@]}"; do
		case $config in pasta | slirp4netns) ;; *) wanted+=("$config") ;; esac
	done
	local configs=("${wanted[@]}") # of what is called from here, too
	paths_up
	for way in up down; do
		for config in "${configs[@]}"; do one_transfer "$config" $MANY $way; done
	done
	for config in "${configs[@]}"; do short crr_$MANY "$config" $MANY; done
	paths_down
}

# Client, forwarder and server on one CPU: elsewhere the wake-up of a halted CPU decides.
part_rr() {
	local config p50 p99 pid
	paths_up
	taskset -pc 0 "$server_pid" >/dev/null
	for config in "${configs[@]}"; do
		for pid in ${forwarder[$config]:-}; do taskset -apc 0 "$pid" >/dev/null; done
		p50='' p99=''
		on "$config" 20 taskset -c 0 "$LOAD" rr tcp $SERVER $PORT $PINGS || true
		read -r p50 p99 <"$work/out" || true
		note rr_p50_1cpu "$config" "$p50"
		note rr_p99_1cpu "$config" "$p99"
	done
	taskset -pc "0-$(($(nproc) - 1))" "$server_pid" >/dev/null
	paths_down
}

part_udp() {
	local size way config rate
	paths_up
	like_cards yes
	for size in 64 1400; do
		for way in up down; do
			for config in "${configs[@]}"; do
				rate=''
				on "$config" $((DURATION + 10)) "$LOAD" flood-$way $SERVER $PORT \
					$size "$DURATION" || true
				read -r rate <"$work/out" || true
				note "udp${size}_$way" "$config" "$rate"
			done
		done
	done
	like_cards no
	paths_down
}

# idle CONFIG tcp|udp COUNT: opens them and waits until all are there; pid in $started. The
# limit ends a client that hangs; the one that is ready is ended by stop.
idle() {
	masquerade off
	start idle timeout 60 nsenter --net="${netns[$1]}" -- "$LOAD" idle "$2" $SERVER $PORT "$3"
	for _ in $(seq 1000); do
		! grep -q ready "$work/idle.log" || return 0
		kill -0 "$started" 2>/dev/null || return 1
		sleep 0.03
	done
	return 1
}

# grown CONFIG METRIC KIND COUNT: resident bytes of the forwarder per connection or session.
grown() {
	local config=$1 metric=$2 kind=$3 count=$4 before after value=''
	path_up "$config" || return 0
	# shellcheck disable=SC2086 # lists of pids
	{
		[ "$kind" = udp ] || note mem_start "$config" "$(rss ${forwarder[$config]})"
		idle "$config" "$kind" $WARM && {
			stop "$started"
			before=$(rss ${forwarder[$config]})
			idle "$config" "$kind" "$count"
		} && {
			after=$(rss ${forwarder[$config]})
			value=$(((after - before) / count))
		}
	}
	[ -n "$value" ] || warn "$config: $kind: $(tail -n 1 "$work/idle.log")"
	stop "$started"
	note "$metric" "$config" "$value"
	path_down "$config"
}

part_mem() {
	local config
	for config in "${configs[@]}"; do
		case $config in kernel | masquerade) continue ;; esac
		grown "$config" mem_tcp_idle tcp $IDLE_TCP
		grown "$config" mem_udp udp $IDLE_UDP
	done
}

# From the start of the forwarder to the first byte that came back through it.
part_start() {
	local config before after
	for config in "${configs[@]}"; do
		before=$(date +%s%N) after=''
		: >"$work/out"
		case $config in
		kernel | masquerade) on "$config" 10 "$LOAD" first $SERVER $PORT ;;
		pasta) first "${pasta_argv[@]}" -- "$LOAD" first $SERVER $PORT ;;
		slirp4netns) path_up "$config" && on "$config" 10 "$LOAD" first $SERVER $PORT ;;
		headrace*)
			headrace_command "$config"
			first "${headrace_argv[@]}" -- "$LOAD" first $SERVER $PORT
			;;
		esac || true
		path_down "$config"
		after=$(grep -xE '[0-9]{19}' "$work/out") || true
		[ -z "$after" ] || after=$(awk -v a="$after" -v b="$before" \
			'BEGIN { printf "%.1f", (a - b) / 1e6 }')
		note start_first_byte "$config" "$after"
	done
}

first() {
	masquerade off
	timeout -k 2 10 "$@" >"$work/out" 2>"$work/err" </dev/null &
	wait $! || warn "status $? from ${1##*/}: $(tail -n 1 "$work/err")"
}

# The tables and programs themselves, beside 1 k to 1 M flows; its samples are complete.
part_flows() {
	"$B/tests/bench/flows" "$rep" >>"$samples" || fail headrace "flows: status $?"
	"$B/tests/bench/flows_udp" "$rep" >>"$samples" || fail headrace "flows_udp: status $?"
}
