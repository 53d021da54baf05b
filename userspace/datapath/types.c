// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel's description of its types (BTF), by which programs are fitted to its structures.
 * Where a kernel has none libbpf loads nothing that could want it; with an empty one it loads all
 * that does without, or takes another way where a field is not there.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/fd.h"
#include "datapath/kernel_internal.h"

#define KERNEL_TYPES "/sys/kernel/btf/vmlinux"

int types_none(void)
{
	struct btf *btf = btf__new_empty();
	int fd = memfd_create("no types", MFD_CLOEXEC);
	const void *bytes;
	__u32 len = 0;

	bytes = libbpf_get_error(btf) ? NULL : btf__raw_data(btf, &len);
	if (fd >= 0 && (!bytes || write(fd, bytes, len) != (ssize_t)len))
		fd = fd_close(fd);
	btf__free(btf);
	return fd;
}

const char *types_path(int fd, char path[TYPES_PATH_MAX])
{
	snprintf(path, TYPES_PATH_MAX, "/proc/self/fd/%d", fd);
	return path;
}

bool types_are_told(void)
{
	struct btf *btf;

	if (!access(KERNEL_TYPES, R_OK))
		return true;
	btf = btf__load_vmlinux_btf();
	if (libbpf_get_error(btf))
		return false;
	btf__free(btf);
	return true;
}
