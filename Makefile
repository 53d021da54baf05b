# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Headrace: one non-recursive Makefile; everything it makes lies below build/.
# `make help` lists the targets. Variables (as arguments or from the environment):
#   V=1            show the commands           PROFILE=   release debug sanitize coverage fuzz
#   CC= CLANG= BPFTOOL= PKG_CONFIG= CFLAGS= LDFLAGS=      LWIP_DIR=  lwIP's sources
#   PREFIX= DESTDIR= SBINDIR= BINDIR= MANDIR= UNITDIR= COMPLETIONDIR= EXAMPLEDIR=

VERSION := 0.1.0
PROFILE ?= release
V ?= 0
B := build/$(PROFILE)

PKG_CONFIG ?= pkg-config
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
LWIP_DIR ?= build/lwip

DESTDIR ?=
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
EXAMPLEDIR ?= $(PREFIX)/share/doc/headrace/examples

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
comma := ,

ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
else
Q :=
say =
endif

# --- profiles -----------------------------------------------------------------------------
ifneq ($(filter coverage fuzz,$(PROFILE)),)
CC := $(CLANG)
else ifeq ($(origin CC),default)
CC := gcc
endif

FLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2
FLAGS_debug := -O0 -g
FLAGS_sanitize := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
# Counters live in the mapped profile (%c), so that processes count that are killed or _exit().
FLAGS_coverage := -O0 -g -fprofile-instr-generate -fcoverage-mapping \
	-mllvm -runtime-counter-relocation
FLAGS_fuzz := -O2 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined
LINK_sanitize := -fsanitize=address,undefined
LINK_coverage := -fprofile-instr-generate
LINK_fuzz := -fsanitize=address,undefined
ifeq ($(FLAGS_$(PROFILE)),)
$(error PROFILE=$(PROFILE): not one of release debug sanitize coverage fuzz)
endif

WARN := -Wall -Wextra -Wpointer-arith -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-unused-parameter $(if $(CI),-Werror)
# clang counts what libseccomp's macros leave out of a struct.
WARN += $(if $(findstring clang,$(CC)),-Wno-missing-field-initializers)
CPPFLAGS_ALL := -D_GNU_SOURCE -I. -Iuserspace -Ibuild/gen \
	-DHEADRACE_VERSION='"$(VERSION)"'
SBINDIR_FLAG := -DHEADRACE_SBINDIR='"$(SBINDIR)"'
CFLAGS_ALL := -std=gnu17 $(WARN) -fstack-protector-strong -fPIE $(FLAGS_$(PROFILE)) \
	$(CPPFLAGS_ALL)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now $(LINK_$(PROFILE))
LWIP_CPPFLAGS := -Iuserspace/stack/lwip -I$(LWIP_DIR)/src/include
# EXTRA: what the rule of a folder adds; the user's own CFLAGS come last.
COMPILE = $(CC) $(CFLAGS_ALL) $(EXTRA) $(CFLAGS)
LINK = $(CC) $(CFLAGS_ALL) $(EXTRA) $(CFLAGS) $(LDFLAGS_ALL) $(LDFLAGS)

DAEMON_PKGS := libbpf libxdp libcares libmnl jansson yaml-0.1 libseccomp libcap-ng libssl libcrypto libnghttp2
HEADER_PKGS := libnftables # opened at run time, where it is needed
CLIENT_PKGS := jansson yaml-0.1
TEST_PKGS := cmocka
SUITE_PKGS := check
# Asked once, and only when something is linked.
once = $(eval $(1) := $(shell $(PKG_CONFIG) --libs $(2)))$($(1))
DAEMON_LIBS = $(call once,DAEMON_LIBS,$(DAEMON_PKGS))
CLIENT_LIBS = $(call once,CLIENT_LIBS,$(CLIENT_PKGS))
TEST_LIBS = $(call once,TEST_LIBS,$(TEST_PKGS))
SUITE_LIBS = $(call once,SUITE_LIBS,$(SUITE_PKGS))

# --- sources ------------------------------------------------------------------------------
BPF_SRC := $(wildcard bpf/*.bpf.c)
TESTBPF_SRC := $(wildcard tests/net/*.bpf.c tests/bench/*.bpf.c)
BASE_SRC := $(wildcard userspace/base/*.c userspace/conf/*.c)
LIB_SRC := $(wildcard userspace/*/*.c dns/*.c)
CLIENT_SRC := $(wildcard tools/*.c)
LWIP_SRC := $(addprefix $(LWIP_DIR)/src/core/,def.c inet_chksum.c init.c ip.c mem.c memp.c netif.c \
	pbuf.c stats.c tcp.c tcp_in.c tcp_out.c timeouts.c udp.c \
	ipv4/icmp.c ipv4/ip4.c ipv4/ip4_addr.c ipv4/ip4_frag.c \
	ipv6/icmp6.c ipv6/ip6.c ipv6/ip6_addr.c ipv6/ip6_frag.c ipv6/nd6.c)
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
BPFTEST_SRC := $(wildcard tests/bpf/test_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
# What fuzz targets share; the entry of the replay is no part of it.
FUZZLIB_SRC := $(filter-out $(FUZZ_SRC) tests/fuzz/main.c,$(wildcard tests/fuzz/*.c))
# Helper programs of the network tests and the benchmark's load generators.
HELPER_SRC := $(filter-out $(TESTBPF_SRC),$(wildcard tests/net/*.c tests/kernel/*.c)) \
	$(addprefix tests/bench/,load.c dns_load.c mirror.c) $(wildcard tests/soak/*.c)
CHECKLIST_SRC := tests/net/checklist/main.c
# They measure the tables themselves: linked with them.
BENCH_SRC := $(addprefix tests/bench/,flows.c flows_udp.c names.c rules.c upstreams.c)
TESTLIB_SRC := $(wildcard tests/lib/*.c)
# lwIP's own test suites: what they need of lwIP beyond what we build in, and they themselves.
SUITE_SRC := tests/lwip/suites.c
SUITE_LWIP_SRC := $(LWIP_SRC) $(LWIP_DIR)/src/netif/ethernet.c \
	$(addprefix $(LWIP_DIR)/src/core/,ipv4/etharp.c ipv6/ethip6.c) \
	$(addprefix $(LWIP_DIR)/test/unit/,ip4/test_ip4.c ip6/test_ip6.c core/test_pbuf.c \
	tcp/tcp_helper.c tcp/test_tcp.c tcp/test_tcp_oos.c)

OWN_SRC := $(wildcard userspace/main.c) $(LIB_SRC) $(CLIENT_SRC)
BPF_OBJ := $(BPF_SRC:%.c=build/%.o)
TESTBPF_OBJ := $(TESTBPF_SRC:%.c=build/%.o)
BASE_OBJ := $(BASE_SRC:%.c=$(B)/%.o)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
CLIENT_OBJ := $(CLIENT_SRC:%.c=$(B)/%.o)
LWIP_OBJ := $(LWIP_SRC:$(LWIP_DIR)/%.c=$(B)/lwip/%.o)
TESTLIB_OBJ := $(TESTLIB_SRC:%.c=$(B)/%.o)
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)
BPFTEST_BIN := $(BPFTEST_SRC:%.c=$(B)/%)
# Those of them that other kernels must pass, too.
KERNELTEST_BIN := $(addprefix $(B)/tests/bpf/test_,dns dns_plain dns_same owner sock_flow lan lan_flows \
	lo rules captured egress egress_flows host_live)
FUZZ_BIN := $(FUZZ_SRC:%.c=$(B)/%)
FUZZ_CAPTURES := $(B)/tests/fuzz/generate/captures
FUZZLIB_OBJ := $(FUZZLIB_SRC:%.c=$(B)/%.o)
HELPER_BIN := $(HELPER_SRC:%.c=$(B)/%)
CHECKLIST_BIN := $(CHECKLIST_SRC:%.c=$(B)/%)
BENCH_BIN := $(BENCH_SRC:%.c=$(B)/%)
SUITE_BIN := $(B)/tests/lwip/suites-ours $(B)/tests/lwip/suites-small
SKEL := build/gen/headrace.skel.h

all: $(B)/headraced $(B)/headrace ## build headraced and headrace (default)
	@:
tests: $(UNIT_BIN) $(BPFTEST_BIN) $(FUZZ_BIN) $(SUITE_BIN) $(BENCH_BIN) $(CHECKLIST_BIN) \
	tests/net-helpers ## build every test program
	@:

# --- what must be there -------------------------------------------------------------------
# Looked at once; the packages' names are Debian's and known to tools/bootstrap.
FOUND := build/.found
$(FOUND): Makefile $(if $(wildcard $(LWIP_DIR)/src/include/lwip/init.h),,force)
	@mkdir -p build; missing=; \
	for tool in $(firstword $(CC)) $(firstword $(CLANG)) $(BPFTOOL) $(PKG_CONFIG); do \
		command -v $$tool >/dev/null || missing="$$missing $$tool"; \
	done; \
	for lib in $(DAEMON_PKGS) $(HEADER_PKGS); do \
		$(PKG_CONFIG) --exists $$lib 2>/dev/null || missing="$$missing $$lib"; \
	done; \
	[ -f $(LWIP_DIR)/src/include/lwip/init.h ] || missing="$$missing lwIP($(LWIP_DIR))"; \
	[ -z "$$missing" ] || { \
		echo "missing:$$missing" >&2; \
		echo "On Debian 12 run as root: tools/bootstrap build" >&2; exit 1; }
	@touch $@
$(LWIP_SRC): | $(FOUND)

# Objects depend on the flags they were made with.
FLAGS_NOW := $(subst ',,$(CC) $(CFLAGS_ALL) $(CFLAGS) $(LDFLAGS_ALL) $(LDFLAGS) $(LWIP_DIR))
$(B)/.flags: force
	@mkdir -p $(@D)
	@echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' >$@
$(B)/.sbindir: force
	@mkdir -p $(@D)
	@echo '$(SBINDIR)' | cmp -s - $@ || echo '$(SBINDIR)' >$@
force:

# --- BPF ----------------------------------------------------------------------------------
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
BPF_FLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Werror -I. -Ivmlinux

$(BPF_OBJ) $(TESTBPF_OBJ): build/%.o: %.c Makefile | $(FOUND)
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

build/bpf/headrace.o: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@.new $^ && mv $@.new $@

$(SKEL): build/bpf/headrace.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q){ echo '/* NOLINTBEGIN: generated */' && $(BPFTOOL) gen skeleton $< name headrace && \
		echo '/* NOLINTEND */'; } >$@.new && mv $@.new $@

# --- C ------------------------------------------------------------------------------------
# Where fuzz_worker spends its time, libFuzzer does not look at what is compared: UBSan's own
# comparisons are among it, it took a quarter of the time, and the model makes the numbers there.
UNTRACED := $(if $(filter fuzz,$(PROFILE)),-fno-sanitize-coverage=trace-cmp$(comma)indirect-calls)
$(B)/userspace/flow/%.o $(addprefix $(B)/userspace/base/,clock.o loop.o siphash.o sources.o) \
$(addprefix $(B)/userspace/netdev/,packet.o queue.o): private EXTRA = $(UNTRACED)
# Only datapath/ sees the skeleton, only stack/, worker/ and lwIP itself see lwIP.
$(filter $(B)/userspace/datapath/%,$(LIB_OBJ)): | $(SKEL)
$(B)/userspace/stack/%.o $(B)/userspace/worker/%.o: private EXTRA = $(LWIP_CPPFLAGS) $(UNTRACED)
# The client alone knows where headraced is installed: another PREFIX compiles one file anew.
$(B)/tools/daemon.o: private EXTRA = $(SBINDIR_FLAG)
$(B)/tools/daemon.o: $(B)/.sbindir

$(LIB_OBJ) $(CLIENT_OBJ) $(TESTLIB_OBJ) $(FUZZLIB_OBJ) $(B)/userspace/main.o: $(B)/%.o: %.c $(B)/.flags | $(FOUND)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c $< -o $@

$(LWIP_OBJ): private EXTRA = $(LWIP_CPPFLAGS) -w $(UNTRACED)
$(LWIP_OBJ): $(B)/lwip/%.o: $(LWIP_DIR)/%.c $(B)/.flags | $(FOUND)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c $< -o $@

$(B)/libheadrace.a: $(LIB_OBJ) $(LWIP_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# What it would take installed: stripped, in bytes.
say_size = @strip -o $@.stripped $@ && printf '  SIZE     %s %d bytes\n' $@ "$$(stat -c %s $@.stripped)"; \
	rm -f $@.stripped

$(B)/headraced: $(B)/userspace/main.o $(B)/libheadrace.a
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(DAEMON_LIBS)
	$(say_size)

$(B)/headrace: $(CLIENT_OBJ) $(BASE_OBJ)
	$(call say,LINK,$@)
	$(Q)$(LINK) -o $@ $^ $(CLIENT_LIBS)
	$(say_size)

# --- tests: one program per file ------------------------------------------------------------
# tests/unit/LAYER/test_X.c mirrors LAYER/X.c and may include it to reach static functions.
# Tests include sources with their main() renamed, and read what a mock has not set.
TEST_EXTRA := -Itests $(LWIP_CPPFLAGS) $(SBINDIR_FLAG) -Wno-missing-prototypes \
	$(if $(findstring clang,$(CC)),,-Wno-maybe-uninitialized)
$(UNIT_BIN) $(BPFTEST_BIN) $(FUZZ_BIN) $(TESTLIB_OBJ) $(FUZZLIB_OBJ) $(BENCH_BIN): \
	private EXTRA = $(TEST_EXTRA)
$(FUZZLIB_OBJ) $(B)/tests/fuzz/fuzz_worker: private EXTRA = $(TEST_EXTRA) $(UNTRACED)
$(UNIT_BIN) $(BPFTEST_BIN) $(FUZZ_BIN) $(BENCH_BIN): | $(if $(BPF_SRC),$(SKEL))

$(UNIT_BIN) $(BPFTEST_BIN): $(B)/tests/%: tests/%.c $(B)/libheadrace.a $(TESTLIB_OBJ) $(B)/.flags
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(TESTLIB_OBJ) \
		$(B)/libheadrace.a $(DAEMON_LIBS) $(TEST_LIBS)

# Of tests/lib they need what is no test framework's.
BENCH_OBJ := $(B)/tests/lib/segment.o
$(BENCH_BIN): $(B)/tests/%: tests/%.c $(B)/libheadrace.a $(BENCH_OBJ) $(B)/.flags
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(BENCH_OBJ) $(B)/libheadrace.a \
		$(DAEMON_LIBS)

# Fuzz targets: with libFuzzer in PROFILE=fuzz, else with a main() that replays a corpus.
FUZZ_MAIN := $(if $(filter fuzz,$(PROFILE)),,tests/fuzz/main.c)
# Targets whose kernel is tests/fuzz/fake.c: what of the C library it stands in for.
FUZZ_WRAP := close fcntl socket socketpair connect setsockopt getsockopt shutdown recv \
	__recv_chk send recvmsg sendmsg recvmmsg epoll_create1 epoll_ctl epoll_wait timerfd_create \
	timerfd_settime getrandom malloc aligned_alloc calloc realloc free malloc_trim accept4
FUZZ_FAKED := $(addprefix $(B)/tests/fuzz/fuzz_,worker control role)
$(FUZZ_FAKED): private LDFLAGS_ALL += $(FUZZ_WRAP:%=-Wl,--wrap=%)
$(B)/tests/fuzz/fuzz_worker: private FUZZ_WRAP += datapath_flow_note datapath_flow_noted \
	datapath_flow_end
$(B)/tests/fuzz/fuzz_control: private FUZZ_WRAP += getpid json_loadb
$(B)/tests/fuzz/fuzz_role: private FUZZ_WRAP += fork pidfd_open pidfd_send_signal waitid waitpid \
	kill

$(B)/libfuzz.a: $(FUZZLIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/tests/fuzz/fuzz_dns_kernel: private FUZZ_OBJ = $(B)/tests/lib/dns_host.o
$(B)/tests/fuzz/fuzz_dns_kernel: $(B)/tests/lib/dns_host.o
$(FUZZ_BIN): $(B)/tests/%: tests/%.c $(FUZZ_MAIN) $(B)/libfuzz.a $(B)/libheadrace.a $(B)/.flags
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) -MMD -MP -MF $@.d -MT $@ -o $@ \
		$< $(FUZZ_MAIN) $(FUZZ_OBJ) $(B)/libfuzz.a $(B)/libheadrace.a $(DAEMON_LIBS)

$(FUZZ_CAPTURES): $(B)/tests/%: tests/%.c $(B)/.flags
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -MMD -MP -MF $@.d -MT $@ -o $@ $<

$(HELPER_BIN): $(B)/tests/%: tests/%.c $(B)/.flags | $(FOUND)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(HELPER_LIBS)
$(B)/tests/kernel/% $(B)/tests/net/lossy $(B)/tests/bench/mirror $(B)/tests/soak/entries: private \
	HELPER_LIBS = $(call once,BPF_LIBS,libbpf)
$(B)/tests/net/lacks: private HELPER_LIBS = $(call once,SECCOMP_LIBS,libseccomp)
RAW_BIN := $(addprefix $(B)/tests/net/,flood fragments hostile slip)
$(RAW_BIN): $(B)/tests/lib/raw.o
$(RAW_BIN): private EXTRA = -Itests
$(RAW_BIN): private HELPER_LIBS = $(B)/tests/lib/raw.o

# The TCP checklist through a TUN: a net test's helper made of what the unit tests are made of.
$(CHECKLIST_BIN): private EXTRA = $(TEST_EXTRA)
$(CHECKLIST_BIN): $(B)/tests/%: tests/%.c $(B)/libheadrace.a $(TESTLIB_OBJ) $(B)/.flags
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(TESTLIB_OBJ) $(B)/libheadrace.a \
		$(DAEMON_LIBS) $(TEST_LIBS)

# lwIP's own suites with our options: once with our sizes, once with theirs.
$(B)/tests/lwip/suites-small: private EXTRA = -DSUITES_SMALL
$(SUITE_BIN): $(SUITE_SRC) $(SUITE_LWIP_SRC) $(wildcard tests/lwip/*.h userspace/stack/lwip/*.h \
		userspace/stack/lwip/*/*.h) $(B)/.flags | $(FOUND)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -w -Itests/lwip $(LWIP_CPPFLAGS) -I$(LWIP_DIR)/test/unit -o $@ \
		$(SUITE_SRC) $(SUITE_LWIP_SRC) $(SUITE_LIBS)

# --- running --------------------------------------------------------------------------------
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

run: ## demonstration on servers of its own; CMD="..." runs that command on the real network
	@tools/bootstrap run
	+@$(MAKE) $(JOBS) all tests/net-helpers
	@B=$(B) CMD='$(subst ','\'',$(value CMD))' tools/demo

tests/net-helpers: $(HELPER_BIN) $(TESTBPF_OBJ)
	@:
tests/bench-programs: $(HELPER_BIN) $(TESTBPF_OBJ) $(BENCH_BIN)
	@:

test: ## everything: lint, units, lwIP's suites, BPF, corpus replay, network; last line is the count
	@tools/bootstrap test
	+@PROFILE=$(PROFILE) tests/run

test-unit test-lwip test-bpf test-fuzz test-net: test-%: ## one part of the tests
	@tools/bootstrap test
	+@PROFILE=$(PROFILE) tests/run $*

test-kernel: ## load, attach and run on Debian's kernel 6.1 (and a newer one) in qemu
	@tools/bootstrap kernel
	+@$(MAKE) $(JOBS) all tests/net-helpers $(KERNELTEST_BIN)
	@B=$(B) tests/kernel/run

sanitize: ## units, lwIP's suites, BPF, corpus replay, network tests in full: ASan and UBSan
	@tools/bootstrap test
	+@PROFILE=sanitize FULL=1 tests/run unit lwip bpf fuzz net

test-net-full: ## the network tests in full: big transfers, 50,000 connections, real time
	@tools/bootstrap test
	+@PROFILE=$(PROFILE) FULL=1 tests/run net

soak: ## all kinds of load, loss and killed roles for MINUTES=n (30), then all must be as before
	@tools/bootstrap test
	+@$(MAKE) $(JOBS) all tests/net-helpers
	@B=$(B) MINUTES=$(or $(MINUTES),30) tests/soak/run

fuzz: ## fuzz each target for SECONDS=n (60); TARGET=name for one of them
	@tools/bootstrap fuzz
	+@$(MAKE) $(JOBS) PROFILE=fuzz fuzz-programs
	@tests/fuzz/run $(or $(SECONDS),60) $(TARGET)

fuzz-programs: $(FUZZ_BIN) $(FUZZ_CAPTURES)

coverage: ## line coverage of units, BPF tests and corpus replay: build/coverage/html
	@tools/bootstrap test
	@rm -rf build/coverage/raw build/coverage/html
	+@PROFILE=coverage LLVM_PROFILE_FILE=$(CURDIR)/build/coverage/raw/%p-%m%c.profraw \
		tests/run unit bpf fuzz
	@tools/coverage build/coverage

bench: ## benchmarks against peers: BENCH=tcp|udp|rr|crr|mem|start|workers|flows|loss|dns|upstreams|direct|rules
	@tools/bootstrap bench
	+@$(MAKE) $(JOBS) all tests/bench-programs
	@B=$(B) tests/bench/run $(BENCH)

# --- looking after the source -----------------------------------------------------------------
# What the linters look at: everything of ours, tests included.
LINT_C := $(OWN_SRC) $(UNIT_SRC) $(BPFTEST_SRC) $(FUZZ_SRC) $(HELPER_SRC) $(TESTLIB_SRC) \
	$(SUITE_SRC) $(BENCH_SRC) $(CHECKLIST_SRC) $(FUZZLIB_SRC) $(wildcard tests/fuzz/main.c)
FORMAT_FILES = $(LINT_C) $(BPF_SRC) $(TESTBPF_SRC) $(wildcard bpf/*.h userspace/*.h userspace/*/*.h \
	userspace/*/*/*.h userspace/*/*/*/*.h dns/*.h tools/*.h tools/*/*.h tests/*/*.h tests/unit/*/*.h)
TIDY := $(OWN_SRC:%=build/lint/%.tidy)

lint: ## every check of tools/lint, and clang-tidy, cppcheck, shellcheck, mandoc
	@tools/bootstrap test
	+@PROFILE=$(PROFILE) tests/run lint

lint-tidy: $(TIDY)
# A stamp per file, as old as the object: a second run looks only at what changed.
$(TIDY): build/lint/%.tidy: % .clang-tidy $(B)/.flags | $(FOUND) $(if $(BPF_SRC),$(SKEL))
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- -std=gnu17 \
		-Xclang -analyzer-config -Xclang ipa-always-inline-size=8 \
		-include tools/lint/errno.h $(CPPFLAGS_ALL) $(SBINDIR_FLAG) $(LWIP_CPPFLAGS) 2>$@.err \
		|| { cat $@.err; exit 1; }
	$(Q)rm -f $@.err && touch $@
$(foreach s,$(OWN_SRC),$(eval build/lint/$(s).tidy: $(s:%.c=$(B)/%.o)))

# Without the skeleton, whose programs are one string that it takes minutes over.
lint-cppcheck:
	@mkdir -p build/lint/cppcheck
	$(Q)cppcheck -q -j2 --error-exitcode=1 --inline-suppr --std=c11 --platform=unix64 \
		--enable=warning,performance,portability --cppcheck-build-dir=build/lint/cppcheck \
		--suppressions-list=tools/lint/cppcheck.txt \
		$(filter-out -Ibuild/gen,$(CPPFLAGS_ALL)) $(SBINDIR_FLAG) $(OWN_SRC)

format: ## rewrite our C files as .clang-format says
	clang-format -i $(FORMAT_FILES)

format-check: ## do all C files look as .clang-format says?
	@clang-format --dry-run -Werror $(FORMAT_FILES)

list-%: ## print a list of this Makefile, for the scripts: list-OWN_SRC
	@printf '%s\n' $($*)

vmlinux: ## refresh the trimmed vmlinux/vmlinux.h from this kernel's BTF
	vmlinux/refresh

compile_commands.json: force ## for editors and clang tools
	@$(MAKE) -Bnk V=1 all tests 2>/dev/null | awk -v dir='$(CURDIR)' ' \
		BEGIN { print "[" } \
		/\\$$/ { sub(/\\$$/, ""); held = held $$0; next } \
		{ $$0 = held $$0; held = ""; gsub(/[ \t]+/, " ") } \
		/ -MMD / { file = $$0; sub(/.* -c /, "", file); sub(/.* -o [^ ]+ /, "", file); \
			sub(/ .*/, "", file); gsub(/["\\]/, "\\\\&"); \
			printf "%s{\"directory\":\"%s\",\"file\":\"%s\",\"command\":\"%s\"}", \
				sep, dir, file, $$0; sep = ",\n" } \
		END { print "\n]" }' >$@.new && mv $@.new $@

# --- installing -------------------------------------------------------------------------------
MAN := $(wildcard tools/man/*.[1-9])
UNITS := $(wildcard tools/packaging/*.service)
COMPLETION := $(wildcard tools/packaging/headrace.bash)
EXAMPLE := $(wildcard tools/packaging/headrace.yaml tools/packaging/examples/*.yaml)

install: all ## into DESTDIR and PREFIX (/usr/local)
	install -D -m 755 $(B)/headraced $(DESTDIR)$(SBINDIR)/headraced
	install -D -m 755 $(B)/headrace $(DESTDIR)$(BINDIR)/headrace
	$(foreach m,$(MAN),install -D -m 644 $(m) \
		$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)) &&) true
	$(foreach u,$(UNITS),install -D -m 644 $(u) $(DESTDIR)$(UNITDIR)/$(notdir $(u)) &&) true
	$(foreach c,$(COMPLETION),install -D -m 644 $(c) $(DESTDIR)$(COMPLETIONDIR)/headrace &&) true
	$(foreach e,$(EXAMPLE),install -D -m 644 $(e) $(DESTDIR)$(EXAMPLEDIR)/$(notdir $(e)) &&) true

uninstall: ## what install has put there
	rm -f $(DESTDIR)$(SBINDIR)/headraced $(DESTDIR)$(BINDIR)/headrace \
		$(foreach m,$(MAN),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) \
		$(foreach u,$(UNITS),$(DESTDIR)$(UNITDIR)/$(notdir $(u))) \
		$(if $(COMPLETION),$(DESTDIR)$(COMPLETIONDIR)/headrace) \
		$(foreach e,$(EXAMPLE),$(DESTDIR)$(EXAMPLEDIR)/$(notdir $(e)))
	-@rmdir $(DESTDIR)$(EXAMPLEDIR) $(dir $(DESTDIR)$(EXAMPLEDIR)) 2>/dev/null || true

DIST := headrace-$(VERSION)
dist: ## build/headrace-VERSION.tar.xz of the commit, proved by building it
	@mkdir -p build
	git archive --prefix=$(DIST)/ HEAD | xz -c >build/$(DIST).tar.xz
	@rm -rf build/dist && mkdir build/dist && tar -xJf build/$(DIST).tar.xz -C build/dist
	+@$(MAKE) $(JOBS) -C build/dist/$(DIST) LWIP_DIR=$(abspath $(LWIP_DIR)) PROFILE=release all
	@rm -rf build/dist && ls -l build/$(DIST).tar.xz

clean: ## everything made here, but not what tools/bootstrap fetched
	rm -rf build/release build/debug build/sanitize build/coverage build/fuzz build/bpf \
		build/gen build/lint build/dist build/test build/headrace-*.tar.xz $(FOUND) \
		compile_commands.json

help: ## this list
	@echo 'Headrace $(VERSION). Targets (variables: see the head of the Makefile):'
	@sed -nE 's/^([a-z][a-z_. %-]*):[^#=]*## (.*)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F '\t' '{ printf "  %-22s %s\n", $$1, $$2 }'

.PHONY: all tests run test test-unit test-lwip test-bpf test-fuzz test-net test-net-full \
	test-kernel sanitize soak fuzz fuzz-programs coverage bench lint lint-tidy lint-cppcheck \
	format format-check vmlinux install uninstall dist clean help force tests/net-helpers \
	tests/bench-programs

-include $(LIB_OBJ:.o=.d) $(CLIENT_OBJ:.o=.d) $(LWIP_OBJ:.o=.d) $(TESTLIB_OBJ:.o=.d) \
	$(FUZZLIB_OBJ:.o=.d) \
	$(B)/userspace/main.d $(BPF_OBJ:.o=.d) $(addsuffix .d,$(UNIT_BIN) $(BPFTEST_BIN) \
	$(FUZZ_BIN) $(HELPER_BIN) $(BENCH_BIN) $(CHECKLIST_BIN))
