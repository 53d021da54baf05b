// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel half on a real TUN with two queues and all offloads, in a network namespace of
 * this process's own, with real sockets as applications and this test as resolver and worker:
 *
 *   socket 10.0.0.2 / fd68:...::2 -> hrlive0 -> tun_egress -> queue 0 (resolver), 1 (worker)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include <bpf/bpf.h>

#include "base/addr.h"
#include "datapath/kernel.h"
#include "datapath/kernel_internal.h"
#include "lib/craft.h"
#include "lib/tun_settings.h"

#define DEVICE "hrlive0"
#define WAIT_MS 2000
#define OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
#define TUN_USO (0x20 | 0x40) /* TUN_F_USO4 | TUN_F_USO6, which Debian 12's headers lack */
#define VNET_BYTES sizeof(struct virtio_net_hdr)

struct live {
	struct kernel *kernel;
	int queue[2]; /* resolver, worker */
};

static int queue_open(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR,
			     .ifr_name = DEVICE };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	/* Checksums are left open then, and large packets come whole; USO from Linux 6.2 on. */
	if (ioctl(fd, TUNSETOFFLOAD, OFFLOADS | TUN_USO))
		assert_int_equal(ioctl(fd, TUNSETOFFLOAD, OFFLOADS), 0);
	return fd;
}

static void configure(void)
{
	assert_int_equal(system("ip link set lo up && ip link set " DEVICE " up && "
				"ip addr add 10.0.0.2/24 dev " DEVICE " && "
				"ip addr add fd68:6561:6472:6163::2/64 dev " DEVICE " && "
				"ip route add default dev " DEVICE " && "
				"ip -6 route add default dev " DEVICE),
			 0);
}

static int live_open(void **state)
{
	struct live *l = calloc(1, sizeof(*l));
	struct kernel_options opt = { .instance = "live", .flows_max = 4096 };
	struct settings s = tun_settings();
	char instance[32], err[256];
	int steer;

	assert_non_null(l);
	snprintf(instance, sizeof(instance), "live-%d", getpid());
	opt.instance = instance;
	assert_int_equal(kernel_load(&opt, &l->kernel, err), 0);
	assert_true(kernel_features(l->kernel)->bpf);
	assert_int_equal(kernel_settings(l->kernel, &s), 0);
	l->queue[0] = queue_open();
	l->queue[1] = queue_open();
	assert_int_equal(kernel_attach_tun(l->kernel, if_nametoindex(DEVICE)), 0);
	steer = kernel_steer_fd(l->kernel);
	assert_int_equal(ioctl(l->queue[0], TUNSETSTEERINGEBPF, &steer), 0);
	configure();
	*state = l;
	return 0;
}

static int live_close(void **state)
{
	struct live *l = *state;

	kernel_unload(l->kernel);
	close(l->queue[0]);
	close(l->queue[1]);
	free(l);
	return 0;
}

/* The next packet of a queue; those of the kernel itself (none is expected) would show. */
static size_t receive(struct live *l, int queue, uint8_t *buf, size_t size)
{
	struct pollfd p = { .fd = l->queue[queue], .events = POLLIN };
	struct virtio_net_hdr vnet;
	struct iovec iov[2] = { { &vnet, sizeof(vnet) }, { buf, size } };
	ssize_t n;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	n = readv(l->queue[queue], iov, 2);
	assert_true(n > (ssize_t)VNET_BYTES);
	return n - VNET_BYTES;
}

static void answer(struct live *l, const struct craft *c)
{
	uint8_t packet[VNET_BYTES + CRAFT_MAX] = { 0 };
	size_t len = VNET_BYTES + craft(c, packet + VNET_BYTES);

	assert_int_equal(write(l->queue[1], packet, len), len);
}

static int application(int type, const char *host, uint16_t port, int *ret_errno)
{
	struct sockaddr_storage ss;
	struct endpoint ep;
	socklen_t len;
	int fd;

	assert_int_equal(endpoint_parse(host, port, &ep), 0);
	len = endpoint_to_sockaddr(&ep, &ss);
	fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	*ret_errno = connect(fd, (struct sockaddr *)&ss, len) ? errno : 0;
	return fd;
}

struct wanted {
	uint8_t proto;
	uint16_t dport;
	struct kernel_flow found;
	unsigned int count;
};

static int match_flow(void *arg, const struct kernel_flow *f)
{
	struct wanted *w = arg;

	if (f->key.proto == w->proto && f->key.dport == htons(w->dport)) {
		w->found = *f;
		w->count++;
	}
	return 0;
}

static struct flow find_flow(struct live *l, uint8_t proto, uint16_t dport)
{
	struct wanted w = { .proto = proto, .dport = dport };

	assert_int_equal(kernel_flow_each(l->kernel, match_flow, &w), 0);
	assert_int_equal(w.count, 1);
	return w.found.flow;
}

static uint64_t drops(struct live *l, enum drop_reason reason)
{
	struct drop_counters sum;

	kernel_read_drops(l->kernel, &sum);
	return ((__u64 *)&sum)[reason];
}

static void datagram_reaches_the_worker_and_its_answer_the_application(void **state)
{
	struct live *l = *state;
	uint8_t packet[CRAFT_MAX], text[16];
	struct flow f;
	int fd, err;

	fd = application(SOCK_DGRAM, "192.0.2.7", 6001, &err);
	assert_int_equal(err, 0);
	assert_int_equal(send(fd, "twelve bytes", 12, 0), 12);
	assert_int_equal(receive(l, 1, packet, sizeof(packet)), 40);
	f = find_flow(l, IPPROTO_UDP, 6001);
	assert_int_equal(f.bytes_up, 12);
	assert_int_equal(f.uid, getuid());
	assert_int_equal(f.ifindex, if_nametoindex(DEVICE));

	struct craft fine = { .proto = IPPROTO_UDP,
			      .src = "192.0.2.7",
			      .dst = "10.0.0.2",
			      .sport = 6001,
			      .dport = packet[20] << 8 | packet[21],
			      .data = (const uint8_t *)"fine",
			      .payload = 4 };
	struct pollfd p = { .fd = fd, .events = POLLIN };

	answer(l, &fine);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 4);
	assert_memory_equal(text, "fine", 4);
	f = find_flow(l, IPPROTO_UDP, 6001);
	assert_int_equal(f.bytes_down, 4);
	assert_int_equal(f.state, FLOW_OPEN);
	close(fd);
}

static void dns_of_any_server_reaches_the_resolver(void **state)
{
	static const char *const servers[] = { "10.0.0.1", "192.0.2.53", "fd68:6561:6472:6163::1",
					       "2001:db8::53" };
	struct live *l = *state;
	uint8_t packet[CRAFT_MAX];
	size_t i;
	int fd, err;

	for (i = 0; i < 4; i++) {
		fd = application(SOCK_DGRAM, servers[i], 53, &err);
		assert_int_equal(send(fd, "query", 5, 0), 5);
		assert_int_equal(receive(l, 0, packet, sizeof(packet)), i < 2 ? 33 : 53);
		close(fd);
	}
}

static void large_datagram_comes_as_fragments_of_one_flow(void **state)
{
	struct live *l = *state;
	uint8_t packet[CRAFT_MAX], data[9000] = { 0 };
	int fd, err, i;

	fd = application(SOCK_DGRAM, "2001:db8::7", 6002, &err);
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	for (i = 0; i < 7; i++)
		receive(l, 1, packet, sizeof(packet));
	assert_int_equal(find_flow(l, IPPROTO_UDP, 6002).bytes_up, 9000);
	assert_int_equal(find_flow(l, IPPROTO_UDP, 6002).packets_up, 7);
	close(fd);
}

/* As one packet where the TUN takes USO, as five where it does not: the same count. */
static void segmented_datagrams_count_one_by_one(void **state)
{
	struct live *l = *state;
	uint8_t packet[8192], data[5000] = { 0 };
	int fd, err, size = 1000;
	size_t got = 0;

	fd = application(SOCK_DGRAM, "192.0.2.7", 6005, &err);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	while (got < sizeof(data))
		got += receive(l, 1, packet, sizeof(packet)) - 28;
	assert_int_equal(got, sizeof(data));
	assert_int_equal(find_flow(l, IPPROTO_UDP, 6005).bytes_up, 5000);
	assert_int_equal(find_flow(l, IPPROTO_UDP, 6005).packets_up, 5);
	close(fd);
}

static void segmented_datagrams_are_refused_too(void **state)
{
	struct live *l = *state;
	uint8_t data[5000] = { 0 };
	uint64_t before = drops(l, DROP_STACK_PORT);
	int fd, err, size = 1000;
	struct pollfd p = { 0 };

	fd = application(SOCK_DGRAM, "10.0.0.1", 10, &err);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	p.fd = fd;
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(recv(fd, data, sizeof(data), MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_true(drops(l, DROP_STACK_PORT) > before);
	close(fd);
}

static void connecting_to_a_closed_port_of_the_stack_is_refused_at_once(void **state)
{
	static const char *const stacks[] = { "10.0.0.1", "fd68:6561:6472:6163::1" };
	struct live *l = *state;
	uint64_t before = drops(l, DROP_STACK_PORT);
	int i, fd, err;

	for (i = 0; i < 2; i++) {
		fd = application(SOCK_STREAM, stacks[i], 81, &err);
		assert_int_equal(err, ECONNREFUSED);
		close(fd);
	}
	assert_int_equal(drops(l, DROP_STACK_PORT), before + 2);
}

static void datagram_to_a_closed_port_of_the_stack_is_refused(void **state)
{
	static const char *const stacks[] = { "10.0.0.1", "fd68:6561:6472:6163::1" };
	static const size_t sizes[] = { 0, 1, 1400 };
	struct live *l = *state;
	uint8_t data[1400] = { 0 };
	int i, fd, err;
	size_t k;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < 3; k++) {
			struct pollfd p = { .events = 0 };

			fd = application(SOCK_DGRAM, stacks[i], 9, &err);
			assert_int_equal(send(fd, data, sizes[k], 0), sizes[k]);
			p.fd = fd;
			assert_int_equal(poll(&p, 1, WAIT_MS), 1); /* POLLERR */
			assert_int_equal(recv(fd, data, sizeof(data), MSG_DONTWAIT), -1);
			assert_int_equal(errno, ECONNREFUSED);
			close(fd);
		}
	}
	assert_true(drops(l, DROP_STACK_PORT) >= 6);
}

static void unknown_protocol_is_refused(void **state)
{
	struct live *l = *state;
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 253); /* RFC 3692: for experiments */
	struct pollfd p = { .fd = fd };
	uint64_t before = drops(l, DROP_PROTOCOL);
	socklen_t len = sizeof(int);
	int err = 0;

	inet_pton(AF_INET, "192.0.2.7", &to.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, "8 bytes.", 8, 0), 8);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	assert_int_equal(err, ENOPROTOOPT); /* what Linux makes of protocol unreachable */
	assert_int_equal(drops(l, DROP_PROTOCOL), before + 1);
	close(fd);
}

static void multicast_ends_at_the_link(void **state)
{
	struct live *l = *state;
	uint64_t before = drops(l, DROP_LINK_LOCAL);
	int fd, err;

	fd = application(SOCK_DGRAM, "224.0.0.251", 5353, &err);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_true(drops(l, DROP_LINK_LOCAL) > before);
	close(fd);
}

/* In a child, which joins the roles' cgroup: its socket is marked by the hook. */
static void packet_of_a_role_is_a_loop_averted(void **state)
{
	struct live *l = *state;
	uint64_t before = drops(l, DROP_LOOP);
	int status;
	pid_t pid;

	if (strcmp(kernel_features(l->kernel)->protect, "cgroup hook"))
		skip();
	pid = fork();
	if (!pid) {
		int err, fd;

		if (kernel_adopt(l->kernel, getpid()))
			_exit(1);
		fd = application(SOCK_DGRAM, "192.0.2.7", 6003, &err);
		_exit(send(fd, "x", 1, 0) != 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(drops(l, DROP_LOOP), before + 1);
}

/* SO_MARK alone is within reach of others: without the cgroup it is no packet of ours. */
static void mark_without_the_cgroup_is_not_ours(void **state)
{
	struct live *l = *state;
	uint64_t before = drops(l, DROP_LOOP);
	uint32_t mark = HEADRACE_MARK;
	uint8_t packet[CRAFT_MAX];
	int fd, err;

	if (strcmp(kernel_features(l->kernel)->protect, "cgroup hook"))
		skip();
	fd = application(SOCK_DGRAM, "192.0.2.7", 6004, &err);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_int_equal(receive(l, 1, packet, sizeof(packet)), 29);
	assert_int_equal(drops(l, DROP_LOOP), before);
	close(fd);
}

static bool shows(const char *command, const char *word)
{
	char line[512];
	bool found = false;
	FILE *p = popen(command, "r");

	assert_non_null(p);
	while (fgets(line, sizeof(line), p))
		found = found || strstr(line, word);
	pclose(p);
	return found;
}

static void bpftool_shows_fields_by_name(void **state)
{
	struct bpf_map_info info = { 0 };
	struct live *l = *state;
	uint32_t len = sizeof(info);
	char command[128];

	if (system("PATH=$PATH:/usr/sbin command -v bpftool >/dev/null"))
		skip();
	assert_int_equal(bpf_obj_get_info_by_fd(l->kernel->maps.flows, &info, &len), 0);
	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin bpftool map dump id %u 2>&1",
		 info.id);
	assert_true(shows(command, "\"bytes_up\":"));
	assert_true(shows(command, "\"daddr\":"));
	len = sizeof(info);
	assert_int_equal(bpf_obj_get_info_by_fd(l->kernel->maps.drops, &info, &len), 0);
	snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin bpftool map dump id %u 2>&1",
		 info.id);
	assert_true(shows(command, "\"stack_port\":"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagram_reaches_the_worker_and_its_answer_the_application),
		cmocka_unit_test(dns_of_any_server_reaches_the_resolver),
		cmocka_unit_test(large_datagram_comes_as_fragments_of_one_flow),
		cmocka_unit_test(segmented_datagrams_count_one_by_one),
		cmocka_unit_test(segmented_datagrams_are_refused_too),
		cmocka_unit_test(connecting_to_a_closed_port_of_the_stack_is_refused_at_once),
		cmocka_unit_test(datagram_to_a_closed_port_of_the_stack_is_refused),
		cmocka_unit_test(unknown_protocol_is_refused),
		cmocka_unit_test(multicast_ends_at_the_link),
		cmocka_unit_test(packet_of_a_role_is_a_loop_averted),
		cmocka_unit_test(mark_without_the_cgroup_is_not_ours),
		cmocka_unit_test(bpftool_shows_fields_by_name),
	};

	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS))
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return 77;
	return cmocka_run_group_tests_name("bpf/live", tests, live_open, live_close);
}
