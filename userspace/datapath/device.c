// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One way down from XDP by libxdp, which lets several programs share a device where the kernel
 * can (freplace) and else attaches ours alone, to tcx, to clsact. A tcx link ends with this
 * process; what else is attached is found and taken away by the next start, if main was killed.
 *
 * libxdp loads a program itself, so each device gets an object of its own of which only
 * dns_xdp is loaded and all maps are the ones that are there.
 */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_link.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "datapath/device.h"
#include "datapath/kernel_internal.h"

#define XDP_NAME "dns_xdp"

struct device {
	int ifindex;
	const char *how;
	struct attachment tc;
	struct xdp_program *xdp; /* NULL = none */
	struct bpf_object *object; /* of it */
};

const char *device_how(const struct device *d)
{
	return d->how;
}

static int attach_tc(struct device *d, struct kernel *k)
{
	const struct hook hook = { kernel_program_fd(k, "dns_eth"), BPF_TC_INGRESS, 0 };

	if (hook.program < 0)
		return hook.program;
	return attachment_attach(&d->tc, &hook, 1, d->ifindex, ATTACH_LAST, k->attach, &d->how);
}

/* --- XDP ----------------------------------------------------------------------------------- */

static int silent(enum libxdp_print_level level, const char *fmt, va_list args)
{
	char text[512];

	if (level == LIBXDP_DEBUG || log_level() < LOG_LEVEL_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("xdp", "%s", text);
	return 0;
}

/* The time of the last beat that the program's own settings have; 0 = it has none. */
static uint64_t beat_of(const struct bpf_prog_info *prog, const __u32 *map_ids)
{
	for (__u32 i = 0; i < prog->nr_map_ids; i++) {
		int fd = bpf_map_get_fd_by_id(map_ids[i]);
		struct bpf_map_info info = { 0 };
		__u32 len = sizeof(info), zero = 0;
		struct settings s = { .heartbeat_ns = 0 };

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, "settings") &&
		    info.value_size == sizeof(s))
			bpf_map_lookup_elem(fd, &zero, &s);
		fd_close(fd);
		if (s.heartbeat_ns)
			return s.heartbeat_ns;
	}
	return 0;
}

/* Is it dns_xdp of an instance whose main is gone? */
static bool is_stale(int prog_fd)
{
	__u32 ids[64], len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = { .nr_map_ids = 64, .map_ids = (uintptr_t)ids };
	uint64_t beat;

	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len) || strcmp(info.name, XDP_NAME) != 0 ||
	    info.nr_map_ids > 64)
		return false;
	beat = beat_of(&info, ids);
	return beat && beat + HEARTBEAT_STALE_NS < clock_ns();
}

/* Takes away what a killed main has left on the device. */
static void clean_stale(int ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *prog = NULL;

	if (libxdp_get_error(mp))
		return;
	if (xdp_multiprog__is_legacy(mp)) {
		prog = xdp_multiprog__main_prog(mp);
		if (prog && is_stale(xdp_program__fd(prog)))
			xdp_multiprog__detach(mp);
	} else {
		while ((prog = xdp_multiprog__next_prog(prog, mp)))
			if (is_stale(xdp_program__fd(prog))) {
				xdp_program__detach(prog, ifindex, XDP_MODE_NATIVE, 0);
				break;
			}
	}
	xdp_multiprog__close(mp);
}

static void xdp_close(struct device *d)
{
	xdp_program__close(d->xdp);
	d->xdp = NULL;
	bpf_object__close(d->object);
	d->object = NULL;
}

/* Did libxdp put its dispatcher there, under which others can join? */
static bool is_shared(int ifindex)
{
	struct xdp_multiprog *mp = xdp_multiprog__get_from_ifindex(ifindex);
	bool shared;

	if (libxdp_get_error(mp))
		return false;
	shared = !xdp_multiprog__is_legacy(mp);
	xdp_multiprog__close(mp);
	return shared;
}

static int attach_xdp(struct device *d, const struct kernel *k)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .prog_name = XDP_NAME);
	const char *name = XDP_NAME;
	int err;

	libxdp_set_print(silent);
	clean_stale(d->ifindex);
	err = kernel_object_of(k, &name, 1, &d->object);
	if (err)
		return err;
	opts.obj = d->object;
	d->xdp = xdp_program__create(&opts);
	err = (int)libxdp_get_error(d->xdp);
	if (err)
		d->xdp = NULL;
	else
		err = xdp_program__attach(d->xdp, d->ifindex, XDP_MODE_NATIVE, 0);
	if (err) {
		xdp_close(d);
		return err;
	}
	d->how = is_shared(d->ifindex) ? "xdp" : "xdp, alone";
	return 0;
}

static void detach_xdp(struct device *d)
{
	int err = xdp_program__detach(d->xdp, d->ifindex, XDP_MODE_NATIVE, 0);

	if (err && err != -ENODEV)
		log_debug("xdp", "not detached: %s", strerror(-err));
	xdp_close(d);
}

/* --- either -------------------------------------------------------------------------------- */

static bool has_file(const char *name, const char *file)
{
	char path[64 + IF_NAMESIZE];

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, file);
	return !access(path, F_OK);
}

/*
 * XDP is for drivers of hardware: on a virtual device it costs others more than it gives (the
 * other end of a veth loses segmentation offload).
 */
static bool wants_xdp(const char *name, enum device_mode mode)
{
	return mode == DEVICE_XDP || (mode == DEVICE_AUTO && has_file(name, "device"));
}

static int attach(struct device *d, struct kernel *k, const char *name, enum device_mode mode,
		  char err[256])
{
	int ret;

	if (wants_xdp(name, mode)) {
		ret = attach_xdp(d, k);
		if (!ret)
			return 0;
		snprintf(err, 256, "%s: XDP in the driver: %s", name,
			 ret == -EBUSY ? "another program is there" : strerror(-ret));
		if (mode == DEVICE_XDP)
			return ret;
		log_info("device", "%s; traffic control instead", err);
	}
	ret = attach_tc(d, k);
	if (ret)
		snprintf(err, 256, "%s: traffic control: %s", name, strerror(-ret));
	return ret;
}

int device_attach(struct kernel *k, const char *name, int ifindex, enum device_mode mode,
		  struct device **ret_device, char err[256])
{
	struct device *d;
	int ret;

	if (!k->features.bpf) {
		snprintf(err, 256, "%s: there is no BPF here", name);
		return -EOPNOTSUPP;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		snprintf(err, 256, "%s: out of memory", name);
		return -ENOMEM;
	}
	d->ifindex = ifindex;
	attachment_init(&d->tc);
	ret = attach(d, k, name, mode, err);
	if (ret) {
		free(d);
		return ret;
	}
	*ret_device = d;
	return 0;
}

void device_detach(struct device *d)
{
	if (!d)
		return;
	if (d->xdp)
		detach_xdp(d);
	attachment_detach(&d->tc);
	free(d);
}

/* --- addresses ----------------------------------------------------------------------------- */

static struct dns_local_key local_key(const struct endpoint *ep)
{
	return (struct dns_local_key){ .addr = ep->addr, .port = ep->port };
}

static bool is_listed(const struct dns_local_key *key, const struct endpoint *local, size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (key->port == local[i].port && addr_eq(&key->addr, &local[i].addr))
			return true;
	return false;
}

/* New ones come before old ones go: what is in both is there all the time. */
int kernel_local_set(struct kernel *k, const struct endpoint *local, size_t num)
{
	struct dns_local_key key, gone;
	int fd = k->maps.dns_local, err = 0;
	__u32 value = 1;

	if (fd < 0)
		return 0;
	for (size_t i = 0; !err && i < num; i++) {
		key = local_key(&local[i]);
		err = bpf_map_update_elem(fd, &key, &value, BPF_ANY);
	}
	for (int i = 0, more = !bpf_map_get_next_key(fd, NULL, &key); more && i < DNS_LOCAL_MAX;
	     i++) {
		gone = key;
		more = !bpf_map_get_next_key(fd, &gone, &key);
		if (!is_listed(&gone, local, num))
			bpf_map_delete_elem(fd, &gone);
	}
	return err;
}
