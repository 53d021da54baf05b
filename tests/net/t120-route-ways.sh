#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Route capture: each way leads the host's new flows to the TUN, keeps what was opened from
# outside, does not loop, and leaves routes, rules and sysctls as they were, even when main
# was killed.

# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/host.sh"
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/route.sh"

each_way() {
	local way=$1
	check "B-07 $way: TCP is forwarded" forwarded tcp "${TO4[forward]}"
	check "B-07 T-04 $way: TCP over IPv6 is forwarded" forwarded tcp "${TO6[forward]}"
	check "$way: UDP is forwarded" forwarded udp "${TO4[forward]}"
	check "B-07 T-04 $way: UDP over IPv6 is forwarded" forwarded udp "${TO6[forward]}"
	check "$way: a ping is forwarded" pings "${TO4[forward]}"
	check "$way: a ping over IPv6 is forwarded" pings "${TO6[forward]}"
	check "$way: direct TCP leaves by itself" direct tcp "${TO4[direct]}"
	check "$way: direct TCP over IPv6 leaves by itself" direct tcp "${TO6[direct]}"
	check "$way: direct UDP leaves by itself" direct udp "${TO4[direct]}"
	check "$way: direct UDP over IPv6 leaves by itself" direct udp "${TO6[direct]}"
	check "$way: a container's socket is left alone" left_alone "${TO4[direct]}"
	check "$way: a container's socket of IPv6 is left alone" left_alone "${TO6[direct]}"
	check "$way: a rule refuses TCP" refused tcp "${TO4[reject]}"
	check "$way: a rule refuses UDP over IPv6" refused udp "${TO6[reject]}"
	check "$way: a rule drops" silent udp "${TO4[drop]}"
	check "$way: a flow from outside is answered" from_outside $HOST4
	check "$way: a flow from outside is answered over IPv6" from_outside $HOST6
	check "B-08 $way: DNS is answered whomever it asks" resolves_here 203.0.113.77
	check "B-08 $way: DNS is answered whomever it asks over IPv6" resolves_here 2001:db8:77::77
	check "$way: the stack answers pings" pings $TUN_STACK4
	check "N-44 B-07 $way: nothing of its own comes back" no_loop
}
# What connects in another namespace is none of ours: it gets no mark, and is bound to none of
# the devices there, which have other numbers.
left_alone() {
	same "0 0" "$(in_box1 python3 - "$1" "$SEEN_PORT" <<-END
		import socket, sys
		s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
		s.connect((sys.argv[1], int(sys.argv[2])))
		SO_BINDTOIFINDEX = 62
		print(s.getsockopt(socket.SOL_SOCKET, socket.SO_MARK),
		      s.getsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX))
	END
	)"
}

route_up
for way in table bind host-routes halves; do
	route_config $way
	check "$way: up" up
	each_way $way
	check "B-05 $way: down leaves nothing" down
	check "B-05 B-06 $way: ... everything is as before, rp_filter too" as_before
	up >/dev/null
	kill -9 "$daemon_pid"
	wait_for gone "$daemon_pid"
	check "$way: down takes back what a killed daemon left" headrace down --instance "$INSTANCE"
	check "$way: ... everything is as before" as_before
done
# T-04: whatever the port, without a listener of ours for it.
for port in 1 443 5060 65535; do
	start_far "seen$port" "$HELPERS/seen" serve $port "${TO4[forward]}" "${TO6[forward]}"
	wait_for listening ":$port" || die "no server at port $port"
done
up >/dev/null
for SEEN_PORT in 1 443 5060 65535; do
	for protocol in tcp udp; do
		check "T-04 $protocol port $SEEN_PORT" forwarded $protocol "${TO4[forward]}"
		check "T-04 $protocol port $SEEN_PORT over IPv6" forwarded $protocol "${TO6[forward]}"
	done
done
SEEN_PORT=7007
kill -9 "$daemon_pid"
wait_for gone "$daemon_pid"
check "the next start takes it back, too" up
check "... and captures" forwarded tcp "${TO4[forward]}"
check "... and leaves nothing" down
check "... everything is as before" as_before

finish
