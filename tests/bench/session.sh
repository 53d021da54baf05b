#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What happens inside the namespaces that tests/bench/run makes: first process of its pid
# namespace. Arguments: the parts. Not to be called otherwise.
#
#   world.sh     namespaces client, host, server; processes; servers
#   paths.sh     the configurations: how a client gets to the server
#   parts.sh     what is measured, part by part
#   dns.sh       the part that has peers of its own
#   upstreams.sh the part that has servers of its own
#   direct.sh    the part that is about a whole host
#   rules.sh     the part that is about rules for flows
#   table.jq     samples -> JSON lines of the contract and the final table
#
# shellcheck disable=SC2154 # top, B and BENCH_ID come from run, other variables from the files below
set -euo pipefail
[ $$ = 1 ] || { echo "bench: use tests/bench/run" >&2; exit 1; }

here=$top/tests/bench
out=$top/build/bench
rep=0
failures=0

say() { printf '%s\n' "$*"; }
warn() { printf 'bench: %s\n' "$*" >&2; }
# fail CONFIG WHAT: counts as a failure of the run, but not where only a peer fails.
fail() {
	case $1 in pasta | slirp4netns | unbound | dnsdist | plain*) ;; *) failures=$((failures + 1)) ;; esac
	warn "$1: $2"
}

# note METRIC CONFIG VALUE: a sample of this repetition.
note() {
	if [[ $3 =~ ^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$ ]]; then
		printf '{"metric":"%s","config":"%s","rep":%d,"value":%s}\n' "$1" "$2" $rep "$3" \
			>>"$samples"
	else
		fail "$2" "no figure for $1 in repetition $rep"
	fi
}

# shellcheck source=tests/bench/world.sh
. "$here/world.sh"
# shellcheck source=tests/bench/paths.sh
. "$here/paths.sh"
# shellcheck source=tests/bench/parts.sh
. "$here/parts.sh"
# shellcheck source=tests/bench/dns.sh
. "$here/dns.sh"
# shellcheck source=tests/bench/upstreams.sh
. "$here/upstreams.sh"
# shellcheck source=tests/bench/direct.sh
. "$here/direct.sh"
# shellcheck source=tests/bench/rules.sh
. "$here/rules.sh"

# Orderly, so that `headrace run` removes its cgroup and pins; the rest dies with us.
leave() {
	local status=$?
	trap - EXIT
	trap '' TERM
	set +e
	direct_stop
	paths_down
	exit $status
}
trap leave EXIT
trap 'exit 143' TERM

machine() {
	say "machine    $(nproc) CPUs, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
		"$(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)," \
		"load $(cut -d ' ' -f 1 /proc/loadavg)"
	say "kernel     $(uname -srm)"
	say "headrace   $("$B/headrace" --version 2>&1 | head -n 1)"
	say "peers      $(dpkg-query -W -f '${Package} ${Version}, ' \
		nftables passt slirp4netns iperf3 2>/dev/null)" \
		"$("$top/build/servers/usr/sbin/unbound" -V | sed -n 's/^Version /unbound /p')," \
		"$("$top/build/servers/usr/bin/dnsdist" --version | sed 's/ (.*//;q')"
	say "measured   $REPS repetitions of $DURATION s, alternated; reno in every namespace;" \
		"configurations: ${configs[*]}"
}

choose_paths
machine
world_up
for part in "$@"; do
	samples=$out/samples/$part.jsonl
	rm -f "$samples" "$out/$part.jsonl"
	for rep in $(seq "$REPS"); do
		say "measuring  $part, repetition $rep of $REPS"
		"part_$part"
	done
	if [ ! -s "$samples" ]; then
		fail "$part" "nothing could be measured"
		continue
	fi
	jq -cs -f "$here/table.jq" --arg want lines --arg part "$part" "$samples" \
		>"$out/$part.jsonl"
done
say
{
	jq -nr -f "$here/table.jq" --arg want head --arg part ''
	for part in "$@"; do
		[ ! -s "$out/samples/$part.jsonl" ] ||
			jq -rs -f "$here/table.jq" --arg want rows --arg part "$part" \
				"$out/samples/$part.jsonl"
	done
} | column -t -s $'\t'
[ $failures = 0 ] || { say; say "bench: $failures failures, see above"; exit 1; }
