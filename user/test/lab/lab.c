// SPDX-License-Identifier: MIT
#include "lab.h"

#include <abi/abi_names.h>
#include <base/log.h>
#include <base/panic.h>
#include <base/string.h>

#define DELETE_STEPS 200000 // more than any object needs
#define IMAGE_PAGES  1024   // more than any server's image has

static struct lab_bench own = { .pool = SLOT_SELF_POOL };
static cptr_t next_slot = SLOT_SERVER_FREE;

void lab_check(const char *what, err_t err)
{
	if (err)
		panic("%s: %s", what, err_name(err));
}

cptr_t lab_slot(void)
{
	cptr_t slot = next_slot++;

	if (slot >= CAP_PER_LEAF && slot % CAP_PER_LEAF == 0)
		lab_check("a further leaf of capabilities",
			  lab_object(&own, TYPE_CAPLEAF, SLOT_SELF_CAPTABLE, slot / CAP_PER_LEAF, 0));
	return slot;
}

frame_t lab_frame(cptr_t pool)
{
	frame_t frame = 0;

	lab_check("a frame", sys_frame_alloc(pool, 0, 1, 0, NULL, &frame));
	return frame;
}

static u32 type_size(u32 type)
{
	static const u16 size[] = {
		[TYPE_POOL] = OBJECT_SIZE_POOL,         [TYPE_CAPTABLE] = OBJECT_SIZE_CAPTABLE,
		[TYPE_ASPACE] = OBJECT_SIZE_ASPACE,     [TYPE_THREAD] = OBJECT_SIZE_THREAD,
		[TYPE_ENDPOINT] = OBJECT_SIZE_ENDPOINT, [TYPE_NOTIFICATION] = OBJECT_SIZE_NOTIFICATION,
		[TYPE_CAPLEAF] = OBJECT_SIZE_CAPLEAF,
	};

	return size[type];
}

err_t lab_object(struct lab_bench *bench, u32 type, cptr_t table, u64 slot, u64 arg)
{
	err_t err;

	if (!bench->bin[type].frame || bench->bin[type].used == PAGE_SIZE / type_size(type)) {
		err = sys_frame_alloc(bench->pool, 0, 1, 0, NULL, &bench->bin[type].frame);
		if (err)
			return err;
		bench->bin[type].used = 0;
	}
	err = sys_object_create(bench->pool, bench->bin[type].frame, bench->bin[type].used, type, table, slot, arg,
				&bench->id);
	if (!err)
		bench->bin[type].used++;
	return err;
}

cptr_t lab_make(struct lab_bench *bench, u32 type, u64 arg)
{
	cptr_t slot = lab_slot();

	lab_check(type_name(type), lab_object(bench, type, SLOT_SELF_CAPTABLE, slot, arg));
	return slot;
}

struct lab_domain lab_domain(struct lab_bench *bench, cptr_t pager)
{
	struct lab_domain d = { lab_make(bench, TYPE_CAPTABLE, 0), lab_make(bench, TYPE_ASPACE, 0) };

	lab_check("a leaf", lab_object(bench, TYPE_CAPLEAF, d.table, 0, 0));
	lab_check("a window", sys_aspace_ctl(d.aspace, ASOP_WINDOW, 0, USER_BASE, ARGUMENT_VA + PAGE_SIZE, pager,
					     bench->pool, 0, NULL, NULL, NULL, NULL));
	return d;
}

void lab_image(struct lab_domain domain)
{
	u64 done;

	for (u64 at = 0; at < IMAGE_PAGES; at += done)
		lab_check("the image",
			  sys_clone(domain.aspace, USER_BASE + at * PAGE_SIZE, SLOT_SELF_ASPACE,
				    USER_BASE + at * PAGE_SIZE, IMAGE_PAGES - at, CLONE_SHARE, &done, NULL, NULL));
}

cptr_t lab_thread(struct lab_bench *bench, u64 priority)
{
	cptr_t thread = lab_make(bench, TYPE_THREAD, 0);

	lab_check("a priority", sys_thread_ctl(thread, THREAD_PRIO, priority, 0, 0, 0, NULL, NULL, NULL, NULL));
	return thread;
}

void lab_run(cptr_t thread, struct lab_domain domain, void (*entry)(void), u8 *stack)
{
	lab_check("to stop a thread", sys_thread_ctl(thread, THREAD_STOP, 0, 0, 0, 0, NULL, NULL, NULL, NULL));
	lab_check("to start a thread", sys_thread_ctl(thread, THREAD_START, domain.aspace, domain.table, (u64)entry,
						      (u64)stack + LAB_STACK, NULL, NULL, NULL, NULL));
}

void lab_argument(cptr_t pool, cptr_t thread, struct lab_domain domain, u64 va)
{
	frame_t frame = lab_frame(pool);

	lab_check("an argument page",
		  sys_map(domain.aspace, va, pool, frame, 1, PROT_READ | PROT_WRITE, 0, 0, 0, NULL, NULL));
	lab_check("an argument page",
		  sys_thread_ctl(thread, THREAD_ARGUMENT, pool, frame, 0, 0, NULL, NULL, NULL, NULL));
}

void lab_give(struct lab_domain domain, u64 slot, cptr_t mine, u64 rights)
{
	lab_check("a capability", sys_cap_copy(domain.table, slot, SLOT_SELF_CAPTABLE, mine, rights, 0, COPY_COPY));
}

err_t lab_delete(cptr_t table, u64 slot)
{
	for (u32 step = 0; step < DELETE_STEPS; step++) {
		err_t err = sys_cap_delete(table, slot);

		if (err == -ERR_BADCAP)
			return 0;
		if (err != -ERR_AGAIN)
			return err;
	}
	panic("the destruction of an object does not end");
}

u64 lab_number(const char *cmdline, const char *name, u64 otherwise)
{
	u64 n = strlen(name), value = 0;

	for (const char *s = cmdline; *s; s++) {
		if ((s != cmdline && s[-1] != ' ') || strncmp(s, name, n) || s[n] != '=')
			continue;
		for (s += n + 1; *s >= '0' && *s <= '9'; s++)
			value = value * 10 + (u64)(*s - '0');
		return value;
	}
	return otherwise;
}
