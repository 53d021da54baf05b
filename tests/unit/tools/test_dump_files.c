// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files of packets: read back block by block, by a reader of this file's own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/dump_files.c"
#include "tools/pcapng.c"

#define BYTES_MAX (4U << 20)

static struct dump_files files;
static char directory[64], path[96];
static uint8_t content[BYTES_MAX];
static const struct dump_limits no_limit = { .files = 1, .snaplen = 65536 };

/* What a file has, as its blocks say it. */
struct seen {
	size_t bytes;
	unsigned int sections, interfaces, statistics;
	unsigned int packets, outbound;
	uint64_t first_ns, last_ns;
	uint32_t first_len, first_original;
	uint64_t dropped;
	uint8_t first[64];
	bool whole; /* it ends with the end of a block */
};

static uint32_t word(size_t at)
{
	uint32_t value;

	memcpy(&value, content + at, sizeof(value));
	return value;
}

/* Of a block's options from `at` on: the value of the one that is asked for. */
static uint64_t option(size_t at, size_t end, uint16_t code, size_t bytes)
{
	uint64_t value = 0;

	while (at + 4 <= end && word(at)) {
		if ((word(at) & 0xffff) == code) {
			assert_int_equal(word(at) >> 16, bytes);
			memcpy(&value, content + at + 4, bytes);
		}
		at += 4 + ((word(at) >> 16) + 3) / 4 * 4;
	}
	return value;
}

static void read_packet(struct seen *s, size_t at, size_t len)
{
	uint32_t bytes = word(at + 20);
	size_t options = at + 28 + (bytes + 3) / 4 * 4;
	uint64_t time_ns = (uint64_t)word(at + 12) << 32 | word(at + 16);

	assert_int_equal(word(at + 8), 0);
	if (!s->packets++) {
		s->first_ns = time_ns;
		s->first_len = bytes;
		s->first_original = word(at + 24);
		memcpy(s->first, content + at + 28, bytes < sizeof(s->first) ? bytes : 64);
	}
	s->last_ns = time_ns;
	s->outbound += option(options, at + len - 4, 2, 4) == 2;
}

static void read_block(struct seen *s, size_t at, size_t len)
{
	switch (word(at)) {
	case 0x0a0d0d0a:
		assert_int_equal(at, 0);
		assert_int_equal(word(at + 8), 0x1a2b3c4d);
		assert_int_equal(word(at + 12), 1); /* 1.0 */
		s->sections++;
		break;
	case 1:
		assert_int_equal(word(at + 8), 101); /* LINKTYPE_RAW */
		assert_int_equal(option(at + 16, at + len - 4, 9, 1), 9);
		s->interfaces++;
		break;
	case 5:
		s->dropped = option(at + 20, at + len - 4, 5, 8);
		s->statistics++;
		break;
	case 6:
		read_packet(s, at, len);
		break;
	default:
		fail();
	}
}

static struct seen read_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	struct seen s = { 0 };
	size_t at = 0;

	assert_true(fd >= 0);
	s.bytes = (size_t)read(fd, content, sizeof(content));
	close(fd);
	while (at + 12 <= s.bytes) {
		size_t len = word(at + 4);

		assert_int_equal(len % 4, 0);
		if (at + len > s.bytes)
			break;
		assert_int_equal(word(at + len - 4), len);
		read_block(&s, at, len);
		at += len;
	}
	s.whole = at == s.bytes;
	return s;
}

static struct pcapng_packet packet(size_t len, bool outbound)
{
	static uint8_t data[PCAPNG_PACKET_MAX];

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)i;
	return (struct pcapng_packet){ .time_ns = 1700000000123456789ULL,
				       .data = data,
				       .len = (uint32_t)len,
				       .original_len = (uint32_t)len,
				       .outbound = outbound };
}

static int add(size_t len, bool outbound)
{
	struct pcapng_packet p = packet(len, outbound);

	return dump_files_add(&files, &p);
}

static bool is_there(const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return !access(name, F_OK);
}

static struct seen read_suffixed(const char *suffix)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return read_file(name);
}

/* --- the cases -------------------------------------------------------------------------------- */

static void packets_are_written_with_time_length_and_direction(void **state)
{
	struct pcapng_packet cut = packet(61, false);
	struct seen s;

	assert_int_equal(dump_files_open(&files, path, "headrace0", &no_limit), 0);
	cut.original_len = 1500;
	assert_int_equal(dump_files_add(&files, &cut), DUMP_ON);
	assert_int_equal(add(62, true), DUMP_ON);
	assert_int_equal(add(64, true), DUMP_ON);
	assert_int_equal(dump_files_close(&files, 5, 7, false), 0);
	s = read_file(path);
	assert_true(s.whole);
	assert_int_equal(s.sections, 1);
	assert_int_equal(s.interfaces, 1);
	assert_int_equal(s.packets, 3);
	assert_int_equal(s.outbound, 2);
	assert_int_equal(s.first_ns, 1700000000123456789ULL);
	assert_int_equal(s.first_len, 61);
	assert_int_equal(s.first_original, 1500);
	assert_memory_equal(s.first, cut.data, 61);
	assert_int_equal(s.statistics, 1);
	assert_int_equal(s.dropped, 7);
	assert_int_equal(dump_files_packets(&files), 3);
}

static void a_file_is_its_owners_alone(void **state)
{
	struct stat st;

	umask(0);
	assert_int_equal(dump_files_open(&files, path, "t", &no_limit), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dump_files_close(&files, 0, 0, false), 0);
}

static void what_is_there_is_left_alone(void **state)
{
	char target[128];

	assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(dump_files_open(&files, path, "t", &no_limit), -EEXIST);
	unlink(path);
	snprintf(target, sizeof(target), "%s.target", path);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(dump_files_open(&files, path, "t", &no_limit), -EEXIST);
	assert_false(is_there(".target"));
}

static void the_first_file_is_the_last_without_a_ring(void **state)
{
	const struct dump_limits limits = { .file_bytes = 100000, .files = 1, .snaplen = 65536 };
	unsigned int n = 0;
	struct seen s;

	assert_int_equal(dump_files_open(&files, path, "t", &limits), 0);
	while (add(1400, true) == DUMP_ON)
		n++;
	assert_int_equal(dump_files_close(&files, 0, 0, false), 0);
	s = read_file(path);
	assert_int_equal(s.packets, n);
	assert_int_equal(dump_files_packets(&files), n);
	assert_true(s.bytes > 97000 && s.bytes < 100000 + 100); /* and its statistics */
}

static void the_latest_files_of_a_ring_stay(void **state)
{
	const struct dump_limits limits = { .file_bytes = 10000, .files = 3, .snaplen = 65536 };
	struct seen s;

	assert_int_equal(dump_files_open(&files, path, "t", &limits), 0);
	for (int i = 0; i < 6 * 5 + 1; i++) /* six to a file */
		assert_int_equal(add(1400, i & 1), DUMP_ON);
	assert_int_equal(dump_files_close(&files, 0, 0, false), 0);
	assert_false(is_there("") || is_there(".1") || is_there(".2") || is_there(".6"));
	for (int i = 3; i <= 5; i++) {
		char suffix[8];

		snprintf(suffix, sizeof(suffix), ".%d", i);
		s = read_suffixed(suffix);
		assert_true(s.whole);
		assert_int_equal(s.sections, 1);
		assert_int_equal(s.packets, i < 5 ? 6 : 1);
	}
	assert_int_equal(dump_files_packets(&files), 31);
}

static void a_ring_does_not_write_over_what_is_there(void **state)
{
	const struct dump_limits limits = { .file_bytes = 3000, .files = 2, .snaplen = 65536 };
	char other[128];
	int r = 0;

	snprintf(other, sizeof(other), "%s.1", path);
	assert_int_equal(symlink("/dev/null", other), 0);
	assert_int_equal(dump_files_open(&files, path, "t", &limits), 0);
	for (int i = 0; i < 8 && r == DUMP_ON; i++)
		r = add(1400, true);
	assert_int_equal(r, -EEXIST);
	assert_int_equal(dump_files_close(&files, 0, 0, true), 0);
	assert_int_equal(dump_files_packets(&files), read_file(path).packets);
}

static void so_many_packets_are_enough(void **state)
{
	const struct dump_limits limits = { .packets = 3, .files = 1, .snaplen = 65536 };

	assert_int_equal(dump_files_open(&files, path, "t", &limits), 0);
	assert_int_equal(add(40, true), DUMP_ON);
	assert_int_equal(add(40, true), DUMP_ON);
	assert_int_equal(add(40, true), DUMP_FULL);
	assert_int_equal(dump_files_close(&files, 0, 0, false), 0);
	assert_int_equal(read_file(path).packets, 3);
}

/* No room in the middle of a block: the file ends with the one before it. */
static void a_full_disk_leaves_whole_blocks(void **state)
{
	struct rlimit old, limit;
	unsigned int added = 0;
	struct seen s;
	int r = DUMP_ON;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 1500001;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(dump_files_open(&files, path, "t", &no_limit), 0);
	while (r == DUMP_ON && added < 10000) {
		r = add(1000, true);
		added++;
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(r, -EFBIG);
	assert_int_equal(dump_files_close(&files, 0, 0, true), 0);
	s = read_file(path);
	assert_true(s.whole);
	assert_true(s.bytes > 1500001 - 1100 && s.bytes <= 1500001);
	assert_int_equal(s.packets, dump_files_packets(&files));
	assert_true(s.packets < added);
	assert_int_equal(files.seen, added);
}

static void the_largest_packet_fits_and_more_of_one_is_cut(void **state)
{
	struct pcapng_packet p = packet(PCAPNG_PACKET_MAX, true);
	struct seen s;

	p.len = p.original_len = PCAPNG_PACKET_MAX + 1;
	assert_int_equal(dump_files_open(&files, path, "t", &no_limit), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(dump_files_add(&files, &p), DUMP_ON);
	assert_int_equal(dump_files_close(&files, 0, 0, false), 0);
	s = read_file(path);
	assert_int_equal(s.packets, 20);
	assert_int_equal(s.first_len, PCAPNG_PACKET_MAX);
	assert_int_equal(s.first_original, PCAPNG_PACKET_MAX + 1);
}

static int in_a_directory(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/headrace-dump-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/file", directory);
	return 0;
}

static int without_it(void **state)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, in_a_directory, without_it)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(packets_are_written_with_time_length_and_direction),
		CASE(a_file_is_its_owners_alone),
		CASE(what_is_there_is_left_alone),
		CASE(the_first_file_is_the_last_without_a_ring),
		CASE(the_latest_files_of_a_ring_stay),
		CASE(a_ring_does_not_write_over_what_is_there),
		CASE(so_many_packets_are_enough),
		CASE(a_full_disk_leaves_whole_blocks),
		CASE(the_largest_packet_fits_and_more_of_one_is_cut),
	};

	return cmocka_run_group_tests_name("tools/dump_files", tests, NULL, NULL);
}
