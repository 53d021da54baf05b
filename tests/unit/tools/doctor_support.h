/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tests of doctor*.c share: what was found, and looking for it. Behind <cmocka.h>. */
#ifndef TESTS_DOCTOR_SUPPORT_H
#define TESTS_DOCTOR_SUPPORT_H

#include "tools/client.c"
#include "tools/doctor.c"
#include "tools/doctor_hooks.c"
#include "tools/doctor_host.c"
#include "tools/doctor_instance.c"
#include "tools/doctor_nft.c"
#include "tools/doctor_order.c"
#include "tools/doctor_resolver.c"
#include "tools/format.c"
#include "tools/object.c"
#include "tools/option.c"
#include "tools/table.c"

static struct findings found;

static const struct finding *finding_of(const char *text)
{
	for (size_t i = 0; i < found.count; i++)
		if (strstr(found.item[i].text, text))
			return &found.item[i];
	for (size_t i = 0; i < found.count; i++)
		print_error("%s: %s\n", found.item[i].area, found.item[i].text);
	fail_msg("nothing says '%s'", text);
	return NULL;
}

static void expect(enum finding_level level, const char *text, const char *fix)
{
	const struct finding *item = finding_of(text);

	assert_int_equal(item->level, level);
	if (fix && !strstr(item->fix, fix))
		fail_msg("'%s' does not say '%s'", item->fix, fix);
}

#endif
