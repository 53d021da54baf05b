/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What main and its roles say to each other over the SOCK_SEQPACKET pair that a role finds
 * as descriptor ROLE_FD. Native structs: both ends are the same executable. Main never
 * trusts a role: lengths and values of what comes up are checked, text is passed on as text.
 *
 * Order: main sends CONFIG, then one FD per descriptor, then START; the role answers READY.
 * Later main may send STOP (end in order) and QUERY; the role answers a QUERY by any number
 * of TEXT messages with its tag and one TEXT with length 0, now or later (FORGET: nobody waits
 * for it any more), and a PING by a PONG: a role that does not answer for ROLE_HANG_MS hangs,
 * and is killed. EOF means that the other is gone.
 */
#ifndef BASE_ROLE_H
#define BASE_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/budget.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/siphash.h"

#define ROLE_FD 3 /* in a re-exec'd role */
#define ROLE_MESSAGE_MAX 8192

enum role_kind { ROLE_RESOLVER, ROLE_WORKER };

enum role_message_type {
	ROLE_CONFIG, /* main -> role: struct role_config */
	ROLE_DESCRIPTOR, /* main -> role: struct role_descriptor + the descriptor */
	ROLE_START, /* main -> role */
	ROLE_STOP, /* main -> role */
	ROLE_QUERY, /* main -> role: struct role_text, what is asked in text[] */
	ROLE_READY, /* role -> main */
	ROLE_TEXT, /* role -> main: struct role_text, JSON lines cut anywhere */
	ROLE_PING, /* main -> role, one at a time */
	ROLE_PONG, /* role -> main */
	ROLE_FORGET, /* main -> role: struct role_text without text, a QUERY's tag */
	ROLE_UPLINKS, /* main -> role: struct role_uplinks, they are others now; with PROTECT_DEVICE */
	ROLE_WANT_NAMES, /* resolver -> main: struct role_want_names; ROLE_FD_NAMES follows */
	ROLE_MESSAGE_NUM
};

/* Descriptors a role is given; `index` is the role slot where there are several. */
enum role_descriptor_kind {
	ROLE_FD_QUEUE, /* its TUN queue (resolver without a queue of its own: worker 1's) */
	ROLE_FD_RELAY, /* worker <-> resolver, SOCK_SEQPACKET, see struct relay_message */
	ROLE_FD_FLOWS, /* BPF maps and programs; absent without BPF */
	ROLE_FD_FLOW_INFO,
	ROLE_FD_DOMAINS,
	ROLE_FD_DNS_STATE,
	ROLE_FD_DNS_POLICIES,
	ROLE_FD_DNS_CLIENTS0, /* the tries in `dns_clients`, by the lowest bit of the epoch */
	ROLE_FD_DNS_CLIENTS1,
	ROLE_FD_DNS_NAMES, /* resolver only, from here on */
	ROLE_FD_DNS_ANSWERS,
	ROLE_FD_DNS_LOG,
	ROLE_FD_DOMAIN_FACTS,
	ROLE_FD_COUNTERS, /* role_counters: a BPF map, or a memfd of ROLES_MAX entries */
	ROLE_FD_FLOW_END, /* program */
	ROLE_FD_ICMP4, /* raw socket, filter for icmp_id_base/icmp_id_bits locked on */
	ROLE_FD_ICMP6,
	ROLE_FD_INBOX, /* of several workers each: receiving end of a SOCK_SEQPACKET pair by which */
	ROLE_FD_PEER, /* the others hand it packets; theirs is the sending end, index = its slot */
	ROLE_FD_NAMES, /* a new table for `dns_names`, index = its buckets; 0 = none is to be had,
			* and the descriptor is of no use */
	ROLE_FD_CONF, /* resolver: the configuration's text; also, with what follows, of a reload */
	ROLE_FD_LIST, /* a file of names, index = its place in the configuration */
	ROLE_FD_LISTENER, /* a socket that is bound, index = 2 * its place + (TCP) */
	ROLE_FD_NUM
};

/* How own sockets are marked. */
enum protect_mode {
	PROTECT_CGROUP, /* by the cgroup hook; the role checks that the mark is there */
	PROTECT_SO_MARK, /* by the role itself, which keeps CAP_NET_ADMIN */
	PROTECT_DEVICE, /* not marked but bound to the uplink: nobody has any privilege */
	PROTECT_NUM
};

struct role_message {
	uint32_t type; /* enum role_message_type; the body follows */
};

struct role_descriptor {
	uint32_t kind;
	uint32_t index;
};

/* `buckets` without the DNS_BUCKETS_LOOKED - 1 behind the last, which main adds. */
struct role_want_names {
	uint32_t buckets; /* 1..DNS_NAMES_BUCKETS_MAX */
	uint32_t pad;
};

struct role_text {
	uint64_t tag; /* chosen by main, returned in the answer */
	uint32_t length; /* of text */
	uint32_t pad;
	char text[]; /* at sizeof(struct role_text) */
};

struct role_uplinks {
	uint32_t ifindex4; /* 0 = there is none */
	uint32_t ifindex6;
};

#define ROLE_VIPS_MAX 16

/* What is asked for at `at` goes to `to`; port 0: any, and the same one. */
struct role_vip {
	struct endpoint at;
	struct endpoint to;
};

struct role_config {
	uint32_t kind; /* enum role_kind */
	uint32_t slot; /* 0 = resolver, 1.. = workers */
	uint32_t log_level;
	uint32_t protect; /* enum protect_mode */
	struct settings settings; /* addresses, mtu, mark, workers: as the kernel half has them */
	uint32_t vnet_hdr_bytes; /* 0 = the queue has no virtio_net_hdr, else 10 or 12 */
	uint32_t tun_tso; /* 1 = TCP GSO both ways (TUN_F_TSO4|TSO6) */
	uint32_t tun_uso; /* 1 = UDP GSO both ways (TUN_F_USO4|USO6, Linux 6.2) */
	uint32_t single_queue; /* 1 = every packet reaches worker 1, which relays DNS */
	uint32_t restarted; /* 1 = takes over after a role that died */
	struct addr host_loopback; /* this destination goes to the host's 127.0.0.1 / ::1 */
	struct role_vip vip[ROLE_VIPS_MAX]; /* zero address: the end of the list */
	struct siphash_key isn_key; /* RFC 6528; the same after a restart */
	uint16_t icmp_id_base; /* host order: identifiers base..base+2^bits-1 are ours */
	uint16_t icmp_id_bits;
	uint32_t upstreams; /* resolver: 0 = the host's own resolvers */
	struct endpoint upstream[DNS_UPSTREAMS_MAX];
	/* Timeouts and caps, so that tests can shorten them; limits.h has the defaults. */
	uint32_t connect_timeout_ms;
	uint32_t udp_idle_ms;
	uint32_t udp_sweep_ms;
	uint32_t dns_timeout_ms; /* 0 = the configuration's */
	uint32_t connect_replace_ms;
	uint32_t tcp_idle_ms;
	struct limits limits;
};

/*
 * Worker -> resolver over ROLE_FD_RELAY. RELAY_PACKET: a whole IP packet of a UDP query
 * (reassembled, or of a single-queue TUN) follows; the resolver writes the answer to its
 * queue itself. RELAY_STREAM: carries one end of a SOCK_STREAM pair, the DNS-over-TCP bytes
 * of the flow `key`, which the worker goes on to treat as its upstream socket.
 */
enum relay_type { RELAY_PACKET, RELAY_STREAM };

struct relay_message {
	uint32_t type;
	uint32_t pad;
	struct flow_key key;
};

/*
 * A role's end of the protocol: checks what main sends, once, and hands it on. The link is
 * embedded in the role; `ops` say what each message does and return 0 or -errno. Whatever
 * cannot be followed ends the loop with EXIT_FAILURE (the two are one executable), as does
 * main's end; ROLE_STOP ends it with EXIT_SUCCESS.
 */
struct role_link;

struct role_link_ops {
	const char *component; /* in the log */
	int (*config)(struct role_link *link, const struct role_config *config); /* once */
	/* `fd` is the role's from here on, whatever is returned; after config only. */
	int (*descriptor)(struct role_link *link, const struct role_descriptor *d, int fd);
	int (*start)(struct role_link *link); /* once; READY is sent after it */
	/*
	 * Answers by role_send_text(): 0 = all of it, and the end mark is sent after it; 1 = more
	 * will follow, and the role itself sends the end mark, unless it is told to forget it.
	 */
	int (*query)(struct role_link *link, uint64_t tag, const char *text, size_t len);
	void (*forget)(struct role_link *link, uint64_t tag); /* NULL = nothing takes longer */
	void (*uplinks)(struct role_link *link, const struct role_uplinks *u);
};

struct role_link {
	struct watch control;
	struct loop *loop;
	const struct role_link_ops *ops;
	bool configured;
	bool started;
	uint8_t message[ROLE_MESSAGE_MAX];
};

/* Watches ROLE_FD. 0 or -errno. */
int role_link_open(struct role_link *link, struct loop *loop, const struct role_link_ops *ops);
void role_link_close(struct role_link *link);

/* Does nobody hold the other end any more? Without main a role is killed (PDEATHSIG). */
bool role_is_orphan(void);

/* Bytes of text that fit into one ROLE_TEXT. */
#define ROLE_TEXT_MAX (ROLE_MESSAGE_MAX - sizeof(struct role_message) - sizeof(struct role_text))

/* One ROLE_TEXT; length 0 is the end mark. Waits a second at most for main. 0 or -errno. */
int role_send_text(uint64_t tag, const char *text, size_t len);
/* Asks main for a table of names. 0 or -errno. */
int role_send_want_names(uint32_t buckets);

#endif
