#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Policies from the client to unbound and nsd: two clients with opposite ones (in the resolver and,
# from the second time on, in the kernel half), rules in their order, rewrites, groups; what
# an upstream's answer may not say; stale answers; flushing.
#
#   app 10.0.0.x (its own), KIDS, WORK -- TUN -- resolver -- nsd $DNS4 | unbound $RESOLVER4
# shellcheck disable=SC2154 # started_pid is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
cat >"$T/zone.extra" <<-END
	games	A 203.0.113.80
	a.games	A 203.0.113.81
	sure.games	A 203.0.113.82
	private	A 192.168.1.1
	mapped	AAAA ::ffff:10.0.0.1
	hint	HTTPS 1 . ipv4hint=10.0.0.1
	inner	A 10.1.2.3
	toinner	CNAME private.$ZONE.
	circle1	CNAME circle2.$ZONE.
	circle2	CNAME circle1.$ZONE.
END
dns_start
nsd=$started_pid
resolver_start
cat >"$T/conf.yaml" <<-END
	dns:
	  upstreams:
	    nsd: {type: plain, address: $DNS4}
	    unbound: {type: plain, address: $RESOLVER4}
	  groups:
	    default: {upstreams: [nsd]}
	    second: {upstreams: [unbound]}
	  private-domains: [inner.$ZONE]
	  cache: {flush-domains: [flush.$ZONE, flush.games.$ZONE]}
	  lists:
	    ads: {file: $T/ads}
	  policies:
	    - name: kids
	      clients: [10.0.0.200/32]
	      rules:
	        - {domain: sure.games.$ZONE, pass: true}
	        - {domain: .games.$ZONE, block: nxdomain}
	        - {list: [ads], type: [A], block: zero}
	        - {list: [ads], block: nodata}
	        - {domain: search.test, cname: www.$ZONE}
	        - {domain: nas.test, address: [10.9.8.7, "fd00::7"]}
	    - name: work
	      clients: [10.0.0.201/32]
	      rules:
	        - {domain: sure.games.$ZONE, block: refused}
	        - {domain: v4.$ZONE, group: second}
	    - name: guests
	      clients: [10.0.0.202/32]
	      restricted: true
	      rules: [{domain: .$ZONE, type: [A], pass: true}]
END
printf '0.0.0.0 ads.test\n||tracker.test^\n' >"$T/ads"
session_start -c "$T/conf.yaml"
stack4=$(json status .status.stack4)
KIDS=10.0.0.200 WORK=10.0.0.201 GUEST=10.0.0.202
for address in $KIDS $WORK $GUEST; do
	inside ip addr add "$address/32" dev "$(device)"
done

# ask CLIENT NAME [TYPE...]; says STATUS and the data of its answers.
ask() { inside dig +tries=1 +time=6 -b "$1" "@$stack4" "${@:2}"; }
said() {
	ask "$@" | awk '/status:/ { sub(".*status: ", ""); sub(",.*", ""); s = $0; next }
		/^[^;]/ { s = s " " $NF } /AUTHORITY SECTION/ { exit } END { print s }'
}
# always WANTED CLIENT NAME...: three times, so that all who could answer have done it.
always() {
	local i
	for i in 1 2 3; do
		same "$1" "$(said "${@:2}")" || return 1
	done
}
twice_each() { # the same name by both in turn: what one is answered is no answer to the other
	local i
	for i in 1 2 3; do
		same NXDOMAIN "$(said $KIDS "a.games.$ZONE")" &&
			same "NOERROR 203.0.113.81" "$(said $WORK "a.games.$ZONE")" &&
			same "NOERROR 203.0.113.82" "$(said $KIDS "sure.games.$ZONE")" &&
			same REFUSED "$(said $WORK "sure.games.$ZONE")" || return 1
	done
}
check C-10_two_clients_with_opposite_policies twice_each
check C-10_the_first_rule_that_matches_decides always "NOERROR 203.0.113.82" $KIDS "sure.games.$ZONE"
check C-10_a_suffix_has_its_own_name always NXDOMAIN $KIDS "games.$ZONE"
check C-10_who_is_in_no_policy_is_not_blocked same 203.0.113.80 \
	"$(inside dig +short +tries=1 +time=6 "@$stack4" "games.$ZONE")"
check a_list_blocks_with_the_mode_for_the_type always "NOERROR 0.0.0.0" $KIDS ads.test
check a_list_blocks_other_types_as_the_next_rule_says always NOERROR $KIDS tracker.test AAAA
check a_rewrite_to_addresses always "NOERROR 10.9.8.7" $KIDS nas.test
check a_rewrite_to_addresses_of_the_type always "NOERROR fd00::7" $KIDS nas.test AAAA
check a_rewrite_to_a_name always "NOERROR www.$ZONE. $WEB4" $KIDS search.test
check C-02_a_restricted_policy_refuses_the_rest always REFUSED $GUEST "www.$ZONE" AAAA
check C-02_a_restricted_policy_passes_what_a_rule_passes always "NOERROR $WEB4" $GUEST "www.$ZONE"
check C-05_the_self_check_name always "NOERROR 0.0.0.0" $KIDS headrace.test

upstream_of() { # NAME: who was asked for it
	headrace dns log --instance "$INSTANCE" --json | jq -r ".dns |
		select(.name == \"$1\" and .source == \"upstream\") | .upstream" | tail -n 1
}
said $WORK "v4.$ZONE" >/dev/null
check C-10_a_rule_leads_to_its_group same $RESOLVER4:53 "$(upstream_of "v4.$ZONE")"
said $KIDS "v4.$ZONE" >/dev/null
check C-10_and_others_to_theirs same $DNS4:53 "$(upstream_of "v4.$ZONE")"

# A public name may not lead to a private address, in whatever form.
before=$(dropped dns_rebind)
check rebinding_by_an_address same NOERROR "$(said $WORK "private.$ZONE")"
check rebinding_by_a_mapped_address same NOERROR "$(said $WORK "mapped.$ZONE" AAAA)"
check rebinding_by_a_hint same NOERROR "$(said $WORK "hint.$ZONE" HTTPS)"
check rebinding_by_an_alias same NOERROR "$(said $WORK "toinner.$ZONE")"
check rebinding_is_counted same 4 $(($(dropped dns_rebind) - before))
check a_private_domain_may same "NOERROR 10.1.2.3" "$(said $WORK "inner.$ZONE")"
check a_circle_of_aliases_ends same SERVFAIL "$(said $WORK "circle1.$ZONE")"

# entries NAME: how many answers are kept of it and below.
entries() {
	headrace dns cache "$1" --instance "$INSTANCE" --json | jq -s 'map(select(.dns.name)) | length'
}
said $KIDS "www.$ZONE" >/dev/null
flush_one() {
	headrace dns flush "www.$ZONE" --instance "$INSTANCE" && same 0 "$(entries "www.$ZONE")" &&
		[ "$(entries "$ZONE")" -gt 0 ]
}
check C-30_a_name_is_flushed flush_one
check C-30_a_flush_domain_was_asked same NXDOMAIN "$(said $KIDS "flush.$ZONE")"
check C-30_and_flushed_everything_before_it same 0 "$(entries "inner.$ZONE")"
said $KIDS "inner.$ZONE" >/dev/null
check C-30_an_answer_is_there_again same 1 "$(entries "inner.$ZONE")"
check C-30_a_flush_domain_that_is_blocked_was_asked same NXDOMAIN "$(said $KIDS "flush.games.$ZONE")"
check C-30_and_flushed_everything_too same 0 "$(entries "inner.$ZONE")"

# RFC 8767. The record's TTL is 1 s.
said $KIDS "short.$ZONE" >/dev/null
stop "$nsd"
stale() { ask $KIDS "short.$ZONE" | grep -qE "^short\.$ZONE\.[[:space:]]+30[[:space:]].*$WEB4"; }
check C-30_a_stale_answer_without_an_upstream wait_for stale
check what_was_never_asked_has_none same SERVFAIL "$(said $KIDS "echo.$ZONE")"
dns_start
fresh() { same "NOERROR $WEB4" "$(said $KIDS "v4.$ZONE")"; }
check the_upstream_is_asked_again_once_it_is_back wait_for -t 15 fresh
session_stop
finish
