#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What is never captured, whatever the rules say: here they forward everything. Sessions that
# began before, or from outside, to the host and to a client of the LAN, live through `up`,
# `reload` and `down`: ssh (Debian's sshd), UDP servers, downloads. So do a tunnel's packets,
# the host's own addresses, neighbours, DHCP, broadcast and multicast.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
web_start
dns_start
tcp_start
[ -x "$SERVERS/usr/sbin/sshd" ] || die "no sshd: tools/bootstrap test"
bytes=$((8 << 20))
sum=$(web_file file.bin $bytes)

# --- servers of the host, of the desk, and of a container ---

ssh-keygen -q -t ed25519 -N '' -f "$T/host_key"
ssh-keygen -q -t ed25519 -N '' -f "$T/key"
cp "$T/key.pub" "$T/authorized"
# sshd wants a user of its own and a directory in /run: in its mount namespace it has them.
sshd_start() { # PID NAME ADDRESS...
	local address config=$T/$2.conf
	{
		printf 'Port %s\nHostKey %s\nAuthorizedKeysFile %s\n' $SSH_PORT "$T/host_key" "$T/authorized"
		printf 'UsePAM no\nStrictModes no\nPermitRootLogin yes\nPidFile none\nUseDNS no\n'
		for address in "${@:3}"; do echo "ListenAddress $address"; done
	} >"$config"
	{ cat /etc/passwd; echo "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin"; } >"$T/passwd"
	# shellcheck disable=SC2016 # expands in the inner shell
	start "$2" nsenter --target "$1" --net -- unshare --mount -- sh -c '
		mount --bind "$1/passwd" /etc/passwd && mount -t tmpfs -o mode=755 tmpfs /run &&
		mkdir -m 755 /run/sshd && exec "$2" -D -e -f "$3"' - "$T" "$SERVERS/usr/sbin/sshd" "$config"
	wait_for ssh_up "$1" || die "sshd: $(cat "$T/$2.log")"
}
ssh_up() { in_ns "$1" ss -Hltn "sport = :$SSH_PORT" | grep -q .; }
sshd_start "$HOST_PID" sshd-host $HOST4 $HOST6
sshd_start "$DESK_PID" sshd-desk $DESK4 $DESK6
start_in "$BOX1_PID" published "$HELPERS/seen" serve 80 $BOX4 $BOX6
for address in $HOST4 $HOST6; do start_host "echo-$address" "$HELPERS/udp" echo $address 5007; done
for address in $DESK4 $DESK6; do start_in "$DESK_PID" "echo-$address" "$HELPERS/udp" echo $address 5007; done
in_host nft add rule inet filter input udp dport 4789 accept
in_host nft insert rule inet filter forward ip daddr $DESK4 accept
in_host nft insert rule inet filter forward ip6 daddr $DESK6 accept

# --- sessions ---

# shellcheck disable=SC2016 # expands over there
reader='while read -r word; do echo "got $word"; done'
ssh_to() {
	session_of "$1" "$FAR_PID" ssh -q -T -F none -i "$T/key" -p $SSH_PORT \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes \
		"root@$2" "$reader"
}
ssh_to ssh_to_the_host $HOST4
ssh_to ssh_to_the_host_by_ipv6 $HOST6
ssh_to ssh_to_the_desk $DESK4
ssh_to ssh_to_the_desk_by_ipv6 $DESK6
talk_to udp_to_the_host "$FAR_PID" "UDP4:$HOST4:5007"
talk_to udp_to_the_host_by_ipv6 "$FAR_PID" "UDP6:[$HOST6]:5007"
talk_to udp_to_the_desk "$FAR_PID" "UDP4:$DESK4:5007"
talk_to udp_to_the_desk_by_ipv6 "$FAR_PID" "UDP6:[$DESK6]:5007"
talk_to tcp_of_the_host "$HOST_PID" "TCP4:$ECHO4:9"
talk_to tcp_of_the_host_by_ipv6 "$HOST_PID" "TCP6:[$ECHO6]:9"
talk_to tcp_of_the_desk "$DESK_PID" "TCP4:$ECHO4:9"
talk_to tcp_of_the_desk_by_ipv6 "$DESK_PID" "TCP6:[$ECHO6]:9"
talk_to tcp_of_a_container "$BOX1_PID" "TCP4:$ECHO4:9"

# Downloads that last until they are told to go on: the reader holds them up.
downloads=(host desk box1)
for name in "${downloads[@]}"; do
	mkfifo "$T/$name.go"
	start "get-$name" bash -c 'exec "${@:3}" | { dd bs=64k count=1 iflag=fullblock status=none
		read -r word <"$1"; cat; } | sha256sum >"$2"' - "$T/$name.go" "$T/$name.sum" nsenter \
		--target "$(pid=${name^^}_PID; echo "${!pid}")" --net -- curl -sS -m $((200 * PATIENCE)) "http://$WEB4/file.bin"
	wait_for in_"$name" ss -Htn state established "dst $WEB4" || die "no download"
done
download_ends() { echo go >"$T/$1.go"; wait_for -t 60 test -s "$T/$1.sum" && same "$sum" "$(cat "$T/$1.sum")"; }

# --- a tunnel ---

vxlan() { # PID OWN OTHER DEVICE ADDRESS
	in_ns "$1" ip link add vx0 type vxlan id 42 local "$2" remote "$3" dstport 4789 dev "$4" || return 1
	in_ns "$1" ip addr add "$5/24" dev vx0
	in_ns "$1" ip link set vx0 up
}
vxlan "$HOST_PID" $HOST4 172.31.255.2 uplink 10.99.0.1 && vxlan "$FAR_PID" 172.31.255.2 $HOST4 wire 10.99.0.2 ||
	die "no tunnel"
start_far inner "$HELPERS/seen" serve $SEEN_PORT 10.99.0.2
wait_for listening "10.99.0.2:$SEEN_PORT" || die "no server in the tunnel"

# --- what must work at any time ---

new_ssh() { # FAR-SIDE COMMAND through a connection of its own
	in_far ssh -q -T -F none -i "$T/key" -p $SSH_PORT -o StrictHostKeyChecking=no \
		-o UserKnownHostsFile=/dev/null -o BatchMode=yes "root@$1" true
}
answers() { "$1" "$HELPERS/seen" ask "$2" "$3" "$4" | tee /dev/stderr | grep -q ^answered; }
published() { answers in_far tcp $HOST4 $PUBLISHED && answers in_far tcp $HOST6 $PUBLISHED; }
own_addresses() {
	in_host "$HELPERS/udp" ping $HOST4 5007 64 && in_desk "$HELPERS/udp" ping $HOST4 5007 64 &&
		in_box1 "$HELPERS/udp" ping $HOST4 5007 64 && in_desk "$HELPERS/udp" ping $HOST6 5007 64 &&
		in_desk ping -n -c 1 -W 5 192.168.77.1
}
tunnelled() {
	in_host ping -n -c 1 -W 5 10.99.0.2 && answers in_host tcp 10.99.0.2 $SEEN_PORT &&
		answers in_host udp 10.99.0.2 $SEEN_PORT && arrived "udp $HOST4 [0-9]+ 172.31.255.2 4789"
}
neighbours_are_found() {
	in_host ip neigh flush dev uplink2
	in_host ip -6 neigh flush dev uplink2
	in_desk ip neigh flush dev eth0
	in_desk ip -6 neigh flush dev eth0
	in_host ping -n -c 1 -W 5 172.31.254.2 && in_host ping -6 -n -c 1 -W 5 fd31:254::2 &&
		in_desk ping -n -c 1 -W 5 192.168.77.1 && in_desk ping -6 -n -c 1 -W 5 fd31:77::1
}
link_traffic() {
	local ll
	echo x | in_host socat -u - "UDP4-DATAGRAM:255.255.255.255:67,bind=:68,broadcast,so-bindtodevice=uplink" &&
		echo x | in_host socat -u - "UDP4-SENDTO:172.31.255.2:67,sourceport=68" &&
		echo x | in_host socat -u - "UDP4-DATAGRAM:224.0.0.251:5353,ip-multicast-if=$HOST4" || return 1
	ll=$(in_far ip -6 -o addr show dev wire2 scope link | sed -E 's:.*inet6 ([^/]*)/.*:\1:')
	in_host ping -6 -n -c 1 -W 5 "$ll%uplink2" || return 1
	settled && arrived "udp .* 68 255.255.255.255 67" && arrived "udp $HOST4 68 172.31.255.2 67" &&
		arrived "udp $HOST4 .* 224.0.0.251 5353"
}

all() { # PREFIX
	local name
	for name in "${sessions[@]}"; do check "$1_$name" speaks "$name"; done
	check "$1_new_ssh_to_the_host" new_ssh $HOST4
	check "$1_new_ssh_to_the_desk" new_ssh $DESK6
	check "$1_new_udp_from_outside" in_far "$HELPERS/udp" ping $HOST4 5007 64 1400
	check "$1_new_udp_to_the_desk" in_far "$HELPERS/udp" ping $DESK6 5007 64 1400
	check "$1_published_port" published
	check "$1_own_addresses" own_addresses
	check "$1_tunnel" tunnelled
	check "$1_neighbours" neighbours_are_found
	watch_start
	check "$1_link_traffic" link_traffic
}

watch_start
all before

host_config default=forward
must_up
how=$(json status .status.features.attach)
watch_start
# What is opened now is captured: the far side sees another port than the application has.
forwarded() { # CLIENT ADDRESS
	local answer
	answer=$(in_"$1" "$HELPERS/seen" ask tcp "$2" $SEEN_PORT)
	echo "$answer"
	read -ra answer <<<"$answer"
	[ "${answer[0]}" = answered ] && [ "${answer[1]}" != "${answer[3]}" ]
}
check what_the_host_opens_is_captured forwarded host "${TO4[direct]}"
check what_the_desk_opens_is_captured forwarded desk "${TO6[direct]}"
all up
check download_of_the_host_goes_on download_ends host

check reload reload
check reload_reset reload --flows reset
watch_start
all reloaded
check download_of_the_desk_goes_on download_ends desk

# Our own sockets in every state, TIME_WAIT and the kernel's answers among them.
check many_short_connections in_host "$HELPERS/tcp" serial $ECHO4 9 300
check refused_ones in_host sh -c "for i in 1 2 3 4 5; do $HELPERS/seen ask tcp $ECHO4 4; done |
	grep -c ECONNREFUSED | grep -qx 5"
check no_own_packet_on_the_tun same 0 "$(dropped loop_averted)"

check down down
watch_start
all down

# The other way of attaching, too.
if [ "$how" = tcx ]; then
	host_config attach=clsact default=forward
	must_up
	check by_clsact_what_the_host_opens_is_captured forwarded host "${TO6[direct]}"
	watch_start
	all by_clsact
	check by_clsact_down down
fi
for name in "${sessions[@]}"; do check "at_last_$name" speaks "$name"; done
check download_of_a_container_goes_on download_ends box1
finish
