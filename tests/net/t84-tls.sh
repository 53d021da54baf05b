#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Encrypted upstreams: unbound by DNS over TLS and over HTTPS with a certificate of our own
# authority; and in its place servers that are each wrong in one way. Whatever happens, no
# question crosses the wire in plaintext: the far side counts, and every packet is kept.
set -u
. "$(dirname "$0")/lib.sh"

HOST=dns.$ZONE
EXPIRED='20200101000000Z 20210101000000Z'
VALID="$(date -u -d yesterday +%Y%m%d%H%M%SZ) $(date -u -d tomorrow +%Y%m%d%H%M%SZ)"

# --- certificates -------------------------------------------------------------------------------

# authority DIR: a key, a certificate, and what `openssl ca` wants.
authority() {
	mkdir -p "$T/$1/new"
	: >"$T/$1/index"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3 -subj "/CN=$1" \
		-keyout "$T/$1/key" -out "$T/$1/pem" 2>/dev/null
	cat >"$T/$1/conf" <<-END
		[ca]
		default_ca = this
		[this]
		database = $T/$1/index
		new_certs_dir = $T/$1/new
		certificate = $T/$1/pem
		private_key = $T/$1/key
		default_md = sha256
		rand_serial = yes
		policy = any
		copy_extensions = copy
		unique_subject = no
		[any]
		commonName = supplied
	END
}

# certificate FILE AUTHORITY NAME FROM TO
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=server" \
		-addext "subjectAltName=DNS:$3" -keyout "$T/$1.key" -out "$T/$1.csr" 2>/dev/null
	openssl ca -batch -notext -config "$T/$2/conf" -startdate "$4" -enddate "$5" \
		-in "$T/$1.csr" -out "$T/$1.pem" 2>"$T/ca.log" || die "$(cat "$T/ca.log")"
}

pin() { # FILE: of its key, as the configuration names it
	printf 'sha256/'
	openssl x509 -in "$T/$1.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
		openssl dgst -sha256 -binary | base64
}

# --- servers ------------------------------------------------------------------------------------

server='' # pid of whoever has the addresses now
leave() { [ -z "$server" ] || { kill -KILL "$server"; wait_for gone "$server"; server=''; }; }

# serve_unbound CERTIFICATE: DoT on port 853, DoH on port 443.
serve_unbound() {
	leave
	mkdir -p "$T/unbound"
	cat >"$T/unbound.conf" <<-END
		server:
			interface: $RESOLVER4@853
			interface: $RESOLVER4@443
			tls-service-key: "$T/$1.key"
			tls-service-pem: "$T/$1.pem"
			access-control: 0.0.0.0/0 allow
			directory: "$T/unbound"
			pidfile: "$T/unbound/pid"
			username: ""
			chroot: ""
			do-daemonize: no
			use-syslog: no
			local-zone: "hidden.$ZONE." redirect
			local-data: "hidden.$ZONE. 300 A $WEB4"
		remote-control:
			control-enable: no
	END
	start_far unbound "$SERVERS/usr/sbin/unbound" -d -c "$T/unbound.conf"
	server=$started_pid
	wait_for listening "$RESOLVER4:853" || die "unbound: $(cat "$T/unbound.log")"
}

# serve_tls CERTIFICATE [OPTION...]: a TLS server that has nothing to say.
serve_tls() {
	leave
	start_far s_server openssl s_server -accept "$RESOLVER4:853" -quiet -key "$T/$1.key" \
		-cert "$T/$1.pem" "${@:2}"
	server=$started_pid
	wait_for listening "$RESOLVER4:853" || die "s_server: $(cat "$T/s_server.log")"
}

serve_plaintext() { # speaks, but no TLS
	leave
	start_far plaintext socat "TCP-LISTEN:853,bind=$RESOLVER4,reuseaddr,fork" \
		SYSTEM:'echo 220 hello; sleep 1'
	server=$started_pid
	wait_for listening "$RESOLVER4:853"
}

# serve_portal CERTIFICATE: whatever is asked, it redirects to its page.
serve_portal() {
	leave
	mkdir -p "$T/portal"
	cat >"$T/portal.conf" <<-END
		daemon off;
		user root;
		master_process off;
		pid $T/portal/pid;
		events { worker_connections 64; }
		http {
			access_log off;
			client_body_temp_path $T/portal/body;
			proxy_temp_path $T/portal/proxy;
			fastcgi_temp_path $T/portal/fastcgi;
			uwsgi_temp_path $T/portal/uwsgi;
			scgi_temp_path $T/portal/scgi;
			server {
				listen $RESOLVER4:443 ssl http2;
				ssl_certificate $T/$1.pem;
				ssl_certificate_key $T/$1.key;
				location / { return 302 http://portal.example/login; }
			}
		}
	END
	start_far portal "$SERVERS/usr/sbin/nginx" -p "$T/portal" -c "$T/portal.conf" \
		-e "$T/portal/error.log"
	server=$started_pid
	wait_for listening "$RESOLVER4:443" || die "nginx: $(cat "$T/portal.log")"
}

# on_the_wire RULE: what becomes of packets to the server; '' = they pass.
on_the_wire() {
	in_far nft flush chain inet watch fault &&
		{ [ -z "$1" ] || in_far nft add rule inet watch fault "ip daddr $RESOLVER4 $1"; }
}

# --- questions ----------------------------------------------------------------------------------

# ask_next: a question that nobody has asked before.
ask_next() { inside dig +tries=1 +time=7 "q$RANDOM-$RANDOM.hidden.$ZONE"; }
status_of_next() { ask_next | sed -nE 's/.*status: ([A-Z]+),.*/\1/p'; }
answers() { [ "$(status_of_next)" = NOERROR ]; }
fails() { same SERVFAIL "$(status_of_next)"; }
says() { wait_for grep -qF -- "$1" "$T/session.log" || { tail -n 5 "$T/session.log"; return 1; }; }
# of_upstream NAME FILTER: what the resolver says of it.
of_upstream() {
	headrace dns --instance "$INSTANCE" stats --json |
		jq -r ".dns | select(.type == \"upstream\" and .name == \"$1\") | $2"
}

# back_within_5_s: as the questions' own time goes, for on a busy machine to start a process to
# ask them may take as long. On an idle one 200 of them take 5 s.
back_within_5_s() {
	local answer ms=0 took i
	for i in {1..200}; do
		answer=$(ask_next)
		took=$(sed -n 's/.*Query time: \([0-9]*\) msec.*/\1/p' <<<"$answer")
		ms=$((ms + ${took:-7000}))
		[ "$ms" -le 5000 ] || break
		! grep -q 'status: NOERROR' <<<"$answer" || return 0
	done
	echo "not back after $i questions and $ms ms"
	return 1
}
shows() { of_upstream "${upstream:-dot}" .error | grep -F -- "$1"; }

# fault NAME TEXT: the question fails, the log says why, and all is well soon after.
fault() {
	check "C-20_$1_fails" fails
	check "C-20_$1_is_explained" says "$2"
	check "C-20_$1_is_shown" shows "$2"
	serve_unbound good
	check "C-20_$1_is_over_within_5_s" back_within_5_s
}

# session UPSTREAM...: lines of `upstreams`; the first is asked first.
session() {
	{
		printf 'dns:\n  upstreams:\n'
		printf '    %s\n' "$@"
		printf '  groups:\n    default: {upstreams: [%s]}\n' \
			"$(printf '%s\n' "$@" | sed 's/:.*//' | paste -sd ,)"
	} >"$T/headrace.yaml"
	session_start -c "$T/headrace.yaml"
}
dot() { echo "$1: {type: tls, host: $HOST, address: $RESOLVER4, ca: $T/ours/pem${2:-}}"; }
doh() {
	echo "$1: {type: https, url: \"https://$HOST/dns-query\", address: $RESOLVER4," \
		"ca: $T/ours/pem${2:-}}"
}

# --- the test -----------------------------------------------------------------------------------

world_up
authority ours
authority theirs
# shellcheck disable=SC2086 # two dates
{
	certificate good ours "$HOST" $VALID
	certificate expired ours "$HOST" $EXPIRED
	certificate other ours "other.$ZONE" $VALID
	certificate foreign theirs "$HOST" $VALID
}
in_far nft -f - <<END
table inet watch {
	chain fault { type filter hook input priority 0; }
	chain count {
		type filter hook input priority -10;
		iifname wire udp dport 53 counter
		iifname wire tcp dport 53 counter
	}
}
END
# Connections to servers that leave the host; those that the resolver makes carry its mark, which
# is what keeps them out of its own capture.
in_host nft -f - <<-'END'
	table inet watch {
		counter marked { }
		counter unmarked { }
		chain out {
			type filter hook postrouting priority 0;
			oifname != "uplink" accept
			meta l4proto != tcp accept
			tcp flags & (syn | ack) != syn accept
			meta mark 0x68720000 counter name marked accept
			counter name unmarked
		}
	}
END
start_far tcpdump tcpdump -i wire -U -s 0 -w "$T/wire.pcap"
wait_for test -s "$T/wire.pcap" || die "tcpdump: $(cat "$T/tcpdump.log")"
watcher=$started_pid

serve_unbound good
session "$(dot dot)"
check C-20_dns_over_tls answers
many() { # at once, over what is there
	inside bash -c "for i in {1..30}; do
		dig +short +tries=1 +time=7 m\$i.hidden.$ZONE A & done; wait" | sort | uniq -c |
		sed 's/^ *//' >"$T/many"
	same "30 $WEB4" "$(cat "$T/many")"
}
check C-23_many_at_once_by_tls many
connections() { in_far ss -Htn state established "src $RESOLVER4" | wc -l; }
check C-23_connections_are_shared within 1 3 "$(connections)"

# Connections that are torn down: the next one resumes the session.
on_the_wire 'tcp dport 853 reject with tcp reset'
check C-20_connection_torn_down_fails fails
on_the_wire ''
check C-20_connection_torn_down_is_over_within_5_s back_within_5_s
check C-23_session_is_resumed within 1 9 "$(of_upstream dot .resumed)"

serve_tls expired
fault expired "its certificate has expired on 2021-01-01"
serve_tls other
fault wrong_name "its certificate is not for $HOST"
serve_tls foreign
fault unknown_authority "its certificate is not by an authority that is trusted"
serve_tls good -tls1_1 -cipher DEFAULT@SECLEVEL=0
fault old_version "it speaks no TLS of version 1.2 or later"
serve_plaintext
fault no_tls "what it says is not TLS"
leave
fault nobody "Connection refused"

serve_unbound good
on_the_wire 'tcp dport 853 tcp flags & psh == psh reject with tcp reset'
check C-20_reset_in_the_handshake_fails fails
check C-20_reset_in_the_handshake_is_explained \
	says "Connection reset by peer during the TLS handshake"
on_the_wire ''
check C-20_reset_in_the_handshake_is_over_within_5_s back_within_5_s

# With a connection in use: its silence is noticed, and that nobody answers a new one.
on_the_wire drop
check C-20_black_hole_fails fails
check C-20_black_hole_is_explained says "what was sent is not acknowledged"
check C-20_black_hole_fails_again fails
check C-20_black_hole_is_explained_again says "no answer to the attempt to connect"
on_the_wire ''
check C-20_black_hole_is_over_within_5_s back_within_5_s

# trust FILE: it is what the configuration's file of authorities holds now.
cp "$T/ours/pem" "$T/kept.pem"
trust() { cp "$1" "$T/ours/pem" && headrace reload --instance "$INSTANCE"; }
refused() {
	! trust /dev/null 2>"$T/refused" && grep -F "no certificate in PEM form" "$T/refused"
}
check C-20_other_authorities_by_a_reload trust "$T/theirs/pem"
check C-20_a_server_that_is_not_by_them_fails fails
check C-20_that_is_shown shows "its certificate is not by an authority that is trusted"
check C-20_authorities_that_are_none_are_refused refused
check C-20_the_first_authorities_by_a_reload trust "$T/kept.pem"
check C-20_they_are_trusted_again answers
session_stop

# Pins come on top; who has another key is passed over, and the next upstream asked.
session "$(dot other | sed "s|}|, pins: [$(pin foreign)]}|")" \
	"$(dot pinned | sed "s|}|, pins: [$(pin foreign), $(pin good)]}|")"
check C-20_pin_of_another_key_is_passed_over answers
check C-20_pin_of_another_key_is_explained says "no key of its certificates is one of the pins"
check C-23_answers_come_from_the_next_upstream within 1 9 "$(of_upstream pinned .answers)"
session_stop

session "$(doh post)" "$(doh get | sed 's/}/, method: GET}/')"
check C-20_dns_over_https_by_post answers
check C-23_many_at_once_by_https many
# An application that asks by HTTPS itself is forwarded like any other; nothing listens on port 80.
own_doh() {
	inside curl -sv --max-time 6 --doh-url "https://$HOST/dns-query" --cacert "$T/ours/pem" \
		--resolve "$HOST:443:$RESOLVER4" "http://m1.hidden.$ZONE/" >"$T/curl" 2>&1
	grep -F "Trying $WEB4:80" "$T/curl" || { cat "$T/curl"; return 1; }
}
check an_application_asks_by_https_itself own_doh
check C-20_all_of_them_by_post same 0 "$(of_upstream get .answers)"
session_stop

# The system's authorities, here for its processes alone: looked up when they are needed, by a
# resolver that has long lost its privileges.
mkdir "$T/system"
cp "$T/ours/pem" "$T/system/ours.pem"
openssl rehash "$T/system"
printf '#!/bin/sh\nmount --bind %s /etc/ssl/certs && exec "$@"\n' "$T/system" >"$T/with_authority"
chmod +x "$T/with_authority"
SESSION_PREFIX="unshare --mount $T/with_authority"
session "$(doh get | sed 's/, ca: .*}/, method: GET}/')"
check C-20_dns_over_https_by_get_with_the_systems_authorities answers
serve_portal good
upstream='get'
fault redirection "HTTP status 302: redirected to http://portal.example/login"
session_stop

# --- nothing was ever said in plaintext ---------------------------------------------------------

leave
stop "$watcher"
connects() { # COUNTER: connections begun, and begun again
	in_host nft -j list counter inet watch "$1" | jq '[.nftables[].counter.packets // 0] | add'
}
check C-20_every_socket_of_an_upstream_is_marked same 0 "$(connects unmarked)"
check C-20_and_such_sockets_were_seen within 10 100000 "$(connects marked)"
plaintext_queries() { in_far nft list chain inet watch count | grep -o 'packets [0-9]*'; }
check C-20_no_packet_to_port_53 same "packets 0
packets 0" "$(plaintext_queries)"
check C-20_no_question_in_any_packet same 0 "$(grep -ac hidden "$T/wire.pcap")"
captured() { grep -ac "$HOST" "$T/wire.pcap"; } # SNI: the capture is one
check C-20_and_the_packets_were_seen within 5 1000 "$(captured)"
finish
