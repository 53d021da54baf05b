// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writes the corpus of fuzz_dns_kernel: a packet of each kind of query behind a byte of
 * choices.
 *
 *   cc -I. -Itests -o build/dns_kernel tests/fuzz/generate/dns_kernel.c \
 *      tests/lib/craft.c tests/lib/dns_ask.c
 *   build/dns_kernel tests/fuzz/corpus/dns_kernel
 */
#include <netinet/in.h>
#include <stdio.h>

#include "lib/craft.h"
#include "lib/dns_ask.h"

#define NXDOMAIN 8 /* choices: what the policy does, and where the packet comes in */
#define ZERO 12
#define NODATA 16
#define REFUSED 20

static const char cookie[] = "\0\x0a\0\x08"
			     "12345678"
			     "\0\x0c\0\x01";

static const struct {
	const char *file;
	int choice;
	struct dns_ask ask;
} kinds[] = {
	{ "kept", NODATA, { .name = "wWw.Example" } },
	{ "kept_edns", NODATA, { .name = "www.example", .edns = true, .dnssec_ok = true } },
	{ "kept_ad", NODATA, { .name = "www.example", .flags = 0x0120 } },
	{ "kept_small", NODATA, { .name = "www.example", .edns = true, .payload = 100 } },
	{ "nxdomain", NXDOMAIN, { .name = "bad.example" } },
	{ "zero4", ZERO, { .name = "a.bad.example" } },
	{ "zero6", ZERO, { .name = "bad.example", .type = 28, .edns = true } },
	{ "refused", REFUSED, { .name = "bad.example", .type = 65 } },
	{ "options",
	  NODATA,
	  { .name = "bad.example", .edns = true, .options = cookie, .options_len = 16 } },
	{ "root", NODATA, { .name = "." } },
	{ "long",
	  NODATA,
	  { .name = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.bad.example" } },
	{ "answer", NODATA, { .name = "bad.example", .flags = 0x8180 } },
	{ "class", NODATA, { .name = "bad.example", .class = 3 } },
	{ "version", NODATA, { .name = "bad.example", .edns = true, .version = 1 } },
};

static int write_one(const char *folder, size_t i, int version)
{
	uint8_t msg[DNS_ASK_MAX], packet[CRAFT_MAX];
	struct craft c = {
		.version = (uint8_t)version,
		.dst = version == 4 ? "10.0.0.1" : "fd68:6561:6472:6163::1",
		.proto = IPPROTO_UDP,
		.sport = 40000,
		.dport = 53,
		.data = msg,
		.payload = (uint16_t)dns_ask(&kinds[i].ask, msg),
	};
	size_t len = craft(&c, packet);
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s%d", folder, kinds[i].file, version);
	f = fopen(path, "we");
	if (!f || fputc(kinds[i].choice + (int)(i % 3), f) == EOF ||
	    fwrite(packet, 1, len, f) != len || fclose(f)) {
		perror(path);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && argc == 2; i++) {
		if (write_one(argv[1], i, 4) || write_one(argv[1], i, 6))
			return 1;
	}
	return argc == 2 ? 0 : 2;
}
