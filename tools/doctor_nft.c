// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The firewall: base chains that stand in the way, or that flows of ours do not pass. */
#include <stdio.h>
#include <string.h>

#include "bpf/contract.h"
#include "tools/doctor.h"

#define NFT_TABLE "headrace" /* our own */

/* NULL: there is no nft, or it may not be asked. */
json_t *doctor_nft_read(void)
{
	FILE *p = popen("exec timeout 5 nft -j list chains 2>/dev/null", "re");
	json_t *ruleset;

	if (!p)
		return NULL;
	ruleset = json_loadf(p, JSON_DISABLE_EOF_CHECK, NULL);
	if (pclose(p)) {
		json_decref(ruleset);
		return NULL;
	}
	return ruleset;
}

static const char *nft_text(const json_t *chain, const char *key)
{
	const char *text = json_string_value(json_object_get(chain, key));

	return text ? text : "";
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
			    nft_text(chain, "table"), nft_text(chain, "name"),
			    drops ? " drops by default" : "");
	else if (drops)
		finding_add(f, FINDING_OK, "firewall", NULL,
			    "chain %s %s (forward) drops by default", nft_text(chain, "table"),
			    nft_text(chain, "name"));
}

static void nft_output(struct findings *f, const json_t *chain)
{
	char fix[FINDING_TEXT_MAX];

	snprintf(fix, sizeof(fix), "nft insert rule %s %s %s meta mark 0x%x accept",
		 nft_text(chain, "family"), nft_text(chain, "table"), nft_text(chain, "name"),
		 HEADRACE_MARK);
	finding_add(f, FINDING_WARNING, "firewall", fix,
		    "chain %s %s drops what the host sends by default: upstream sockets have to be "
		    "let through",
		    nft_text(chain, "table"), nft_text(chain, "name"));
}

static void nft_chain(struct findings *f, const json_t *chain, const struct doctor_instance *in)
{
	bool drops = !strcmp(nft_text(chain, "policy"), "drop");
	const char *hook = nft_text(chain, "hook"), *family = nft_text(chain, "family");
	const char *table = nft_text(chain, "table"), *name = nft_text(chain, "name");

	if (!hook[0] || !strncmp(table, NFT_TABLE, strlen(NFT_TABLE)))
		return;
	if (!strcmp(hook, "forward"))
		nft_forward(f, chain, drops, in);
	else if (!strcmp(hook, "output") && drops)
		nft_output(f, chain);
	else if (!strcmp(hook, "input") && drops)
		finding_add(f, FINDING_OK, "firewall", NULL,
			    "chain %s %s (input) drops by default: answers are of connections "
			    "that are established",
			    table, name);
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
