# SPDX-License-Identifier: MIT
# The x86_64 port.
KERNEL_LDSCRIPT := $(ARCH_DIR)/kernel.ld
KERNEL_SRCS += $(addprefix $(ARCH_DIR)/,head.S boot_tables.c boot.c machine.c mmu.c timer.c irq.c console.c power.c smp.c context.c fp.S page.S \
	backtrace.c trap.S cause.c)
ARCH_FDT_SRCS := fdt_sw.c
# Hot while tracing: no frame pointer to keep.
CFLAGS_kernel/trace.c := -fomit-frame-pointer
# The fast paths: every register that a message needs is in the context already, so they may use all of them but these, and the stack.
FASTPATH_FREE := -fomit-frame-pointer $(foreach r,rbx r12 r13,-ffixed-$(r)) -fcall-used-r14 -fcall-used-r15
FASTPATH_STACK := 128
CFLAGS_kernel/fastpath.c := $(FASTPATH_FREE)
CFLAGS_kernel/fastnotify.c := $(FASTPATH_FREE)
CFLAGS_kernel/fastfault.c := $(FASTPATH_FREE) -ffixed-r15
