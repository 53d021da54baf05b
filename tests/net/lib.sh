# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the network tests and the demonstration share: a world of two network namespaces,
# servers in it, conditions to wait for, named cases, and the proof that nothing is left.
# Source it from bash; world_up must come first, and everything ends with the script.
#
#                         +------------------------------ "host" namespace ----------+
#   headrace run -- CMD   |                                                          |
#   [private namespace]   |  headraced: main, resolver, workers                      |
#    app -- TUN ----------+--> their marked sockets ---- uplink 172.31.255.1/30      |
#                         |                              fd31:255::1/64, default gw  |
#                         +-----------------------------------|----------------------+
#                                                        veth |
#                         +-----------------------------------|----------------------+
#                         |  wire 172.31.255.2/30, fd31:255::2/64                    |
#                         |  lo   $WEB4 $WEB6 (nginx), $DNS4 $DNS6 (nsd),            |
#                         |       $ECHO4 $ECHO6 (echo)              "far" namespace  |
#                         +----------------------------------------------------------+
#
# Namespaces have no names: each is held by a process that dies with the script, so that a
# killed test leaves nothing. Servers come from build/servers (tools/bootstrap).

TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
B=${B:-build/release}
case $B in /*) ;; *) B=$TOP/$B ;; esac
SERVERS=${SERVERS:-$TOP/build/servers}
HELPERS=${HELPERS:-$B/tests/net}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
FULL=${FULL:-}
PATIENCE=1 # by how much every wait is longer
[[ $B != */sanitize ]] || PATIENCE=4
export LC_ALL=C

# Addresses of the far side (RFC 5737 and 3849: for documentation, routed nowhere).
# shellcheck disable=SC2034 # used by those who source this
{
	WEB4=198.51.100.10 WEB6=2001:db8:100::10
	DNS4=192.0.2.53 DNS6=2001:db8:53::53
	RESOLVER4=192.0.2.54 # unbound
	ECHO4=203.0.113.7 ECHO6=2001:db8:7::7
	ZONE=example.test
	SKIP=77
}

T='' # scratch directory of this script
started_pid='' # of the last start
session_command='' # pid of what the session runs
cases_failed=0
cases_run=0
started=() # "PID NAME" of what was started: see ours
declare -A born=() # when that was, by PID
still_serves_sum='' # of the file that still_serves fetches

die() { echo "fail: $*"; exit 1; }
skip_all() { echo "skip: $*"; exit $SKIP; }

# --- cases ------------------------------------------------------------------------------------

# check NAME COMMAND...: a case that passes if COMMAND does; its output is shown if not.
check() {
	local name=$1 status=0
	shift
	cases_run=$((cases_run + 1))
	"$@" >"$T/case" 2>&1 </dev/null || status=$?
	if [ $status = 0 ]; then
		echo "ok $name"
	elif [ $status = $SKIP ]; then
		echo "skip $name: $(tail -n 1 "$T/case")"
	else
		echo "fail $name: status $status from: $*"
		tail -n 40 "$T/case" | sed 's/^/    /'
		cases_failed=$((cases_failed + 1))
		return 1
	fi
}

# same WANTED GOT: for check.
same() {
	[ "$1" = "$2" ] && return 0
	printf 'wanted: %s\ngot:    %s\n' "$1" "$2"
	return 1
}

# within LOW HIGH VALUE: for check; whole or decimal numbers.
within() {
	awk -v l="$1" -v h="$2" -v v="$3" 'BEGIN { exit !(v + 0 >= l && v + 0 <= h && v != "") }' &&
		return 0
	echo "wanted $1 to $2, got '$3'"
	return 1
}

# finish: the last line of a test.
finish() {
	[ "$cases_run" -gt 0 ] || die "no case was run"
	[ ! -e "$T/figures" ] || sed 's/^/# /' "$T/figures"
	[ "$cases_failed" = 0 ]
	exit
}

# --- waiting ----------------------------------------------------------------------------------

# wait_for [-t SECONDS] COMMAND...: until COMMAND succeeds, at most 10 s ($PATIENCE times as long
# with the sanitizers); tried 50 times a second.
wait_for() {
	local limit=10 end
	[ "$1" != -t ] || { limit=$2; shift 2; }
	limit=$((limit * PATIENCE))
	end=$((SECONDS + limit + 1))
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ]; then
			echo "not so within $limit s: $*" >&2
			return 1
		fi
		read -rt 0.02 <>"$T/tick" || true
	done
}

# A zombie that nobody has waited for yet is gone, too.
gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# --- world ------------------------------------------------------------------------------------

in_ns() {
	local pid=$1
	shift
	nsenter --target "$pid" --net -- "$@" 8>&-
}
in_host() { in_ns "$HOST_PID" "$@"; }
in_far() { in_ns "$FAR_PID" "$@"; }

# namespace VARIABLE: makes a network namespace and sets VARIABLE to the pid that holds it. A
# signal to all of the test's processes spares that one: what is cleaned up is in there.
namespace() {
	local pid
	setpriv --pdeathsig KILL env --ignore-signal=INT,TERM,HUP unshare --net sleep infinity \
		</dev/null >/dev/null 2>&1 8>&- &
	pid=$!
	disown
	ours "$pid" namespace
	wait_for other_namespace "$pid" || die "no network namespace"
	printf -v "$1" %s "$pid"
	in_ns "$pid" ip link set lo up
}
other_namespace() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(cat "/proc/$1/comm")" = sleep ]
}

# scratch: the directory $T and the trap that ends everything; without a world.
scratch() {
	[ -z "$T" ] || return 0
	T=$(mktemp -d "${TMPDIR:-/tmp}/headrace-test.XXXXXX")
	chmod 755 "$T"
	mkfifo "$T/tick"
	watch_sanitizers
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# In PROFILE=sanitize every process, roles without privilege included, writes what ASan, UBSan
# and LeakSanitizer find to a file of its own below $T/sanitizer: one fails the test, whoever
# wrote it and whether or not its death was noticed. LeakSanitizer looks at each role's, main's
# and the client's orderly end; a process that is killed is not looked at.
watch_sanitizers() {
	local to=log_path=$T/sanitizer/report
	[[ $B == */sanitize ]] || return 0
	mkdir -m 1777 "$T/sanitizer"
	export ASAN_OPTIONS="${ASAN_OPTIONS:-abort_on_error=1:detect_leaks=1}:$to"
	export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}:$to"
}
# sanitizer_reports: the files of what was found since the start or the last forget.
sanitizer_reports() { find "$T/sanitizer" -type f -size +0 2>/dev/null; }
forget_sanitizer_reports() { rm -f "$T"/sanitizer/*; }
no_sanitizer_report() {
	local reports
	reports=$(sanitizer_reports)
	[ -n "$reports" ] || return 0
	# shellcheck disable=SC2086 # one file per line, without blanks
	head -n 40 $reports
	return 1
}

# world_up: the two namespaces. A test that looks at the whole machine says '# exclusive: WHY'
# in its head: no other network test of this machine runs meanwhile, whoever started it.
world_up() {
	local address
	[ "$(id -u)" = 0 ] || skip_all "needs root"
	[ -e /dev/net/tun ] || skip_all "no /dev/net/tun"
	scratch
	mkdir -p /run/lock
	exec 8>/run/lock/headrace-test.lock
	flock --wait 200 "$(grep -q '^# exclusive:' "$0" && echo -x || echo -s)" 8 ||
		skip_all "other network tests kept this machine busy"
	namespace HOST_PID
	namespace FAR_PID
	ip link add uplink netns "$HOST_PID" type veth peer name wire netns "$FAR_PID" ||
		die "no veth pair"
	in_host ip addr add 172.31.255.1/30 dev uplink
	in_host ip addr add fd31:255::1/64 dev uplink nodad
	in_host ip link set uplink up addrgenmode none
	in_far ip addr add 172.31.255.2/30 dev wire
	in_far ip addr add fd31:255::2/64 dev wire nodad
	in_far ip link set wire up addrgenmode none
	for address in $WEB4 $DNS4 $RESOLVER4 $ECHO4; do
		in_far ip addr add "$address/32" dev lo
	done
	for address in $WEB6 $DNS6 $ECHO6; do
		in_far ip addr add "$address/128" dev lo nodad
	done
	neighbours
	in_host ip route add default via 172.31.255.2
	in_host ip -6 route add default via fd31:255::2
	wait_for in_host ping -c 1 -W 1 $WEB4 || die "the far side cannot be reached"
	wait_for in_host ping -6 -c 1 -W 1 $WEB6 || die "the far side cannot be reached by IPv6"
}

# neighbours: each end of the veth pair knows the other for good. Without a link-local address
# the far side cannot ask by itself (its servers' addresses are on lo), and once its entry had
# aged away, it sent nothing until the host asked.
neighbours() {
	local host far
	host=$(in_host ip -o link show uplink | sed -E 's:.*link/ether ([^ ]*).*:\1:')
	far=$(in_far ip -o link show wire | sed -E 's:.*link/ether ([^ ]*).*:\1:')
	in_host ip neigh replace fd31:255::2 lladdr "$far" dev uplink nud permanent &&
		in_far ip neigh replace fd31:255::1 lladdr "$host" dev wire nud permanent ||
		die "no neighbours"
}

# --- processes --------------------------------------------------------------------------------

# birth PID: sets born_at to when that process began, in ticks since boot; empty: it is gone.
birth() {
	local stat fields
	born_at=''
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	read -ra fields <<<"${stat##*) }" # behind its name, which may hold anything
	born_at=${fields[19]}
}

# ours PID NAME: it ends with the script at the latest. PIDs are used again, after some ten
# thousand processes, which tests that run at the same time soon make: whoever has that of a
# process that ended long ago may be one of theirs, and is spared.
ours() {
	birth "$1"
	born[$1]=${born_at:-gone}
	started+=("$1 $2")
}
is_other() { birth "$1"; [ -n "${born[$1]:-}" ] && [ "${born[$1]}" != "$born_at" ]; }

# start NAME COMMAND...: in the background, output to $T/NAME.log; its pid in $started_pid.
# Ended with the script, or before by stop. (bash has background processes ignore INT.)
start() {
	local name=$1
	shift
	: >"$T/$name.log" # now: who waits for a line must not see one of an earlier process
	setpriv --pdeathsig KILL env --default-signal=INT,QUIT "$@" >"$T/$name.log" 2>&1 </dev/null 8>&- &
	started_pid=$!
	disown
	ours "$started_pid" "$name"
}
start_far() { start "$1" nsenter --target "$FAR_PID" --net -- "${@:2}"; }
start_host() { start "$1" nsenter --target "$HOST_PID" --net -- "${@:2}"; }

# stop PID: TERM, and KILL after 6 s: longer than the client waits for its daemon. With the
# sanitizers a process that is killed in its leak check, which is at the end, leaves a report.
stop() {
	! is_other "$1" || return 0
	kill "$1" 2>/dev/null || return 0
	wait_for -t 6 gone "$1" 2>/dev/null || kill -KILL "$1" 2>/dev/null || true
}

cleanup() {
	local status=$? i
	trap - EXIT INT TERM HUP
	set +eu
	# Last started first: clients before servers, servers before their namespace.
	for ((i = ${#started[@]} - 1; i >= 0; i--)); do
		case ${started[i]} in
		*' namespace') is_other "${started[i]%% *}" || kill -KILL "${started[i]%% *}" 2>/dev/null ;;
		*) stop "${started[i]%% *}" ;;
		esac
	done
	if ! no_sanitizer_report >"$T/case"; then
		echo "fail no_sanitizer_report:"
		sed 's/^/    /' "$T/case"
		[ $status != 0 ] && [ $status != $SKIP ] || status=1
	fi
	if [ -n "${KEEP:-}" ]; then
		echo "kept: $T"
	else
		rm -rf "$T"
	fi
	exit $status
}

# --- servers ----------------------------------------------------------------------------------

listening() { in_far ss -Hlnut "src $1" | grep -q .; }

resolves() { in_far dig +short +time=1 +tries=1 "@$1" "www.$ZONE" | grep -qx $WEB4; }

# web_start: nginx on $WEB4 and $WEB6, ports 80 and 8080; files in $T/www, uploads by PUT to
# /put/NAME land in $T/put.
web_start() {
	mkdir -p "$T/www" "$T/put" "$T/nginx"
	chmod 777 "$T/put" "$T/nginx"
	echo "hello from the far side" >"$T/www/index.html"
	cat >"$T/nginx.conf" <<-END
		daemon off;
		user root;
		worker_processes 1;
		worker_rlimit_nofile 65536;
		pid $T/nginx/pid;
		error_log $T/nginx/error.log;
		events { worker_connections 16384; }
		http {
			access_log off;
			sendfile on;
			default_type application/octet-stream;
			client_body_temp_path $T/nginx/body;
			proxy_temp_path $T/nginx/proxy;
			fastcgi_temp_path $T/nginx/fastcgi;
			uwsgi_temp_path $T/nginx/uwsgi;
			scgi_temp_path $T/nginx/scgi;
			client_max_body_size 0;
			keepalive_requests 1000000;
			send_timeout 1000s;
			server {
				listen $WEB4:80 backlog=8192;
				listen [$WEB6]:80 backlog=8192;
				listen $WEB4:8080 backlog=8192;
				listen [$WEB6]:8080 backlog=8192;
				root $T/www;
				location /put/ { root $T; dav_methods PUT; }
				location = /address { return 200 "\$remote_addr\n"; }
			}
		}
	END
	start_far nginx "$SERVERS/usr/sbin/nginx" -p "$T/nginx" -c "$T/nginx.conf" \
		-e "$T/nginx/error.log"
	wait_for in_far curl -sfo /dev/null "http://$WEB4/" || die "nginx: $(cat "$T/nginx.log")"
}

# web_file NAME BYTES: random bytes below $T/www; prints their sha256.
web_file() {
	head -c "$2" /dev/urandom >"$T/www/$1"
	sha256sum <"$T/www/$1"
}

# dns_start: nsd, authoritative for $ZONE on $DNS4 and $DNS6; further records in $T/zone.extra.
dns_start() {
	mkdir -p "$T/nsd"
	cat >"$T/nsd/$ZONE.zone" <<-END
		\$ORIGIN $ZONE.
		\$TTL 300
		@	SOA ns.$ZONE. hostmaster.$ZONE. ( 1 3600 600 86400 60 )
		@	NS ns.$ZONE.
		@	MX 10 mail.$ZONE.
		ns	A $DNS4
		ns	AAAA $DNS6
		www	A $WEB4
		www	AAAA $WEB6
		v4	A $WEB4
		v6	AAAA $WEB6
		echo	A $ECHO4
		echo	AAAA $ECHO6
		alias	CNAME www.$ZONE.
		short	1 A $WEB4
		odd	TYPE65280 \\# 4 0a000001
	END
	{
		printf 'long\tTXT'
		for i in 1 2 3 4; do printf ' "%s%0199d"' "$i" 0; done
		printf '\nhuge\tTXT'
		for i in 1 2 3 4 5 6 7 8 9; do
			printf ' "%s%0249d"' "$i" 0
		done
		echo
		[ ! -e "$T/zone.extra" ] || cat "$T/zone.extra"
	} >>"$T/nsd/$ZONE.zone"
	cat >"$T/nsd.conf" <<-END
		server:
			ip-address: $DNS4
			ip-address: $DNS6
			server-count: 1
			username: ""
			chroot: ""
			zonesdir: "$T/nsd"
			database: ""
			pidfile: "$T/nsd/pid"
			xfrdfile: "$T/nsd/xfrd.state"
			zonelistfile: "$T/nsd/zone.list"
			xfrdir: "$T/nsd"
			rrl-ratelimit: 0
		remote-control:
			control-enable: no
		zone:
			name: $ZONE
			zonefile: $ZONE.zone
	END
	start_far nsd "$SERVERS/usr/sbin/nsd" -d -c "$T/nsd.conf"
	wait_for resolves $DNS4 ||
		die "nsd: $(cat "$T/nsd.log")"
	wait_for listening "[$DNS6]:53" || die "nsd: not on $DNS6"
}

# resolver_start: unbound on $RESOLVER4, which asks nsd; start it after dns_start.
resolver_start() {
	mkdir -p "$T/unbound"
	cat >"$T/unbound.conf" <<-END
		server:
			interface: $RESOLVER4
			access-control: 0.0.0.0/0 allow
			directory: "$T/unbound"
			pidfile: "$T/unbound/pid"
			username: ""
			chroot: ""
			do-daemonize: no
			use-syslog: no
			module-config: "iterator"
			do-not-query-localhost: no
			local-zone: "test." nodefault
		remote-control:
			control-enable: no
		stub-zone:
			name: $ZONE
			stub-addr: $DNS4
	END
	start_far unbound "$SERVERS/usr/sbin/unbound" -d -c "$T/unbound.conf"
	wait_for resolves $RESOLVER4 ||
		die "unbound: $(cat "$T/unbound.log")"
}

# echo_start: UDP echo on port 7 of $ECHO4 and $ECHO6, datagrams of any size.
echo_start() {
	start_far echo4 "$HELPERS/udp" echo $ECHO4 7
	start_far echo6 "$HELPERS/udp" echo $ECHO6 7
	wait_for listening "$ECHO4:7" || die "no UDP echo"
	wait_for listening "[$ECHO6]:7" || die "no UDP echo by IPv6"
}

# tcp_start: `tcp serve` (tests/net/tcp.c) on port 9 of $ECHO4 and $ECHO6.
tcp_start() {
	start_far tcp4 "$HELPERS/tcp" serve $ECHO4 9
	start_far tcp6 "$HELPERS/tcp" serve $ECHO6 9
	wait_for listening "$ECHO4:9" || die "no TCP server"
	wait_for listening "[$ECHO6]:9" || die "no TCP server by IPv6"
}

# --- headrace ---------------------------------------------------------------------------------

headrace() { in_host "$B/headrace" "$@"; }
# run [OPTION...] -- COMMAND...: inside headrace run, upstream DNS being nsd, without a report.
run() { headrace run --quiet --dns $DNS4 "$@"; }

# session_start [OPTION...]: a `headrace run` that stays up, for many commands by `inside`; its
# instance is $INSTANCE, the client's pid $session, output in $T/session.log.
session_start() {
	INSTANCE=test-$$
	rm -f "$T/session.pid"
	# shellcheck disable=SC2086 # a command and its arguments, or nothing
	start_host session ${SESSION_PREFIX:-} "$B/headrace" run --quiet --instance $INSTANCE "$@" -- \
		sh -c "echo \$\$ >$T/session.new; mv $T/session.new $T/session.pid; exec sleep infinity"
	session=$started_pid
	wait_for -t 20 session_up
	session_command=$(cat "$T/session.pid" 2>/dev/null) ||
		die "headrace run: $(cat "$T/session.log")"
	wait_for kernel_dns || true # without BPF, or with it out of reach: the resolver alone
}
# kernel_dns: has the kernel half begun to answer DNS? It is loaded after the start.
kernel_dns() { [ "$(json status ".status.features | .bpf and .dns == \"resolver\"")" = false ]; }
session_up() { [ -e "$T/session.pid" ] || gone "$session"; }
# session_stop: its command is killed, the client ends in order.
session_stop() {
	kill -KILL "$session_command"
	wait_for -t 10 gone "$session"
}
inside() { nsenter --target "$session_command" --net --mount -- "$@" 8>&-; }
device() { inside ip -o link | awk -F '[ :@]+' '$2 != "lo" { print $2 }'; } # the TUN

# json COMMAND FILTER: what `headrace COMMAND --json` of the session says, through jq.
json() { headrace "$1" --instance "$INSTANCE" --json | jq -r "$2"; }
# dropped REASON: how often, all roles and the kernel half together.
dropped() {
	json drops "select(.drop.reason == \"$1\") | .drop.count" | awk '{ n += $1 } END { print n + 0 }'
}
# role_pids NAME: pids of the session's roles whose name begins so (worker, resolver).
role_pids() { json status ".status.roles[] | select(.name | startswith(\"$1\")) | .pid"; }
main_pid() { json status .status.pid; }
rss_of() { awk '/^VmRSS:/ { print $2 }' "/proc/$1/status"; } # KiB
fds_of() { find "/proc/$1/fd" -mindepth 1 -printf . | wc -c; }

# --- still there ------------------------------------------------------------------------------

restarts() { json status '[.status.roles[].restarts // 0] | add'; }

# still_serves: after whatever was done to it, the session's instance (no role of it restarted)
# forwards 100 MB as they are and a fresh connection at once. After web_start; for check.
still_serves() {
	still_serves_sum=${still_serves_sum:-$(web_file still.bin $((100 << 20)))}
	same 0 "$(restarts)" &&
		same "$still_serves_sum" \
			"$(inside curl -sS -m 120 "http://$WEB4/still.bin" | sha256sum)" &&
		fresh_connection && same 0 "$(restarts)"
}
# shellcheck disable=SC2120 # t77 passes some
# fresh_ms [CURL OPTION...]: milliseconds to a fresh connection and its first byte.
fresh_ms() {
	local seconds
	seconds=$(inside curl -sS "$@" -o /dev/null -m 20 -w '%{time_starttransfer}' \
		"http://$WEB4/index.html") && awk "BEGIN { printf \"%.1f\", $seconds * 1000 }"
}
# fresh_connection: to first byte within 100 ms; tried ten times, for a machine may be busy
# with other things. Says how long it took.
fresh_connection() {
	local ms i
	for i in {1..10}; do
		ms=$(fresh_ms) || return 1
		within 0.001 100 "$ms" || continue
		echo "after that a fresh connection in $ms ms, try $i" >>"$T/figures"
		return 0
	done
	return 1
}

# --- nothing left -----------------------------------------------------------------------------

# snapshot_host FILE: what a run must leave as it was: FILE.own is of this machine's and the
# test's host namespace's network and mounts, FILE.all what there is on the whole machine,
# where others may work at the same time.
snapshot_host() {
	{
		echo "== mounts"
		awk '{ print $4, $5, $9 }' /proc/self/mountinfo | sort
		echo "== the machine"
		snapshot_network
		echo "== the test's host namespace"
		in_host bash -c "$(declare -f snapshot_network); snapshot_network"
	} >"$1.own" 2>&1
	{
		ip netns list | sed 's/^/named namespace /'
		lsns -t net -n -o NS | sed 's/^/network namespace /'
		find /sys/fs/cgroup -type d | sed 's/^/cgroup /'
		find /sys/fs/bpf -mindepth 1 2>/dev/null | sed 's/^/pin /'
		bpftool prog list 2>/dev/null | sed -n 's/^[0-9]\+:/program &/p'
		bpftool map list 2>/dev/null | sed -n 's/^[0-9]\+:/map &/p'
		bpftool link list 2>/dev/null | sed -n 's/^[0-9]\+:/link &/p'
		pgrep --ns "$HOST_PID" --nslist net -lx 'headraced?' | sed 's/^/process /'
	} 2>/dev/null | sort -u >"$1.all"
}
snapshot_network() {
	ip -o link show | sed -E 's/ (qlen|state) .*//'
	ip -o addr show | sed -E 's/(valid|preferred)_lft .*//'
	ip rule
	ip -6 rule
	ip route show table all
	ip -6 route show table all | sed -E 's/ expires [0-9]+sec//; s/ pref medium//'
	nft list ruleset 2>/dev/null
	tc qdisc show
	cat /etc/resolv.conf 2>/dev/null
	sysctl -a -r 'net.ipv[46].(ip_|conf.(all|default))' 2>/dev/null
}

# compare_host FILE: nothing of one's own has changed since the snapshot, and nothing new is
# on the machine; for check. What ends in the background (RCU frees BPF objects, cgroups are
# reaped) is given 10 s.
compare_host() {
	wait_for -t 10 compare_now "$1" 2>/dev/null && return 0
	diff -u "$1.own" "$T/now.own"
	echo "new on this machine:"
	comm -13 "$1.all" "$T/now.all"
	return 1
}
compare_now() {
	snapshot_host "$T/now"
	cmp -s "$1.own" "$T/now.own" && [ -z "$(comm -13 "$1.all" "$T/now.all")" ]
}
