# SPDX-License-Identifier: MIT
# The RISC-V port.
KERNEL_LDSCRIPT := $(ARCH_DIR)/kernel.ld
KERNEL_SRCS += $(addprefix $(ARCH_DIR)/,head.S boot_tables.c boot.c machine.c mmu.c timer.c irq.c console.c power.c smp.c context.c fp.S page.S \
	backtrace.c trap.S cause.c)
# boot_tables.c runs before paging: a jump table would hold addresses that are not mapped yet.
CFLAGS_$(ARCH_DIR)/boot_tables.c := -fno-jump-tables
# Hot while tracing: no frame pointer to keep.
CFLAGS_kernel/trace.c := -fomit-frame-pointer
# The fast paths: what trap.S leaves in these registers stays there; callee-saved ones are stored already, so they are free.
FASTPATH_FREE := -fomit-frame-pointer $(foreach n,1 2 3 4 5 6 7 8 9 10 11,-fcall-used-s$(n)) -ffixed-s0
CFLAGS_kernel/fastpath.c := $(FASTPATH_FREE) $(foreach r,a2 a3 a4 a5 a6 t0 t1 t2 t3 t5,-ffixed-$(r))
CFLAGS_kernel/fastnotify.c := $(FASTPATH_FREE) -ffixed-t3 -ffixed-t5
# Without -fno-gcse more constants live at once than there are registers.
CFLAGS_kernel/fastfault.c := $(FASTPATH_FREE) -ffixed-t0 -ffixed-t3 -ffixed-t5 -fno-gcse
