// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reading files whole, and telling two texts apart by their trees. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "conf/file.h"
#include "conf/reader.h"
#include "conf/tree.h"

/* --- reading ------------------------------------------------------------------------------ */

static int check_kind(int fd, off_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > (off_t)CONF_FILE_MAX)
		return -EFBIG;
	*ret_size = st.st_size;
	return 0;
}

int conf_text_read_fd(int fd, struct conf_text *ret_text)
{
	struct conf_text t = { 0 };
	off_t size = 0;
	int err;

	err = check_kind(fd, &size);
	if (err)
		return err;
	t.text = malloc((size_t)size + 1);
	if (!t.text)
		return -ENOMEM;
	while (t.len < (size_t)size) {
		ssize_t n = pread(fd, t.text + t.len, (size_t)size - t.len, (off_t)t.len);

		if (n < 0 && errno != EINTR) {
			err = -errno;
			free(t.text);
			return err;
		}
		if (!n)
			break; /* it was cut meanwhile */
		t.len += n > 0 ? (size_t)n : 0;
	}
	t.text[t.len] = '\0';
	*ret_text = t;
	return 0;
}

int conf_text_read(const char *file, struct conf_text *ret_text)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err; /* a FIFO would wait */

	if (fd < 0)
		return -errno;
	err = conf_text_read_fd(fd, ret_text);
	fd_close(fd);
	return err;
}

void conf_text_done(struct conf_text *t)
{
	free(t->text);
	*t = (struct conf_text){ 0 };
}

int conf_file_absolute(const char *file, char ret_file[PATH_MAX])
{
	char here[PATH_MAX] = "";

	if (*file != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	if (snprintf(ret_file, PATH_MAX, "%s%s%s", here, *here ? "/" : "", file) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

static const char *why_unreadable(int err)
{
	switch (err) {
	case -EFBIG:
		return "longer than a configuration may be (16 MiB)";
	case -EINVAL:
		return "not a regular file";
	default:
		return strerror(-err);
	}
}

int conf_load(const char *file, struct conf_text *ret_text, struct conf **ret_conf,
	      struct conf_errors *errors)
{
	int err = conf_text_read(file, ret_text);

	if (err) {
		*errors = (struct conf_errors){ 0 };
		conf_errors_add(errors, "%.400s: %s", file, why_unreadable(err));
		return err;
	}
	err = conf_read(ret_text->text, ret_text->len, file, ret_conf, errors);
	if (err)
		conf_text_done(ret_text);
	if (err == -ENOMEM)
		conf_errors_add(errors, "%.400s: out of memory", file);
	return err;
}

/* --- differences -------------------------------------------------------------------------- */

struct difference {
	conf_change_cb told;
	void *arg;
	int num;
};

static void tell(struct difference *d, const char *how, const struct node *n)
{
	char path[TREE_PATH_MAX], text[TREE_PATH_MAX + 16];

	snprintf(text, sizeof(text), "%s: %s", how, node_path(n, path));
	d->told(d->arg, text);
	d->num++;
}

static bool is_map(const struct node *n)
{
	return n && n->kind == NODE_MAP;
}

/* Below mappings alone: what a place in a list means depends on those before it. */
static void compare(struct difference *d, const struct node *old, const struct node *new)
{
	for (const struct node *n = is_map(new) ? new->first : NULL; n; n = n->next) {
		const struct node *was = node_find(old, n->key);

		if (!was)
			tell(d, "added", n);
		else if (is_map(n) && is_map(was))
			compare(d, was, n);
		else if (!node_eq(was, n))
			tell(d, "changed", n);
	}
	for (const struct node *n = is_map(old) ? old->first : NULL; n; n = n->next)
		if (!node_find(new, n->key))
			tell(d, "removed", n);
}

int conf_changes(const struct conf_text *old, const struct conf_text *new, conf_change_cb told,
		 void *arg)
{
	struct difference d = { .told = told, .arg = arg };
	struct tree old_tree = { 0 }, new_tree = { 0 };
	struct conf_errors *errors = malloc(sizeof(*errors)); /* of which there are none */
	struct reader r;
	int err;

	if (!errors)
		return -ENOMEM;
	reader_init(&r, "", NULL, errors);
	err = tree_read(&old_tree, &r, old->text, old->len);
	if (!err)
		err = tree_read(&new_tree, &r, new->text, new->len);
	if (!err)
		compare(&d, old_tree.root, new_tree.root);
	tree_free(&old_tree);
	tree_free(&new_tree);
	reader_done(&r);
	free(errors);
	return err ? err : d.num;
}

unsigned int conf_line_of(const struct conf_text *t, const char *key)
{
	struct conf_errors *errors = malloc(sizeof(*errors)); /* of which there are none */
	struct tree tree = { 0 };
	struct reader r;
	const struct node *n;
	unsigned int line = 0;

	if (!errors)
		return 0;
	reader_init(&r, "", NULL, errors);
	n = tree_read(&tree, &r, t->text, t->len) ? NULL : tree.root;
	while (n && *key) {
		char name[TREE_PATH_MAX];
		size_t len = strcspn(key, ".");

		snprintf(name, sizeof(name), "%.*s", (int)len, key);
		n = node_find(n, name);
		line = n ? n->line : 0;
		key += len + (key[len] == '.');
	}
	tree_free(&tree);
	reader_done(&r);
	free(errors);
	return line;
}
