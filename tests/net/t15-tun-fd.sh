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
owner() { in_host setpriv --reuid 65534 --regid 65534 --clear-groups "$B/headraced" "$@"; }
check T-01_its_owner_is_told_what_needs_root says 1 "root is needed, by whomever the TUN is owned" owner --tun owned0
finish
