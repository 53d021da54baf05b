// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How many entries the BPF maps have that a process holds open: a JSON object, name -> count.
 * Only hashes are counted; the entries of arrays and rings neither come nor go.
 *
 *   entries PID
 *
 * Limits: a walk beside a writer may begin anew and count twice, so it ends at max_entries.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define KEY_MAX 512
#define MAPS_MAX 64

static unsigned int seen[MAPS_MAX];
static unsigned int seen_num;
static unsigned int shown;

/* The map that a descriptor of the process is, by its fdinfo; 0 = none. */
static unsigned int map_id(const char *pid, const char *fd)
{
	char path[64];
	char line[128];
	unsigned int id = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/fdinfo/%.16s", pid, fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "map_id:", 7))
			id = (unsigned int)strtoul(line + 7, NULL, 10);
	}
	if (f)
		fclose(f);
	return id;
}

static bool is_hash(const struct bpf_map_info *info)
{
	return (info->type == BPF_MAP_TYPE_HASH || info->type == BPF_MAP_TYPE_LRU_HASH) &&
	       info->key_size <= KEY_MAX;
}

static unsigned int count(int fd, const struct bpf_map_info *info)
{
	unsigned char key[KEY_MAX];
	unsigned int n = 0;
	void *from = NULL;

	while (n < info->max_entries && bpf_map_get_next_key(fd, from, key) == 0) {
		from = key;
		n++;
	}
	return n;
}

static void show(unsigned int id)
{
	struct bpf_map_info info = { 0 };
	unsigned int len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);

	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && is_hash(&info))
		printf("%s\"%s\":%u", shown++ ? "," : "", info.name, count(fd, &info));
	close(fd);
}

static bool is_new(unsigned int id)
{
	for (unsigned int i = 0; i < seen_num; i++) {
		if (seen[i] == id)
			return false;
	}
	return id && seen_num < MAPS_MAX;
}

int main(int argc, char **argv)
{
	char path[64];
	struct dirent *entry;
	DIR *dir;

	if (argc != 2 || snprintf(path, sizeof(path), "/proc/%.16s/fd", argv[1]) < 0)
		return 2;
	dir = opendir(path);
	if (!dir) {
		perror(path);
		return 1;
	}
	printf("{");
	while ((entry = readdir(dir)) != NULL) {
		unsigned int id = isdigit(entry->d_name[0]) ? map_id(argv[1], entry->d_name) : 0;

		if (is_new(id)) {
			seen[seen_num++] = id;
			show(id);
		}
	}
	closedir(dir);
	printf("}\n");
	return 0;
}
