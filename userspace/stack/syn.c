// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The SYN as lwIP is given it: written anew with the three options that it knows, in their
 * places, so that whatever else a SYN carries, and however it is cut off, meets one parser
 * only, this one.
 *
 * Of an option that comes twice the last counts; what follows one with an impossible length
 * is not looked at; an MSS of 0 says nothing (RFC 9293, 3.7.1: then it is 536).
 */
#include <string.h>

#include "stack/internal.h"

#define OPT_END 0
#define OPT_NOP 1
#define OPT_MSS 2
#define OPT_SCALE 3
#define OPT_SACK_PERMITTED 4
#define SCALE_MAX 14 /* RFC 7323, 2.3 */

struct syn_options {
	uint16_t mss; /* 0 = not said */
	int scale; /* -1 = not said */
	bool sack_permitted;
};

static void syn_take(struct syn_options *o, const uint8_t *option, size_t len)
{
	if (option[0] == OPT_MSS && len == 4)
		o->mss = (uint16_t)(option[2] << 8 | option[3]);
	else if (option[0] == OPT_SCALE && len == 3)
		o->scale = option[2] < SCALE_MAX ? option[2] : SCALE_MAX;
	else if (option[0] == OPT_SACK_PERMITTED && len == 2)
		o->sack_permitted = true;
}

static struct syn_options syn_parse(const uint8_t *at, size_t left)
{
	struct syn_options o = { .scale = -1 };

	while (left > 0 && *at != OPT_END) {
		size_t len = 1;

		if (*at != OPT_NOP) {
			if (left < 2 || at[1] < 2 || at[1] > left)
				break;
			len = at[1];
			syn_take(&o, at, len);
		}
		at += len;
		left -= len;
	}
	return o;
}

static void syn_write(uint8_t *at, const struct syn_options *o)
{
	memset(at, OPT_NOP, SYN_BYTES - TCP_HLEN);
	if (o->mss) {
		at[0] = OPT_MSS;
		at[1] = 4;
		at[2] = (uint8_t)(o->mss >> 8);
		at[3] = (uint8_t)o->mss;
	}
	if (o->sack_permitted) {
		at[4] = OPT_SACK_PERMITTED;
		at[5] = 2;
	}
	if (o->scale >= 0) {
		at[8] = OPT_SCALE;
		at[9] = 3;
		at[10] = (uint8_t)o->scale;
	}
}

void syn_rewrite(uint8_t ret_syn[SYN_BYTES], const uint8_t *tcp, size_t len)
{
	struct syn_options o = syn_parse(tcp + TCP_HLEN, len - TCP_HLEN);

	memcpy(ret_syn, tcp, TCP_HLEN);
	TCPH_HDRLEN_FLAGS_SET((struct tcp_hdr *)ret_syn, SYN_BYTES / 4, TCP_SYN);
	syn_write(ret_syn + TCP_HLEN, &o);
}
