// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Loss recovery towards the application, instead of lwIP's: that one repeats a segment of
 * 64 KiB after three duplicate ACKs and everything after 500 ms or more, and a second loss
 * in a window waits for the latter.
 *
 * Detection: the application's SACK blocks (RFC 2018) mark a scoreboard, which exists only
 * while something is known to be missing; what was overtaken by three segments is lost (RFC
 * 6675), so is what was sent again before something that has arrived (RFC 8985). Without
 * news for two round trips the last segment is sent again (a tail loss probe): its SACK
 * tells what is missing before it. Without an answer to that, everything is (RFC 6298).
 *
 * Sending: as much as `cwnd` leaves beside what is in flight, lost bytes before new ones.
 * `cwnd` is 0.7 of the flight (RFC 9438) but not below CWND_MIN: the network in between is a
 * TUN, a bridge or a WLAN, and has room for that. lwIP counts from the oldest byte that is
 * not acknowledged, so its own `cwnd` is set to what lets it send the rest.
 *
 * Timers: flights wait in lists by delay, doubling from list to list and sorted by time in
 * itself, so that starting one costs the same with one flight as with 100,000; progress only
 * notes the time. A flight that has landed is freed when its turn comes: an idle connection
 * has none. An overdue flight is looked at a second time before anything is sent, as its ACK
 * may wait in the queue behind work that took us longer than the network.
 *
 * Karn's rule: nothing that was sent twice gives a round trip time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stack/flight.h"
#include "stack/internal.h"
#include "stack/scoreboard.h"

#define DELAY_MS 8 /* of the first list */
#define RTO_INITIAL_MS 1000 /* RFC 6298 */
#define RTO_MIN_MS 200 /* as Linux */
#define RTO_MAX_MS 120000U
#define ACK_DELAY_MS 64 /* one small segment may be acknowledged so late */
#define CWND_MIN (192 * 1024)
#define OVERDUE_MAX 2 /* retransmissions without news, then everything counts as lost */
#define TIMEOUTS_MAX 16
#define OPTION_END 0
#define OPTION_NOP 1
#define OPTION_SACK 5

struct flight {
	struct conn *conn;
	struct list link; /* in stack->flights[] */
	struct scoreboard *board; /* NULL = nothing is known to be missing */
	uint32_t due_ms; /* when its list lets it go */
	uint32_t from_ms; /* last progress */
	uint32_t sent; /* snd_nxt as last seen */
	uint32_t timed_seq, timed_ms; /* the byte whose round trip is measured, while `timing` */
	uint32_t srtt, rttvar; /* ms * 8, ms * 4; 0 = not known */
	uint32_t point; /* recovery ends when this is acknowledged */
	uint32_t cwnd, ssthresh;
	uint8_t overdue, timeouts; /* how often since the last progress */
	bool timing : 1;
	bool landed : 1; /* all was acknowledged when last seen */
	bool late : 1; /* was overdue at the last look */
	bool probed : 1; /* since the last progress */
	bool heard : 1; /* the application said something since the last timeout */
	bool recovering : 1;
	bool lossy : 1;
};

/* Read once per turn of the loop, and modulo 2^32. */
static uint32_t now_ms(const struct conn *c)
{
	struct stack *s = c->stack;

	if (!s->now_known)
		s->now_ms = (uint32_t)clock_ms();
	s->now_known = true;
	return s->now_ms;
}

/* --- the timer ---------------------------------------------------------------------------- */

static uint32_t flight_bytes(const struct flight *f)
{
	const struct tcp_pcb *pcb = f->conn->pcb;

	return pcb->snd_nxt - pcb->lastack;
}

/* How long to wait for news. */
static uint32_t flight_timeout(const struct flight *f)
{
	uint32_t rtt = f->srtt / 8, ms = f->srtt ? rtt + f->rttvar : RTO_INITIAL_MS;

	if (f->conn->pcb->state < ESTABLISHED && !f->probed)
		return RTO_MIN_MS;
	if (f->srtt == 0 || f->timeouts > 0 || (f->probed && !f->board)) {
		ms = ms > RTO_MIN_MS ? ms : RTO_MIN_MS;
		return ms > RTO_MAX_MS >> f->timeouts ? RTO_MAX_MS : ms << f->timeouts;
	}
	ms = 2 * rtt > DELAY_MS ? 2 * rtt : DELAY_MS;
	if (f->board) /* whoever misses something acknowledges at once */
		return ms << f->overdue;
	return flight_bytes(f) < 2 * (uint32_t)f->conn->gso_size ? ms + ACK_DELAY_MS : ms;
}

/* Into the list whose delay is the longest that does not exceed `ms`. */
static void flight_wait(struct flight *f, uint32_t ms)
{
	struct stack *s = f->conn->stack;
	uint32_t now = now_ms(f->conn), delay = DELAY_MS;
	int i = 0;

	while (i + 1 < FLIGHT_DELAYS && delay * 2 <= ms) {
		delay *= 2;
		i++;
	}
	f->due_ms = now + delay;
	list_touch(&s->flights[i], &f->link);
	if (timer_is_armed(&s->flight_timer) && (int32_t)(s->flight_due_ms - f->due_ms) <= 0)
		return;
	s->flight_due_ms = f->due_ms;
	loop_arm(s->opt.loop, &s->flight_timer, delay);
}

static void flight_restart(struct flight *f)
{
	f->late = false;
	f->from_ms = now_ms(f->conn);
	flight_wait(f, flight_timeout(f));
}

static struct flight *flight_new(struct conn *c)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->conn = c;
	list_init(&f->link);
	f->sent = c->pcb->lastack;
	f->landed = true;
	f->srtt = c->rtt_ms * 8U;
	f->rttvar = c->rtt_ms * 2U;
	c->flight = f;
	flight_wait(f, DELAY_MS);
	return f;
}

static void board_drop(struct flight *f)
{
	if (!f->board)
		return;
	f->conn->stack->buffer_bytes -= sizeof(*f->board);
	free(f->board);
	f->board = NULL;
	f->recovering = false;
}

static bool board_begin(struct flight *f)
{
	if (f->board)
		return true;
	f->board = malloc(sizeof(*f->board));
	if (!f->board)
		return false;
	f->conn->stack->buffer_bytes += sizeof(*f->board);
	scoreboard_init(f->board, f->conn->pcb->lastack);
	f->cwnd = f->conn->pcb->cwnd;
	f->ssthresh = f->conn->pcb->ssthresh;
	f->timing = false;
	flight_wait(f, flight_timeout(f)); /* shorter now */
	return true;
}

void flight_end(struct conn *c)
{
	struct flight *f = c->flight;

	if (!f)
		return;
	board_drop(f);
	list_remove(&f->link);
	c->rtt_ms = f->srtt / 8 < UINT8_MAX ? (uint8_t)(f->srtt / 8) : UINT8_MAX;
	c->flight = NULL;
	free(f);
}

bool flight_is_lossy(const struct conn *c)
{
	return c->flight && c->flight->lossy;
}

/* --- sending again ------------------------------------------------------------------------ */

static void recovery_enter(struct flight *f, uint32_t reduced)
{
	struct tcp_pcb *pcb = f->conn->pcb;

	f->recovering = true;
	f->lossy = true;
	f->point = pcb->snd_nxt;
	f->ssthresh = reduced > CWND_MIN ? reduced : CWND_MIN;
	f->cwnd = f->ssthresh;
}

/* How many of `len` lost bytes may be sent now. Without anything in flight at least one packet. */
static uint32_t recovery_quota(const struct flight *f, uint32_t pipe, uint32_t len)
{
	uint32_t packet = f->conn->gso_size;
	uint32_t room = f->cwnd > pipe ? f->cwnd - pipe : 0;

	if (pipe == 0 && room < packet)
		room = packet;
	return len <= room ? len : room / packet * packet;
}

/* The receiver takes nothing beyond its window; the first packet asks what that is now. */
static uint32_t recovery_in_window(const struct flight *f, uint32_t start, uint32_t end)
{
	const struct tcp_pcb *pcb = f->conn->pcb;
	uint32_t edge = pcb->lastack + pcb->snd_wnd;

	if (start == pcb->lastack && pcb->snd_wnd < f->conn->gso_size)
		edge = start + f->conn->gso_size;
	return TCP_SEQ_LT(edge, end) ? edge : end;
}

static void recovery_resend(struct flight *f)
{
	struct conn *c = f->conn;
	struct scoreboard *b = f->board;
	uint32_t start, end;

	while (scoreboard_has_room(b) && scoreboard_next_lost(b, &start, &end)) {
		uint32_t pipe = scoreboard_pipe(b, c->pcb->snd_nxt);
		uint32_t edge = recovery_in_window(f, start, end);
		uint32_t len;

		if (TCP_SEQ_LEQ(edge, start))
			break;
		len = recovery_quota(f, pipe, edge - start);
		if (len > 0)
			len = rexmit_send(c, start, start + len);
		if (len == 0)
			break;
		scoreboard_resend(b, start, start + len, c->pcb->snd_nxt);
	}
}

/* Lets lwIP send as much new data as beside what is in flight. */
static void recovery_open_window(struct flight *f)
{
	struct tcp_pcb *pcb = f->conn->pcb;
	uint32_t pipe = scoreboard_pipe(f->board, pcb->snd_nxt);

	pcb->cwnd = flight_bytes(f) + (f->cwnd > pipe ? f->cwnd - pipe : 0);
	pcb->ssthresh = f->ssthresh;
	pcb->bytes_acked = 0;
}

/* Bytes that must have arrived above others for these to be lost (RFC 5827: few are enough
 * where no more are to come). */
static uint32_t recovery_threshold(const struct flight *f)
{
	uint32_t packet = f->conn->gso_size, bytes = flight_bytes(f);

	if (f->conn->pcb->unsent || bytes > (SCOREBOARD_REORDER + 1) * packet)
		return SCOREBOARD_REORDER * packet;
	return bytes > packet ? bytes - packet : 1;
}

static void recovery_leave(struct flight *f)
{
	struct tcp_pcb *pcb = f->conn->pcb;

	if (f->recovering)
		f->cwnd = f->ssthresh;
	pcb->cwnd = f->cwnd;
	pcb->ssthresh = f->ssthresh;
	pcb->bytes_acked = 0;
	board_drop(f);
}

/* What the scoreboard asks for, after news of any kind. */
static void recovery_run(struct flight *f)
{
	struct tcp_pcb *pcb = f->conn->pcb;
	struct scoreboard *b = f->board;
	uint32_t start, end;

	if (f->recovering && TCP_SEQ_GEQ(pcb->lastack, f->point)) {
		f->recovering = false;
		f->cwnd = f->ssthresh;
	}
	if (!f->recovering && b->sacked == 0) {
		recovery_leave(f);
	} else {
		if (!f->recovering && scoreboard_next_lost(b, &start, &end))
			recovery_enter(f, flight_bytes(f) / 10 * 7);
		if (f->recovering)
			recovery_resend(f);
		recovery_open_window(f);
	}
	tcp_output(pcb);
}

/* --- input -------------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return lwip_ntohl(v);
}

static void read_blocks(const uint8_t *option, uint32_t len, struct flight_input *ret_in)
{
	for (; len >= 8 && ret_in->blocks < FLIGHT_SACKS_MAX; option += 8, len -= 8) {
		ret_in->block[ret_in->blocks].start = get32(option);
		ret_in->block[ret_in->blocks].end = get32(option + 4);
		ret_in->blocks++;
	}
}

static void read_options(const uint8_t *tcp, uint32_t header, struct flight_input *ret_in)
{
	uint32_t at = TCP_HLEN;

	while (at + 1 < header && tcp[at] != OPTION_END) {
		uint32_t len = tcp[at] == OPTION_NOP ? 1 : tcp[at + 1];

		if (len == 0 || at + len > header)
			return;
		if (tcp[at] == OPTION_SACK && len > 2)
			read_blocks(tcp + at + 2, len - 2, ret_in);
		at += len;
	}
}

void flight_read_input(const struct conn *c, const struct packet *head, const uint8_t *tcp,
		       struct flight_input *ret_in)
{
	ret_in->una = c->pcb->lastack;
	ret_in->retried = c->pcb->nrtx > 0;
	ret_in->blocks = 0;
	if (c->flight && head->payload_offset - head->l4_offset > TCP_HLEN)
		read_options(tcp, head->payload_offset - head->l4_offset, ret_in);
}

/* Lost bytes go first: lwIP sends none before recovery_run(). */
void flight_before_input(struct conn *c)
{
	if (!c->flight || !c->flight->board)
		return;
	c->pcb->cwnd = 1;
	c->pcb->ssthresh = 1;
}

static void flight_measure(struct flight *f, uint32_t now)
{
	uint32_t ms = now - f->timed_ms > 0 ? now - f->timed_ms : 1;
	int32_t delta = (int32_t)(ms - f->srtt / 8);

	f->timing = false;
	if (f->srtt == 0) {
		f->srtt = ms * 8;
		f->rttvar = ms * 2;
		return;
	}
	f->srtt += (uint32_t)delta;
	f->rttvar += (uint32_t)abs(delta) - f->rttvar / 4;
	if (f->srtt < 8)
		f->srtt = 8;
}

/* Bytes of the flight arrived in order. */
static void flight_progress(struct flight *f, const struct flight_input *in)
{
	const struct tcp_pcb *pcb = f->conn->pcb;

	f->from_ms = now_ms(f->conn);
	if (in->retried)
		f->timing = false;
	if (f->timing && TCP_SEQ_GEQ(pcb->lastack, f->timed_seq))
		flight_measure(f, f->from_ms);
	f->late = false;
	f->probed = false;
	if (f->overdue > 0 || f->timeouts > 0) {
		f->overdue = 0;
		f->timeouts = 0;
		flight_wait(f, flight_timeout(f));
	}
}

/* Marks what arrived; returns whether any of it was news. Old and impossible blocks mean
 * nothing (a block below the acknowledgement says that something came twice, RFC 2883). */
static bool flight_mark(struct flight *f, const struct flight_input *in)
{
	uint32_t una = f->conn->pcb->lastack;
	bool news = false;

	for (unsigned int i = 0; i < in->blocks; i++) {
		/* from `una` on: of numbers 2^31 apart none is the larger one */
		uint32_t start = in->block[i].start - una, end = in->block[i].end - una;

		if (start == 0 || start >= end || end > flight_bytes(f) || !board_begin(f))
			continue;
		news |= scoreboard_sack(f->board, una + start, una + end);
	}
	return news;
}

/* After a timeout the window grows by what arrives (RFC 5681, slow start). */
static void flight_slow_start(struct flight *f, uint32_t arrived)
{
	if (!f->recovering || f->cwnd >= f->ssthresh)
		return;
	f->cwnd = arrived < f->ssthresh - f->cwnd ? f->cwnd + arrived : f->ssthresh;
}

void flight_after_input(struct conn *c, const struct flight_input *in)
{
	struct flight *f = c->flight;
	uint32_t acked = c->pcb->lastack - in->una, sacked;
	bool probed, news;

	if (!f)
		return;
	f->heard = true;
	probed = f->probed;
	sacked = f->board ? f->board->sacked : 0;
	if (acked > 0)
		flight_progress(f, in);
	if (f->board)
		scoreboard_ack(f->board, c->pcb->lastack);
	news = flight_mark(f, in);
	if (!f->board)
		return;
	if (news || acked > 0)
		flight_slow_start(f, acked + f->board->sacked - sacked);
	scoreboard_detect(f->board, probed ? 1 : recovery_threshold(f));
	recovery_run(f);
}

void flight_schedule(struct conn *c)
{
	struct tcp_pcb *pcb = c->pcb;
	struct flight *f = c->flight;

	if (!pcb->unacked) {
		if (f)
			f->landed = true;
		return;
	}
	if (!(pcb->flags & TF_SACK))
		return;
	if (!f)
		f = flight_new(c);
	if (!f)
		return; /* lwIP's own timer runs, as it does for the SYN-ACK */
	if (pcb->state >= ESTABLISHED)
		pcb->rtime = -1; /* neither lwIP's timer nor its duplicate ACKs */
	if (f->landed)
		f->from_ms = now_ms(c);
	f->landed = false;
	if (f->sent == pcb->snd_nxt)
		return;
	f->sent = pcb->snd_nxt;
	if (!f->timing && !f->board) {
		f->timing = true;
		f->timed_seq = pcb->snd_nxt;
		f->timed_ms = now_ms(c);
	}
}

/* --- timeouts ----------------------------------------------------------------------------- */

/* The last packet once more: what is said about it tells what became of the others. */
static void flight_probe(struct flight *f)
{
	uint32_t end = f->conn->pcb->snd_nxt, len = flight_bytes(f);
	uint32_t start = end - (len < f->conn->gso_size ? len : f->conn->gso_size), n;

	f->probed = true;
	f->timing = false;
	do {
		n = rexmit_send(f->conn, start, end);
		start += n;
	} while (n > 0 && start != end);
}

/* Nothing answers: all that did not arrive is lost, and the network may be full. */
static void flight_time_out(struct flight *f)
{
	struct tcp_pcb *pcb = f->conn->pcb;

	if (!board_begin(f))
		return;
	if (!f->heard && pcb->nrtx < UINT8_MAX)
		pcb->nrtx++; /* lwIP gives up at TCP_MAXRTX */
	f->heard = false;
	recovery_enter(f, f->timeouts == 0 ? flight_bytes(f) / 2 : f->ssthresh);
	if (f->timeouts < TIMEOUTS_MAX)
		f->timeouts++;
	f->cwnd = f->conn->gso_size;
	scoreboard_lose_all(f->board, pcb->snd_nxt);
	recovery_run(f);
}

/* The SYN-ACK once more, sooner than lwIP would; from then on its timer looks after it. */
static void flight_repeat_handshake(struct flight *f)
{
	if (f->probed)
		return;
	f->probed = true;
	tcp_rexmit_rto(f->conn->pcb);
}

static void flight_act(struct flight *f)
{
	if (f->conn->pcb->state < ESTABLISHED) {
		flight_repeat_handshake(f);
	} else if (!f->board && !f->probed) {
		flight_probe(f);
	} else if (f->board && f->timeouts == 0 && f->overdue < OVERDUE_MAX) {
		f->overdue++;
		scoreboard_lose(f->board);
		recovery_run(f);
	} else {
		flight_time_out(f);
	}
}

static void flight_look(struct flight *f)
{
	struct conn *c = f->conn;
	uint32_t waited = now_ms(c) - f->from_ms, timeout = flight_timeout(f);

	if (!c->pcb->unacked) {
		flight_end(c);
		conn_open_window(c->pcb);
		return;
	}
	if (waited < timeout) {
		f->late = false;
		flight_wait(f, timeout - waited);
		return;
	}
	if (!f->late) {
		f->late = true;
		flight_wait(f, DELAY_MS);
		return;
	}
	conn_enter(c);
	flight_act(f);
	flight_restart(f);
	conn_leave(c);
}

/* Lets go what is due; the earliest of what stays decides when to look again. */
static void flights_expire(struct timer *t)
{
	struct stack *s = container_of(t, struct stack, flight_timer);
	uint32_t now = s->now_ms = (uint32_t)clock_ms();
	struct list due = LIST_INIT(due);
	int32_t next = INT32_MAX;

	for (int i = 0; i < FLIGHT_DELAYS; i++) {
		while (!list_is_empty(&s->flights[i])) {
			struct flight *f = list_first(&s->flights[i], struct flight, link);
			int32_t left = (int32_t)(f->due_ms - now);

			if (left > 0) {
				next = left < next ? left : next;
				break;
			}
			list_touch(&due, &f->link);
		}
	}
	if (next < INT32_MAX) {
		s->flight_due_ms = now + (uint32_t)next;
		loop_arm(s->opt.loop, &s->flight_timer, (uint64_t)next);
	}
	while (!list_is_empty(&due))
		flight_look(list_first(&due, struct flight, link));
}

void flights_init(struct stack *s)
{
	for (int i = 0; i < FLIGHT_DELAYS; i++)
		list_init(&s->flights[i]);
	timer_init(&s->flight_timer, flights_expire);
}
