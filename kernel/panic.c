// SPDX-License-Identifier: MIT
// A broken invariant: say what, where, who ran, the way here and what happened last; then power off with status 127.
#include <lib/base/panic.h>

#include <abi/abi_names.h>
#include <kernel/log.h>
#include <kernel/thread.h>
#include <kernel/trace.h>
#include <lib/base/fmt.h>

#include <stdarg.h>

#define PANIC_STATUS 127

static void show_event(const struct trace_event *e)
{
	log_line("  %12lu %-14s thread %x flow %lx: %lx %lx %lx", e->time, event_name(e->id), e->thread, e->flow, e->a,
		 e->b, e->c);
}

static void show_backtrace(void)
{
	u64 pcs[16];
	u32 n = arch_backtrace((u64)__builtin_frame_address(0), pcs, ARRAY_SIZE(pcs));
	for (u32 i = 0; i < n; i++)
		log_line("  #%u %lx", i, pcs[i]);
}

_Noreturn void panic(const char *fmt, ...)
{
	static bool again;
	char text[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line("\nkernel panic: %s", text);
	if (!again) {
		again = true;
		const struct thread *t = arch_hart()->cur;
		if (t)
			log_line("thread %s (%x), pc %lx, system call or entry %x", t->name, object_id(t),
				 ctx_pc(&t->ctx), arch_hart()->entered_nr);
		show_backtrace();
		trace_tail(16, show_event);
		trace_stop();
	}
	log_line("jjok: power off, status %u", PANIC_STATUS);
	arch_poweroff(PANIC_STATUS);
}
