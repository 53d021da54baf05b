#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Kernels and containers that lack something: each step down that there is, forced on a whole host.
# Capture comes up, what is direct and what is forwarded goes right, of the host and of a client of
# its LAN, DNS is answered, and status and doctor name what is done in its place. What is missing
# is missing for the daemon and all that it starts: system calls that would need it fail
# (tests/net/lacks.c), or a mount namespace is without it.
# shellcheck disable=SC2154 # set by lib.sh and host.sh
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
dns_start
in_host sysctl -qw net.ipv4.tcp_tw_reuse=1
"$HELPERS/lacks" tcx -- true || skip_all "no notifications of seccomp"

# --- what is to be seen ---------------------------------------------------------------------------

# fate CLIENT tcp|udp ADDRESS: native, carried (the far side sees another port than the client has)
# or what the client learns.
fate() {
	local words
	read -ra words < <(in_"$1" timeout 10 "$HELPERS/seen" ask "$2" "$3" $SEEN_PORT)
	case ${words[*]:0:2} in
	answered*) if [ "${words[1]}" = "${words[3]}" ]; then echo native; else echo carried; fi ;;
	*) echo "${words[*]:0:2}" ;;
	esac
}
# fates CLIENT...: what is direct and what is forwarded, each by both families.
fates() {
	local client
	for client; do
		same native "$(fate "$client" tcp "${TO4[direct]}")" &&
			same native "$(fate "$client" udp "${TO6[direct]}")" &&
			same carried "$(fate "$client" tcp "${TO4[forward]}")" &&
			same carried "$(fate "$client" udp "${TO6[forward]}")" || return 1
	done
}
refused() { same "refused ECONNREFUSED" "$(fate "$1" tcp "${TO4[reject]}")"; }
resolves_at_all() {
	local client
	for client; do
		in_"$client" dig +short +tries=2 +time=5 @192.0.2.77 "www.$ZONE" | grep -qx $WEB4 || return 1
	done
}
feature() { json status ".status.features.$1"; }
# says LEVEL TEXT: a finding of doctor's, which lacks the same.
says() {
	# shellcheck disable=SC2086 # words
	in_host ${UP_PREFIX:-} "$B/headrace" doctor --instance "$INSTANCE" --json |
		jq -r '.finding | "\(.level) \(.area): \(.text)"' >"$T/doctor"
	cat "$T/doctor"
	grep -qE "^$1 $2" "$T/doctor"
}
# without NAME FEATURE... [-- KEY=VALUE...]: the host's daemon, on a kernel without them, goes right.
without() {
	local name=$1
	shift
	UP_PREFIX="$HELPERS/lacks"
	while [ $# -gt 0 ] && [ "$1" != -- ]; do UP_PREFIX+=" $1"; shift; done
	UP_PREFIX+=" --"
	shift || true
	on_host "$name" "$@"
}
on_host() { # NAME KEY=VALUE...
	host_config rules="$(host_rules)" top='limits: {flows: 4096}' "${@:2}"
	check "$1:_it_comes_up" up || return 0
	wait_for kernel_dns
	check "$1:_flows_go_right" fates host desk box1
	check "$1:_a_rule_refuses" refused desk
	check "$1:_DNS_is_answered" resolves_at_all host desk
}
# is NAME FEATURE VALUE LEVEL TEXT: what status says of it, and doctor; the end of it.
is() {
	check "$1:_status_says_so" same "$3" "$(feature "$2")"
	check "$1:_doctor_says_so" says "$4" "$5"
	over "$1"
}
over() {
	check "$1:_down" down
	check "$1:_nothing_is_left" wait_for nothing_is_left
}
# Of the host's network, and under the instance's name: others work on this machine meanwhile.
network() { in_ns "$HOST_PID" bash -c "$(declare -f snapshot_network); snapshot_network"; }
nothing_is_left() {
	[ -z "$(find /sys/fs/cgroup /sys/fs/bpf -name "*$INSTANCE*")" ] &&
		network >"$T/now" 2>&1 && diff -u "$T/before" "$T/now"
}
network >"$T/before" 2>&1

# --- nothing is missing -----------------------------------------------------------------------------

UP_PREFIX=''
on_host whole_kernel
is whole_kernel attach tcx ok 'hooks: .*the kernel has tcx'

# --- traffic control, cgroups, programs ---------------------------------------------------------------

without tcx tcx
check tcx:_each_device_is_captured same "clsact clsact clsact clsact" \
	"$(json status '[.status.captures[].mode] | join(" ")')"
is tcx attach clsact note 'instance: captured by clsact filters, as the kernel has no tcx links: headrace0,.* lan0'

without cgroup_hooks cgroup-bpf
check cgroup_hooks:_owners_are_not_known same "not known" "$(feature owners)"
check cgroup_hooks:_which_is_said says warning 'instance: processes of flows are not known'
capable() { grep -q '^CapEff:.*1000$' "/proc/$(role_pids worker | head -n 1)/status"; }
[[ $B == */sanitize ]] || check cgroup_hooks:_workers_mark_by_themselves capable
is cgroup_hooks protect SO_MARK warning 'instance: own sockets are marked by the roles themselves'

without owners program:sock_note
is owners owners "not known" warning 'instance: processes of flows are not known'

without dns_program program:dns_tun
is dns_program dns "resolver alone" note 'instance: the resolver answers all of DNS'

# --- the TUN ----------------------------------------------------------------------------------------

without uso uso
check uso:_TCP_is_segmented_still same true "$(feature tso)"
is uso uso false note 'instance: .*no USO'

without offload offload
check offload:_none same false "$(feature uso)"
is offload tso false note 'instance: the TUN takes packets one by one'

# --- IPv6 -------------------------------------------------------------------------------------------

# The daemon and its workers have no sockets of it: what is forwarded is refused, not lost, and
# what is direct goes on.
UP_PREFIX="$HELPERS/lacks ipv6 --"
host_config rules="$(host_rules)"
check ipv6:_it_comes_up up
wait_for kernel_dns
check ipv6:_direct_goes_on same "native native" \
	"$(fate host tcp "${TO6[direct]}") $(fate desk udp "${TO6[direct]}")"
check ipv6:_IPv4_goes_on same "carried carried" \
	"$(fate host tcp "${TO4[forward]}") $(fate desk udp "${TO4[forward]}")"
check ipv6:_what_cannot_be_forwarded_is_refused same "refused ENETUNREACH" \
	"$(fate host tcp "${TO6[forward]}")"
check ipv6:_DNS_is_answered resolves_at_all host desk
over ipv6

# --- mounts -----------------------------------------------------------------------------------------

# elsewhere COMMAND: from now on the host has a mount namespace of its own, made by COMMAND.
elsewhere() {
	start_host mounts unshare --mount -- sh -c "$1 || exit 1; echo mounted; exec sleep infinity"
	mounts=$started_pid
	wait_for grep -q mounted "$T/mounts.log" || die "no mounts: $(cat "$T/mounts.log")"
	in_host() { nsenter --target "$mounts" --net --mount -- "$@" 8>&-; }
}
back_home() {
	stop "$mounts"
	in_host() { in_ns "$HOST_PID" "$@"; }
}

UP_PREFIX=''
cgroup2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
elsewhere "umount $cgroup2"
on_host cgroup2_not_mounted
check cgroup2_not_mounted:_doctor_says_so_of_the_kernel says warning 'kernel: cgroup2 is not mounted'
is cgroup2_not_mounted protect SO_MARK warning 'instance: own sockets are marked by the roles'
fix=$(in_host "$B/headrace" doctor --json |
	jq -r 'select(.finding.text | test("cgroup2 is not mounted")) | .finding.fix')
check its_fix_can_be_done in_host sh -ec "${fix%%;*}"
on_host cgroup2_mounted_again
check cgroup2_mounted_again:_doctor_has_nothing_to_say eval '! says "(warning|note)" "(kernel|instance):"'
is cgroup2_mounted_again protect "cgroup hook" ok instance:
back_home

elsewhere "mount -o remount,bind,ro $cgroup2"
on_host cgroup2_read_only
is cgroup2_read_only protect SO_MARK warning 'instance: own sockets are marked by the roles'
back_home

elsewhere "mount -t tmpfs none /sys/kernel/btf"
on_host BTF
check BTF:_doctor_says_so_of_the_kernel says warning 'kernel: the kernel does not describe its types'
is BTF owners "not known" warning 'instance: processes of flows are not known'
back_home

elsewhere "mount -t tmpfs none /sys/fs/bpf"
on_host bpffs_not_mounted
check bpffs_not_mounted:_doctor_says_so says note 'kernel: /sys/fs/bpf is no bpffs'
is bpffs_not_mounted bpffs "private mount" ok instance:
without bpffs bpffs -- when-down=closed
is bpffs bpffs none note 'instance: maps and links are not pinned'
fix=$(in_host "$B/headrace" doctor --json |
	jq -r 'select(.finding.text | test("no bpffs")) | .finding.fix')
check its_fix_can_be_done,_too in_host sh -ec "${fix%%;*}"
UP_PREFIX=''
on_host bpffs_mounted_again
is bpffs_mounted_again bpffs mounted ok instance:
back_home

# --- XDP, nftables ------------------------------------------------------------------------------------

# In a bpffs of its own: libxdp makes directories there, and leaves them.
elsewhere "mount -t bpf -o mode=700 bpf /sys/fs/bpf"
with_xdp='  devices: {uplink2: xdp}
  upstreams: {nsd: {type: plain, address: '$DNS4'}}'
without extension extension -- dns="$with_xdp"
check extension:_the_device_is_ours_alone same "xdp, alone" "$(json status '.status.devices[0].mode')"
check extension:_doctor_says_so says note 'instance: uplink2: no other XDP program can join'
over extension
back_home

without netfilter netfilter -- strict=true
check netfilter:_strict_mode_says_so says error 'instance: capture.strict: cannot watch nftables'
over netfilter

# --- route capture --------------------------------------------------------------------------------------

# without_in_routes NAME FEATURE KEY=VALUE...
without_in_routes() {
	UP_PREFIX="$HELPERS/lacks $2 --"
	host_config uplinks=none lan='[]' "${@:3}"
	check "$1:_it_comes_up" up || return 0
	wait_for kernel_dns
	check "$1:_what_is_forwarded_goes_right" same "carried carried" \
		"$(fate host tcp "${TO4[forward]}") $(fate host udp "${TO6[forward]}")"
	check "$1:_DNS_is_answered" resolves_at_all host
}
direct_fates() { same "$1 $1" "$(fate host tcp "${TO4[direct]}") $(fate host udp "${TO6[direct]}")"; }

without_in_routes iterator iterator route=table rules="$(host_rules)"
check iterator:_direct_goes_right direct_fates native
is iterator direct "connect hooks, not listed" note 'instance: route capture without an iterator'

without_in_routes connect_hooks cgroup-bpf route=table rules="$(host_rules)"
check connect_hooks:_what_is_direct_is_forwarded direct_fates carried
is connect_hooks direct none warning 'instance: route capture without hooks of connect'
refuses_to_bind() {
	host_config uplinks=none lan='[]' route=bind rules="$(host_rules)"
	! up && grep -q "capture.route: 'bind' needs a cgroup2 hierarchy" "$T/up.log"
}
check connect_hooks:_another_way_says_that_it_needs_them refuses_to_bind

# --- no BPF at all --------------------------------------------------------------------------------------

# What would pass as if nothing were there is refused, with what can be done instead.
refuses() { # TEXT
	! up && cat "$T/up.log" && grep -q "$1" "$T/up.log" && [ "$(wc -l <"$T/up.log")" = 1 ]
}
UP_PREFIX="$HELPERS/lacks bpf --"
host_config default=forward
check no_BPF:_capture_points_need_it refuses \
	'capture: uplinks, lan and loopback need BPF.*Operation not permitted.*`uplinks: none`'
host_config uplinks=none lan='[]' route=table rules="$(host_rules)"
check no_BPF:_rules_need_it refuses 'rules: need BPF'
without_in_routes no_BPF bpf default=forward \
	route="{way: table, direct: [${TO4[direct]}/32, '${TO6[direct]}/128']}"
check no_BPF:_direct_networks_go_right direct_fates native
check no_BPF:_one_queue same "one, DNS is relayed" "$(feature queues)"
check no_BPF:_hooks_could_not_be_looked_at says note 'hooks: other programs .* could not be looked at'
is no_BPF attach none warning 'instance: without BPF .programs not loaded: Operation not permitted'

# --- a kernel that is too old ---------------------------------------------------------------------------

UP_PREFIX="setarch --uname-2.6"
host_config
check an_old_kernel_is_refused refuses 'Linux 6.1 or later is needed, this is 2.6'
check an_old_kernel_is_said says error 'kernel: kernel 2.6.*: 6.1 is the oldest'
finish
