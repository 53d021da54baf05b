// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * schema.c against what is written about it: the manual page has each key with its default and
 * no other, and the example configuration uses each and is good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/file.h"
#include "conf/reader.h"

#define PAGE "tools/man/headrace.yaml.5"
#define EXAMPLE "tools/packaging/headrace.yaml"

static struct conf_text page, example;

static int setup(void **state)
{
	return conf_text_read(PAGE, &page) || conf_text_read(EXAMPLE, &example);
}

static int teardown(void **state)
{
	conf_text_done(&page);
	conf_text_done(&example);
	return 0;
}

/* A copy of what stands between `from` and `to` (NULL: the end). */
static char *part(const char *text, const char *from, const char *to)
{
	const char *start = strstr(text, from), *end;

	if (!start)
		fail_msg("there is no '%s'", from);
	start += strlen(from);
	end = to ? strstr(start, to) : NULL;
	return strndup(start, end ? (size_t)(end - start) : strlen(start));
}

static char *section_text(const struct section *s)
{
	char heading[64];
	char *text, *end;

	snprintf(heading, sizeof(heading), "\n.Ss Keys of %s\n", s->what);
	text = part(page.text, heading, "\n.Sh ");
	end = strstr(text, "\n.Ss ");
	if (end)
		*end = '\0';
	return text;
}

static void each_below(const struct section *s, void (*fn)(const struct section *s))
{
	fn(s);
	for (size_t i = 0; i < s->num; i++)
		if (s->keys[i].section)
			each_below(s->keys[i].section, fn);
}

/* A device of capture.lan has keys or is a name alone: it hangs on no table. */
static void each_section(void (*fn)(const struct section *s))
{
	each_below(&schema_root, fn);
	each_below(&section_point, fn);
}

static void check_documented(const struct section *s)
{
	char *text = section_text(s);

	for (size_t i = 0; i < s->num; i++) {
		const struct key *k = &s->keys[i];
		char head[64], standard[96];
		char *item;

		snprintf(head, sizeof(head), "\n.It Cm %s : ", k->name);
		item = part(text, head, "\n.It ");
		snprintf(standard, sizeof(standard), "\nDefault: %s",
			 k->standard ? k->standard : "");
		if (k->standard && !strstr(item, standard))
			fail_msg("%s of %s: expected %s", k->name, s->what, standard + 1);
		free(item);
	}
	free(text);
}

static void every_key_is_in_the_manual_page_with_its_default(void **state)
{
	each_section(check_documented);
}

static void check_items(const struct section *s)
{
	static const char mark[] = "\n.It Cm ";
	char *text = section_text(s);

	for (const char *at = strstr(text, mark); at; at = strstr(at + 1, mark)) {
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + strlen(mark), " "),
			 at + strlen(mark));
		if (!section_key(s, name))
			fail_msg("%s has no key '%s'", s->what, name);
	}
	free(text);
}

static void every_key_of_the_manual_page_exists(void **state)
{
	each_section(check_items);
}

static void check_used(const struct section *s)
{
	for (size_t i = 0; i < s->num; i++) {
		char text[64];

		/* as the first of a line, or within braces */
		snprintf(text, sizeof(text), " %s: ", s->keys[i].name);
		if (strstr(example.text, text))
			continue;
		snprintf(text, sizeof(text), "{%s: ", s->keys[i].name);
		if (strstr(example.text, text))
			continue;
		snprintf(text, sizeof(text), "\n%s:", s->keys[i].name);
		if (strstr(example.text, text))
			continue;
		snprintf(text, sizeof(text), " %s:\n", s->keys[i].name);
		if (!strstr(example.text, text))
			fail_msg("%s of %s is not in " EXAMPLE, s->keys[i].name, s->what);
	}
}

static void the_example_uses_every_key(void **state)
{
	each_section(check_used);
}

static void the_example_is_good(void **state)
{
	static struct conf_errors errors;
	struct conf_text text;
	struct conf *c;

	assert_int_equal(conf_load(EXAMPLE, &text, &c, &errors), 0);
	assert_string_equal(errors.text, "");
	conf_text_done(&text);
	conf_free(c);
}

static void the_examples_for_hosts_are_good(void **state)
{
	static const char *const files[] = { "laptop", "server", "docker", "gateway" };
	static struct conf_errors errors;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct conf_text text;
		char path[96];
		struct conf *c;

		snprintf(path, sizeof(path), "tools/packaging/examples/%s.yaml", files[i]);
		if (conf_load(path, &text, &c, &errors) || errors.text[0])
			fail_msg("%s", errors.text);
		assert_true(c->given & CONF_GIVEN_CAPTURE);
		conf_text_done(&text);
		conf_free(c);
	}
}

static void check_helped(const struct section *s)
{
	for (size_t i = 0; i < s->num; i++)
		assert_true(s->keys[i].help && strlen(s->keys[i].help) > 3);
}

static void every_key_says_what_it_is_for(void **state)
{
	each_section(check_helped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_in_the_manual_page_with_its_default),
		cmocka_unit_test(every_key_of_the_manual_page_exists),
		cmocka_unit_test(the_example_uses_every_key),
		cmocka_unit_test(the_example_is_good),
		cmocka_unit_test(the_examples_for_hosts_are_good),
		cmocka_unit_test(every_key_says_what_it_is_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
