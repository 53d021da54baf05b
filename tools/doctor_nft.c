// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The firewall: base chains that stand in the way, or that flows of ours do not pass. Of rules
 * only the plainest are understood: one for all at the end, and one for our mark.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/contract.h"
#include "tools/doctor.h"
#include "tools/object.h"

#define NFT_WAIT_MS 5000
#define NFT_OUTPUT_MAX (16U << 20) /* without the elements of sets */
#define NFT_TABLE "headrace" /* our own */
#define DNS_PORT_NUMBER 53

/* Its output by *ret_fd; it is looked for in PATH. */
static int nft_spawn(pid_t *ret_pid, int *ret_fd)
{
	static char *const argv[] = { (char *)"nft",  (char *)"-j",	 (char *)"-t",
				      (char *)"list", (char *)"ruleset", NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], err;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	err = -posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (err)
		close(ends[0]);
	*ret_fd = ends[0];
	return err;
}

/* All that it says within NFT_WAIT_MS; NULL = nothing. */
static char *nft_output_of(int fd)
{
	char *text = malloc(NFT_OUTPUT_MAX + 1);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n = 1;

	while (text && len < NFT_OUTPUT_MAX && n > 0 && poll(&p, 1, NFT_WAIT_MS) > 0) {
		n = read(fd, text + len, NFT_OUTPUT_MAX - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (text)
		text[len] = '\0';
	return text;
}

/* NULL: there is no nft, or it may not be asked. */
json_t *doctor_nft_read(void)
{
	json_t *ruleset = NULL;
	int fd, status;
	char *text;
	pid_t pid;

	if (nft_spawn(&pid, &fd))
		return NULL;
	text = nft_output_of(fd);
	close(fd);
	kill(pid, SIGKILL); /* it has ended, or says nothing any more */
	if (waitpid(pid, &status, 0) == pid && text)
		ruleset = json_loads(text, 0, NULL);
	free(text);
	return ruleset;
}

/* --- what a chain does by default ------------------------------------------------------------- */

static bool is_rule_of(const json_t *rule, const json_t *chain)
{
	return !strcmp(object_text(rule, "family", ""), object_text(chain, "family", "")) &&
	       !strcmp(object_text(rule, "table", ""), object_text(chain, "table", "")) &&
	       !strcmp(object_text(rule, "chain", ""), object_text(chain, "name", ""));
}

/* Are all expressions of the rule among those keys, and is one of them `verdict`? */
static bool is_plain(const json_t *rule, const char *verdict)
{
	static const char *const harmless[] = { "counter", "log", "comment" };
	const json_t *item;
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, item) {
		bool known = json_object_get(item, verdict);

		found |= known;
		for (size_t k = 0; k < sizeof(harmless) / sizeof(harmless[0]); k++)
			known |= !!json_object_get(item, harmless[k]);
		if (!known)
			return false;
	}
	return found;
}

static bool is_our_mark(const json_t *match)
{
	const json_t *meta = json_object_get(json_object_get(match, "left"), "meta");

	return !strcmp(object_text(match, "op", ""), "==") &&
	       !strcmp(object_text(meta, "key", ""), "mark") &&
	       object_number(match, "right") == HEADRACE_MARK;
}

/* Is it about that port, alone or among others? */
static bool is_port(const json_t *match, unsigned int port)
{
	const json_t *payload = json_object_get(json_object_get(match, "left"), "payload"),
		     *right = json_object_get(match, "right"), *set = json_object_get(right, "set"),
		     *item;
	bool found = json_integer_value(right) == port;
	size_t i;

	json_array_foreach(set, i, item)
		found |= json_integer_value(item) == port;
	return found && !strcmp(object_text(payload, "field", ""), "dport");
}

/* "... dport 53 ... accept" */
static bool lets_queries_in(const json_t *rule)
{
	bool port = false, accept = false;
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, item) {
		accept |= !!json_object_get(item, "accept");
		port |= is_port(json_object_get(item, "match"), DNS_PORT_NUMBER);
	}
	return port && accept;
}

/* "meta mark 0x68720000 ... accept" */
static bool lets_us_pass(const json_t *rule)
{
	bool mark = false, accept = false;
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, item) {
		accept |= !!json_object_get(item, "accept");
		mark |= is_our_mark(json_object_get(item, "match"));
	}
	return mark && accept;
}

struct chain_facts {
	bool drops; /* what no rule has accepted */
	bool lets_us_pass;
	bool lets_queries_in;
};

/* By its policy, or by a last rule for all; where chains jump to is not followed. */
static struct chain_facts facts_of(const json_t *ruleset, const json_t *chain)
{
	struct chain_facts facts = { 0 };
	const json_t *item, *rule;
	bool last = false;
	size_t i;

	json_array_foreach(json_object_get(ruleset, "nftables"), i, item) {
		rule = json_object_get(item, "rule");
		if (!rule || !is_rule_of(rule, chain))
			continue;
		last = is_plain(rule, "drop") || is_plain(rule, "reject");
		facts.lets_us_pass |= lets_us_pass(rule);
		facts.lets_queries_in |= lets_queries_in(rule);
	}
	facts.drops = last || !strcmp(object_text(chain, "policy", ""), "drop");
	return facts;
}

/* --- what it means ---------------------------------------------------------------------------- */

/* "inet filter forward", as nft has it */
static const char *chain_text(const json_t *chain, char buf[FINDING_TEXT_MAX / 2])
{
	snprintf(buf, FINDING_TEXT_MAX / 2, "%s %s %s", object_text(chain, "family", ""),
		 object_text(chain, "table", ""), object_text(chain, "name", ""));
	return buf;
}

static void nft_forward(struct findings *f, const char *name, bool drops,
			const struct doctor_instance *in)
{
	if (in->lan && in->forwards)
		finding_add(f, FINDING_WARNING, "firewall",
			    "to leave LAN clients to it, a first rule {interface: [...], action: "
			    "direct} in rules:; or refuse there what it refuses (action: reject); "
			    "then `headrace reload`",
			    "chain %s%s: what rules forward of LAN clients is terminated here "
			    "and does not pass it; what is direct does",
			    name, drops ? " drops by default" : "");
	else if (drops)
		finding_add(f, FINDING_OK, "firewall", NULL, "chain %s (forward) drops by default",
			    name);
}

static void nft_output(struct findings *f, const char *name, const struct chain_facts *facts)
{
	char fix[FINDING_TEXT_MAX];

	if (!facts->drops)
		return;
	snprintf(fix, sizeof(fix), "nft insert rule %s meta mark 0x%x accept", name, HEADRACE_MARK);
	if (facts->lets_us_pass)
		finding_add(f, FINDING_OK, "firewall", NULL,
			    "chain %s (output) drops by default, and lets what Headrace sends pass",
			    name);
	else
		finding_add(f, FINDING_WARNING, "firewall", fix,
			    "chain %s drops by default what the host sends: no rule of it lets the "
			    "sockets pass by which Headrace carries what it has captured",
			    name);
}

static void nft_input(struct findings *f, const char *name, const struct chain_facts *facts,
		      const struct doctor_instance *in)
{
	char fix[FINDING_TEXT_MAX];

	finding_add(f, FINDING_OK, "firewall", NULL,
		    "chain %s (input) drops by default: answers are of connections that are "
		    "established",
		    name);
	if (!in->listens || facts->lets_queries_in)
		return;
	snprintf(fix, sizeof(fix),
		 "nft insert rule %s meta l4proto { tcp, udp } th dport 53 accept", name);
	finding_add(f, FINDING_NOTE, "firewall", fix,
		    "chain %s drops by default: queries of neighbours to dns.listen have to be let "
		    "in",
		    name);
}

static void nft_chain(struct findings *f, const json_t *ruleset, const json_t *chain,
		      const struct doctor_instance *in)
{
	const struct chain_facts facts = facts_of(ruleset, chain);
	const char *hook = object_text(chain, "hook", "");
	char name[FINDING_TEXT_MAX / 2];

	chain_text(chain, name);
	if (!strcmp(hook, "forward"))
		nft_forward(f, name, facts.drops, in);
	else if (!strcmp(hook, "output"))
		nft_output(f, name, &facts);
	else if (!strcmp(hook, "input") && facts.drops)
		nft_input(f, name, &facts, in);
	else if (!strcmp(object_text(chain, "family", ""), "netdev") && !strcmp(hook, "egress"))
		finding_add(f, FINDING_NOTE, "firewall", NULL,
			    "chain %s is on a device's egress: it sees packets before capture does",
			    name);
}

/* Tables of the older iptables, which nft does not show. */
static void nft_legacy(struct findings *f, const char *root)
{
	static const char *const files[] = { "/proc/net/ip_tables_names",
					     "/proc/net/ip6_tables_names" };
	struct doctor_names tables = { .count = 0 };
	char line[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *file = doctor_open(root, files[i]);

		while (file && fgets(line, sizeof(line), file)) {
			line[strcspn(line, "\n")] = '\0';
			doctor_names_add(&tables, line);
		}
		if (file)
			fclose(file);
	}
	if (tables.count)
		finding_add(f, FINDING_NOTE, "firewall",
			    "look at them: `iptables-legacy -S`, `ip6tables-legacy -S`",
			    "the older iptables has tables (%s): they are not looked at here",
			    doctor_names_text(&tables));
}

void doctor_firewall(struct findings *f, const char *root, const json_t *ruleset,
		     const struct doctor_instance *in)
{
	const json_t *item, *chain;
	size_t i, before = f->count;

	nft_legacy(f, root);
	if (!ruleset) {
		finding_add(f, FINDING_NOTE, "firewall",
			    geteuid() ? "run as root" : "install nftables, whose `nft` is asked",
			    "nft could not be asked: the firewall was not looked at");
		return;
	}
	json_array_foreach(json_object_get(ruleset, "nftables"), i, item) {
		chain = json_object_get(item, "chain");
		if (chain && json_object_get(chain, "hook") &&
		    strncmp(object_text(chain, "table", ""), NFT_TABLE, strlen(NFT_TABLE)) != 0)
			nft_chain(f, ruleset, chain, in);
	}
	if (f->count == before)
		finding_add(f, FINDING_OK, "firewall", NULL, "no chain drops by default");
}
