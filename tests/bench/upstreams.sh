# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# What a question to unbound costs the resolver over each transport (upstreams.c): one at a
# time, 64 at a time, and over a connection of its own with the session resumed.
#
# shellcheck disable=SC2154 # variables of session.sh

UPSTREAM_HOST=dns.bench.example

# A key and a certificate by itself, which the client trusts as its own authority.
upstreams_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj /CN=bench -addext "subjectAltName=DNS:$UPSTREAM_HOST" \
		-keyout "$work/upstream.key" -out "$work/upstream.pem" 2>/dev/null
}

upstreams_unbound() {
	cat >"$work/upstream.conf" <<-END
		server:
			interface: $SERVER@5303
			interface: $SERVER@853
			interface: $SERVER@443
			tls-service-key: "$work/upstream.key"
			tls-service-pem: "$work/upstream.pem"
			access-control: 0.0.0.0/0 allow
			local-zone: "$ZONE." redirect
			local-data: "$ZONE. 300 A 192.0.2.1"
			username: ""
			chroot: ""
			directory: "$work"
			pidfile: "$work/upstream.pid"
			use-syslog: no
			do-daemonize: no
		remote-control:
			control-enable: no
	END
	start upstream nsenter --net=/run/netns/server -- "$SERVERS/usr/sbin/unbound" -d \
		-c "$work/upstream.conf"
}

# upstreams_ask MODE TYPE PORT LANES: its line in $line, empty if it fails.
upstreams_ask() {
	line=$(timeout -k 2 $((DURATION + 15)) nsenter --net=/run/netns/server -- \
		"$B/tests/bench/upstreams" "$1" "$2" "$SERVER" "$3" $UPSTREAM_HOST \
		"$work/upstream.pem" "$ZONE" 1000 "$DURATION" "$4" 2>"$work/err") ||
		warn "$2: $(tail -n 1 "$work/err")"
}

part_upstreams() {
	local type port line='' rate='' p50='' p99='' cpu='' rest=''
	upstreams_certificate
	upstreams_unbound
	wait_for in_ns server bash -c ": >/dev/tcp/$SERVER/443" ||
		{ fail upstreams "unbound: $(tail -n 1 "$work/upstream.log")"; return; }
	while read -r type port; do
		upstreams_ask loop "$type" "$port" 1
		read -r rate p50 p99 cpu rest <<<"$line" || true
		note upstream_p50 "$type" "$p50"
		note upstream_p99 "$type" "$p99"
		upstreams_ask loop "$type" "$port" 64
		read -r rate p50 p99 cpu rest <<<"$line" || true
		note upstream_loop64 "$type" "$rate"
		note upstream_cpu "$type" "$cpu"
		[ "$type" != tcp ] || continue
		upstreams_ask connect "$type" "$port" 1
		read -r rate p50 p99 cpu rest <<<"$line" || true
		note upstream_resumed_p50 "$type" "$p50"
	done <<-END
		tcp 5303
		tls 853
		https 443
		get 443
	END
	stop "$started"
}
