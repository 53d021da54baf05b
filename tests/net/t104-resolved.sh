#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# A host whose resolver is systemd-resolved (the real one, without systemd and D-Bus): what it
# asks upstream is intercepted without a loop and without a change of resolv.conf, even where
# Headrace finds its own upstream in that file. With loopback captured, too, the application is
# named instead of the resolver.
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/host.sh"

host_up
dns_start
RESOLVED=$SERVERS/lib/systemd/systemd-resolved
STUB=127.0.0.53
NOWHERE=192.0.2.99 # no server has that address
[ -x "$RESOLVED" ] || die "no systemd-resolved: tools/bootstrap test"

# --- a machine whose files say so -------------------------------------------------------------------

# Its own /run and some of its /etc, as the daemon and the applications see them.
mkdir -p "$T/etc/systemd"
sed '/^systemd-resolve:/d' /etc/passwd >"$T/etc/passwd"
echo "systemd-resolve:x:65531:65531::/:/usr/sbin/nologin" >>"$T/etc/passwd"
sed '/^systemd-resolve:/d' /etc/group >"$T/etc/group"
echo "systemd-resolve:x:65531:" >>"$T/etc/group"
echo "nameserver $STUB" >"$T/etc/resolv.conf"
sum_before=$(sha256sum <"$T/etc/resolv.conf")
# shellcheck disable=SC2016 # expands in the inner shell
start_host machine unshare --mount -- sh -c '
	for f in passwd group resolv.conf systemd; do mount --bind "$1/etc/$f" /etc/$f || exit 1; done
	mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/systemd || exit 1
	echo mounted; exec sleep infinity' - "$T"
machine=$started_pid
wait_for grep -q mounted "$T/machine.log" || die "no machine: $(cat "$T/machine.log")"
in_host() { nsenter --target "$machine" --net --mount -- "$@" 8>&-; }

# resolved SERVER: systemd-resolved, that asks SERVER. It keeps nothing.
resolved_pid=''
resolved() {
	[ -z "$resolved_pid" ] || stop "$resolved_pid"
	cat >"$T/etc/systemd/resolved.conf" <<-END
		[Resolve]
		DNS=$1
		FallbackDNS=
		Domains=~.
		LLMNR=no
		MulticastDNS=no
		DNSSEC=no
		Cache=no
	END
	start resolved nsenter --target "$machine" --net --mount -- \
		env SYSTEMD_LOG_LEVEL=info "$RESOLVED"
	resolved_pid=$started_pid
	wait_for stub_is_there || die "systemd-resolved: $(cat "$T/resolved.log")"
}
stub_is_there() { in_host ss -Hlun "src $STUB:53" | grep -q .; }
ask() { in_host dig +short +tries=1 +time=4 "@$STUB" "$@"; }
by_name() { in_host getent ahostsv4 "$1" | awk 'NR == 1 { print $1 }'; }

loopback_service() {
	start_host local "$HELPERS/seen" serve 7010 127.0.0.1 ::1
	wait_for stub_of 7010 || return 1
	in_host "$HELPERS/seen" ask udp 127.0.0.1 7010 && in_host "$HELPERS/seen" ask tcp ::1 7010
}
lo_settings() { in_host sysctl -n net.ipv4.conf.lo.{route_localnet,accept_local} | xargs; }
stub_of() { in_host ss -Hltn "sport = :$1" | grep -q .; }
resolv_conf_is_the_same() { same "$sum_before" "$(in_host sha256sum /etc/resolv.conf | sed "s/ .*/  -/")"; }
queries() { json status '[.status.roles[].dns_queries // 0] | add'; }
# few_queries BEFORE ASKED: no more than the resolver's own ways explain; kept answers count less.
few_queries() { within 1 $((6 * $2)) $(($(queries) - $1)); }
# log_has PROCESS NAME: who asked for it, as the log of queries has it.
log_has() {
	headrace dns log --instance "$INSTANCE" --json |
		jq -r "select(.dns.name == \"$2\") | .dns.process // \"\"" >"$T/log"
	cat "$T/log"
	grep -qx "$1" "$T/log"
}

resolved $DNS4
check without_headrace_it_resolves same $WEB4 "$(ask "www.$ZONE")"
check without_headrace_by_name same $WEB4 "$(by_name "www.$ZONE")"

# --- an upstream of its own -------------------------------------------------------------------------

dns="  upstreams: {nsd: {type: plain, address: $DNS4}}
  groups: {default: {upstreams: [nsd]}}
  policies: [{name: all, rules: [{domain: .ads.$ZONE, block: nxdomain}]}]"
host_config dns="$dns"
resolved $NOWHERE
check without_headrace_that_server_does_not_answer \
	same '' "$(in_host dig +short +tries=1 +time=1 "@$STUB" "www.$ZONE" | grep -v '^;')"
resolved $NOWHERE # which waits no more for that answer
must_up
watch_start
before=$(queries)
check it_resolves same $WEB4 "$(ask "www.$ZONE")"
check it_resolves_by_ipv6 same $WEB6 "$(ask "www.$ZONE" AAAA)"
check it_resolves_by_tcp same $WEB4 "$(ask +tcp "v4.$ZONE")"
check it_resolves_by_name same $WEB4 "$(by_name "alias.$ZONE")"
check a_rule_blocks_through_it grep -q NXDOMAIN <(in_host dig +tries=1 +time=4 "@$STUB" "a.ads.$ZONE")
check few_queries_are_seen few_queries "$before" 6
check no_own_packet_on_the_tun same 0 "$(dropped loop_averted)"
check nothing_arrives_where_it_asked eval 'settled && ! grep -F " $NOWHERE " "$T/watch.log"'
check owner_of_its_queries_is_the_resolver log_has systemd-resolve "www.$ZONE"
check resolv_conf_is_untouched resolv_conf_is_the_same
check down down

# --- the upstream of resolv.conf, which is the resolver itself --------------------------------------

host_config dns='  intercept: true'
resolved $DNS4
must_up
before=$(queries)
check resolves_where_resolv_conf_names_it same $WEB4 "$(ask "www.$ZONE")"
check resolves_another_name_there same $WEB6 "$(ask "v6.$ZONE" AAAA)"
check other_clients_resolve_there same $WEB4 "$(in_desk dig +short +tries=1 +time=4 @$DNS4 "v4.$ZONE")"
check no_loop few_queries "$before" 3
check no_own_packet_is_there_on_the_tun same 0 "$(dropped loop_averted)"
check resolv_conf_is_still_untouched resolv_conf_is_the_same
check down_again down

# --- who asks ---------------------------------------------------------------------------------------

host_config loopback=dns dns="$dns"
resolved $NOWHERE
must_up
check over_loopback_it_resolves same $WEB4 "$(ask "www.$ZONE")"
check over_loopback_it_resolves_by_tcp same $WEB6 "$(ask +tcp "v6.$ZONE" AAAA)"
check over_loopback_by_name same $WEB4 "$(by_name "v4.$ZONE")"
check the_application_is_named log_has dig "www.$ZONE"
check and_not_the_resolver eval '! log_has systemd-resolve "www.$ZONE"'
check getent_is_named log_has getent "v4.$ZONE"
check other_services_on_loopback_are_left_alone loopback_service
check lo_takes_answers same "1 1" "$(lo_settings)"
check down_after_loopback down
check and_lo_is_as_it_was same "0 0" "$(lo_settings)"
resolved $DNS4
check after_down_it_resolves same $WEB4 "$(ask "www.$ZONE")"
check resolv_conf_is_as_it_was resolv_conf_is_the_same
finish
