// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/own_bpffs.h"

int own_bpffs(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS))
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return 77;
	return mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700") ? 77 : 0;
}
