# The kernel proper. fastpath.c, fastfault.c and fastnotify.c: registers of the message stay fixed (arch/*/files.mk), no stack frame (the build checks).
KERNEL_SRCS += kernel/main.c kernel/cap.c kernel/check.c kernel/fastfault.c kernel/fastnotify.c kernel/fastpath.c kernel/fault.c kernel/fp.c kernel/ipc.c \
	kernel/irq.c kernel/log.c kernel/object.c kernel/panic.c kernel/queue.c kernel/sched.c kernel/sys_aspace.c kernel/sys_cap.c \
	kernel/sys_frame.c kernel/sys_system.c kernel/sys_thread.c kernel/syscall.c kernel/thread.c kernel/timer.c kernel/trace.c
