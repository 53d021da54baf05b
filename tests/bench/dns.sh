# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# DNS: cached names, asked for over one link. The same zone stands behind all of them.
#
#   unbound, dnsdist   in "host", on the client's link, with a thread per CPU
#   headrace           the client in a namespace of its own, whose TUN is that link
#   plain, plain-tun   that link and such a TUN, with a program that turns every packet round:
#                      what asking costs, whoever answers
#
# shellcheck disable=SC2034,SC2086,SC2153,SC2154 # variables of session.sh; lists of words

SERVERS=$top/build/servers
ZONE=bench.example
NAMES=1000
DNS_LANES=64    # outstanding at once in the closed loop
DNS_ONE=20000   # queries one after the other
DNS_LOAD=$B/tests/bench/dns_load

declare -A dns_at=([unbound]="10.71.0.1 5301" [dnsdist]="10.71.0.1 5302" [plain]="10.71.0.1 5303"
	[plain-tun]="10.74.0.1 53")
declare -A dns_pid=() dns_machine=()

dns_zone() { # nsd in "server": $ZONE with $NAMES addresses
	local dir=$work/nsd i
	mkdir -p "$dir"
	{
		cat <<-END
			\$ORIGIN $ZONE.
			\$TTL 86400
			@ SOA ns hostmaster 1 3600 600 86400 300
			@ NS ns
			ns A $SERVER
		END
		for ((i = 0; i < NAMES; i++)); do
			printf 'n%d A 198.18.%d.%d\n' $i $((i / 250)) $((i % 250 + 1))
		done
	} >"$dir/$ZONE"
	cat >"$dir/conf" <<-END
		server:
			ip-address: $SERVER
			username: ""
			chroot: ""
			zonesdir: "$dir"
			pidfile: "$dir/pid"
			xfrdfile: "$dir/xfrd"
			zonelistfile: "$dir/list"
			xfrdir: "$dir"
			database: ""
			rrl-ratelimit: 0
		remote-control:
			control-enable: no
		zone:
			name: $ZONE
			zonefile: $ZONE
	END
	start nsd nsenter --net=/run/netns/server -- "$SERVERS/usr/sbin/nsd" -d -c "$dir/conf"
	dns_pid[nsd]=$started
	wait_for dns_answers server "$SERVER" 53 || { warn "nsd does not start"; exit 1; }
}

dns_answers() { in_ns "$1" "$DNS_LOAD" one "$2" "$3" $ZONE 1 100; }

dns_unbound() {
	local dir=$work/unbound
	mkdir -p "$dir"
	cat >"$dir/conf" <<-END
		server:
			interface: 10.71.0.1@5301
			access-control: 10.71.0.0/24 allow
			num-threads: $(nproc)
			so-reuseport: yes
			module-config: "iterator"
			username: ""
			chroot: ""
			directory: "$dir"
			pidfile: "$dir/pid"
			use-syslog: no
			do-daemonize: no
			do-not-query-localhost: no
		remote-control:
			control-enable: no
		forward-zone:
			name: "."
			forward-addr: $SERVER
	END
	start unbound nsenter --net=/run/netns/host -- "$SERVERS/usr/sbin/unbound" -d -c "$dir/conf"
}

dns_dnsdist() {
	local dir=$work/dnsdist thread
	mkdir -p "$dir"
	{
		for ((thread = 0; thread < $(nproc); thread++)); do
			echo 'addLocal("10.71.0.1:5302", { reusePort = true })'
		done
		cat <<-END
			setACL("10.71.0.0/24")
			setSecurityPollSuffix("")
			newServer({ address = "$SERVER:53", healthCheckMode = "up" })
			getPool(""):setCache(newPacketCache(10000))
		END
	} >"$dir/conf"
	start dnsdist nsenter --net=/run/netns/host -- "$SERVERS/usr/bin/dnsdist" --supervised \
		--disable-syslog -C "$dir/conf"
}

mirror() { # CONFIG NAMESPACE KIND DEVICE
	start "$1" nsenter --net="/run/netns/$2" -- "$B/tests/bench/mirror" \
		"$top/build/tests/bench/mirror.bpf.o" "$3" "$4"
	wait_for grep -q ready "$work/$1.log" || warn "mirror: $(tail -n 1 "$work/$1.log")"
}

dns_plain() { mirror plain host eth to-client; }

dns_plain-tun() {
	ip netns add mirror
	mirror plain-tun mirror tun mirror0
	in_ns mirror ip addr add 10.74.0.2/24 dev mirror0
	in_ns mirror ip link set mirror0 txqueuelen 10000 up
}

# dns_up CONFIG: notes where its clients ask, and which processes answer.
dns_up() {
	case $1 in
	unbound | dnsdist | plain | plain-tun)
		netns[$1]=/run/netns/client
		[ "$1" != plain-tun ] || netns[$1]=/run/netns/mirror
		"dns_$1"
		dns_pid[$1]=$started
		wait_for dns_answers "${netns[$1]##*/}" ${dns_at[$1]} || {
			fail "$1" "does not come up: $(tail -n 3 "$work/$1.log")"
			return 1
		}
		;;
	*)
		path_up "$1" || return 1
		dns_at[$1]="$SERVER 53"
		dns_pid[$1]=${forwarder[$1]}
		;;
	esac
	on "$1" 20 "$DNS_LOAD" fill ${dns_at[$1]} $ZONE $NAMES
}

dns_one() { # CONFIG: all of it on one CPU, as part_rr does
	local pid p50='' p99=''
	for pid in ${dns_pid[$1]}; do taskset -apc 0 "$pid" >/dev/null; done
	on "$1" 20 taskset -c 0 "$DNS_LOAD" one ${dns_at[$1]} $ZONE $NAMES $DNS_ONE || true
	for pid in ${dns_pid[$1]}; do taskset -apc "0-$(($(nproc) - 1))" "$pid" >/dev/null; done
	read -r p50 p99 <"$work/out" || true
	note dns_p50_1cpu "$1" "$p50"
	note dns_p99_1cpu "$1" "$p99"
}

# The machine's CPU time for an answer, the load generator's included, and what the answerer has
# of it: less what asking costs on the same kind of link.
dns_loop() { # CONFIG
	local all rate='' lost='' answers='' asking=${dns_machine[plain]:-0}
	all=$(machine_ticks)
	on "$1" $((DURATION + 10)) "$DNS_LOAD" loop ${dns_at[$1]} $ZONE $NAMES "$DURATION" \
		$DNS_LANES || true
	all=$(($(machine_ticks) - all))
	read -r rate lost answers <"$work/out" || true
	[ "${lost:-0}" = 0 ] || warn "$1: $lost queries of the closed loop were asked again"
	dns_machine[$1]=$(awk -v t="$all" -v n="${answers:-0}" -v hz="$(getconf CLK_TCK)" \
		'BEGIN { if (n) print t / hz * 1e6 / n }')
	note dns_loop64 "$1" "$rate"
	note dns_cpu_asked "$1" "${dns_machine[$1]}"
	case $1 in
	plain*) return 0 ;;
	headrace*) asking=${dns_machine[plain-tun]:-0} ;;
	esac
	note dns_cpu "$1" "$(awk -v all="${dns_machine[$1]}" -v asking="$asking" \
		'BEGIN { print all - asking }')"
}

# What a million blocked names cost: see names.c.
dns_block() {
	local metric value
	"$B/tests/bench/names" >"$work/names" 2>"$work/err" || fail headrace "names: status $?"
	while read -r metric value; do
		note "$metric" headrace "$value"
	done < <(jq -r '"\(.metric) \(.value)"' "$work/names")
}

part_dns() {
	local config up=() measure
	dns_zone
	for config in plain plain-tun unbound dnsdist "${configs[@]}"; do
		case $config in
		plain* | unbound | dnsdist | headrace*) ;;
		*) continue ;;
		esac
		dns_up "$config" && up+=("$config")
	done
	dns_block
	for measure in dns_one dns_loop; do
		for config in "${up[@]}"; do $measure "$config"; done
	done
	for config in nsd plain plain-tun unbound dnsdist; do
		[ -z "${dns_pid[$config]:-}" ] || stop "${dns_pid[$config]}"
	done
	ip netns del mirror
	paths_down
}
