# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What the tests of a whole host share: lib.sh's world, made into a host as they are, and the
# daemon in it. Source it after lib.sh; host_up comes instead of world_up.
#
#   +- box1 ---------+  +- box2 ---------+     containers on a bridge, as Docker makes it:
#   | 172.18.0.2     |  | 172.18.0.3     |     masquerade, a published port 8088 -> box1:80
#   | fd31:18::2     |  | fd31:18::3     |
#   +------veth------+  +------veth------+     +- desk ----------+  a client of the LAN,
#           |                   |              | 192.168.77.2    |  its addresses known to
#   +-------|--- "host" --------|--------+     | fd31:77::2      |  the far side
#   |     box1p   bridge      box2p      |     +------veth-------+
#   |  172.18.0.1 br-box fd31:18::1      |            |
#   |               192.168.77.1 fd31:77::1  lan0 ----+
#   |  rp_filter=1; input: drop, but for what is established, ICMP, and ssh on $SSH_PORT;
#   |  forward: drop, but for box1, box2, desk
#   |  172.31.255.1 fd31:255::1   172.31.254.1 fd31:254::1, table 100 (from there)
#   +-- uplink ---------------------- uplink2 -+
#         |                              |
#   +-- wire -------- "far" -------- wire2 ----+   $TO[1..4]: an address for each verdict
#   | 172.31.255.2                172.31.254.2 |
#   +------------------------------------------+

# shellcheck disable=SC2034,SC2154 # used by those who source this; set by lib.sh
{
	BOX4=172.18.0.2 BOX6=fd31:18::2
	DESK4=192.168.77.2 DESK6=fd31:77::2
	HOST4=172.31.255.1 HOST6=fd31:255::1
	SECOND4=172.31.254.1 SECOND6=fd31:254::1
	SEEN_PORT=7007
	SSH_PORT=2222
	PUBLISHED=8088
	verdicts=(direct forward reject drop)
	declare -A TO4=([direct]=198.51.100.21 [forward]=198.51.100.22 [reject]=198.51.100.23
		[drop]=198.51.100.24)
	declare -A TO6=([direct]=2001:db8:100::21 [forward]=2001:db8:100::22
		[reject]=2001:db8:100::23 [drop]=2001:db8:100::24)
}
daemon_pid='' watch_pid=''
OWN_MARK=0x68720000

in_box1() { in_ns "$BOX1_PID" "$@"; }
in_box2() { in_ns "$BOX2_PID" "$@"; }
in_desk() { in_ns "$DESK_PID" "$@"; }
start_in() { start "$2" nsenter --target "$1" --net -- "${@:3}"; } # PID NAME COMMAND...

host_up() {
	world_up
	second_uplink
	bridge_up
	desk_up
	firewall | in_host nft -f - || die "no firewall"
	in_host sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 \
		net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	far_answers
	all_reach_it
	trap host_down EXIT
}

# link NAME PID ADDRESS4 ADDRESS6 NAME PID ADDRESS4 ADDRESS6: a veth pair. Without duplicate
# address detection, whose seconds nobody needs here.
link() {
	ip link add "$1" netns "$2" type veth peer name "$5" netns "$6" || die "no veth $1"
	link_end "$1" "$2" "$3" "$4"
	link_end "$5" "$6" "$7" "$8"
}
link_end() {
	in_ns "$2" sysctl -qw "net.ipv6.conf.$1.accept_dad=0" "net.ipv6.conf.$1.autoconf=0"
	[ -z "$3" ] || in_ns "$2" ip addr add "$3" dev "$1"
	[ -z "$4" ] || in_ns "$2" ip addr add "$4" dev "$1" nodad
	in_ns "$2" ip link set "$1" up
}

second_uplink() {
	link uplink2 "$HOST_PID" $SECOND4/30 $SECOND6/64 wire2 "$FAR_PID" 172.31.254.2/30 fd31:254::2/64
	in_host ip route add default via 172.31.254.2 metric 200
	in_host ip -6 route add default via fd31:254::2 metric 2000
	in_host ip route add default via 172.31.254.2 table 100
	in_host ip -6 route add default via fd31:254::2 table 100
	in_host ip rule add from $SECOND4 lookup 100
	in_host ip -6 rule add from $SECOND6 lookup 100
	in_far sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.wire2.rp_filter=0
}

bridge_up() {
	local name
	namespace BOX1_PID
	namespace BOX2_PID
	in_host ip link add br-box type bridge
	in_host sysctl -qw net.ipv6.conf.br-box.accept_dad=0
	in_host ip addr add 172.18.0.1/24 dev br-box
	in_host ip addr add fd31:18::1/64 dev br-box nodad
	link box1p "$HOST_PID" '' '' eth0 "$BOX1_PID" $BOX4/24 $BOX6/64
	link box2p "$HOST_PID" '' '' eth0 "$BOX2_PID" 172.18.0.3/24 fd31:18::3/64
	for name in box1p box2p; do in_host ip link set $name master br-box; done
	in_host ip link set br-box up
	for name in "$BOX1_PID" "$BOX2_PID"; do
		in_ns "$name" ip route add default via 172.18.0.1
		in_ns "$name" ip -6 route add default via fd31:18::1
	done
}

desk_up() {
	namespace DESK_PID
	link lan0 "$HOST_PID" 192.168.77.1/24 fd31:77::1/64 eth0 "$DESK_PID" $DESK4/24 $DESK6/64
	in_desk ip route add default via 192.168.77.1
	in_desk ip -6 route add default via fd31:77::1
	in_far ip route add 192.168.77.0/24 via $HOST4
	in_far ip -6 route add fd31:77::/64 via $HOST6
}

firewall() {
	cat <<-END
		table inet filter {
			chain input {
				type filter hook input priority 0; policy drop;
				ct state established,related accept
				iif lo accept
				meta l4proto { icmp, icmpv6 } accept
				tcp dport $SSH_PORT accept
				udp dport 5007 accept
			}
			chain forward {
				type filter hook forward priority 0; policy drop;
				ct state established,related accept
				ct status dnat accept
				iifname { "br-box", "lan0" } accept
			}
		}
		table ip nat {
			chain prerouting {
				type nat hook prerouting priority -100;
				fib daddr type local tcp dport $PUBLISHED dnat to $BOX4:80
			}
			chain output {
				type nat hook output priority -100;
				ip daddr != 127.0.0.0/8 fib daddr type local tcp dport $PUBLISHED dnat to $BOX4:80
			}
			chain postrouting {
				type nat hook postrouting priority 100;
				ip saddr 172.18.0.0/16 oifname != "br-box" masquerade
			}
		}
		table ip6 nat {
			chain prerouting {
				type nat hook prerouting priority -100;
				fib daddr type local tcp dport $PUBLISHED dnat to [$BOX6]:80
			}
			chain postrouting {
				type nat hook postrouting priority 100;
				ip6 saddr fd31:18::/64 oifname != "br-box" masquerade
			}
		}
	END
}

# far_answers: the addresses of the four verdicts, and a server on them.
far_answers() {
	local address
	for address in "${TO4[@]}"; do in_far ip addr add "$address/32" dev lo; done
	for address in "${TO6[@]}"; do in_far ip addr add "$address/128" dev lo nodad; done
	start_far seen "$HELPERS/seen" serve $SEEN_PORT "${TO4[@]}" "${TO6[@]}"
	wait_for listening ":$SEEN_PORT" || die "no server: $(cat "$T/seen.log")"
}
all_reach_it() {
	wait_for in_box1 ping -c 1 -W 1 "${TO4[direct]}" || die "box1 does not reach the far side"
	wait_for in_box1 ping -6 -c 1 -W 1 "${TO6[direct]}" || die "box1 has no IPv6"
	wait_for in_desk ping -c 1 -W 1 "${TO4[direct]}" || die "desk does not reach the far side"
	wait_for in_desk ping -6 -c 1 -W 1 "${TO6[direct]}" || die "desk has no IPv6"
	wait_for in_host ping -c 1 -W 1 -I uplink2 172.31.254.2 || die "no second uplink"
	wait_for in_host ping -6 -c 1 -W 1 -I uplink2 fd31:254::2 || die "no second uplink by IPv6"
}

# --- who arrives --------------------------------------------------------------------------------

# watch_start: what arrives at the far side, a line for each packet head (see seen.c), from now.
watch_start() {
	[ -z "$watch_pid" ] || stop "$watch_pid"
	start_far watch "$HELPERS/seen" watch wire wire2
	# shellcheck disable=SC2154 # set by start
	watch_pid=$started_pid
	wait_for grep -q watching "$T/watch.log" || die "no watcher: $(cat "$T/watch.log")"
}
# arrived PATTERN: did such a packet arrive? (extended regular expression, a whole line)
arrived() { grep -qxE "$1" "$T/watch.log"; }
# settled: what was sent before this has arrived, by both uplinks, if it ever does. Multicast is
# never captured.
settled() {
	local device port
	for device in uplink uplink2; do
		port=$((30000 + RANDOM % 30000))
		echo | in_host socat -u - "UDP4-DATAGRAM:224.0.0.77:$port,so-bindtodevice=$device" &&
			wait_for arrived "udp .* 224.0.0.77 $port" || return 1
	done
}

# --- sessions ---------------------------------------------------------------------------------

# session_of NAME PID COMMAND...: COMMAND, which says 'got LINE' for each line that it reads.
sessions=()
declare -A voice=()
session_of() {
	local name=$1 fd
	mkfifo "$T/$name.fifo"
	start "$name" bash -c 'exec "${@:2}" <"$1"' - "$T/$name.fifo" \
		nsenter --target "$2" --net -- "${@:3}"
	exec {fd}<>"$T/$name.fifo"
	voice[$name]=$fd
	sessions+=("$name")
}
said=0
speaks() { # NAME
	local word
	said=$((said + 1)) word=word-$said
	echo "$word" >&"${voice[$1]}"
	wait_for grep -q "got $word" "$T/$1.log" || {
		cat "$T/$1.log"
		return 1
	}
}
# talk_to NAME PID SOCAT-ADDRESS: an echo server, TCP's with its word for that first (tcp.c).
# shellcheck disable=SC2016 # expands over there
talk_to() {
	session_of "$1" "$2" bash -c '{ case $1 in TCP*) echo echo ;; esac; exec cat; } |
		socat -d - "$1" | sed -u "s/^/got /"' - "$3"
}

# --- the daemon -----------------------------------------------------------------------------------

# host_rules: the four verdicts by their addresses, as items of `rules:`.
host_rules() {
	local verdict
	for verdict in "${verdicts[@]}"; do
		echo "  - {name: $verdict, destination: [${TO4[$verdict]}, '${TO6[$verdict]}']," \
			"action: $verdict}"
	done
}

# host_config [KEY=VALUE...]: $T/host.yaml. Keys: those of `capture:`, and rules (lines of the
# list), default, dns (lines below `dns:`), top (lines of the top level).
host_config() {
	local item rules='' fallback=direct dns="  upstreams: {nsd: {type: plain, address: $DNS4}}" top=''
	local -A capture=([uplinks]=auto [lan]="[br-box, lan0]")
	for item; do
		case ${item%%=*} in
		rules) rules=${item#*=} ;;
		default) fallback=${item#*=} ;;
		dns) dns=${item#*=} ;;
		top) top=${item#*=} ;;
		*) capture[${item%%=*}]=${item#*=} ;;
		esac
	done
	{
		[ -z "$top" ] || echo "$top"
		echo "capture:"
		for item in "${!capture[@]}"; do echo "  $item: ${capture[$item]}"; done
		printf 'dns:\n%s\n' "$dns"
		[ -z "$rules" ] || printf 'rules:\n%s\n' "$rules"
		echo "default: $fallback"
	} >"$T/host.yaml"
}

# up: the daemon with $T/host.yaml, in the host's namespace. Its pid in $daemon_pid. $UP_PREFIX:
# a command and its arguments that start it, or nothing.
up() {
	INSTANCE=test-$$
	# shellcheck disable=SC2086 # words
	in_host ${UP_PREFIX:-} "$B/headrace" up --instance "$INSTANCE" -c "$T/host.yaml" \
		--log-file "$T/daemon.log" >"$T/up.log" 2>&1 || {
		cat "$T/up.log" "$T/daemon.log"
		return 1
	}
	daemon_pid=$(json status .status.pid)
	[ -n "$daemon_pid" ] && ours "$daemon_pid" headraced
}
must_up() { up || die "headrace up: $(cat "$T/up.log")"; }
down() {
	headrace down --instance "$INSTANCE" && wait_for gone "$daemon_pid"
}
reload() { headrace reload --instance "$INSTANCE" "$@"; }

# rule_hits NAME: flows that the rule has decided.
rule_hits() { json rules "select(.rule.name == \"$1\") | .rule.hits"; }

# What a test that failed may have left: a stopped daemon, and what is pinned.
host_down() {
	local status=$?
	if [ $status != 0 ] && [ -e "$T/daemon.log" ]; then
		echo "the daemon's log ends with:"
		tail -n 20 "$T/daemon.log" | sed 's/^/    /'
	fi
	if [ -n "$daemon_pid" ] && ! gone "$daemon_pid"; then
		kill -CONT "$daemon_pid" 2>/dev/null
		stop "$daemon_pid"
	fi
	# One whose pid was not known yet when the test was interrupted.
	[ $status = 0 ] || [ -z "${INSTANCE:-}" ] || in_host "$B/headrace" down --instance "$INSTANCE" &>/dev/null
	(exit $status)
	cleanup
}

# lost_nothing NAME PID: ends what `seen keep` asks; nothing of it stayed without an answer.
lost_nothing() {
	kill "$2"
	wait_for gone "$2"
	cat "$T/$1.log"
	grep -qE '^asked [1-9][0-9]+ lost 0$' "$T/$1.log"
}

# hold NAME ADDRESS PID: a connection from that namespace that stays open after 10 bytes up and 5
# down; what the server is to do is the first line. Sets NAME_pid.
hold() {
	rm -f "$T/$1.got"
	cat >"$T/$1.sh" <<-END
		exec 3<>/dev/tcp/$2/9
		echo echo >&3
		printf hello >&3
		head -c 5 <&3 >$T/$1.got
		exec sleep infinity 3<&3
	END
	start_in "$3" "$1" bash "$T/$1.sh"
	eval "$1_pid=$started_pid"
	wait_for test -s "$T/$1.got"
}
