# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Headrace: one non-recursive Makefile, everything it makes lies in build/.
#   make V=1           show commands          PROFILE=release|debug|sanitize

PROFILE ?= release
V ?= 0
B := build/$(PROFILE)
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
LWIP_DIR ?= build/lwip

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions

ifeq ($(V),1)
Q :=
say =
else
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
endif

VERSION := 0.1.0
WARN := -Wall -Wextra -Wpointer-arith -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-unused-parameter
HARDEN := -fstack-protector-strong -fPIE
PROFILE_release := -O2 -g -D_FORTIFY_SOURCE=2
PROFILE_debug := -O0 -g
PROFILE_sanitize := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
CFLAGS_ALL = -std=gnu17 $(WARN) $(HARDEN) $(PROFILE_$(PROFILE)) -D_GNU_SOURCE \
	-DHEADRACE_VERSION='"$(VERSION)"' -DHEADRACE_SBINDIR='"$(SBINDIR)"' \
	-I. -Iuserspace -I$(B)/gen -MMD -MP $(CFLAGS)
LDFLAGS_ALL = -pie -Wl,-z,relro,-z,now $(if $(filter sanitize,$(PROFILE)),-fsanitize=address,undefined) $(LDFLAGS)
pkg = $(shell $(PKG_CONFIG) $(1))

DAEMON_PKGS := libbpf libcares libmnl jansson libseccomp libcap-ng
CLIENT_PKGS := jansson

# --- sources ------------------------------------------------------------------------------
BPF_SRC := $(wildcard bpf/*.bpf.c)
LIB_SRC := $(wildcard userspace/*/*.c dns/*.c)
CLIENT_SRC := $(wildcard tools/*.c)
LWIP_SRC := $(addprefix $(LWIP_DIR)/src/core/,def.c inet_chksum.c init.c ip.c mem.c memp.c netif.c \
	pbuf.c stats.c tcp.c tcp_in.c tcp_out.c timeouts.c udp.c \
	ipv4/icmp.c ipv4/ip4.c ipv4/ip4_addr.c ipv4/ip4_frag.c \
	ipv6/icmp6.c ipv6/ip6.c ipv6/ip6_addr.c ipv6/ip6_frag.c ipv6/nd6.c)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
LWIP_OBJ := $(LWIP_SRC:$(LWIP_DIR)/%.c=$(B)/lwip/%.o)
CLIENT_OBJ := $(CLIENT_SRC:%.c=$(B)/%.o)
BASE_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard userspace/base/*.c))
BPF_OBJ := $(BPF_SRC:%.c=build/%.o)
SKEL := $(B)/gen/headrace.skel.h

all: $(B)/headraced $(B)/headrace

# --- BPF ----------------------------------------------------------------------------------
build/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) vmlinux/vmlinux.h
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -I. -Ivmlinux -c $< -o $@

build/bpf/headrace.o: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(SKEL): build/bpf/headrace.o
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name headrace > $@.tmp && mv $@.tmp $@

# --- C ------------------------------------------------------------------------------------
# Only datapath/ sees the skeleton, only stack/, worker/ and lwIP itself see lwIP.
$(B)/userspace/datapath/%.o: | $(SKEL)
LWIP_CPPFLAGS := -Iuserspace/stack/lwip -I$(LWIP_DIR)/src/include
$(B)/userspace/stack/%.o $(B)/userspace/worker/%.o: CFLAGS += $(LWIP_CPPFLAGS)
$(B)/lwip/%.o: CFLAGS += $(LWIP_CPPFLAGS) -w

$(B)/lwip/%.o: $(LWIP_DIR)/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@

$(B)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -c $< -o $@

$(B)/libheadrace.a: $(LIB_OBJ) $(LWIP_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/headraced: $(B)/userspace/main.o $(B)/libheadrace.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkg,--libs $(DAEMON_PKGS))

$(B)/headrace: $(CLIENT_OBJ) $(BASE_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(call pkg,--libs $(CLIENT_PKGS))

# --- tests: tests/unit/x/test_y.c and tests/bpf/test_y.c, one program each ------------------
TEST_SRC := $(wildcard tests/unit/*/test_*.c tests/bpf/test_*.c)
TEST_BIN := $(TEST_SRC:%.c=$(B)/%)
$(TEST_BIN): CFLAGS += $(LWIP_CPPFLAGS)
$(B)/tests/bpf/%: | $(SKEL)
$(B)/tests/%: tests/%.c $(B)/libheadrace.a
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(B)/libheadrace.a \
		$(call pkg,--libs $(DAEMON_PKGS) cmocka) $(if $(wildcard $(<:.c=.h)),)

test-unit: $(TEST_BIN)
	@for t in $^; do echo "== $$t"; $$t || exit 1; done

clean:
	rm -rf build/release build/debug build/sanitize build/bpf

.PHONY: all clean test-unit
-include $(shell find $(B) -name '*.d' 2>/dev/null)
