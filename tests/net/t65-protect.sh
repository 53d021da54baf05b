#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Our own sockets: every class of them marked, none seen on a TUN that is the default route
# of the very namespace they live in, and none used when it cannot be protected.
#
#	"host" namespace: default route = TUN, table 100 = uplink, rule: our mark -> table 100
#	curl, dig, ping, udp -- TUN -- headrace -- marked sockets -- table 100 -- uplink -- far
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
echo_start
sum=$(web_file file.bin 20000000)

# The routes of the classic set-up, which the handed TUN takes the place of.
in_host ip route add default via 172.31.255.2 table 100
in_host ip -6 route add default via fd31:255::2 table 100
in_host ip rule add fwmark 0x68720000 lookup 100
in_host ip -6 rule add fwmark 0x68720000 lookup 100
in_host nft -f - <<-'END'
	table inet watch {
		counter unmarked { }
		chain out {
			type filter hook postrouting priority 0;
			oifname != "uplink" accept
			meta mark 0x68720000 accept
			icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld2-listener-report } accept
			meta l4proto { tcp, udp, icmp, icmpv6 } counter name unmarked
		}
	}
END
INSTANCE=protect-$$
start_host handed "$HELPERS/tunfd" offload "$HOST_PID" "$B/headrace" run --dns "$DNS4" \
	--quiet --instance "$INSTANCE" --tun-fd 9
wait_for in_host ip link set handed up || die "$(cat "$T/handed.log")"
wait_for headrace status --instance "$INSTANCE" || die "$(cat "$T/handed.log")"
in_host ip addr add 10.0.0.2/24 dev handed
in_host ip addr add fd68:6561:6472:6163::2/64 dev handed nodad
in_host ip route replace default dev handed src 10.0.0.2
in_host ip -6 route replace default dev handed src fd68:6561:6472:6163::2
in_host ip -6 route del default via fd31:255::2 2>/dev/null
settle() { in_host ip route get "$1" | grep -q 'dev handed'; }
wait_for settle "$WEB4"
wait_for settle "$WEB6"

get() { same "$sum" "$(in_host curl -sf -m 20 "http://$1/file.bin" | sha256sum)"; }
unmarked() { in_host nft -j list counter inet watch unmarked | jq '[.nftables[].counter.packets // 0] | add'; }
check N-22_tcp get "$WEB4"
check N-22_tcp_ipv6 get "[$WEB6]"
check N-22_udp in_host "$HELPERS/udp" ping "$ECHO4" 7 1 1400 9000
check N-22_udp_ipv6 in_host "$HELPERS/udp" ping "$ECHO6" 7 1 1400 9000
check N-22_dns same "$WEB4" "$(in_host dig +short +time=3 @10.0.0.1 "www.$ZONE" A)"
check N-22_dns_over_tcp same 1 "$(in_host dig +short +time=3 +tcp @10.0.0.1 "huge.$ZONE" TXT | wc -l)"
check N-22_echo in_host ping -c 2 -i 0.1 -W 2 "$WEB4"
check N-22_echo_ipv6 in_host ping -6 -c 2 -i 0.1 -W 2 "$WEB6"
check N-22_every_socket_was_marked same 0 "$(unmarked)"
check N-21_no_own_packet_on_the_tun same 0 "$(dropped loop_averted)"

# --- the rule is gone: our packets are routed into the TUN, and stopped there
looping() {
	in_host ip rule del fwmark 0x68720000 lookup 100
	! in_host curl -sf -m 2 -o /dev/null "http://$WEB4/" || return 1
	in_host ip rule add fwmark 0x68720000 lookup 100
	within 1 1000 "$(dropped loop_averted)" # not a storm
}
check N-21_a_loop_is_averted_and_counted looping
check N-21_works_again get "$WEB4"

# --- N-23: the worker leaves the cgroup whose hook marks its sockets: they are not used
unprotected() {
	local before worker root
	worker=$(role_pids worker | head -n 1)
	root=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
	before=$(unmarked)
	echo "$worker" >"$root/cgroup.procs" || return 1
	! in_host curl -sf -m 3 -o /dev/null "http://$WEB4/" || return 1
	! in_host "$HELPERS/udp" ping "$ECHO4" 7 1 || return 1
	same "$before" "$(unmarked)" && within 2 1000 "$(dropped protect)"
}
check N-23_unprotected_sockets_are_not_used unprotected
seen() { in_host ping -c 1 -W 1 172.31.255.2 && within 1 1000 "$(unmarked)"; }
check an_unmarked_packet_would_have_been_seen seen
finish
