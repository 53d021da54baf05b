#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What people see of DNS: `headrace dns log`, followed too, stats, cache, lookup and flush, as
# text and as JSON (C-62), while queries are answered by the policy, the cache, the kernel half
# and an upstream.
# shellcheck disable=SC2154 # started_pid is set by lib.sh
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
cat >"$T/conf.yaml" <<-END
	dns:
	  upstreams:
	    nsd: {type: plain, address: $DNS4}
	  groups:
	    default: {upstreams: [nsd]}
	  policies:
	    - name: everybody
	      rules:
	        - {domain: .blocked.test, block: nxdomain}
	        - {domain: nas.test, address: [10.9.8.7]}
END
session_start -c "$T/conf.yaml"
ask() { inside dig +short +tries=1 +time=6 "$@"; }
dns() { headrace dns "$1" --instance "$INSTANCE" "${@:2}"; }
# field FILTER VERB...: what the JSON lines of a verb say, through jq.
field() { dns "${@:2}" --json | jq -r "$1"; }

start_host follower "$B/headrace" dns log --follow --json --instance "$INSTANCE"
follower=$started_pid

ask "www.$ZONE" >/dev/null
ask "www.$ZONE" >/dev/null
ask "www.$ZONE" >/dev/null
ask ads.blocked.test >/dev/null
ask nas.test >/dev/null
logged() { # NAME FILTER: an entry of it of which this holds
	dns log --json | jq -es "any(.[].dns; .name == \"$1\" and ($2))" >"$T/entry" && return 0
	dns log
	return 1
}
check C-62_the_first_answer_is_the_upstreams logged "www.$ZONE" \
	".source == \"upstream\" and .upstream == \"$DNS4:53\" and .rcode == \"NOERROR\""
later() { wait_for logged "www.$ZONE" '.source == "cache" or .source == "kernel"'; }
check C-62_later_ones_are_the_caches_or_the_kernels later
blocked() { wait_for logged ads.blocked.test \
	'.action == "nxdomain" and .rcode == "NXDOMAIN" and (.rule | test("everybody"))'; }
check C-62_a_blocked_name_with_its_rule blocked
check C-62_a_rewritten_name_with_its_rule logged nas.test \
	'.action == "rewrite" and .source == "policy" and (.rule | test("everybody"))'
owner() { # NAME SOURCE: an entry of it by the dig of that user
	logged "$1" ".source == \"$2\" and .process == \"dig\" and .pid > 1 and .uid == 0"; }
check C-62_the_process_that_asked_an_upstream owner "www.$ZONE" upstream
check C-62_the_process_of_a_rewritten_name owner nas.test policy
check C-62_the_process_that_the_kernel_half_answered owner ads.blocked.test kernel
check C-62_user_and_process_as_text eval \
	'dns log | grep -qE " root +dig\[[0-9]+\] +A +nas\.test"'
check C-62_every_entry_names_client_and_time same 0 \
	"$(field 'select(.dns.type == "query") | .dns | select(.client == null or .time_ms == null or
		.duration_us == null) | .name' log | wc -l)"
follows() { wait_for grep -q '"name":"nas.test"' "$T/follower.log" &&
	wait_for grep -q '"name":"ads.blocked.test"' "$T/follower.log"; }
check C-62_the_log_is_followed follows
kill -INT "$follower"
check following_ends_with_its_reader wait_for gone "$follower"
check the_log_as_text eval 'dns log | grep -qE "^[0-9:.]{12} .* A +nas\.test +NOERROR +policy"'

check stats_show_the_upstream eval 'dns stats | grep -qE "nsd|'$DNS4':53"'
check stats_as_json same 1 "$(field 'select(.dns.type == "cache") | .dns.entries' stats)"
check the_cache_by_name same "www.$ZONE A NOERROR" \
	"$(field '.dns | "\(.name) \(.qtype) \(.rcode)"' cache "$ZONE")"
check the_cache_of_another_name_is_empty same "" "$(field '.dns.name' cache nowhere.test)"

check lookup_says_the_answer_and_where_from same "NOERROR $WEB6 $DNS4:53" \
	"$(field '.dns | (.rcode // empty), (select(.type == "record") | .data), (.upstream // empty)' \
		lookup "www.$ZONE" AAAA | sort -u | sed -n 'H; ${x; s/\n/ /g; p}' |
		awk -v u="$DNS4:53" -v a="$WEB6" '{ print "NOERROR", a, u }')"
check lookup_of_a_blocked_name_says_why same "nxdomain NXDOMAIN" \
	"$(field '.dns | select(.type == "lookup") | "\(.action) \(.rcode)"' lookup x.blocked.test)"
bad_name() { ! dns lookup a..b >"$T/shown" 2>&1 && grep -q 'no domain name' "$T/shown"; }
check lookup_of_what_is_no_name_is_an_error bad_name
bad_type() { ! dns lookup a.test NONSENSE >"$T/shown" 2>&1 && grep -q 'record type' "$T/shown"; }
check lookup_of_an_unknown_type_is_an_error bad_type

flushed() {
	local before after
	before=$(field 'select(.dns.type == "upstream") | .dns.queries' stats | awk '{ n += $1 } END { print n }')
	same 1 "$(field .dns.count flush "www.$ZONE" | awk '{ print ($1 >= 1) }')" || return 1
	ask "www.$ZONE" >/dev/null
	after=$(field 'select(.dns.type == "upstream") | .dns.queries' stats | awk '{ n += $1 } END { print n }')
	within $((before + 1)) $((before + 2)) "$after"
}
check C-30_flushed_names_are_asked_for_again flushed
check flush_of_everything eval '[ "$(field .dns.count flush)" -ge 1 ]'
check nothing_is_kept_then same "" "$(field '.dns.name' cache)"

# A resolver that is killed ends what waits for it, and nothing else.
start_host follower2 "$B/headrace" dns log --follow --instance "$INSTANCE"
follower=$started_pid
wait_for grep -q WHEN "$T/follower2.log"
kill -KILL "$(role_pids resolver)"
check a_killed_resolver_ends_its_followers wait_for gone "$follower"
check which_are_told_so grep -q 'the resolver ended' "$T/follower2.log"
again() { [ "$(ask "www.$ZONE")" = "$WEB4" ]; }
check queries_are_answered_after_that wait_for again
session_stop
finish
