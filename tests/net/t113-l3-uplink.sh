#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# An uplink without a header of layer 2, as WireGuard's, PPP's and VPNs' devices have none: a TUN,
# whose other end the far side has. What the host and a client of its LAN send by it is captured
# by tcx links and by clsact filters alike, appears and vanishes as the device does, and answers
# of every verdict come back.
# shellcheck disable=SC2154 # set by lib.sh and host.sh
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

TUN4=10.77.0.1 TUN6=fd31:e::1
host_up
dns_start
echo_start

# cable: a TUN on the host and one on the far side, and what carries packets between them.
cable() {
	cat >"$T/cable.py" <<-'END'
		import ctypes, fcntl, os, select, struct, sys
		libc = ctypes.CDLL(None, use_errno=True)
		def tun(pid, name):
		    ns = os.open("/proc/%s/ns/net" % pid, os.O_RDONLY)
		    if libc.setns(ns, 0):
		        sys.exit("setns: errno %d" % ctypes.get_errno())
		    fd = os.open("/dev/net/tun", os.O_RDWR)
		    fcntl.ioctl(fd, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1001))
		    return fd
		a, b = tun(sys.argv[1], "l3up"), tun(sys.argv[2], "l3wire")
		print("plugged", flush=True)
		while True:
		    for fd in select.select([a, b], [], [])[0]:
		        try:
		            os.write(b if fd == a else a, os.read(fd, 65536))
		        except OSError:
		            pass # the other end is down
	END
	start cable python3 "$T/cable.py" "$HOST_PID" "$FAR_PID"
	cable_pid=$started_pid
	wait_for grep -q plugged "$T/cable.log" || die "no cable: $(cat "$T/cable.log")"
	in_far sysctl -qw net.ipv4.conf.l3wire.rp_filter=0
	link_end l3wire "$FAR_PID" 10.77.0.2/30 fd31:e::2/64
	in_far ip route replace 192.168.77.0/24 dev l3wire
	in_far ip -6 route replace fd31:77::/64 dev l3wire
	link_end l3up "$HOST_PID" $TUN4/30 $TUN6/64
	in_host ip route add 198.51.100.0/24 dev l3up
	in_host ip route add 203.0.113.0/24 dev l3up
	in_host ip -6 route add 2001:db8::/32 dev l3up
}

# --- what is to be seen --------------------------------------------------------------------------

# fate CLIENT tcp|udp|ping ADDRESS: native (as itself), carried (as a socket of the host's, by the
# TUN), or what the application learns.
fate() {
	local answer
	if [ "$2" = ping ]; then
		in_"$1" "$HELPERS/seen" ping "$3" | sed 's/ .*//'
		return
	fi
	read -ra answer < <(in_"$1" "$HELPERS/seen" ask "$2" "$3" $SEEN_PORT)
	if [ "${answer[0]}" != answered ]; then
		echo "${answer[0]}"
	elif [ "${answer[1]}" = "${answer[3]}" ]; then
		echo native
	elif [ "${answer[2]}" = $TUN4 ] || [ "${answer[2]}" = $TUN6 ]; then
		echo carried
	else
		echo "seen as ${answer[2]}"
	fi
}
fates() { # CLIENT VERDICT WANTED WANTED-OF-PING
	local address proto wanted
	for address in "${TO4[$2]}" "${TO6[$2]}"; do
		for proto in tcp udp ping; do
			wanted=$3
			[ $proto != ping ] || wanted=$4
			same "$wanted" "$(fate "$1" $proto "$address")" || { echo "$proto $address"; return 1; }
		done
	done
}
# A raw socket that asks for errors learns that nothing has left the host (ENOBUFS).
dropped_of() {
	local address
	for address in "${TO4[drop]}" "${TO6[drop]}"; do
		same silent "$(SEEN_MS=300 fate "$1" tcp "$address")" &&
			same silent "$(SEEN_MS=300 fate "$1" udp "$address")" || return 1
	done
}
captured_as() { # DEVICE MODE
	same "$2" "$(json status ".status.captures[] | select(.device == \"$1\") | .mode // .error")"
}
resolves() { # CLIENT: whoever is asked, it is answered here
	in_"$1" dig +short +tries=2 +time=5 @192.0.2.99 "www.$ZONE" | grep -qx "$WEB4"
}
large() { # datagrams of several MTUs, both ways
	in_host "$HELPERS/udp" ping $ECHO4 7 1400 9000 && in_host "$HELPERS/udp" ping $ECHO6 7 1400 9000
}
all() { # WAY
	local client
	for client in host desk; do
		check "$1_direct_of_the_$client" fates $client direct native answered
		check "$1_forward_of_the_$client" fates $client forward carried answered
		check "$1_reject_of_the_$client" fates $client reject refused refused
		check "$1_drop_of_the_$client" dropped_of $client
		check "$1_dns_of_the_$client" resolves $client
	done
	check "$1_large_datagrams" large
	check "$1_no_own_packet_on_the_tun" same 0 "$(dropped loop_averted)"
}

# --- by either way of attaching ------------------------------------------------------------------

cable
check without_headrace_the_host_leaves_by_it fates host forward native answered
check without_headrace_the_desk_leaves_by_it fates desk forward native answered
for way in tcx clsact; do
	host_config attach=$way rules="$(host_rules)
  - {name: echo, destination: [$ECHO4, '$ECHO6'], action: forward}"
	up || { [ $way = tcx ] && ! grep -q 'attach=tcx' "$T/daemon.log" && continue; die "no start"; }
	check "${way}_is_how_it_is_captured" captured_as l3up $way
	all $way
	check "${way}_down" down
done

# --- it comes and goes ---------------------------------------------------------------------------

host_config rules="$(host_rules)"
must_up
check before_it_goes_it_is_captured fates host forward carried answered
in_far ip route replace 192.168.77.0/24 via $HOST4
in_far ip -6 route replace fd31:77::/64 via $HOST6
kill "$cable_pid"
wait_for gone "$cable_pid"
check one_that_vanishes_is_forgotten wait_for captured_as l3up ''
seen_by_uplink() {
	in_host "$HELPERS/seen" ask tcp "${TO4[forward]}" $SEEN_PORT | grep -q " $HOST4 "
}
check the_other_uplink_has_its_flows wait_for seen_by_uplink
cable
how=$(json status .status.features.attach)
check one_that_appears_is_captured wait_for captured_as l3up "$how"
check and_its_flows_are_carried fates host forward carried answered
check down_at_last down
finish
