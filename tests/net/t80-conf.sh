#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# The configuration: `headrace check`, `run -c FILE`, and `headrace reload`, good and bad, with
# queries all the while: none is lost and none is answered by a mixture of two policies (C-10).
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
resolver_start
reloads=${FULL:+100}
reloads=${reloads:-20}

conf=$T/headrace.yaml
reload() { headrace reload "$INSTANCE" >"$T/out" 2>"$T/err"; }
says() { grep -qF -- "$1" "$T/$2" || { cat "$T/out" "$T/err"; return 1; }; }
dig() { inside dig +tries=1 +time=5 +noedns "$@"; }
short() { dig +short "$@"; }
at_listener() { in_host dig +short +tries=1 +time=5 -p "$1" @127.0.0.1 "${@:2}"; }

# --- check ------------------------------------------------------------------------------------

cat >"$conf" <<-END
	mtu: 1
	dns:
	  upstreams:
	    nsd: {type: tls, prot: 853}
	  policies:
	  - {group: none}
END
all_errors() {
	! headrace check "$conf" >"$T/out" 2>"$T/err" &&
		says "$conf:1: mtu: '1' is out of range" err &&
		says "$conf:4: dns.upstreams.nsd.prot: no such key 'prot'" err &&
		says "$conf:4: dns.upstreams.nsd: an upstream of type tls without host" err &&
		says "$conf:6: dns.policies[0].group: 'none': there is no such group" err &&
		same 5 "$(wc -l <"$T/err")"
}
check all_errors_are_told_in_one_go all_errors
not_begun() { ! headrace run -c "$conf" -- touch "$T/begun" 2>"$T/err" && [ ! -e "$T/begun" ]; }
check a_bad_file_begins_nothing not_begun

# --- run -c FILE -------------------------------------------------------------------------------

# configure MARK TTL LISTEN...: the answers to three names say which configuration it was.
configure() {
	cat >"$conf.new" <<-END
		dns:
		  listen: [$3]
		  upstreams: {unbound: {type: plain, address: $RESOLVER4}}
		  lists: {some: {file: list}}
		  policies:
		  - rules:
		    - {domain: mark.test, address: [10.0.0.$1, 10.0.1.$1, 10.0.2.$1]}
		    - {list: some, block: $4}
		  block-ttl: ${2}s
	END
	mv "$conf.new" "$conf"
}
echo listed.test >"$T/list"
configure 1 11 127.0.0.1:5301 zero
session_start -c "$conf"
stack4=$(json status .status.stack4)
of_first() { same "10.0.0.1
10.0.1.1
10.0.2.1" "$(short "@$stack4" mark.test | sort)"; }
check its_upstream_is_asked same "$WEB4" "$(short "@$stack4" "www.$ZONE")"
check its_rule_answers of_first
check its_list_blocks same 0.0.0.0 "$(short "@$stack4" listed.test)"
check its_listener_answers same "$WEB4" "$(at_listener 5301 "www.$ZONE")"
check its_listener_answers_by_tcp same "$WEB4" "$(at_listener 5301 +tcp "www.$ZONE")"

# --- reload -----------------------------------------------------------------------------------

changed() {
	configure 2 22 '127.0.0.1:5301, 127.0.0.1:5302' nxdomain
	reload && says 'changed: dns.listen' out && says 'changed: dns.policies' out &&
		says 'changed: dns.block-ttl' out && same "$WEB4" "$(at_listener 5302 "www.$ZONE")" &&
		same "10.0.0.2" "$(short "@$stack4" mark.test | sort | head -n 1)" &&
		dig "@$stack4" listed.test | grep -q NXDOMAIN
}
check reload_names_what_changed changed
ss_5302() { in_host ss -Hlnu 'sport = 5302' | grep -q .; }
# as_before: the second configuration still answers.
as_before() {
	same "10.0.0.2" "$(short "@$stack4" mark.test | sort | head -n 1)" && ss_5302 &&
		same "$WEB4" "$(at_listener 5301 "www.$ZONE")"
}
refused() {
	! reload && says 'nothing was changed' err && says "$1" err && as_before
}
printf 'dns:\n  timeout: 5\n  colour: red\n' >"$conf"
check a_bad_file_leaves_the_old_in_force refused "$conf:2: dns.timeout: '5' has no unit"
check all_its_errors_are_told says "$conf:3: dns.colour: no such key" err
printf 'mtu: 1400\n' >"$conf"
check what_cannot_change_is_named refused "$conf:1: mtu: cannot change while the instance runs"
configure 3 33 127.0.0.1:5301 zero
rm "$T/list"
check a_list_that_is_gone_changes_nothing refused "dns.lists.some: cannot read $T/list"
echo listed.test >"$T/list"
start_host taken socat -u UDP4-RECV:5303,bind=127.0.0.1 /dev/null
taken() { in_host ss -Hlnu 'sport = 5303' | grep -q .; }
wait_for taken || die "socat: $(cat "$T/taken.log")"
configure 3 33 127.0.0.1:5303 zero
check a_taken_address_changes_nothing refused 'cannot listen on 127.0.0.1:5303 (UDP): Address'
not_root() {
	! in_host setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$B/headrace" reload "$INSTANCE" 2>"$T/err"
}
check only_root_reloads not_root

# --- under load -------------------------------------------------------------------------------

configure 1 11 127.0.0.1:5301 zero
reload || cat "$T/err"
start steady nsenter --target "$session_command" --net -- \
	"$HELPERS/steady" "$stack4" 53 mark.test listed.test "v4.$ZONE"
steady=$started_pid
many() {
	for ((i = 1; i <= reloads; i++)); do
		if ((i % 2)); then
			configure 2 22 '127.0.0.1:5301, 127.0.0.1:5302' nxdomain
		else
			configure 1 11 127.0.0.1:5301 zero
		fi
		reload || { cat "$T/err"; return 1; }
	done
}
check "C-10_reload_${reloads}_times_under_load" many
kill -TERM "$steady"
wait_for -t 10 gone "$steady"
check no_query_is_lost same 'lost 0' "$(tail -n 1 "$T/steady.log")"
# The name's own TTL counts down: of that one the address alone.
kinds() { sed -E 's/ [0-9]+$//; s/^(v4.* [0-9.]+)\/.*/\1/' "$T/steady.log" | grep -v '^lost' | sort -u; }
check none_is_answered_by_a_mixture same "listed.test 0 0.0.0.0/11
listed.test 3 TYPE6/22
mark.test 0 10.0.0.1/11 10.0.1.1/11 10.0.2.1/11
mark.test 0 10.0.0.2/22 10.0.1.2/22 10.0.2.2/22
v4.$ZONE 0 $WEB4" "$(kinds)"

# A restarted resolver begins with what is in force, not with what it was started with.
configure 2 22 '127.0.0.1:5301, 127.0.0.1:5302' nxdomain
reload || cat "$T/err"
before=$(role_pids resolver)
kill -KILL "$before"
anew() { [ "$(role_pids resolver)" != "$before" ] && short "@$stack4" mark.test | grep -q .; }
wait_for -t 10 anew
check a_restarted_resolver_has_what_is_in_force as_before
session_stop
finish
