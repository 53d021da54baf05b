/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The programs that note owners (bpf/owner.bpf.c) on a cgroup of the test's own, in a network
 * namespace of its own, and real sockets of this process. What is noted is read through the
 * sockets' descriptors; decisions, which are the capture programs' to make, are put there by
 * hand.
 */
#ifndef TESTS_BPF_OWNER_WORLD_H
#define TESTS_BPF_OWNER_WORLD_H

#include "bpf/harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/owner.h"
#include "datapath/mountinfo.h"
#include "netdev/link.h"
#include "netdev/netns.h"

#define LINKS 4

struct world {
	struct harness *h;
	char cgroup[256];
	uint64_t cgroup_id;
	int link[LINKS];
};

static struct world world;

static inline int notes(void)
{
	return bpf_map__fd(world.h->skel->maps.sock_notes);
}

static inline int direct(void)
{
	return bpf_map__fd(world.h->skel->maps.direct_flows);
}

/* What is noted with a socket; false: nothing. */
static inline bool note_of(int fd, struct sock_note *ret_note)
{
	return !bpf_map_lookup_elem(notes(), &fd, ret_note);
}

static inline void settings_put_of(bool host, uint64_t netns_cookie, uint64_t own_cgroup)
{
	struct settings s = tun_settings();

	s.host = host;
	s.netns_cookie = netns_cookie;
	s.own_cgroup = own_cgroup;
	s.tell_direct = 1;
	harness_settings(world.h, &s);
}

static inline void settings_put(uint64_t netns_cookie, uint64_t own_cgroup)
{
	settings_put_of(false, netns_cookie, own_cgroup);
}

static inline struct sockaddr_in6 loopback(int family, uint16_t port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, family == AF_INET6 ? "::1" : "::ffff:127.0.0.1", &a.sin6_addr);
	return a;
}

/* An IPv6 socket serves both families: by way of mapped addresses IPv4. */
static inline int listen_on(int family, uint16_t *ret_port)
{
	struct sockaddr_in6 a = loopback(family, 0);
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin6_port);
	return fd;
}

static inline int connect_to(int fd, int family, uint16_t port)
{
	struct sockaddr_in6 a = loopback(family, port);

	return connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static inline int enter_cgroup(void)
{
	char root[128], path[300];
	struct stat st;
	FILE *f;

	if (mountinfo_find("/proc/self/mountinfo", "cgroup2", root, sizeof(root)))
		return -1;
	snprintf(world.cgroup, sizeof(world.cgroup), "%s/test-owner-%d", root, getpid());
	if (mkdir(world.cgroup, 0700))
		return -1;
	snprintf(path, sizeof(path), "%s/cgroup.procs", world.cgroup);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%d\n", getpid());
	assert_int_equal(fclose(f), 0);
	assert_int_equal(stat(world.cgroup, &st), 0);
	world.cgroup_id = st.st_ino;
	return 0;
}

static inline void leave_cgroup(void)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/../cgroup.procs", world.cgroup);
	f = fopen(path, "w");
	if (f) {
		fprintf(f, "%d\n", getpid());
		fclose(f);
	}
	assert_int_equal(rmdir(world.cgroup), 0);
}

static inline void attach_all(struct headrace *skel)
{
	const struct {
		struct bpf_program *prog;
		enum bpf_attach_type type;
	} places[LINKS] = {
		{ skel->progs.sock_note, BPF_CGROUP_INET_SOCK_CREATE },
		{ skel->progs.sock_connect4, BPF_CGROUP_INET4_CONNECT },
		{ skel->progs.sock_connect6, BPF_CGROUP_INET6_CONNECT },
		{ skel->progs.sock_release, BPF_CGROUP_INET_SOCK_RELEASE },
	};
	int dir = open(world.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(dir >= 0);
	for (int i = 0; i < LINKS; i++) {
		world.link[i] =
			bpf_link_create(bpf_program__fd(places[i].prog), dir, places[i].type, NULL);
		assert_true(world.link[i] >= 0);
	}
	close(dir);
}

/* Nothing but the programs in question. */
static inline struct harness *owners_open(void)
{
	struct harness *h = calloc(1, sizeof(*h));
	struct bpf_program *prog;
	int err;

	assert_non_null(h);
	libbpf_set_print(harness_silent);
	h->skel = headrace__open();
	assert_non_null(h->skel);
	bpf_object__for_each_program(prog, h->skel->obj) bpf_program__set_autoload(prog, false);
	bpf_program__set_autoload(h->skel->progs.sock_note, true);
	bpf_program__set_autoload(h->skel->progs.sock_connect4, true);
	bpf_program__set_autoload(h->skel->progs.sock_connect6, true);
	bpf_program__set_autoload(h->skel->progs.sock_release, true);
	bpf_program__set_autoload(h->skel->progs.sock_walk, true);
	err = headrace__load(h->skel);
	if (err == -EPERM) {
		fprintf(stderr, "no right to load BPF programs\n");
		exit(77);
	}
	assert_int_equal(err, 0);
	return h;
}

static inline int owner_world_up(void **state)
{
	char err[ERROR_TEXT_MAX];
	int netns, home;

	world.h = owners_open();
	assert_int_equal(netns_new(&netns, err), 0);
	assert_int_equal(netns_enter(netns, &home), 0);
	close(home);
	close(netns);
	assert_int_equal(link_up(LINK_LOOPBACK), 0);
	if (enter_cgroup()) {
		fprintf(stderr, "no cgroup2 to work in\n");
		exit(77);
	}
	attach_all(world.h->skel);
	settings_put(0, 0);
	return 0;
}

static inline int owner_world_down(void **state)
{
	for (int i = 0; i < LINKS; i++)
		close(world.link[i]);
	leave_cgroup();
	harness_close(world.h);
	return 0;
}

struct pair {
	int server;
	int client;
	int accepted;
};

static inline struct pair pair_open(void)
{
	struct pair p;
	uint16_t port;

	p.server = listen_on(AF_INET, &port);
	p.client = socket(AF_INET6, SOCK_STREAM, 0);
	assert_int_equal(connect_to(p.client, AF_INET, port), 0);
	p.accepted = accept(p.server, NULL, NULL);
	assert_true(p.accepted >= 0);
	return p;
}

static inline void move_bytes(int from, int to, size_t bytes)
{
	char buf[4096] = { 0 };

	while (bytes) {
		size_t n = bytes < sizeof(buf) ? bytes : sizeof(buf);

		assert_int_equal(send(from, buf, n, 0), n);
		assert_int_equal(recv(to, buf, n, MSG_WAITALL), n);
		bytes -= n;
	}
}

static inline enum flow_end end_told(void)
{
	struct harness_events events;

	harness_read_events(world.h, &events);
	assert_int_equal(events.count, 1);
	assert_int_equal(events.event[0].type, EVENT_FLOW_END);
	return (enum flow_end)events.event[0].info.end;
}

#endif
