/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A host with an uplink, for real sockets: two network namespaces of this process's own, the
 * capture programs on the uplink, and this process as the reader of the TUN.
 *
 *   host 192.0.2.10, 2001:db8::10 -- hrup0 ==== hrpeer0 -- 192.0.2.1, 2001:db8::1 outside
 *                                     |
 *                        host_egress -> hrtun0 -> world.tun -> tun_ingress -> hrup0
 *
 * Or the uplink is a TUN itself, without a link header, whose reader is world.up.
 */
#ifndef BPF_HOST_LIVE_H
#define BPF_HOST_LIVE_H

#include "bpf/captured.h"

#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/pkt_cls.h>

#define HOST4 "192.0.2.10"
#define HOST6 "2001:db8::10"
#define PEER4 "192.0.2.1"
#define PEER6 "2001:db8::1"
#define TCX_INGRESS 46 /* BPF_TCX_INGRESS, which Debian 12's headers lack */
#define TCX_EGRESS 47
#define WAIT_MS 3000
#define LINKS_MAX 4

static struct world {
	struct headrace *skel;
	bool clsact; /* instead of tcx */
	bool layer3;
	int home; /* namespaces: where we came from, the host's, the other side's */
	int host;
	int outside;
	int tun;
	int up; /* of layer3: the uplink's other end */
	int link[LINKS_MAX];
	int links;
	struct settings settings;
} world;

/* By bash: the shell of a small system may have an `ip` of its own. */
static inline int sh_status(const char *command)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		execlp("bash", "bash", "-c", command, NULL);
		_exit(127);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static inline void sh(const char *command)
{
	if (sh_status(command))
		fail_msg("failed: %s", command);
}

static inline void enter(int netns)
{
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

static inline int netns_new(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static inline int tun_new(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	assert_true(fd >= 0);
	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	return fd;
}

static inline void world_settings(void)
{
	uint32_t zero = 0;

	put(world.skel->maps.settings, &zero, &world.settings);
}

static inline void rules_say(enum verdict fallback, uint32_t epoch, uint32_t valid_from)
{
	capture_rules_say(world.skel, fallback, epoch, valid_from);
}

static inline uint64_t stat_of(enum kernel_stat stat)
{
	__u64 sums[STAT_NUM];

	harness_sums(world.skel->maps.stats, sums);
	return sums[stat];
}

static inline uint64_t drops_of(enum drop_reason reason)
{
	__u64 sums[DROP_NUM];

	harness_sums(world.skel->maps.drops, sums);
	return sums[reason];
}

static inline void attach_clsact(struct bpf_program *prog, int ifindex, bool egress)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog), .handle = 1,
		    .priority = 1);

	bpf_tc_hook_create(&hook); /* it is there already for the second one */
	hook.attach_point = egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

static inline void attach(struct bpf_program *prog, const char *device, bool egress)
{
	int ifindex = (int)if_nametoindex(device), fd;

	if (world.clsact) {
		attach_clsact(prog, ifindex, egress);
		return;
	}
	fd = bpf_link_create(bpf_program__fd(prog), ifindex,
			     (enum bpf_attach_type)(egress ? TCX_EGRESS : TCX_INGRESS), NULL);
	if (fd == -EINVAL) { /* before Linux 6.6 */
		attach_clsact(prog, ifindex, egress);
		return;
	}
	assert_true(fd >= 0);
	assert_true(world.links < LINKS_MAX);
	world.link[world.links++] = fd;
}

static inline void world_attach(void)
{
	struct headrace *s = world.skel;

	attach(world.layer3 ? s->progs.host_egress3 : s->progs.host_egress, "hrup0", true);
	attach(world.layer3 ? s->progs.host_ingress3 : s->progs.host_ingress, "hrup0", false);
}

static inline void mac_of(const char *device, uint8_t *ret_mac)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(ifr.ifr_name, device);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &ifr), 0);
	memcpy(ret_mac, ifr.ifr_hwaddr.sa_data, 6);
	close(fd);
}

/* What main writes of an uplink. */
static inline void world_uplink(void)
{
	struct capture_device d = { .capture = CAPTURE_EGRESS, .l2 = world.layer3 ? 0 : 14 };
	uint32_t ifindex = if_nametoindex("hrup0"), one = 1;
	struct addr own4 = { { TUN_MAPPED } }, own6;

	if (!world.layer3)
		mac_of("hrup0", d.mac);
	put(world.skel->maps.capture_devices, &ifindex, &d);
	inet_pton(AF_INET, HOST4, own4.b + 12);
	inet_pton(AF_INET6, HOST6, own6.b);
	put(world.skel->maps.host_addrs, &own4, &one);
	put(world.skel->maps.host_addrs, &own6, &one);
}

static inline void world_ethernet(void)
{
	char command[300];

	snprintf(command, sizeof(command),
		 "ip link add hrup0 type veth peer name hrpeer0 netns /proc/%d/fd/%d", getpid(),
		 world.outside);
	sh(command);
	enter(world.outside);
	sh("ip link set lo up && ip link set hrpeer0 up && ip addr add " PEER4 "/24 dev hrpeer0 && "
	   "ip addr add " PEER6 "/64 dev hrpeer0 nodad");
	enter(world.host);
}

static inline void world_host(void)
{
	sh("ip link set lo up && ip link set hrup0 up && ip link set hrtun0 up && "
	   "ip addr add " HOST4 "/24 dev hrup0 && ip addr add " HOST6 "/64 dev hrup0 nodad && "
	   "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.hrup0.rp_filter=1 "
	   "net.ipv4.conf.hrtun0.rp_filter=1 net.ipv4.ping_group_range='0 0' "
	   "net.ipv4.conf.hrtun0.forwarding=1 net.ipv6.conf.hrtun0.forwarding=1");
}

static const char *world_types; /* file of the kernel's BTF; NULL = its own */

/* Once for each: what the verifier looks at takes its time. */
static inline struct headrace *skel_load(void)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = world_types);
	static struct headrace *loaded[2];
	struct headrace *skel = loaded[world_types != NULL];
	int err;

	if (skel)
		return skel;
	libbpf_set_print(harness_silent);
	skel = headrace__open_opts(&opts);
	assert_non_null(skel);
	harness_with_host(skel);
	bpf_map__set_max_entries(skel->maps.flows, 1024);
	bpf_map__set_max_entries(skel->maps.direct_flows, 1024);
	bpf_map__set_max_entries(skel->maps.inbound_notes, 1024);
	err = headrace__load(skel);
	if (err == -EPERM) {
		fprintf(stderr, "no right to load BPF programs\n");
		exit(77);
	}
	assert_int_equal(err, 0);
	loaded[world_types != NULL] = skel;
	return skel;
}

static inline void zero(struct bpf_map *map)
{
	size_t size = bpf_map__value_size(map) * libbpf_num_possible_cpus();
	void *none = calloc(1, size);
	uint32_t key = 0;

	assert_non_null(none);
	put(map, &key, none);
	free(none);
}

/* Nothing of a world before this one. */
static inline void world_forget(void)
{
	empty(world.skel->maps.flows);
	empty(world.skel->maps.direct_flows);
	empty(world.skel->maps.inbound_notes);
	empty(world.skel->maps.capture_devices);
	empty(world.skel->maps.host_addrs);
	zero(world.skel->maps.stats);
	zero(world.skel->maps.drops);
}

static inline void world_open(bool clsact, bool layer3)
{
	memset(&world, 0, sizeof(world));
	world.clsact = clsact;
	world.layer3 = layer3;
	world.settings = capture_settings();
	world.skel = skel_load();
	world_forget();
	world.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	world.outside = netns_new();
	world.host = netns_new();
	world.tun = tun_new("hrtun0");
	if (layer3)
		world.up = tun_new("hrup0");
	else
		world_ethernet();
	world_host();
	world.settings.tun_ifindex = if_nametoindex("hrtun0");
	world_settings();
	world_uplink();
	attach(world.skel->progs.tun_egress, "hrtun0", true);
	attach(world.skel->progs.tun_ingress, "hrtun0", false);
	rules_say(VERDICT_DIRECT, 0, 0);
}

static inline void world_close(void)
{
	while (world.links)
		close(world.link[--world.links]);
	enter(world.home);
	close(world.tun);
	if (world.layer3)
		close(world.up);
	close(world.host);
	close(world.outside);
	close(world.home);
}

/* --- sockets and packets ---------------------------------------------------------------- */

static inline socklen_t address(int family, const char *text, uint16_t port,
				struct sockaddr_storage *ret_at)
{
	struct sockaddr_in *at4 = (struct sockaddr_in *)ret_at;
	struct sockaddr_in6 *at6 = (struct sockaddr_in6 *)ret_at;

	memset(ret_at, 0, sizeof(*ret_at));
	ret_at->ss_family = family;
	if (family == AF_INET) {
		at4->sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text, &at4->sin_addr), 1);
		return sizeof(*at4);
	}
	at6->sin6_port = htons(port);
	assert_int_equal(inet_pton(AF_INET6, text, &at6->sin6_addr), 1);
	return sizeof(*at6);
}

static inline bool ready_within(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) == 1;
}

static inline bool ready(int fd, short events)
{
	return ready_within(fd, events, WAIT_MS);
}

static inline int socket_at(int netns, int family, int type, int protocol)
{
	int fd;

	enter(netns);
	fd = socket(family, type | SOCK_CLOEXEC, protocol);
	enter(world.host);
	assert_true(fd >= 0);
	return fd;
}

/* A listener or a datagram socket, bound. */
static inline int serve(int netns, int family, const char *text, uint16_t port, int type)
{
	struct sockaddr_storage at;
	socklen_t len = address(family, text, port, &at);
	int fd = socket_at(netns, family, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static inline uint16_t port_of(int fd)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(((struct sockaddr_in *)&at)->sin_port); /* at the same place in both */
}

/* Begins to connect; the socket does not block. */
static inline int dial(int netns, int family, const char *text, uint16_t port, int type)
{
	struct sockaddr_storage at;
	socklen_t len = address(family, text, port, &at);
	int fd = socket_at(netns, family, type | SOCK_NONBLOCK, 0);

	if (connect(fd, (struct sockaddr *)&at, len))
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

/* What became of a connect: 0 or errno. */
static inline int dialled(int fd)
{
	socklen_t len = sizeof(int);
	int err = ETIMEDOUT;

	if (ready(fd, POLLOUT))
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
	return err;
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void expect(int fd, const char *text)
{
	char buf[256] = "";

	if (!ready(fd, POLLIN))
		fail_msg("'%s' did not come", text);
	assert_int_equal(recv(fd, buf, sizeof(buf) - 1, 0), strlen(text));
	assert_string_equal(buf, text);
}

/* The next packet that is not the kernel's own (ND, MLD); its length, 0 = none came. */
static inline size_t packet_from(int fd, uint8_t *buf, size_t size)
{
	ssize_t n;

	while (ready(fd, POLLIN)) {
		n = read(fd, buf, size);
		assert_true(n > 0);
		if (buf[0] >> 4 == 4 || (buf[6] != 0 && buf[6] != IPPROTO_ICMPV6) ||
		    (buf[6] == IPPROTO_ICMPV6 && buf[40] >= 128 && buf[40] < 130))
			return (size_t)n;
	}
	return 0;
}

static inline void packet_to(int fd, const struct craft *c)
{
	uint8_t bytes[CRAFT_MAX];
	size_t len = craft(c, bytes);

	assert_int_equal(write(fd, bytes, len), len);
}

static inline const uint8_t *l4_of(const uint8_t *packet)
{
	return packet + (packet[0] >> 4 == 4 ? 20 : 40);
}

static inline uint16_t be16_of(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t be32_of(const uint8_t *b)
{
	return (uint32_t)be16_of(b) << 16 | be16_of(b + 2);
}

/* --- what the tests begin with ----------------------------------------------------------- */

static const int families[] = { AF_INET, AF_INET6 };
#define EACH_FAMILY(f) for (size_t f = 0; f < 2; f++)

static inline const char *peer(int family)
{
	return family == AF_INET ? PEER4 : PEER6;
}

static inline const char *host(int family)
{
	return family == AF_INET ? HOST4 : HOST6;
}

static inline void begin(enum verdict fallback)
{
	world_open(false, false);
	world_attach();
	rules_say(fallback, 0, 0);
}

/* An answer to `packet`, which came out of the TUN. */
static inline struct craft answer_to(int family, const uint8_t *packet)
{
	const uint8_t *l4 = l4_of(packet);
	struct craft c = { .version = family == AF_INET ? 4 : 6,
			   .proto = family == AF_INET ? packet[9] : packet[6],
			   .src = peer(family),
			   .dst = host(family),
			   .window = 60000 };

	c.sport = be16_of(l4 + 2);
	c.dport = be16_of(l4);
	return c;
}

/*
 * The TUN's reader takes the connection that `fd` opens to `port`. What it says next is this packet
 * with other flags.
 */
static inline struct craft take_handshake(int fd, int family, uint16_t port)
{
	uint8_t packet[CRAFT_MAX];
	struct craft c;

	assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
	c = answer_to(family, packet);
	assert_int_equal(c.sport, port);
	assert_int_equal(l4_of(packet)[13] & 0x3f, CRAFT_SYN);
	c.tcp_flags = CRAFT_SYN | CRAFT_ACK;
	c.seq = 500;
	c.ack = be32_of(l4_of(packet) + 4) + 1;
	packet_to(world.tun, &c);
	assert_int_equal(dialled(fd), 0);
	assert_true(packet_from(world.tun, packet, sizeof(packet)) > 0);
	assert_int_equal(l4_of(packet)[13], CRAFT_ACK);
	return c;
}

#endif
