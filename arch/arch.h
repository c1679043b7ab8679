// SPDX-License-Identifier: MIT
// The whole contract between generic code and a CPU. Every architecture provides these names: functions here, inline
// parts in its own <arch_inline.h> (found through the include path: arch/riscv, arch/x86_64, test/host/arch), which
// this file includes at its end so that a missing one does not compile. PTE format: <pte.h> beside it.
#pragma once

#include <abi/abi.h>
#include <lib/base/types.h>

struct hart;
struct arch_context; // the registers of a thread, defined in arch_inline.h
struct arch_hart;    // what the trap entry keeps of a hart, likewise; first in struct hart

// ---- memory map (constants or variables, defined in arch_inline.h)
// ARCH_MEM_MAP         struct page *: the struct page array, indexed by pfn
// ARCH_LEVELS_MAX      most page-table levels
// arch_levels          page-table levels in use, set at boot
// arch_user_end        first address above the user half
// arch_p2v(pa)         direct map; arch_v2p(ptr) the way back

// ---- mmu (mmu.c)
// Value for the root register: table address, ASID and mode in one word. Never 0.
u64 arch_root_value(paddr_t table, u64 asid);
// Number of ASID bits the CPU has (0 is a normal value).
u32 arch_asid_bits(void);
// arch_root_switch(u64 root)     inline: use this root from now on, without translations of another address space
// arch_root_write(u64 root)      inline: the same where arch_root_needs_fence() is false: the register write is all
// there is to do arch_flush_page(va, asid)      inline: drop one translation on this hart; asid as given to
// arch_root_value arch_flush_asid(asid)          inline: drop all user translations of an address space
void arch_flush_all(void); // everything, kernel included
// Physical address of the kernel's root table, whose kernel half every address space copies.
paddr_t arch_kernel_root(void);

// ---- pages: clear and copy 4 KiB through the direct map
void arch_page_clear(void *page);
void arch_page_copy(void *dst, const void *src);

// ---- context (context.c, arch_inline.h)
// A context that starts at pc with sp and one argument (in R_CAP), the thread pointer as it was, everything else zero,
// user mode, interrupts on.
void arch_context_init(struct arch_context *ctx, vaddr_t pc, vaddr_t sp, u64 arg);
// Copy all user-visible state, FP included (fork). The source's FP state must be in memory (fp_evict).
void arch_context_copy(struct arch_context *dst, const struct arch_context *src);
// Export to and import from the argument page: pc, general, FP registers; returns words. Import keeps privileged bits.
u64 arch_context_export(const struct arch_context *ctx, u64 *words);
void arch_context_import(struct arch_context *ctx, const u64 *words);
void arch_context_set_tls(struct arch_context *ctx, u64 tls);
// ctx_arg(ctx, i), ctx_set_result(ctx, i, v), ctx_set_status(ctx, s), ctx_pc(ctx), ctx_sp(ctx), ctx_reg(ctx, R_x),
// ctx_set_reg: inline.

// ---- lazy FP: the unit belongs to one thread per hart; others run with it off and trap on first use
void arch_fp_save(struct arch_context *ctx);    // unit -> memory
void arch_fp_restore(struct arch_context *ctx); // memory -> unit
// arch_fp_enable(ctx, bool)  inline: whether this thread runs with the unit on

// ---- going to user mode
_Noreturn void arch_return_to_user(struct arch_context *ctx); // full restore
// arch_hart()           inline: this hart's record
// arch_fast_return(...) inline, see kernel/fastpath.c

// ---- time
// arch_time()           inline: ticks of the free-running counter (the user's clock too)
// arch_cycles()         inline: cycle counter (trace time stamps; under -icount guest instructions)
u64 arch_timer_hz(void);
void arch_timer_set(u64 tick);   // interrupt at this tick (~0: never)
void arch_timer_early(u64 tick); // the tick last set is not there yet: if the timer interrupts all the same, it stops

// ---- interrupts: traps call up through the entries declared in kernel's trap.h
u32 arch_irq_claim(void); // number of the pending device interrupt, 0 none
void arch_irq_complete(u32 irq);
void arch_irq_enable(u32 irq, bool on);
u32 arch_irq_max(void);

// ---- harts
void arch_ipi(u64 hart_mask); // makes those harts enter the kernel
void arch_idle(void);         // wait for an interrupt with interrupts on at the wait only; returns with them off
// arch_relax() inline: in loops that wait for another hart or the host
// arch_spin_lock(u32 *), arch_spin_unlock(u32 *) inline: test and set; the lock orders what precedes it too

// ---- I/O ports (device IN and OUT); on a CPU without any no device says that it has them
// arch_port_in(port, width), arch_port_out(port, width, value)  inline; width 1, 2 or 4

// ---- text before the kernel can format any (kernel/boot/early.c), for the ports
void early_print(const char *text);
void early_print_hex(const char *name, u64 value); // name, 16 digits
_Noreturn void early_fatal(const char *text);      // "jjok: text", power off with status 1

// ---- console of last resort and power
void arch_putc(char c);
_Noreturn void arch_poweroff(u32 status);
// Frames of the call stack above fp, for the panic backtrace: returns how many.
u32 arch_backtrace(u64 fp, u64 *pcs, u32 max);

#include <arch_inline.h>
