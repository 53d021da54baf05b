// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* doctor*.c: what is found in files, firewalls, programs and answers as they were recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "tests/unit/tools/doctor_support.h"

static const struct doctor_instance none;
static char root[64];

/* --- a host in a directory -------------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
	char whole[256];
	FILE *f;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (char *at = strchr(whole + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(whole, 0700);
		*at = '/';
	}
	f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* All is well there. */
static int setup(void **state)
{
	memset(&found, 0, sizeof(found));
	strcpy(root, "/tmp/headrace-doctor-XXXXXX");
	assert_non_null(mkdtemp(root));
	put("/dev/net/tun", "");
	put("/sys/kernel/btf/vmlinux", "");
	put("/proc/self/mounts",
	    "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\nbpf /sys/fs/bpf bpf rw 0 0\n");
	put("/proc/sys/kernel/unprivileged_bpf_disabled", "2\n");
	put("/proc/sys/net/core/bpf_jit_enable", "1\n");
	put("/proc/sys/net/ipv4/tcp_congestion_control", "cubic\n");
	put("/etc/resolv.conf", "# by hand\nnameserver 192.0.2.53\n");
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

/* --- kernel ----------------------------------------------------------------------------------- */

static void a_good_host_has_nothing_to_mend(void **state)
{
	const struct doctor_instance in = { .running = true };

	doctor_kernel(&found, root, "6.12.1-amd64", &in);
	doctor_network(&found, root, &in);
	doctor_resolver(&found, root, &in);
	assert_int_equal(findings_worst(&found), FINDING_OK);
	finding_of("TCP upstreams use cubic");
	finding_of("the host asks 192.0.2.53");
}

static void releases_are_told_apart(void **state)
{
	assert_int_equal(doctor_release("6.1.0-50-amd64"), 6001);
	assert_int_equal(doctor_release("6.12"), 6012);
	assert_int_equal(doctor_release("x"), 0);
	doctor_kernel(&found, root, "5.10.0", &none);
	expect(FINDING_ERROR, "kernel 5.10.0", "6.1");
	memset(&found, 0, sizeof(found));
	doctor_kernel(&found, root, "6.1.0-50-amd64", &none);
	expect(FINDING_NOTE, "no USO", NULL);
	expect(FINDING_NOTE, "clsact", NULL);
}

static void what_the_kernel_lacks_is_said_with_its_fix(void **state)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/dev/net/tun", root);
	unlink(path);
	snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", root);
	unlink(path);
	put("/proc/self/mounts", "proc /proc proc rw 0 0\n");
	put("/proc/sys/kernel/unprivileged_bpf_disabled", "0\n");
	put("/proc/sys/net/core/bpf_jit_enable", "0\n");
	doctor_kernel(&found, root, "6.12.0", &none);
	expect(FINDING_ERROR, "/dev/net/tun", "modprobe tun");
	expect(FINDING_WARNING, "BTF", "CONFIG_DEBUG_INFO_BTF");
	expect(FINDING_WARNING, "cgroup2 is not mounted", "mount -t cgroup2 none /sys/fs/cgroup;");
	expect(FINDING_NOTE, "/sys/fs/bpf is no bpffs", "mount -t bpf bpf /sys/fs/bpf");
	expect(FINDING_WARNING, "everybody may load", "unprivileged_bpf_disabled=2");
	expect(FINDING_WARNING, "interpreted", "bpf_jit_enable=1");
}

/* Hierarchies of version 1 leave it no other place; one elsewhere is not where pins go. */
static void mounts_are_told_by_their_place(void **state)
{
	const struct doctor_instance knows = { .running = true, .owners = true };
	char path[128];

	put("/proc/self/mounts", "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
				 "bpf /run/cilium/bpffs bpf rw 0 0\n");
	snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", root);
	unlink(path);
	doctor_kernel(&found, root, "6.12.0", &knows);
	expect(FINDING_WARNING, "cgroup2 is not mounted",
	       "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified");
	expect(FINDING_NOTE, "/sys/fs/bpf is no bpffs", "mount");
	for (size_t i = 0; i < found.count; i++)
		assert_null(strstr(found.item[i].text, "BTF"));
}

/* --- network ---------------------------------------------------------------------------------- */

static void a_full_table_of_connections_is_an_error(void **state)
{
	const struct doctor_instance in = { 0 };

	put("/proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
	put("/proc/sys/net/netfilter/nf_conntrack_count", "65536\n");
	doctor_network(&found, root, &in);
	expect(FINDING_ERROR, "is full (nf_conntrack_max=65536)", "nf_conntrack_max=262144");
	memset(&found, 0, sizeof(found));
	put("/proc/sys/net/netfilter/nf_conntrack_count", "60000\n");
	doctor_network(&found, root, &in);
	expect(FINDING_WARNING, "nearly full (60000 of nf_conntrack_max=65536)",
	       "nf_conntrack_max");
	memset(&found, 0, sizeof(found));
	put("/proc/sys/net/netfilter/nf_conntrack_count", "6000\n");
	doctor_network(&found, root, &in);
	assert_int_equal(found.count, 0);
}

static void rp_filter_and_forwarding_matter_by_what_is_captured(void **state)
{
	struct doctor_instance in = { .lan = true, .route = true };

	put("/proc/sys/net/ipv4/conf/all/rp_filter", "0\n");
	put("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/conf/eth1/rp_filter", "2\n");
	put("/proc/sys/net/ipv4/conf/eth2/rp_filter", "0\n");
	put("/proc/sys/net/ipv4/conf/lo/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/conf/default/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/ip_forward", "0\n");
	put("/proc/sys/net/ipv6/conf/all/forwarding", "1\n");
	doctor_network(&found, root, &in);
	expect(FINDING_NOTE, "strict rp_filter on eth0: route capture", NULL);
	expect(FINDING_NOTE, "ip_forward=0", "ip_forward=1");
	assert_int_equal(found.count, 2);
	memset(&found, 0, sizeof(found));
	in = (struct doctor_instance){ 0 };
	doctor_network(&found, root, &in);
	expect(FINDING_OK, "stays as it is", NULL);
	assert_int_equal(found.count, 1);
	memset(&found, 0, sizeof(found));
	in = (struct doctor_instance){ .running = true, .bound = true };
	doctor_network(&found, root, &in);
	expect(FINDING_WARNING, "strict rp_filter on eth0: if the uplink", "rp_filter=2");
}

/* The larger one holds: "all" makes a device strict, or loose. */
static void rp_filter_of_all_counts_for_each_device(void **state)
{
	put("/proc/sys/net/ipv4/conf/all/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/conf/eth0/rp_filter", "0\n");
	put("/proc/sys/net/ipv4/conf/eth1/rp_filter", "2\n");
	doctor_network(&found, root, &none);
	expect(FINDING_OK, "strict rp_filter on eth0: stays", NULL);
	memset(&found, 0, sizeof(found));
	put("/proc/sys/net/ipv4/conf/all/rp_filter", "2\n");
	put("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n");
	doctor_network(&found, root, &none);
	assert_int_equal(found.count, 0);
}

/* --- resolver --------------------------------------------------------------------------------- */

static void a_resolver_on_loopback_hides_who_asks(void **state)
{
	struct doctor_instance in = { .running = true, .host = true };

	put("/etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0\n");
	doctor_resolver(&found, root, &in);
	expect(FINDING_NOTE, "systemd-resolved answers on 127.0.0.53", "loopback: dns");
	memset(&found, 0, sizeof(found));
	in.loopback = true;
	doctor_resolver(&found, root, &in);
	expect(FINDING_OK, "127.0.0.53 (systemd-resolved)", NULL);
	memset(&found, 0, sizeof(found));
	put("/etc/resolv.conf", "nameserver 127.0.0.1\n");
	in.loopback = false;
	doctor_resolver(&found, root, &in);
	expect(FINDING_NOTE, "a resolver answers on 127.0.0.1", NULL);
	memset(&found, 0, sizeof(found));
	put("/etc/resolv.conf", "nameserver 127.0.0.1\nnameserver 192.0.2.53\n");
	doctor_resolver(&found, root, &in);
	expect(FINDING_OK, "the host asks 127.0.0.1", NULL);
}

static void no_server_at_all_is_a_warning(void **state)
{
	const struct doctor_instance in = { 0 };

	put("/etc/resolv.conf", "search example.org\n");
	doctor_resolver(&found, root, &in);
	expect(FINDING_WARNING, "/etc/resolv.conf names no server", "nameserver");
}

#define SOCKETS                                                                                    \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"        \
	"  timeout inode\n"
#define SOCKET(addr, state, inode)                                                                 \
	"  10: " addr ":0035 00000000:0000 " state                                                 \
	" 00000000:00000000 00:00000000 00000000   101        0 " inode " 2 0 0\n"
#define ANY6 "00000000000000000000000000000000"

static void who_has_port_53_is_found(void **state)
{
	put("/proc/net/udp",
	    SOCKETS SOCKET("3500007F", "07", "1") SOCKET(
		    "0200000A", "01",
		    "3") "  11: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000   "
			 "101 0 2 2 0\n");
	doctor_resolver(&found, root, &none);
	expect(FINDING_OK, "on some addresses, by 1 sockets", NULL);
	memset(&found, 0, sizeof(found));
	put("/proc/net/tcp6", SOCKETS SOCKET(ANY6, "0A", "4"));
	doctor_resolver(&found, root, &none);
	expect(FINDING_NOTE, "port 53 of all addresses", "ss -lnp");
}

static void our_own_listeners_are_none_of_others(void **state)
{
	struct doctor_instance in = { .running = true, .pid = { 11, 12 }, .pids = 2 };
	char path[128];

	put("/proc/net/udp", SOCKETS SOCKET("00000000", "07", "4711"));
	put("/proc/12/fd/none", "");
	snprintf(path, sizeof(path), "%s/proc/12/fd/7", root);
	assert_int_equal(symlink("socket:[4711]", path), 0);
	doctor_resolver(&found, root, &in);
	assert_int_equal(found.count, 1);
	expect(FINDING_OK, "the host asks", NULL);
	/* who may not see whose they are goes by what the instance says */
	in = (struct doctor_instance){ .port53 = 2, .port53_any = true };
	memset(&found, 0, sizeof(found));
	doctor_resolver(&found, root, &in);
	assert_int_equal(found.count, 1);
	expect(FINDING_OK, "the host asks", NULL);
}

static void applications_that_do_not_ask_by_DNS_are_told(void **state)
{
	struct doctor_instance in = { .running = true, .host = true, .loopback = true };

	put("/etc/nsswitch.conf",
	    "passwd: files\nhosts:\tfiles resolve [!UNAVAIL=return] dns\nnetworks: files\n");
	doctor_resolver(&found, root, &in);
	assert_int_equal(found.count, 1);
	put("/run/systemd/resolve/io.systemd.Resolve", "");
	doctor_resolver(&found, root, &in);
	expect(FINDING_NOTE, "a socket of its own", "/etc/nsswitch.conf");
	memset(&found, 0, sizeof(found));
	put("/etc/nsswitch.conf", "hosts: files dns\n# resolve\n");
	doctor_resolver(&found, root, &in);
	assert_int_equal(found.count, 1);
}

/* --- firewall --------------------------------------------------------------------------------- */

static void firewall(const char *json, const struct doctor_instance *in)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	memset(&found, 0, sizeof(found));
	doctor_firewall(&found, root, o, in);
	json_decref(o);
}

#define CHAIN(family, table, name, hook, policy)                                                   \
	"{\"chain\":{\"family\":\"" family "\",\"table\":\"" table "\",\"name\":\"" name           \
	"\",\"handle\":1,\"type\":\"filter\",\"hook\":\"" hook                                     \
	"\",\"prio\":0,\"policy\":\"" policy "\"}}"
#define RULE(family, table, chain, expr)                                                           \
	"{\"rule\":{\"family\":\"" family "\",\"table\":\"" table "\",\"chain\":\"" chain          \
	"\",\"handle\":2,\"expr\":[" expr "]}}"
#define RULESET(items) "{\"nftables\":[{\"metainfo\":{}},{\"table\":{\"name\":\"t\"}}," items "]}"
#define MARK(value)                                                                                \
	"{\"match\":{\"op\":\"==\",\"left\":{\"meta\":{\"key\":\"mark\"}},\"right\":" value "}}"
#define OUR_MARK "1752301568" /* 0x68720000, as nft prints it */

static void chains_that_stand_in_the_way_are_named(void **state)
{
	struct doctor_instance in = { .lan = true, .forwards = true };

	firewall(RULESET(CHAIN("ip", "filter", "FORWARD", "forward", "drop") "," CHAIN(
			 "inet", "fw", "out", "output", "drop") "," CHAIN("inet", "fw", "in",
									  "input", "drop")),
		 &in);
	expect(FINDING_WARNING, "chain ip filter FORWARD drops by default: what rules forward",
	       "action: reject");
	expect(FINDING_WARNING, "chain inet fw out drops by default what the host sends",
	       "nft insert rule inet fw out meta mark 0x68720000 accept");
	expect(FINDING_OK, "chain inet fw in (input)", NULL);
	in.lan = false;
	firewall(RULESET(CHAIN("ip", "filter", "FORWARD", "forward",
			       "accept") "," CHAIN("netdev", "x", "e", "egress", "accept")),
		 &in);
	expect(FINDING_NOTE, "chain netdev x e is on a device's egress", NULL);
	assert_int_equal(found.count, 1);
}

static void where_nothing_of_a_LAN_is_forwarded_its_chain_is_no_matter(void **state)
{
	const struct doctor_instance in = { .lan = true };

	firewall(RULESET(CHAIN("ip", "filter", "FORWARD", "forward", "drop")), &in);
	expect(FINDING_OK, "chain ip filter FORWARD (forward) drops by default", NULL);
	assert_int_equal(found.count, 1);
}

static void queries_of_neighbours_have_to_be_let_in(void **state)
{
	const struct doctor_instance in = { .listens = true };

	firewall(RULESET(CHAIN("inet", "fw", "in", "input", "drop")), &in);
	expect(FINDING_NOTE, "chain inet fw in drops by default: queries of neighbours",
	       "nft insert rule inet fw in meta l4proto { tcp, udp } th dport 53 accept");
	firewall(RULESET(CHAIN("inet", "fw", "in", "input", "drop") "," RULE(
			 "inet", "fw", "in",
			 "{\"match\":{\"op\":\"==\",\"left\":{\"payload\":{\"protocol\":\"th\","
			 "\"field\":\"dport\"}},\"right\":{\"set\":[53,853]}}},{\"accept\":null}")),
		 &in);
	expect(FINDING_OK, "chain inet fw in (input)", NULL);
	assert_int_equal(found.count, 1);
}

/* What the fix says is seen, and so is a chain that has a last rule instead of a policy. */
static void rules_of_a_chain_are_looked_at(void **state)
{
	firewall(RULESET(CHAIN("inet", "fw", "out", "output", "drop") "," RULE(
			 "inet", "fw", "out", MARK(OUR_MARK) ",{\"accept\":null}")),
		 &none);
	expect(FINDING_OK, "chain inet fw out (output) drops by default, and lets", NULL);
	firewall(
		RULESET(CHAIN("inet", "fw", "out", "output", "drop") "," RULE(
			"inet", "fw", "out",
			MARK("7") ",{\"accept\":null}") "," RULE("inet", "fw", "other",
								 MARK(OUR_MARK) ",{\"accept\":null}")),
		&none);
	expect(FINDING_WARNING, "chain inet fw out drops by default", NULL);
	firewall(RULESET(CHAIN("ip", "filter", "OUTPUT", "output", "accept") "," RULE(
			 "ip", "filter", "OUTPUT",
			 "{\"counter\":{}},{\"reject\":{\"type\":\"icmp\"}}")),
		 &none);
	expect(FINDING_WARNING, "chain ip filter OUTPUT drops by default", NULL);
	firewall(RULESET(CHAIN("ip", "filter", "OUTPUT", "output", "accept") "," RULE(
			 "ip", "filter", "OUTPUT",
			 MARK("7") ",{\"drop\":null}") "," RULE("ip", "filter", "OUTPUT",
								"{\"counter\":{}}")),
		 &none);
	expect(FINDING_OK, "no chain drops by default", NULL);
}

static void tables_of_the_older_iptables_are_named(void **state)
{
	put("/proc/net/ip_tables_names", "nat\nfilter\n");
	firewall(RULESET(CHAIN("inet", "fw", "in", "input", "accept")), &none);
	expect(FINDING_NOTE, "older iptables has tables (nat, filter)", "iptables-legacy -S");
}

static void our_own_table_and_chains_without_a_hook_are_passed_over(void **state)
{
	const struct doctor_instance in = { .lan = true, .forwards = true };

	firewall(
		RULESET(CHAIN(
			"netdev", "headrace", "eth0", "egress",
			"accept") ","
				  "{\"chain\":{\"family\":\"ip\",\"table\":\"nat\",\"name\":\"DOCKER\"}}"),
		&in);
	expect(FINDING_OK, "no chain drops by default", NULL);
	memset(&found, 0, sizeof(found));
	doctor_firewall(&found, root, NULL, &in);
	expect(FINDING_NOTE, "could not be asked", geteuid() ? "root" : "install nftables");
}

/* --- hooks ------------------------------------------------------------------------------------ */

static void others_on_our_hooks_are_named_with_their_order(void **state)
{
	static const struct hook_programs p = {
		.item = { { "tc egress", "tcx", "eth0", "cil_to_netdev", 11 },
			  { "tc egress", "tcx", "eth0", "host_egress", 12 },
			  { "tc egress", "clsact", "eth0", "shaper", 13 },
			  { "tc egress", "tcx", "eth1", "other", 14 },
			  { "tc ingress", "clsact", "eth1", "matchall", 0 },
			  { "tc ingress", "clsact", "eth1", "host_ingress", 16 },
			  { "cgroup connect4", "cgroup", "", "sd_fw", 15 },
			  { "cgroup connect4", "cgroup", "", "sock_connect4", 17 } },
		.count = 8,
		.tcx = true,
	};

	doctor_hooks(&found, &p, &none);
	expect(FINDING_WARNING, "tc egress of eth0: 'cil_to_netdev' (id 11, tcx), before ours",
	       "`headrace down` and `headrace up`");
	expect(FINDING_NOTE, "'shaper' (id 13, clsact), behind ours", NULL);
	expect(FINDING_NOTE, "tc egress of eth1: 'other' (id 14, tcx)", NULL);
	assert_null(strstr(finding_of("'other'")->text, "ours"));
	expect(FINDING_WARNING, "tc ingress of eth1: 'matchall' (filter of clsact), before ours",
	       "larger `pref` on eth1");
	expect(FINDING_NOTE, "cgroup connect4: 'sd_fw' (id 15, cgroup), beside ours", NULL);
	expect(FINDING_OK, "3 programs of headrace, 5 of others", NULL);
	assert_int_equal(found.count, 6);
}

/* What stands between two of ours takes packets from the second one. */
static void another_between_two_of_ours_is_before_them(void **state)
{
	static const struct hook_programs p = {
		.item = { { "tc egress", "tcx", "headrace0", "dns_tun", 21 },
			  { "tc egress", "tcx", "headrace0", "between", 22 },
			  { "tc egress", "tcx", "headrace0", "tun_egress", 23 },
			  { "tc egress", "tcx", "headrace0", "last", 24 } },
		.count = 4,
		.tcx = true,
	};

	doctor_hooks(&found, &p, &none);
	expect(FINDING_WARNING, "tc egress of headrace0: 'between' (id 22, tcx), before ours",
	       "`headrace down` and `headrace up`");
	expect(FINDING_NOTE, "'last' (id 24, tcx), behind ours", NULL);
	assert_int_equal(found.count, 3);
}

/* With when-down: closed they refuse on, and no daemon is there that could say so. */
static void programs_that_a_killed_daemon_left_are_an_error(void **state)
{
	struct hook_programs p = { .item = { { "tc egress", "tcx", "eth0", "host_egress", 12 },
					     { "cgroup connect4", "cgroup", "", "sock_connect4",
					       13 } },
				   .count = 2 };
	struct doctor_instance in = { .none = true };

	doctor_hooks(&found, &p, &in);
	expect(FINDING_ERROR, "has left programs on devices (1)", "headrace down");
	memset(&found, 0, sizeof(found));
	in.none = false;
	doctor_hooks(&found, &p, &in);
	assert_int_equal(findings_worst(&found), FINDING_OK);
	memset(&found, 0, sizeof(found));
	in.none = true;
	p.item[0] = p.item[1]; /* those of the cgroup may be another network namespace's */
	doctor_hooks(&found, &p, &in);
	assert_int_equal(findings_worst(&found), FINDING_OK);
}

static void without_permission_hooks_are_not_known(void **state)
{
	const struct hook_programs p = { .error = -EPERM };

	doctor_hooks(&found, &p, &none);
	expect(FINDING_NOTE, "could not be looked at", geteuid() ? "root" : "bpf(2)");
}

/* One who was told to, and one who had no choice. */
static void devices_captured_by_clsact_are_named_together(void **state)
{
	struct hook_programs p = { .tcx = true };
	struct doctor_instance in = { .running = true };

	doctor_names_add(&in.clsact, "headrace0");
	doctor_names_add(&in.clsact, "eth0");
	doctor_hooks(&found, &p, &in);
	expect(FINDING_NOTE, "though the kernel has tcx links: headrace0, eth0", "attach: clsact");
	memset(&found, 0, sizeof(found));
	p.tcx = false;
	doctor_hooks(&found, &p, &in);
	expect(FINDING_NOTE, "as the kernel has no tcx links: headrace0, eth0", "6.6");
}

/* --- findings -------------------------------------------------------------------------------- */

static void more_names_than_fit_are_counted(void **state)
{
	struct doctor_names n = { .count = 0 };

	for (int i = 0; i < 40; i++)
		doctor_names_add(&n, "eth0");
	assert_non_null(strstr(doctor_names_text(&n), "eth0, eth0"));
	assert_non_null(strstr(n.text, " more"));
	assert_true(strlen(n.text) < sizeof(n.text));
}

static void more_findings_than_fit_are_counted(void **state)
{
	for (int i = 0; i < FINDINGS_MAX + 5; i++)
		finding_add(&found, FINDING_NOTE, "kernel", NULL, "number %d", i);
	assert_int_equal(found.count, FINDINGS_MAX);
	assert_int_equal(found.lost, 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_good_host_has_nothing_to_mend),
		T(releases_are_told_apart),
		T(what_the_kernel_lacks_is_said_with_its_fix),
		T(mounts_are_told_by_their_place),
		T(a_full_table_of_connections_is_an_error),
		T(rp_filter_and_forwarding_matter_by_what_is_captured),
		T(rp_filter_of_all_counts_for_each_device),
		T(a_resolver_on_loopback_hides_who_asks),
		T(no_server_at_all_is_a_warning),
		T(who_has_port_53_is_found),
		T(our_own_listeners_are_none_of_others),
		T(applications_that_do_not_ask_by_DNS_are_told),
		T(chains_that_stand_in_the_way_are_named),
		T(where_nothing_of_a_LAN_is_forwarded_its_chain_is_no_matter),
		T(queries_of_neighbours_have_to_be_let_in),
		T(rules_of_a_chain_are_looked_at),
		T(tables_of_the_older_iptables_are_named),
		T(our_own_table_and_chains_without_a_hook_are_passed_over),
		T(others_on_our_hooks_are_named_with_their_order),
		T(another_between_two_of_ours_is_before_them),
		T(programs_that_a_killed_daemon_left_are_an_error),
		T(without_permission_hooks_are_not_known),
		T(devices_captured_by_clsact_are_named_together),
		T(more_names_than_fit_are_counted),
		T(more_findings_than_fit_are_counted),
	};

	return cmocka_run_group_tests_name("tools/doctor", tests, NULL, NULL);
}
