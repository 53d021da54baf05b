#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# ICMP: echo is really sent upstream, errors come back, the path's MTU reaches applications.
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
web_start
session_start --dns $DNS4

ping() { inside ping -n -W 3 "$@"; }
lost() { ping -c 1 -W 2 "$1" && return 1 || return 0; }

check B-09_ping_ipv4 ping -c 3 -i 0.1 $WEB4
check B-09_ping_ipv6 ping -6 -c 3 -i 0.1 $WEB6
check ping_large_ipv4 ping -c 1 -s 9000 $WEB4
check ping_large_ipv6 ping -6 -c 1 -s 9000 $WEB6
check ping_stack_itself ping -c 1 "$(json status .status.stack4)"
check ping_stack_itself_ipv6 ping -6 -c 1 "$(json status .status.stack6)"
check ping_of_nobody_is_not_answered lost 198.51.100.99

# It is the far side that answers: what it does not let in, is lost.
in_far nft -f - <<-END
	table inet t { chain in { type filter hook input priority 0;
		ip saddr 172.31.255.1 icmp type echo-request drop
		ip6 saddr fd31:255::1 icmpv6 type echo-request drop
	}
	}
END
check echo_is_really_sent_ipv4 lost $WEB4
check echo_is_really_sent_ipv6 lost $WEB6
in_far nft delete table inet t

# TTL 1 ends at the stack, 2 at the far side's router.
ttl() { ping -c 1 -t "$1" "$2" | tee /dev/stderr | grep -qiE "time to live|time exceeded|hop limit"; }
check ttl_1_is_answered ttl 1 $WEB4
check hop_limit_1_is_answered ttl 1 $WEB6

# A link of MTU 1400 behind: "too big" arrives inside, and large transfers still work.
sum=$(web_file big.bin 3000000)
in_host ip route change default via 172.31.255.2 mtu lock 1400
too_big() { ping -c 1 -M "do" -s 1450 $WEB4 2>&1 | tee /dev/stderr | grep -qE 'mtu ?= ?1400|Frag needed'; }
check path_mtu_reaches_the_application too_big
check tcp_over_a_small_path_mtu same "$sum" "$(inside curl -sS -m 20 "http://$WEB4/big.bin" | sha256sum)"
check no_role_was_restarted same 0 "$(json status '[.status.roles[].restarts // 0] | add')"
finish
