// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* doctor*.c: what is found in files, firewalls, programs and answers as they were recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "tools/client.c"
#include "tools/doctor.c"
#include "tools/doctor_hooks.c"
#include "tools/doctor_host.c"
#include "tools/doctor_nft.c"
#include "tools/format.c"
#include "tools/object.c"
#include "tools/option.c"
#include "tools/table.c"

static struct findings found;
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

static const struct finding *finding_of(const char *text)
{
	for (size_t i = 0; i < found.count; i++)
		if (strstr(found.item[i].text, text))
			return &found.item[i];
	for (size_t i = 0; i < found.count; i++)
		print_error("%s: %s\n", found.item[i].area, found.item[i].text);
	fail_msg("nothing says '%s'", text);
	return NULL;
}

static void expect(enum finding_level level, const char *text, const char *fix)
{
	const struct finding *item = finding_of(text);

	assert_int_equal(item->level, level);
	if (fix && !strstr(item->fix, fix))
		fail_msg("'%s' does not say '%s'", item->fix, fix);
}

/* --- kernel ----------------------------------------------------------------------------------- */

static void a_good_host_has_nothing_to_mend(void **state)
{
	const struct doctor_instance in = { .running = true };

	doctor_kernel(&found, root, "6.12.1-amd64");
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
	doctor_kernel(&found, root, "5.10.0");
	expect(FINDING_ERROR, "kernel 5.10.0", "6.1");
	memset(&found, 0, sizeof(found));
	doctor_kernel(&found, root, "6.1.0-50-amd64");
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
	doctor_kernel(&found, root, "6.12.0");
	expect(FINDING_ERROR, "/dev/net/tun", "modprobe tun");
	expect(FINDING_WARNING, "BTF", NULL);
	expect(FINDING_WARNING, "cgroup2 is not mounted", "mount");
	expect(FINDING_NOTE, "bpffs", "mount");
	expect(FINDING_WARNING, "everybody may load", "unprivileged_bpf_disabled=2");
	expect(FINDING_WARNING, "interpreted", "bpf_jit_enable=1");
}

/* --- network ---------------------------------------------------------------------------------- */

static void a_full_table_of_connections_is_an_error(void **state)
{
	const struct doctor_instance in = { 0 };

	put("/proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
	put("/proc/sys/net/netfilter/nf_conntrack_count", "65536\n");
	doctor_network(&found, root, &in);
	expect(FINDING_ERROR, "is full (65536)", "nf_conntrack_max");
	memset(&found, 0, sizeof(found));
	put("/proc/sys/net/netfilter/nf_conntrack_count", "60000\n");
	doctor_network(&found, root, &in);
	expect(FINDING_WARNING, "nearly full (60000 of 65536)", "nf_conntrack_max");
	memset(&found, 0, sizeof(found));
	put("/proc/sys/net/netfilter/nf_conntrack_count", "6000\n");
	doctor_network(&found, root, &in);
	assert_int_equal(found.count, 0);
}

static void rp_filter_and_forwarding_matter_by_what_is_captured(void **state)
{
	struct doctor_instance in = { .lan = true, .route = true };

	put("/proc/sys/net/ipv4/conf/all/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/conf/eth1/rp_filter", "2\n");
	put("/proc/sys/net/ipv4/conf/default/rp_filter", "1\n");
	put("/proc/sys/net/ipv4/ip_forward", "0\n");
	put("/proc/sys/net/ipv6/conf/all/forwarding", "1\n");
	doctor_network(&found, root, &in);
	expect(FINDING_NOTE, "strict rp_filter on 2 devices: route capture", NULL);
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
	expect(FINDING_WARNING, "answers are dropped", "rp_filter=2");
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
	expect(FINDING_WARNING, "names no server", "dns.upstreams");
}

#define SOCKETS                                                                                    \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"

static void who_has_port_53_is_found(void **state)
{
	struct doctor_instance in = { 0 };

	put("/proc/net/udp", SOCKETS
	    "  10: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101 0 1\n"
	    "  11: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000   101 0 2\n"
	    "  12: 0200000A:0035 0100000A:1234 01 00000000:00000000 00:00000000 00000000   101 0 3\n");
	doctor_resolver(&found, root, &in);
	expect(FINDING_OK, "on some addresses, by 1 sockets", NULL);
	memset(&found, 0, sizeof(found));
	put("/proc/net/tcp6", SOCKETS
	    "   0: 00000000000000000000000000000000:0035 00000000000000000000000000000000:0000 0A 0:0\n");
	doctor_resolver(&found, root, &in);
	expect(FINDING_NOTE, "port 53 of all addresses", "dns.listen");
	/* those of the instance itself are in nobody's way */
	in = (struct doctor_instance){ .port53 = 2, .port53_any = true };
	memset(&found, 0, sizeof(found));
	doctor_resolver(&found, root, &in);
	assert_int_equal(found.count, 1);
	finding_of("the host asks 192.0.2.53");
}

/* --- firewall --------------------------------------------------------------------------------- */

static void firewall(const char *json, const struct doctor_instance *in)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	memset(&found, 0, sizeof(found));
	doctor_firewall(&found, o, in);
	json_decref(o);
}

#define CHAIN(family, table, name, hook, policy)                                                   \
	"{\"chain\":{\"family\":\"" family "\",\"table\":\"" table "\",\"name\":\"" name           \
	"\",\"handle\":1,\"type\":\"filter\",\"hook\":\"" hook                                     \
	"\",\"prio\":0,\"policy\":\"" policy "\"}}"

static void chains_that_stand_in_the_way_are_named(void **state)
{
	struct doctor_instance in = { .lan = true };

	firewall("{\"nftables\":[{\"metainfo\":{}},{\"table\":{\"name\":\"t\"}}," CHAIN(
			 "ip", "filter", "FORWARD", "forward",
			 "drop") "," CHAIN("inet", "fw", "out", "output",
					   "drop") "," CHAIN("inet", "fw", "in", "input",
							     "drop") "]}",
		 &in);
	expect(FINDING_WARNING, "chain filter FORWARD drops by default: what rules forward",
	       "action: reject");
	expect(FINDING_WARNING, "chain fw out drops what the host sends",
	       "nft insert rule inet fw out meta mark 0x68720000 accept");
	expect(FINDING_OK, "chain fw in (input)", NULL);
	in = (struct doctor_instance){ .listens = true };
	firewall("{\"nftables\":[" CHAIN("inet", "fw", "in", "input", "drop") "]}", &in);
	expect(FINDING_NOTE, "queries of neighbours to dns.listen",
	       "nft insert rule inet fw in meta l4proto { tcp, udp } th dport 53 accept");
	firewall("{\"nftables\":[" CHAIN("ip", "filter", "FORWARD", "forward", "accept") "," CHAIN(
			 "netdev", "x", "e", "egress", "accept") "]}",
		 &in);
	expect(FINDING_NOTE, "chain x e is on a device's egress", NULL);
	assert_int_equal(found.count, 1);
}

static void our_own_table_and_chains_without_a_hook_are_passed_over(void **state)
{
	const struct doctor_instance in = { .lan = true };

	firewall(
		"{\"nftables\":[" CHAIN(
			"netdev", "headrace", "eth0", "egress",
			"accept") ","
				  "{\"chain\":{\"family\":\"ip\",\"table\":\"nat\",\"name\":\"DOCKER\"}}]}",
		&in);
	expect(FINDING_OK, "no chain drops by default", NULL);
	memset(&found, 0, sizeof(found));
	doctor_firewall(&found, NULL, &in);
	expect(FINDING_NOTE, "could not be asked", "root");
}

/* --- hooks ------------------------------------------------------------------------------------ */

static void others_on_our_hooks_are_named_with_their_order(void **state)
{
	static const struct hook_programs p = {
		.item = { { "tc egress", "tcx", "eth0", "cil_to_netdev", 11 },
			  { "tc egress", "tcx", "eth0", "host_egress", 12 },
			  { "tc egress", "clsact", "eth0", "shaper", 13 },
			  { "tc egress", "tcx", "eth1", "other", 14 },
			  { "cgroup connect4", "cgroup", "", "sd_fw", 15 } },
		.count = 5,
		.tcx = true,
	};
	const struct doctor_instance in = { .running = true };

	doctor_hooks(&found, &p, &in);
	expect(FINDING_NOTE, "tc egress of eth0: 'cil_to_netdev' (id 11, tcx), before ours", NULL);
	expect(FINDING_NOTE, "'shaper' (id 13, clsact), behind ours", NULL);
	expect(FINDING_NOTE, "tc egress of eth1: 'other' (id 14, tcx)", NULL);
	assert_null(strstr(finding_of("'other'")->text, "ours"));
	expect(FINDING_NOTE, "cgroup connect4: 'sd_fw'", NULL);
	expect(FINDING_OK, "1 programs of headrace, 4 of others", NULL);
	assert_int_equal(found.count, 5);
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

static void without_root_hooks_are_not_known(void **state)
{
	const struct hook_programs p = { .error = -EPERM };
	const struct doctor_instance in = { .none = true };

	doctor_hooks(&found, &p, &in);
	expect(FINDING_NOTE, "could not be looked at", "root");
}

/* --- an instance ------------------------------------------------------------------------------ */

static void status(const char *json, struct doctor_instance *ret)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	doctor_status(&found, o, ret);
	json_decref(o);
}

static void what_an_instance_says_is_judged(void **state)
{
	struct doctor_instance in;

	status("{\"instance\":\"host\",\"version\":\"1\",\"pid\":7,"
	       "\"features\":{\"attach\":\"clsact\",\"protect\":\"SO_MARK\",\"owners\":\"not known\",\"uso\":false},"
	       "\"roles\":[{\"name\":\"worker 1\",\"state\":\"ready\",\"restarts\":2,\"hangs\":1},"
	       "{\"name\":\"resolver\",\"state\":\"dead\"}],"
	       "\"kernel\":{\"events_lost\":3,\"pass_stale\":4},\"advice\":[\"do this\"],"
	       "\"devices\":[{\"device\":\"eth9\",\"error\":\"no such device\"},"
	       "{\"device\":\"eth8\",\"mode\":\"tcx\"},{\"device\":\"eth7\",\"mode\":\"xdp\"}],"
	       "\"captures\":[{\"device\":\"lan0\",\"point\":\"lan\",\"mode\":\"clsact\"},"
	       "{\"device\":\"lo\",\"point\":\"loopback\",\"mode\":\"tcx\"},"
	       "{\"device\":\"eth0\",\"point\":\"uplink\",\"error\":\"gone\"}],"
	       "\"route\":{\"way\":\"table\",\"repaired\":3},\"strict\":{\"error\":\"no nft\"}}",
	       &in);
	assert_true(in.running && in.host && in.lan && in.loopback && in.route);
	expect(FINDING_WARNING, "capture.route: what was removed by others was put back 3 times",
	       NULL);
	expect(FINDING_ERROR, "capture.strict: no nft", NULL);
	expect(FINDING_NOTE, "attached by clsact", NULL);
	expect(FINDING_WARNING, "keep CAP_NET_ADMIN", NULL);
	expect(FINDING_WARNING, "worker 1 was restarted 2 times, 1 of them", NULL);
	expect(FINDING_ERROR, "the resolver is dead", NULL);
	expect(FINDING_WARNING, "3 events were lost", NULL);
	expect(FINDING_WARNING, "4 packets passed natively", NULL);
	expect(FINDING_NOTE, "do this", NULL);
	expect(FINDING_WARNING, "eth9: no such device", NULL);
	expect(FINDING_NOTE, "eth8: DNS is answered by tcx", NULL);
	expect(FINDING_NOTE, "no USO", NULL);
	expect(FINDING_WARNING, "processes of flows are not known", NULL);
	expect(FINDING_NOTE, "lan0: captured by clsact", NULL);
	expect(FINDING_ERROR, "eth0 is not captured: gone", NULL);
	assert_int_equal(findings_worst(&found), FINDING_ERROR);
}

static void what_it_listens_at_and_is_bound_to_is_known(void **state)
{
	struct doctor_instance in;

	status("{\"instance\":\"mine\",\"version\":\"1\",\"pid\":7,"
	       "\"features\":{\"protect\":\"bound to the uplink\"},"
	       "\"listen\":[\"192.0.2.1:53\",\"[::]:53\",\"127.0.0.1:5353\"]}",
	       &in);
	assert_true(in.bound && in.listens && in.port53_any);
	assert_int_equal(in.port53, 4);
}

static void upstream(const char *json)
{
	json_t *o = json_loads(json, 0, NULL);

	assert_non_null(o);
	doctor_upstream(&found, o);
	json_decref(o);
}

static void upstreams_that_do_not_answer_are_named(void **state)
{
	upstream("{\"type\":\"upstream\",\"name\":\"good\",\"state\":\"up\",\"error\":\"once\"}");
	upstream("{\"type\":\"cache\",\"name\":\"c\",\"state\":\"down\"}");
	assert_int_equal(found.count, 0);
	upstream("{\"type\":\"upstream\",\"name\":\"quad9\",\"state\":\"failing\","
		 "\"address\":\"9.9.9.9:853\",\"error\":\"9.9.9.9:853: no answer\"}");
	expect(FINDING_WARNING, "upstream quad9 is failing: 9.9.9.9:853: no answer", "dns stats");
	upstream("{\"type\":\"upstream\",\"name\":\"isp\",\"state\":\"down\","
		 "\"address\":\"192.0.2.9:53\"}");
	expect(FINDING_WARNING, "upstream isp is down: 192.0.2.9:53", "dns stats");
	upstream("{\"type\":\"upstream\",\"name\":\"me\",\"state\":\"up\",\"looped\":true,"
		 "\"address\":\"192.0.2.1:53\"}");
	expect(FINDING_WARNING, "upstream me at 192.0.2.1:53 leads back", "another server");
}

static void an_instance_in_order_has_no_fault(void **state)
{
	struct doctor_instance in;

	status("{\"instance\":\"run-1\",\"version\":\"1\",\"pid\":7,"
	       "\"features\":{\"attach\":\"tcx\",\"protect\":\"cgroup hook\"},"
	       "\"roles\":[{\"name\":\"worker 1\",\"state\":\"ready\",\"restarts\":0}],"
	       "\"kernel\":{\"events_lost\":0},\"advice\":[],\"route\":null}",
	       &in);
	assert_true(in.running && !in.host && !in.lan && !in.route);
	assert_int_equal(findings_worst(&found), FINDING_OK);
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
		T(a_full_table_of_connections_is_an_error),
		T(rp_filter_and_forwarding_matter_by_what_is_captured),
		T(a_resolver_on_loopback_hides_who_asks),
		T(no_server_at_all_is_a_warning),
		T(who_has_port_53_is_found),
		T(chains_that_stand_in_the_way_are_named),
		T(our_own_table_and_chains_without_a_hook_are_passed_over),
		T(others_on_our_hooks_are_named_with_their_order),
		T(programs_that_a_killed_daemon_left_are_an_error),
		T(without_root_hooks_are_not_known),
		T(what_an_instance_says_is_judged),
		T(what_it_listens_at_and_is_bound_to_is_known),
		T(upstreams_that_do_not_answer_are_named),
		T(an_instance_in_order_has_no_fault),
		T(more_findings_than_fit_are_counted),
	};

	return cmocka_run_group_tests_name("tools/doctor", tests, NULL, NULL);
}
