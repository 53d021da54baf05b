// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A list of any bytes, in the form that the first byte chooses: what is taken are names, in
 * lower case, that mean the same when they are written down and read once more; what is told
 * fits; and a second reading, in parts of as many bytes as the second byte says, gives the same.
 * The file is the input itself: no system call is made.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/blocklist.h"

static struct input list; /* what is read */
static size_t part; /* bytes of it at a time */

static int stat_list(int fd, struct stat *ret_stat)
{
	memset(ret_stat, 0, sizeof(*ret_stat));
	ret_stat->st_mode = S_IFREG;
	ret_stat->st_size = (off_t)list.left;
	return 0;
}

static ssize_t read_part(int fd, void *buf, size_t size, off_t offset)
{
	size_t left = list.left - (size_t)offset;
	size_t bytes = left < size ? left : size;

	memcpy(buf, list.at + offset, bytes);
	return (ssize_t)bytes;
}

#undef BLOCKLIST_PART_BYTES
#define BLOCKLIST_PART_BYTES part
#define fstat stat_list
#define pread read_part
#include "dns/blocklist.c"

struct reading {
	uint64_t names;
	uint64_t exceptions;
	uint64_t sum; /* of all that was taken, in order */
};

static int take(void *arg, const struct name *name, uint32_t kinds, bool exception)
{
	struct reading *reading = arg;
	struct name again, lower = *name;
	char text[4 * NAME_WIRE_MAX];

	require(kinds >= 1 && kinds <= (DNS_NAME_SELF | DNS_NAME_BELOW));
	require(name->len >= 3 && name->wire[name->len - 1] == 0);
	require(name_parse(name->wire, name->len, 0, &again) == name->len);
	name_lower(lower.wire, lower.len);
	require(memcmp(lower.wire, name->wire, name->len) == 0);
	require(name_from_text(name_format(name, text, sizeof(text)), &again) == 0);
	require(again.len == name->len && memcmp(again.wire, name->wire, name->len) == 0);
	reading->names++;
	reading->exceptions += exception;
	for (size_t i = 0; i < name->len; i++)
		reading->sum = reading->sum * 31 + name->wire[i];
	reading->sum = reading->sum * 31 + kinds * 2 + exception;
	return 0;
}

static int read_list(struct blocklist *b, struct reading *reading, struct conf_errors *errors)
{
	int r;

	memset(reading, 0, sizeof(*reading));
	b->errors = errors;
	b->arg = reading;
	r = blocklist_begin(b);
	while (r == 0)
		r = blocklist_step(b);
	require(b->names == reading->names && b->exceptions == reading->exceptions);
	require(b->good <= b->names && b->line >= b->good + b->bad + b->ignored);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf_errors errors;
	static struct blocklist b;
	struct reading first, second;
	int r;

	if (size < 2)
		return 0;
	list = (struct input){ data + 2, size - 2 };
	b.file = "list";
	b.format = data[0] % CONF_LIST_FORMAT_NUM;
	b.entry = take;
	errors.num = 0;
	errors.used = 0;
	errors.text[0] = '\0';
	part = 32768;
	r = read_list(&b, &first, &errors);
	require(errors.used < sizeof(errors.text) && strlen(errors.text) == errors.used);
	require(errors.num <= BLOCKLIST_TOLD_MAX + 2);
	require(r == 1 || errors.num > 0);
	part = 1 + data[1] % 64;
	require(read_list(&b, &second, NULL) == r);
	require(first.names == second.names && first.sum == second.sum);
	return 0;
}
