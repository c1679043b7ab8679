// SPDX-License-Identifier: MIT
// System calls on devices and on the machine: looking, tracing, power.
#include <kernel/check.h>
#include <kernel/device.h>
#include <kernel/log.h>
#include <kernel/object.h>
#include <kernel/syscall.h>
#include <kernel/trace.h>
#include <kernel/trap.h>
#include <mm/buddy.h>
#include <mm/frame.h>

#define RESET_STEP 700 // frames that one call looks at

err_t device_reset(struct device *dev)
{
	u32 dropped = dev->pins ? frame_unpin_device(&dev->reset_at, dev->number, RESET_STEP) : 0;
	dev->pins -= dropped;
	device_pins -= dropped;
	if (dropped)
		graveyard_wake();
	return dev->pins ? -ERR_AGAIN : 0;
}

static err_t device_map(struct thread *self, const struct device *dev, u64 aspace, vaddr_t va, u64 offset, u64 pages)
{
	struct cap *as;
	err_t err = ARG_CAP(self, aspace, ASPACE, MODIFY, &as);
	paddr_t first = ALIGN_DOWN(dev->base, PAGE_SIZE);
	u64 size = ALIGN_UP(dev->base - first + dev->size, PAGE_SIZE) >> PAGE_SHIFT;
	if (err)
		return err;
	if (dev->ports || !pages || offset >= size || pages > size - offset || pages > BATCH)
		return -ERR_INVAL;
	return aspace_map_device(as->obj, cap_window(as), va, first + (offset << PAGE_SHIFT), pages);
}

static err_t device_port(const struct device *dev, u64 op, u64 offset, u64 width, u64 value, u64 *out)
{
	if (!dev->ports || (width != 1 && width != 2 && width != 4))
		return -ERR_INVAL;
	if (offset >= dev->size || width > dev->size - offset)
		return -ERR_INVAL;
	if (op == DEV_IN)
		out[0] = arch_port_in(dev->base + offset, width);
	else
		arch_port_out(dev->base + offset, width, value);
	return 0;
}

static err_t device_bind(struct thread *self, const struct device *dev, u64 notification, u64 bits)
{
	struct cap *n;
	err_t err = ARG_CAP(self, notification, NOTIFICATION, NOTIFY, &n);
	return err ? err : irq_bind(dev->irq, n->obj, bits);
}

err_t sys_device(struct thread *self, struct cap *cap, u64 op, u64 a, u64 b, u64 c, u64 d, u64 *out)
{
	struct device *dev = cap->obj;
	switch (op) {
	case DEV_MAP:
		return device_map(self, dev, a, b, c, d);
	case DEV_IRQ_BIND:
		return device_bind(self, dev, a, b);
	case DEV_IRQ_ACK:
		return irq_ack(dev->irq);
	case DEV_RESET:
		return device_reset(dev);
	case DEV_STAT:
		out[0] = dev->base;
		out[1] = dev->size;
		out[2] = dev->irq | (u64)dev->ports << 32;
		out[3] = dev->pins;
		return 0;
	case DEV_IN:
	case DEV_OUT:
		return device_port(dev, op, a, b, c, out);
	}
	return -ERR_INVAL;
}

// Among some threads, from `first` on (0: all of them); *next: where to go on, 0: those were the last.
static err_t open_calls(u64 first, u64 *count, u64 *next)
{
	struct thread *t = first ? object_find(first, TYPE_THREAD) : thread_behind(&thread_list);
	if (!t || t->obj.step)
		return -ERR_NOENT;
	for (u32 i = 0; t && i < 4 * WALK_STEP; i++, t = thread_behind(&t->node))
		*count += t->state == THREAD_WAIT_REPLY;
	*next = t ? object_id(t) : 0;
	return 0;
}

static u64 free_frames(void)
{
	u64 n = 0;
	for (u32 i = 0; i < zones; i++)
		n += zone[i].free_frames;
	return n;
}

// Those that were answered, and those that needed no answer.
static u64 faults_taken(const struct hart *h)
{
	u64 n = h->faults_spurious;
	for (u32 i = 0; i < ARRAY_SIZE(h->fault_calls); i++)
		n += h->fault_calls[i];
	return n;
}

static err_t system_stat(u64 index, u64 b, u64 *out)
{
	struct hart *h = arch_hart();
	if (index == SYSSTAT_OPEN_CALLS)
		return open_calls(b, &out[0], &out[1]);
	const u64 value[] = {
		[SYSSTAT_FRAMES] = mem.frames,
		[SYSSTAT_FREE] = free_frames(),
		[SYSSTAT_IRQ_OFF_MAX] = h->irq_off_max,
		[SYSSTAT_IRQ_OFF_NR] = h->irq_off_nr,
		[SYSSTAT_PAGE_BYTES] = sizeof(struct page),
		[SYSSTAT_KERNEL_FRAMES] = mem.reserved,
		[SYSSTAT_SYSCALLS] = h->syscalls,
		[SYSSTAT_FAULTS] = faults_taken(h),
		[SYSSTAT_FAULTS_SPURIOUS] = h->faults_spurious,
		[SYSSTAT_LEVELS] = arch_levels,
		[SYSSTAT_TIMER_HZ] = arch_timer_hz(),
		[SYSSTAT_MEM_BASE] = mem.base,
		[SYSSTAT_OBJECTS] = objects_alive,
		[SYSSTAT_CAPS] = caps_alive,
		[SYSSTAT_BOOT_CYCLES] = boot_cycles,
		[SYSSTAT_IDLE] = h->idle,
	};
	if (index > SYSSTAT_FAULT_SYSCALLS && index <= SYSSTAT_FAULT_SYSCALLS + 8)
		out[0] = h->fault_calls[index - SYSSTAT_FAULT_SYSCALLS];
	else if (index < ARRAY_SIZE(value))
		out[0] = value[index];
	else if (index - SYSSTAT_DIRECT_MAP < ARRAY_SIZE(mem.direct_map))
		out[0] = mem.direct_map[index - SYSSTAT_DIRECT_MAP];
	else
		return -ERR_INVAL;
	return 0;
}

static err_t system_walk(struct thread *self, u64 aspace, vaddr_t va, u64 level, u64 *out)
{
	struct cap *as;
	err_t err = ARG_CAP(self, aspace, ASPACE, LOOK, &as);
	return err ? err : aspace_walk(as->obj, va, level, out);
}

static err_t system_buddy(u64 index, u64 order, u64 *out)
{
	if (index >= zones || order > MAX_ORDER)
		return -ERR_INVAL;
	out[0] = zone[index].blocks[order];
	__builtin_memcpy(&out[1], zone[index].name, 8);
	out[2] = zone[index].base;
	out[3] = zone[index].limit;
	return 0;
}

// Text of a server or program for the kernel log: 1 to 16 bytes, collected into lines.
static err_t system_log(u64 bytes, u64 b, u64 c)
{
	u64 text[2] = { b, c };
	if (!bytes || bytes > sizeof(text))
		return -ERR_INVAL;
	log_text((const char *)text, bytes);
	return 0;
}

static const u32 op_rights[] = {
	[SYS_TRACE_MASK] = RIGHT_SYSTEM_TRACE, [SYS_TRACE_STAT] = RIGHT_SYSTEM_TRACE | RIGHT_SYSTEM_OBSERVE,
	[SYS_EVENT] = RIGHT_SYSTEM_EVENT,      [SYS_NAME] = RIGHT_SYSTEM_EVENT,
	[SYS_CHECK] = RIGHT_SYSTEM_OBSERVE,    [SYS_STAT] = RIGHT_SYSTEM_OBSERVE,
	[SYS_WALK] = RIGHT_SYSTEM_OBSERVE,     [SYS_POWER] = RIGHT_SYSTEM_POWER,
	[SYS_BUDDY] = RIGHT_SYSTEM_OBSERVE,    [SYS_LOG] = RIGHT_SYSTEM_EVENT,
};

err_t sys_system(struct thread *self, struct cap *cap, u64 op, u64 a, u64 b, u64 c, u64 *out)
{
	if (op >= ARRAY_SIZE(op_rights))
		return -ERR_INVAL;
	if (!(cap->rights & op_rights[op]))
		return -ERR_PERM;
	switch (op) {
	case SYS_TRACE_MASK:
		out[0] = trace_set_mask(a);
		return 0;
	case SYS_TRACE_STAT:
		trace_stat(out);
		return 0;
	case SYS_EVENT:
		trace(EVENT_USER, a, b, c);
		return 0;
	case SYS_NAME:
		trace(EVENT_NAME, a, b, c);
		return 0;
	case SYS_CHECK:
		out[0] = self_check();
		arch_hart()->entered = 0; // looks at everything by design: not a bounded call
		return 0;
	case SYS_STAT:
		return system_stat(a, b, out);
	case SYS_WALK:
		return system_walk(self, a, b, c, out);
	case SYS_POWER:
		trace_stop();
		log_line("jjok: power off, status %u", (u32)a & 0xff);
		arch_poweroff(a & 0xff);
	case SYS_BUDDY:
		return system_buddy(a, b, out);
	case SYS_LOG:
		return system_log(a, b, c);
	}
	return -ERR_INVAL;
}
