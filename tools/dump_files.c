// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Files of a dump: made, bounded, and the oldest removed. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/dump_files.h"

static int file_name(const struct dump_files *d, uint64_t number, char path[PATH_MAX])
{
	int n = number ? snprintf(path, PATH_MAX, "%s.%llu", d->name, (unsigned long long)number) :
			 snprintf(path, PATH_MAX, "%s", d->name);

	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* O_EXCL takes neither what is there nor a symbolic link to somewhere. */
static int file_make(const struct dump_files *d, int *ret_fd)
{
	char path[PATH_MAX];
	int err = file_name(d, d->number, path);

	if (err)
		return err;
	*ret_fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	return *ret_fd < 0 ? -errno : 0;
}

static int file_begin(struct dump_files *d)
{
	int fd = STDOUT_FILENO, err = d->name ? file_make(d, &fd) : 0;

	if (err)
		return err;
	pcapng_begin(&d->file, fd, d->device, d->limits.snaplen);
	return 0;
}

int dump_files_open(struct dump_files *d, const char *name, const char *device,
		    const struct dump_limits *limits)
{
	d->name = name;
	d->device = device;
	d->limits = *limits;
	d->number = d->written = d->seen = 0;
	return file_begin(d);
}

static int file_end(struct dump_files *d)
{
	int err = 0;

	d->written += d->file.packets;
	if (d->name && close(d->file.fd))
		err = -errno;
	d->file.fd = -1;
	d->file.packets = 0;
	return err;
}

/* The next file; of those before it as many stay as may. */
static int file_turn(struct dump_files *d)
{
	char oldest[PATH_MAX];
	int err = pcapng_flush(&d->file), closed = file_end(d);

	d->number++;
	if (!err)
		err = closed;
	if (!err && d->number >= d->limits.files)
		err = file_name(d, d->number - d->limits.files, oldest);
	if (!err && d->number >= d->limits.files && unlink(oldest) && errno != ENOENT)
		err = -errno;
	return err ? err : file_begin(d);
}

static bool file_is_full(const struct dump_files *d, const struct pcapng_packet *packet)
{
	uint64_t limit = d->limits.file_bytes;

	return limit && d->file.packets && d->file.size + pcapng_bytes(packet) > limit;
}

int dump_files_add(struct dump_files *d, const struct pcapng_packet *packet)
{
	int err = 0;

	if (file_is_full(d, packet)) {
		if (d->limits.files == 1)
			return DUMP_FULL;
		err = file_turn(d);
	}
	d->seen++;
	if (!err)
		err = pcapng_add(&d->file, packet);
	if (err)
		return err;
	return d->limits.packets && d->seen >= d->limits.packets ? DUMP_FULL : DUMP_ON;
}

int dump_files_flush(struct dump_files *d)
{
	return pcapng_flush(&d->file);
}

int dump_files_close(struct dump_files *d, uint64_t time_ns, uint64_t dropped, bool failed)
{
	int err = 0, closed;

	if (d->file.fd < 0)
		return 0; /* the next one could not be made */
	if (!failed)
		err = pcapng_end(&d->file, time_ns, d->seen + dropped, dropped);
	closed = file_end(d);
	return err ? err : closed;
}

uint64_t dump_files_packets(const struct dump_files *d)
{
	return d->written + d->file.packets;
}
