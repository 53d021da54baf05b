// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The schema of rules about flows: a rule's own conditions and those under `not` are the same. */
#include "conf/reader.h"
#include "conf/schema.h"

/* Both structures begin with their conditions. */
#define CONDITION_KEYS                                                                             \
	{ .name = "domain",                                                                        \
	  .kind = &kind_list,                                                                      \
	  .of = &kind_pattern,                                                                     \
	  MANY(struct conf_conditions, domain, domains),                                           \
	  .max = CONF_DOMAINS_MAX,                                                                 \
	  .help = "condition: the name by which the destination was found" },                      \
		{ .name = "lists",                                                                 \
		  .kind = &kind_bits,                                                              \
		  .of = &kind_list_ref,                                                            \
		  FIELD(struct conf_conditions, lists),                                            \
		  .help = "condition: that name is in one of these lists of dns.lists" },          \
		{ .name = "destination",                                                           \
		  .kind = &kind_list,                                                              \
		  .of = &kind_prefix,                                                              \
		  MANY(struct conf_conditions, destination, destinations),                         \
		  .max = RULE_PREFIXES_MAX,                                                        \
		  .help = "condition: the destination's network" },                                \
		{ .name = "source",                                                                \
		  .kind = &kind_list,                                                              \
		  .of = &kind_prefix,                                                              \
		  MANY(struct conf_conditions, source, sources),                                   \
		  .max = RULE_PREFIXES_MAX,                                                        \
		  .help = "condition: the source's network" },                                     \
		{ .name = "port",                                                                  \
		  .kind = &kind_list,                                                              \
		  .of = &kind_ports,                                                               \
		  MANY(struct conf_conditions, port, ports),                                       \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: the destination's port, of TCP or UDP" },                    \
		{ .name = "protocol",                                                              \
		  .kind = &kind_list,                                                              \
		  .of = &kind_protocol,                                                            \
		  MANY(struct conf_conditions, protocol, protocols),                               \
		  .max = 256,                                                                      \
		  .help = "condition: the protocol" },                                             \
		{ .name = "user",                                                                  \
		  .kind = &kind_list,                                                              \
		  .of = &kind_user,                                                                \
		  MANY(struct conf_conditions, user, users),                                       \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: whose socket it is" },                                       \
		{ .name = "cgroup",                                                                \
		  .kind = &kind_list,                                                              \
		  .of = &kind_cgroup,                                                              \
		  MANY(struct conf_conditions, cgroup, cgroups),                                   \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: the socket's cgroup, or one above it" },                     \
		{ .name = "unit",                                                                  \
		  .kind = &kind_list,                                                              \
		  .of = &kind_unit,                                                                \
		  MANY(struct conf_conditions, unit, units),                                       \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: the socket's unit of systemd" },                             \
		{ .name = "process",                                                               \
		  .kind = &kind_list,                                                              \
		  .of = &kind_process,                                                             \
		  MANY(struct conf_conditions, process, processes),                                \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: the process's name" },                                       \
		{ .name = "executable",                                                            \
		  .kind = &kind_list,                                                              \
		  .of = &kind_executable,                                                          \
		  MANY(struct conf_conditions, executable, executables),                           \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: the file that the process executes" },                       \
		{ .name = "mac",                                                                   \
		  .kind = &kind_list,                                                              \
		  .of = &kind_mac,                                                                 \
		  MANY(struct conf_conditions, mac, macs),                                         \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: the client's hardware address" },                            \
		{ .name = "interface",                                                             \
		  .kind = &kind_list,                                                              \
		  .of = &kind_interface,                                                           \
		  MANY(struct conf_conditions, interface, interfaces),                             \
		  .max = CONF_CONDITIONS_MAX,                                                      \
		  .help = "condition: the device where the flow is captured" },                    \
		{ .name = "dscp",                                                                  \
		  .kind = &kind_list,                                                              \
		  .of = &kind_number,                                                              \
		  MANY(struct conf_conditions, dscp, dscps),                                       \
		  .min = 0,                                                                        \
		  .max = 63,                                                                       \
		  .help = "condition: the differentiated services code point" },                   \
	{                                                                                          \
		.name = "fwmark", .kind = &kind_list, .of = &kind_mark,                            \
		MANY(struct conf_conditions, fwmark, fwmarks), .max = RULE_MARKS_MAX,              \
		.help = "condition: the packet's mark"                                             \
	}

static const char *const unbuilt[] = { "sni", NULL };

static const struct key not_keys[] = { CONDITION_KEYS };
const struct section section_not = { "not", KEYS(not_keys), .unbuilt = unbuilt };

static const struct key flow_rule_keys[] = {
	{ .name = "name",
	  .kind = &kind_name,
	  FIELD(struct conf_flow_rule, name),
	  .help = "for what is shown (rule-1, rule-2, ...)" },
	CONDITION_KEYS,
	{ .name = "not",
	  .kind = &kind_section,
	  .section = &section_not,
	  .offset = offsetof(struct conf_flow_rule, isnt),
	  .help = "conditions that must not hold" },
	{ .name = "action",
	  .kind = &kind_flow_action,
	  FIELD(struct conf_flow_rule, action),
	  .help = "what becomes of the flow" },
};
const struct section section_flow_rule = { "a flow rule", KEYS(flow_rule_keys), flow_rule_done,
					   unbuilt };

_Static_assert(offsetof(struct conf_flow_rule, is) == 0, "the keys' offsets are those of `is`");
