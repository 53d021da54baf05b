// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads /proc/self/mountinfo:
 *
 *   36 35 98:0 /root /mount/point rw,noatime shared:1 ... - cgroup2 source rw
 *   id parent dev root  point    options  optional fields   type
 *
 * Blanks in paths are octal escapes (\040); a path with one is left out, as none of ours
 * has any. Of several mounts the first that shows the whole tree (root "/") is taken, else
 * the first at all.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/mountinfo.h"

/* Cuts the line up; false if it is of another type or makes no sense. */
static bool line_matches(char *line, const char *type, char **ret_root, char **ret_point)
{
	char *rest = NULL, *found, *tail = strstr(line, " - ");
	size_t len = strlen(type);
	int field;

	if (!tail || strncmp(tail + 3, type, len) != 0 || tail[3 + len] != ' ')
		return false;
	found = strtok_r(line, " ", &rest);
	for (field = 0; found && field < 3; field++)
		found = strtok_r(NULL, " ", &rest);
	*ret_root = found;
	*ret_point = strtok_r(NULL, " ", &rest);
	return *ret_root && *ret_point && !strchr(*ret_point, '\\');
}

int mountinfo_find(const char *file, const char *type, char *ret_path, size_t size)
{
	char *line = NULL, *root, *point;
	int err = -ENOENT;
	size_t room = 0;
	bool whole = false;
	FILE *f;

	f = fopen(file, "re");
	if (!f)
		return -errno;
	while (!whole && getline(&line, &room, f) > 0) {
		if (!line_matches(line, type, &root, &point))
			continue;
		whole = !strcmp(root, "/");
		if (!whole && !err)
			continue;
		if (strlen(point) >= size) {
			err = err ? -ENAMETOOLONG : 0;
			continue;
		}
		memcpy(ret_path, point, strlen(point) + 1);
		err = 0;
	}
	free(line);
	fclose(f);
	return err;
}
