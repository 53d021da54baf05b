#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules of a whole host: each kind of condition at the capture points that know of it, with a
# flow that meets it and one that does not, and devices that appear while rules name them.
# shellcheck disable=SC2154 # variables of lib.sh and host.sh
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
web_start
dns_start
cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$cgroups" ] || skip_all "no cgroup2 is mounted"
ours=rules-test-$$
clean_cgroups() {
	local status=$? # for what comes after this
	find "$cgroups/$ours" -depth -type d -exec rmdir {} \; 2>/dev/null
	umount -l "$T/merged" "$T/lower" "$T/upper" 2>/dev/null # what runs of it is ended after this
	return $status
}
trap 'clean_cgroups; host_down' EXIT
chmod 755 "$T"
cp "$(command -v curl)" "$T/fetch"
cp "$(command -v curl)" "$T/fetcher"
# An executable on an overlay of two filesystems: stat() tells another device than the kernel's.
layers() {
	mkdir "$T/lower" "$T/upper" "$T/merged" && mount -t tmpfs tmpfs "$T/lower" &&
		mount -t tmpfs tmpfs "$T/upper" && mkdir "$T/upper/u" "$T/upper/w" &&
		cp "$(command -v curl)" "$T/lower/layered" && cp "$(command -v sleep)" "$T/lower/idle" &&
		cp "$(command -v unshare)" "$T/lower/leaver" &&
		mount -t overlay overlay "$T/merged" \
			-o "lowerdir=$T/lower,upperdir=$T/upper/u,workdir=$T/upper/w"
}
layers 2>"$T/layers" || die "no overlay: $(cat "$T/layers")"
desk_mac=$(in_desk ip -o link show eth0 | sed 's/.*ether \([^ ]*\).*/\1/')
rule() { printf '  - %s\n' "$@"; }
host_config lan="[br-box, lan0, 'late*']" rules="$(rule \
	"{name: nobody, user: nobody, action: reject}" \
	"{name: below, cgroup: /$ours/below, action: reject}" \
	"{name: unit, unit: late, action: reject}" \
	"{name: comm, process: fetcher, action: reject}" \
	"{name: file, executable: $T/fetch, action: reject}" \
	"{name: layered, executable: [$T/merged/layered, $T/merged/idle, $T/merged/leaver], action: reject}" \
	"{name: domain, domain: v4.$ZONE, action: reject}" \
	"{name: mark, fwmark: 0x77/0xff, action: reject}" \
	"{name: mac, mac: '$desk_mac', port: 8080, action: reject}" \
	"{name: bridge, interface: 'br-*', not: {port: 80}, action: reject}" \
	"{name: later, interface: late7, action: reject}" \
	"{name: dscp, dscp: 46, action: reject}" \
	"{name: source, source: $SECOND4, action: reject}")"
must_up

refused() {
	! "$@" >"$T/why" 2>&1 && grep -qi 'refused\|couldn.t connect\|filtered' "$T/why"
}
get() { in_host curl -sS -o /dev/null -m 20 "$@"; }
url=http://$WEB4/
check what_no_rule_decides_is_direct get $url
as() { in_host setpriv --reuid "$1" --regid nogroup --clear-groups -- "${@:2}"; }
check a_user_is_refused refused as nobody curl -sS -m 10 $url
check another_is_not as daemon curl -sS -o /dev/null -m 10 $url
in_cgroup() { # PATH COMMAND...
	mkdir -p "$cgroups/$ours/$1" || return 1
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$cgroups/$ours/$1" \
		nsenter --target "$HOST_PID" --net -- "${@:2}"
}
check a_cgroup_is_refused refused in_cgroup below/deep curl -sS -m 10 $url
check a_unit_is_refused refused in_cgroup late.service curl -sS -m 10 $url
check a_cgroup_beside_is_not in_cgroup beside curl -sS -o /dev/null -m 20 $url
check a_process_is_refused refused in_host "$T/fetcher" -sS -m 10 $url
check an_executable_is_refused refused in_host "$T/fetch" -sS -m 10 $url
asks() { in_host dig +short +time=5 +tries=3 @192.0.2.99 "$1.$ZONE" | grep -qx $WEB4; }
check an_executable_of_an_overlay_is_refused refused in_host "$T/merged/layered" -sS -m 10 $url
check its_file_below_is_not in_host "$T/lower/layered" -sS -o /dev/null -m 20 $url
check a_name_is_asked_for asks v4
check what_it_led_to_is_refused refused get $url
check another_name_of_it_is_asked_for asks www
check the_latest_name_counts get $url
pings() { in_host ping -c 1 -W 10 "$@" $WEB4; }
check a_mark_is_refused refused pings -m $((0xa77))
check another_mark_is_not pings -m $((0x78))
check a_code_point_is_refused refused pings -Q $((46 << 2))
check another_code_point_is_not pings -Q $((40 << 2))
check a_source_is_refused refused pings -I $SECOND4
check another_source_is_not pings -I $HOST4
from() { "$1" curl -sS -o /dev/null -m 20 "${@:2}"; }
check a_hardware_address_is_refused_a_port refused from in_desk "http://$WEB4:8080/"
check and_no_other from in_desk $url
check another_device_is_refused_all_but_one_port refused from in_box1 "http://$WEB4:8080/"
check which_goes_by from in_box1 $url
# The same, told in advance of each subject.
explained() { # WANTED SUBJECT... DEST
	same "$1" "$(in_host "$B/headrace" explain --instance "$INSTANCE" --json "${@:2}" |
		jq -r 'select(.explained) | .explained | "\(.verdict) \(.rule_name // "default")"')"
}
check explained_of_a_user explained "reject nobody" --uid "$(id -u nobody)" $WEB4:8081
check explained_of_another_user explained "direct default" --uid "$(id -u daemon)" $WEB4:8081
check explained_of_a_cgroup explained "reject below" --cgroup /$ours/below/deep $WEB4:8081
check explained_of_a_unit explained "reject unit" --cgroup /$ours/late.service $WEB4:8081
check explained_of_a_cgroup_beside explained "direct default" --cgroup /$ours/beside $WEB4:8081
check explained_of_a_client explained "reject mac" --client $DESK4 $WEB4:8080
check explained_of_a_container explained "reject bridge" --client $BOX4 $WEB4:8080
check explained_of_a_container_by_another_port explained "direct default" --client $BOX4 $WEB4:80
start_host sleeper setpriv --reuid nobody --regid nogroup --clear-groups -- sleep 1000
# shellcheck disable=SC2154 # set by start
sleeper=$started_pid
is_nobody() { [ "$(stat -c %U "/proc/$sleeper")" = nobody ]; }
wait_for is_nobody
check explained_of_a_process explained "reject nobody" --pid "$sleeper" $WEB4:8081
# What runs of the overlay: beside the daemon; where the mount is another one, as in a container;
# and one that has left the mount namespace which it was started in.
runs() { [ "$(readlink "/proc/$started_pid/exe")" = "$1" ]; }
explained_overlay() { explained "reject layered" --pid "$started_pid" $WEB4:8081; }
is_apart() { [ "$(readlink "/proc/$started_pid/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]; }
start_host idle "$T/merged/idle" 1000
wait_for runs "$T/merged/idle"
check explained_of_a_process_of_an_overlay explained_overlay
start_host below "$T/lower/idle" 1000
wait_for runs "$T/lower/idle"
check explained_of_one_of_its_file_below explained "direct default" --pid "$started_pid" $WEB4:8081
start_host contained unshare --mount "$T/merged/idle" 1000
wait_for runs "$T/merged/idle"
check explained_in_a_mount_namespace_of_its_own explained_overlay
# Of the latter the daemon, whose mounts are its own, finds what PID 1 sees.
explained_leaver() {
	grep -q " $T/merged " /proc/1/mountinfo || {
		echo "PID 1 does not see the mount"
		return $SKIP
	}
	start_host leaver "$T/merged/leaver" --mount --kill-child sleep 1000
	wait_for is_apart && explained_overlay
}
check explained_out_of_its_mount_namespace explained_leaver
check hits_are_counted test "$(rule_hits bridge)" -ge 1

# A device that appears after the rules: it is captured, and its rule is in force.
later() {
	link late7 "$HOST_PID" 192.168.66.1/24 '' eth7 "$BOX2_PID" 192.168.66.2/24 '' &&
		in_box2 ip route add $WEB4 via 192.168.66.1 dev eth7
}
check a_device_appears later
check its_clients_are_refused wait_for -t 20 refused in_box2 curl -sS -m 2 $url
check by_its_rule test "$(rule_hits later)" -ge 1

finish
