// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lists of every form, and lists that are hostile, cut or something else altogether. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns/blocklist.h"

#define TAKEN_MAX 4096

static struct blocklist b;
static struct conf_errors errors;
static char taken[TAKEN_MAX]; /* "name name(below) !name ": what entry() was given */
static uint64_t entries;
static int entry_result;

static int note(void *arg, const struct name *name, uint32_t kinds, bool exception)
{
	char text[DOMAIN_TEXT_MAX];
	size_t used = strlen(taken);
	static const char *const marks[] = { "?", "", "(below)", "(both)" };

	entries++;
	snprintf(taken + used, TAKEN_MAX - used, "%s%s%s ", exception ? "!" : "",
		 name_format(name, text, sizeof(text)), marks[kinds]);
	return entry_result;
}

static void start(enum conf_list_format format)
{
	memset(&errors, 0, sizeof(errors));
	taken[0] = '\0';
	entries = 0;
	b = (struct blocklist){ .file = "list", .format = format, .errors = &errors, .entry = note };
	b.fd = memfd_create("list", MFD_CLOEXEC);
	assert_true(b.fd >= 0);
}

static void add(const void *text, size_t len)
{
	assert_int_equal(write(b.fd, text, len), len);
}

static int run(void)
{
	int r = blocklist_begin(&b);

	while (!r)
		r = blocklist_step(&b);
	close(b.fd);
	return r;
}

static int read_text(enum conf_list_format format, const char *text)
{
	start(format);
	add(text, strlen(text));
	return run();
}

static void hosts_files_give_their_names(void **state)
{
	assert_int_equal(read_text(CONF_LIST_HOSTS, "# comment\n"
						    "127.0.0.1 localhost\n"
						    "::1 localhost ip6-localhost ip6-loopback\n"
						    "fe80::1%lo0 localhost\n"
						    "255.255.255.255 broadcasthost\n"
						    "ff02::1 ip6-allnodes\n"
						    "0.0.0.0 0.0.0.0\n"
						    "0.0.0.0 Ads.Example # why\n"
						    "127.0.0.1\ta.example  b.example\r\n"
						    ":: c.example\n"
						    "::1 d.example#x\n"
						    "0 e.example\n"),
			 1);
	assert_string_equal(taken, "ads.example a.example b.example c.example d.example "
				   "e.example ");
	assert_string_equal(errors.text, "");
	assert_int_equal(b.names, 6);
}

static void names_that_hosts_files_send_elsewhere_are_no_blocks(void **state)
{
	assert_int_equal(read_text(CONF_LIST_HOSTS, "0.0.0.0 a.example\n10.0.0.5 nas.lan\n"
						    "0.0.0.0\nnas.lan\n0.0.0.0 b.example\n"
						    "0.0.0.0 c.example\n"),
			 1);
	assert_string_equal(taken, "a.example b.example c.example ");
	assert_string_equal(errors.text, "list:2: '10.0.0.5' is no address that blocks\n"
					 "list:3: an address without a name\n"
					 "list:4: 'nas.lan' is no address\n");
}

static void plain_lists_give_names_suffixes_and_those_below(void **state)
{
	assert_int_equal(read_text(CONF_LIST_DOMAINS, "a.example\n*.b.example\n.c.example # why\n"
						      "D.Example.\n\n  \n_e.f-g.example\n"
						      "xn--bcher-kva.example\n"),
			 1);
	assert_string_equal(taken, "a.example b.example(below) c.example(both) d.example "
				   "_e.f-g.example xn--bcher-kva.example ");
}

static void dnsmasq_lines_that_block_give_their_names(void **state)
{
	assert_int_equal(read_text(CONF_LIST_DNSMASQ,
				   "# comment\naddress=/a.example/\naddress=/b.example/0.0.0.0\n"
				   "address=/c.example/d.example/#\naddress=/e.example/:: # why\n"
				   "server=/f.example/\nlocal=/g.example/\n"
				   "server=/h.example/192.0.2.1\naddress=/i.example/192.0.2.1\n"
				   "cache-size=1000\nserver=192.0.2.1\n"),
			 1);
	assert_string_equal(taken, "a.example(both) b.example(both) c.example(both) "
				   "d.example(both) e.example(both) f.example(both) "
				   "g.example(both) ");
	assert_int_equal(b.ignored, 4);
	assert_non_null(strstr(errors.text, "list:8: 'server' to somewhere is no block\n"));
	assert_non_null(strstr(errors.text, "list:10: option 'cache-size' of dnsmasq\n"));
	assert_non_null(strstr(errors.text, "list:11: 'server' for all names\n"));
}

static void adblock_rules_about_names_are_taken(void **state)
{
	assert_int_equal(read_text(CONF_LIST_ADBLOCK,
				   "[Adblock Plus 2.0]\n! comment\n||a.example^\n"
				   "||*.b.example^\n@@||c.a.example^\n||d.example^$important\n"
				   "e.example\n@@f.example\n||g.example^|\n@@||*.h.example^\n"),
			 1);
	assert_string_equal(taken, "a.example(both) b.example(below) !c.a.example(both) "
				   "d.example(both) e.example !f.example g.example(both) "
				   "!h.example(below) ");
	assert_int_equal(b.exceptions, 3);
	assert_string_equal(errors.text, "");
}

static void adblock_rules_about_pages_are_left_out_by_name(void **state)
{
	assert_int_equal(read_text(CONF_LIST_ADBLOCK,
				   "||a.example^\nexample.org##.banner\n/banner[0-9]+/\n"
				   "||b.example^$third-party,domain=x.example\n||c.example/path^\n"
				   "|https://d.example^\n||e*.example^\n||noend.example\n"),
			 1);
	assert_string_equal(taken, "a.example(both) ");
	assert_string_equal(errors.text,
			    "list:2: a rule about parts of pages\n"
			    "list:3: a pattern, not a name\n"
			    "list:4: option 'third-party' has no meaning for names\n"
			    "list:5: a pattern, not a name\nlist:6: a pattern, not a name\n"
			    "list:7: a pattern, not a name\nlist:8: a pattern, not a name\n");
	assert_int_equal(b.bad, 0);
}

static void lines_of_all_forms_are_told_apart(void **state)
{
	assert_int_equal(read_text(CONF_LIST_AUTO,
				   "! comment\n[x]\n# comment\n0.0.0.0 a.example\n||b.example^\n"
				   "address=/c.example/\nd.example\n*.e.example\n"
				   "@@||f.example^\n1.example\n2001:db8::example\n"),
			 1);
	assert_string_equal(taken, "a.example b.example(both) c.example(both) d.example "
				   "e.example(below) !f.example(both) 1.example ");
	assert_string_equal(errors.text, "list:11: ':' in a name\n");
}

static void last_line_needs_no_newline_and_lines_may_end_in_crlf(void **state)
{
	assert_int_equal(read_text(CONF_LIST_AUTO, "a.example\r\nb.example"), 1);
	assert_string_equal(taken, "a.example b.example ");
}

static void mark_in_front_of_utf8_is_stepped_over(void **state)
{
	assert_int_equal(read_text(CONF_LIST_AUTO, "\xef\xbb\xbf"
						   "a.example\n"),
			 1);
	assert_string_equal(taken, "a.example ");
}

static void bad_names_are_told_with_their_line(void **state)
{
	static const struct {
		const char *line;
		const char *why;
	} row[] = {
		{ "b\xc3\xbc"
		  "cher.example",
		  "not ASCII: international names in punycode" },
		{ "a..example", "an empty label" },
		{ "..example", "an empty label" },
		{ "a b.example", "a blank or control character in a name" },
		{ "a\x01.example", "a blank or control character in a name" },
		{ "a/b.example", "'/' in a name" },
		{ "192.0.2.1x.1", "an address or a number, not a name" },
		{ "*", "'*' in a name" },
		{ ".", "no name" },
		{ "0123456789012345678901234567890123456789012345678901234567890123.example",
		  "a label of more than 63 bytes" },
		{ "a@b.example", "'@' in a name" },
	};
	char want[128];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		start(CONF_LIST_DOMAINS);
		add("a.example\n", 10);
		add(row[i].line, strlen(row[i].line));
		add("\nb.example\n", 11);
		assert_int_equal(run(), 1);
		assert_string_equal(taken, "a.example b.example ");
		snprintf(want, sizeof(want), "list:2: %s\n", row[i].why);
		assert_string_equal(errors.text, want);
	}
}

static void names_of_255_bytes_are_taken_and_longer_ones_are_not(void **state)
{
	char label[64], text[600];

	memset(label, 'a', 63);
	label[63] = '\0';
	/* 64 + 64 + 64 + 62 + 1 = 255 */
	snprintf(text, sizeof(text), "%s.%s.%s.%.61s\n%s.%s.%s.%.62s\nx.example\n", label, label,
		 label, label, label, label, label, label);
	assert_int_equal(read_text(CONF_LIST_DOMAINS, text), 1);
	assert_int_equal(b.names, 2);
	assert_string_equal(errors.text, "list:2: a name of more than 255 bytes\n");
}

static void nul_bytes_are_told_and_harm_nothing(void **state)
{
	start(CONF_LIST_AUTO);
	add("a.example\nb\0c.example\n# comment \0\nd.example\n", 44);
	assert_int_equal(run(), 1);
	assert_string_equal(taken, "a.example d.example ");
	assert_string_equal(errors.text, "list:2: a NUL byte\n");
}

static void lines_of_a_megabyte_are_skipped(void **state)
{
	char *line = malloc(1 << 20);

	assert_non_null(line);
	memset(line, 'a', 1 << 20);
	start(CONF_LIST_AUTO);
	for (unsigned int i = 0; i < 3; i++) {
		add("a.example\n", 10);
		add(line, 1 << 20);
		add("\n", 1);
	}
	add("b.example\n", 10);
	add(line, 1 << 20); /* and no newline */
	assert_int_equal(run(), 1);
	assert_string_equal(taken, "a.example a.example a.example b.example ");
	assert_string_equal(errors.text, "list:2: longer than 4096 bytes\n"
					 "list:4: longer than 4096 bytes\n"
					 "list:6: longer than 4096 bytes\n"
					 "list:8: longer than 4096 bytes\n");
	free(line);
}

/* A line's bounds may lie anywhere in a part: every length of what is in front of them. */
static void lines_across_the_parts_that_are_read_stay_whole(void **state)
{
	char *fill = malloc(BLOCKLIST_PART_BYTES);

	assert_non_null(fill);
	memset(fill, 'x', BLOCKLIST_PART_BYTES);
	for (unsigned int i = 0; i < 40; i++) {
		start(CONF_LIST_AUTO);
		for (unsigned int j = 0; j < BLOCKLIST_PART_BYTES - 1024; j += 1024) {
			fill[0] = '#';
			fill[1023] = '\n';
			add(fill, 1024);
		}
		fill[0] = '#';
		fill[1023] = 'x';
		add(fill, 1000 + i);
		add("\na.example\nb.example\n", 21);
		assert_int_equal(run(), 1);
		assert_string_equal(taken, "a.example b.example ");
	}
	free(fill);
}

static void line_of_just_the_longest_length_is_read(void **state)
{
	char text[BLOCKLIST_LINE_MAX + 2];

	for (size_t len = BLOCKLIST_LINE_MAX; len <= BLOCKLIST_LINE_MAX + 1; len++) {
		memset(text, ' ', sizeof(text));
		memcpy(text, "a.example", 9);
		start(CONF_LIST_AUTO);
		add("b.example\n", 10);
		add(text, len);
		assert_int_equal(run(), 1);
		assert_int_equal(b.names, len == BLOCKLIST_LINE_MAX ? 2 : 1);
	}
}

static void first_lines_are_told_and_the_others_counted(void **state)
{
	unsigned int lines = 0;

	start(CONF_LIST_AUTO);
	for (unsigned int i = 0; i < 100; i++)
		add("good.example\nb%d\ngood.example\n", 30);
	assert_int_equal(run(), 1);
	assert_int_equal(b.bad, 100);
	for (const char *p = errors.text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, BLOCKLIST_TOLD_MAX + 1);
	assert_non_null(strstr(errors.text, "list: 80 more lines were skipped\n"));
}

static void what_is_told_never_exceeds_its_room(void **state)
{
	memset(&errors, 0, sizeof(errors));
	for (unsigned int i = 0; i < 2000; i++)
		blocklist_tell(&errors, "%s:%u: a line that is told", "file", i);
	assert_int_equal(errors.num, 2000);
	assert_true(errors.used < sizeof(errors.text));
	assert_int_equal(strlen(errors.text), errors.used);
	assert_int_equal(errors.text[errors.used - 1], '\n');
	blocklist_tell(NULL, "nobody listens");
}

static void list_that_is_mostly_garbage_is_refused_after_a_thousand_lines(void **state)
{
	start(CONF_LIST_AUTO);
	for (unsigned int i = 0; i < 499; i++)
		add("good.example\n", 13);
	for (unsigned int i = 0; i < 100000; i++)
		add("ba%d.bad%d\n", 11);
	assert_int_equal(run(), -EBADMSG);
	assert_int_equal(entries, 499);
	assert_int_equal(b.line, 1000);
	assert_non_null(strstr(errors.text, "list: refused: more than half of its first 1000"));
}

static void half_of_the_first_thousand_lines_may_be_bad(void **state)
{
	start(CONF_LIST_AUTO);
	for (unsigned int i = 0; i < 500; i++)
		add("good.example\nb%d\n", 17);
	for (unsigned int i = 0; i < 5000; i++)
		add("b%d\n", 4);
	assert_int_equal(run(), 1);
	assert_int_equal(b.bad, 5500);
}

static void something_else_than_a_list_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} row[] = {
		{ "\r\n <!DOCTYPE html>\nbody\n", "markup (HTML or XML), not a list" },
		{ "\xef\xbb\xbf<?xml version=\"1.0\"?>\nhtml\n",
		  "markup (HTML or XML), not a list" },
		{ "\x1f\x8b\x08\x01\x02\x03", "none of its lines is a name" }, /* gzip */
		{ "\xff\xfe"
		  "a.example\n",
		  "none of its lines is a name" }, /* UTF-16 */
		{ "404: Not Found", "none of its lines is a name" },
		{ "{\"message\": \"a=b\"}\n", "none of its lines is a name" },
		{ "example.org##.x\n||a^$popup\n", "none of its lines is a name" },
		{ "a\nb\nc\nd\n%\n%\n%\n%\n%\nvar x=1\n", "most of its lines are no names" },
	};
	char want[128];

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		assert_int_equal(read_text(CONF_LIST_AUTO, row[i].text), -EBADMSG);
		snprintf(want, sizeof(want), "list: refused: %s\n", row[i].why);
		assert_non_null(strstr(errors.text, want));
	}
}

static void sign_of_less_than_is_markup_only_in_front(void **state)
{
	assert_int_equal(read_text(CONF_LIST_AUTO, "a.example\n<b>\nb.example\n"), 1);
	assert_string_equal(taken, "a.example b.example ");
}

static void short_list_with_a_few_bad_lines_is_taken_in_part(void **state)
{
	assert_int_equal(read_text(CONF_LIST_AUTO, "a.example\nb%d\nc%d\n"), 1);
	assert_string_equal(taken, "a.example ");
	assert_int_equal(errors.num, 2);
}

static void empty_list_has_no_names(void **state)
{
	assert_int_equal(read_text(CONF_LIST_AUTO, ""), 1);
	assert_int_equal(read_text(CONF_LIST_AUTO, "\n# nothing\n\r\n"), 1);
	assert_int_equal(entries, 0);
	assert_string_equal(errors.text, "");
}

static void what_cannot_be_read_to_its_end_is_refused(void **state)
{
	int fds[2];

	start(CONF_LIST_AUTO);
	add("a.example\nb.example\n", 20);
	assert_int_equal(blocklist_begin(&b), 0);
	assert_int_equal(ftruncate(b.fd, 10), 0);
	assert_int_equal(blocklist_step(&b), 0);
	assert_int_equal(blocklist_step(&b), -EIO);
	close(b.fd);
	assert_string_equal(errors.text, "list: refused: it changed meanwhile\n");
	assert_int_equal(pipe(fds), 0);
	start(CONF_LIST_AUTO);
	close(b.fd);
	b.fd = fds[0];
	assert_int_equal(run(), -EINVAL);
	close(fds[1]);
	assert_string_equal(errors.text, "list: refused: no regular file\n");
	start(CONF_LIST_AUTO);
	close(b.fd);
	assert_true(run() < 0);
	assert_int_equal(errors.num, 1);
}

static void list_that_grows_while_it_is_read_is_refused(void **state)
{
	start(CONF_LIST_AUTO);
	add("a.example\n", 10);
	assert_int_equal(blocklist_begin(&b), 0);
	add("b.example\n", 10);
	assert_int_equal(blocklist_step(&b), -EIO);
	close(b.fd);
}

static void too_large_a_file_is_refused_unread(void **state)
{
	start(CONF_LIST_AUTO);
	assert_int_equal(ftruncate(b.fd, BLOCKLIST_BYTES_MAX + 1), 0);
	assert_int_equal(run(), -EFBIG);
	assert_string_equal(errors.text, "list: refused: larger than 512 MiB\n");
}

static void error_of_whoever_takes_the_names_ends_it(void **state)
{
	entry_result = -ENOMEM;
	assert_int_equal(read_text(CONF_LIST_AUTO, "a.example\nb.example\n"), -ENOMEM);
	entry_result = 0;
	assert_int_equal(entries, 1);
}

static void position_of_the_descriptor_is_left_alone(void **state)
{
	start(CONF_LIST_AUTO);
	add("a.example\n", 10);
	assert_int_equal(lseek(b.fd, 5, SEEK_SET), 5);
	assert_int_equal(blocklist_begin(&b), 0);
	while (!blocklist_step(&b))
		;
	assert_int_equal(lseek(b.fd, 0, SEEK_CUR), 5);
	assert_string_equal(taken, "a.example ");
	close(b.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_files_give_their_names),
		cmocka_unit_test(names_that_hosts_files_send_elsewhere_are_no_blocks),
		cmocka_unit_test(plain_lists_give_names_suffixes_and_those_below),
		cmocka_unit_test(dnsmasq_lines_that_block_give_their_names),
		cmocka_unit_test(adblock_rules_about_names_are_taken),
		cmocka_unit_test(adblock_rules_about_pages_are_left_out_by_name),
		cmocka_unit_test(lines_of_all_forms_are_told_apart),
		cmocka_unit_test(last_line_needs_no_newline_and_lines_may_end_in_crlf),
		cmocka_unit_test(mark_in_front_of_utf8_is_stepped_over),
		cmocka_unit_test(bad_names_are_told_with_their_line),
		cmocka_unit_test(names_of_255_bytes_are_taken_and_longer_ones_are_not),
		cmocka_unit_test(nul_bytes_are_told_and_harm_nothing),
		cmocka_unit_test(lines_of_a_megabyte_are_skipped),
		cmocka_unit_test(lines_across_the_parts_that_are_read_stay_whole),
		cmocka_unit_test(line_of_just_the_longest_length_is_read),
		cmocka_unit_test(first_lines_are_told_and_the_others_counted),
		cmocka_unit_test(what_is_told_never_exceeds_its_room),
		cmocka_unit_test(list_that_is_mostly_garbage_is_refused_after_a_thousand_lines),
		cmocka_unit_test(half_of_the_first_thousand_lines_may_be_bad),
		cmocka_unit_test(something_else_than_a_list_is_refused),
		cmocka_unit_test(sign_of_less_than_is_markup_only_in_front),
		cmocka_unit_test(short_list_with_a_few_bad_lines_is_taken_in_part),
		cmocka_unit_test(empty_list_has_no_names),
		cmocka_unit_test(what_cannot_be_read_to_its_end_is_refused),
		cmocka_unit_test(list_that_grows_while_it_is_read_is_refused),
		cmocka_unit_test(too_large_a_file_is_refused_unread),
		cmocka_unit_test(error_of_whoever_takes_the_names_ends_it),
		cmocka_unit_test(position_of_the_descriptor_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
