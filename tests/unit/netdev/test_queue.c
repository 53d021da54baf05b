// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * queue.c twice: on a socket pair, where any bytes can be put into the queue, and on a real
 * TUN in a network namespace (root), where the kernel's own UDP is the other end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/fd.h"
#include "base/limits.h"
#include "netdev/link.h"
#include "netdev/netns.h"
#include "netdev/packet.h"
#include "netdev/queue.h"
#include "netdev/tun.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static uint8_t buf[PACKET_MAX + 12];
static struct queue queue;
static struct queue_packet got;
static int kernel_end = -1; /* of the pair: what the kernel would see */

static int pair_setup(void **state)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	queue = (struct queue){ .fd = fds[0], .vnet_hdr_bytes = 12, .tso = true, .uso = true };
	kernel_end = fds[1];
	return 0;
}

static int pair_teardown(void **state)
{
	fd_close(queue.fd);
	fd_close(kernel_end);
	return 0;
}

/* Header and a packet of `len` bytes of that IP version, through the queue. */
static int read_with(struct virtio_net_hdr h, unsigned int version, size_t len)
{
	uint8_t raw[12 + 300] = { 0 };

	memcpy(raw, &h, sizeof(h));
	raw[queue.vnet_hdr_bytes] = (uint8_t)(version << 4);
	assert_int_equal(write(kernel_end, raw, queue.vnet_hdr_bytes + len),
			 queue.vnet_hdr_bytes + len);
	return queue_read(&queue, buf, sizeof(buf), &got);
}

static const struct virtio_net_hdr tso4 = {
	.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
	.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
	.hdr_len = 40,
	.gso_size = 100,
	.csum_start = 20,
	.csum_offset = 16,
};

static void packets_without_offload_pass_in_every_header_size(void **state)
{
	static const unsigned int sizes[] = { 0, 10, 12 };

	for (int i = 0; i < 3; i++) {
		queue.vnet_hdr_bytes = sizes[i];
		assert_int_equal(read_with((struct virtio_net_hdr){ 0 }, 4, 84), 0);
		assert_int_equal(got.len, 84);
		assert_int_equal(got.data[0], 0x40);
		assert_int_equal((uintptr_t)got.data % 4, (uintptr_t)buf % 4);
		assert_int_equal(got.gso_type, GSO_NONE);
		assert_false(got.csum_trusted || got.csum_partial);
	}
}

static void offload_values_are_handed_on(void **state)
{
	struct virtio_net_hdr h = tso4;

	assert_int_equal(read_with(h, 4, 240), 0);
	assert_int_equal(got.gso_type, GSO_TCP4);
	assert_int_equal(got.gso_size, 100);
	assert_int_equal(got.hdr_len, 40);
	assert_true(got.csum_trusted && got.csum_partial);
	h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	assert_int_equal(read_with(h, 4, 240), 0);
	assert_int_equal(got.gso_type, GSO_TCP4);
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	h.csum_start = 40;
	assert_int_equal(read_with(h, 6, 240), 0);
	assert_int_equal(got.gso_type, GSO_TCP6);
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	assert_int_equal(read_with(h, 6, 240), 0);
	assert_int_equal(got.gso_type, GSO_UDP);
	h = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	assert_int_equal(read_with(h, 4, 240), 0);
	assert_true(got.csum_trusted && !got.csum_partial);
}

static void refuses_values_out_of_range(void **state)
{
	struct virtio_net_hdr h;

#define REFUSES(field, value)                                                                      \
	do {                                                                                       \
		h = tso4;                                                                          \
		h.field = (value);                                                                 \
		assert_int_equal(read_with(h, 4, 240), -EBADMSG);                                  \
	} while (0)
	REFUSES(flags, VIRTIO_NET_HDR_F_NEEDS_CSUM | 4);
	REFUSES(flags, 0x80);
	REFUSES(gso_type, 2);
	REFUSES(gso_type, VIRTIO_NET_HDR_GSO_UDP); /* UFO */
	REFUSES(gso_type, VIRTIO_NET_HDR_GSO_TCPV6); /* on IPv4 */
	REFUSES(gso_type, VIRTIO_NET_HDR_GSO_UDP_L4 | VIRTIO_NET_HDR_GSO_ECN);
	REFUSES(gso_type, VIRTIO_NET_HDR_GSO_ECN);
	REFUSES(gso_type, 0xff);
	REFUSES(gso_size, 0);
	REFUSES(hdr_len, 241);
	REFUSES(hdr_len, 0xffff);
	REFUSES(csum_start, 19);
	REFUSES(csum_start, 223); /* 223 + 16 + 2 = 241 */
	REFUSES(csum_start, 0xffff);
	REFUSES(csum_offset, 219);
	REFUSES(csum_offset, 0xffff);
	h = tso4;
	assert_int_equal(read_with(h, 6, 240), -EBADMSG);
	h.csum_start = 222; /* the last that fits */
	assert_int_equal(read_with(h, 4, 240), 0);
}

static void refuses_packets_without_a_byte(void **state)
{
	uint8_t raw[12] = { 0 };

	for (size_t len = 1; len <= sizeof(raw); len++) {
		assert_int_equal(write(kernel_end, raw, len), len);
		assert_int_equal(queue_read(&queue, buf, sizeof(buf), &got), -EBADMSG);
	}
}

static void tells_nothing_there_from_trouble(void **state)
{
	assert_int_equal(queue_read(&queue, buf, sizeof(buf), &got), -EAGAIN);
	kernel_end = fd_close(kernel_end);
	assert_int_equal(queue_read(&queue, buf, sizeof(buf), &got), -EIO);
	queue.fd = fd_close(queue.fd);
	assert_int_equal(queue_read(&queue, buf, sizeof(buf), &got), -EBADF);
}

static void writes_the_header_that_was_asked_for(void **state)
{
	struct iovec iov[2] = { { .iov_base = "head", .iov_len = 4 },
				{ .iov_base = "body", .iov_len = 4 } };
	struct queue_offload off = { .gso_type = GSO_UDP,
				     .gso_size = 7,
				     .hdr_len = 28,
				     .csum_partial = true,
				     .csum_start = 20,
				     .csum_offset = 6 };
	struct virtio_net_hdr h;
	uint8_t raw[64];

	assert_int_equal(queue_write(&queue, iov, 2, &off), 0);
	assert_int_equal(read(kernel_end, raw, sizeof(raw)), 20);
	memcpy(&h, raw, sizeof(h));
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
	assert_int_equal(h.gso_size, 7);
	assert_int_equal(h.hdr_len, 28);
	assert_int_equal(h.csum_start, 20);
	assert_int_equal(h.csum_offset, 6);
	assert_memory_equal(raw + 10, "\0\0headbody", 10);
	queue.vnet_hdr_bytes = 10;
	assert_int_equal(queue_write(&queue, iov, 2, NULL), 0);
	assert_int_equal(read(kernel_end, raw, sizeof(raw)), 18);
	assert_memory_equal(raw, "\0\0\0\0\0\0\0\0\0\0headbody", 18);
}

static void refuses_what_the_queue_cannot_do(void **state)
{
	struct iovec iov[QUEUE_IOV_MAX + 1] = { { .iov_base = "x", .iov_len = 1 } };
	struct queue_offload off = { .gso_type = GSO_UDP, .gso_size = 7 };

	assert_int_equal(queue_write(&queue, iov, 0, NULL), -EINVAL);
	assert_int_equal(queue_write(&queue, iov, QUEUE_IOV_MAX + 1, NULL), -EINVAL);
	assert_int_equal(queue_write(&queue, iov, QUEUE_IOV_MAX, NULL), 0);
	queue.uso = false;
	assert_int_equal(queue_write(&queue, iov, 1, &off), -EOPNOTSUPP);
	queue.tso = false;
	off.gso_type = GSO_TCP4;
	assert_int_equal(queue_write(&queue, iov, 1, &off), -EOPNOTSUPP);
	off.gso_type = GSO_TCP6;
	assert_int_equal(queue_write(&queue, iov, 1, &off), -EOPNOTSUPP);
	queue.vnet_hdr_bytes = 0;
	queue.tso = true;
	assert_int_equal(queue_write(&queue, iov, 1, &off), -EOPNOTSUPP);
	off = (struct queue_offload){ .csum_partial = true, .csum_start = 20, .csum_offset = 6 };
	assert_int_equal(queue_write(&queue, iov, 1, &off), -EINVAL); /* outside of iov[0] */
	off.csum_start = 65535;
	assert_int_equal(queue_write(&queue, iov, 1, &off), -EINVAL);
}

static void a_full_device_is_told(void **state)
{
	struct iovec iov = { .iov_base = buf, .iov_len = 1000 };
	int r;

	do
		r = queue_write(&queue, &iov, 1, NULL);
	while (r == 0);
	assert_int_equal(r, -EAGAIN);
}

/* --- the real device ---------------------------------------------------------------------- */

static char err[ERROR_TEXT_MAX];
static struct tun tun;
static int home = -1, udp = -1;
static bool real; /* root, and set up */

static const struct packet_path down = {
	.src = { { [10] = 0xff, 0xff, 192, 0, 2, 1 } },
	.dst = { { [10] = 0xff, 0xff, 10, 0, 0, 2 } },
	.sport = 0x3500, /* 53 */
	.dport = 0xd007, /* 2000 */
};

/* The application's UDP socket, 10.0.0.2:2000 connected to 192.0.2.1:53. */
static int open_udp(void)
{
	const struct endpoint own = { down.dst, down.dport }, peer = { down.src, down.sport };
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&own, &ss);

	udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (bind(udp, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	len = endpoint_to_sockaddr(&peer, &ss);
	return connect(udp, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

static int raise_device(void)
{
	int r = link_configure(tun.ifindex, 1500, 1000);

	r = r ? r : link_up(tun.ifindex);
	r = r ? r : link_add_address(tun.ifindex, &down.dst, 24);
	r = r ? r : link_add_default_route(tun.ifindex, AF_INET);
	r = r ? r : open_udp();
	queue = (struct queue){ .fd = tun.fd[0],
				.vnet_hdr_bytes = tun.vnet_hdr_bytes,
				.tso = tun.tso,
				.uso = tun.uso };
	return r;
}

static int enter(void)
{
	int ns = -1;
	int r = netns_new(&ns, err);

	r = r ? r : netns_enter(ns, &home);
	fd_close(ns);
	return r;
}

static int tun_setup(void **state)
{
	real = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0;
	if (!real)
		return 0;
	return enter() || tun_open(&tun, 1, err) || raise_device() ? -1 : 0;
}

/* A device without virtio_net_hdr, as it may be handed in. */
static int plain_tun_setup(void **state)
{
	struct ifreq ifr = { .ifr_name = "plain", .ifr_flags = IFF_TUN | IFF_NO_PI };
	int netns = -1;
	int fd;

	real = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0;
	if (!real)
		return 0;
	if (enter())
		return -1;
	fd = open("/dev/net/tun", O_RDWR);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || tun_adopt(&tun, fd, &netns, err))
		return -1;
	fd_close(netns);
	return raise_device();
}

static int tun_teardown(void **state)
{
	if (!real)
		return 0;
	udp = fd_close(udp);
	tun_close(&tun);
	return netns_leave(home);
}

/* Writes a datagram whose checksum is left to be completed, its payload in two odd parts. */
static int write_datagram(const uint8_t *payload, size_t len, struct queue_offload off)
{
	uint8_t headers[PACKET_HEADERS_MAX];
	size_t bytes = packet_udp_header(headers, &down, NULL, len);
	struct iovec iov[3] = { { .iov_base = headers, .iov_len = bytes },
				{ .iov_base = (void *)payload, .iov_len = 5 },
				{ .iov_base = (void *)(payload + 5), .iov_len = len - 5 } };

	off.csum_partial = true;
	off.csum_start = 20;
	off.csum_offset = 6;
	off.hdr_len = (uint16_t)bytes;
	return queue_write(&queue, iov, 3, &off);
}

static void fill(uint8_t *payload, size_t len)
{
	for (size_t i = 0; i < len; i++)
		payload[i] = (uint8_t)(i * 31 + 7);
}

static void a_partial_checksum_is_completed(void **state)
{
	uint8_t payload[1472], received[2000];

	if (!real)
		skip();
	fill(payload, sizeof(payload));
	for (size_t len = sizeof(payload) - 3; len <= sizeof(payload); len++) {
		assert_int_equal(write_datagram(payload, len, (struct queue_offload){ 0 }), 0);
		assert_int_equal(recv(udp, received, sizeof(received), 0), len);
		assert_memory_equal(received, payload, len);
	}
}

static void one_udp_gso_packet_is_many_datagrams(void **state)
{
	struct queue_offload off = { .gso_type = GSO_UDP, .gso_size = 100 };
	uint8_t payload[250], received[300];

	if (!real || !tun.uso)
		skip();
	fill(payload, sizeof(payload));
	assert_int_equal(write_datagram(payload, sizeof(payload), off), 0);
	assert_int_equal(recv(udp, received, sizeof(received), 0), 100);
	assert_memory_equal(received, payload, 100);
	assert_int_equal(recv(udp, received, sizeof(received), 0), 100);
	assert_int_equal(recv(udp, received, sizeof(received), 0), 50);
	assert_memory_equal(received, payload + 200, 50);
}

/* The next UDP packet of the kernel; others (IPv6 housekeeping) are passed over. */
static void read_udp(void)
{
	int r;

	do
		r = queue_read(&queue, buf, sizeof(buf), &got);
	while (r == 0 && (got.data[0] != 0x45 || got.data[9] != IPPROTO_UDP));
	assert_int_equal(r, 0);
}

static void a_sent_datagram_is_read(void **state)
{
	if (!real)
		skip();
	assert_int_equal(send(udp, "hello", 5, 0), 5);
	read_udp();
	assert_int_equal(got.len, 33);
	assert_memory_equal(got.data + 28, "hello", 5);
	assert_int_equal(got.gso_type, GSO_NONE);
	assert_int_equal(got.csum_partial, queue.vnet_hdr_bytes != 0);
	if (!got.csum_partial)
		assert_int_equal(
			csum_fold(csum_add(csum_pseudo(&down.dst, &down.src, IPPROTO_UDP, 13),
					   got.data + 20, 13)),
			0);
}

static void a_sent_gso_datagram_arrives_as_one_packet(void **state)
{
	uint8_t payload[2500];
	int size = 1000;

	if (!real || !tun.uso)
		skip();
	fill(payload, sizeof(payload));
	assert_int_equal(setsockopt(udp, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	assert_int_equal(send(udp, payload, sizeof(payload), 0), sizeof(payload));
	read_udp();
	assert_int_equal(got.gso_type, GSO_UDP);
	assert_int_equal(got.gso_size, 1000);
	assert_int_equal(got.len, 28 + sizeof(payload));
	assert_memory_equal(got.data + 28, payload, sizeof(payload));
}

/* A link of callbacks: what is written comes back as the next packet. */
struct loopback {
	uint8_t bytes[2048];
	size_t len;
	int closes;
};

static ssize_t loopback_read(void *arg, void *to, size_t size)
{
	struct loopback *l = arg;
	size_t len = l->len < size ? l->len : size;

	if (l->len == 0)
		return -EAGAIN;
	memcpy(to, l->bytes, len);
	l->len = 0;
	return (ssize_t)len;
}

static ssize_t loopback_write(void *arg, const struct iovec *iov, int iovcnt)
{
	struct loopback *l = arg;

	if (l->len > 0)
		return -ENOBUFS;
	for (int i = 0; i < iovcnt; i++) {
		memcpy(l->bytes + l->len, iov[i].iov_base, iov[i].iov_len);
		l->len += iov[i].iov_len;
	}
	return (ssize_t)l->len;
}

static void loopback_close(void *arg)
{
	((struct loopback *)arg)->closes++;
}

static const struct queue_io loopback_io = { loopback_read, loopback_write, loopback_close };

static void B_04_packets_go_by_callbacks_as_by_the_descriptor(void **state)
{
	struct loopback link = { .len = 0 };
	struct queue q = { .fd = -1, .io = &loopback_io, .io_arg = &link, .vnet_hdr_bytes = 10 };
	uint8_t packet[40] = { 0x45, 0, 0, 40 };
	struct iovec iov = { packet, sizeof(packet) };
	struct queue_offload off = { .csum_partial = true, .csum_start = 20, .csum_offset = 16 };

	assert_int_equal(queue_read(&q, buf, sizeof(buf), &got), -EAGAIN);
	assert_int_equal(queue_write(&q, &iov, 1, &off), 0);
	assert_int_equal(queue_write(&q, &iov, 1, NULL), -ENOBUFS);
	assert_int_equal(queue_read(&q, buf, sizeof(buf), &got), 0);
	assert_int_equal(got.len, sizeof(packet));
	assert_memory_equal(got.data, packet, sizeof(packet));
	assert_true(got.csum_partial);
	queue_close(&q);
}

static void B_04_hostile_callbacks_are_checked_as_the_descriptor_is(void **state)
{
	struct loopback link = { .bytes = { 0x80, 0 }, .len = 30 };
	struct queue q = { .fd = -1, .io = &loopback_io, .io_arg = &link, .vnet_hdr_bytes = 10 };

	assert_int_equal(queue_read(&q, buf, sizeof(buf), &got), -EBADMSG);
}

static void N_05_a_closed_link_says_so(void **state)
{
	struct loopback link = { .len = 20 };
	struct queue q = { .fd = -1, .io = &loopback_io, .io_arg = &link };
	uint8_t packet[20] = { 0x45 };
	struct iovec iov = { packet, sizeof(packet) };

	queue_close(&q);
	queue_close(&q);
	assert_int_equal(link.closes, 1);
	assert_int_equal(queue_read(&q, buf, sizeof(buf), &got), -ESHUTDOWN);
	assert_int_equal(queue_write(&q, &iov, 1, NULL), -ESHUTDOWN);
	queue_close(&queue); /* the pair's: its other end sees it */
	assert_int_equal(queue_read(&queue, buf, sizeof(buf), &got), -ESHUTDOWN);
	assert_int_equal(read(kernel_end, packet, sizeof(packet)), 0);
}

int main(void)
{
#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)
#define TUN_TEST(f) cmocka_unit_test_setup_teardown(f, tun_setup, tun_teardown)
#define PLAIN_TEST(f)                                                                              \
	{                                                                                          \
#f "_without_virtio_net_hdr", f, plain_tun_setup, tun_teardown, NULL               \
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(B_04_packets_go_by_callbacks_as_by_the_descriptor),
		cmocka_unit_test(B_04_hostile_callbacks_are_checked_as_the_descriptor_is),
		PAIR_TEST(N_05_a_closed_link_says_so),
		PAIR_TEST(packets_without_offload_pass_in_every_header_size),
		PAIR_TEST(offload_values_are_handed_on),
		PAIR_TEST(refuses_values_out_of_range),
		PAIR_TEST(refuses_packets_without_a_byte),
		PAIR_TEST(tells_nothing_there_from_trouble),
		PAIR_TEST(writes_the_header_that_was_asked_for),
		PAIR_TEST(refuses_what_the_queue_cannot_do),
		PAIR_TEST(a_full_device_is_told),
		TUN_TEST(a_partial_checksum_is_completed),
		TUN_TEST(one_udp_gso_packet_is_many_datagrams),
		TUN_TEST(a_sent_datagram_is_read),
		TUN_TEST(a_sent_gso_datagram_arrives_as_one_packet),
		PLAIN_TEST(a_partial_checksum_is_completed),
		PLAIN_TEST(a_sent_datagram_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
