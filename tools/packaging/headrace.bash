# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
#
# Completion of headrace for bash. The options stand here and not in a call of `headrace
# --help`, so that completing runs nothing; a test compares both.

_headrace_instances() {
	awk '$NF ~ /^@headrace\// { sub(/^@headrace\//, "", $NF); print $NF }' /proc/net/unix |
		sort -u
}

# After `run` and its options the rest of the line is a command of its own.
_headrace_command_at() {
	local i
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)
			echo $((i + 1))
			return
			;;
		-c | --config | --dns | --limit | --mtu | --workers | --user | --host-loopback | --instance | \
			--tun-fd | --log)
			((i++))
			;;
		-* | =) ;;
		*)
			echo "$i"
			return
			;;
		esac
	done
}

_headrace() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} at
	local -A options=(
		[run]='-c --config --dns --no-ipv6 --mtu --workers --user --limit --host-loopback --instance --report
			--quiet --json --tun-fd --log --help --'
		[up]='-c --config --instance --log --log-file --help'
		[down]='--instance --help'
		[status]='--instance --json --help'
		[flows]='--pid --process --user --uid --unit --cgroup --client --dest --port --proto --name
			--rule --verdict --state --capture --sort --follow --instance --json --help'
		[rules]='--instance --json --help'
		[explain]='--pid --uid --user --cgroup --unit --process --client --mac --proto --interface
			--fwmark --dscp --instance --json --help'
		[doctor]='--instance --json --help'
		[drops]='--instance --json --help'
		[events]='--instance --json --help'
		[dns]='log stats cache lookup flush --follow --client --instance --json --help'
		[check]='--help'
		[mode]='firewall dns --instance --json --help'
		[dump]='-w --write --count --snaplen --size --files --instance --help'
		[reload]='--flows --instance --json --help'
	)

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "${!options[*]} --help --version" -- "$current")
		return
	fi
	if [[ ${COMP_WORDS[1]} == run ]]; then
		at=$(_headrace_command_at)
		if [[ -n $at && $(type -t _command_offset) == function ]]; then
			_command_offset "$at"
			return
		fi
		if [[ -n $at ]]; then
			mapfile -t COMPREPLY < <(compgen -cf -- "$current")
			return
		fi
	fi
	case $before in
	-c | --config | --log-file | -w | --write | check)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		;;
	--instance | reload)
		mapfile -t COMPREPLY < <(compgen -W "$(_headrace_instances)" -- "$current")
		;;
	--user) mapfile -t COMPREPLY < <(compgen -u -- "$current") ;;
	--workers) mapfile -t COMPREPLY < <(compgen -W "auto $(nproc)" -- "$current") ;;
	--log) mapfile -t COMPREPLY < <(compgen -W 'error warn info debug' -- "$current") ;;
	--limit)
		compopt -o nospace
		mapfile -t COMPREPLY < <(compgen -S = -W 'buffer-bytes buffer-bytes-per-source
			descriptors descriptors-per-source dns-queries dns-queries-per-source
			dns-streams dns-streams-per-source flows flows-per-source icmp-sessions
			icmp-sessions-per-source tcp-connects tcp-connects-per-destination
			tcp-connects-per-source udp-sessions udp-sessions-per-source' -- "$current")
		;;
	--flows) mapfile -t COMPREPLY < <(compgen -W 'keep reset' -- "$current") ;;
	--verdict) mapfile -t COMPREPLY < <(compgen -W 'direct forward dns local reject drop' -- "$current") ;;
	--state) mapfile -t COMPREPLY < <(compgen -W 'opening open closing closed' -- "$current") ;;
	--capture) mapfile -t COMPREPLY < <(compgen -W 'egress lan loopback tun' -- "$current") ;;
	--interface)
		mapfile -t COMPREPLY < <(compgen -W "$(cd /sys/class/net && echo *)" -- "$current")
		;;
	--proto) mapfile -t COMPREPLY < <(compgen -W 'tcp udp icmp' -- "$current") ;;
	--sort)
		mapfile -t COMPREPLY < <(compgen -W 'bytes rate up down time idle process name rule' \
			-- "$current")
		;;
	--pid | --process | --uid | --unit | --cgroup | --client | --dest | --port | --name | --rule | --mac | \
		--fwmark | --dscp) ;;
	--dns | --mtu | --host-loopback | --tun-fd | --count | --snaplen | --size | --files) ;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "${options[${COMP_WORDS[1]}]:-}" -- "$current")
		;;
	esac
}

complete -F _headrace headrace
