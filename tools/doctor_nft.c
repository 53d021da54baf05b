// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The firewall: base chains that stand in the way, or that flows of ours do not pass. */
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
#define NFT_OUTPUT_MAX (4U << 20)
#define NFT_TABLE "headrace" /* our own */

/* Its output by *ret_fd; it is looked for in PATH. */
static int nft_spawn(pid_t *ret_pid, int *ret_fd)
{
	static char *const argv[] = { (char *)"nft", (char *)"-j", (char *)"list", (char *)"chains",
				      NULL };
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

static void nft_forward(struct findings *f, const json_t *chain, bool drops,
			const struct doctor_instance *in)
{
	if (in->lan)
		finding_add(f, FINDING_WARNING, "firewall",
			    "say what it refuses in rules: too (action: reject), with interface or "
			    "source",
			    "chain %s %s%s: what rules forward of LAN clients is terminated here "
			    "and does not pass it; what is direct does",
			    object_text(chain, "table", ""), object_text(chain, "name", ""),
			    drops ? " drops by default" : "");
	else if (drops)
		finding_add(f, FINDING_OK, "firewall", NULL,
			    "chain %s %s (forward) drops by default",
			    object_text(chain, "table", ""), object_text(chain, "name", ""));
}

static void nft_output(struct findings *f, const json_t *chain)
{
	char fix[FINDING_TEXT_MAX];

	snprintf(fix, sizeof(fix), "nft insert rule %s %s %s meta mark 0x%x accept",
		 object_text(chain, "family", ""), object_text(chain, "table", ""),
		 object_text(chain, "name", ""), HEADRACE_MARK);
	finding_add(f, FINDING_WARNING, "firewall", fix,
		    "chain %s %s drops what the host sends by default: upstream sockets have to be "
		    "let through",
		    object_text(chain, "table", ""), object_text(chain, "name", ""));
}

static void nft_input(struct findings *f, const json_t *chain, const struct doctor_instance *in)
{
	const char *table = object_text(chain, "table", ""), *name = object_text(chain, "name", "");
	char fix[FINDING_TEXT_MAX];

	finding_add(f, FINDING_OK, "firewall", NULL,
		    "chain %s %s (input) drops by default: answers are of connections that are "
		    "established",
		    table, name);
	if (!in->listens)
		return;
	snprintf(fix, sizeof(fix),
		 "nft insert rule %s %s %s meta l4proto { tcp, udp } th dport 53 accept",
		 object_text(chain, "family", ""), table, name);
	finding_add(f, FINDING_NOTE, "firewall", fix,
		    "chain %s %s drops by default: queries of neighbours to dns.listen have to be "
		    "let in",
		    table, name);
}

static void nft_chain(struct findings *f, const json_t *chain, const struct doctor_instance *in)
{
	bool drops = !strcmp(object_text(chain, "policy", ""), "drop");
	const char *hook = object_text(chain, "hook", ""),
		   *family = object_text(chain, "family", "");
	const char *table = object_text(chain, "table", ""), *name = object_text(chain, "name", "");

	if (!hook[0] || !strncmp(table, NFT_TABLE, strlen(NFT_TABLE)))
		return;
	if (!strcmp(hook, "forward"))
		nft_forward(f, chain, drops, in);
	else if (!strcmp(hook, "output") && drops)
		nft_output(f, chain);
	else if (!strcmp(hook, "input") && drops)
		nft_input(f, chain, in);
	else if (!strcmp(family, "netdev") && !strcmp(hook, "egress"))
		finding_add(f, FINDING_NOTE, "firewall", NULL,
			    "chain %s %s is on a device's egress: it sees packets before capture "
			    "does",
			    table, name);
}

void doctor_firewall(struct findings *f, const json_t *ruleset, const struct doctor_instance *in)
{
	const json_t *item, *chain;
	size_t i, before = f->count;

	if (!ruleset) {
		finding_add(f, FINDING_NOTE, "firewall", "run as root, with nft installed",
			    "nft could not be asked: the firewall was not looked at");
		return;
	}
	json_array_foreach(json_object_get(ruleset, "nftables"), i, item) {
		chain = json_object_get(item, "chain");
		if (chain)
			nft_chain(f, chain, in);
	}
	if (f->count == before)
		finding_add(f, FINDING_OK, "firewall", NULL, "no chain drops by default");
}
