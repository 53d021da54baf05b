#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Groups of upstreams, unbound being each of them: order, failover, races, health, IPv6, names,
# the host's own resolvers, and one that leads back to us.
#
#   .test is answered by the first with 11.0.0.1, by the second with 11.0.0.2; .refused.test only
#   by the second, the first refuses it; names that end differently do not exist
set -u
. "$(dirname "$0")/lib.sh"

FIRST=$RESOLVER4 SECOND=$ECHO4
DEAD=192.0.2.99 # of the far side, where nothing listens

# unbound_config NUMBER ADDRESS...: what this one answers.
unbound_config() {
	local number=$1 address
	shift
	mkdir -p "$T/unbound$number"
	cat >"$T/unbound$number.conf" <<-END
		server:
			access-control: 0.0.0.0/0 allow
			access-control: ::/0 allow
			directory: "$T/unbound$number"
			pidfile: "$T/unbound$number/pid"
			username: ""
			chroot: ""
			do-daemonize: no
			use-syslog: no
			module-config: "iterator"
			tls-service-key: "$T/key.pem"
			tls-service-pem: "$T/ca.pem"
			local-zone: "." static
			local-data: ". 3600 IN NS ns.test."
			local-zone: "test." redirect
			local-data: "test. 0 IN A 11.0.0.$number"
			local-zone: "refused.test." $([ "$number" = 1 ] && echo refuse || echo redirect)
			local-data: "refused.test. 0 IN A 11.0.0.$number"
			local-zone: "upstream.test." static
			local-data: "upstream.test. 60 IN A $SECOND"
	END
	for address; do
		echo "	interface: $address" >>"$T/unbound$number.conf"
	done
	printf 'remote-control:\n\tcontrol-enable: no\n' >>"$T/unbound$number.conf"
}
unbound_start() {
	start_far "unbound$1" "$SERVERS/usr/sbin/unbound" -d -c "$T/unbound$1.conf"
	unbound[$1]=$started_pid
	wait_for listening "$2:53" || die "unbound: $(cat "$T/unbound$1.log")"
}

short() { inside dig +short +tries=1 +time=7 "$@"; }
status_of() { inside dig +tries=1 +time=7 "$@" | sed -nE 's/.*status: ([A-Z]+),.*/\1/p'; }
# upstream NAME FIELD
upstream() { json "dns stats" "select(.dns.name == \"$1\") | .dns.$2"; }
is() { [ "$(upstream "$1" "$2")" = "$3" ]; }
json() {
	local words
	read -ra words <<<"$1"
	headrace "${words[@]}" --instance "$INSTANCE" --json | jq -r "$2"
}
answers() { [ "$(short "$1")" = "$2" ]; }

world_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=upstream.test \
	-addext subjectAltName=DNS:upstream.test -keyout "$T/key.pem" -out "$T/ca.pem" \
	>"$T/openssl.log" 2>&1 || die "openssl: $(cat "$T/openssl.log")"
in_far ip addr add $DEAD/32 dev lo
unbound_config 1 $FIRST
unbound_config 2 $SECOND $SECOND@853
unbound_start 1 $FIRST
unbound_start 2 $SECOND

# --- order, failover, health ------------------------------------------------------------------

cat >"$T/order.yaml" <<END
dns:
  upstreams:
    first: {type: plain, address: $FIRST}
    second: {type: plain, address: $SECOND}
  groups:
    default: {upstreams: [first, second], failover-rcodes: [REFUSED]}
END
session_start -c "$T/order.yaml"
check C-23_the_first_of_the_group_answers same 11.0.0.1 "$(short a.test)"
check C-23_the_second_is_not_asked is second queries 0
check C-10_a_failover_rcode_goes_on_to_the_second same 11.0.0.2 "$(short a.refused.test)"
check C-10_another_rcode_does_not same NXDOMAIN "$(status_of nowhere.example)"

stop "${unbound[1]}"
failover() {
	local i
	for i in 1 2 3 4; do
		same 11.0.0.2 "$(short b$i.test)" || return 1
	done
}
check C-23_with_the_first_gone_the_second_answers failover
# On a busy machine it may have failed for 10 s by now.
last_in_order() { is first state failing || is first state down; }
check C-25_after_three_failures_it_is_asked_after_the_others last_in_order
stop "${unbound[2]}"
inside "$HELPERS/dns_hostile" ask "$(json status .status.stack4)" 100 0 >/dev/null
both_down() { is first state down && is second state down; }
check C-25_fifty_failures_and_it_is_down_at_once wait_for -t 3 both_down
unbound_start 2 $SECOND
check C-25_a_probe_finds_it_back_without_a_question wait_for -t 6 is second state up
check C-25_and_it_is_asked_before_the_one_that_is_down same 11.0.0.2 "$(short c.test)"
check C-25_which_stays_down is first state down
unbound_start 1 $FIRST
check C-25_the_first_is_back_too wait_for -t 6 is first state up
check C-23_and_first_again same 11.0.0.1 "$(short d.test)"
session_stop

# --- a race; an address that leads nowhere; names ---------------------------------------------

cat >"$T/race.yaml" <<END
dns:
  upstreams:
    silent: {type: plain, address: 198.51.100.99}
    second: {type: plain, addresses: ["[2001:db8:dead::1]:53", $SECOND]}
  groups:
    default: {upstreams: [silent, second], race: true}
END
in_host ip -6 route add unreachable 2001:db8:dead::/48
session_start -c "$T/race.yaml"
race() {
	local i
	for i in 1 2 3 4 5 6; do
		same 11.0.0.2 "$(short e$i.test)" || return 1
	done
}
check in_a_race_the_first_answer_counts race
both_asked() { is silent queries 6 && is second queries 6; } # in order: until three failures
check in_a_race_both_are_asked_each_time both_asked
check C-22_an_ipv6_address_that_cannot_be_reached_is_no_failure is second failures 0
session_stop

cat >"$T/named.yaml" <<END
dns:
  bootstrap: [$DEAD, $FIRST]
  upstreams:
    named: {type: tls, host: upstream.test, ca: "$T/ca.pem"}
  groups:
    default: {upstreams: [named]}
END
session_start -c "$T/named.yaml"
check C-21_the_name_of_an_upstream_is_looked_up_by_its_bootstrap_servers same 11.0.0.2 "$(short i.test)"
check C-21_and_found same "$SECOND:853" "$(upstream named address)"
session_stop

# --- the host's own ---------------------------------------------------------------------------

cat >"$T/as_host" <<'END'
#!/bin/sh
# as_host RESOLV_CONF COMMAND...: with this file as the host's resolver configuration
exec unshare --mount sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$@"
END
chmod +x "$T/as_host"
printf 'nameserver %s\nnameserver %s\n' $FIRST $SECOND >"$T/resolv.conf"
SESSION_PREFIX="$T/as_host $T/resolv.conf"
session_start
SESSION_PREFIX=
check C-24_the_hosts_first_resolver_answers same 11.0.0.1 "$(short f.test)"
kinds() { same "host host" "$(json "dns stats" 'select(.dns.type == "upstream") | .dns.kind' | xargs)"; }
check C-24_all_of_the_hosts_are_known kinds
printf 'nameserver %s\n' $SECOND >"$T/resolv.conf"
check C-24_a_change_is_followed wait_for -t 4 answers g.test 11.0.0.2
session_stop

# --- a circle ---------------------------------------------------------------------------------

start_host circle "$HELPERS/dns_hostile" circle 127.0.0.5 53 "$T/circle"
in_circle() { in_host ss -Hlnu "src 127.0.0.5:53" | grep -q .; }
wait_for in_circle || die "no circle: $(cat "$T/circle.log")"
session_start --dns 127.0.0.5 --dns $SECOND
echo "$session_command $(json status .status.stack4)" >"$T/circle.new"
mv "$T/circle.new" "$T/circle"
looped() { json "dns stats" 'select(.dns.type == "upstream") | .dns.looped' | head -n 1 | grep -qx true; }
check C-26_an_upstream_that_leads_back_is_found wait_for -t 8 looped
check C-26_and_not_asked same 11.0.0.2 "$(short h.test)"
within_drops() { within 1 3 "$(dropped dns_loop)"; }
check C-26_its_query_is_counted within_drops
finish
