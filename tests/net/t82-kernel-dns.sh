#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# DNS answered by the kernel half: blocked names and kept answers on the TUN, policies and
# flushes obeyed at once, and a listener whose queries come in by a veth device, by traffic
# control and by XDP. nsd is upstream; counters of the kernel half tell who answered.
#
#   run: dig @stack        far: dig @172.31.255.1 -> uplink (dns_eth, dns_xdp)
#
# shellcheck disable=SC2154 # session is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
HOST4=172.31.255.1
BLOCKED=ads.$ZONE
conf() { # DEVICES ACTION
	cat >"$T/conf.yaml" <<-END
		dns:
		  listen: ["0.0.0.0:53"]
		  devices: {$1}
		  upstreams: {nsd: {type: plain, address: $DNS4}}
		  groups: {default: {upstreams: [nsd]}}
		  policies:
		    - name: all
		      rules:
		        - {domain: .$BLOCKED, block: $2}
	END
}
conf "uplink: tc" nxdomain
# libxdp and iproute2 make directories in bpffs and leave them: in one of their own.
printf '#!/bin/sh\nmount -t bpf none /sys/fs/bpf && exec "$@"\n' >"$T/with_bpffs"
chmod +x "$T/with_bpffs"
own_bpffs="unshare --mount $T/with_bpffs"
SESSION_PREFIX=$own_bpffs session_start -c "$T/conf.yaml"
stack4=$(json status .status.stack4)

dig() { inside dig +tries=1 +time=6 "@$stack4" "$@"; }
far_dig() { in_far dig +tries=1 +time=6 "@$HOST4" "$@"; }
status_of() { "$@" | sed -nE 's/.*status: ([A-Z]+),.*/\1/p'; }
stat() { json status ".status.kernel.$1 // 0"; }

figures() {
	json status "[.status.kernel.$1 // 0, ([.status.roles[].dns_queries // 0] | add)] |
		join(\" \")"
}

# by_kernel COUNTER COMMAND...: the command's query is counted there, and reaches no resolver.
by_kernel() {
	local before queries now after what=$1
	shift
	read -r before queries < <(figures "$what")
	"$@" || return 1
	read -r now after < <(figures "$what")
	within $((before + 1)) $((before + 9)) "$now" && same "$queries" "$after"
}
answers() { same "$1" "$(dig +short "${@:2}")"; }
says() { same "$1" "$(status_of "${@:2}")"; }

check a_blocked_name_is_answered_in_the_kernel by_kernel dns_blocked says NXDOMAIN dig "$BLOCKED"
check what_is_below_it_too by_kernel dns_blocked says NXDOMAIN dig "a.b.$BLOCKED" AAAA
check the_soa_is_there_for_clients_that_cache by_kernel dns_blocked \
	eval 'dig "$BLOCKED" | grep -q "SOA"'
check the_first_answer_is_the_resolvers answers $WEB4 "www.$ZONE"
check the_second_one_is_the_kernels by_kernel dns_answered answers $WEB4 "www.$ZONE"
check case_of_the_question_is_kept by_kernel dns_answered \
	eval 'dig "wWw.ExAmPlE.TeSt" | grep -q "^wWw.ExAmPlE.TeSt.*A.*$WEB4"'
dig +noedns "www.$ZONE" >"$T/plain"
check without_edns_there_is_none by_kernel dns_answered \
	eval '! dig +noedns "www.$ZONE" | grep -q "EDNS: version"'
check with_edns_there_is by_kernel dns_answered eval 'dig "www.$ZONE" | grep -q "EDNS: version"'
dig +dnssec "www.$ZONE" >"$T/do"
check DO_is_kept_apart_and_echoed by_kernel dns_answered \
	eval 'dig +dnssec "www.$ZONE" | grep -q "flags: do"'
dig "nowhere.$ZONE" >"$T/no"
check denials_are_kept_too by_kernel dns_answered says NXDOMAIN dig "nowhere.$ZONE"
check what_has_a_checksum_is_checked_by_the_client by_kernel dns_answered answers "$WEB4" "www.$ZONE"
# The resolver's own answer comes by TCP: the kernel's is the same but for ID and TTLs.
plainly() { # FILE DIG-ARGUMENT...
	dig +nottlid +nostats +nocmd "${@:2}" | sed 's/id: [0-9]*//' >"$1"
}
both() { # COUNTER NAME TYPE
	local way
	for way in +edns +dnssec +noedns +adflag; do
		plainly "$T/first" $way "${@:2}"
		by_kernel "$1" plainly "$T/kernels" $way "${@:2}" || return 1
		plainly "$T/resolvers" $way +tcp "${@:2}"
		grep -q 'status: ' "$T/kernels" && diff "$T/resolvers" "$T/kernels" || return 1
	done
}
for question in "www.$ZONE A" "www.$ZONE AAAA" "alias.$ZONE A" "$ZONE MX" "$ZONE SOA" "v4.$ZONE AAAA" \
	"nowhere.$ZONE A"; do
	# shellcheck disable=SC2086 # name and type
	check "the_same_from_kernel_and_resolver_${question// /_}" both dns_answered $question
done
for question in "$BLOCKED A" "$BLOCKED AAAA" "x.$BLOCKED TXT"; do
	# shellcheck disable=SC2086 # name and type
	check "the_same_from_kernel_and_resolver_${question// /_}" both dns_blocked $question
done
aged() {
	local ttl
	ttl=$(dig +noall +answer "www.$ZONE" | awk '{ print $2 }')
	[ "$ttl" -lt 300 ]
}
check the_ttl_grows_less wait_for aged

# What the kernel half answered is in the log.
logged() { # NAME FILTER
	headrace dns log --instance "$INSTANCE" --json |
		jq -es "any(.[].dns; .name == \"$1\" and .source == \"kernel\" and ($2))"
}
check C-62_blocked_names_are_logged_with_their_rule logged "$BLOCKED" \
	'.action == "nxdomain" and .rcode == "NXDOMAIN" and (.rule | test("all line 9"))'
check C-62_kept_answers_are_logged logged "www.$ZONE" '.rcode == "NOERROR"'

# A flush is obeyed by the next query.
headrace dns flush --instance "$INSTANCE" >"$T/flush" 2>&1
asked() { stat dns_asked; }
before=$(asked)
check after_a_flush_the_resolver_is_asked answers $WEB4 "www.$ZONE"
check it_was within $((before + 1)) $((before + 9)) "$(asked)"

# Queries that come in by a device.
mode() { json status '.status.devices[0].mode'; }
check the_device_is_attached_by_traffic_control within 1 1 "$(mode | grep -cE '^(tcx|clsact)$')"
check a_blocked_name_is_answered_on_the_device by_kernel dns_blocked \
	says NXDOMAIN far_dig "$BLOCKED"
far_answers() { same "$1" "$(far_dig +short "${@:2}")"; }
check a_listeners_first_answer_is_the_resolvers far_answers $WEB4 "www.$ZONE"
check its_second_one_is_the_kernels by_kernel dns_answered far_answers $WEB4 "www.$ZONE"
check tcp_is_the_resolvers far_answers $WEB4 +tcp "www.$ZONE"
not_ours() { in_far dig +tries=1 +time=1 "@203.0.113.99" "www.$ZONE" | grep -q 'no servers'; }
in_far ip route add 203.0.113.99/32 via $HOST4
check what_is_not_for_us_passes not_ours

# Reload: another action at once, another mode of the device. (XDP sees no checksum that is
# still to come, as a veth pair leaves it.)
in_far ethtool -K wire tx off >"$T/ethtool"
in_far $own_bpffs ip link set dev wire xdp object "$TOP/build/tests/net/pass.bpf.o" section xdp ||
	die "no XDP on the other end of the veth pair"
conf "uplink: xdp" zero
check reload headrace reload --instance "$INSTANCE"
check new_policies_are_obeyed_at_once by_kernel dns_blocked answers 0.0.0.0 "$BLOCKED"
check the_device_is_attached_by_xdp within 1 1 "$(mode | grep -c '^xdp')"
check nothing_of_tc_is_left eval '! in_host tc qdisc show dev uplink | grep -q clsact'
check a_blocked_name_is_answered_by_xdp by_kernel dns_blocked far_answers 0.0.0.0 "$BLOCKED"
far_dig "www.$ZONE" >"$T/again"
check a_kept_answer_is_given_by_xdp by_kernel dns_answered far_answers $WEB4 "www.$ZONE"

# Devices come and go.
in_host ip link add later type veth peer name other
conf "later: auto, uplink: tc" nxdomain
headrace reload --instance "$INSTANCE" >"$T/reload"
modes() { json status '[.status.devices[] | .mode // "gone"] | sort | join(" ")'; }
check a_second_device_is_attached wait_for eval 'modes | grep -qE "^(tcx tcx|clsact clsact)$"'
in_host ip link del later
check a_device_that_vanishes_is_told wait_for eval 'modes | grep -q gone'
in_host ip link add later type veth peer name other
check and_attached_when_it_is_back wait_for eval 'modes | grep -qE "^(tcx tcx|clsact clsact)$"'
session_stop
left() { in_host ip link show uplink | grep -q xdp || in_host tc qdisc show dev uplink | grep -q clsact; }
check nothing_is_left_on_the_device eval '! left'
finish
