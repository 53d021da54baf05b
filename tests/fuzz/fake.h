/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A kernel that exists only in this process: descriptors, epoll, time and random numbers, as
 * the code under test sees them, and not one system call. The Makefile links the targets that
 * use it with --wrap, so what is tested are the very objects that are shipped. Descriptors
 * below FAKE_FIRST go to the real kernel.
 *
 * What a descriptor does is its test's: a table of functions. Those that are not set refuse.
 * They return what the system call would, or -errno.
 */
#ifndef TESTS_FUZZ_FAKE_H
#define TESTS_FUZZ_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define FAKE_FIRST 10000
#define FAKE_NUM 256

struct fake;

struct fake_ops {
	uint32_t (*poll)(struct fake *f); /* EPOLL* that it is ready for now */
	ssize_t (*recv)(struct fake *f, struct msghdr *msg, int flags);
	ssize_t (*send)(struct fake *f, const struct msghdr *msg, int flags);
	int (*connect)(struct fake *f, const struct sockaddr *to, socklen_t len);
	int (*set)(struct fake *f, int level, int name, const void *value, socklen_t len);
	int (*get)(struct fake *f, int level, int name, void *value, socklen_t *len);
	int (*shutdown)(struct fake *f, int how);
	void (*close)(struct fake *f);
	int (*accept)(struct fake *f); /* a descriptor */
	int (*duplicate)(struct fake *f); /* the same */
};

struct fake {
	const struct fake_ops *ops; /* NULL = no such descriptor */
	void *data; /* the test's */
	int fd;
	bool watched; /* by epoll: */
	bool edge; /* something changed since it was told */
	uint32_t events;
	void *watch;
};

/* What the test decides, and may change at any time. */
struct fake_world {
	uint64_t now_ns; /* epoll_wait() goes on to its timeout at once */
	uint64_t random; /* state of getrandom(); not 0 */
	int watch_error; /* the next watch fails with it */
	unsigned int alloc_countdown; /* 1 = the next allocation fails */
	int (*socket)(int family, int type, int protocol); /* a descriptor or -errno */
	int (*pair)(int type, int fds[2]);
};
extern struct fake_world fake_world;

/* A descriptor, or -EMFILE. */
int fake_open(const struct fake_ops *ops, void *data);
/* The open one of that number; aborts if there is none. */
struct fake *fake_of(int fd);
/* Its readiness changed: an edge-triggered watch is told. */
void fake_edge(struct fake *f);
/* Descriptors that are open. */
unsigned int fake_count(void);
/* Large blocks of calloc() that are not freed. */
unsigned int fake_tables(void);
/* Time, for clock_inject(). */
uint64_t fake_clock(void);

/* All bytes of a message in one piece, at most `size`: how many. */
size_t fake_gather(const struct msghdr *msg, void *buf, size_t size);

#endif
