/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration file as it was understood: every value checked, every name resolved to the
 * place of what it names, every default filled in, every prefix without host bits. Main reads
 * the file, and the resolver the same bytes by the same code, so that nothing has to be written
 * in a second form between them.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/budget.h"
#include "base/log.h"
#include "conf/route.h"

#define CONF_FILE_MAX (16U << 20) /* bytes */
#define CONF_ERRORS_MAX 100 /* told in one go */
#define CONF_NAME_MAX 64 /* of an upstream, a group, a list, a policy; with its NUL */
#define CONF_UPSTREAMS_MAX 64
#define CONF_GROUP_UPSTREAMS_MAX 8
#define CONF_LISTENERS_MAX 32
#define CONF_GROUPS_MAX 64
#define CONF_LISTS_MAX 63
#define CONF_RULES_MAX 1024 /* of a policy */
#define CONF_DOMAINS_MAX 4096 /* of a rule */
#define CONF_TYPES_MAX 32 /* of a rule */
#define CONF_ALLOWS_MAX 1024
#define CONF_DEVICES_MAX 64
#define CONF_FLUSH_DOMAINS_MAX 256
#define CONF_PRIVATE_DOMAINS_MAX 1024
#define CONF_UPSTREAM_TIMEOUT_MS 2000 /* the default */
#define CONF_CNAME_CHAIN 8 /* rewrites that are followed when cycles are looked for */
#define CONF_PINS_MAX 8
#define CONF_ADDRESSES_MAX 8 /* of an upstream */
#define CONF_UPLINKS_MAX 64
#define CONF_LANS_MAX 64
#define CONF_FLOW_RULES_MAX RULES_MAX
#define CONF_CONDITIONS_MAX 4096 /* users, cgroups, ... that one rule names */
#define CONF_TEXT_MAX 1024 /* of a cgroup's or an executable's path, with its NUL */
#define CONF_NONE UINT32_MAX /* no such place */

/* What people write for each value. */
#define CONF_UPSTREAM_TYPES(X)                                                                     \
	X(CONF_PLAIN, "plain") /* UDP, TCP where it was cut */                                     \
	X(CONF_TCP, "tcp") /* plain, always by TCP */                                              \
	X(CONF_TLS, "tls") /* RFC 7858 */                                                          \
	X(CONF_HTTPS, "https") /* RFC 8484 */                                                      \
	X(CONF_HOST, "host") /* the host's own resolvers */

#define CONF_FAMILIES(X)                                                                           \
	X(CONF_BOTH, "both")                                                                       \
	X(CONF_V4, "v4")                                                                           \
	X(CONF_V6, "v6")                                                                           \
	X(CONF_SPLIT, "split") /* A over IPv4, everything else over IPv6 if there is one */

#define CONF_LIST_FORMATS(X)                                                                       \
	X(CONF_LIST_AUTO, "auto") /* told line by line */                                          \
	X(CONF_LIST_HOSTS, "hosts")                                                                \
	X(CONF_LIST_DOMAINS, "domains") /* one name a line; "*.name": those below it */            \
	X(CONF_LIST_DNSMASQ, "dnsmasq")                                                            \
	X(CONF_LIST_ADBLOCK, "adblock")

#define CONF_DEVICE_MODES(X)                                                                       \
	X(CONF_DEVICE_AUTO, "auto") /* XDP in native mode, else tc */                              \
	X(CONF_DEVICE_TC, "tc")                                                                    \
	X(CONF_DEVICE_XDP, "xdp")

/* Which devices are uplinks, where the host's own traffic is captured. */
#define CONF_UPLINK_MODES(X)                                                                       \
	X(CONF_UPLINKS_AUTO, "auto") /* all that are up and have a unicast route */                \
	X(CONF_UPLINKS_NONE, "none")                                                               \
	X(CONF_UPLINKS_NAMED, "named") /* not a word of the file: it has a list */

#define CONF_LOOPBACKS(X)                                                                          \
	X(CONF_LOOPBACK_NO, "false")                                                               \
	X(CONF_LOOPBACK_YES, "true")                                                               \
	X(CONF_LOOPBACK_DNS, "dns") /* only queries to resolvers on lo */

#define CONF_ATTACHES(X)                                                                           \
	X(CONF_ATTACH_AUTO, "auto") /* tcx links where the kernel has them, else clsact */         \
	X(CONF_ATTACH_TCX, "tcx")                                                                  \
	X(CONF_ATTACH_CLSACT, "clsact")

enum conf_upstream_type { CONF_UPSTREAM_TYPES(CONTRACT_ENUM) CONF_UPSTREAM_TYPE_NUM };
enum conf_family { CONF_FAMILIES(CONTRACT_ENUM) CONF_FAMILY_NUM };
enum conf_list_format { CONF_LIST_FORMATS(CONTRACT_ENUM) CONF_LIST_FORMAT_NUM };
enum conf_device_mode { CONF_DEVICE_MODES(CONTRACT_ENUM) CONF_DEVICE_MODE_NUM };
enum conf_uplink_mode { CONF_UPLINK_MODES(CONTRACT_ENUM) CONF_UPLINK_MODE_NUM };
enum conf_loopback { CONF_LOOPBACKS(CONTRACT_ENUM) CONF_LOOPBACK_NUM };
enum conf_attach { CONF_ATTACHES(CONTRACT_ENUM) CONF_ATTACH_NUM };

struct conf_upstream {
	char name[CONF_NAME_MAX];
	unsigned int line;
	enum conf_upstream_type type;
	char *host; /* TLS, HTTPS: that the certificate must be for: a name or an address */
	char *path; /* HTTPS: of the URL, with its query */
	bool get; /* HTTPS: GET instead of POST */
	uint16_t port; /* host order */
	struct endpoint address[CONF_ADDRESSES_MAX];
	uint32_t addresses; /* TLS, HTTPS: 0 = `host` is looked up (bootstrap) */
	enum conf_family family;
	uint8_t pin[CONF_PINS_MAX][32]; /* SHA-256 of SubjectPublicKeyInfo */
	uint32_t pins;
	char *ca_file; /* NULL = the system's */
	uint32_t timeout_ms; /* of one question to it */
};

/* Upstreams in order of preference. Place 0 is "default". */
struct conf_group {
	char name[CONF_NAME_MAX];
	unsigned int line;
	uint32_t upstream[CONF_GROUP_UPSTREAMS_MAX]; /* places in `upstreams` */
	uint32_t upstreams;
	bool race; /* ask all at once, the first answer counts */
	uint32_t failover_rcodes; /* bits by RCODE: such an answer makes the next one be asked */
};

struct conf_list {
	char name[CONF_NAME_MAX];
	unsigned int line;
	char *file; /* absolute, or relative to the configuration file's folder */
	enum conf_list_format format;
};

/* One rule of a policy: all conditions that are there must hold. */
struct conf_rule {
	unsigned int line;
	char **domain; /* "name" = it alone, "*.name" = those below, ".name" = both */
	size_t domains;
	uint64_t lists; /* bits by place in `lists` */
	uint16_t *type;
	size_t types;
	uint32_t action; /* enum dns_action; DNS_REWRITE: to `addresses` or `cname` */
	uint32_t group; /* DNS_PASS: place in `groups`, CONF_NONE = the policy's */
	struct addr address[CONF_ADDRESSES_MAX];
	uint32_t addresses;
	char *cname;
};

struct conf_policy {
	char name[CONF_NAME_MAX];
	unsigned int line;
	struct prefix *client; /* none = every client that no earlier policy has */
	size_t clients;
	struct conf_rule *rule;
	size_t rules;
	uint32_t group; /* for what no rule decides */
	bool restricted; /* what no rule decides is refused (REFUSED) */
	bool only_resolved;
	bool block_quic;
};

struct conf_listener {
	struct endpoint endpoint; /* zero address: all */
	unsigned int line;
};

struct conf_device {
	char name[16];
	unsigned int line;
	enum conf_device_mode mode;
};

struct conf_cache {
	uint32_t entries;
	uint32_t bytes;
	uint32_t ttl_min; /* seconds; answers are kept (and given) for no less and no more */
	uint32_t ttl_max;
	uint32_t negative_max;
	uint32_t stale; /* seconds that an answer may be given after its time, 0 = never */
	bool prefetch;
	bool kernel; /* answers are given to the kernel half, too */
	char **flush_domain; /* a query for one of them empties the cache */
	size_t flush_domains;
};

struct conf_dns {
	struct conf_listener *listener; /* besides the stack's address */
	size_t listeners;
	struct prefix *allow; /* foreign clients that are answered */
	size_t allows;
	struct conf_device *device; /* queries that arrive there are answered in the kernel */
	size_t devices;
	struct conf_upstream *upstream;
	size_t upstreams;
	struct conf_group *group; /* at least 1 */
	size_t groups;
	struct endpoint *bootstrap; /* who is asked for names of upstreams; none = the host's */
	size_t bootstraps;
	struct conf_list *list;
	size_t lists;
	struct conf_policy *policy; /* at least 1; the last is for all clients */
	size_t policies;
	struct conf_cache cache;
	uint32_t timeout_ms; /* of a query, over all upstreams */
	uint32_t block_ttl; /* seconds */
	bool rebind_protection;
	char **private_domain; /* that may have private addresses */
	size_t private_domains;
	bool keep_ecs; /* the client's subnet option goes upstream */
	bool loop_check; /* upstreams that lead back here are looked for */
	/* What the rules of `rules:` need to know of an address's name: */
	uint64_t rule_lists; /* bits by place in `lists`: some rule asks for them */
	bool rule_names; /* some rule asks for domains or lists */
	bool intercept; /* queries of captured clients go to the resolver */
};

/* Devices that are captured, by name or by a pattern of fnmatch(3). */
struct conf_point {
	char name[16];
	unsigned int line;
	bool bridged; /* LAN: frames between ports of one bridge, too */
	bool dns_only; /* LAN: nothing but DNS */
};

/* What the daemon captures on a host. */
struct conf_capture {
	enum conf_uplink_mode uplinks_mode;
	struct conf_point *uplink; /* CONF_UPLINKS_NAMED */
	size_t uplinks;
	struct conf_point *lan;
	size_t lans;
	enum conf_loopback loopback;
	enum conf_attach attach; /* of all programs of traffic control */
	struct conf_route route;
	bool closed; /* when-down: captured traffic is refused, not passed */
	uint32_t heartbeat_ms;
	struct pass_mark pass_mark[PASS_MARKS_MAX];
	uint32_t pass_marks;
	bool strict; /* AF_PACKET that goes round tc is closed */
};

struct conf_ports {
	uint16_t first, last; /* host order, both in it */
};

struct conf_mac {
	uint8_t b[6];
};

/*
 * What a rule about flows asks for. A flow satisfies a condition by one of its values; those
 * that have no values are no conditions. `domain` and `lists` are one condition, `cgroup` and
 * `unit` too.
 */
struct conf_conditions {
	char **domain; /* as in struct conf_rule */
	size_t domains;
	uint64_t lists; /* bits by place in dns.lists */
	struct prefix *destination;
	size_t destinations;
	struct prefix *source;
	size_t sources;
	struct conf_ports *port; /* destination's, of TCP and UDP */
	size_t ports;
	uint8_t *protocol; /* IPPROTO_* */
	size_t protocols;
	char **user; /* name or number; whose it is, is looked up when rules come into force */
	size_t users;
	char **cgroup; /* "/", "/a/b": it and those below */
	size_t cgroups;
	char **unit; /* with its suffix */
	size_t units;
	char **process; /* at most COMM_BYTES - 1 bytes */
	size_t processes;
	char **executable; /* absolute path */
	size_t executables;
	struct conf_mac *mac;
	size_t macs;
	char **interface; /* name, or a pattern with '*' */
	size_t interfaces;
	uint8_t *dscp;
	size_t dscps;
	struct pass_mark *fwmark;
	size_t fwmarks;
};

/* One rule about flows: the first one all of whose conditions hold decides. */
struct conf_flow_rule {
	struct conf_conditions is;
	struct conf_conditions isnt; /* none of these may hold; no condition is in both */
	char name[CONF_NAME_MAX]; /* "rule-1", "rule-2", ... if it has none */
	unsigned int line;
	uint8_t action; /* enum verdict: direct, forward, reject, drop */
};

struct conf {
	unsigned int references; /* conf_get(), conf_free() */
	enum log_level log_level;
	uint32_t workers; /* 0 = one per CPU */
	bool ipv6;
	uint32_t mtu; /* 0 = the default */
	struct addr host_loopback; /* zero = off */
	struct limits limits;
	uint32_t given; /* bits of enum conf_given: what the file itself has said */
	struct conf_capture capture;
	struct conf_dns dns;
	struct conf_flow_rule *rule;
	size_t rules;
	uint8_t fallback; /* enum verdict of what no rule decides: direct, forward; 0 = not said */
};

/* Keys of which it matters whether the file has them: options on the command line win. */
enum conf_given {
	CONF_GIVEN_LOG = 1,
	CONF_GIVEN_WORKERS = 2,
	CONF_GIVEN_IPV6 = 4,
	CONF_GIVEN_MTU = 8,
	CONF_GIVEN_HOST_LOOPBACK = 16,
	CONF_GIVEN_LIMITS = 32,
	CONF_GIVEN_UPSTREAMS = 64,
	CONF_GIVEN_REBIND = 128,
	CONF_GIVEN_CAPTURE = 256
};

/* All errors, one a line: "FILE:LINE: KEY: what is wrong, what was expected". */
struct conf_errors {
	unsigned int num; /* of errors, also of those that found no room */
	unsigned int warnings; /* "FILE:LINE: warning: ..."; there may be some in a good file, too */
	size_t used;
	char text[16384]; /* NUL-terminated, each line with its \n */
};

/* One more line, an error; `fmt` is without its \n. */
void conf_errors_add(struct conf_errors *e, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Reads `len` bytes of YAML that came from `file` (for messages; relative list files are
 * resolved from its folder). 0 and *ret_conf, the caller's to conf_free(); -EINVAL and at least
 * one error; -ENOMEM. Zero bytes are a good configuration: all defaults.
 */
int conf_read(const char *text, size_t len, const char *file, struct conf **ret_conf,
	      struct conf_errors *errors);
/* One more holder: conf_free() of the last one frees it. Returns `c`. */
struct conf *conf_get(struct conf *c);
/* Accepts NULL. */
void conf_free(struct conf *c);

/*
 * Servers of the command line: they are the group "default" then, whatever the file says of it.
 * 0 or -ENOMEM, and nothing has changed.
 */
int conf_use_servers(struct conf *c, const struct endpoint *server, uint32_t servers);
/*
 * The first key, by its name, that cannot change while an instance runs and has another value
 * in `b`. NULL: none.
 */
const char *conf_fixed_difference(const struct conf *a, const struct conf *b);

#endif
