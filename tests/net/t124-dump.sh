#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# T-05: the packets that pass the TUN, as files that tcpdump reads: switched on and off while
# traffic runs, bounded, for their owner alone; and traffic that does not notice.
set -u
. "$(dirname "$0")/lib.sh"
# shellcheck disable=SC2154 # started_pid is set by lib.sh

world_up
web_start
dns_start
echo_start
sum=$(web_file file.bin 3000000)
large=$(web_file large.bin 60000000)
session_start --dns $DNS4
tun=$(device)

# dump NAME OPTIONS...: begins one; $T/NAME.log is its, with its exit status at the end.
# shellcheck disable=SC2016 # expands over there
dump() {
	dump_name=$1
	start_host "$1" bash -c 'env --default-signal=INT setpriv --pdeathsig KILL "${@:2}" &
		echo $! >"$1"; wait $!; echo "status $?"' - "$T/$1.pid" \
		"$B/headrace" dump --instance "$INSTANCE" "${@:2}"
	wait_for grep -q 'end it by' "$T/$1.log" || cat "$T/$1.log"
	dumping=$(cat "$T/$1.pid")
}
ended() { # STATUS: the dump has ended, so
	wait_for grep -q '^status' "$T/$dump_name.log" && grep -qx "status $1" "$T/$dump_name.log"
}
dump_end() { kill -INT "$dumping" && ended 0; }
get() { same "$sum" "$(inside curl -sSf -m 60 "http://$1/file.bin" | sha256sum)"; }
get_large() { same "$large" "$(inside curl -sSf -m 120 "http://$WEB4/large.bin" | sha256sum)"; }
# of FILE FILTER: packets there that tcpdump finds by it.
of() { tcpdump -nr "$1" "${@:2}" 2>"$T/tcpdump.err" | wc -l; }
readable() { [ "$(of "$1")" -gt 0 ] && ! grep -iE 'truncated|error|bogus' "$T/tcpdump.err"; }
written() { sed -n 's/.*: \([0-9]*\) packets written.*/\1/p' "$T/$1.log"; }
# What the device has counted, both ways.
passed() { inside ip -j -s link show "$tun" | jq '.[0].stats64 | .rx.packets + .tx.packets'; }
dumps() { json status .status.dumps; }
sockets() { inside ss -H0n | wc -l; }

# --- on and off ------------------------------------------------------------------------------

check T-05_off_there_is_no_socket_to_copy_packets_to same "0 0" "$(dumps) $(sockets)"
before=$(passed)
dump whole -w "$T/whole.pcapng"
check T-05_status_says_that_packets_are_dumped same 1 "$(dumps)"
check T-05_a_download_passes get $WEB4
check T-05_a_download_over_IPv6_passes get "[$WEB6]"
check T-05_datagrams_pass inside "$HELPERS/udp" ping $ECHO4 7 1 1400
check T-05_a_ping_passes inside ping -c 1 -W 5 $ECHO4
after=$(passed)
check T-05_it_ends_when_it_is_interrupted dump_end
check T-05_no_packet_is_missing same $((after - before)) "$(written whole)"
check T-05_tcpdump_reads_them_all same "$(written whole)" "$(of "$T/whole.pcapng")"
both_ways() { # FILTER HERE THERE
	[ "$(of "$T/whole.pcapng" "$1 and src $2 and dst $3")" -gt 0 ] &&
		[ "$(of "$T/whole.pcapng" "$1 and src $3 and dst $2")" -gt 0 ]
}
own4=$(json status .status.device4) own6=$(json status .status.device6)
check T-05_TCP_both_ways both_ways "tcp port 80" "$own4" $WEB4
check T-05_TCP_over_IPv6_both_ways both_ways "ip6 and tcp port 80" "$own6" $WEB6
check T-05_UDP_both_ways both_ways "udp port 7" "$own4" $ECHO4
check T-05_ping_both_ways both_ways icmp "$own4" $ECHO4
bytes() { # all that the server sent: relative sequence numbers are those of its bytes
	tcpdump -nr "$T/whole.pcapng" "tcp and src $WEB4 and dst $own4" 2>/dev/null |
		sed -n 's/.*, length \([0-9]*\).*/\1/p' | awk '{ n += $1 } END { print n }'
}
check T-05_with_every_byte within 3000000 3100000 "$(bytes)"
check T-05_off_again same "0 0" "$(dumps) $(sockets)"
check T-05_for_its_owner_alone same "600 root" "$(stat -c '%a %U' "$T/whole.pcapng")"

# --- what is in the way ------------------------------------------------------------------------

says() { # STATUS TEXT COMMAND...: it ends so, and says that
	local status=0
	"${@:3}" >"$T/said" 2>&1 </dev/null || status=$?
	same "$1" $status && grep -q "$2" "$T/said" && return 0
	cat "$T/said"
	return 1
}
echo keep >"$T/there"
ln -s "$T/there" "$T/link"
ln -s "$T/nowhere" "$T/dangling"
into() { headrace dump --instance "$INSTANCE" -w "$1" --count 1; }
check T-05_what_is_there_is_not_overwritten says 1 "File exists" into "$T/there"
check T-05_a_link_is_not_followed says 1 "File exists" into "$T/link"
check T-05_nor_one_that_leads_nowhere says 1 "File exists" into "$T/dangling"
check T-05_and_nothing_is_changed eval 'same keep "$(cat "$T/there")" && ! test -e "$T/nowhere"'
check T-05_no_directory_is_made says 1 "No such file" into "$T/no/file"
stranger() { in_host setpriv --reuid 65533 --regid 65533 --clear-groups "$B/headrace" dump --instance "$INSTANCE"; }
check T-05_only_root says 1 "only root" stranger
check T-05_no_number says 2 "not a number from" headrace dump --count 0

# --- bounds ----------------------------------------------------------------------------------------

dump some -w "$T/some.pcapng" --count 5
get $WEB4 >/dev/null
check T-05_it_ends_after_so_many_packets eval 'ended 0 && same "5 5" "$(written some) $(of "$T/some.pcapng")"'
dump heads -w "$T/heads.pcapng" --snaplen 64
get $WEB4 >/dev/null
dump_end
check T-05_no_more_of_a_packet_than_its_head within 1 $((200 + $(written heads) * 112)) \
	"$(stat -c %s "$T/heads.pcapng")"
check T-05_heads_are_readable same "$(written heads)" "$(of "$T/heads.pcapng")"
dump one -w "$T/one.pcapng" --size 1
check T-05_a_download_goes_on_when_the_file_has_its_size get $WEB4
check T-05_which_ends_the_dump eval 'ended 0 && grep -q "has its size" "$T/one.log"'
check T-05_at_its_size within 900000 1000200 "$(stat -c %s "$T/one.pcapng")"
check T-05_and_can_be_read readable "$T/one.pcapng"
dump ring -w "$T/ring.pcapng" --size 1 --files 2
for _ in 1 2 3; do get $WEB4 >/dev/null; done
dump_end
ring=("$T"/ring.pcapng*)
check T-05_of_a_ring_the_latest_files_stay same 2 ${#ring[@]}
check T-05_not_the_first eval '! test -e "$T/ring.pcapng"'
check T-05_each_of_its_size eval '! find "$T"/ring.pcapng* -size +1000200c | grep .'
for file in "${ring[@]}"; do
	check "T-05_${file##*/}_can_be_read_by_itself" readable "$file"
done
latest=$(printf '%s\n' "${ring[@]}" | sort -V | tail -n 1)
check T-05_the_end_of_the_download_is_in_the_latest test \
	"$(of "$latest" "tcp[tcpflags] & tcp-fin != 0 and src $own4")" -gt 0

# A file system of 300 kB, and a download of ten times that.
cat >"$T/full.sh" <<-END
	mount -t tmpfs -o size=300k none "$T/small" || exit 9
	touch "$T/mounted"
	"$B/headrace" dump --instance "$INSTANCE" -w "$T/small/full.pcapng"
	echo "status \$?"
	cp "$T/small/full.pcapng" "$T/full.pcapng"
END
mkdir "$T/small"
start_host full unshare --mount bash "$T/full.sh"
wait_for grep -q 'end it by' "$T/full.log"
check T-05_a_download_goes_on_when_the_disk_is_full get $WEB4
wait_for gone "$started_pid"
check T-05_a_full_disk_is_said grep -q 'No space left on device: ended; traffic goes on' "$T/full.log"
check T-05_and_is_a_failure grep -q '^status 1' "$T/full.log"
check T-05_what_is_missing_is_counted grep -qE ' [1-9][0-9]* not written' "$T/full.log"
check T-05_what_fits_can_be_read readable "$T/full.pcapng"
check T-05_and_is_what_was_counted same "$(written full)" "$(of "$T/full.pcapng")"

# --- who reads slowly, or no more ------------------------------------------------------------------

dump slow -w "$T/slow.pcapng"
kill -STOP "$dumping"
check T-05_a_download_does_not_wait_for_a_dump get_large
kill -CONT "$dumping"
dump_end
check T-05_what_is_not_read_in_time_is_counted grep -qE ' [1-9][0-9]* not read in time' "$T/slow.log"
piped() { same 3 "$(headrace dump --instance "$INSTANCE" 2>/dev/null | tcpdump -nr - -c 3 2>/dev/null | wc -l)"; }
start traffic bash -c "while sleep 0.1; do nsenter --target $session_command --net ping -c 1 -W 1 $ECHO4; done"
check T-05_into_a_pipe piped
stop "$started_pid"
dump last -w "$T/last.pcapng"
session_stop
check T-05_it_ends_with_its_instance eval 'ended 0 && grep -q "packets written" "$T/last.log"'

finish
