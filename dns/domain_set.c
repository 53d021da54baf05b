// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sets of a few names: looked through one by one, what cannot be told by its length not at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dns/domain_set.h"

static int read_pattern(const char *text, struct domain_pattern *ret_pattern)
{
	ret_pattern->itself = ret_pattern->below = text[0] == '.' && text[1];
	if (ret_pattern->itself) {
		text++;
	} else if (strncmp(text, "*.", 2) == 0) {
		ret_pattern->below = true;
		text += 2;
	} else {
		ret_pattern->itself = true;
	}
	return name_from_text(text, &ret_pattern->name);
}

int domain_set_init(struct domain_set *s, char *const *text, size_t num)
{
	int r = 0;

	*s = (struct domain_set){ 0 };
	if (!num)
		return 0;
	s->item = calloc(num, sizeof(*s->item));
	if (!s->item)
		return -ENOMEM;
	for (; s->num < num && r == 0; s->num++)
		r = read_pattern(text[s->num], &s->item[s->num]);
	if (r < 0)
		domain_set_done(s);
	return r;
}

void domain_set_done(struct domain_set *s)
{
	free(s->item);
	*s = (struct domain_set){ 0 };
}

bool domain_set_has(const struct domain_set *s, const struct name *name)
{
	for (size_t i = 0; i < s->num; i++) {
		const struct domain_pattern *p = &s->item[i];

		if (p->itself && name_eq(name, &p->name))
			return true;
		if (p->below && name_is_below(name, &p->name))
			return true;
	}
	return false;
}
