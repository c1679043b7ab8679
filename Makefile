# SPDX-License-Identifier: MIT
# Every entry point of Jjok. `make help` lists them; docs/build.md tells how to add a file, a server, a program, a test.
ARCHS := $(basename $(notdir $(wildcard tools/build/*.mk)))
MODE ?=
# MODE=la48 or la57 also says which architecture. Tests and the bench cover all of them unless one is named.
MODE_ARCH := $(if $(MODE),$(if $(filter la%,$(MODE)),x86_64,riscv64))
COVERED := $(if $(filter undefined,$(origin ARCH)),$(or $(MODE_ARCH),$(ARCHS)),$(ARCH))
ARCH ?= $(or $(MODE_ARCH),riscv64)
MEM ?= 128M
SWAP ?=
SMP ?= 1
ROOT ?=
BUILD ?= build

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-builtin-variables
ifeq ($(filter -j%,$(MAKEFLAGS))$(filter-out 0,$(MAKELEVEL)),)
MAKEFLAGS += -j$(shell nproc)
endif
ifeq ($(filter $(ARCH),$(ARCHS)),)
$(error ARCH=$(ARCH) is not there; there is: $(ARCHS))
endif

OUT := $(BUILD)/$(ARCH)
GEN := $(OUT)/gen
THIRD_PARTY := build/third_party
include tools/build/$(ARCH).mk

# ---- set-up: an included file that make itself brings up to date (then it starts over), so that any goal works on a bare machine
SETUP_DEPS := tools/setup/packages.txt tools/setup/pins.txt $(wildcard tools/setup/$(ARCH).sh /var/lib/dpkg/status)
build/setup/%.stamp: $(SETUP_DEPS)
	@tools/setup/setup.sh $* </dev/null
	@touch $@
ifeq ($(filter help clean,$(MAKECMDGOALS)),)
include build/setup/base.stamp build/setup/$(ARCH).stamp
endif

# ---- what to build: each folder says it in its files.mk
KERNEL_SRCS :=
SERVER_LIB_SRCS :=
RT_SRCS :=
SERVERS :=
PROGRAMS :=
GUEST_FILES :=
HOST_TESTS :=
# The guest's tests and benches: built for `make test` and `make bench`, and when a run names one.
TEST_SERVERS :=
TEST_PROGRAMS :=
TEST_FILES :=
include $(sort $(wildcard $(ARCH_DIR)/files.mk kernel/files.mk kernel/*/files.mk mm/files.mk lib/*/files.mk user/files.mk user/*/files.mk \
	user/*/*/files.mk))
include $(sort $(wildcard test/*/files.mk test/host/*/files.mk))

# ---- flags
CC := $(CROSS)gcc
WARN := -Wall -Wextra -Werror
CFLAGS := -std=gnu11 -O2 -g $(WARN) -fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections
DEPFLAGS = -MMD -MP -MF $(@:.o=.d)
FREESTANDING := -ffreestanding -fno-stack-protector -fno-builtin-printf
KERNEL_CFLAGS := $(KERNEL_ARCH_CFLAGS) $(CFLAGS) $(FREESTANDING) -fno-omit-frame-pointer -I. -I$(GEN) -I$(ARCH_DIR) -Ilib
USER_INCLUDES := -I. -I$(GEN) -Ilib -Iuser -Iuser/rt/arch/$(ARCH)
SERVER_CFLAGS := $(SERVER_ARCH_CFLAGS) $(CFLAGS) $(FREESTANDING) $(USER_INCLUDES)
PROGRAM_INCLUDES := -Iuser/rt/include $(USER_INCLUDES)
PROGRAM_CFLAGS := $(PROGRAM_ARCH_CFLAGS) $(CFLAGS) $(PROGRAM_INCLUDES)
LINK := -nostartfiles -static -Wl,--gc-sections -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--build-id=none

objects = $(addprefix $(OUT)/$(1)/,$(addsuffix .o,$(basename $(2))))
# Neither starts a process: there are hundreds of objects, and a cold build is to be short.
tab := $(subst x,,x	x)
say = $(info $(tab)$(1)$(tab)$(patsubst $(BUILD)/%,%,$(2)))
folder = $(if $(wildcard $(@D)/.),,$(shell mkdir -p $(@D)))

# A run that names a test or a bench needs those too.
NAMED := $(if $(or $(findstring /test/,$(PROG)),$(findstring bench,$(PROG)),$(findstring manifest=,$(APPEND))),guest-tests)
.PHONY: all guest-tests others buildtime run demo test soak bench trace debug check format help clean
all: $(OUT)/kernel.elf $(OUT)/archive.list
guest-tests: all $(OUT)/archive-test.list
others: | guest-tests
	+@for arch in $(filter-out $(ARCH),$(COVERED)); do $(MAKE) --no-print-directory ARCH=$$arch guest-tests || exit 1; done

# ---- ABI: generated before anything is compiled; -MMD tells who uses which header
IDL := $(sort $(wildcard lib/abi/*.idl))
$(GEN)/.stamp: $(IDL) tools/idlc.py $(wildcard tools/idl/*.py)
	$(call say,ABI,$(GEN)/abi)
	@mkdir -p $(GEN)
	@python3 tools/idlc.py --out $(GEN) $(IDL)
	@touch $@
$(GEN)/abi/%: $(GEN)/.stamp ;
# Offsets of struct members for .S files: offsets.c holds lines DEFINE(NAME, value), which the compiler turns into numbers.
$(GEN)/offsets.h: $(ARCH_DIR)/offsets.c $(OUT)/kernel.flags | $(GEN)/.stamp
	$(call say,OFFSETS,$@)
	@$(CC) $(KERNEL_CFLAGS) -MMD -MP -MT $@ -MF $(@:.h=.d) -S -o $(@:.h=.s) $<
	@sed -n 's/.*\.ascii "->\([A-Z0-9_]*\) \(-\{0,1\}[0-9]*\)".*/#define \1 \2/p' $(@:.h=.s) >$@

# ---- objects: the same source may be compiled for the kernel, for servers and for programs. CFLAGS_<source> adds flags to one file
# The flags are kept in a file that changes when they do: it, not the Makefile, is what objects depend on.
$(if $(wildcard $(OUT)),,$(shell mkdir -p $(OUT)))
flags_keep = $(if $(filter-out $(2),$(file <$(1)))$(filter-out $(file <$(1)),$(2)),$(file >$(1),$(2)))
define compile_rules # 1: name of the world, 2: its flags, 3: what its .S files need first
$(call flags_keep,$(OUT)/$(1).flags,$(2))
$(OUT)/$(1)/%.o: %.c $(OUT)/$(1).flags | $(GEN)/.stamp
	$$(call say,CC,$$@)$$(folder)@$(CC) $(2) $$(CFLAGS_$$<) $$(DEPFLAGS) -fstack-usage -c -o $$@ $$<
$(OUT)/$(1)/%.o: %.S $(OUT)/$(1).flags | $(GEN)/.stamp $(3)
	$$(call say,AS,$$@)$$(folder)@$(CC) $(2) $$(CFLAGS_$$<) $$(DEPFLAGS) -D__ASSEMBLER__ -c -o $$@ $$<
endef
$(eval $(call compile_rules,kernel,$(KERNEL_CFLAGS),$(GEN)/offsets.h))
$(eval $(call compile_rules,server,$(SERVER_CFLAGS)))
$(eval $(call compile_rules,program,$(PROGRAM_CFLAGS)))

# ---- kernel. The functions fastpath_* use no more stack than FASTPATH_STACK (arch/*/files.mk; none where sp is still the user's)
KERNEL_OBJS := $(call objects,kernel,$(KERNEL_SRCS))
FAST_OBJS := $(filter $(OUT)/kernel/kernel/fast%.o,$(KERNEL_OBJS))
$(OUT)/kernel.elf: $(KERNEL_OBJS) $(KERNEL_LDSCRIPT) $(FAST_OBJS:.o=.ok)
	$(call say,LD,$@)
	@$(CC) $(KERNEL_CFLAGS) $(LINK) -nostdlib -T $(KERNEL_LDSCRIPT) -Wl,-Map=$(@:.elf=.map) -o $@ $(KERNEL_OBJS) -lgcc
$(FAST_OBJS:.o=.ok): %.ok: %.o tools/build/check-frames.awk
	@awk -v most=$(or $(FASTPATH_STACK),0) -f tools/build/check-frames.awk $*.su
	@touch $@
$(FAST_OBJS): $(ARCH_DIR)/files.mk

# ---- servers: freestanding, no FP, no picolibc
SERVER_LIB := $(OUT)/server/libserver.a
$(SERVER_LIB): $(call objects,server,$(SERVER_LIB_SRCS))
define server_rules # 1: name
$(OUT)/server/$(1).elf: $(call objects,server,$($(1)_SRCS) $(SERVER_CRT0)) $(SERVER_LIB) $(or $($(1)_LDSCRIPT),$(SERVER_LDSCRIPT))
	$$(call say,LD,$$@)
	@$(CC) $(SERVER_CFLAGS) $(LINK) -nostdlib -T $(or $($(1)_LDSCRIPT),$(SERVER_LDSCRIPT)) -o $$@ $$(filter %.o,$$^) $(SERVER_LIB) -lgcc
endef
$(foreach s,$(SERVERS) $(TEST_SERVERS),$(eval $(call server_rules,$(s))))

# ---- programs: picolibc and user/rt. tools/jjok cc links a user's program in the same way
RT_LIB := $(OUT)/user/rt/librt.a
RT_CRT0 := $(OUT)/user/rt/crt0.o
PROGRAM_LINK := -nodefaultlibs -T $(PROGRAM_LDSCRIPT)
PROGRAM_LIBS := $(PROGRAM_ARCH_LIBS) -Wl,--start-group $(RT_LIB) -lc -lm -lgcc -Wl,--end-group
$(RT_LIB): $(call objects,program,$(RT_SRCS))
$(RT_CRT0): $(call objects,program,$(RT_CRT0_SRC))
	@mkdir -p $(@D) && cp $< $@
define program_rules # 1: name
$(OUT)/program/$(1).elf: $(RT_CRT0) $(call objects,program,$($(1)_SRCS)) $(RT_LIB) $(PROGRAM_LDSCRIPT)
	$$(call say,LD,$$@)
	@$(CC) $(PROGRAM_CFLAGS) $(LINK) $(PROGRAM_LINK) -o $$@ $$(filter %.o,$$^) $(PROGRAM_LIBS)
endef
$(foreach p,$(PROGRAMS) $(TEST_PROGRAMS),$(eval $(call program_rules,$(p))))
$(OUT)/cc.flags: Makefile tools/build/$(ARCH).mk $(wildcard user/rt/files.mk)
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(PROGRAM_ARCH_CFLAGS) -O2 -g $(PROGRAM_INCLUDES)' '$(LINK) $(PROGRAM_LINK) $(RT_CRT0)' '$(PROGRAM_LIBS)' >$@

%.a:
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@ && $(CROSS)ar rcs $@ $^
%.bin: %.elf
	@$(CROSS)objcopy -O binary $< $@
%.stripped: %.elf
	@$(CROSS)strip -o $@ $<

# ---- the guest's files: one line each, "guest path, host path"; tools/mkarchive.py packs them when the machine is started
FLAT := $(foreach s,$(SERVERS),$(if $($(s)_FLAT),$(s)))
guest_path = $(or $($(1)_DEST),$(2)/$(1))
guest_servers = $(foreach s,$(1),$(OUT)/server/$(s).$(if $($(s)_FLAT),bin,stripped):$(call guest_path,$(s),/sbin))
guest_programs = $(foreach p,$(1),$(OUT)/program/$(p).stripped:$(call guest_path,$(p),/bin))
ARCHIVE := $(call guest_servers,$(FLAT) $(filter-out $(FLAT),$(SERVERS))) $(call guest_programs,$(PROGRAMS)) $(GUEST_FILES)
TEST_ARCHIVE := $(call guest_servers,$(TEST_SERVERS)) $(call guest_programs,$(TEST_PROGRAMS)) $(TEST_FILES)
host_paths = $(foreach f,$(1),$(firstword $(subst :, ,$(f))))
.PHONY: archive.force
define archive_rules # 1: file, 2: what is in it
$(1): archive.force $(call host_paths,$(2))
	@mkdir -p $$(@D)
	@printf '%s\n' $(2) >$$@.new
	@if cmp -s $$@.new $$@; then rm $$@.new; else mv $$@.new $$@; fi
endef
$(eval $(call archive_rules,$(OUT)/archive.list,$(ARCHIVE)))
$(eval $(call archive_rules,$(OUT)/archive-test.list,$(TEST_ARCHIVE)))
$(OUT)/archive.list: $(RT_LIB) $(RT_CRT0) $(OUT)/cc.flags

# ---- host tests: <name>_test_SRCS, compiled with the host's gcc and sanitizers
HOST_CFLAGS := -std=gnu11 -O1 -g $(WARN) -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all \
	-Itest/host -I. -I$(GEN) -Ilib -Iuser
define host_rules # 1: name
$(BUILD)/host/$(1)/%.o: %.c | $(GEN)/.stamp build/setup/test.stamp
	$$(call say,HOSTCC,$$@)
	@mkdir -p $$(@D)
	@gcc $$($(1)_test_CFLAGS) $(HOST_CFLAGS) $$(DEPFLAGS) -c -o $$@ $$<
$(BUILD)/host/$(1).test: $$(addprefix $(BUILD)/host/$(1)/,$$(addsuffix .o,$$(basename $$($(1)_test_SRCS))))
	$$(call say,HOSTLD,$$@)
	@gcc -fsanitize=address,undefined -o $$@ $$^ $$($(1)_test_LIBS)
endef
$(foreach t,$(HOST_TESTS),$(eval $(call host_rules,$(t))))
HOST_BINS := $(foreach t,$(HOST_TESTS),$(BUILD)/host/$(t).test)

# ---- entry points
export ARCH MODE MEM SWAP SMP ROOT BUILD APPEND PROG
override APPEND := $(value APPEND)
override PROG := $(value PROG)
run: all $(NAMED)
	@tools/jjok run
demo: all
	@tools/jjok demo
trace: all $(NAMED)
	@tools/jjok trace
bench: guest-tests others
	@bad=0; for arch in $(COVERED); do ARCH=$$arch tools/jjok bench || bad=1; done; exit $$bad
debug: all $(NAMED) build/setup/debug.stamp
	@tools/jjok debug
test: guest-tests others $(HOST_BINS) build/setup/test.stamp
	@tools/test.py --archs '$(COVERED)' $(if $(TESTS),--only '$(TESTS)') $(HOST_BINS)
soak: guest-tests others build/setup/test.stamp
	@tools/test.py --soak --archs '$(COVERED)' $(if $(TESTS),--only '$(TESTS)')
check: $(GEN)/.stamp $(HOST_BINS) build/setup/test.stamp
	@bad=0; tools/lint.py || bad=1; python3 tools/idlc.py --check $(IDL) || bad=1; \
		tools/test.py --quick $(HOST_BINS) || bad=1; exit $$bad
# How long a cold build of our own code takes: third-party sources are compiled before the clock starts.
buildtime: build/setup/$(ARCH).stamp
	@tools/build/time.sh $(ARCH)
format: build/setup/test.stamp
	@tools/lint.py --format
clean:
	rm -rf $(OUT) $(BUILD)/host
help:
	@sed -n '/^make run/,/^```/{/^```/!p}' docs/build.md

.PHONY: print-third-party
print-third-party:
	@printf '%s\n' $(filter %.o,$(foreach o,$(OBJECTS),$(if $(findstring third_party,$(o)),$(o))))

OBJECTS := $(KERNEL_OBJS) $(foreach s,$(SERVERS) $(TEST_SERVERS),$(call objects,server,$($(s)_SRCS))) $(call objects,server,$(SERVER_LIB_SRCS) \
	$(SERVER_CRT0)) $(foreach p,$(PROGRAMS) $(TEST_PROGRAMS),$(call objects,program,$($(p)_SRCS))) $(call objects,program,$(RT_SRCS) $(RT_CRT0_SRC)) \
	$(foreach t,$(HOST_TESTS),$(addprefix $(BUILD)/host/$(t)/,$(addsuffix .o,$(basename $($(t)_test_SRCS)))))
-include $(OBJECTS:.o=.d) $(GEN)/offsets.d
