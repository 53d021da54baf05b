// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Loads the kernel half and ties its parts together: objects and sizes here, and the rest
 * by attach.c, cgroup.c, pin.c, counters.c and events.c. Steps that fail are noted in the
 * features and left out, down to no BPF at all; only what has no step below is an error.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "datapath/kernel.h"
#include "datapath/kernel_internal.h"
#include "datapath/walk.h"
#include "headrace.skel.h"

#define KERNEL_FLOOR_MAJOR 6
#define KERNEL_FLOOR_MINOR 1

int kernel_check_version(char err[256])
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) || sscanf(u.release, "%u.%u", &major, &minor) != 2) {
		snprintf(err, 256, "the kernel does not tell its version");
		return -ENOSYS;
	}
	if (major > KERNEL_FLOOR_MAJOR ||
	    (major == KERNEL_FLOOR_MAJOR && minor >= KERNEL_FLOOR_MINOR))
		return 0;
	snprintf(err, 256, "Linux %u.%u or later is needed, this is %.64s", KERNEL_FLOOR_MAJOR,
		 KERNEL_FLOOR_MINOR, u.release);
	return -ENOSYS;
}

/* What libbpf says, the verifier's log included, is for those who debug. */
static int print_debug(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[1024];

	if (level == LIBBPF_DEBUG || log_level() < LOG_LEVEL_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("bpf", "%s", text);
	return 0;
}

static void maps_none(struct kernel *k)
{
	memset(&k->maps, 0xff, sizeof(k->maps));
	memset(&k->programs, 0xff, sizeof(k->programs));
	k->flows_readonly = -1;
	k->domains_readonly = -1;
}

#define TAKE_MAP(name) k->maps.name = bpf_map__fd(s->maps.name);

static void take_descriptors(struct kernel *k)
{
	struct headrace *s = k->skeleton;

	KERNEL_MAPS(TAKE_MAP)
	k->maps.own_cgroups = bpf_map__fd(s->maps.own_cgroups);
	k->maps.sock_notes = bpf_map__fd(s->maps.sock_notes);
	k->programs = (struct kernel_programs){
		.tun_egress = bpf_program__fd(s->progs.tun_egress),
		.tun_ingress = bpf_program__fd(s->progs.tun_ingress),
		.tun_steer = bpf_program__fd(s->progs.tun_steer),
		.sock_protect = bpf_program__fd(s->progs.sock_protect),
		.flow_end = bpf_program__fd(s->progs.flow_end),
		.rules_try = -1,
	};
}

/* --- programs that few need ----------------------------------------------------------------
 *
 * Their sections begin with '?': they are verified when they are first used, as each of them
 * takes as long as all that every instance has.
 */

/* Those that are used together, by which much of the work is done once. */
#define GROUP_PROGRAMS 2
static const char *const groups[][GROUP_PROGRAMS] = {
	{ "host_egress", "host_ingress" }, { "host_egress3", "host_ingress3" },
	{ "lan_ingress", "lan_egress" },   { "lan_ingress3", "lan_egress3" },
	{ "lo_egress", "lo_egress" },	   { "dns_eth", "dns_eth" },
	{ "rules_try", "rules_try" },
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

_Static_assert(KERNEL_GROUPS == GROUPS, "room for all of them");

static size_t find_group(const char *name)
{
	size_t i = 0;

	while (i < GROUPS && strcmp(name, groups[i][0]) != 0 && strcmp(name, groups[i][1]) != 0)
		i++;
	return i;
}

int kernel_program_fd(struct kernel *k, const char *name)
{
	size_t i = find_group(name);

	if (!k->skeleton || i == GROUPS)
		return -ENOENT;
	if (!k->group[i]) {
		int err = kernel_object_load(k, groups[i], GROUP_PROGRAMS, &k->group[i]);

		if (err) {
			k->group[i] = NULL;
			return err;
		}
	}
	return bpf_program__fd(bpf_object__find_program_by_name(k->group[i], name));
}

static bool is_among(const char *name, const char *const *names, size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

int kernel_object_of(const struct kernel *k, const char *const *programs, size_t num,
		     struct bpf_object **ret_object)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct bpf_program *prog;
	char path[TYPES_PATH_MAX];
	struct bpf_object *obj;
	struct bpf_map *map;
	const void *bytes;
	size_t len;

	if (k->no_types >= 0)
		opts.btf_custom_path = types_path(k->no_types, path);
	bytes = headrace__elf_bytes(&len);
	obj = bpf_object__open_mem(bytes, len, &opts);
	if (!obj)
		return -errno;
	bpf_object__for_each_program(prog, obj)
		bpf_program__set_autoload(prog, is_among(bpf_program__name(prog), programs, num));
	bpf_object__for_each_map(map, obj)
	{
		const struct bpf_map *own =
			bpf_object__find_map_by_name(k->skeleton->obj, bpf_map__name(map));
		int err = 0;

		if (own && !bpf_map__is_internal(map))
			err = bpf_map__reuse_fd(map, bpf_map__fd(own));
		if (err) {
			bpf_object__close(obj);
			return err;
		}
	}
	*ret_object = obj;
	return 0;
}

int kernel_object_load(const struct kernel *k, const char *const *programs, size_t num,
		       struct bpf_object **ret_object)
{
	int err = kernel_object_of(k, programs, num, ret_object);

	if (err)
		return err;
	err = bpf_object__load(*ret_object);
	if (err)
		bpf_object__close(*ret_object);
	return err;
}

static int write_abi(const struct kernel *k)
{
	const struct abi abi = {
		.magic = CONTRACT_MAGIC,
		.version = CONTRACT_VERSION,
		.size_flow_key = sizeof(struct flow_key),
		.size_flow = sizeof(struct flow),
		.size_flow_info = sizeof(struct flow_info),
		.size_settings = sizeof(struct settings),
		.size_role_counters = sizeof(struct role_counters),
		.size_domain_value = sizeof(struct domain_value),
		.size_dns_policy = sizeof(struct dns_policy),
		.size_dns_state = sizeof(struct dns_state),
		.size_dns_answer = sizeof(struct dns_answer),
		.size_rule_table = sizeof(struct rule_table),
	};
	__u32 zero = 0;

	return bpf_map_update_elem(k->maps.abi, &zero, &abi, BPF_ANY);
}

int map_open_readonly(int map_fd, int *ret_fd)
{
	LIBBPF_OPTS(bpf_get_fd_by_id_opts, opts, .open_flags = BPF_F_RDONLY);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int err, fd;

	err = bpf_obj_get_info_by_fd(map_fd, &info, &len);
	if (err)
		return err;
	fd = bpf_map_get_fd_by_id_opts(info.id, &opts);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

#define ENTRIES_NONE 256 /* of a table that nobody fills; a CPU's share of an LRU one */

/* What belongs to capture points alone is not worth its memory, nor the time to clear it. */
static int size_maps(struct headrace *s, bool host)
{
	struct bpf_map *const maps[] = { s->maps.direct_flows, s->maps.inbound_notes,
					 s->maps.past_flows, s->maps.host_addrs,
					 s->maps.capture_devices };
	int err = 0;

	for (size_t i = 0; !host && !err && i < sizeof(maps) / sizeof(maps[0]); i++)
		err = bpf_map__set_max_entries(maps[i], ENTRIES_NONE);
	if (!host && !err)
		err = bpf_map__set_max_entries(s->maps.sock_ring, 1);
	if (!host && !err)
		err = bpf_map__set_max_entries(s->maps.sock_flows, 1);
	return err;
}

static int load_sized(struct headrace *s, uint32_t flows_max, bool host)
{
	int err = bpf_map__set_max_entries(s->maps.flows, flows_max);

	if (!err)
		err = bpf_map__set_max_entries(s->maps.flow_info, flows_max);
	if (!err)
		err = size_maps(s, host);
	return err ? err : headrace__load(s);
}

/*
 * Of the programs that every instance loads none reads structures of the kernel, but libbpf
 * would read its types (megabytes) for the sake of those that do: an empty set will do.
 */
static int load_skeleton(struct headrace **ret_skeleton, uint32_t flows_max, bool host)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[TYPES_PATH_MAX];
	int err, fd = types_none();

	if (fd >= 0)
		opts.btf_custom_path = types_path(fd, path);
	*ret_skeleton = headrace__open_opts(&opts);
	err = *ret_skeleton ? load_sized(*ret_skeleton, flows_max, host) : -errno;
	fd_close(fd);
	return err;
}

static int load_programs(struct kernel *k, uint32_t flows_max, bool host)
{
	int err;

	libbpf_set_print(print_debug);
	err = load_skeleton(&k->skeleton, flows_max, host);
	if (err)
		goto err_destroy;
	take_descriptors(k);
	if (!types_are_told())
		k->no_types = types_none();
	err = write_abi(k);
	if (!err)
		err = map_open_readonly(k->maps.flows, &k->flows_readonly);
	if (!err)
		err = map_open_readonly(k->maps.domains, &k->domains_readonly);
	if (!err)
		err = dns_maps_open(&k->dns, &k->maps);
	if (!err)
		err = rules_maps_open(&k->rules, &k->maps);
	if (!err)
		err = events_open(&k->events, k->maps.events);
	if (!err)
		return 0;
err_destroy:
	rules_maps_close(&k->rules);
	dns_maps_close(&k->dns);
	k->flows_readonly = fd_close(k->flows_readonly);
	k->domains_readonly = fd_close(k->domains_readonly);
	headrace__destroy(k->skeleton);
	k->skeleton = NULL;
	maps_none(k);
	return err;
}

/* Fails only if the name is another living instance's, else takes the step down. */
static int make_cgroup(struct kernel *k, const char *instance)
{
	__u32 zero = 0;
	int err;

	err = cgroup_make(&k->cgroup, instance, k->programs.sock_protect);
	if (!err) {
		err = bpf_map_update_elem(k->maps.own_cgroups, &zero, &k->cgroup.dir, BPF_ANY);
		if (err)
			cgroup_remove(&k->cgroup);
	}
	if (err) {
		log_debug("kernel", "no cgroup hook: %s", strerror(-err));
		return err == -EBUSY ? err : 0;
	}
	k->features.protect = "cgroup hook";
	snprintf(k->features.cgroup, sizeof(k->features.cgroup), "%s", k->cgroup.path);
	return 0;
}

/* Likewise. */
static int make_pins(struct kernel *k, const struct kernel_options *opt)
{
	int err;

	err = pins_find(opt->mounts_private, &k->features.bpffs);
	if (!err)
		err = pins_make(&k->pins, opt->instance, &k->maps);
	if (err) {
		log_debug("kernel", "maps are not pinned: %s", strerror(-err));
		return err == -EBUSY ? err : 0;
	}
	snprintf(k->features.pin_directory, sizeof(k->features.pin_directory), "%s",
		 k->pins.directory);
	return 0;
}

static struct kernel *kernel_alloc(void)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->features.attach = "none";
	k->features.protect = "SO_MARK";
	k->features.dns = "resolver";
	k->features.owners = "not known";
	k->features.direct = "none";
	k->features.bpffs = "none";
	k->no_types = -1;
	maps_none(k);
	attachment_init(&k->tun);
	late_init(&k->late);
	cgroup_init(&k->cgroup);
	owners_init(&k->owners);
	owners_init(&k->route);
	dns_maps_init(&k->dns);
	rules_maps_init(&k->rules);
	counters_init(&k->counters);
	pins_init(&k->pins);
	strays_init(&k->strays);
	return k;
}

int kernel_load(const struct kernel_options *opt, struct kernel **ret_kernel, char err[256])
{
	struct kernel *k = kernel_alloc();
	int ret;

	if (!k) {
		snprintf(err, 256, "out of memory");
		return -ENOMEM;
	}
	k->attach = opt->attach;
	ret = opt->none ? -EPERM :
			  load_programs(k, opt->flows_max ? opt->flows_max : FLOWS_MAX, opt->host);
	k->features.bpf = !ret;
	if (opt->none)
		k->features.protect = "bound to the uplink";
	if (ret) {
		k->features.dns = "resolver alone";
		snprintf(k->features.bpf_error, sizeof(k->features.bpf_error),
			 "programs not loaded: %s", strerror(-ret));
	}
	ret = counters_open(&k->counters, k->maps.role_counters);
	if (ret) {
		snprintf(err, 256, "no memory for counters: %s", strerror(-ret));
		kernel_unload(k);
		return ret;
	}
	if (k->features.bpf) {
		ret = make_cgroup(k, opt->instance);
		if (!ret && opt->pin)
			ret = make_pins(k, opt);
	}
	if (ret) {
		snprintf(err, 256,
			 "instance '%s' is running already, in another network "
			 "namespace: choose another name",
			 opt->instance);
		kernel_unload(k);
		return ret;
	}
	*ret_kernel = k;
	return 0;
}

void kernel_unload(struct kernel *k)
{
	if (!k)
		return;
	late_done(&k->late);
	attachment_detach(&k->tun);
	owners_detach(&k->route);
	owners_detach(&k->owners);
	cgroup_remove(&k->cgroup);
	pins_remove(&k->pins);
	dns_maps_close(&k->dns);
	rules_maps_close(&k->rules);
	events_close(&k->events);
	counters_close(&k->counters);
	walk_end(&k->strays.walk);
	walk_end(&k->aging.walk);
	fd_close(k->flows_readonly);
	fd_close(k->domains_readonly);
	for (size_t i = 0; i < GROUPS; i++)
		bpf_object__close(k->group[i]);
	headrace__destroy(k->skeleton);
	fd_close(k->no_types);
	free(k);
}

void kernel_clean_stale(const char *starting)
{
	pins_clean_stale(starting);
	cgroup_clean_stale();
}

void kernel_clean_old(struct kernel *k)
{
	pins_clean_old(&k->pins);
}

void kernel_clean_instance(const char *instance)
{
	pins_clean_instance(instance);
	cgroup_clean_stale();
}

/* Without them everything else works: what asks for an owner finds none. */
static void watch_owners(struct kernel *k)
{
	int err = owners_attach(&k->owners, k);

	if (err == -EALREADY)
		return;
	if (err)
		log_debug("kernel", "owners of sockets are not known: %s", strerror(-err));
	else
		k->features.owners = "cgroup hooks";
}

/* Which of what is attached is to outlive this process. */
static void pin_owners(struct kernel *k)
{
	int err = owners_pin(&k->owners, &k->pins, "owner", k->settings.closed);

	if (!err)
		err = owners_pin(&k->route, &k->pins, "route", k->settings.closed);
	if (err)
		log_warn("kernel", "owners are not known when headrace is killed: %s",
			 strerror(-err));
}

int kernel_attach_tun(struct kernel *k, int ifindex)
{
	/* priority 1 is dns_tun's, see late.c */
	const struct hook hooks[] = {
		{ k->programs.tun_egress, BPF_TC_EGRESS, 2 },
		{ k->programs.tun_ingress, BPF_TC_INGRESS, 1 },
	};

	if (!k->features.bpf)
		return 0;
	watch_owners(k);
	pin_owners(k);
	return attachment_attach(&k->tun, hooks, sizeof(hooks) / sizeof(hooks[0]), ifindex,
				 ATTACH_LAST, k->attach, &k->features.attach);
}

int kernel_attach_route(struct kernel *k)
{
	int err = k->features.bpf ? owners_attach_route(&k->route, k) : -EOPNOTSUPP;

	if (!err)
		k->features.direct = k->route.walk < 0 ? "connect hooks, not listed" :
							 "connect hooks";
	return err;
}

int kernel_steer_fd(const struct kernel *k)
{
	return k->programs.tun_steer;
}

static int write_settings(struct kernel *k)
{
	__u32 zero = 0;

	if (!k->features.bpf)
		return 0;
	return bpf_map_update_elem(k->maps.settings, &zero, &k->settings, BPF_ANY);
}

int kernel_settings(struct kernel *k, const struct settings *s)
{
	uint64_t beat_ns = k->settings.heartbeat_ns;
	uint32_t tell_direct = k->settings.tell_direct; /* kernel_tell_direct()'s alone */

	k->settings = *s;
	k->settings.tell_direct = tell_direct;
	if (beat_ns > s->heartbeat_ns) /* the caller's may be as old as the instance */
		k->settings.heartbeat_ns = beat_ns;
	k->settings.own_cgroup = k->cgroup.id;
	pin_owners(k);
	return write_settings(k);
}

void kernel_heartbeat(struct kernel *k)
{
	k->settings.heartbeat_ns = clock_ns();
	write_settings(k);
}

void kernel_heartbeat_ahead(struct kernel *k, uint64_t ms)
{
	k->settings.heartbeat_ns = clock_ns() + ms * NSEC_PER_MSEC;
	write_settings(k);
}

/* What workers read of what the resolver writes, which alone gets it to write to. */
static int dns_fd(const struct kernel *k, bool resolver, enum role_descriptor_kind kind)
{
	const struct dns_maps *d = &k->dns;

	switch (kind) {
	case ROLE_FD_DOMAINS:
		return resolver ? k->maps.domains : k->domains_readonly;
	case ROLE_FD_DNS_STATE:
		return resolver ? k->maps.dns_state : d->state_readonly;
	case ROLE_FD_DNS_POLICIES:
		return resolver ? k->maps.dns_policies : d->policies_readonly;
	case ROLE_FD_DNS_CLIENTS0:
	case ROLE_FD_DNS_CLIENTS1:
		return (resolver ? d->clients : d->clients_readonly)[kind - ROLE_FD_DNS_CLIENTS0];
	case ROLE_FD_DNS_NAMES:
		return resolver ? k->maps.dns_names : -1;
	case ROLE_FD_DNS_ANSWERS:
		return resolver ? k->maps.dns_answers : -1;
	case ROLE_FD_DNS_LOG:
		return resolver ? k->maps.dns_log : -1;
	case ROLE_FD_DOMAIN_FACTS:
		return resolver ? k->maps.domain_facts : -1;
	default:
		return -1;
	}
}

int kernel_role_fd(const struct kernel *k, unsigned int slot, enum role_descriptor_kind kind)
{
	switch (kind) {
	case ROLE_FD_FLOWS:
		return k->flows_readonly;
	case ROLE_FD_FLOW_INFO:
		return k->maps.flow_info;
	case ROLE_FD_COUNTERS:
		return k->counters.memfd >= 0 ? k->counters.memfd : k->maps.role_counters;
	case ROLE_FD_FLOW_END:
		return k->programs.flow_end;
	default:
		return dns_fd(k, slot == RESOLVER_QUEUE, kind);
	}
}

int kernel_adopt(struct kernel *k, int pid)
{
	return cgroup_adopt(&k->cgroup, pid);
}

int kernel_enter(struct kernel *k)
{
	return cgroup_enter(&k->cgroup);
}

int kernel_leave(struct kernel *k)
{
	return cgroup_leave(&k->cgroup);
}

struct flow_visit {
	struct kernel *kernel;
	int (*fn)(void *arg, const struct kernel_flow *f);
	void *arg;
};

static int visit_flow(void *arg, const struct flow_key *key, const struct flow *flow)
{
	struct flow_visit *visit = arg;
	struct kernel_flow f = { .key = *key, .flow = *flow };

	bpf_map_lookup_elem(visit->kernel->maps.flow_info, key, &f.info);
	return visit->fn(visit->arg, &f);
}

int kernel_flow_each(struct kernel *k, int (*fn)(void *arg, const struct kernel_flow *f), void *arg)
{
	struct flow_visit visit = { .kernel = k, .fn = fn, .arg = arg };

	return walk_flows(k->maps.flows, visit_flow, &visit);
}

struct flow_ending {
	struct kernel *kernel;
	int slot;
	enum flow_end end;
};

/* A reason that the role gave before it died stands. */
static int end_flow(void *arg, const struct kernel_flow *f)
{
	struct flow_ending *ending = arg;
	struct flow_info info = f->info;

	if (ending->slot >= 0 && f->flow.queue != ending->slot)
		return 0;
	if (info.end == END_NONE)
		info.end = ending->end;
	walk_flow_end(ending->kernel->programs.flow_end, &f->key, UINT64_MAX, &info);
	return 0;
}

void kernel_flow_end_all(struct kernel *k, int slot, enum flow_end end)
{
	struct flow_ending ending = { .kernel = k, .slot = slot, .end = end };

	kernel_flow_each(k, end_flow, &ending);
}

const struct kernel_features *kernel_features(const struct kernel *k)
{
	return &k->features;
}

const char *kernel_why_no_bpf(const struct kernel *k)
{
	return k->features.bpf ? NULL : k->features.bpf_error;
}
