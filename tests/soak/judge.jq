# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Was the soak clean? Reads what tests/soak/run has gathered (samples, failures, kills, died,
# problems); prints {wrong: [what was wrong, first things first], lines: [the summary], ...}.

# A resident set counts as back where it was within this: pages that malloc keeps between blocks
# in use, tables that have grown for the peak, what of the C library was touched first meanwhile;
# a worker that has just been restarted has touched less. 4 MiB are 30 bytes for each connection
# of a worker that lives half of half an hour.
def rss_slack($before): [($before * 0.15), 4096] | max;
# Other programs of the machine use the slab, too: 64 MiB are 180 bytes per connection of half
# an hour. What the instance is charged for is its own: per-CPU stocks, and lazily freed dentries.
def slab_slack_kib: 65536;
def kernel_slack_bytes: 4194304;
# A datagram may be lost if a role died in so long before it was sent or after.
def near_ms: 4000;
# Longer pauses of the load's programs (soak.h) are the machine's: what was under way may time out.
def after_pause_ms: 5000;
# Kept until there is no room: these maps (LRU) and the resolver's cache are bounded instead.
def is_lru: . == "domains" or . == "domain_facts" or . == "fragments" or . == "dns_answers";
# What the load brings about on purpose, what loss and kills lead to; all else is unexpected.
# tcp_window, tcp_reset: segments sent again, and the RST of who aborts with a full window.
# upstream_unreachable: fragments that were never completed out there (ICMP time exceeded).
# icmp_type: the same from the application's kernel, and answers to a port it has closed.
def is_expected:
	IN("upstream_refused", "upstream_timeout", "retransmit", "stray", "fragment_lost",
		"role_restart", "dns_timeout", "upstream_unreachable", "icmp_type", "link_local", "tcp_window", "tcp_reset");

def near($ms; $since; $until): any($ms[]; . >= $since and . <= $until);

($samples | map(select(.phase == "before")) | last) as $before
| ($samples | map(select(.phase == "after")) | last) as $after
| ($kills | map(.ms)) as $killed
| ($died | map(.event | {key: "\(.proto) \(.sport)", ms: .time_ms})
	| group_by(.key) | map({key: .[0].key, value: map(.ms)}) | from_entries) as $held
| ($failures | map(select(.from != "server") | {key: .id, value: true}) | from_entries) as $ids
| ($failures | map(. as $f | . + {paused: any($pauses[];
	.since_ms <= $f.ms and .ms >= $f.since_ms - after_pause_ms)})) as $failed
| ($failed | map(. + {explained: (
	.what != "wrong bytes up" and .what != "wrong bytes down" and .what != "wrong bytes"
		and .what != "wrong answer" and .what != "twice" and
	if .paused then true
	elif .from == "server" then $ids[.id] // near($killed; .since_ms - 1000; .ms)
	elif .from == "datagram" then near($killed; .since_ms - near_ms; .since_ms + near_ms)
	else near($held["\(.proto) \(.port)"] // []; .since_ms - 1000; .ms + 1000) end)})) as $told
| ($told | map(select((.explained | not) and .from != "datagram"))) as $unexplained
| ($told | map(select((.explained | not) and .from == "datagram" and .what != "lost"))) as $odd
| ($told | map(select((.explained | not) and .from == "datagram" and .what == "lost"))) as $lost
| ($after.lost.datagrams + $after.udp_errors) as $may_be_lost
| ($after.roles | map(.restarts) | add) as $restarts
| ($after.drops | group_by(.reason)
	| map({key: .[0].reason, value: (map(.count) | add)}) | from_entries) as $drops
| [
	$problems[],
	($told[] | select(.what | test("wrong|twice"))
		| "\(.from): \(.what), \(.kind) over IPv\(.family), port \(.port), id \(.id)"),
	($unexplained[]
		| "\(.from): \(.what): \(.kind) over IPv\(.family), port \(.port), id \(.id), no role died"),
	($odd[] | select(.what | test("wrong|twice") | not)
		| "datagram: \(.what): \(.kind) over IPv\(.family), port \(.port), no role died"),
	(if ($lost | length) > $may_be_lost then
		"\($lost | length) datagrams lost, but only \($may_be_lost) were taken away" else empty end),
	(if $restarts != ($kills | length) then
		"\($restarts) roles died, but only \($kills | length) were killed" else empty end),
	($before.maps | to_entries[] | select((.key | is_lru | not) and .value > 0)
		| "map \(.key): \(.value) entries left by the warm-up"),
	($after.maps | to_entries[] | select((.key | is_lru | not) and .value > ($before.maps[.key] // 0))
		| "map \(.key): \($before.maps[.key]) entries before, \(.value) after"),
	($after.roles[] | . as $r
		| ("tcp_open", "tcp_connecting", "udp_open", "icmp_open", "buffer_bytes", "fragments_held",
			"dns_pending") | select($r[.] != 0) | "\($r.name): \(.) is \($r[.]) after the load"),
	($after.processes[] | . as $p
		| ($before.processes[] | select(.name == $p.name)) as $was
		| (if $p.fds != $was.fds then
			"\($p.name): \($was.fds) descriptors before, \($p.fds) after" else empty end),
		(if $sanitize then empty
		elif $p.rss_kib > $was.rss_kib + rss_slack($was.rss_kib) then
			"\($p.name): RSS \($was.rss_kib) KiB before, \($p.rss_kib) KiB after"
		else empty end)),
	($after.sockets | to_entries[] | select(.value > ($before.sockets[.key] // 0))
		| "sockets: \(.key) was \($before.sockets[.key]) before, \(.value) after"),
	(if $after.conntrack != 0 then "\($after.conntrack) conntrack entries" else empty end),
	(if $after.kernel_bytes and $after.kernel_bytes > $before.kernel_bytes + kernel_slack_bytes then
		"kernel memory: \($before.kernel_bytes) bytes before, \($after.kernel_bytes) after"
	else empty end),
	(if ($after.kernel_bytes | not) and $after.slab_kib > $before.slab_kib + slab_slack_kib then
		"slab: \($before.slab_kib) KiB before, \($after.slab_kib) KiB after" else empty end),
	(if $after.kernel.events_lost != 0 then "\($after.kernel.events_lost) events lost" else empty end),
	($drops | to_entries[] | select((.key | is_expected | not) and .value > 0)
		| "dropped: \(.value) times \(.key)")
] as $wrong
| {
	wrong: $wrong,
	unexplained: ($unexplained | length),
	explained: ($told | map(select(.explained)) | length),
	drops: $drops,
	before: $before,
	after: $after,
	lines: [
		"connections   \($after.load.tcp.opened | add) opened, \($after.load.tcp.failed | add) failed"
			+ ", \($after.load.tcp.late) late; "
			+ "\(($after.load.tcp.up_bytes + $after.load.tcp.down_bytes) / 1048576 | floor) MiB",
		"datagrams     \($after.load.datagram.sent) sent, \($after.load.datagram.lost) lost"
			+ " (\($lost | length) with no role's death near; the wire and sockets took \($may_be_lost))",
		"dns           \($after.load.dns.asked) questions, \($after.load.dns.again) asked again"
			+ ", \($after.load.dns.failed) failed",
		"roles         \($kills | length) killed, \($died | length) flows with them; "
			+ "\($told | map(select(.explained and .from != "server")) | length) failures explained by it,"
			+ " \($unexplained | length) not",
		"pauses        \($pauses | map(select(.from == "tcp") | .ms - .since_ms) | add // 0) ms, with "
			+ "\($told | map(select(.paused and .from != "server")) | length) failures",
		"wrong bytes   \($told | map(select(.what | test("wrong|twice"))) | length)",
		($after.processes[] | . as $p | ($before.processes[] | select(.name == $p.name)) as $was
			| "\(.name | . + " " * (14 - length))RSS \($was.rss_kib) -> \(.rss_kib) KiB, "
			+ "descriptors \($was.fds) -> \(.fds), \(.cpu_s) CPU s"),
		"maps          " + ($after.maps | to_entries
			| map("\(.key) \($before.maps[.key]) -> \(.value)") | join(", ")),
		"kernel        slab of the machine \($before.slab_kib) -> \($after.slab_kib) KiB, of the "
			+ "instance \($before.kernel_bytes) -> \($after.kernel_bytes) bytes, conntrack \($after.conntrack)",
		"drops         " + ($drops | to_entries | map(select(.value > 0) | "\(.key) \(.value)") | join(", ")),
		($wrong[:20][] | "WRONG         \(.)")
	]
}
