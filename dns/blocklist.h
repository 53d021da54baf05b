/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads a list of domain names in any of the forms that people publish them in, part by part.
 * Lines that are no names are skipped and told; a list that is mostly such lines, or cannot be
 * read to its end, is refused as a whole.
 *
 *	hosts     0.0.0.0 name name ...      the names; :: 127.0.0.1 ::1 0 do as well
 *	domains   name | *.name | .name      it | those below it | both
 *	dnsmasq   address=/name/ server=/name/ local=/name/    it and those below
 *	adblock   ||name^ | ||*.name^ | name    it and those below | those below | it
 *	          @@ in front of them: an exception, which the list does not have
 *	auto      each line in whatever form it is
 */
#ifndef DNS_BLOCKLIST_H
#define DNS_BLOCKLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "dns/name.h"

#define BLOCKLIST_BYTES_MAX (512LL << 20)
#define BLOCKLIST_PART_BYTES 32768 /* read in one step */
#define BLOCKLIST_LINE_MAX 4096
#define BLOCKLIST_TOLD_MAX 20 /* lines that are told one by one */

struct blocklist {
	/* set by the caller */
	int fd; /* the caller's; its position is left alone */
	const char *file; /* for messages */
	enum conf_list_format format;
	struct conf_errors *errors; /* NULL = tell nothing */
	/* Each name, in lower case; kinds: DNS_NAME_SELF, DNS_NAME_BELOW. 0 or -errno, which ends. */
	int (*entry)(void *arg, const struct name *name, uint32_t kinds, bool exception);
	void *arg;
	/* what was found */
	uint64_t names; /* entries, exceptions included */
	uint64_t exceptions;
	uint64_t bad; /* lines that are no names */
	uint64_t ignored; /* lines that are none of DNS's business */
	/* its own */
	unsigned int line;
	uint64_t good; /* lines with names */
	off_t size;
	off_t offset;
	size_t held; /* bytes of an unfinished line in `buf` */
	bool overlong; /* the line is, and skipped to its end */
	bool judged; /* it is a list, by its first lines */
	bool markup; /* it begins as HTML or XML does */
	int failed; /* of entry() */
	struct name name; /* that is being read */
	char why[96]; /* a line is bad or ignored */
	char buf[BLOCKLIST_LINE_MAX + BLOCKLIST_PART_BYTES];
};

/* 0; or -errno, told: it is no regular file, or too large. */
int blocklist_begin(struct blocklist *b);
/* 0 = go on, 1 = done; or -errno, told: the list is refused. */
int blocklist_step(struct blocklist *b);

/* Adds a line to what is told (NULL: does nothing), as far as there is room. */
void blocklist_tell(struct conf_errors *errors, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
