#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# `headrace run` as a command: what COMMAND finds around itself, what becomes of its status
# and signals, and what is said of wrong input.
set -u
. "$(dirname "$0")/lib.sh"

resolv_conf="$(stat -L -c '%i %Y' /etc/resolv.conf) $(cat /etc/resolv.conf)"
world_up
dns_start
web_start

# --- status and signals
status_is() {
	local wanted=$1 status=0
	shift
	"$@" || status=$?
	same "$wanted" $status
}
check status_of_the_command status_is 7 run -- sh -c 'exit 7'
check status_0 status_is 0 run -- true
check status_127_not_found status_is 127 run -- /nonexistent/command
check status_126_not_executable status_is 126 run -- /etc/passwd
check status_of_a_signal status_is 143 run -- sh -c 'kill -TERM $$'
interrupted() {
	start_host run "$B/headrace" run --quiet --dns $DNS4 -- \
		sh -c "trap 'touch $T/int; exit 3' INT; touch $T/up; while :; do sleep 0.1; done"
	local pid=$started_pid
	wait_for -t 20 test -e "$T/up" && kill -INT "$pid" && wait_for test -e "$T/int" &&
		wait_for gone "$pid"
}
check interrupt_reaches_the_command interrupted
arguments() { same "a b|*|" "$(run -- printf '%s|' 'a b' '*')"; }
check arguments_are_left_alone arguments
check standard_input_is_the_callers same hello "$(echo hello | run -- cat)"

# --- the namespace
session_start --dns $DNS4
address() { inside ip -o "$1" addr show scope global | awk '{ print $4 }'; }
tun=$(device)
check N-01_device_address same 10.0.0.2/24 "$(address -4)"
check N-01_device_address_ipv6 same fd68:6561:6472:6163::2/64 "$(address -6)"
check N-01_stack_address same 10.0.0.1 "$(json status .status.stack4)"
check N-02_T-06_mtu_1500 same 1500 "$(inside ip -o link show "$tun" |
	grep -o 'mtu [0-9]*' | cut -d' ' -f2)"
check N-04_queue_length same 10000 "$(inside ip -o link show "$tun" | grep -o 'qlen [0-9]*' | cut -d' ' -f2)"
check default_route_is_the_tun same "$tun" "$(inside ip route show default | grep -o 'dev [^ ]*' | cut -d' ' -f2)"
check default_route_is_the_tun_ipv6 same "$tun" "$(inside ip -6 route show default | grep -o 'dev [^ ]*' | cut -d' ' -f2)"
check loopback_is_up inside ping -c 1 -W 1 127.0.0.1
check loopback_is_up_ipv6 inside ping -6 -c 1 -W 1 ::1
check resolv_conf_names_the_stack same "nameserver 10.0.0.1" "$(inside grep -m 1 ^nameserver /etc/resolv.conf)"
check nsswitch_is_files_dns same "files dns" "$(inside sed -n 's/^hosts:[[:space:]]*//p' /etc/nsswitch.conf)"
check captured_dns_answers_getent same $WEB4 "$(inside getent ahostsv4 "v4.$ZONE" | awk 'NR == 1 { print $1 }')"
hidden() { [ -z "$(inside sh -c "ls -A $1 2>/dev/null")" ]; }
check resolver_sockets_are_hidden hidden "/run/systemd/resolve /run/nscd"
check host_resolv_conf_is_untouched same "$resolv_conf" "$(stat -L -c '%i %Y' /etc/resolv.conf) $(cat /etc/resolv.conf)"

# --- sources outside the TUN's subnets are dropped and counted
foreign() {
	local before
	before=$(dropped source)
	inside ip addr add 10.99.0.1/32 dev "$tun"
	inside curl -s -m 1 --interface 10.99.0.1 "http://$WEB4/" && return 1
	inside ip addr del 10.99.0.1/32 dev "$tun"
	within $((before + 1)) 1000000 "$(dropped source)"
}
check N-06_foreign_sources_are_dropped foreign
session_stop

# --- options
no_ipv6() { run --no-ipv6 -- sh -c '[ -z "$(ip -o -6 addr show scope global)" ] && curl -sf -m 5 http://'$WEB4/; }
check option_no_ipv6 no_ipv6
check option_mtu same 1400 "$(run --mtu 1400 -- sh -c 'ip -o link' | grep -v ' lo:' | grep -o 'mtu [0-9]*' | cut -d' ' -f2)"
check option_user same nobody "$(run --user nobody -- id -un)"
user_of_sudo() { SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody run -- id -u; }
check user_who_called_sudo same 65534 "$(user_of_sudo)"
check no_capabilities_for_a_user same 0000000000000000 "$(run --user nobody -- sed -n 's/^CapEff:\t//p' /proc/self/status)"
loopback() {
	start_host local "$SERVERS/usr/sbin/nginx" -p "$T/nginx" -e "$T/local.error" -c "$T/local.conf"
	wait_for in_host curl -sfo /dev/null http://127.0.0.1:8099/ || return 1
	same local "$(run --host-loopback 203.0.113.99 -- curl -s -m 5 http://203.0.113.99:8099/)"
}
sed -e "s/listen .*//; s|root $T/www;|listen 127.0.0.1:8099; location = / { return 200 local; }|" \
	-e "s|$T/nginx/pid|$T/nginx/pid2|; s|error_log .*|error_log $T/local.error;|" \
	"$T/nginx.conf" >"$T/local.conf"
check option_host_loopback loopback
not_by_default() { ! run -- curl -s -m 3 http://127.0.0.1:8099/; }
check host_loopback_is_off_by_default not_by_default

report() {
	run_report=$(headrace run --dns $DNS4 --report -- curl -s -o /dev/null "http://www.$ZONE/" 2>&1)
	grep -q "www.$ZONE" <<<"$run_report" && grep -q "$WEB4" <<<"$run_report" && return 0
	echo "$run_report"
	return 1
}
check report_names_the_flow report
json_report() {
	headrace run --dns $DNS4 --json -- curl -s -o /dev/null "http://www.$ZONE/" 2>"$T/json"
	jq -e . "$T/json" >/dev/null && grep -q '"domain": *"www' "$T/json"
}
check report_as_json json_report

# --- another subnet if the host has a route into 10.0.0.0/24
in_host ip route add 10.0.0.128/25 via 172.31.255.2
other_subnet() {
	local address
	address=$(run -- ip -o -4 addr show scope global | awk '{ print $4 }')
	[[ $address == 10.*/24 && $address != 10.0.0.* ]] && return 0
	echo "$address"
	return 1
}
check N-01_other_subnet_if_taken other_subnet
in_host ip route del 10.0.0.128/25

# --- several at once, and the same name twice
two() {
	run --instance a-$$ -- sh -c "touch $T/a; while [ ! -e $T/b ]; do sleep 0.1; done; curl -sf http://$WEB4/" >"$T/one" &
	local pid=$!
	wait_for -t 20 test -e "$T/a" || return 1
	run --instance b-$$ -- curl -sf "http://$WEB4/" >"$T/two" || return 1
	status_is 1 run --instance a-$$ -- true 2>"$T/second" || return 1
	grep -q a-$$ "$T/second" || return 1
	touch "$T/b"
	wait $pid && cmp "$T/one" "$T/two"
}
check two_at_once_and_no_name_twice two

# --- one clear line, status 1 or 2, for wrong input
refused_with() {
	local wanted=$1 text=$2 status=0
	shift 2
	"$@" >"$T/out" 2>"$T/err" || status=$?
	if [ $status = "$wanted" ] && [ "$(wc -l <"$T/err")" = 1 ] && grep -qi -- "$text" "$T/err"; then
		return 0
	fi
	echo "status $status, wanted $wanted and one line with '$text':"
	cat "$T/out" "$T/err"
	return 1
}
check unknown_option refused_with 2 bogus headrace run --bogus -- true
check bad_address refused_with 2 1.2.3 headrace run --dns 1.2.3 -- true
check bad_mtu refused_with 2 mtu headrace run --mtu 12 -- true
check no_command refused_with 2 command headrace run
check no_such_user refused_with 2 nosuchuser headrace run --user nosuchuser -- true
check unknown_command refused_with 2 bogus headrace bogus
check no_instance refused_with 1 nowhere headrace status --instance nowhere
unprivileged() { in_host setpriv --reuid 65534 --regid 65534 --clear-groups "$B/headrace" run -- true; }
check needs_root refused_with 1 root unprivileged
no_tun() { in_host unshare --mount sh -c "mount -t tmpfs none /dev/net && exec $B/headrace run -- true"; }
check no_dev_net_tun refused_with 1 /dev/net/tun no_tun
old_kernel() { in_host setarch --uname-2.6 "$B/headrace" run -- true; } # says 2.6.x
check kernel_older_than_6_1 refused_with 1 6.1 old_kernel
finish
