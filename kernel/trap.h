// SPDX-License-Identifier: MIT
// The entries through which arch/ calls up, all on the hart's stack with interrupts off and the kernel lock not held.
#pragma once

#include <kernel/thread.h>

// What hart->entered_nr says when the entry was not a system call.
#define ENTRY_INTERRUPT 0x100
#define ENTRY_FAULT     0x101
#define ENTRY_EXCEPTION 0x102

_Noreturn void trap_syscall(struct thread *t);                         // all registers in the context
_Noreturn void trap_fault(struct thread *t, u64 access, vaddr_t addr); // a page fault that the fast path declined
_Noreturn void trap_interrupt(struct thread *t);                       // timer, device or other hart
_Noreturn void trap_exception(struct thread *t, u32 exc, u64 value);   // EXC_*
_Noreturn void trap_fp(struct thread *t);                              // first use of the FP unit
void fastpath_call(u64 index, u64 label);
void fastpath_reply_recv(u64 index, u64 label);
void fastpath_reply(u64 index, u64 label);
void fastpath_reply_map_recv(u64 index, u64 flags, u64 pool, frame_t frame, frame_t source, u64 word0, u64 word1);
void fastpath_fault(struct thread *t, u64 access, vaddr_t addr);

// irq.c
void irq_service(void); // whatever is pending: deadlines, time slice, device interrupts
struct notification;
err_t irq_bind(u32 irq, struct notification *n, u64 bits) must_check;
void irq_unbind(struct notification *n);
err_t irq_ack(u32 irq) must_check;
