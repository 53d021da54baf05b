/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A unix socket on the kernel of fake.h: the code under test holds one end, the test is the
 * other. What the test says is read as a stream or as messages, with descriptors; what is
 * sent is gathered line by line. It fails and fills up as a socket would.
 */
#ifndef TESTS_FUZZ_CHANNEL_H
#define TESTS_FUZZ_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/fake.h"

#define CHANNEL_BYTES (1 << 20) /* sent and not yet taken by the test */

struct channel {
	int fd; /* of the code under test, -1 = it has closed it */
	bool messages; /* SOCK_SEQPACKET, else a stream */
	uid_t uid; /* whose the test's end is */
	/* from the test */
	const uint8_t *data; /* what is not read yet; the test's */
	size_t len;
	unsigned int passed; /* descriptors that come with its first byte */
	bool ended; /* nothing follows */
	bool reset; /* it ended with something unread: the next call fails, once */
	/* from the code under test */
	size_t room; /* bytes that may be sent before the socket is full */
	bool shut; /* by shutdown() */
	unsigned int taken_passed; /* descriptors that came */
	size_t taken_len;
	char taken[CHANNEL_BYTES];
};

/* A descriptor for the code under test; the room is unlimited. */
int channel_open(struct channel *c, bool messages);
/* Says `len` bytes, which must stay, with so many descriptors. All before has been read. */
void channel_say(struct channel *c, const void *data, size_t len, unsigned int passed);
/* The test closes its end. */
void channel_hang_up(struct channel *c, bool reset);
/* Takes all lines that are whole and hands each on without its end; how many. */
unsigned int channel_take_lines(struct channel *c, void (*line)(const char *text, size_t len));
/* A descriptor that is good for nothing but to be closed, or -EMFILE. */
int channel_spare_fd(void);

#endif
