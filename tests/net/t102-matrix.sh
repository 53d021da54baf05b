#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Every combination of IPv4 and IPv6, TCP, UDP and ping, the host, a container and a client of
# the LAN, and direct, forward, reject and drop: what the application learns, as whom the far
# side sees it, and what Headrace says of it. First all of it without Headrace, where every
# verdict is 'direct'; all at once each time, so that what is silent is waited for once.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
mkdir "$T/ask"
clients=(host box1 desk)
verdict='' # of what a case is about

# Source addresses as the far side knows them.
declare -A seen4=([host]=$HOST4 [box1]=$HOST4 [desk]=$DESK4)
declare -A seen6=([host]=$HOST6 [box1]=$HOST6 [desk]=$DESK6)
to() { [ "$1" = 6 ] && echo "${TO6[$2]}" || echo "${TO4[$2]}"; }
own() { [ "$1" = 6 ] && echo "${seen6[$2]}" || echo "${seen4[$2]}"; }
host() { [ "$1" = 6 ] && echo $HOST6 || echo $HOST4; }

# ask_all: every question, each with its answer in $T/ask/CLIENT-FAMILY-PROTOCOL-VERDICT.
ask_all() {
	local client family proto to what
	rm -f "$T"/ask/*
	for client in "${clients[@]}"; do
		for family in 4 6; do
			for what in "${verdicts[@]}"; do
				to=$(to $family "$what")
				for proto in tcp udp; do
					in_"$client" "$HELPERS/seen" ask $proto "$to" $SEEN_PORT \
						>"$T/ask/$client-$family-$proto-$what" 2>&1 &
				done
				in_"$client" "$HELPERS/seen" ping "$to" \
					>"$T/ask/$client-$family-ping-$what" 2>&1 &
			done
		done
	done
	wait
	settled
}

# --- what is to be seen of each ---

# is_direct CLIENT FAMILY PROTOCOL ANSWER...: seen with its own port (masquerade keeps it).
is_direct() {
	[ "${4:-}" = answered ] || return 1
	case $3 in
	ping) arrived "icmp $(own "$2" "$1") $5 $(to "$2" "$verdict") 0" ;;
	*) same "$(own "$2" "$1") $5" "${*:6}" ;;
	esac
}
# Seen as one of Headrace's own sockets: the host's address, another port or identifier.
is_forward() {
	[ "${4:-}" = answered ] || return 1
	case $3 in
	ping)
		arrived "icmp $(host "$2") [0-9]+ $(to "$2" "$verdict") 0" &&
			! arrived "icmp .* $5 $(to "$2" "$verdict") 0"
		;;
	*) same "$(host "$2")" "$6" && [ "$5" != "$7" ] ;;
	esac
}
# At once: sooner than TCP would send its SYN again.
is_reject() {
	[ "${4:-}" = refused ] && within 0 900 "$6" || return 1
	case $3 in
	ping) ;; # ICMP says why in words of its own
	*) same ECONNREFUSED "$5" ;;
	esac
}
# A raw socket that asks for its errors learns that its packet has not left the host.
is_drop() { [ "${4:-}" = silent ] || { [ "$1 $3" = "host ping" ] && [ "${5:-}" = ENOBUFS ]; }; }

# right CLIENT PROTOCOL WANTED VERDICT: both families.
right() {
	local family answer
	verdict=$4
	for family in 4 6; do
		answer=$(cat "$T/ask/$1-$family-$2-$verdict")
		# shellcheck disable=SC2086 # words
		"is_$3" "$1" "$family" "$2" $answer || {
			echo "$1, IPv$family, $2, $verdict: $answer"
			return 1
		}
	done
}
# nothing_arrived VERDICT
nothing_arrived() {
	! grep -E " (${TO4[$1]}|${TO6[$1]}) " "$T/watch.log"
}
all_right() { # PREFIX [WANTED]
	local client proto what
	for client in "${clients[@]}"; do
		for proto in tcp udp ping; do
			for what in "${verdicts[@]}"; do
				check "$1${client}_${proto}_${what}" right "$client" $proto "${2:-$what}" "$what"
			done
		done
	done
}
plain_right() {
	local client proto what
	for client in "${clients[@]}"; do
		for proto in tcp udp ping; do
			for what in "${verdicts[@]}"; do
				right "$client" $proto direct "$what" || return 1
			done
		done
	done
}

watch_start
ask_all || die "the far side is silent"
check without_headrace_all_is_direct plain_right

# --- with rules ---

host_config rules="$(host_rules)"
must_up
watch_start
ask_all || die "the far side is silent"
all_right ''
check nothing_rejected_arrives nothing_arrived reject
check nothing_dropped_arrives nothing_arrived drop

# 18 flows by each rule; what is dropped is sent again and decided again.
for what in direct forward reject; do
	check "hits_of_${what}_are_counted" within 18 18 "$(rule_hits $what)"
done
check hits_of_drop_are_counted within 18 72 "$(rule_hits drop)"
check drops_are_counted within 18 72 "$(dropped rule)"
check no_own_packet_on_the_tun same 0 "$(dropped loop_averted)"

# listed CLIENT VERDICT: UDP and pings of both families are listed with their rule and capture.
listed() {
	local where=lan
	[ "$1" != host ] || where=egress
	json flows "select(.flow.capture == \"$where\" and .flow.verdict == \"$2\" and
		.flow.rule_name == \"$2\" and .flow.proto != \"tcp\") |
		.flow.daddr + \" \" + .flow.proto + \" \" + .flow.saddr" >"$T/listed"
	cat "$T/listed"
	within "$(($([ "$1" = host ] && echo 1 || echo 2) * 4))" 8 "$(sort -u "$T/listed" | grep -c .)"
}
for what in direct forward; do
	check "flows_of_the_host_are_listed_as_${what}" listed host $what
	check "flows_of_clients_are_listed_as_${what}" listed lan $what
done

# --- forwarded without the kernel's forwarding ---

in_host sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
watch_start
ask_all || die "the far side is silent"
for client in box1 desk; do
	for proto in tcp udp ping; do
		check "without_ip_forward_${client}_${proto}" right $client $proto forward forward
	done
done
check without_ip_forward_direct_is_the_kernels_own \
	same silent "$(cat "$T/ask/desk-4-tcp-direct")"
in_host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1

check down down
watch_start
ask_all || die "the far side is silent"
check after_down_all_is_direct plain_right
finish
