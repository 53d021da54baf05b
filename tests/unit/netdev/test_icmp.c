// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* icmp.c: what the locked filters of the raw sockets let through, on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>

#include "netdev/icmp.h"
#include "netdev/packet.h"

#define MARK 0x68720000
#define BASE 0x4800
#define BITS 4
#define MESSAGE_MAX 200

static int our, plain; /* the socket under test, and one to send with */
static bool v4;

static int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, err;

	if (unshare(CLONE_NEWNET)) {
		printf("skip: no network namespace: %s\n", strerror(errno));
		return 77;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return err ? 1 : 0;
}

static void begin(int family)
{
	v4 = family == AF_INET;
	assert_int_equal(icmp_socket_open(family, MARK, BASE, BITS, &our), 0);
	plain = socket(family, SOCK_RAW | SOCK_CLOEXEC, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	assert_true(plain >= 0);
}

static void end(void)
{
	close(our);
	close(plain);
}

static void send_message(uint8_t *m, size_t len)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	uint16_t sum;

	memset(m + 2, 0, 2);
	sum = csum_fold(csum_add(0, m, len));
	memcpy(m + 2, &sum, 2);
	assert_int_equal(sendto(plain, m, len, 0, v4 ? (void *)&a4 : (void *)&a6,
				v4 ? sizeof(a4) : sizeof(a6)),
			 len);
}

/* Loopback delivers before sendto() returns. */
static bool arrived(void)
{
	uint8_t buf[MESSAGE_MAX + 20];
	int n = 0;

	while (recv(our, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		n++;
	assert_true(n <= 1);
	return n;
}

static bool passes(uint8_t type, uint16_t id)
{
	uint8_t m[16] = { type, 0, 0, 0, id >> 8, id & 0xff };

	send_message(m, sizeof(m));
	return arrived();
}

static void passes_replies_with_our_identifiers_alone(void **state)
{
	for (int family = 0; family < 2; family++) {
		begin(family ? AF_INET6 : AF_INET);
		assert_true(passes(v4 ? 0 : 129, BASE));
		assert_true(passes(v4 ? 0 : 129, BASE + 15));
		assert_false(passes(v4 ? 0 : 129, BASE - 1));
		assert_false(passes(v4 ? 0 : 129, BASE + 16));
		end();
	}
}

static void passes_no_other_type(void **state)
{
	for (int family = 0; family < 2; family++) {
		begin(family ? AF_INET6 : AF_INET);
		for (int type = 1; type < 256; type++) {
			/* Requests: the kernel's own answer comes back and must pass. */
			if (type == (v4 ? 8 : 128) || type == 129)
				continue;
			assert_false(passes(type, BASE));
		}
		end();
	}
}

static void the_answer_to_a_request_passes(void **state)
{
	for (int family = 0; family < 2; family++) {
		begin(family ? AF_INET6 : AF_INET);
		assert_true(passes(v4 ? 8 : 128, BASE + 3));
		assert_false(passes(v4 ? 8 : 128, BASE + 16));
		end();
	}
}

/* An error that quotes a packet of `proto` with `l4` behind its header. */
static bool error_passes(int type, int options, uint8_t proto, const uint8_t l4[8])
{
	struct packet_path path = { .src = { { [15] = 1 } }, .dst = { { [15] = 1 } } };
	uint8_t m[MESSAGE_MAX] = { type };
	size_t n = 8;

	if (v4) {
		path.src = (struct addr){ { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
		path.dst = path.src;
		packet_ip_header(m + n, &path, proto, 8 + 4 * options);
		m[n] += options;
		n += 20 + 4 * options;
	} else {
		packet_ip_header(m + n, &path, options ? IPPROTO_FRAGMENT : proto, 16);
		m[n + 40] = proto;
		n += options ? 48 : 40;
	}
	memcpy(m + n, l4, 8);
	send_message(m, n + 16);
	return arrived();
}

static void passes_errors_about_our_requests_alone(void **state)
{
	const uint8_t types4[] = { 3, 11, 12 }, types6[] = { 1, 2, 3, 4 };

	for (int family = 0; family < 2; family++) {
		begin(family ? AF_INET6 : AF_INET);
		for (size_t i = 0; i < (v4 ? sizeof(types4) : sizeof(types6)); i++) {
			int type = v4 ? types4[i] : types6[i];
			uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
			uint8_t ours[8] = { v4 ? 8 : 128, 0, 0, 0, BASE >> 8, 5 };
			uint8_t other[8] = { v4 ? 8 : 128, 0, 0, 0, BASE >> 8, 16 };
			uint8_t reply[8] = { v4 ? 0 : 129, 0, 0, 0, BASE >> 8, 5 };

			assert_true(error_passes(type, 0, proto, ours));
			assert_true(error_passes(type, 1, proto, ours)); /* options; fragment */
			assert_false(error_passes(type, 0, proto, other));
			assert_false(error_passes(type, 1, proto, other));
			assert_false(error_passes(type, 0, proto, reply));
			assert_false(error_passes(type, 0, IPPROTO_UDP, ours));
			assert_false(error_passes(type, 1, IPPROTO_UDP, ours));
		}
		end();
	}
}

static void short_messages_do_not_pass(void **state)
{
	for (int family = 0; family < 2; family++) {
		begin(family ? AF_INET6 : AF_INET);
		for (size_t len = 8; len < 28; len++) {
			uint8_t m[MESSAGE_MAX] = { v4 ? 3 : 1, 3 };

			memset(m + 8, 0x45, len - 8);
			send_message(m, len);
			assert_false(arrived());
		}
		end();
	}
}

static void the_filter_cannot_be_taken_off(void **state)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	struct sock_fprog program = { 1, &all };
	int zero = 0;

	begin(AF_INET);
	assert_int_equal(setsockopt(our, SOL_SOCKET, SO_DETACH_FILTER, &zero, sizeof(zero)), -1);
	assert_int_equal(setsockopt(our, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)),
			 -1);
	assert_int_equal(setsockopt(our, SOL_SOCKET, SO_LOCK_FILTER, &zero, sizeof(zero)), -1);
	end();
}

static void is_marked(void **state)
{
	uint32_t mark = 0;
	socklen_t len = sizeof(mark);

	begin(AF_INET6);
	assert_int_equal(getsockopt(our, SOL_SOCKET, SO_MARK, &mark, &len), 0);
	assert_int_equal(mark, MARK);
	end();
}

static void refuses_a_range_that_is_none(void **state)
{
	int fd = -1;

	assert_int_equal(icmp_socket_open(AF_INET, MARK, 0x4801, 4, &fd), -EINVAL);
	assert_int_equal(icmp_socket_open(AF_INET, MARK, 0, 16, &fd), -EINVAL);
	assert_int_equal(icmp_socket_open(AF_UNIX, MARK, BASE, 4, &fd), -EINVAL);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes_replies_with_our_identifiers_alone),
		cmocka_unit_test(passes_no_other_type),
		cmocka_unit_test(the_answer_to_a_request_passes),
		cmocka_unit_test(passes_errors_about_our_requests_alone),
		cmocka_unit_test(short_messages_do_not_pass),
		cmocka_unit_test(the_filter_cannot_be_taken_off),
		cmocka_unit_test(is_marked),
		cmocka_unit_test(refuses_a_range_that_is_none),
	};
	int status = loopback_up();

	return status ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
