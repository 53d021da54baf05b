// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* See dns_host.h. */
#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "bpf/classify.h"
#include "lib/dns_host.h"
#include "lib/tun_settings.h"

#define NOT_A_CLIENT UINT64_MAX

void dns_host_init(struct dns_host *h)
{
	memset(h, 0, sizeof(*h));
	h->settings = tun_settings();
	h->state.seed[0] = 0x0123456789abcdef;
	h->state.seed[1] = 0xfedcba9876543210;
	h->state.epoch = 2;
	h->state.enabled = 1;
	h->state.block_ttl[0] = h->state.block_ttl[1] = 60;
	h->state.buckets[0] = h->state.buckets[1] = DNS_HOST_BUCKETS;
	for (int i = 0; i < 2; i++) {
		for (int p = 0; p < DNS_HOST_POLICIES; p++)
			h->policies[i][p].no_match = DNS_PASS;
		dns_host_client_add(h, i, "::", 0, 0);
	}
	h->local[0].addr = h->settings.stack4;
	h->local[1].addr = h->settings.stack6;
	h->local[0].port = h->local[1].port = htons(DNS_PORT);
	h->mtu = 1500;
	h->now_ns = 1000 * DNS_SECOND_NS;
}

size_t dns_host_name_wire(const char *name, uint8_t wire[DNS_NAME_MAX + 1])
{
	size_t len = 0, label;

	memset(wire, 0, DNS_NAME_MAX + 1);
	while (*name && strcmp(name, ".") != 0) {
		label = strcspn(name, ".");
		assert(label && label <= DNS_LABEL_MAX && len + label + 2 <= DNS_NAME_MAX);
		wire[len++] = (uint8_t)label;
		for (size_t i = 0; i < label; i++)
			wire[len++] = (uint8_t)(name[i] | (name[i] >= 'A' && name[i] <= 'Z') << 5);
		name += label;
		name += *name == '.';
	}
	return len + 1;
}

uint64_t dns_host_hash(const struct dns_host *h, const uint8_t *wire)
{
	const uint8_t *label[DNS_NAME_MAX];
	uint64_t hash = dns_hash_root(&h->state);
	int num = 0;

	for (; *wire; wire += 1 + *wire)
		label[num++] = wire;
	while (num--)
		hash = dns_hash_label(&h->state, hash, label[num] + 1, *label[num]);
	return hash;
}

bool dns_host_name_add(struct dns_host *h, unsigned int which, const char *name, uint32_t group,
		       uint32_t kinds)
{
	struct dns_bucket *b = h->names[which];
	uint8_t wire[DNS_NAME_MAX + 1];
	uint64_t hash;
	int slot = 0;

	dns_host_name_wire(name, wire);
	hash = dns_host_hash(h, wire);
	b += dns_bucket_index(hash, DNS_HOST_BUCKETS);
	while (slot < DNS_BUCKET_SLOTS && b->slot[slot]) {
		if (b->slot[slot++] >> DNS_SLOT_HASH_SHIFT ==
		    hash << DNS_SLOT_HASH_SHIFT >> DNS_SLOT_HASH_SHIFT)
			return false;
	}
	if (slot == DNS_BUCKET_SLOTS)
		return false;
	b->slot[slot] = hash << DNS_SLOT_HASH_SHIFT | group << DNS_SLOT_GROUP_SHIFT | kinds;
	return true;
}

void dns_host_client_add(struct dns_host *h, unsigned int which, const char *addr,
			 unsigned int bits, uint32_t value)
{
	struct dns_host_client *c = &h->clients[which][h->clients_num[which]++];

	assert(h->clients_num[which] <= DNS_HOST_CLIENTS);
	c->key.bits = bits;
	c->value = value;
	if (inet_pton(AF_INET6, addr, c->key.addr) == 1)
		return;
	c->key.bits += 96;
	memset(c->key.addr + 10, 0xff, 2);
	assert(inet_pton(AF_INET, addr, c->key.addr + 12) == 1);
}

struct dns_host_answer *dns_host_answer_add(struct dns_host *h, uint32_t policy, const char *name,
					    uint16_t type, uint8_t flags)
{
	struct dns_host_answer *a = &h->answers[h->answers_num++];
	struct dns_answer *v = &a->value;
	uint8_t *question;

	assert(h->answers_num <= DNS_HOST_ANSWERS);
	v->name_len = (uint8_t)dns_host_name_wire(name, v->name);
	a->key.hash = dns_host_hash(h, v->name);
	a->key.policy = policy;
	a->key.type = type;
	a->key.flags = flags;
	v->check = v->check_end = h->answers_num * 0x9e3779b97f4a7c15;
	v->epoch = h->state.epoch;
	v->stored_ns = h->now_ns;
	v->expires_ns = h->now_ns + 3600 * DNS_SECOND_NS;
	dns_put16(v->msg, 0xdead); /* an ID of no meaning */
	dns_put16(v->msg + 2, DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA);
	dns_put16(v->msg + 4, 1);
	question = v->msg + DNS_HEADER_BYTES;
	memcpy(question, v->name, v->name_len);
	dns_put16(question + v->name_len, type);
	dns_put16(question + v->name_len + 2, DNS_CLASS_IN);
	v->len = (uint16_t)(DNS_HEADER_BYTES + v->name_len + 4);
	return a;
}

void dns_host_answer_record(struct dns_host_answer *a, uint16_t type, uint32_t ttl,
			    const void *rdata, uint16_t rdata_len)
{
	struct dns_answer *v = &a->value;
	uint8_t *r = v->msg + v->len;

	assert(v->len + 12U + rdata_len <= DNS_ANSWER_BYTES && v->ttls < DNS_ANSWER_TTLS);
	dns_put_record(r, type, ttl, rdata_len);
	memcpy(r + 12, rdata, rdata_len);
	v->ttl_offset[v->ttls++] = v->len + 6;
	v->len = (uint16_t)(v->len + 12 + rdata_len);
	dns_put16(v->msg + 6, parse_be16(v->msg + 6) + 1);
}

/* The value of the longest prefix that has the address. */
static uint64_t client_value(const struct dns_host *h, const struct addr *addr)
{
	unsigned int which = h->state.epoch & 1, i;
	const struct dns_host_client *c;
	uint64_t value = NOT_A_CLIENT;
	struct addr prefix;
	int longest = -1;

	for (i = 0; i < h->clients_num[which]; i++) {
		c = &h->clients[which][i];
		memcpy(prefix.b, c->key.addr, sizeof(prefix.b));
		if ((int)c->key.bits > longest && addr_within(addr, &prefix, (int)c->key.bits)) {
			longest = (int)c->key.bits;
			value = c->value;
		}
	}
	return value;
}

static bool tun_may(const struct packet *p, const struct settings *s)
{
	return !addr_ends_at_link(p, &p->daddr) && !addr_is_tun_broadcast(p, s) &&
	       packet_source_allowed(p, s) && !addr_unusable(p, &p->daddr);
}

static bool local_may(const struct dns_host *h, const struct dns_work *w)
{
	for (size_t i = 0; i < sizeof(h->local) / sizeof(h->local[0]); i++) {
		if (addr_same(&w->packet.daddr, &h->local[i].addr) &&
		    memcmp(w->in.udp + 2, &h->local[i].port, 2) == 0)
			return true;
	}
	return false;
}

static const struct dns_answer *answer_find(const struct dns_host *h, const struct dns_work *w)
{
	struct dns_answer_key key;
	unsigned int i;

	if (dns_key(w, &key))
		return NULL;
	for (i = h->answers_num; i > 0; i--) {
		if (memcmp(&h->answers[i - 1].key, &key, sizeof(key)) == 0)
			return &h->answers[i - 1].value; /* the later takes the earlier's place */
	}
	return NULL;
}

static bool answer(const struct dns_host *h, struct dns_work *w)
{
	unsigned int which = h->state.epoch & 1, i;
	const struct dns_policy *p = &h->policies[which][w->policy];
	const struct dns_answer *a;

	dns_match_root(w, p, h->names[which]);
	for (i = w->labels; i > 0; i--)
		dns_match_label(w, p, h->names[which], i - 1);
	dns_decide_query(w, p);
	if (w->action == DNS_PASS) {
		a = answer_find(h, w);
		if (!a || dns_answer_copy(w, a) || a->check != a->check_end)
			return false;
	} else if (w->action == DNS_ASK || w->action == DNS_REWRITE || dns_block_answer(w)) {
		return false;
	}
	return dns_finish(w) == 0;
}

static bool client_allowed(const struct dns_host *h, enum dns_host_point point, struct dns_work *w)
{
	uint64_t value = client_value(h, &w->packet.saddr);

	if (value == NOT_A_CLIENT || (value & DNS_CLIENT_POLICY) >= DNS_HOST_POLICIES)
		return false;
	w->policy = value & DNS_CLIENT_POLICY;
	if (point == DNS_HOST_TUN)
		return tun_may(&w->packet, &h->settings);
	return local_may(h, w) && (value & DNS_CLIENT_ALLOWED || dns_client_near(&w->packet));
}

bool dns_host_run(const struct dns_host *h, enum dns_host_point point, const uint8_t *ip,
		  size_t len, struct dns_work *w, const uint8_t **ret_ip, size_t *ret_len)
{
	uint32_t ip_bytes = len < DNS_PEEK ? 0 : dns_ip_bytes(ip);
	uint8_t *in = (uint8_t *)&w->in;

	if (!ip_bytes || !h->state.enabled || len > DNS_PACKET_MAX)
		return false;
	memcpy(in + offsetof(struct dns_buffer, udp) - ip_bytes, ip, len);
	if (dns_read_ip(w, ip_bytes, (uint32_t)len) || dns_read_message(w))
		return false;
	w->state = h->state;
	w->now_ns = h->now_ns;
	w->mtu = point == DNS_HOST_TUN ? h->settings.mtu : h->mtu;
	if (!client_allowed(h, point, w) || !answer(h, w))
		return false;
	dns_put_headers(w);
	*ret_ip = (uint8_t *)&w->out + offsetof(struct dns_buffer, udp) - ip_bytes;
	*ret_len = ip_bytes + UDP_HEADER_BYTES + w->out_len;
	return true;
}
