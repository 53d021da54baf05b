# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Samples {metric, config, rep, value} of a part's repetitions (slurped) to, as $want says, the
# JSON lines of the benchmark's contract, or the head or the rows of the final table. Ratios are taken
# sample by sample with the partner of the same repetition; their median counts.

# The floors of the design: of a metric of Headrace, against the configuration it is divided
# by ("": the value itself), at least or at most so much.
def floors:
	(["tcp_up_1", "tcp_down_1", "tcp_up_8", "tcp_down_8", "crr"] |
		map({key: ., value: {against: "masquerade", least: 0.60}})) +
	(["udp64_up", "udp64_down", "udp1400_up", "udp1400_down"] |
		map({key: ., value: {against: "masquerade", least: 1.5}})) +
	[{key: "tcp_cpu_down", value: {against: "pasta", most: 0.60}},
	 {key: "rr_p50_1cpu", value: {against: "pasta", most: 0.78}},
	 {key: "dns_p50_1cpu", value: {against: "unbound", most: 0.35}},
	 {key: "dns_loop64", value: {against: "unbound", least: 2.0}},
	 {key: "dns_cpu", value: {against: "unbound", most: 0.3}},
	 {key: "dns_block_mem", value: {against: "", most: 20}},
	 {key: "dns_block_load", value: {against: "", most: 1}},
	 {key: "dns_block_cost", value: {against: "", most: 0.1}},
	 {key: "rules_mem", value: {against: "", most: 40}},
	 {key: "rules_load", value: {against: "", most: 0.5}},
	 {key: "mem_tcp_idle", value: {against: "", most: 600}},
	 {key: "mem_udp", value: {against: "", most: 256}},
	 {key: "flows_timers_idle", value: {against: "", most: 0}}] | from_entries;

# Of the part 'direct', where each configuration has a partner of its own.
def direct_floors:
	def rates($against; $tcp; $crr; $udp): {tcp_up_1: {against: $against, least: $tcp},
		crr: {against: $against, least: $crr}, udp64_up: {against: $against, least: $udp}};
	{headrace: (rates("plain"; 0.98; 0.95; 0.92) +
		{rr_p50_1cpu: {against: "plain", most: 1.08}}),
	 "headrace-rules": (rates("headrace"; 0.97; 0.97; 0.97) +
		{rr_p50_1cpu: {against: "headrace", most: 1.03}}),
	 "headrace-lan": (rates("plain-lan"; 0.98; 0.95; 0.88) +
		{rr_p50_1cpu: {against: "plain-lan", most: 1.08}}),
	 "headrace-egress": rates("headrace-route"; 0.95; 0.95; 0.95)};

# The partner without anything of ours.
def plain_of($c): if $c | endswith("-lan") then "plain-lan" else "plain" end;

def unit:
	if test("^tcp_(sys)?cpu_") then "s/GB"
	elif startswith("tcp_") then "Gbit/s"
	elif startswith("rr_") then "us"
	elif test("^dns_block_(mem|kept)") then "MB"
	elif . == "dns_block_load" then "s"
	elif . == "dns_block_step" then "ms"
	elif test("^dns_block_") then "us"
	elif test("^(dns|upstream)_(p|cpu|resumed)") then "us"
	elif . == "rules_mem" then "MB"
	elif test("^rules_co(st|ld)") then "us"
	elif startswith("rules_") then "s"
	elif startswith("mem_") then "bytes"
	elif startswith("start_") then "ms"
	elif . == "flows_timers_idle" then "timers"
	elif . == "flows_udp_rss" then "bytes"
	elif startswith("flows_") then "ns"
	else "1/s" end;

def median:
	sort | if length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;

def distinct_in_order: reduce .[] as $x ([]; if index([$x]) then . else . + [$x] end);

# Four significant digits; whole numbers stay whole.
def short:
	if . == null then "-"
	elif . == 0 or fabs >= 1000 then round | tostring
	else pow(10; 3 - (fabs | log10 | floor)) as $p | . * $p | round / $p | tostring end;

. as $all
| def values($m; $c): [$all[] | select(.metric == $m and .config == $c)];
  def ratio($m; $c; $other):
	values($m; $other) as $o
	| [values($m; $c)[] as $v | $o[] | select(.rep == $v.rep and .value != 0)
	   | $v.value / .value]
	| if length > 0 then median else null end;
  def lines:
	([.[].metric] | distinct_in_order)[] as $m
	| ([.[] | select(.metric == $m).config] | distinct_in_order)[] as $c
	| [values($m; $c)[].value]
	| {metric: $m, config: $c, unit: ($m | unit), median: median, min: min, max: max,
	   reps: length, ratio_to_masq: ratio($m; $c; "masquerade"),
	   ratio_to_plain: (if $part == "direct" then ratio($m; $c; plain_of($c)) else null end)};
  def verdict:
	(if $part == "direct" then direct_floors[.config][.metric] else floors[.metric] end) as $f
	| if $f == null or (.config | startswith("headrace") | not) then ["", ""]
	  else (if $f.against == "" then .median else ratio(.metric; .config; $f.against) end) as $x
	  | ["\(if $f.least then ">=" else "<=" end) \($f.least // $f.most)"
	     + (if $f.against == "" then "" else " x \($f.against)" end),
	     if $x == null then "not compared"
	     elif ($f.least and $x >= $f.least) or ($f.most and $x <= $f.most)
	     then "\($x | short) met"
	     else "\($x | short) NOT MET" end] end;
  if $want == "lines" then lines
  elif $want == "head" then
	["metric", "configuration", "median", "min", "max", "unit", "x masq", "x plain", "floor",
	 "result"] | join("\t")
  else (lines | [.metric, .config, (.median | short), (.min | short), (.max | short), .unit,
		  (.ratio_to_masq | short), (.ratio_to_plain | short)] + verdict)
	| map(if . == "" then " " else . end) | join("\t") end
