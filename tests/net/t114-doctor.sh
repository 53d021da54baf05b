#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `headrace doctor` on a whole host: where all is well it says nothing but that, and each finding
# that can be brought about in a namespace is named with its device, table or file, and gone once
# its fix is done as it is printed. What the machine's kernel lacks is in t115.
# shellcheck disable=SC2154 # set by lib.sh and host.sh
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
dns_start

# --- a machine whose files are its own ----------------------------------------------------------

# Files of /etc and /proc/sys that are changed here are the test's; bpffs as well, for libxdp
# leaves directories in it.
mkdir "$T/etc" "$T/sys"
echo "nameserver $DNS4" >"$T/etc/resolv.conf"
echo "hosts: files dns" >"$T/etc/nsswitch.conf"
echo 2 >"$T/sys/unprivileged_bpf_disabled"
echo 1000 >"$T/sys/nf_conntrack_max"
echo 10 >"$T/sys/nf_conntrack_count"
# shellcheck disable=SC2016 # expands in the inner shell
start_host machine unshare --mount -- sh -c '
	for f in resolv.conf nsswitch.conf; do mount --bind "$1/etc/$f" /etc/$f || exit 1; done
	mount --bind "$1/sys/unprivileged_bpf_disabled" /proc/sys/kernel/unprivileged_bpf_disabled &&
	for f in nf_conntrack_max nf_conntrack_count; do
		mount --bind "$1/sys/$f" /proc/sys/net/netfilter/$f || exit 1
	done
	mount -t tmpfs -o mode=755 tmpfs /run && mount -t bpf -o mode=700 bpf /sys/fs/bpf || exit 1
	echo mounted; exec sleep infinity' - "$T"
machine=$started_pid
wait_for grep -q mounted "$T/machine.log" || die "no machine: $(cat "$T/machine.log")"
in_host() { nsenter --target "$machine" --net --mount -- "$@" 8>&-; }
start_machine() { start "$1" nsenter --target "$machine" --net --mount -- "${@:2}"; }
in_host sysctl -qw net.ipv4.tcp_tw_reuse=1

# --- asking ---------------------------------------------------------------------------------------

doctor_of=() # options
doctor() { in_host "$B/headrace" doctor --json "${doctor_of[@]}" >"$T/doctor" 2>&1; }
lines() { jq -r '.finding | "\(.level) \(.area): \(.text)"' "$T/doctor"; }
# finds PATTERN: a finding that begins so, as "LEVEL AREA: TEXT".
finds() {
	doctor
	lines | grep -E "^$1" && return 0
	cat "$T/doctor"
	return 1
}
finds_no() {
	doctor
	! lines | grep -E "$1"
}
all_is_well() {
	doctor
	[ -s "$T/doctor" ] && ! lines | grep -v '^ok '
}
# fix_of PATTERN: what is printed below such a finding. A restart is for the caller.
fix_of() {
	doctor
	jq -r "select(.finding.text | test(\"$1\")) | .finding.fix" "$T/doctor" | head -n 1 |
		sed 's/; then `headrace down` and `headrace up`$//'
}
# commands PATTERN: those of the fix, which may stand in a sentence; done as they are printed.
commands() {
	local fix
	fix=$(fix_of "$1")
	[ -n "$fix" ] || return 1
	echo "fix: $fix"
	case $fix in *'`'*) fix=$(grep -o '`[^`]*`' <<<"$fix" | tr -d '`') ;; esac
	in_host env PATH="$B:$PATH" sh -ec "$fix"
}
# goes_by_command NAME PATTERN TEXT: the finding is there, its command ends it.
goes_by_command() {
	check "$1" wait_for finds "$2"
	check "$1,_its_fix_can_be_done" commands "$3"
	check "$1,_and_is_gone" wait_for finds_no "$3"
}
# goes NAME PATTERN TEXT FIX COMMAND...: likewise by COMMAND, which does what the fix says.
goes() {
	check "$1" wait_for finds "$2"
	check "$1,_its_fix_is_said" says_fix "$3" "$4"
	check "$1,_which_can_be_done" "${@:5}"
	check "$1,_and_is_gone" wait_for finds_no "$3"
}
says_fix() { fix_of "$1" | tee /dev/stderr | grep -qE "$2"; } # TEXT PATTERN
restart() { down && up; }
# configured KEY=VALUE...: the clean host's configuration with these.
LEFT_ALONE='  - {name: clients, interface: [br-box, lan0], action: direct}'
configured() { host_config rules="$LEFT_ALONE"$'\n'"$(host_rules)" top='limits: {flows: 4096}' "$@"; }
reloaded() { configured "$@" && reload; }
restarted() { configured "$@" && restart; }

# --- nothing is wrong -----------------------------------------------------------------------------

check without_an_instance_all_is_well all_is_well
configured
must_up
doctor_of=(--instance "$INSTANCE")
check with_one_all_is_well all_is_well
check devices_of_strict_rp_filter_are_named finds 'ok network: strict rp_filter on .*uplink2.*: stays'
check its_own_programs_are_known finds 'ok hooks: [1-9][0-9]* programs of headrace, 0 of others'
check status_is_0 doctor

check ports_of_a_bridge_that_a_pattern_names reloaded lan="[br-box, 'box*p', lan0]"
check are_captured_by_their_bridge all_is_well
check without_them_again reloaded

# --- hooks ------------------------------------------------------------------------------------------

in_host tc qdisc add dev uplink clsact
u32() { in_host tc filter add dev uplink egress pref "$1" protocol ip u32 match ip dst 192.0.2.200 flowid 1:1; }
u32 9
check a_filter_behind_ours_is_named finds \
	"note hooks: tc egress of uplink: 'u32' \(filter of clsact\), behind ours"
in_host tc qdisc del dev uplink clsact
check it_is_gone all_is_well
in_host ip link set dev uplink2 xdp object "$TOP/build/tests/net/pass.bpf.o" section xdp
check an_XDP_program_is_named finds "note hooks: XDP of uplink2: 'pass' \(id [0-9]+, xdp\)"
in_host ip link set dev uplink2 xdp off
if headrace status --instance "$INSTANCE" --json | jq -e '.status.features.attach == "tcx"' >"$T/tcx"; then
	start_machine first "$HELPERS/lossy" "$TOP/build/tests/net/lossy.bpf.o" 0 0 0 1 uplink/out
	first=$started_pid
	goes a_program_before_ours \
		"warning hooks: tc egress of uplink: '[a-z_]+' \(id [0-9]+, tcx\), before ours" \
		'before ours' '`headrace down` and `headrace up`' restart
	stop "$first"
	check nobody_else_is_there all_is_well
	check down_for_a_filter down
	in_host tc qdisc add dev uplink clsact
	u32 1
	configured attach=clsact
	must_up
	goes a_filter_before_ours \
		"warning hooks: tc egress of uplink: 'u32' \(filter of clsact\), before ours" \
		'before ours' 'larger `pref` on uplink' \
		eval 'in_host tc filter del dev uplink egress pref 1 && u32 1000'
	goes clsact_is_named_with_its_devices \
		"note instance: captured by clsact .*: headrace0, .*uplink2" 'captured by clsact' \
		'take `attach: clsact` out of capture:' restarted
	in_host tc qdisc del dev uplink clsact
fi
with_xdp='  devices: {uplink: xdp}
  upstreams: {nsd: {type: plain, address: '$DNS4'}}'
check ours_shares_XDP restarted dns="$with_xdp"
in_host ip -d link show dev uplink >"$T/link"
check it_is_there grep -q xdp "$T/link"
check what_stands_on_the_device_for_it_is_not_anothers finds_no 'hooks: XDP'
check XDP_is_taken_away restarted

# --- firewall ---------------------------------------------------------------------------------------

# What root sends is let through, as by a rule about users.
in_host nft -f - <<-END
	table inet guard {
		chain out {
			type filter hook output priority 10; policy drop;
			oif lo accept
			ct state established,related accept
			meta skuid root accept
			meta l4proto ipv6-icmp accept
		}
	}
END
carried() { in_host timeout 5 "$HELPERS/seen" ask tcp "${TO4[forward]}" $SEEN_PORT | grep ^answered; }
check what_is_forwarded_is_stopped eval '! carried'
goes_by_command an_output_chain_that_drops \
	'warning firewall: chain inet guard out drops by default' 'inet guard out drops by default what'
check what_is_forwarded_passes carried
in_host nft delete table inet guard
check a_forward_chain_is_no_matter_to_what_is_direct \
	finds 'ok firewall: chain inet filter forward \(forward\) drops by default'
host_config rules="$(host_rules)" top='limits: {flows: 4096}'
check rules_that_forward_of_clients reload
goes the_forward_chain \
	'warning firewall: chain inet filter forward drops by default: what rules forward of LAN' \
	'what rules forward of LAN' 'a first rule .interface: .*action: direct' reloaded
in_host nft -f - <<-END
	table netdev probe {
		chain leaving { type filter hook egress device uplink priority 0; policy accept; }
	}
END
check a_chain_on_a_devices_egress_is_named finds 'note firewall: chain netdev probe leaving is on'
in_host nft delete table netdev probe
without_nft() { in_host env PATH=/nowhere "$B/headrace" doctor --json "${doctor_of[@]}" >"$T/doctor"; }
without_nft
check a_firewall_that_could_not_be_asked_is_said grep -q '"install nftables' "$T/doctor"
check that_is_all all_is_well

# --- resolver ---------------------------------------------------------------------------------------

nameserver() { echo "nameserver $1" >"$T/etc/resolv.conf"; }
echo "search example.test" >"$T/etc/resolv.conf"
goes no_nameserver 'warning resolver: /etc/resolv.conf names no server' 'names no server' \
	'`nameserver ADDRESS` in /etc/resolv.conf' nameserver $DNS4
nameserver 127.0.0.53
goes a_resolver_on_loopback \
	'note resolver: systemd-resolved answers on 127.0.0.53 \(/etc/resolv.conf\)' 'answers on 127' \
	'`loopback: dns` below capture:' reloaded loopback=dns
in_host mkdir -p /run/systemd/resolve
in_host touch /run/systemd/resolve/io.systemd.Resolve
echo 'hosts: files resolve [!UNAVAIL=return] dns' >"$T/etc/nsswitch.conf"
no_resolve() { echo 'hosts: files dns' >"$T/etc/nsswitch.conf"; }
goes applications_that_ask_by_a_socket 'note resolver: /etc/nsswitch.conf has applications ask' \
	'nsswitch.conf' 'take `resolve`' no_resolve
nameserver $DNS4
check without_loopback_again reloaded
start_machine other socat UDP4-RECVFROM:53,fork -
other=$started_pid
wait_for in_host ss -Hlun 'sport = :53'
goes somebody_has_port_53 'note resolver: somebody listens on port 53 of all addresses' \
	'somebody listens on port 53' 'ss -lnp' stop "$other"
check a_listener_of_our_own restarted dns="  listen: ['0.0.0.0:53']
  upstreams: {nsd: {type: plain, address: $DNS4}}"
check which_is_not_anothers finds_no 'port 53 '
asked_by_far() { in_far dig +short +tries=1 +time=1 "@$HOST4" "www.$ZONE" | grep -qx $WEB4; }
check neighbours_are_kept_out eval '! asked_by_far'
goes_by_command an_input_chain_that_drops \
	'note firewall: chain inet filter input drops by default: queries of neighbours' \
	'queries of neighbours'
check neighbours_are_let_in asked_by_far
check without_it_again restarted

# --- network ----------------------------------------------------------------------------------------

in_host sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
goes_by_command forwarding_is_off 'note network: net.ipv4.ip_forward=0' 'ip_forward=0'
goes_by_command forwarding_of_IPv6_is_off 'note network: net.ipv6.conf.all.forwarding=0' \
	'all.forwarding=0'
# Both rest on what it wrote to files of its kernel's; back to what the host had.
in_host sysctl -qw net.ipv4.conf.all.rp_filter=1
echo 950 >"$T/sys/nf_conntrack_count"
goes_by_command a_table_that_is_nearly_full \
	'warning network: the table of connections is nearly full \(950 of nf_conntrack_max=1000\)' \
	'nearly full'
echo 4000 >"$T/sys/nf_conntrack_count"
goes_by_command a_table_that_is_full \
	'error network: the table of connections is full \(nf_conntrack_max=4000\)' 'is full'
echo 10 >"$T/sys/nf_conntrack_count"

# --- kernel -----------------------------------------------------------------------------------------

echo 0 >"$T/sys/unprivileged_bpf_disabled"
goes_by_command BPF_for_everybody \
	'warning kernel: everybody may load BPF programs \(kernel.unprivileged_bpf_disabled=0' 'everybody'
no_tun() {
	in_host unshare --mount sh -c "mount -t tmpfs none /dev/net && exec $B/headrace doctor --json" |
		jq -r '.finding | "\(.level) \(.text)"' | grep '^error there is no /dev/net/tun'
}
check a_missing_TUN_is_said no_tun

# --- settings ---------------------------------------------------------------------------------------

in_host sysctl -qw net.ipv4.tcp_tw_reuse=2
goes_by_command connections_that_are_not_used_again \
	'note instance: net.ipv4.tcp_tw_reuse is 2' 'tcp_tw_reuse is'
in_host sysctl -qw net.ipv4.ip_local_port_range="50000 50999"
goes_by_command few_ports 'note instance: net.ipv4.ip_local_port_range has 1000 ports' 'has 1000 ports'
UP_PREFIX="prlimit --nofile=4000:4000"
check few_descriptors restart
by_ulimit() {
	local words
	read -ra words < <(fix_of 'descriptors per process' | grep -o 'ulimit -n [0-9]*')
	UP_PREFIX="prlimit --nofile=${words[2]}:${words[2]}"
	restart
}
goes few_descriptors 'note instance: at most 4000 descriptors per process: .* up to 4096 flows' \
	'descriptors per process' '`ulimit -n 4096` before it is started' by_ulimit

# --- the instance -----------------------------------------------------------------------------------

check a_device_that_is_not_there reloaded lan='[br-box, lan0, later0]'
make_later() { in_host ip link add later0 type veth peer name later1; }
goes a_device_that_is_not_there 'warning instance: later0 is not captured: no such device' \
	'later0 is not captured' 'ip link' make_later
in_host ip link del later0
with_later='  devices: {later0: auto}
  upstreams: {nsd: {type: plain, address: '$DNS4'}}'
check DNS_of_a_device_that_is_not_there reloaded dns="$with_later"
goes DNS_of_a_device_that_is_not_there \
	'warning instance: DNS is not answered on the device: later0: no such device' \
	'DNS is not answered on' 'dns.devices' make_later
check how_DNS_is_answered_there_is_said finds 'note instance: later0: DNS is answered by traffic control'
in_host ip link del later0
check without_it reloaded
in_host dig +tries=1 +time=2 "@$DNS4" "www.$ZONE" >"$T/dig"
asked_in_vain() {
	in_host dig +tries=1 +time=2 "@$DNS4" "x$RANDOM.$ZONE" >"$T/dig"
	finds "warning resolver: upstream nsd is (failing|down): $DNS4:53"
}
in_far nft -f - <<-END
	table inet stop {
		chain in {
			type filter hook input priority 0;
			th dport 53 drop
		}
	}
END
check a_server_that_does_not_answer wait_for -t 30 asked_in_vain
in_far nft delete table inet stop
check it_answers_again wait_for -t 30 finds_no 'upstream nsd'

worker=$(role_pids worker | head -n 1)
kill -KILL "$worker"
back() { finds 'warning instance: the worker 1 was restarted since the start, times: 1, because it hung: 0' &&
	finds_no 'worker 1 is'; }
check a_worker_that_was_killed_is_told wait_for back
check after_a_restart_it_is_not restart
kill -STOP "$daemon_pid"
native() {
	local words
	read -ra words < <(in_host timeout 5 "$HELPERS/seen" ask tcp "${TO4[forward]}" $SEEN_PORT)
	[ "${words[0]:-}" = answered ] && [ "${words[1]}" = "${words[3]}" ]
}
check while_main_is_stopped_it_passes_natively wait_for native
check an_instance_that_does_not_answer finds "error instance: instance $INSTANCE does not answer"
kill -CONT "$daemon_pid"
goes what_passed_is_told 'warning instance: [1-9][0-9]* packets passed natively' 'passed natively' \
	'when-down: closed' restarted when-down=closed
kill -STOP "$daemon_pid"
goes_down() {
	in_host env PATH="$B:$PATH" sh -c "$(fix_of 'does not answer' | grep -o 'headrace down --[^`]*')" &&
		wait_for gone "$daemon_pid" && configured && up
}
goes an_instance_that_hangs "error instance: instance $INSTANCE does not answer" 'does not answer' \
	"headrace down --instance $INSTANCE" goes_down

# --- route capture and strict mode --------------------------------------------------------------------

check route_capture restarted uplinks=none lan='[]' route=table
check rp_filter_is_said_to_be_seen_to finds 'note network: strict rp_filter on .*uplink.*: route capture makes'
pref=$(in_host ip rule | awk -F: '/lookup .* proto 104/ { print $1; exit }')
in_host ip rule del pref "$pref"
check rules_that_somebody_flushes wait_for finds \
	'warning instance: capture.route: what was removed by others was put back, times: [1-9]'
check strict_mode restarted strict=true
in_host nft flush ruleset
check a_table_that_somebody_flushes wait_for finds \
	'warning instance: capture.strict: what was removed by others was put back, times: [1-9]'
firewall | in_host nft -f -
check after_a_restart restarted
check all_is_well_again all_is_well
check down down

# --- no instance ------------------------------------------------------------------------------------

check one_that_does_not_run finds "error instance: no instance $INSTANCE is running"
check it_is_said_how_it_starts says_fix 'no instance' "headrace up --instance $INSTANCE"
doctor_of=()
finish
