// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Look-ups by key; only the one by name walks a map, of at most DOMAINS_MAX entries. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/fd.h"
#include "datapath/batch.h"
#include "datapath/kernel_internal.h"
#include "datapath/look.h"
#include "datapath/mountinfo.h"
#include "datapath/rules.h"
#include "datapath/view.h"

#define CGROUP_DEPTH_MAX 16

/* --- rules and settings --------------------------------------------------------------------- */

void kernel_rules_look(const struct kernel *k, struct kernel_rules *ret_rules)
{
	static struct rule_table table;
	__u32 which;

	*ret_rules = (struct kernel_rules){ .epoch = kernel_rules_epoch(k) };
	if (!k->features.bpf)
		return;
	ret_rules->valid_from = k->rules.state->valid_from;
	ret_rules->since_ms = k->rules.since_ms;
	which = ret_rules->epoch & 1;
	if (!bpf_map_lookup_elem(k->maps.rule_tables, &which, &table))
		ret_rules->fallback = table.fallback;
}

const struct settings *kernel_settings_now(const struct kernel *k)
{
	return &k->settings;
}

bool kernel_capture_look(const struct kernel *k, uint32_t ifindex,
			 struct capture_device *ret_device)
{
	return k->features.bpf &&
	       !bpf_map_lookup_elem(k->maps.capture_devices, &ifindex, ret_device);
}

bool kernel_is_host_addr(const struct kernel *k, const struct addr *addr)
{
	struct host_prefix key = { .bits = 128 };
	__u32 value;

	if (!k->features.bpf)
		return false;
	if (!bpf_map_lookup_elem(k->maps.host_addrs, addr, &value))
		return true;
	memcpy(key.addr, addr->b, sizeof(key.addr));
	return !bpf_map_lookup_elem(k->maps.host_prefixes, &key, &value) &&
	       value == (addr_is_v4(addr) ? 4 : 6);
}

/* --- names ---------------------------------------------------------------------------------- */

static bool fact_of(const struct kernel *k, const struct addr *client, const struct addr *addr,
		    struct domain_fact *ret_fact)
{
	struct domain_fact_key key = { .client = *client, .addr = *addr };

	return k->features.bpf && !bpf_map_lookup_elem(k->maps.domain_facts, &key, ret_fact) &&
	       ret_fact->expires_ns > clock_ns();
}

enum kernel_fact kernel_fact_look(const struct kernel *k, const struct addr *client,
				  const struct addr *addr, struct domain_fact *ret_fact)
{
	static const struct addr anybody;

	if (fact_of(k, client, addr, ret_fact))
		return FACT_CLIENT;
	return fact_of(k, &anybody, addr, ret_fact) ? FACT_ANYBODY : FACT_NONE;
}

static uint32_t policy_of(const struct kernel *k, const struct addr *client)
{
	struct dns_client_key key = { .bits = 128 };
	struct dns_state s;
	__u32 zero = 0, value = 0;

	memcpy(key.addr, client->b, sizeof(key.addr));
	if (bpf_map_lookup_elem(k->maps.dns_state, &zero, &s) ||
	    bpf_map_lookup_elem(k->dns.clients[s.epoch & 1], &key, &value))
		return 0;
	return value & DNS_CLIENT_POLICY;
}

const char *kernel_name_look(const struct kernel *k, const struct addr *client,
			     const struct addr *addr, char buf[DOMAIN_TEXT_MAX])
{
	struct domain_key key = { .addr = *addr };
	struct domain_value value;

	buf[0] = '\0';
	if (!k->features.bpf)
		return buf;
	key.policy = policy_of(k, client);
	if (!bpf_map_lookup_elem(k->maps.domains, &key, &value) && value.expires_ns > clock_ns())
		snprintf(buf, DOMAIN_TEXT_MAX, "%.*s", DOMAIN_TEXT_MAX - 1, value.name);
	return buf;
}

/* Several policies may have the same. */
static unsigned int add_address(struct addr *list, unsigned int num, unsigned int max,
				const struct addr *addr)
{
	for (unsigned int i = 0; i < num; i++)
		if (addr_eq(&list[i], addr))
			return num;
	if (num < max)
		list[num++] = *addr;
	return num;
}

unsigned int kernel_addresses_look(const struct kernel *k, const char *name, struct addr *ret_addr,
				   unsigned int max)
{
	struct batch b = { 0 };
	unsigned int num = 0;
	uint64_t now = clock_ns();
	int more = 1;
	__u32 count;

	if (!k->features.bpf ||
	    batch_start(&b, sizeof(struct domain_key), sizeof(struct domain_value)))
		return 0;
	while (more > 0) {
		const struct domain_key *key;
		const struct domain_value *value;

		more = batch_read(&b, k->maps.domains, &count);
		key = b.keys;
		value = b.values;
		for (__u32 i = 0; more >= 0 && i < count; i++)
			if (value[i].expires_ns > now &&
			    !strncmp(value[i].name, name, DOMAIN_TEXT_MAX))
				num = add_address(ret_addr, num, max, &key[i].addr);
	}
	batch_end(&b);
	return num;
}

/* --- cgroups -------------------------------------------------------------------------------- */

static bool root_of(char root[CGROUP_PATH_MAX])
{
	return !mountinfo_find("/proc/self/mountinfo", "cgroup2", root, CGROUP_PATH_MAX);
}

uint64_t kernel_cgroup_id(const char *path)
{
	char root[CGROUP_PATH_MAX], whole[2 * CGROUP_PATH_MAX];
	struct stat st;

	if (!root_of(root))
		return 0;
	snprintf(whole, sizeof(whole), "%s%s", root, path);
	return stat(whole, &st) || !S_ISDIR(st.st_mode) ? 0 : st.st_ino;
}

/* Depth first, below the directory `fd`, which is closed. */
static bool find_below(int fd, const char *unit, char *path, size_t size, unsigned int depth)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	size_t len = strlen(path);
	bool found = false;

	if (!dir) {
		fd_close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir))) {
		int below;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || depth == CGROUP_DEPTH_MAX)
			continue;
		snprintf(path + len, size - len, "/%s", entry->d_name);
		found = !strcmp(entry->d_name, unit);
		if (found)
			break;
		below = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		found = below >= 0 && find_below(below, unit, path, size, depth + 1);
	}
	closedir(dir);
	if (!found)
		path[len] = '\0';
	return found;
}

bool kernel_cgroup_find(const char *unit, char *ret_path, size_t size)
{
	char root[CGROUP_PATH_MAX];
	int fd;

	ret_path[0] = '\0';
	if (!root_of(root))
		return false;
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && find_below(fd, unit, ret_path, size, 0);
}
