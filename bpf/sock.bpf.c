// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Marks every IPv4 and IPv6 socket of the roles' cgroup at its creation, so that a role can
 * protect its sockets without any capability. Never refuses one: the role checks the mark.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "bpf/contract.h"
#include "bpf/maps.h"

SEC("cgroup/sock_create")
int sock_protect(struct bpf_sock *sk)
{
	struct settings *s = settings_get();

	sk->mark = s && s->mark ? s->mark : HEADRACE_MARK;
	return 1;
}

char _license[] SEC("license") = "Dual BSD/GPL";
