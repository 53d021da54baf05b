// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* conf.c and its neighbours: what a file means, and what is said of one that means nothing. */
#include "read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#define PIN "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static struct conf_dns *good(const char *text)
{
	takes(text);
	return &conf->dns;
}

static void warns(const char *text, const char *says)
{
	good(text);
	if (!errors.warnings || !strstr(errors.text, says))
		fail_msg("of:\n%s\nit warns:\n%sexpected: %s", text, errors.text, says);
}

static void an_empty_file_is_all_defaults(void **state)
{
	static const char *const empty[] = {
		"",   "\n",	"# nothing\n", "---\n",
		"{}", "dns:\n", "dns: {}\n",   "dns: {upstreams: {}, groups: {}}"
	};

	for (size_t i = 0; i < NUM(empty); i++) {
		const struct conf_dns *d = good(empty[i]);

		assert_int_equal(errors.warnings, 0);
		assert_int_equal(d->upstreams, 1);
		assert_string_equal(d->upstream[0].name, "host");
		assert_int_equal(d->upstream[0].type, CONF_HOST);
		assert_int_equal(d->upstream[0].timeout_ms, 2000);
		assert_int_equal(d->groups, 1);
		assert_string_equal(d->group[0].name, "default");
		assert_int_equal(d->group[0].upstreams, 1);
		assert_int_equal(d->group[0].failover_rcodes, 1 << 2 | 1 << 5);
		assert_int_equal(d->policies, 1);
		assert_string_equal(d->policy[0].name, "default");
		assert_int_equal(d->policy[0].group, 0);
		assert_int_equal(d->lists, 0);
	}
}

static void the_defaults_of_single_values(void **state)
{
	const struct conf_dns *d = good("");

	assert_int_equal(conf->log_level, LOG_LEVEL_INFO);
	assert_int_equal(conf->workers, 1);
	assert_true(conf->ipv6);
	assert_int_equal(conf->mtu, 0);
	assert_int_equal(conf->given, 0);
	assert_int_equal(conf->limits.n[LIMIT_FLOWS], FLOWS_MAX);
	assert_int_equal(d->timeout_ms, 5000);
	assert_int_equal(d->block_ttl, 60);
	assert_true(d->rebind_protection);
	assert_true(d->loop_check);
	assert_false(d->keep_ecs);
	assert_int_equal(d->cache.entries, 4096);
	assert_int_equal(d->cache.bytes, 8 << 20);
	assert_int_equal(d->cache.ttl_max, 86400);
	assert_int_equal(d->cache.stale, 86400);
	assert_true(d->cache.prefetch);
	assert_true(d->cache.kernel);
}

static const char whole[] =
	"log: debug\n"
	"workers: 2\n"
	"ipv6: false\n"
	"mtu: 1400\n"
	"host-loopback: 198.51.100.7\n"
	"limits: {flows: 1000, dns-queries: 2K}\n"
	"dns:\n"
	"  listen: [\"127.0.0.1:53\", \"[::1]:5353\", 0.0.0.0]\n"
	"  allow: [203.0.113.0/24, 2001:db8::/32, 192.0.2.1]\n"
	"  devices: {lan0: auto, lan1: xdp}\n"
	"  upstreams:\n"
	"    quad9: {type: tls, host: dns.Quad9.net., addresses: [9.9.9.9, \"[2620:fe::9]:8853\"],\n"
	"            pins: [" PIN "], ca: ca.pem, family: split, timeout: 1500ms}\n"
	"    doh: {type: https, url: \"https://dns.example:8443/dns-query?x=1\", method: GET}\n"
	"    isp: {type: plain, address: 192.0.2.1}\n"
	"    byip: {type: tls, host: 192.0.2.9, port: 8853}\n"
	"  groups:\n"
	"    isp: {upstreams: isp, race: true, failover-rcodes: [NXDOMAIN, RCODE9]}\n"
	"    default: {upstreams: [quad9, doh, byip]}\n"
	"  bootstrap: [192.0.2.53, \"192.0.2.54:5353\"]\n"
	"  lists:\n"
	"    ads: {file: lists/ads.txt, format: hosts}\n"
	"    bad: {file: /srv/bad.txt}\n"
	"  policies:\n"
	"    - name: kids\n"
	"      clients: [10.0.3.0/24, 10.0.4.9]\n"
	"      group: isp\n"
	"      restricted: true\n"
	"      only-resolved: true\n"
	"      block-quic: true\n"
	"      rules:\n"
	"        - {domain: [.Ads.example, exact.example., '*.below.example'], block: nxdomain}\n"
	"        - {list: [ads, bad], type: [A, aaaa, TYPE65], block: zero}\n"
	"        - {domain: .corp.example, group: default}\n"
	"        - {domain: nas.lan, address: [10.0.0.5, fd00::5]}\n"
	"        - {domain: old.lan, cname: New.lan.}\n"
	"        - {domain: .good.example, pass: true}\n"
	"  cache: {entries: 100, bytes: 1M, ttl-min: 10s, ttl-max: 1h, negative-max: 0, stale: 0s,\n"
	"          prefetch: false, kernel: false, flush-domains: [flush.example]}\n"
	"  timeout: 3s\n"
	"  block-ttl: 2m\n"
	"  rebind-protection: false\n"
	"  private-domains: [.home.arpa]\n"
	"  keep-client-subnet: true\n"
	"  loop-check: false\n";

static void reads_upstreams(void **state)
{
	const struct conf_dns *d = good(whole);
	const struct conf_upstream *u = d->upstream;
	char text[ENDPOINT_TEXT_MAX];

	assert_int_equal(d->upstreams, 4);
	assert_string_equal(u[0].host, "dns.quad9.net");
	assert_int_equal(u[0].addresses, 2);
	assert_string_equal(endpoint_format(&u[0].address[0], text), "9.9.9.9:853");
	assert_string_equal(endpoint_format(&u[0].address[1], text), "[2620:fe::9]:8853");
	assert_int_equal(u[0].pins, 1);
	assert_int_equal(u[0].pin[0][0], 0xe3);
	assert_int_equal(u[0].pin[0][31], 0x55);
	assert_string_equal(u[0].ca_file, "/etc/x/ca.pem");
	assert_int_equal(u[0].family, CONF_SPLIT);
	assert_int_equal(u[0].timeout_ms, 1500);
	assert_int_equal(u[1].type, CONF_HTTPS);
	assert_string_equal(u[1].host, "dns.example");
	assert_string_equal(u[1].path, "/dns-query?x=1");
	assert_int_equal(u[1].port, 8443);
	assert_true(u[1].get);
	assert_int_equal(u[1].addresses, 0);
	assert_string_equal(endpoint_format(&u[2].address[0], text), "192.0.2.1:53");
	assert_string_equal(endpoint_format(&u[3].address[0], text), "192.0.2.9:8853");
}

static void the_group_default_is_place_0(void **state)
{
	const struct conf_dns *d = good(whole);

	assert_int_equal(d->groups, 2);
	assert_string_equal(d->group[0].name, "default");
	assert_int_equal(d->group[0].upstreams, 3);
	assert_int_equal(d->group[0].upstream[2], 3);
	assert_string_equal(d->group[1].name, "isp");
	assert_int_equal(d->group[1].upstream[0], 2);
	assert_true(d->group[1].race);
	assert_int_equal(d->group[1].failover_rcodes, 1 << 3 | 1 << 9);
	assert_int_equal(d->policy[0].group, 1);
}

static void reads_policies_and_rules(void **state)
{
	const struct conf_dns *d = good(whole);
	const struct conf_rule *rule = d->policy[0].rule;

	assert_int_equal(d->policies, 2);
	assert_string_equal(d->policy[1].name, "default");
	assert_int_equal(d->policy[0].clients, 2);
	assert_int_equal(d->policy[0].client[1].bits, 32);
	assert_true(d->policy[0].restricted && d->policy[0].only_resolved);
	assert_true(d->policy[0].block_quic);
	assert_int_equal(d->policy[0].rules, 6);
	assert_string_equal(rule[0].domain[0], ".ads.example");
	assert_string_equal(rule[0].domain[1], "exact.example");
	assert_string_equal(rule[0].domain[2], "*.below.example");
	assert_int_equal(rule[0].action, DNS_NXDOMAIN);
	assert_int_equal(rule[0].group, CONF_NONE);
	assert_int_equal(rule[1].lists, 3);
	assert_int_equal(rule[1].types, 3);
	assert_int_equal(rule[1].type[1], 28);
	assert_int_equal(rule[1].type[2], 65);
	assert_int_equal(rule[1].action, DNS_ZERO);
	assert_int_equal(rule[2].action, DNS_PASS);
	assert_int_equal(rule[2].group, 0);
	assert_int_equal(rule[3].action, DNS_REWRITE);
	assert_int_equal(rule[3].addresses, 2);
	assert_string_equal(rule[4].cname, "new.lan");
	assert_int_equal(rule[5].action, DNS_PASS);
	assert_int_equal(rule[5].group, CONF_NONE);
}

static void reads_the_rest(void **state)
{
	const struct conf_dns *d = good(whole);
	char text[ENDPOINT_TEXT_MAX];

	assert_int_equal(conf->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(conf->workers, 2);
	assert_false(conf->ipv6);
	assert_int_equal(conf->mtu, 1400);
	assert_int_equal(conf->limits.n[LIMIT_FLOWS], 1000);
	assert_int_equal(conf->limits.n[LIMIT_DNS_QUERIES], 2048);
	assert_int_equal(conf->given, 255);
	assert_int_equal(d->listeners, 3);
	assert_string_equal(endpoint_format(&d->listener[1].endpoint, text), "[::1]:5353");
	assert_string_equal(endpoint_format(&d->listener[2].endpoint, text), "0.0.0.0:53");
	assert_int_equal(d->listener[0].line, 8);
	assert_int_equal(d->allows, 3);
	assert_int_equal(d->allow[1].bits, 32);
	assert_int_equal(d->devices, 2);
	assert_string_equal(d->device[1].name, "lan1");
	assert_int_equal(d->device[1].mode, CONF_DEVICE_XDP);
	assert_int_equal(d->bootstraps, 2);
	assert_string_equal(endpoint_format(&d->bootstrap[0], text), "192.0.2.53:53");
	assert_string_equal(d->list[0].file, "/etc/x/lists/ads.txt");
	assert_int_equal(d->list[0].format, CONF_LIST_HOSTS);
	assert_string_equal(d->list[1].file, "/srv/bad.txt");
	assert_int_equal(d->cache.bytes, 1 << 20);
	assert_int_equal(d->cache.ttl_min, 10);
	assert_int_equal(d->cache.ttl_max, 3600);
	assert_int_equal(d->cache.stale, 0);
	assert_string_equal(d->cache.flush_domain[0], "flush.example");
	assert_int_equal(d->timeout_ms, 3000);
	assert_int_equal(d->block_ttl, 120);
	assert_false(d->rebind_protection || d->loop_check);
	assert_string_equal(d->private_domain[0], ".home.arpa");
	assert_true(d->keep_ecs);
}

static void the_one_upstream_without_groups_is_the_default(void **state)
{
	const struct conf_dns *d =
		good("dns: {upstreams: {a: {type: host}, b: {type: plain, address: '::1'}}}");

	assert_int_equal(d->groups, 1);
	assert_int_equal(d->group[0].upstreams, 2);
	assert_int_equal(d->group[0].upstream[1], 1);
}

static const struct {
	const char *text;
	unsigned int line;
	const char *says;
} refused[] = {
	/* YAML */
	{ "dns:\n  a: [1\n", 3, "not YAML" },
	{ "a: \"\x01\"", 0, "not UTF-8" },
	{ "mtu: 1400\n---\nmtu: 1400\n", 2, "a second document" },
	{ "log: &x info\n", 1, "anchors (&name)" },
	{ "log: !x info\n", 1, "tags (!name)" },
	{ "log: !!str info\n", 1, "tags (!name)" },
	{ "? [a]\n: b\n", 1, "as a key" },
	{ "? {a: b}\n: b\n", 1, "as a key" },
	{ "mtu: 1400\nipv6: true\nmtu: 1500\n", 3, "mtu: given twice, first on line 1" },
	{ "dns:\n  lists: {a: {file: x}, a: {file: y}}\n  policies: [{rules: [{list: a, "
	  "pass: true}]}]\n",
	  2, "dns.lists.a: given twice" },
	{ "a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}}}}", 1, "too deeply" },
	{ "log: \"in\\0fo\"", 1, "has a NUL" },
	{ "- log\n", 1, "expected the keys of the configuration" },
	{ "log\n", 1, "expected the keys of the configuration" },
	/* keys */
	{ "logs: info\n", 1, "no such key 'logs' of the configuration, did you mean 'log'?" },
	{ "upstreams: {}\n", 1, "it belongs to dns" },
	{ "dns:\n  timeout: 1s\n  colour: red\n", 3, "dns.colour: no such key 'colour' of dns" },
	{ "dns: {cache: {entris: 1}}", 1, "did you mean 'entries'" },
	{ "dns: {policies: [{rules: [{domains: a, pass: true}]}]}", 1,
	  "dns.policies[0].rules[0].domains: no such key 'domains' of a rule, did you mean "
	  "'domain'?" },
	{ "dns: [a]", 1, "dns: expected the keys of dns" },
	{ "dns: 5", 1, "dns: expected the keys of dns" },
	/* words, numbers */
	{ "log: loud", 1, "'loud' is not known here, expected one of error, warn, info, debug" },
	{ "log: inof", 1, "did you mean 'info'?" },
	{ "log: ", 1, "log: no value, expected one of" },
	{ "log: [info]", 1, "log: a list, expected one of" },
	{ "ipv6: yes", 1, "'yes' is neither, expected true or false" },
	{ "workers: 0", 1, "out of range, expected auto (one per CPU) or a number from 1 to 16" },
	{ "workers: many", 1, "'many' is no number" },
	{ "mtu: 1279", 1, "'1279' is out of range, expected a number from 1280 to 65535" },
	{ "mtu: 1500.0", 1, "'1500.0' is no number" },
	{ "mtu: -1", 1, "'-1' is no number" },
	{ "mtu: 99999999999999999999", 1, "is no number" },
	{ "host-loopback: 127.0.0.1", 1, "neither loopback nor link-local" },
	{ "limits: {flows: 1}", 1, "limits.flows: limit 'flows' 1: expected 16 to" },
	{ "limits: {colour: 1}", 1, "'colour': no such limit" },
	{ "limits: {flows: [1]}", 1, "limits.flows" },
	{ "limits: 5", 1, "limits: '5' is no mapping" },
	/* times, sizes */
	{ "dns: {timeout: 5}", 1, "'5' has no unit, expected a time from 100ms to 60s" },
	{ "dns: {timeout: 5 s}", 1, "'5 s' is no time" },
	{ "dns: {timeout: s}", 1, "'s' is no time" },
	{ "dns: {timeout: 2m}", 1, "'2m' is out of range" },
	{ "dns: {block-ttl: 10ms}", 1, "'10ms' is no time, expected a time from 0s" },
	{ "dns: {cache: {stale: 999999999999999d}}", 1, "out of range" },
	{ "dns: {cache: {bytes: 8MB}}", 1, "'8MB' is no size" },
	{ "dns: {cache: {bytes: 999999999999999999G}}", 1, "out of range" },
	{ "dns: {cache: {ttl-min: 2h, ttl-max: 1h}}", 1, "ttl-min is more than ttl-max" },
	/* addresses */
	{ "dns: {listen: '127.0.0.1:0'}", 1, "'127.0.0.1:0' is no address" },
	{ "dns: {listen: '127.0.0.1:65536'}", 1, "is no address" },
	{ "dns: {listen: localhost}", 1, "expected ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT" },
	{ "dns: {listen: 224.0.0.1}", 1, "is no address" },
	{ "dns:\n  listen:\n  - 127.0.0.1\n  - 127.0.0.1:53\n", 4,
	  "the same address and port as on line 3" },
	{ "dns:\n  upstreams:\n    a: {type: https, url: \"https://0.0.0.0/q\"}\n", 3,
	  "is no server's address" },
	{ "dns: {allow: 10.0.0.1/8}", 1,
	  "'10.0.0.1/8' has bits set behind its prefix length, expected 10.0.0.0/8" },
	{ "dns: {allow: '2001:db8::1/64'}", 1, "expected 2001:db8::/64" },
	{ "dns: {allow: 10.0.0.0/33}", 1, "has no good prefix length" },
	{ "dns: {allow: 10.0.0.0/}", 1, "has no good prefix length" },
	{ "dns: {allow: 10.0.0.0/8x}", 1, "has no good prefix length" },
	{ "dns: {allow: 'x/8'}", 1, "is no network" },
	{ "dns: {bootstrap: 0.0.0.0}", 1, "is no server's address" },
	{ "dns: {bootstrap: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, 1.1.1.5, 1.1.1.6, 1.1.1.7, "
	  "1.1.1.8, 1.1.1.9]}",
	  1, "9 of them, expected 8 at most" },
	{ "dns: {devices: {averylongdevicename0: auto}}", 1, "at most 15 characters" },
	{ "dns: {devices: {lan0: fast}}", 1, "dns.devices.lan0: 'fast' is not known here" },
	{ "dns: {devices: lan0}", 1, "expected a mapping of names" },
	/* domains */
	{ "dns: {private-domains: b\xc3\xbc"
	  "cher.example}",
	  1, "is not ASCII: write it in punycode (xn--...)" },
	{ "dns: {private-domains: a..b}", 1, "has an empty label" },
	{ "dns: {private-domains: .}", 1, "has an empty label" },
	{ "dns: {private-domains: 'a b'}", 1, "has a character that no domain name has" },
	{ "dns: {private-domains: 'a.*.b'}", 1, "has a character that no domain name has" },
	{ "dns: {private-domains: "
	  "a123456789b123456789c123456789d123456789e123456789f123456789abcde.example}",
	  1, "a label of more than 63" },
	/* upstreams */
	{ "dns: {upstreams: {a: {}}}", 1, "dns.upstreams.a: an upstream without type" },
	{ "dns: {upstreams: {a: }}", 1, "dns.upstreams.a: an upstream without type" },
	{ "dns: {upstreams: {a: {type: tls}}}", 1, "an upstream of type tls without host" },
	{ "dns: {upstreams: {a: {type: https}}}", 1, "type https without url" },
	{ "dns: {upstreams: {a: {type: plain}}}", 1, "type plain without address" },
	{ "dns: {upstreams: {a: {type: quic}}}", 1,
	  "'quic' is not known here, expected one of plain, tcp, tls, https, host" },
	{ "dns: {upstreams: {a: {type: host, port: 5}}}", 1,
	  "dns.upstreams.a.port: not for upstreams of type host, only for plain, tcp and tls" },
	{ "dns: {upstreams: {a: {type: plain, address: '::1', host: a}}}", 1, "only for tls" },
	{ "dns: {upstreams: {a: {type: tls, host: b.example, url: 'https://a.example/'}}}", 1,
	  "dns.upstreams.a.url: not for upstreams of type tls, only for https" },
	{ "dns: {upstreams: {a: {type: plain, address: '::1', addresses: ['::2']}}}", 1,
	  "both address and addresses" },
	{ "dns: {upstreams: {a: {type: plain, address: '::1', port: 65536}}}", 1, "out of range" },
	{ "dns: {upstreams: {a: {type: plain, address: '::1', family: v4}}}", 1,
	  "family v4, but none of its addresses" },
	{ "dns: {upstreams: {a: {type: https, url: 'http://x/'}}}", 1,
	  "'http://x/' is no URL of a DNS service, expected https://HOST[:PORT]/PATH" },
	{ "dns: {upstreams: {a: {type: https, url: 'https://x'}}}", 1, "is no URL" },
	{ "dns: {upstreams: {a: {type: https, url: 'https://:1/'}}}", 1, "is no URL" },
	{ "dns: {upstreams: {a: {type: https, url: 'https://x:0/'}}}", 1, "is no URL" },
	{ "dns: {upstreams: {a: {type: https, url: 'https://x:70000/'}}}", 1, "is no URL" },
	{ "dns: {upstreams: {a: {type: https, url: 'https://[::1/'}}}", 1, "is no URL" },
	{ "dns: {upstreams: {a: {type: https, url: 'https://u@x/'}}}", 1,
	  "has a character that no domain name has" },
	{ "dns: {upstreams: {a: {type: https, url: 'https://x/ y'}}}", 1, "is no URL" },
	{ "dns: {upstreams: {a: {type: tls, host: x, pins: [sha256/AAAA]}}}", 1,
	  "dns.upstreams.a.pins[0]: 'sha256/AAAA' is no pin" },
	{ "dns: {upstreams: {'a b': {type: host}}}", 1, "'a b' is no name" },
	/* groups */
	{ "dns:\n  groups:\n    default: {upstreams: [hots]}\n", 3,
	  "dns.groups.default.upstreams[0]: 'hots': there is no such upstream, did you mean "
	  "'host'?" },
	{ "dns: {groups: {default: {}}}", 1, "a group without upstreams" },
	{ "dns: {groups: {default: {upstreams: }}}", 1, "a group without upstreams" },
	{ "dns: {groups: {default: {upstreams: []}}}", 1, "a group without upstreams" },
	{ "dns: {upstreams: {a: {type: plain, address: []}}}", 1,
	  "dns.upstreams.a.address: no address" },
	{ "dns: {groups: {other: {upstreams: [host]}}}", 1, "no group 'default'" },
	{ "dns: {groups: {default: {upstreams: [host, host]}}}", 1, "is there twice" },
	{ "dns: {groups: {default: {upstreams: host, failover-rcodes: [NOERROR]}}}", 1,
	  "cannot be one of them" },
	{ "dns: {groups: {default: {upstreams: host, failover-rcodes: [FAIL]}}}", 1,
	  "is no response code" },
	/* lists, policies, rules */
	{ "dns: {lists: {a: {format: hosts}}, policies: [{rules: [{list: a, pass: true}]}]}", 1,
	  "a list without file" },
	{ "dns: {policies: {a: b}}", 1, "dns.policies: expected a list" },
	{ "dns: {policies: [x]}", 1, "dns.policies[0]: expected the keys of a policy" },
	{ "dns: {policies: [{group: kids}]}", 1, "'kids': there is no such group" },
	{ "dns: {policies: [{restricted: true}]}", 1, "refuses every query" },
	{ "dns: {policies: [{restricted: true, rules: [{domain: a, block: zero}]}]}", 1,
	  "dns.policies[0].restricted: refuses every query" },
	{ "dns: {policies: [{name: a, clients: 10.0.0.1}, {name: a}]}", 1,
	  "two policies have the name 'a'" },
	{ "dns:\n  policies:\n    - rules:\n      - {domain: a}\n", 4,
	  "dns.policies[0].rules[0]: a rule with no action, expected one of block, pass" },
	{ "dns: {policies: [{rules: [{domain: a, block: zero, pass: true}]}]}", 1,
	  "a rule with more than one action" },
	{ "dns: {policies: [{rules: [{domain: a, pass: false}]}]}", 1,
	  "'false' says nothing, expected true" },
	{ "dns: {policies: [{rules: [{domain: a, block: zro}]}]}", 1,
	  "'zro' is not known here, expected one of nxdomain, zero, nodata, refused, did you "
	  "mean 'zero'?" },
	{ "dns: {policies: [{rules: [{domain: a, block: ask}]}]}", 1, "not known here" },
	{ "dns: {policies: [{rules: [{domain: a, address: []}]}]}", 1, "no address" },
	{ "dns: {policies: [{rules: [{list: ads, block: zero}]}]}", 1,
	  "rules[0].list: 'ads': there is no such list" },
	{ "dns: {policies: [{rules: [{type: [B], block: zero}]}]}", 1, "'B' is no query type" },
	{ "dns: {policies: [{rules: [{domain: [[a]], block: zero}]}]}", 1,
	  "rules[0].domain[0]: a list, expected 'example.org'" },
};

static void refuses_each_with_line_key_and_what_was_expected(void **state)
{
	for (size_t i = 0; i < NUM(refused); i++) {
		if (refused[i].line) {
			refuses_at(refused[i].text, refused[i].line, refused[i].says);
			continue;
		}
		assert_int_equal(read_text(refused[i].text), -EINVAL);
		assert_non_null(strstr(errors.text, refused[i].says));
	}
}

/* C-20 has three types of upstream more: each is an error that names it, and what there is. */
static void c20_types_that_are_not_built_are_refused_by_name(void **state)
{
	static const char *const types[] = { "doh3", "doq", "sdns" };
	char text[128];
	char says[128];

	for (size_t i = 0; i < NUM(types); i++) {
		snprintf(text, sizeof(text),
			 "dns:\n  upstreams:\n    a: {type: %s, host: a.test}\n", types[i]);
		snprintf(
			says, sizeof(says),
			"dns.upstreams.a.type: '%s' is not known here, expected one of plain, tcp, "
			"tls, https, host",
			types[i]);
		refuses_at(text, 3, says);
	}
}

static void tells_all_errors_in_the_order_of_lines(void **state)
{
	assert_int_equal(read_text("mtu: 1\n"
				   "dns:\n"
				   "  policies:\n"
				   "  - {group: x}\n"
				   "  upstreams:\n"
				   "    a: {type: tls, prot: 853}\n"
				   "  timeout: 5\n"
				   "loog: info\n"),
			 -EINVAL);
	assert_int_equal(errors.num, 6);
	assert_string_equal(
		errors.text,
		"/etc/x/f.yaml:1: mtu: '1' is out of range, expected a number from 1280 to 65535\n"
		"/etc/x/f.yaml:4: dns.policies[0].group: 'x': there is no such group\n"
		"/etc/x/f.yaml:6: dns.upstreams.a.prot: no such key 'prot' of an upstream, did you "
		"mean 'port'?\n"
		"/etc/x/f.yaml:6: dns.upstreams.a: an upstream of type tls without host, expected "
		"host: NAME, whom the certificate must be for\n"
		"/etc/x/f.yaml:7: dns.timeout: '5' has no unit, expected a time from 100ms to 60s "
		"(ms, s, m, h, d)\n"
		"/etc/x/f.yaml:8: loog: no such key 'loog' of the configuration, did you mean "
		"'log'?\n");
}

static void an_alias_is_one_error(void **state)
{
	assert_int_equal(read_text("log: &x info\nipv6: *x\n"), -EINVAL);
	assert_int_equal(errors.num, 2);
	assert_non_null(strstr(errors.text, ":2: ipv6: aliases (*name) are not taken"));
}

static void warns_of_what_has_no_effect(void **state)
{
	warns("dns: {upstreams: {a: {type: host}, b: {type: host}}, groups: {default: "
	      "{upstreams: a}}}",
	      ":1: warning: dns.upstreams.b: in no group");
	warns("dns: {groups: {default: {upstreams: host}, x: {upstreams: host}}}",
	      "dns.groups.x: no policy and no rule uses it");
	warns("dns: {lists: {a: {file: x}}}", "dns.lists.a: no rule uses it");
	warns("dns:\n  policies:\n  - {name: a}\n  - {name: b}\n",
	      ":4: warning: policy b: never used");
	warns("dns:\n  policies:\n  - rules:\n    - {pass: true}\n    - {domain: a, block: zero}\n",
	      ":5: warning: policy policy-1: rule never used");
	warns("dns: {upstreams: {a: {type: tls, host: a}, b: {type: plain, address: '::1'}}}",
	      "dns.groups.default: queries go out in plaintext (b)");
}

static void warns_of_cnames_that_lead_back(void **state)
{
	warns("dns: {policies: [{rules: [{domain: .x, cname: y.x}]}]}", "leads back");
	warns("dns: {policies: [{rules: [{domain: a, cname: b}, {domain: b, cname: a}]}]}",
	      "leads back");
	good("dns: {policies: [{rules: [{domain: '*.x', cname: x}, {domain: b, cname: ax}]}]}");
	assert_int_equal(errors.warnings, 0);
}

static void many_errors_are_counted_and_cut_at_a_line(void **state)
{
	char *text = calloc(1, 64 * 400);
	size_t used = 0;

	assert_non_null(text);
	for (int i = 0; i < 400; i++)
		used += (size_t)sprintf(text + used, "unknown-%d: 1\n", i);
	assert_int_equal(read_text(text), -EINVAL);
	assert_int_equal(errors.num, 400);
	assert_true(errors.used < sizeof(errors.text));
	assert_int_equal(errors.text[errors.used - 1], '\n');
	free(text);
}

static void refuses_what_is_too_long(void **state)
{
	size_t len = CONF_FILE_MAX + 1;
	char *text = malloc(len + 1);

	assert_non_null(text);
	memset(text, '#', len);
	text[len] = '\0';
	assert_int_equal(read_text(text), -EINVAL);
	assert_non_null(strstr(errors.text, "/etc/x/f.yaml: longer than 16777216 bytes"));
	memset(text, 'a', 5000);
	memcpy(text, "log: ", 5);
	text[5000] = '\0';
	assert_int_equal(read_text(text), -EINVAL);
	assert_int_equal(errors.num, 1);
	assert_non_null(strstr(errors.text, ":1: log: a value that is longer than 4096 bytes"));
	free(text);
}

static void nine_upstreams_need_groups(void **state)
{
	refuses_at(
		"dns:\n  upstreams:\n    a: {type: host}\n    b: {type: host}\n    c: {type: host}\n"
		"    d: {type: host}\n    e: {type: host}\n    f: {type: host}\n    g: {type: host}\n"
		"    h: {type: host}\n    i: {type: host}\n",
		3, "9 upstreams and no groups");
}

static void more_values_than_a_file_may_have(void **state)
{
	size_t num = 530000, used;
	char *text = malloc(2 * num + 64);

	assert_non_null(text);
	used = (size_t)sprintf(text, "dns: {allow: [");
	for (size_t i = 0; i < num; i++) {
		text[used++] = 'a';
		text[used++] = ',';
	}
	strcpy(text + used, "]}");
	refuses_at(text, 1, "more values than a file may have");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(an_empty_file_is_all_defaults, teardown),
		cmocka_unit_test_teardown(the_defaults_of_single_values, teardown),
		cmocka_unit_test_teardown(reads_upstreams, teardown),
		cmocka_unit_test_teardown(the_group_default_is_place_0, teardown),
		cmocka_unit_test_teardown(reads_policies_and_rules, teardown),
		cmocka_unit_test_teardown(reads_the_rest, teardown),
		cmocka_unit_test_teardown(the_one_upstream_without_groups_is_the_default, teardown),
		cmocka_unit_test_teardown(refuses_each_with_line_key_and_what_was_expected,
					  teardown),
		cmocka_unit_test_teardown(c20_types_that_are_not_built_are_refused_by_name,
					  teardown),
		cmocka_unit_test_teardown(tells_all_errors_in_the_order_of_lines, teardown),
		cmocka_unit_test_teardown(an_alias_is_one_error, teardown),
		cmocka_unit_test_teardown(warns_of_what_has_no_effect, teardown),
		cmocka_unit_test_teardown(warns_of_cnames_that_lead_back, teardown),
		cmocka_unit_test_teardown(many_errors_are_counted_and_cut_at_a_line, teardown),
		cmocka_unit_test_teardown(refuses_what_is_too_long, teardown),
		cmocka_unit_test_teardown(nine_upstreams_need_groups, teardown),
		cmocka_unit_test_teardown(more_values_than_a_file_may_have, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
