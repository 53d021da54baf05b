// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel half as main and roles use it, on the real kernel: in network and mount
 * namespaces of this process's own. Needs root (77 without).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include <bpf/bpf.h>

#include "base/addr.h"
#include "base/clock.h"
#include "datapath/hooks.h"
#include "datapath/kernel.h"
#include "datapath/kernel_internal.h"
#include "datapath/look.h"
#include "datapath/role.h"
#include "datapath/view.h"
#include "lib/own_bpffs.h"
#include "unit/datapath/support.h"

/* Puts a flow in the table by main's writable descriptor, as the programs would. */
static void put_flow(struct kernel *k, struct flow_key *key, uint16_t port, unsigned int slot,
		     uint64_t first_seen_ns)
{
	struct flow flow = { .first_seen_ns = first_seen_ns,
			     .last_seen_ns = first_seen_ns,
			     .queue = slot,
			     .bytes_up = port };

	memset(key, 0, sizeof(*key));
	key->sport = htons(port);
	key->proto = IPPROTO_UDP;
	assert_int_equal(bpf_map_update_elem(k->maps.flows, key, &flow, BPF_ANY), 0);
}

static void leaves_nothing_behind(void **state)
{
	struct kernel *k = load_bpf(true);
	char pins[128], cgroup[256], file[192];
	struct stat st;

	strcpy(pins, kernel_features(k)->pin_directory);
	strcpy(cgroup, kernel_features(k)->cgroup);
	assert_int_equal(stat(pins, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(file, sizeof(file), "%s/flows", pins);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(cgroup, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700); /* others could hold its lock */
	kernel_unload(k);
	assert_int_equal(stat(pins, &st), -1);
	assert_int_equal(stat(cgroup, &st), -1);
	kernel_unload(NULL);
}

static void killed_main_leaves_only_what_clean_stale_removes(void **state)
{
	char pins[128], cgroup[256];
	struct stat st;
	pid_t pid = fork();
	int status;

	if (!pid) {
		load_bpf(true);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	snprintf(pins, sizeof(pins), "/sys/fs/bpf/headrace/%d/%s", CONTRACT_VERSION, instance);
	assert_int_equal(stat(pins, &st), 0);
	kernel_clean_stale(NULL);
	assert_int_equal(stat(pins, &st), -1);
	snprintf(cgroup, sizeof(cgroup), "/sys/fs/cgroup/unified/headrace-%s", instance);
	assert_int_equal(stat(cgroup, &st), -1);
	snprintf(cgroup, sizeof(cgroup), "/sys/fs/cgroup/headrace-%s", instance);
	assert_int_equal(stat(cgroup, &st), -1);
}

static void a_name_that_lives_is_neither_cleaned_nor_taken(void **state)
{
	struct kernel_options opt = { .instance = instance, .flows_max = 512, .pin = true };
	struct kernel *k = load_bpf(true), *second = NULL;
	char err[256] = "";
	struct stat st;

	kernel_clean_stale(NULL);
	assert_int_equal(stat(kernel_features(k)->pin_directory, &st), 0);
	assert_int_equal(stat(kernel_features(k)->cgroup, &st), 0);
	assert_int_equal(kernel_load(&opt, &second, err), -EBUSY);
	assert_non_null(strstr(err, "running already"));
	assert_int_equal(stat(kernel_features(k)->pin_directory, &st), 0);
	assert_int_equal(stat(kernel_features(k)->cgroup, &st), 0);
	kernel_unload(k);
}

static void does_not_pin_where_others_may_write(void **state)
{
	struct kernel *k;

	assert_int_equal(mkdir("/sys/fs/bpf/headrace", 0700), 0);
	assert_int_equal(chmod("/sys/fs/bpf/headrace", 0777), 0);
	k = load_bpf(true);
	assert_string_equal(kernel_features(k)->pin_directory, "");
	kernel_unload(k);
	assert_int_equal(rmdir("/sys/fs/bpf/headrace"), 0);
}

static void sockets_of_the_cgroup_are_marked(void **state)
{
	struct kernel *k = load_bpf(false);
	struct settings s = { .mark = HEADRACE_MARK };
	int status;
	pid_t pid;

	if (strcmp(kernel_features(k)->protect, "cgroup hook")) {
		kernel_unload(k);
		skip();
	}
	assert_int_equal(kernel_settings(k, &s), 0);
	pid = fork();
	if (!pid) {
		uint32_t mark = 0;
		socklen_t len = sizeof(mark);
		int fd;

		if (kernel_adopt(k, getpid()))
			_exit(1);
		fd = socket(AF_INET6, SOCK_DGRAM, 0);
		_exit(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len) || mark != HEADRACE_MARK);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	kernel_unload(k);
}

/* A reload, or another uplink, is no reason to leave out what who follows wants to hear. */
static void settings_keep_telling_of_direct_flows(void **state)
{
	struct kernel *k = load_bpf(false);
	struct settings s = { .mark = HEADRACE_MARK }, now;
	__u32 zero = 0;

	assert_int_equal(kernel_settings(k, &s), 0);
	kernel_tell_direct(k, true);
	s.mtu = 1400;
	assert_int_equal(kernel_settings(k, &s), 0);
	assert_int_equal(bpf_map_lookup_elem(k->maps.settings, &zero, &now), 0);
	assert_int_equal(now.mtu, 1400);
	assert_int_equal(now.tell_direct, 1);
	kernel_tell_direct(k, false);
	assert_int_equal(bpf_map_lookup_elem(k->maps.settings, &zero, &now), 0);
	assert_int_equal(now.tell_direct, 0);
	kernel_unload(k);
}

static uint32_t mark_of_new_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(uint32_t);
	uint32_t mark = 0;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	close(fd);
	return mark;
}

static void main_goes_into_the_cgroup_and_back(void **state)
{
	struct kernel *k = load_bpf(false);
	struct settings s = { .mark = HEADRACE_MARK };

	if (strcmp(kernel_features(k)->protect, "cgroup hook")) {
		kernel_unload(k);
		skip();
	}
	assert_int_equal(kernel_settings(k, &s), 0);
	assert_int_equal(mark_of_new_socket(), 0);
	assert_int_equal(kernel_enter(k), 0);
	assert_int_equal(mark_of_new_socket(), HEADRACE_MARK);
	assert_int_equal(kernel_leave(k), 0);
	assert_int_equal(mark_of_new_socket(), 0);
	assert_int_equal(kernel_leave(k), 0);
	kernel_unload(k);
}

static int count_flow(void *arg, const struct kernel_flow *f)
{
	struct kernel_flow *last = arg;
	unsigned int seen = last->flow.packets_up + 1;

	*last = *f;
	last->flow.packets_up = seen;
	return 0;
}

static void walks_every_flow_joined_with_its_info(void **state)
{
	struct kernel *k = load_bpf(false);
	struct kernel_flow last = { 0 };
	struct flow_info info = { .end = END_IDLE, .outbound = "direct" };
	struct flow_key key;
	struct datapath dp;
	int i;

	role_of(k, &dp, 1);
	for (i = 1; i <= 400; i++) {
		put_flow(k, &key, i, 1, clock_ns());
		assert_int_equal(datapath_flow_note(&dp, &key, &info), 0);
	}
	assert_int_equal(kernel_flow_each(k, count_flow, &last), 0);
	assert_int_equal(last.flow.packets_up, 400);
	assert_string_equal(last.info.outbound, "direct");
	assert_int_equal(last.info.slot, 1);
	datapath_done(&dp);
	kernel_unload(k);
}

static void role_cannot_write_the_flow_table(void **state)
{
	struct kernel *k = load_bpf(false);
	struct flow flow = { 0 };
	struct flow_key key;
	struct datapath dp;

	role_of(k, &dp, 1);
	put_flow(k, &key, 1, 1, clock_ns());
	assert_int_equal(bpf_map_update_elem(dp.flows, &key, &flow, BPF_ANY), -EPERM);
	assert_int_equal(bpf_map_lookup_elem(dp.flows, &key, &flow), 0);
	datapath_done(&dp);
	kernel_unload(k);
}

static void worker_cannot_name_addresses(void **state)
{
	struct kernel *k = load_bpf(false);
	struct addr a = { .b = { 0x20, 1 } };
	uint64_t later = clock_ns() + NSEC_PER_SEC;
	char name[DOMAIN_TEXT_MAX];
	struct datapath worker, resolver;

	role_of(k, &worker, 1);
	role_of(k, &resolver, RESOLVER_QUEUE);
	assert_int_equal(datapath_domain_put(&worker, 0, &a, "bank.test", later), -EPERM);
	assert_int_equal(datapath_domain_put(&resolver, 0, &a, "a.test", later), 0);
	assert_string_equal(datapath_domain_get(&worker, 0, &a, name), "a.test");
	datapath_done(&worker);
	datapath_done(&resolver);
	kernel_unload(k);
}

static void count_slot(void *arg, const struct flow_key *key, const struct flow *flow)
{
	(*(unsigned int *)arg)++;
}

/* All that a role does, by descriptors alone: as nobody, whatever the sysctl says. */
static void act_as_nobody(struct kernel *k, const struct flow_key *key)
{
	struct flow_info info = { .outbound = "direct", .end = END_IDLE };
	struct addr a = { .b = { 0x20, 1 } };
	char name[DOMAIN_TEXT_MAX];
	struct datapath dp, resolver;
	unsigned int seen = 0;

	if (setgid(65534) || setuid(65534))
		_exit(2);
	role_of(k, &dp, 1);
	role_of(k, &resolver, RESOLVER_QUEUE);
	datapath_drop(&dp, DROP_TTL);
	if (datapath_domain_put(&resolver, 0, &a, "a.test", clock_ns() + NSEC_PER_SEC) ||
	    strcmp(datapath_domain_get(&dp, 0, &a, name), "a.test") != 0)
		_exit(3);
	if (datapath_flow_note(&dp, key, &info) || datapath_flow_noted(&dp, key, &info))
		_exit(4);
	if (datapath_flow_each(&dp, 1, count_slot, &seen) || seen != 1)
		_exit(5);
	if (datapath_flow_end(&dp, key, clock_ns(), &info))
		_exit(6);
	datapath_done(&resolver);
	datapath_done(&dp);
	_exit(0);
}

static void role_needs_no_capability(void **state)
{
	struct kernel *k = load_bpf(false);
	struct kernel_flow none = { 0 };
	struct flow_key key;
	int status;
	pid_t pid;

	put_flow(k, &key, 1, 1, 1000);
	pid = fork();
	if (!pid)
		act_as_nobody(k, &key);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(kernel_role_counters(k, 1)->drops.ttl, 1);
	assert_int_equal(kernel_flow_each(k, count_flow, &none), 0);
	assert_int_equal(none.flow.packets_up, 0);
	kernel_unload(k);
}

struct last_event {
	struct flow_event event;
	unsigned int count;
};

static void note_event(void *arg, const struct flow_event *e)
{
	struct last_event *last = arg;

	last->event = *e;
	last->count++;
}

static void ending_a_flow_tells_of_it_and_removes_it(void **state)
{
	struct kernel *k = load_bpf(false);
	struct flow_info info = { .end = END_IDLE, .domain = "example.test" };
	struct last_event last = { 0 };
	struct kernel_flow none = { 0 };
	struct flow_key key;
	struct datapath dp;

	role_of(k, &dp, 2);
	put_flow(k, &key, 77, 2, 1000);
	assert_int_equal(datapath_flow_end(&dp, &key, 1000, &info), 0);
	assert_true(kernel_events_fd(k) >= 0);
	assert_int_equal(kernel_events_read(k, note_event, &last), 0);
	assert_int_equal(last.count, 1);
	assert_int_equal(last.event.type, EVENT_FLOW_END);
	assert_int_equal(last.event.flow.bytes_up, 77);
	assert_int_equal(last.event.info.end, END_IDLE);
	assert_int_equal(last.event.info.slot, 2);
	assert_string_equal(last.event.info.domain, "example.test");
	assert_int_equal(kernel_flow_each(k, count_flow, &none), 0);
	assert_int_equal(none.flow.packets_up, 0);
	/* once more: unknown, no error, no event */
	assert_int_equal(datapath_flow_end(&dp, &key, 1000, &info), 0);
	assert_int_equal(kernel_events_read(k, note_event, &last), 0);
	assert_int_equal(last.count, 1);
	datapath_done(&dp);
	kernel_unload(k);
}

static void end_without_outbound_keeps_what_was_noted(void **state)
{
	struct kernel *k = load_bpf(false);
	struct flow_info noted = { .outbound = "direct", .domain = "example.test" };
	struct flow_info end = { .end = END_FINISHED };
	struct last_event last = { 0 };
	struct flow_key key;
	struct datapath dp;

	role_of(k, &dp, 1);
	put_flow(k, &key, 5, 1, 1000);
	assert_int_equal(datapath_flow_note(&dp, &key, &noted), 0);
	assert_int_equal(datapath_flow_end(&dp, &key, 1000, &end), 0);
	assert_int_equal(kernel_events_read(k, note_event, &last), 0);
	assert_int_equal(last.count, 1);
	assert_int_equal(last.event.info.end, END_FINISHED);
	assert_string_equal(last.event.info.outbound, "direct");
	assert_string_equal(last.event.info.domain, "example.test");
	datapath_done(&dp);
	kernel_unload(k);
}

/* A datagram that was still queued when its flow ended makes its role note a flow again. */
static void ending_an_unknown_flow_leaves_no_note(void **state)
{
	struct kernel *k = load_bpf(false);
	struct flow_info info = { .end = END_IDLE, .outbound = "direct" };
	struct flow_key key = { .proto = IPPROTO_UDP };
	struct datapath dp;

	role_of(k, &dp, 1);
	assert_int_equal(datapath_flow_note(&dp, &key, &info), 0);
	assert_int_equal(datapath_flow_noted(&dp, &key, &info), 0);
	assert_int_equal(datapath_flow_end(&dp, &key, clock_ns(), &info), 0);
	assert_int_equal(datapath_flow_noted(&dp, &key, &info), -ENOENT);
	datapath_done(&dp);
	kernel_unload(k);
}

static void newer_flow_of_the_same_key_is_left_alone(void **state)
{
	struct kernel *k = load_bpf(false);
	struct kernel_flow seen = { 0 };
	struct flow_info info = { .end = END_FINISHED };
	struct flow_key key;
	struct datapath dp;

	role_of(k, &dp, 1);
	put_flow(k, &key, 5, 1, 2000);
	/* noted late, for the older one: what is left has no note, so that main looks after it */
	assert_int_equal(datapath_flow_note(&dp, &key, &info), 0);
	assert_int_equal(datapath_flow_end(&dp, &key, 1999, &info), 0);
	assert_int_equal(kernel_flow_each(k, count_flow, &seen), 0);
	assert_int_equal(seen.flow.packets_up, 1);
	assert_int_equal(datapath_flow_noted(&dp, &key, &info), -ENOENT);
	datapath_done(&dp);
	kernel_unload(k);
}

static void end_all_takes_one_slot_or_all(void **state)
{
	struct kernel *k = load_bpf(false);
	struct last_event last = { 0 };
	struct kernel_flow left = { 0 };
	struct flow_key key;
	int i;

	for (i = 1; i <= 300; i++)
		put_flow(k, &key, i, i % 3, clock_ns());
	kernel_flow_end_all(k, 2, END_ROLE_DIED);
	assert_int_equal(kernel_events_read(k, note_event, &last), 0);
	assert_int_equal(last.count, 100);
	assert_int_equal(last.event.info.end, END_ROLE_DIED);
	assert_int_equal(last.event.flow.queue, 2);
	kernel_flow_end_all(k, -1, END_SHUTDOWN);
	assert_int_equal(kernel_events_read(k, note_event, &last), 0);
	assert_int_equal(last.count, 300);
	assert_int_equal(kernel_flow_each(k, count_flow, &left), 0);
	assert_int_equal(left.flow.packets_up, 0);
	kernel_unload(k);
}

static void role_sees_the_flows_of_a_slot(void **state)
{
	struct kernel *k = load_bpf(false);
	struct flow_key key;
	struct datapath dp;
	unsigned int seen = 0;
	int i;

	role_of(k, &dp, 1);
	for (i = 1; i <= 30; i++)
		put_flow(k, &key, i, i % 3, clock_ns());
	assert_int_equal(datapath_flow_each(&dp, 1, count_slot, &seen), 0);
	assert_int_equal(seen, 10);
	datapath_done(&dp);
	kernel_unload(k);
}

static void domain_is_known_until_it_expires(void **state)
{
	struct kernel *k = load_bpf(false);
	struct addr a = { .b = { 0x20, 1 } };
	char name[DOMAIN_TEXT_MAX], longest[400];
	struct datapath dp;

	role_of(k, &dp, 0);
	assert_string_equal(datapath_domain_get(&dp, 0, &a, name), "");
	assert_int_equal(datapath_domain_put(&dp, 0, &a, "a.test", clock_ns() + NSEC_PER_SEC), 0);
	assert_string_equal(datapath_domain_get(&dp, 0, &a, name), "a.test");
	assert_int_equal(datapath_domain_put(&dp, 0, &a, "a.test", clock_ns() - 1), 0);
	assert_string_equal(datapath_domain_get(&dp, 0, &a, name), "");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(datapath_domain_put(&dp, 0, &a, longest, clock_ns() + NSEC_PER_SEC), 0);
	assert_int_equal(strlen(datapath_domain_get(&dp, 0, &a, name)), DOMAIN_TEXT_MAX - 1);
	datapath_done(&dp);
	kernel_unload(k);
}

static bool is_own(const struct kernel *k, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return kernel_is_host_addr(k, &a);
}

static void own_are_single_addresses_and_those_of_prefixes(void **state)
{
	struct kernel *k = load_bpf(false);
	struct prefix p[3];
	struct addr a;

	assert_int_equal(addr_parse("192.0.2.1", &a), 0);
	assert_int_equal(kernel_host_addrs_set(k, &a, 1), 0);
	prefix_parse("198.18.0.0/15", &p[0]);
	prefix_parse("2001:db8::/32", &p[1]);
	p[2] = p[0]; /* two routes of one prefix */
	assert_int_equal(kernel_host_prefixes_set(k, p, 3), 0);
	assert_true(is_own(k, "192.0.2.1") && is_own(k, "198.19.255.255"));
	assert_true(is_own(k, "2001:db8:ffff::1"));
	assert_false(is_own(k, "192.0.2.2") || is_own(k, "198.20.0.1") || is_own(k, "2001:db9::1"));
	prefix_parse("::/0", &p[1]);
	assert_int_equal(kernel_host_prefixes_set(k, p + 1, 1), 0);
	assert_true(is_own(k, "2001:db9::1"));
	assert_false(is_own(k, "198.19.255.255")); /* nor is any other of IPv4 */
	assert_int_equal(kernel_host_addrs_set(k, NULL, 0), 0);
	assert_int_equal(kernel_host_prefixes_set(k, NULL, 0), 0);
	assert_false(is_own(k, "192.0.2.1") || is_own(k, "2001:db9::1"));
	kernel_unload(k);
}

static void counters_reach_main(struct kernel *k)
{
	struct datapath dp;

	datapath_init(&dp, 3);
	datapath_drop(&dp, DROP_TTL); /* before they are handed over: into private memory */
	assert_int_equal(datapath_map_counters(&dp, kernel_role_fd(k, 1, ROLE_FD_COUNTERS)), 0);
	datapath_drop(&dp, DROP_STRAY);
	datapath_count(&dp, RSTAT_UDP_OPEN, 5);
	datapath_count(&dp, RSTAT_UDP_OPEN, -2);
	assert_int_equal(kernel_role_counters(k, 3)->drops.stray, 1);
	assert_int_equal(kernel_role_counters(k, 3)->drops.ttl, 0);
	assert_int_equal(kernel_role_counters(k, 3)->stats.udp_open, 3);
	assert_int_equal(kernel_role_counters(k, 2)->drops.stray, 0);
	datapath_done(&dp);
}

static void counters_are_shared_by_the_map(void **state)
{
	struct kernel *k = load_bpf(false);

	counters_reach_main(k);
	kernel_unload(k);
}

static int tun_make(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strcpy(ifr.ifr_name, name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &ifr)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void attaches_and_detaches(void **state)
{
	struct kernel *k = load_bpf(false);
	int tun = tun_make("hrtest0"), steer = kernel_steer_fd(k);

	assert_true(tun >= 0);
	assert_int_equal(kernel_attach_tun(k, if_nametoindex("hrtest0")), 0);
	assert_string_not_equal(kernel_features(k)->attach, "none");
	assert_string_equal(kernel_features(k)->owners,
			    kernel_features(k)->cgroup[0] ? "cgroup hooks" : "not known");
	assert_int_equal(ioctl(tun, TUNSETSTEERINGEBPF, &steer), 0);
	assert_int_equal(kernel_attach_tun(k, if_nametoindex("hrtest0")), -EALREADY);
	kernel_unload(k);
	assert_int_not_equal(system("tc qdisc show dev hrtest0 | grep -q clsact"), 0);
	close(tun);
}

static void attaching_to_no_device_fails(void **state)
{
	struct kernel *k = load_bpf(false);

	assert_true(kernel_attach_tun(k, 99999) < 0);
	assert_string_equal(kernel_features(k)->attach, "none");
	kernel_unload(k);
}

/* As a user without capabilities: everything returns cleanly and counters still work. */
static void without_bpf(void)
{
	struct flow_info info = { 0 };
	struct kernel_stats stats;
	struct settings s = { 0 };
	struct flow_key key = { 0 };
	struct datapath dp;
	struct kernel *k;
	unsigned int seen = 0;

	if (setgid(65534) || setuid(65534))
		_exit(2);
	k = load(true);
	assert_false(kernel_features(k)->bpf);
	assert_true(kernel_features(k)->bpf_error[0]);
	assert_string_equal(kernel_features(k)->pin_directory, "");
	assert_string_equal(kernel_features(k)->protect, "SO_MARK");
	counters_reach_main(k);
	assert_int_equal(kernel_settings(k, &s), 0);
	kernel_heartbeat(k);
	assert_int_equal(kernel_attach_tun(k, 1), 0);
	assert_string_equal(kernel_features(k)->attach, "none");
	assert_string_equal(kernel_features(k)->owners, "not known");
	assert_int_equal(kernel_steer_fd(k), -1);
	assert_int_equal(kernel_role_fd(k, 1, ROLE_FD_FLOWS), -1);
	assert_int_equal(kernel_events_fd(k), -1);
	assert_int_equal(kernel_events_read(k, note_event, NULL), 0);
	kernel_flow_end_all(k, -1, END_SHUTDOWN);
	kernel_read_stats(k, &stats);
	assert_int_equal(stats.up_packets, 0);
	datapath_init(&dp, 1);
	assert_int_equal(datapath_flow_note(&dp, &key, &info), 0);
	assert_int_equal(datapath_flow_end(&dp, &key, 0, &info), 0);
	assert_int_equal(datapath_flow_each(&dp, 1, count_slot, &seen), 0);
	datapath_done(&dp);
	kernel_unload(k);
}

static void works_without_bpf(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		without_bpf();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void this_kernel_is_new_enough(void **state)
{
	char err[256];

	assert_int_equal(kernel_check_version(err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_kernel_is_new_enough),
		cmocka_unit_test(leaves_nothing_behind),
		cmocka_unit_test(killed_main_leaves_only_what_clean_stale_removes),
		cmocka_unit_test(a_name_that_lives_is_neither_cleaned_nor_taken),
		cmocka_unit_test(does_not_pin_where_others_may_write),
		cmocka_unit_test(sockets_of_the_cgroup_are_marked),
		cmocka_unit_test(settings_keep_telling_of_direct_flows),
		cmocka_unit_test(main_goes_into_the_cgroup_and_back),
		cmocka_unit_test(walks_every_flow_joined_with_its_info),
		cmocka_unit_test(role_cannot_write_the_flow_table),
		cmocka_unit_test(worker_cannot_name_addresses),
		cmocka_unit_test(role_needs_no_capability),
		cmocka_unit_test(ending_a_flow_tells_of_it_and_removes_it),
		cmocka_unit_test(end_without_outbound_keeps_what_was_noted),
		cmocka_unit_test(ending_an_unknown_flow_leaves_no_note),
		cmocka_unit_test(newer_flow_of_the_same_key_is_left_alone),
		cmocka_unit_test(end_all_takes_one_slot_or_all),
		cmocka_unit_test(role_sees_the_flows_of_a_slot),
		cmocka_unit_test(domain_is_known_until_it_expires),
		cmocka_unit_test(own_are_single_addresses_and_those_of_prefixes),
		cmocka_unit_test(counters_are_shared_by_the_map),
		cmocka_unit_test(attaches_and_detaches),
		cmocka_unit_test(attaching_to_no_device_fails),
		cmocka_unit_test(works_without_bpf),
	};

	if (own_bpffs())
		return 77;
	support_instance();
	return cmocka_run_group_tests_name("datapath/kernel", tests, NULL, NULL);
}
