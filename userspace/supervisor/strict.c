// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The table, and whoever changes it.
 *
 * A packet socket's packet is told from all others by two things together: it belongs to a
 * socket, and no route was looked up for it; what protocol it says that it is, it need not be.
 * It gets two marks, the fwmark and the priority, 64 random bits of this start, and is sent to
 * its device again (`fwd`): then it goes by traffic control whatever its socket asked for, and
 * what has both marks passes here. The kernel half takes them off again. Without CAP_NET_ADMIN
 * nobody can read them.
 *
 * nftables is spoken to by libnftables, which is opened when it is needed: most instances never
 * do, and its memory would be each role's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <nftables/libnftables.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/random.h"
#include "netdev/monitor.h"
#include "supervisor/strict.h"

#define LIBRARY "libnftables.so.1"
#define TABLE_PREFIX "headrace_"

#define CALLS(X)                                                                                   \
	X(nft_ctx_new)                                                                             \
	X(nft_ctx_free)                                                                            \
	X(nft_ctx_buffer_output)                                                                   \
	X(nft_ctx_buffer_error)                                                                    \
	X(nft_ctx_get_output_buffer)                                                               \
	X(nft_ctx_get_error_buffer)                                                                \
	X(nft_ctx_output_set_flags)                                                                \
	X(nft_run_cmd_from_buffer)

#define CALL(name) __typeof__(&(name)) name;

struct calls {
	CALLS(CALL)
};

static struct calls nft; /* valid while a library is open */

#define FIND(name)                                                                                 \
	nft.name = (__typeof__(nft.name))dlsym(library, #name);                                    \
	found = found && nft.name;

static void *library_open(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool found = library;

	if (!library)
		return NULL;
	CALLS(FIND)
	if (!found) {
		dlclose(library);
		return NULL;
	}
	return library;
}

/* One transaction. *ret_output: what it printed, the caller's; may be NULL. */
static int run(const char *commands, char **ret_output, char err[ERROR_TEXT_MAX])
{
	struct nft_ctx *ctx = nft.nft_ctx_new(NFT_CTX_DEFAULT);
	int r;

	if (!ctx)
		return error_text(err, -ENOMEM, "out of memory");
	nft.nft_ctx_buffer_output(ctx);
	nft.nft_ctx_buffer_error(ctx);
	nft.nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_NUMERIC_ALL);
	r = nft.nft_run_cmd_from_buffer(ctx, commands);
	if (r) {
		const char *text = nft.nft_ctx_get_error_buffer(ctx);

		r = error_text(err, -EOPNOTSUPP, "strict: nftables refuses: %.*s",
			       (int)strcspn(text, "\n"), text);
	} else if (ret_output) {
		*ret_output = strdup(nft.nft_ctx_get_output_buffer(ctx));
		r = *ret_output ? 0 : error_text(err, -ENOMEM, "out of memory");
	}
	nft.nft_ctx_free(ctx);
	return r;
}

/* --- the table ---------------------------------------------------------------------------- */

static void table_name(const char *instance, char name[STRICT_TABLE_MAX])
{
	snprintf(name, STRICT_TABLE_MAX, TABLE_PREFIX "%s", instance);
	for (char *c = name; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *c))
			*c = '_';
}

/* Marks of the operator's choice pass here as they do there. */
static void put_pass_marks(FILE *out, const struct settings *s)
{
	for (int i = 0; i < PASS_MARKS_MAX && s->pass_mark[i].mask; i++)
		fprintf(out, "  meta mark & 0x%x == 0x%x accept\n", s->pass_mark[i].mask,
			s->pass_mark[i].value);
}

static void put_chain(FILE *out, const struct strict *s, size_t i)
{
	const struct settings *st = s->settings;

	fprintf(out,
		" chain uplink%zu {\n  type filter hook egress device \"%s\" priority 0; "
		"policy accept;\n  meta mark 0x%x meta priority 0x%x accept\n",
		i, s->device[i], st->strict_mark, st->strict_priority);
	put_pass_marks(out, st);
	/* a load that fails (no route; no socket) ends a rule */
	fprintf(out,
		"  meta rtclassid 0-4294967295 accept\n"
		"  meta skuid 0-4294967295 meta mark set 0x%x meta priority set 0x%x fwd to \"%s\"\n }\n",
		st->strict_mark, st->strict_priority, s->device[i]);
}

/* In one transaction: there is no moment without it. */
static char *table_text(const struct strict *s)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "add table netdev %s\ndelete table netdev %s\n", s->table, s->table);
	if (s->devices) {
		fprintf(out, "table netdev %s {\n", s->table);
		for (size_t i = 0; i < s->devices; i++)
			put_chain(out, s, i);
		fprintf(out, "}\n");
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static int table_list(const char *table, char **ret_text, char err[ERROR_TEXT_MAX])
{
	char command[STRICT_TABLE_MAX + 32];

	snprintf(command, sizeof(command), "list table netdev %s", table);
	return run(command, ret_text, err);
}

static void table_delete(const char *table)
{
	char commands[2 * STRICT_TABLE_MAX + 64], err[ERROR_TEXT_MAX];

	snprintf(commands, sizeof(commands), "add table netdev %s\ndelete table netdev %s\n", table,
		 table);
	run(commands, NULL, err);
}

static int table_write(struct strict *s)
{
	char *text = table_text(s);
	int r;

	if (!text)
		return error_text(s->error, -ENOMEM, "strict: out of memory");
	s->error[0] = '\0';
	r = run(text, NULL, s->error);
	free(text);
	if (r)
		return r; /* all of it or nothing: what was there before still is */
	free(s->listing);
	s->listing = NULL;
	return s->devices ? table_list(s->table, &s->listing, s->error) : 0;
}

/* --- what others do ----------------------------------------------------------------------- */

static bool table_is_whole(const struct strict *s)
{
	char *now = NULL, err[ERROR_TEXT_MAX];
	bool whole;

	if (!s->listing)
		return true; /* there is none */
	if (table_list(s->table, &now, err) || !now)
		return false;
	whole = !strcmp(now, s->listing);
	free(now);
	return whole;
}

static void repair_expired(struct timer *t)
{
	struct strict *s = container_of(t, struct strict, repair);

	if (table_is_whole(s))
		return;
	if (table_write(s)) {
		log_warn("strict", "%s", s->error);
		return;
	}
	s->repaired++;
	log_warn("strict", "the table %s was changed by somebody: put back", s->table);
}

static void changes_ready(struct watch *w, uint32_t events)
{
	struct strict *s = container_of(w, struct strict, watch);

	monitor_drain(w->fd);
	if (!timer_is_armed(&s->repair))
		loop_arm(s->loop, &s->repair, STRICT_REPAIR_MS);
}

/* --- life --------------------------------------------------------------------------------- */

void strict_init(struct strict *s, struct loop *loop)
{
	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->watch = (struct watch){ .ready = changes_ready, .fd = -1 };
	timer_init(&s->repair, repair_expired);
}

/* Would a packet with this mark be taken for another kind? */
static bool mark_is_taken(const struct settings *s, uint32_t mark)
{
	if (!mark || (mark & QUEUE_MARK_MASK) == (HEADRACE_MARK & QUEUE_MARK_MASK) ||
	    (mark & QUEUE_MARK_MASK) == QUEUE_MARK)
		return true;
	for (int i = 0; i < PASS_MARKS_MAX && s->pass_mark[i].mask; i++)
		if ((mark & s->pass_mark[i].mask) == s->pass_mark[i].value)
			return true;
	return false;
}

static void choose_marks(struct settings *s)
{
	do
		s->strict_mark = random_u32();
	while (mark_is_taken(s, s->strict_mark));
	do
		s->strict_priority = random_u32();
	while (!s->strict_priority);
}

int strict_start(struct strict *s, const char *instance, struct settings *settings,
		 char err[ERROR_TEXT_MAX])
{
	int r;

	table_name(instance, s->table);
	s->settings = settings;
	s->library = library_open();
	if (!s->library) {
		r = error_text(err, -ENOENT, "strict: " LIBRARY " is not installed");
	} else {
		r = monitor_open_nftables(&s->watch.fd);
		if (!r)
			r = loop_add(s->loop, &s->watch, EPOLLIN);
		if (r)
			error_at(err, r, "strict: cannot watch nftables");
	}
	if (r) {
		strict_stop(s);
		snprintf(s->error, sizeof(s->error), "%s", err);
		return r;
	}
	choose_marks(settings);
	return 0;
}

int strict_set_devices(struct strict *s, const char (*device)[IF_NAMESIZE], size_t devices)
{
	char(*copy)[IF_NAMESIZE];

	if (!s->library)
		return 0;
	if (devices == s->devices && !s->error[0] &&
	    (!devices || !memcmp(device, s->device, devices * sizeof(*device))))
		return 0;
	copy = calloc(devices ? devices : 1, sizeof(*copy));
	if (!copy)
		return error_text(s->error, -ENOMEM, "strict: out of memory");
	for (size_t i = 0; i < devices; i++)
		snprintf(copy[i], sizeof(copy[i]), "%s", device[i]);
	free(s->device);
	s->device = copy;
	s->devices = devices;
	return table_write(s);
}

void strict_stop(struct strict *s)
{
	loop_disarm(&s->repair);
	if (s->watch.fd >= 0) {
		int fd = s->watch.fd;

		loop_remove(s->loop, &s->watch);
		fd_close(fd);
	}
	if (s->library) {
		if (s->devices)
			table_delete(s->table);
		dlclose(s->library);
	}
	s->library = NULL;
	free(s->listing);
	free(s->device);
	s->listing = NULL;
	s->device = NULL;
	s->devices = 0;
}

void strict_clean(const char *instance)
{
	char table[STRICT_TABLE_MAX], err[ERROR_TEXT_MAX];
	void *library = library_open();

	if (!library)
		return;
	table_name(instance, table);
	/* deleting without looking would load nf_tables where nobody wants it */
	if (!table_list(table, NULL, err))
		table_delete(table);
	dlclose(library);
}

json_t *strict_show(const struct strict *s)
{
	json_t *names, *o;

	if (s->error[0])
		return json_pack("{s:s}", "error", s->error);
	if (!s->library)
		return json_null();
	names = json_array();
	for (size_t i = 0; names && i < s->devices; i++)
		json_array_append_new(names, json_string(s->device[i]));
	o = json_pack("{s:o, s:I}", "devices", names, "repaired", (json_int_t)s->repaired);
	return o;
}
