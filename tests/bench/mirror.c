// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Attaches mirror.bpf.c, says "ready", and stays until a signal:
 *
 *   mirror OBJECT tun NAME     on the egress of a TUN that it makes
 *   mirror OBJECT eth DEVICE   on the ingress of a device that there is
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

__attribute__((noreturn)) static void die(const char *what, int error)
{
	fprintf(stderr, "mirror: %s: %s\n", what, strerror(error));
	exit(1);
}

/* The device lives as long as its descriptor: until we end. */
static void make_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		die(name, errno);
}

static void attach(const struct bpf_object *obj, const char *program, const char *device,
		   enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)if_nametoindex(device),
		    .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts);
	int err = bpf_tc_hook_create(&hook);

	opts.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(obj, program));
	if (!err || err == -EEXIST)
		err = bpf_tc_attach(&hook, &opts);
	if (err)
		die(device, -err);
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	bool tun = argc == 4 && strcmp(argv[2], "tun") == 0;

	if (!tun && (argc != 4 || strcmp(argv[2], "eth") != 0)) {
		fputs("usage: mirror OBJECT tun|eth DEVICE\n", stderr);
		return 2;
	}
	obj = bpf_object__open_file(argv[1], NULL);
	if (!obj || bpf_object__load(obj) < 0)
		die(argv[1], errno);
	if (tun)
		make_tun(argv[3]);
	attach(obj, tun ? "mirror_tun" : "mirror_eth", argv[3],
	       tun ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
