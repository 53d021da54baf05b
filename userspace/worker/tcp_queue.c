// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The order in which connections are begun. A dial costs as much as fifty other packets, so a
 * turn of the loop begins TCP_DIALS_PER_TURN; more SYNs wait here and sources take turns
 * (stochastic fair queueing, McKenney 1990: a keyed hash puts each source into one of 64
 * buckets). Whoever sends SYNs by the thousand waits for himself; another source's SYN is one
 * of the next dialled, and established connections are served between the turns.
 *
 * Sources that do not exist are as many as their sender likes, so each second dial is for one
 * that has finished a handshake lately: that cannot be had by lying about one's address.
 *
 * Where too many wait, the first one of the fullest bucket is dropped (RFC 8290, 4.1), and its
 * sender will send it again: a flood costs a look at each packet, not a dial, and what it left
 * behind does not keep out who comes after it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "worker/tcp_internal.h"

enum { KNOWN, OTHERS };

/* Without its payload, as a dial keeps it. */
struct queued_syn {
	struct list link;
	struct flow_key key;
	struct packet head;
	size_t len;
	uint8_t packet[TCP_SYN_BYTES];
};

static uint64_t source_hash(const struct tcp_queue *q, const struct addr *source)
{
	return siphash(&q->key, source, sizeof(*source));
}

static bool is_known(const struct tcp_queue *q, uint64_t hash)
{
	unsigned int word = (hash >> 6) % TCP_KNOWN_WORDS;

	return (q->known[0][word] | q->known[1][word]) & (1ULL << (hash % 64));
}

bool tcp_queue_is_known(const struct tcp_queue *q, const struct addr *source)
{
	return is_known(q, source_hash(q, source));
}

void tcp_queue_known(struct tcp_engine *e, const struct tcp_flow *f)
{
	struct tcp_queue *q = &e->queue;
	uint64_t hash = source_hash(q, &f->key.saddr);

	if (f->created_ns > q->known_since_ns + TCP_KNOWN_MS * NSEC_PER_MSEC) {
		memcpy(q->known[1], q->known[0], sizeof(q->known[1]));
		memset(q->known[0], 0, sizeof(q->known[0]));
		q->known_since_ns = f->created_ns;
	}
	q->known[0][(hash >> 6) % TCP_KNOWN_WORDS] |= 1ULL << (hash % 64);
}

static uint32_t queue_count(const struct tcp_queue *q)
{
	return q->class[KNOWN].count + q->class[OTHERS].count;
}

static void class_remove(struct syn_class *c, unsigned int bucket, struct queued_syn *s)
{
	list_remove(&s->link);
	c->length[bucket]--;
	c->count--;
	if (!c->length[bucket])
		c->filled &= ~(1ULL << bucket);
}

static unsigned int fullest(const struct syn_class *c)
{
	unsigned int most = 0;

	for (unsigned int i = 1; i < TCP_QUEUE_BUCKETS; i++)
		if (c->length[i] > c->length[most])
			most = i;
	return most;
}

static void queue_drop(struct tcp_engine *e)
{
	struct tcp_queue *q = &e->queue;
	struct syn_class *c =
		&q->class[q->class[KNOWN].count > q->class[OTHERS].count ? KNOWN : OTHERS];
	unsigned int bucket = fullest(c);
	struct queued_syn *s = list_first(&c->bucket[bucket], struct queued_syn, link);

	tcp_dial_drop(e, &s->key);
	class_remove(c, bucket, s);
	free(s);
}

static struct queued_syn *syn_copy(const struct worker_packet *p)
{
	struct queued_syn *s;

	if (p->head.payload_offset > sizeof(s->packet))
		return NULL;
	s = malloc(sizeof(*s));
	if (!s)
		return NULL;
	s->key = p->key;
	s->head = p->head;
	s->head.total_len = p->head.payload_offset;
	s->len = p->head.payload_offset;
	memcpy(s->packet, p->raw.data, s->len);
	return s;
}

static bool queue_put(struct tcp_engine *e, const struct worker_packet *p)
{
	struct tcp_queue *q = &e->queue;
	uint64_t hash = source_hash(q, &p->key.saddr);
	struct syn_class *c = &q->class[is_known(q, hash) ? KNOWN : OTHERS];
	unsigned int bucket = hash % TCP_QUEUE_BUCKETS;
	struct queued_syn *s = syn_copy(p);

	if (!s)
		return false;
	list_append(&c->bucket[bucket], &s->link);
	c->length[bucket]++;
	c->filled |= 1ULL << bucket;
	c->count++;
	if (queue_count(q) > TCP_SYNS_WAITING_MAX)
		queue_drop(e);
	return true;
}

/* The bucket behind the one that was served last, of those that are not empty. */
static unsigned int next_bucket(const struct syn_class *c)
{
	unsigned int shift = (c->last + 1) % TCP_QUEUE_BUCKETS;
	uint64_t turned = shift ? c->filled >> shift | c->filled << (64 - shift) : c->filled;

	return (shift + (unsigned int)__builtin_ctzll(turned)) % TCP_QUEUE_BUCKETS;
}

/* The longest waiting one of the source whose turn it is, out of the queue. */
static struct queued_syn *queue_take(struct tcp_queue *q)
{
	struct syn_class *c = &q->class[q->turn++ % 2];
	struct queued_syn *s;

	if (!c->count)
		c = &q->class[q->turn % 2];
	c->last = next_bucket(c);
	s = list_first(&c->bucket[c->last], struct queued_syn, link);
	class_remove(c, c->last, s);
	return s;
}

static void queue_serve(struct tcp_engine *e)
{
	struct queued_syn *s = queue_take(&e->queue);
	struct worker_packet p = {
		.head = s->head,
		.key = s->key,
		.raw = { .data = s->packet, .len = s->len },
	};

	/* sent again while it waited, and dialled already: the flow's own affair */
	if (tcp_table_find(&e->table, &p.key, tcp_table_hash(&e->table, &p.key)))
		tcp_engine_input(e, &p);
	else
		tcp_dial(e, &p);
	free(s);
}

static void queue_expire(struct timer *t)
{
	struct tcp_engine *e = container_of(t, struct tcp_engine, queue.timer);
	struct tcp_queue *q = &e->queue;

	for (; queue_count(q) && q->dials < TCP_DIALS_PER_TURN; q->dials++)
		queue_serve(e);
	if (queue_count(q))
		loop_arm(e->worker->loop, t, 0);
}

void tcp_queue_syn(struct tcp_engine *e, struct worker_packet *p)
{
	struct tcp_queue *q = &e->queue;

	if ((!queue_count(q) && q->dials < TCP_DIALS_PER_TURN) || !queue_put(e, p)) {
		q->dials++;
		tcp_dial(e, p);
		return;
	}
	if (!timer_is_armed(&q->timer))
		loop_arm(e->worker->loop, &q->timer, 0);
}

void tcp_queue_turn(struct tcp_engine *e)
{
	e->queue.dials = 0;
}

void tcp_queue_init(struct tcp_engine *e)
{
	struct tcp_queue *q = &e->queue;

	for (int class = KNOWN; class <= OTHERS; class ++)
		for (unsigned int i = 0; i < TCP_QUEUE_BUCKETS; i++)
			list_init(&q->class[class].bucket[i]);
	random_bytes(&q->key, sizeof(q->key));
	timer_init(&q->timer, queue_expire);
}

void tcp_queue_done(struct tcp_engine *e)
{
	struct tcp_queue *q = &e->queue;

	while (queue_count(q))
		free(queue_take(q));
	loop_disarm(&q->timer);
}
