/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where packets go: the standard output, or files of a bounded size, of which the latest stay:
 * FILE, then FILE.1, FILE.2 and so on. Each is made anew, for its owner alone; what is there
 * under that name, a symbolic link too, is left alone and is an error.
 */
#ifndef TOOLS_DUMP_FILES_H
#define TOOLS_DUMP_FILES_H

#include "tools/pcapng.h"

#define DUMP_FILES_MAX 1000

struct dump_limits {
	uint64_t file_bytes; /* of one file, 0 = no limit */
	uint64_t files; /* that stay, 1 = the first one is the last, too */
	uint64_t packets; /* in all, 0 = no limit */
	uint32_t snaplen; /* bytes of a packet that are kept */
};

struct dump_files {
	const char *name; /* NULL = the standard output */
	const char *device;
	struct dump_limits limits;
	uint64_t number; /* of the file that is being written, from 0 */
	uint64_t written; /* packets in earlier files */
	uint64_t seen; /* packets that were given to dump_files_add() */
	struct pcapng file;
};

enum dump_state {
	DUMP_ON,
	DUMP_FULL, /* a limit is reached: nothing more is taken */
};

/* 0 or -errno; nothing is left then. */
int dump_files_open(struct dump_files *d, const char *name, const char *device,
		    const struct dump_limits *limits);
/* Returns an enum dump_state, or -errno: what was written before stays. */
int dump_files_add(struct dump_files *d, const struct pcapng_packet *packet);
/* Writes what waits. 0 or -errno. */
int dump_files_flush(struct dump_files *d);
/* Ends the file, unless `failed`: then it stays as it is. 0 or -errno. */
int dump_files_close(struct dump_files *d, uint64_t time_ns, uint64_t dropped, bool failed);
/* Packets that can be read in files, those of removed ones included. */
uint64_t dump_files_packets(const struct dump_files *d);

#endif
