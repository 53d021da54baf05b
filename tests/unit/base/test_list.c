// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* list.h: the intrusive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	char name;
	struct list link;
};

/* Names in order, and the same backwards. */
static void assert_order(struct list *head, const char *names)
{
	struct list *pos = head->next;
	const char *p = names;

	for (; *p; p++, pos = pos->next)
		assert_int_equal(container_of(pos, struct item, link)->name, *p);
	assert_ptr_equal(pos, head);
	for (pos = head->prev; p > names; pos = pos->prev)
		assert_int_equal(container_of(pos, struct item, link)->name, *--p);
	assert_ptr_equal(pos, head);
}

static void keeps_order_through_append_touch_and_remove(void **state)
{
	struct list head = LIST_INIT(head);
	struct item a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };

	assert_true(list_is_empty(&head));
	list_append(&head, &a.link);
	list_append(&head, &b.link);
	list_append(&head, &c.link);
	assert_order(&head, "abc");
	assert_ptr_equal(list_first(&head, struct item, link), &a);
	list_touch(&head, &a.link);
	assert_order(&head, "bca");
	list_remove(&c.link);
	list_remove(&c.link);
	assert_true(list_is_empty(&c.link));
	assert_order(&head, "ba");
}

static void all_of_one_list_go_to_the_end_of_another(void **state)
{
	struct list head = LIST_INIT(head), other = LIST_INIT(other);
	struct item a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' };

	list_splice(&head, &other);
	assert_order(&head, "");
	list_append(&other, &a.link);
	list_append(&other, &b.link);
	list_splice(&head, &other);
	assert_order(&head, "ab");
	assert_true(list_is_empty(&other));
	list_append(&other, &c.link);
	list_splice(&head, &other);
	assert_order(&head, "abc");
}

static void the_walk_survives_removal_of_its_item(void **state)
{
	struct list head = LIST_INIT(head);
	struct item items[5];
	unsigned int seen = 0;

	for (int i = 0; i < 5; i++) {
		items[i].name = (char)('a' + i);
		list_append(&head, &items[i].link);
	}
	list_for_each_safe(pos, next, &head) {
		if (seen++ % 2 == 0)
			list_remove(pos);
	}
	assert_int_equal(seen, 5);
	assert_order(&head, "bd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order_through_append_touch_and_remove),
		cmocka_unit_test(all_of_one_list_go_to_the_end_of_another),
		cmocka_unit_test(the_walk_survives_removal_of_its_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
