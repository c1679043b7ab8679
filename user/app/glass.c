// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "glass.h"

void glass_fail(const char *what, err_t err)
{
	app_fail("%s: %s (%s)", what, err_text(-err), err_name(-err));
}

u64 glass_sys(u64 index)
{
	u64 value;
	err_t err = sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL);

	if (err)
		glass_fail("kernel counter", err);
	return value;
}

u64 glass_vm(u64 index)
{
	u64 value;
	err_t err = vm_stat(SLOT_VM, index, &value);

	if (err)
		glass_fail("counter of vm", err);
	return value;
}

u64 glass_pid(const char *text)
{
	return strcmp(text, "self") ? app_number(text, "PID") : (u64)getpid();
}

err_t glass_walk(u64 pid, u64 va, u32 level, struct walk *out)
{
	return vm_walk(SLOT_VM, pid, va, level, &out->entry, &out->where, &out->kind, &out->what);
}

const char *glass_prot(u64 prot, char text[4])
{
	text[0] = prot & PROT_READ ? 'r' : '-';
	text[1] = prot & PROT_WRITE ? 'w' : '-';
	text[2] = prot & PROT_EXEC ? 'x' : '-';
	text[3] = '\0';
	return text;
}

bool glass_vma(u64 pid, u64 addr, struct vma *out)
{
	u64 prot_flags;
	err_t err = vm_vma(SLOT_VM, pid, addr, &out->start, &out->end, &prot_flags, &out->image, &out->offset,
			   &out->rss);

	if (err == -ERR_NOENT)
		return false;
	if (err)
		glass_fail("process", err);
	out->prot = (u32)prot_flags;
	out->flags = prot_flags >> 32;
	return true;
}

const struct frame *glass_frames(u64 *first, u64 *count)
{
	const struct frame *table = (const struct frame *)getauxval(AT_JJOK_FRAMES);

	if (!table)
		app_fail("the frame table is not mapped in this process (no AT_JJOK_FRAMES; vm gives it to every "
			 "program)");
	*first = glass_sys(SYSSTAT_MEM_BASE);
	*count = glass_sys(SYSSTAT_FRAMES);
	return table;
}

struct frame glass_frame(const struct frame *shared)
{
	struct frame f = *shared;

	while (__atomic_load_n(&shared->gen, __ATOMIC_ACQUIRE) != f.gen)
		f = *shared;
	return f;
}
