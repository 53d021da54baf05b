// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which segments of a connection reach lwIP: the checks of RFC 9293, 3.10.7.4, as RFC 5961
 * hardens them against a sender that sees nothing of the connection and guesses.
 *
 * lwIP 2.1.3 makes sure of the sequence number of a RST alone. From any other segment it takes
 * the acknowledgment and the window before it looks where the segment lies, it takes data of
 * segments without an acknowledgment or with one of what was never sent, and it answers all
 * that is wrong as often as it comes.
 *
 * Sequence numbers are compared by the sign of their difference; the window's right edge is
 * within it, since a sender that has filled the window acknowledges from there.
 */
#include <arpa/inet.h>
#include <string.h>

#include <linux/tcp.h>

#include "base/clock.h"
#include "stack/internal.h"

/* RFC 5961, 7: so many of a connection's ACKs answer what is wrong. */
#define CHALLENGE_ACKS 10
#define CHALLENGE_PERIOD_MS 5000
#define CHALLENGE_PERIODS 16 /* told apart: the field has four bits */

#define CHECK_ANSWERED (-1) /* all that was to be done is done, and nothing was wrong */

struct arrival {
	uint32_t seq;
	uint32_t ack;
	uint32_t len; /* of sequence numbers: SYN and FIN count */
	uint16_t window; /* as in the header */
	uint8_t flags;
};

static struct arrival arrival_of(const struct packet *head, const uint8_t *packet)
{
	uint32_t payload = head->total_len - head->payload_offset;
	struct tcphdr tcp;

	memcpy(&tcp, packet + head->l4_offset, sizeof(tcp));
	return (struct arrival){
		.seq = ntohl(tcp.seq),
		.ack = ntohl(tcp.ack_seq),
		.len = payload + tcp.syn + tcp.fin,
		.window = ntohs(tcp.window),
		.flags = head->tcp_flags,
	};
}

bool conn_may_challenge(struct conn *c)
{
	uint8_t period = clock_ms() / CHALLENGE_PERIOD_MS % CHALLENGE_PERIODS;

	if (c->challenge_period != period) {
		c->challenge_period = period;
		c->challenges = 0;
	}
	if (c->challenges == CHALLENGE_ACKS)
		return false;
	c->challenges++;
	return true;
}

static void check_answer(struct conn *c)
{
	conn_enter(c);
	tcp_send_empty_ack(c->pcb);
	conn_leave(c);
}

static void check_challenge(struct conn *c)
{
	if (conn_may_challenge(c))
		check_answer(c);
}

/* No TCP sends these; SYN with FIN or RST is for those who probe firewalls. */
static bool check_absurd(const struct arrival *a)
{
	if (a->flags & TCP_SYN)
		return a->flags & (TCP_FIN | TCP_RST);
	return !(a->flags & (TCP_ACK | TCP_RST));
}

/* RFC 5961, 3.2: in the window is not enough, but a sender that means it is told the number. */
static int check_reset(struct conn *c, const struct arrival *a)
{
	uint32_t offset = a->seq - c->pcb->rcv_nxt;

	if (offset == 0)
		return 0;
	if (offset < c->pcb->rcv_wnd)
		check_challenge(c);
	return DROP_TCP_RESET;
}

/*
 * RFC 5961, 4.2: wherever it lies. An application that lost its state answers the ACK by a RST
 * and its next SYN begins anew. Only the SYN that we answered may come again, to be answered
 * again.
 */
static int check_syn(struct conn *c, const struct arrival *a)
{
	if (c->state == CONN_OPENING && !(a->flags & TCP_ACK) && a->seq + 1 == c->pcb->rcv_nxt)
		return 0;
	check_challenge(c);
	return DROP_TCP_SYN;
}

/* Does any of it lie in the window? */
static bool check_inside(const struct tcp_pcb *pcb, const struct arrival *a)
{
	int32_t left = (int32_t)(a->seq + a->len - pcb->rcv_nxt);
	int32_t right = (int32_t)(a->seq - (pcb->rcv_nxt + pcb->rcv_wnd));

	return (a->len ? left > 0 : left >= 0) && right <= 0;
}

/*
 * RFC 9293, 3.10.7.4: it is answered by an ACK and otherwise ignored. What was received before
 * is answered each time, since an ACK of ours was lost; so is a probe of the window or of our
 * being there (3.8.4, 3.8.6.1), as often as a sane application sends those.
 */
static int check_outside(struct conn *c, const struct arrival *a)
{
	uint32_t behind = c->pcb->rcv_nxt - a->seq;

	if (a->len > 0 && behind <= TCP_WND)
		check_answer(c);
	else
		check_challenge(c);
	return behind == 1 && a->len <= 1 ? CHECK_ANSWERED : DROP_TCP_WINDOW;
}

/*
 * RFC 5961, 5.2: nothing of a segment counts whose acknowledgment is of what was not sent, or
 * older than the largest window that the application ever granted.
 */
static int check_ack(struct conn *c, const struct arrival *a)
{
	const struct tcp_pcb *pcb = c->pcb;
	uint32_t oldest = pcb->lastack - pcb->snd_wnd_max;

	if (a->ack - oldest <= pcb->snd_nxt - oldest)
		return 0;
	check_challenge(c);
	return DROP_TCP_ACK;
}

/* RFC 9293, 3.10.7.4: the handshake's ACK acknowledges the SYN, or it is not of this handshake. */
static int check_handshake(struct conn *c, const struct arrival *a, const struct packet *head,
			   const uint8_t *packet)
{
	if (a->ack == c->pcb->snd_nxt)
		return 0;
	stack_refuse(c->stack, head, packet);
	return DROP_TCP_ACK;
}

/*
 * RFC 9293, 3.10.7.4: the window may change without anything else. lwIP takes such a change
 * only if it is larger; so does Linux, for two such ACKs may have changed places, but that the
 * window is shut must be believed.
 */
static void check_shut(struct tcp_pcb *pcb, const struct arrival *a)
{
	if (a->window == 0 && a->seq == pcb->snd_wl1 && a->ack == pcb->snd_wl2)
		pcb->snd_wnd = 0;
}

int conn_check(struct conn *c, const struct packet *head, const uint8_t *packet)
{
	struct arrival a = arrival_of(head, packet);
	int r;

	if (check_absurd(&a))
		return DROP_TCP_FLAGS;
	if (a.flags & TCP_RST)
		return check_reset(c, &a);
	if (a.flags & TCP_SYN)
		return check_syn(c, &a);
	if (!check_inside(c->pcb, &a))
		return check_outside(c, &a);
	if (c->pcb->state == SYN_RCVD)
		return check_handshake(c, &a, head, packet);
	r = check_ack(c, &a);
	if (r == 0)
		check_shut(c->pcb, &a);
	return r;
}
