#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Other people's DNS clients at a listener: kdig, dnsperf, and dnspython for malformed messages.
set -u
. "$(dirname "$0")/lib.sh"

world_up
dns_start
cat >"$T/conf.yaml" <<-END
	dns:
	  listen: ["127.0.0.1:5300"]
	  upstreams: {nsd: {type: plain, address: $DNS4}}
	  groups: {default: {upstreams: [nsd]}}
END
session_start -c "$T/conf.yaml"
k() { in_host kdig @127.0.0.1 -p 5300 +timeout=6 +retry=0 "$@"; }

check kdig_by_udp same $WEB4 "$(k +short "www.$ZONE")"
check kdig_by_tcp same $WEB6 "$(k +tcp +short "www.$ZONE" AAAA)"
check kdig_keeps_its_connection same "$WEB4
$WEB4" "$(k +tcp +keepopen +short "www.$ZONE" "v4.$ZONE")"
check kdig_with_padding_and_a_subnet same $WEB4 \
	"$(k +padding=128 +subnet=198.51.100.0/24 +short "www.$ZONE")"

printf '%s A\n' "www.$ZONE" "v4.$ZONE" "echo.$ZONE" "nowhere.$ZONE" >"$T/queries"
lost() { # OPTION...
	in_host dnsperf -s 127.0.0.1 -p 5300 -d "$T/queries" -l 1 -c 8 -q 64 "$@" >"$T/perf" 2>&1
	grep -E '^ *Queries (sent|lost)' "$T/perf"
	grep -qE '^ *Queries lost: +0 ' "$T/perf" && grep -qE '^ *Queries completed: +[1-9]' "$T/perf"
}
check dnsperf_by_udp_loses_nothing lost
check dnsperf_by_tcp_loses_nothing lost -m tcp
check malformed_messages_by_dnspython in_host /usr/bin/python3 "$TOP/tests/net/malformed.py" \
	127.0.0.1 5300 "www.$ZONE"
check it_answers_afterwards same $WEB4 "$(k +short "www.$ZONE")"
session_stop
finish
