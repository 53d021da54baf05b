#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A TUN that is handed in as a descriptor: someone else's device, in someone else's
# namespace, with and without virtio_net_hdr.
#
#	"app" namespace                        "host" namespace
#	curl, dig -- handed 10.0.0.2/24 .......... fd 9 -- headrace run --tun-fd 9
# shellcheck disable=SC2154 # started_pid is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
echo_start
sum=$(web_file file.bin 5000000)
namespace APP_PID
in_app() { in_ns "$APP_PID" "$@"; }

# hand plain|offload COMMAND...: headrace with the device, and its addresses and routes.
hand() {
	local kind=$1
	shift
	start_host handed "$HELPERS/tunfd" "$kind" "$APP_PID" "$B/headrace" run --dns $DNS4 \
		--instance "handed-$$" --tun-fd 9 "$@"
	session=$started_pid
	wait_for in_app ip link set handed up || { cat "$T/handed.log"; return 1; }
	in_app ip addr add 10.0.0.2/24 dev handed
	in_app ip addr add fd68:6561:6472:6163::2/64 dev handed nodad
	in_app ip route add default dev handed
	in_app ip -6 route add default dev handed
	wait_for headrace status --instance "handed-$$" || { cat "$T/handed.log"; return 1; }
}
get() { same "$sum" "$(in_app curl -sSf -m 60 "http://$1/file.bin" | sha256sum)"; }

for kind in plain offload; do
	check "${kind}_is_taken" hand $kind
	check "${kind}_download" get $WEB4
	check "${kind}_download_by_ipv6" get "[$WEB6]"
	check "${kind}_dns" same $WEB4 "$(in_app dig +short +time=2 @10.0.0.1 "www.$ZONE")"
	check "${kind}_dns_over_tcp" same $WEB4 \
		"$(in_app dig +short +tcp +time=2 @10.0.0.1 "www.$ZONE")"
	check "${kind}_udp" in_app "$HELPERS/udp" ping $ECHO4 7 1 1472 9000
	check "${kind}_ping" in_app ping -c 1 -W 2 $ECHO4
	interrupted() { kill -INT "$session" && wait_for gone "$session"; }
	check "N-05_B-04_${kind}_runs_until_interrupted" interrupted
	check "${kind}_reports" grep -q "$WEB4:80 .*finished" "$T/handed.log"
	vanished() { ! in_app ip link show handed; }
	check "B-05_${kind}_device_is_gone_with_it" wait_for vanished
done

# --- with a COMMAND, which runs where the caller is
with_command() {
	local status=0
	in_host "$HELPERS/tunfd" offload "$APP_PID" "$B/headrace" run --quiet --tun-fd 9 -- \
		sh -c 'readlink /proc/self/ns/net; ! test -e /proc/self/fd/9 && exit 5' \
		>"$T/where" || status=$?
	same 5 $status && same "$(in_host readlink /proc/self/ns/net)" "$(cat "$T/where")"
}
check command_runs_where_the_caller_is with_command
not_open() {
	local status=0
	headrace run --tun-fd 77 2>"$T/err" || status=$?
	same 2 $status && same 1 "$(wc -l <"$T/err")"
}
check descriptor_that_is_not_open not_open
not_a_tun() {
	local status=0
	headrace run --tun-fd 9 9</dev/null 2>"$T/err" || status=$?
	same 1 $status && same 1 "$(wc -l <"$T/err")" && return 0
	cat "$T/err"
	return 1
}
check descriptor_that_is_not_a_tun not_a_tun

# T-01: a persistent TUN that is there, whoever owns it; what is routed to it is its maker's business.
in_host ip tuntap add dev owned0 mode tun user 65534
in_host ip addr add 10.0.0.2/24 dev owned0
in_host ip link set owned0 up
in_host ip route add default dev owned0 table 77
in_host ip rule add not fwmark 0x68720000 iif lo to $WEB4 lookup 77
served() { in_host curl -sSf -m 60 "http://$WEB4/file.bin" | sha256sum; }
by_name() {
	start_host owned "$B/headraced" --tun owned0 --dns $DNS4 --instance "owned-$$"
	owned=$started_pid
	wait_for headrace status --instance "owned-$$" || { cat "$T/owned.log"; return 1; }
}
says() { # STATUS TEXT COMMAND...: it ends so, and one line says that
	local status=0
	"${@:3}" >"$T/said" 2>&1 || status=$?
	same "$1" $status && grep -q "$2" "$T/said" && return 0
	cat "$T/said"
	return 1
}
check T-01_a_persistent_tun_by_its_name by_name
check T-01_is_served same "$sum" "$(served)"
busy() { says 1 "cannot open owned0" in_host "$B/headraced" --tun owned0 --instance "busy-$$"; }
check T-01_one_that_is_in_use_is_refused busy
kill "$owned"
wait_for gone "$owned"
check T-01_stays_when_its_server_ends in_host ip link show owned0
check one_tun_is_served_and_not_two says 2 "only one of --tun-fd and --tun" in_host "$B/headraced" \
	--tun owned0 --tun-fd 5
check T-01_one_that_is_not_there says 1 "ip tuntap add dev none0" in_host "$B/headraced" --tun none0
in_host ip link del owned0
in_host ip rule del not fwmark 0x68720000 iif lo to $WEB4 lookup 77

# T-01: its owner, who is nobody in particular. The default route leads there; what he sends
# himself is bound to the uplink, whose own default route is worse, and does not come back.
# (Everybody may open /dev/net/tun where udev made it; here it is made so in a mount namespace.)
mknod -m 666 "$T/tun" c 10 200
chmod 755 "$T"
cat >"$T/owner" <<-END
	mount --bind "$T/tun" /dev/net/tun &&
		exec setpriv --reuid 65534 --regid 65534 --clear-groups "$B/headraced" "\$@"
END
owner() { in_host unshare --mount bash "$T/owner" "$@"; }
as_owner() { in_host setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
own_tun() { # OWNER
	in_host ip tuntap add dev owned0 mode tun user "$1"
	in_host ip addr add 10.0.0.2/24 dev owned0
	in_host ip addr add fd68:6561:6472:6163::2/64 dev owned0 nodad
	in_host ip link set owned0 up
	in_host ip route add default dev owned0 metric 1 src 10.0.0.2
	in_host ip -6 route add default dev owned0 metric 1 src fd68:6561:6472:6163::2
}
own_tun 1
check T-01_somebody_elses_is_refused says 1 "owned0 is not yours, and CAP_NET_ADMIN is missing" owner --tun owned0
in_host ip link del owned0
own_tun 65534
in_host ip route del default via 172.31.255.2
in_host ip route add default via 172.31.255.2 dev uplink metric 1000
INSTANCE=nobody-$$
as_nobody() {
	start_host nobody unshare --mount bash "$T/owner" --tun owned0 --dns $DNS4 --instance "$INSTANCE"
	nobody=$started_pid
	wait_for as_owner "$B/headrace" status --instance "$INSTANCE" || { cat "$T/nobody.log"; return 1; }
}
of_owner() { as_owner "$B/headrace" status --instance "$INSTANCE" --json | jq -r ".status.$1"; }
sent() { in_host ip -j -s link show owned0 | jq '.[0].stats64.tx.packets'; }
check T-01_unprivileged_its_owner_serves_it as_nobody || die "nobody serves owned0"
without_privilege() {
	local pid seccomp=2
	[[ $B != */sanitize ]] || seccomp=0 # which needs system calls of its own
	for pid in $(of_owner 'pid, .status.roles[].pid'); do
		same "0000000000000000 65534" \
			"$(awk '/^CapEff/ { c = $2 } /^Uid/ { u = $2 } END { print c, u }' "/proc/$pid/status")" || return 1
		[ "$pid" = "$nobody" ] || grep -q "^Seccomp:.$seccomp" "/proc/$pid/status" || return 1
	done
}
check T-01_unprivileged_nobody_of_it_has_a_capability without_privilege
check T-01_unprivileged_status_says_what_is_done_instead same "false bound to the uplink" \
	"$(of_owner 'features | "\(.bpf) \(.protect)"')"
get_host() { same "$sum" "$(in_host curl -sSf -m 60 "http://$1/file.bin" | sha256sum)"; }
before=$(sent)
check T-01_unprivileged_download get_host $WEB4
check T-01_unprivileged_download_by_IPv6 get_host "[$WEB6]"
check T-01_unprivileged_UDP in_host "$HELPERS/udp" ping $ECHO4 7 1 1400
check T-01_unprivileged_UDP_by_IPv6 in_host "$HELPERS/udp" ping $ECHO6 7 1 1200
check T-01_unprivileged_DNS same $WEB4 "$(in_host dig +short +time=3 @10.0.0.1 "www.$ZONE")"
check T-01_unprivileged_DNS_over_TCP same $WEB4 "$(in_host dig +short +tcp +time=3 @10.0.0.1 "www.$ZONE")"
check T-01_unprivileged_all_of_it_went_through_the_TUN test "$(sent)" -gt $((before + 20))
# shellcheck disable=SC2034 # by the case
so_far=$(sent)
check T-01_unprivileged_nothing_is_sent_to_who_is_not_there eval \
	'! in_host curl -s -m 5 http://$WEB4:4443/ && [ $(($(sent) - so_far)) -lt 50 ]'
in_host sysctl -qw net.ipv4.ping_group_range="0 65535"
check T-01_unprivileged_ping_where_all_may in_host ping -c 1 -W 5 $ECHO4
check T-01_unprivileged_root_does_not_ask_him says 1 "served by another user" headrace status --instance "$INSTANCE"
default="default via 172.31.255.2 metric 1000"
# shellcheck disable=SC2086 # words of a route
{
	in_host ip route del default dev uplink
	refused() { ! get_host $WEB4 2>/dev/null; }
	check T-01_unprivileged_without_an_uplink_nothing_is_forwarded wait_for refused
	looped=$(sent)
	refused
	check T-01_unprivileged_and_nothing_comes_back test $(($(sent) - looped)) -lt 50
	in_host ip route add $default dev uplink
	check T-01_unprivileged_another_uplink_is_found wait_for -t 20 get_host $WEB4
}
for role in worker resolver; do
	kill -KILL "$(as_owner "$B/headrace" status --instance "$INSTANCE" --json |
		jq -r ".status.roles[] | select(.name | startswith(\"$role\")) | .pid")"
	check "T-01_unprivileged_a_${role}_that_died_is_replaced" wait_for -t 20 eval \
		'get_host $WEB4 && same $WEB4 "$(in_host dig +short +time=3 @10.0.0.1 www.$ZONE)"'
done
kill "$nobody"
check T-01_unprivileged_it_ends wait_for gone "$nobody"
check T-01_unprivileged_the_TUN_stays in_host ip link show owned0
printf 'rules:\n  - {destination: 192.0.2.0/24, action: reject}\n' >"$T/rules.yaml"
chmod 644 "$T/rules.yaml"
check T-01_unprivileged_rules_need_the_kernel says 1 "rules: need BPF" owner --tun owned0 -c "$T/rules.yaml"
for way in "-c $T/rules.yaml" "--tun-fd 0"; do
	# shellcheck disable=SC2086 # two words
	check "T-01_anything_else_names_the_capabilities_that_are_missing_${way%% *}" says 1 \
		"CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN" owner $way
done
finish
