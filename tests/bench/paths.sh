# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The configurations: what stands between a client and the server.
#
#   kernel        client -> host routes -> server
#   masquerade    the same with nft masquerade on the host
#   pasta, slirp4netns, headrace
#                 the client in a namespace of its own, whose forwarder runs on the host
#   headrace-Nworkers   headrace run --workers N, if it has that option
#
# path_up starts the forwarder of one and notes in `netns` where its client lives and in
# `forwarder` the pids whose CPU time and memory count. Idle forwarders cost nothing, so those
# of all configurations stand side by side and each metric alternates between them.
#
# shellcheck disable=SC2034,SC2154 # variables cross the files of session.sh

declare -A netns=([kernel]=/run/netns/client [masquerade]=/run/netns/client)
declare -A forwarder=() launched=()
configs=()

# choose_paths: $CONFIGS, or all that are installed; a peer that is not is left out with a word.
choose_paths() {
	local config direct_wanted='' wanted="kernel masquerade pasta slirp4netns headrace" workers
	workers=$(nproc)
	if [ "$workers" -gt 1 ] && headrace_has --workers; then
		wanted+=" headrace-${workers}workers"
	fi
	for config in ${CONFIGS:-$wanted}; do
		case $config in
		kernel | masquerade | headrace) ;;
		plain | plain-lan | headrace-rules | headrace-lan | headrace-egress | headrace-route)
			direct_wanted=1 # see direct.sh
			continue
			;;
		headrace-[1-9]*workers)
			headrace_has --workers || {
				say "left out   $config: headrace run has no --workers"
				continue
			}
			;;
		pasta | slirp4netns)
			command -v "$config" >/dev/null || {
				say "left out   $config: not installed (tools/bootstrap bench)"
				continue
			}
			;;
		*)
			warn "no configuration '$config'"
			exit 1
			;;
		esac
		configs+=("$config")
	done
	[ ${#configs[@]} -gt 0 ] || [ -n "$direct_wanted" ] || { warn "no configuration is left"; exit 1; }
}

headrace_has() { "$B/headrace" run --help 2>&1 | grep -q -- " $1\b"; }

# headrace_command CONFIG: sets headrace_argv, to which `-- COMMAND` is to be added. Instances
# are named by the pid of tests/bench/run, as pids in here are not the machine's.
headrace_command() {
	local workers=${1#headrace}
	workers=${workers#-} workers=${workers%workers}
	headrace_argv=(nsenter --net=/run/netns/host -- "$B/headrace" run --quiet
		--instance "bench-$BENCH_ID-$1" --dns "$SERVER")
	[ -z "$workers" ] || headrace_argv+=(--workers "$workers")
}

# As root pasta wants to be told so, and with the namespace given it needs no user namespace.
pasta_argv=(nsenter --net=/run/netns/host -- pasta -q -f --runas 0 --netns-only --config-net
	-t none -u none -T none -U none)

has_default_route() { nsenter --net="$1" -- ip -4 route show default | grep -q .; }

# path_up CONFIG: 1 and a warning if it does not come up.
path_up() {
	local config=$1 main
	case $config in
	kernel | masquerade) return 0 ;;
	pasta)
		ip netns add pasta
		start "$config" "${pasta_argv[@]}" --netns /run/netns/pasta
		netns[$config]=/run/netns/pasta
		;;
	slirp4netns)
		ip netns add slirp4netns
		start "$config" nsenter --net=/run/netns/host -- slirp4netns --configure \
			--mtu=65520 --netns-type=path /run/netns/slirp4netns tap0
		netns[$config]=/run/netns/slirp4netns
		;;
	headrace*)
		headrace_command "$config"
		rm -f "$work/$config.pid"
		# shellcheck disable=SC2016 # expands in the inner shell
		start "$config" "${headrace_argv[@]}" -- sh -c 'echo $$ >"$1.new" &&
			mv "$1.new" "$1" && exec sleep infinity' - "$work/$config.pid"
		;;
	esac
	launched[$config]=$started
	if ! { path_ready "$config" && wait_for has_default_route "${netns[$config]}" &&
		tune "${netns[$config]}"; }; then
		fail "$config" "does not come up: $(tail -n 3 "$work/$config.log")"
		path_down "$config"
		return 1
	fi
	read -r main _ < <(forwarder_of "$config")
	case $config in headrace*) wait_for settled "$main" || warn "$config still loads programs" ;; esac
	forwarder[$config]=$(forwarder_of "$config")
}

path_ready() { # CONFIG
	case $1 in headrace*) ;; *) return 0 ;; esac
	wait_for test -s "$work/$1.pid" || return 1
	netns[$1]=/proc/$(cat "$work/$1.pid")/ns/net
}

# forwarder_of CONFIG: pids of the forwarder, by their command lines: not the client that holds
# the namespace, and not `headrace run` itself.
forwarder_of() {
	local pid
	for pid in $(family "${launched[$1]}"); do
		case $1:$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
		headrace*:headraced* | pasta:pass* | pasta:pasta* | slirp4netns:slirp4netns*)
			printf '%s ' "$pid"
			;;
		esac
	done
}

path_down() { # CONFIG
	[ -n "${launched[$1]:-}" ] || return 0
	stop "${launched[$1]}"
	case $1 in pasta | slirp4netns) ip netns del "$1" ;; esac
	unset "launched[$1]" "forwarder[$1]" "netns[$1]"
}

paths_up() {
	local config
	for config in "${configs[@]}"; do path_up "$config" || true; done
}

paths_down() {
	local config
	for config in "${!launched[@]}"; do path_down "$config"; done
}

# on CONFIG SECONDS COMMAND...: as its client, output to $work/out; ended after SECONDS. In
# the background, so that a signal to us need not wait for it.
on() {
	local config=$1 limit=$2
	shift 2
	: >"$work/out"
	[ -n "${netns[$config]:-}" ] || return 1
	masquerade "$([ "$config" = masquerade ] && echo on || echo off)"
	timeout -k 2 "$limit" nsenter --net="${netns[$config]}" -- "$@" \
		>"$work/out" 2>"$work/err" </dev/null &
	wait $! || {
		warn "$config: status $? from ${*##*/}: $(tail -n 1 "$work/err")"
		return 1
	}
}
