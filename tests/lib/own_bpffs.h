/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LIB_OWN_BPFFS_H
#define LIB_OWN_BPFFS_H

/*
 * Network and mount namespaces of this process's own, with a bpffs of its own, so that the
 * host's pins are out of reach. 0, or 77 (skipped) where that is not allowed.
 */
int own_bpffs(void);

#endif
