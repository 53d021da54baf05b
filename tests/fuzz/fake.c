// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The kernel of fake.h. A function __wrap_X stands in for X wherever the code under test, or
 * a library that it calls, uses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>

#include "tests/fuzz/fake.h"
#include "tests/fuzz/fuzz.h"

struct fake_world fake_world = { .random = 1 };

static struct fake fakes[FAKE_NUM];
static unsigned int open_count;
static int open_end; /* behind the last open one */

int __real_close(int fd);
int __real_fcntl(int fd, int cmd, long arg);
void *__real_malloc(size_t size);
void *__real_calloc(size_t num, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *block);
void *__real_realloc(void *old, size_t size);

static struct fake *fake_find(int fd)
{
	int i = fd - FAKE_FIRST;

	return i >= 0 && i < FAKE_NUM && fakes[i].ops ? &fakes[i] : NULL;
}

struct fake *fake_of(int fd)
{
	struct fake *f = fake_find(fd);

	require(f);
	return f;
}

int fake_open(const struct fake_ops *ops, void *data)
{
	for (int i = 0; i < FAKE_NUM; i++) {
		if (fakes[i].ops)
			continue;
		fakes[i] = (struct fake){ .ops = ops, .data = data, .fd = FAKE_FIRST + i };
		open_count++;
		if (open_end <= i)
			open_end = i + 1;
		return FAKE_FIRST + i;
	}
	return -EMFILE;
}

void fake_edge(struct fake *f)
{
	f->edge = true;
}

unsigned int fake_count(void)
{
	return open_count;
}

uint64_t fake_clock(void)
{
	return fake_world.now_ns;
}

size_t fake_gather(const struct msghdr *msg, void *buf, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < msg->msg_iovlen && at < size; i++) {
		size_t len = msg->msg_iov[i].iov_len;

		len = len < size - at ? len : size - at;
		if (len > 0)
			memcpy((uint8_t *)buf + at, msg->msg_iov[i].iov_base, len);
		at += len;
	}
	return at;
}

/* What the C library makes of a system call's result. */
static ssize_t result(ssize_t r)
{
	if (r >= 0)
		return r;
	errno = (int)-r;
	return -1;
}

/* --- descriptors ------------------------------------------------------------------------ */

int __wrap_close(int fd)
{
	struct fake *f;

	if (fd < FAKE_FIRST)
		return __real_close(fd);
	f = fake_of(fd);
	if (f->ops->close)
		f->ops->close(f);
	f->ops = NULL;
	open_count--;
	while (open_end > 0 && !fakes[open_end - 1].ops)
		open_end--;
	return 0;
}

int __wrap_fcntl(int fd, int cmd, long arg)
{
	struct fake *f;

	if (fd < FAKE_FIRST)
		return __real_fcntl(fd, cmd, arg);
	f = fake_of(fd);
	if (cmd == F_DUPFD_CLOEXEC && f->ops->duplicate)
		return (int)result(f->ops->duplicate(f));
	return cmd == F_GETFD || cmd == F_SETFD ? 0 : (int)result(-EMFILE);
}

int __wrap_socket(int family, int type, int protocol)
{
	return (int)result(fake_world.socket ? fake_world.socket(family, type, protocol) : -EMFILE);
}

int __wrap_socketpair(int family, int type, int protocol, int fds[2])
{
	require(family == AF_UNIX && protocol == 0);
	return (int)result(fake_world.pair ? fake_world.pair(type, fds) : -EMFILE);
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	struct fake *f = fake_of(fd);

	return (int)result(f->ops->connect ? f->ops->connect(f, to, len) : -EOPNOTSUPP);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct fake *f = fake_of(fd);

	return (int)result(f->ops->set ? f->ops->set(f, level, name, value, len) : -ENOPROTOOPT);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct fake *f = fake_of(fd);

	return (int)result(f->ops->get ? f->ops->get(f, level, name, value, len) : -ENOPROTOOPT);
}

int __wrap_shutdown(int fd, int how)
{
	struct fake *f = fake_of(fd);

	return (int)result(f->ops->shutdown ? f->ops->shutdown(f, how) : -ENOTCONN);
}

int __wrap_accept4(int fd, struct sockaddr *from, socklen_t *len, int flags)
{
	struct fake *f = fake_of(fd);

	require(!from && !len && (flags & SOCK_NONBLOCK) && (flags & SOCK_CLOEXEC));
	return (int)result(f->ops->accept ? f->ops->accept(f) : -EOPNOTSUPP);
}

/* --- messages --------------------------------------------------------------------------- */

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct fake *f = fake_of(fd);

	return result(f->ops->recv ? f->ops->recv(f, msg, flags) : -ENOTCONN);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct fake *f = fake_of(fd);

	return result(f->ops->send ? f->ops->send(f, msg, flags) : -ENOTCONN);
}

ssize_t __wrap_recv(int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return __wrap_recvmsg(fd, &msg, flags);
}

ssize_t __wrap___recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
	require(len <= size);
	return __wrap_recv(fd, buf, len, flags);
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = { (void *)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return __wrap_sendmsg(fd, &msg, flags);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned int num, int flags,
		    struct timespec *timeout)
{
	unsigned int n = 0;

	for (; n < num; n++) {
		ssize_t len = __wrap_recvmsg(fd, &messages[n].msg_hdr, flags);

		if (len < 0)
			return n > 0 ? (int)n : -1;
		messages[n].msg_len = (unsigned int)len;
	}
	return (int)n;
}

/* --- epoll ------------------------------------------------------------------------------ */

static const struct fake_ops epoll_ops;

int __wrap_epoll_create1(int flags)
{
	return (int)result(fake_open(&epoll_ops, NULL));
}

int __wrap_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
	struct fake *f = fake_of(fd);
	int err = fake_world.watch_error;

	require(fake_of(epoll_fd)->ops == &epoll_ops);
	require(f->watched == (op != EPOLL_CTL_ADD));
	if (op == EPOLL_CTL_DEL) {
		f->watched = false;
		return 0;
	}
	if (op == EPOLL_CTL_ADD && err) {
		fake_world.watch_error = 0;
		return (int)result(-err);
	}
	f->watched = true;
	f->edge = true;
	f->events = event->events;
	f->watch = event->data.ptr;
	return 0;
}

static int collect(struct epoll_event *events, int max)
{
	int n = 0;

	for (int i = 0; i < open_end && n < max; i++) {
		struct fake *f = &fakes[i];
		uint32_t ready;

		if (!f->ops || !f->watched || !f->ops->poll)
			continue; /* closed, and so forgotten, or never ready */
		if ((f->events & EPOLLET) && !f->edge)
			continue;
		f->edge = false;
		ready = f->ops->poll(f) & (f->events | EPOLLERR | EPOLLHUP);
		if (!ready)
			continue;
		events[n].events = ready;
		events[n].data.ptr = f->watch;
		n++;
	}
	return n;
}

static uint32_t timer_poll(struct fake *f)
{
	return EPOLLIN;
}

static const struct fake_ops timer_ops = { .poll = timer_poll };
static struct fake *timer; /* of the one loop that there is */
static uint64_t timer_due_ns; /* 0 = not set */

int __wrap_timerfd_create(int clock, int flags)
{
	int fd = fake_open(&timer_ops, NULL);

	if (fd >= 0)
		timer = fake_of(fd);
	timer_due_ns = 0;
	return (int)result(fd);
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
	require(fake_of(fd) == timer && flags == 0 && !old);
	timer_due_ns = fake_world.now_ns + (uint64_t)at->it_value.tv_sec * 1000000000 +
		       (uint64_t)at->it_value.tv_nsec;
	return 0;
}

static void timer_fire(void)
{
	if (!timer_due_ns || timer_due_ns > fake_world.now_ns)
		return;
	timer_due_ns = 0;
	fake_edge(timer);
}

/* Nothing is ready: then it is later at once, by as much as would be waited. */
static void sleep_for(int timeout)
{
	uint64_t end = fake_world.now_ns + (uint64_t)timeout * 1000000;

	require(timeout >= 0 || timer_due_ns); /* else it would sleep for ever */
	if (timer_due_ns && (timeout < 0 || timer_due_ns < end))
		end = timer_due_ns;
	fake_world.now_ns = end;
	timer_fire();
}

int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout)
{
	int n;

	timer_fire();
	n = collect(events, max);
	if (n > 0)
		return n;
	sleep_for(timeout);
	return collect(events, max);
}

/* --- the rest --------------------------------------------------------------------------- */

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	uint64_t x = fake_world.random;

	for (size_t i = 0; i < len; i++) { /* xorshift */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		((uint8_t *)buf)[i] = (uint8_t)(x >> 24);
	}
	fake_world.random = x;
	return (ssize_t)len;
}

static bool alloc_fails(void)
{
	return fake_world.alloc_countdown && --fake_world.alloc_countdown == 0;
}

/*
 * Tables: large blocks of zeroes, which every input makes anew and hardly uses. ASan's
 * allocator would map and unmap each; here a freed one waits for the next of its size. A small
 * one is zeroed then, of a large one the pages that were touched are given back. Their
 * neighbourhood is poisoned, as they are when they are free: a large one every POISON_TURNS
 * times, the first of a process among them, as that takes as long as many an input.
 */
#define TABLE_MIN 16384
#define TABLE_LARGE (256U << 10)
#define POISON_TURNS 16
#define TABLES_MAX 64
#define TABLES_BYTES (64U << 20)
#define PAGE 4096

static struct {
	uint8_t *at;
	size_t size;
	bool used, poisoned;
	unsigned int turns; /* times that it was freed */
} tables[TABLES_MAX];
static unsigned int table_num, table_count; /* all, and those in use */
static uint8_t *tables_begin, *tables_end;

static int table_new(size_t size)
{
	size_t room = (size + PAGE - 1) / PAGE * PAGE + PAGE;

	if (!tables_begin) {
		tables_begin = mmap(NULL, TABLES_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		require(tables_begin != MAP_FAILED);
		ASAN_POISON_MEMORY_REGION(tables_begin, TABLES_BYTES);
		tables_end = tables_begin + PAGE;
	}
	if (table_num == TABLES_MAX || room > (size_t)(tables_begin + TABLES_BYTES - tables_end))
		return -1;
	tables[table_num].at = tables_end;
	tables[table_num].size = size;
	tables[table_num].poisoned = true;
	tables_end += room;
	return (int)table_num++;
}

static void *table_get(size_t size)
{
	int i = 0;

	while (i < (int)table_num && (tables[i].used || tables[i].size != size))
		i++;
	if (i == (int)table_num)
		i = table_new(size);
	if (i < 0)
		return __real_calloc(1, size);
	tables[i].used = true;
	table_count++;
	if (tables[i].poisoned)
		ASAN_UNPOISON_MEMORY_REGION(tables[i].at, size);
	return tables[i].at;
}

static void table_put(uint8_t *block)
{
	unsigned int i = 0;

	while (i < table_num && tables[i].at != block)
		i++;
	require(i < table_num && tables[i].used);
	tables[i].used = false;
	table_count--;
	if (tables[i].size < TABLE_LARGE)
		memset(block, 0, tables[i].size);
	else
		require(madvise(block, tables[i].size, MADV_DONTNEED) == 0);
	tables[i].poisoned = tables[i].size < TABLE_LARGE || tables[i].turns++ % POISON_TURNS == 0;
	if (tables[i].poisoned)
		ASAN_POISON_MEMORY_REGION(block, tables[i].size);
}

unsigned int fake_tables(void)
{
	return table_count;
}

/* Its bytes are zeroes too if it is large: what an input does depends on none before. */
void *__wrap_malloc(size_t size)
{
	if (alloc_fails())
		return NULL;
	return size >= TABLE_LARGE ? table_get(size) : __real_malloc(size);
}

/* Tables lie at pages. */
void *__wrap_aligned_alloc(size_t align, size_t size)
{
	if (alloc_fails())
		return NULL;
	if (size >= TABLE_LARGE && align <= PAGE)
		return table_get(size);
	return __real_aligned_alloc(align, size);
}

void *__wrap_calloc(size_t num, size_t size)
{
	size_t sum;

	if (alloc_fails() || __builtin_mul_overflow(num, size, &sum))
		return NULL;
	return sum >= TABLE_MIN ? table_get(sum) : __real_calloc(num, size);
}

void __wrap_free(void *block)
{
	if (tables_begin && (uint8_t *)block >= tables_begin && (uint8_t *)block < tables_end)
		table_put(block);
	else
		__real_free(block);
}

void *__wrap_realloc(void *old, size_t size)
{
	return alloc_fails() ? NULL : __real_realloc(old, size);
}

/* The heap is not what is tested, and walking it takes long. */
int __wrap_malloc_trim(size_t pad)
{
	return 0;
}
