/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a tree becomes a structure: by tables (schema.c) of sections and keys. A key says what its
 * value may be, where it goes, what it is when the file does not say, and what it is for.
 */
#ifndef CONF_READER_H
#define CONF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "conf/tree.h"

struct key;

/* A kind of value. */
struct kind {
	/*
	 * Checks and stores at `to`: where the value goes, for lists and mappings the section's
	 * structure. False: the error has been told.
	 */
	bool (*take)(struct reader *r, struct node *n, const struct key *k, void *to);
	const char *expected; /* NULL: by the key's bounds or words */
};

struct key {
	const char *name;
	const struct kind *kind;
	size_t offset; /* in the section's structure */
	size_t size; /* of the value; of lists: of one of them */
	int64_t min, max; /* of numbers and durations; `max` of lists: how many */
	const char *const *words; /* that may be given; its value is the place */
	size_t words_num;
	const char *standard; /* as it would be written, NULL = none */
	const char *help; /* for the manual page */
	/* lists and mappings of any number */
	const struct kind *of; /* what each is */
	const struct section *section; /* ... or what keys each has */
	size_t count; /* offset of their number, in the section's structure */
	size_t count_size;
	size_t line; /* offset in each, if they are `lined` */
	/* Once it was read, or is not there (NULL): what keys behind it rely on. */
	void (*after)(struct reader *r, struct node *n, void *to);
	uint32_t given; /* of enum conf_given */
	bool lined; /* each has the number of its line */
	bool fixed; /* the structure has room for `max`; else they are allocated */
};

struct section {
	const char *what; /* "an upstream" */
	const struct key *keys;
	size_t num;
	/* What its values say together. `n` may be NULL: all defaults. */
	void (*done)(struct reader *r, struct node *n, void *to);
	const char *const *unbuilt; /* keys that there will be, NULL behind them */
};

struct reader {
	const char *file;
	struct conf *conf;
	struct conf_errors *errors;
	struct told *told[CONF_ERRORS_MAX]; /* errors and warnings, in the order they were found */
	unsigned int told_num;
	unsigned int warnings;
	unsigned int errors_num; /* of them; also of those that found no room */
	bool no_memory;
};

extern const struct section schema_root, section_upstream, section_group, section_policy,
	section_point, section_flow_rule, section_not, section_route, section_vip;

void reader_init(struct reader *r, const char *file, struct conf *conf, struct conf_errors *errors);
/* Writes what was told into `errors`, in the order of lines. 0, -EINVAL or -ENOMEM. */
int reader_done(struct reader *r);

/* "FILE:LINE: PATH: text"; line 0: about the whole file. */
void reader_error(struct reader *r, const struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void reader_warn(struct reader *r, const struct node *n, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void reader_error_line(struct reader *r, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void reader_warn_line(struct reader *r, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "'value' WHY, expected ..." by the key's kind. False, for `return reader_refuse(...)`. */
bool reader_refuse(struct reader *r, const struct node *n, const struct key *k, const char *why);
/* Memory or a note that there is none. */
void *reader_alloc(struct reader *r, size_t num, size_t size);
char *reader_copy(struct reader *r, const char *text);

/* Reads what `n` (NULL: nothing) says into `to`; what it does not say is the standard. */
void section_read(struct reader *r, struct node *n, const struct section *s, void *to);
const struct key *section_key(const struct section *s, const char *name);
/* ", did you mean 'x'?" if a word of `words` is near, else "". Returns buf. */
#define NEAR_TEXT_MAX 96
const char *near_text(const char *text, const char *const *words, size_t num,
		      char buf[NEAR_TEXT_MAX]);

/* Kinds (scalar.c, domain.c, upstream.c, policy.c, capture.c). */
extern const struct kind kind_section; /* one mapping, of k->section */
extern const struct kind kind_list; /* of k->of or k->section; one alone needs no list */
extern const struct kind kind_named; /* a mapping NAME -> k->section or k->of */
extern const struct kind kind_bits; /* list of k->of, whose values are bits */
extern const struct kind kind_bool, kind_number, kind_bytes, kind_ms, kind_seconds, kind_word;
extern const struct kind kind_workers, kind_limits, kind_name, kind_file;
extern const struct kind kind_device; /* its name */
extern const struct kind kind_device_mode;
extern const struct kind kind_address, kind_endpoint, kind_server, kind_prefix;
extern const struct kind kind_host_loopback;
extern const struct kind kind_domain, kind_pattern, kind_host;
extern const struct kind kind_url, kind_pin, kind_rcode;
extern const struct kind kind_upstream_ref, kind_group_ref, kind_list_ref;
extern const struct kind kind_type, kind_pass;
extern const struct kind kind_uplinks, kind_point, kind_point_name;
extern const struct kind kind_mark; /* struct pass_mark */
extern const struct kind kind_route; /* route.c */

/* Of rules about flows (rule_value.c). */
extern const struct kind kind_flow_action, kind_ports, kind_protocol, kind_user, kind_cgroup;
extern const struct kind kind_unit, kind_process, kind_executable, kind_mac, kind_interface;

/* Sections' `done`. */
void upstream_done(struct reader *r, struct node *n, void *to);
void group_done(struct reader *r, struct node *n, void *to);
void list_done(struct reader *r, struct node *n, void *to);
void cache_done(struct reader *r, struct node *n, void *to);
void rule_done(struct reader *r, struct node *n, void *to);
void flow_rule_done(struct reader *r, struct node *n, void *to);
void policy_done(struct reader *r, struct node *n, void *to);
void point_done(struct reader *r, struct node *n, void *to);
void capture_done(struct reader *r, struct node *n, void *to);
/* Keys' `after`: what is missing is made. `dns_done`: the whole is looked over. */
void upstreams_after(struct reader *r, struct node *n, void *to);
void groups_after(struct reader *r, struct node *n, void *to);
void policies_after(struct reader *r, struct node *n, void *to);
void flow_rules_after(struct reader *r, struct node *n, void *to);
void dns_done(struct reader *r, struct node *n, void *to);
/* Once both kinds of rules have been read. */
void warn_unused_lists(struct reader *r, const struct conf_dns *d);

#endif
