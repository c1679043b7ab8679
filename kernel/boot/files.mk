# SPDX-License-Identifier: MIT
# The boot steps, and libfdt, which reads the device tree; it asks for headers of the C library, of which boot/libc has what it uses.
FDT := $(THIRD_PARTY)/libfdt
FDT_SRCS := $(addprefix $(FDT)/,fdt.c fdt_ro.c fdt_addresses.c $(ARCH_FDT_SRCS))
KERNEL_SRCS += $(addprefix kernel/boot/,early.c ranges.c devtree.c cmdline.c map.c memory.c init_image.c) $(FDT_SRCS)
FDT_CFLAGS := -I$(FDT) -Ikernel/boot/libc
CFLAGS_kernel/boot/devtree.c := $(FDT_CFLAGS)
CFLAGS_$(ARCH_DIR)/machine.c := $(FDT_CFLAGS)
$(foreach f,$(FDT_SRCS),$(eval CFLAGS_$(f) := $(FDT_CFLAGS) -Wno-sign-compare))
