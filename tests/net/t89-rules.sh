#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Rules about flows in headrace run: each kind of condition with a flow that meets it and one
# that does not, each action, their order, and changes of rules while it runs.
#
#   app -- TUN: rules -- worker -- web $WEB4 $WEB6, echo $ECHO4 $ECHO6, tcp $ECHO4:9
# shellcheck disable=SC2154 # session is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
web_start
dns_start
echo_start
cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$cgroups" ] || skip_all "no cgroup2 is mounted"
ours=rules-test-$$ # not the roles' own
clean_cgroups() {
	local status=$? # for what comes after this
	find "$cgroups/$ours" -depth -type d -exec rmdir {} \; 2>/dev/null
	return $status
}
trap 'clean_cgroups; cleanup' EXIT
mkdir -p "$cgroups/$ours/early.service"
cp "$(command -v curl)" "$T/fetch"
chmod 755 "$T" "$T/fetch"

cat >"$T/conf.yaml" <<-END
	dns:
	  upstreams: {nsd: {type: plain, address: $DNS4}}
	rules:
	  - {name: port, port: 8080, protocol: tcp, action: reject}
	  - {name: domain, domain: .v6.$ZONE, action: reject}
	  - {name: silent, destination: [$ECHO4/32, "$ECHO6/128"], protocol: udp, action: drop}
	  - {name: nobody, user: nobody, action: reject}
	  - {name: below, cgroup: /$ours/below, action: reject}
	  - {name: unit, unit: [early, late], action: reject}
	  - {name: comm, process: fetcher, action: reject}
	  - {name: file, executable: $T/fetch, not: {destination: $WEB6/128}, action: reject}
	  - {name: others, user: [daemon], not: {port: 80}, action: reject}
	  - {name: first, fwmark: 0x77/0xff, action: reject}
	  - {name: ping, protocol: icmp, destination: $WEB4, action: reject}
	  - {name: late, protocol: icmp, action: direct}
END
session_start -c "$T/conf.yaml"

fetch() { inside curl -sS -o /dev/null -m 10 "$@"; }
refused() {
	! "$@" >"$T/why" 2>&1 && grep -qi 'refused\|couldn.t connect\|filtered' "$T/why"
}
no_echo() { ! inside timeout 10 "$HELPERS/udp" ping $ECHO4 7 8; }
hits() { json rules "select(.rule.name? == \"$1\") | .rule.hits"; }

check a_port_is_refused refused fetch "http://$WEB4:8080/"
check another_port_is_not fetch "http://$WEB4/"
check the_same_port_by_ipv6_is refused fetch "http://[$WEB6]:8080/"
check a_name_is_refused refused fetch "http://v6.$ZONE/"
check its_address_alone_is_too refused fetch "http://[$WEB6]/"
check the_latest_name_of_an_address_counts fetch -6 "http://www.$ZONE/"
check for_its_address_alone_too fetch "http://[$WEB6]/"
check other_names_are_not fetch "http://v4.$ZONE/"

before=$(dropped rule)
check what_is_dropped_gets_no_answer no_echo
check it_is_counted test "$(dropped rule)" -gt "$before"

as() { # USER COMMAND...
	inside setpriv --reuid "$1" --regid nogroup --clear-groups -- "${@:2}"
}
check a_user_is_refused refused as nobody curl -sS -o /dev/null -m 10 "http://$WEB4/"
check another_user_is_not as daemon curl -sS -o /dev/null -m 10 "http://$WEB4/"

# in_cgroup PATH COMMAND...
in_cgroup() {
	local path=$cgroups/$ours/$1
	mkdir -p "$path" || return 1
	shift
	bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$path" \
		nsenter --target "$session_command" --net --mount -- "$@" 8>&-
}
check a_cgroup_that_appears_is_refused refused in_cgroup below curl -sS -m 10 "http://$WEB4/"
check one_below_it_is_too refused in_cgroup below/deep/er curl -sS -m 10 "http://$WEB4/"
check one_beside_it_is_not in_cgroup beside curl -sS -o /dev/null -m 10 "http://$WEB4/"
# A cgroup of which main was not told: the kernel half asks, and its first packet is sent again.
little() { printf '%016x' "$1" | sed 's/\(..\)/\1 /g' | tr ' ' '\n' | tac | tr '\n' ' '; }
forget() { # PATH: takes its entry out of the rules in force, before any reload
	local pins map
	pins=$(json status .status.features.pins)
	map=$(bpftool -j map dump pinned "$pins/rule_values" |
		jq -r '.[0].value | reverse | map(ltrimstr("0x")) | join("")')
	# shellcheck disable=SC2046 # bytes
	bpftool map delete id $((16#$map)) key hex 03 00 00 00 00 00 00 00 \
		$(little "$(stat -c %i "$cgroups/$ours/$1")") 00 00 00 00 00 00 00 00
}
check it_can_be_forgotten forget beside
check one_not_looked_up_yet_is_asked_for in_cgroup beside curl -sS -o /dev/null -m 20 "http://$WEB4/"
check its_first_packet_was_dropped_and_counted test "$(dropped cgroup)" -ge 1
check one_that_a_rule_names_can_be_forgotten forget below
check it_is_refused_all_the_same refused in_cgroup below curl -sS -m 20 "http://$WEB4/"

check a_unit_is_refused refused in_cgroup early.service curl -sS -m 10 "http://$WEB4/"
check a_unit_that_appears_is_too refused in_cgroup sub/late.service/x curl -sS -m 10 "http://$WEB4/"
check a_unit_of_another_name_is_not in_cgroup earlier.service curl -sS -o /dev/null -m 10 "http://$WEB4/"

# COMMAND as a process of that name
named() { # NAME COMMAND
	cp "$(command -v curl)" "$T/$1" && inside "$T/$1" "${@:2}"
}
check a_process_is_refused refused named fetcher -sS -o /dev/null -m 10 "http://$WEB4/"
check another_process_is_not named fetches -sS -o /dev/null -m 10 "http://$WEB4/"
check an_executable_is_refused refused inside "$T/fetch" -sS -m 10 "http://$WEB4/"
check not_to_what_is_left_out inside "$T/fetch" -sS -o /dev/null -m 10 "http://[$WEB6]/"
check a_ping_is_refused refused inside ping -c 1 -W 5 $WEB4
check the_next_rule_has_other_pings inside ping -c 1 -W 5 $ECHO4
check hits_are_counted test "$(hits unit)" -ge 2

# --- changes --------------------------------------------------------------------------------

write_rules() {
	cat >"$T/conf.yaml" <<-END
		dns:
		  upstreams: {nsd: {type: plain, address: $DNS4}}
		rules:
		$1
	END
}
reload() { headrace reload "$@" "$INSTANCE"; }
write_rules "  - {port: 80, action: rject}"
bad_file() {
	! reload --flows keep >"$T/bad" 2>&1 && grep "conf.yaml:4: .*'rject'" "$T/bad" || {
		cat "$T/bad"
		return 1
	}
}
check a_bad_file_is_refused bad_file
check the_old_rules_are_in_force refused fetch "http://$WEB4:8080/"
write_rules "  - {name: new, port: 80, action: reject}"
check new_rules_are_taken reload
check new_rules_are_in_force refused fetch "http://$WEB4/"
check the_old_ones_are_not fetch "http://$WEB4:8080/"

# A flow that older rules have let in: it goes on, or it is decided anew.
web_file big.bin $((64 << 20)) >/dev/null
start download nsenter --target "$session_command" --net -- \
	curl -sS -o "$T/big" --limit-rate 1M "http://$WEB4:8080/big.bin"
download=$started_pid
grows() { # that it is longer than it was
	local was
	was=$(stat -c %s "$T/big" 2>/dev/null || echo 0)
	wait_for -t 20 longer "$was"
}
longer() { [ "$(stat -c %s "$T/big" 2>/dev/null || echo 0)" -gt "$1" ]; }
check it_runs grows
write_rules "  - {name: newer, port: 8080, action: reject}"
check a_reload_keeps_flows reload --flows keep
check new_ones_are_refused refused fetch "http://$WEB4:8080/"
check the_old_one_goes_on grows
check a_reload_resets_them reload --flows reset
check it_ends wait_for -t 20 gone "$download"
check as_a_connection_that_was_reset grep -qi 'reset' "$T/download.log"
check what_the_rules_still_let_in_is_let_in fetch "http://$WEB4/"

finish
