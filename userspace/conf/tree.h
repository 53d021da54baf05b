/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A YAML text as a tree of nodes, each with its line. Of YAML it takes what a configuration
 * needs: one document of mappings, lists and scalars. Aliases, anchors, tags, keys that are no
 * scalars and keys given twice are errors.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_DEPTH_MAX 12
#define TREE_NODES_MAX 524288
#define TREE_KEYS_MAX 512 /* of one mapping */
#define TREE_SCALAR_MAX 4096 /* bytes */
#define TREE_PATH_MAX 192 /* text of a node's place, with its NUL */
#define TREE_SHOWN_MAX 64 /* text of a value in a message, with its NUL */

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
	NODE_BAD /* an error has been told: nothing more is said about it */
};

struct node {
	enum node_kind kind;
	unsigned int line; /* of its key where it has one */
	struct node *parent; /* NULL: the root */
	struct node *first, *last, *next;
	struct node *all_next; /* of the tree, for tree_free() */
	uint32_t index; /* its place in the parent */
	uint32_t num; /* children */
	char *key; /* in a mapping, else NULL */
	char *text; /* of a scalar; without NULs but the last */
	bool plain; /* not in quotes */
	bool taken; /* for who looks for keys that nobody knows */
};

struct tree {
	struct node *root; /* NULL: nothing but comments */
	struct node *all;
	uint32_t num;
};

struct reader;

/* Errors are told to `r`, and as far as possible all. 0; -EINVAL: errors; -ENOMEM. */
int tree_read(struct tree *t, struct reader *r, const char *text, size_t len);
void tree_free(struct tree *t);

struct node *node_find(const struct node *map, const char *key); /* NULL: none, or no mapping */
bool node_is_empty(const struct node *n); /* "key:" with nothing behind it, ~ or null */
bool node_eq(const struct node *a, const struct node *b); /* keys in any order */
/* "dns.policies[0].rules[2].block"; "" for the root. Returns buf. */
const char *node_path(const struct node *n, char buf[TREE_PATH_MAX]);
/* A text as it may stand in a message: cut, unprintable bytes as '?'. Returns buf. */
const char *text_shown(const char *text, char buf[TREE_SHOWN_MAX]);

#endif
