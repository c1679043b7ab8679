// SPDX-License-Identifier: MIT
// The boot order: from the firmware's machine to init. Reading it is reading the architecture.
#include <kernel/boot/boot.h>
#include <kernel/cap.h>
#include <kernel/check.h>
#include <kernel/device.h>
#include <kernel/object.h>
#include <kernel/trace.h>
#include <lib/base/log.h>
#include <lib/base/string.h>

struct hart harts[HARTS];
u32 hart_count;
u32 kernel_lock_word;
u64 boot_cycles;
struct thread *init_thread;

static void start_first_hart(const struct arch_boot *boot)
{
	struct hart *h = &harts[0];
	hart_count = 1;
	h->stack_top = boot->stack_top;
	h->deadline_set = ~0ul;
	tlb_hart_online(0, &h->tlb);
	if (arch_root_needs_fence())
		h->tlb.gate |= GATE_FENCE;
	tlb_enter_kernel(&h->tlb);
	arch_hart_start(h);
}

// trace=all, or a mask of event groups (lib/abi/60-trace.idl).
static u64 trace_groups(void)
{
	char value[16];
	bool all = cmdline_get("trace", value, sizeof(value)) && strcmp(value, "all") == 0;
	return all ? ~0ul : cmdline_number("trace", 0);
}

// One block of the buddy: a header page, the rest is the ring.
static void start_trace(void)
{
	u64 bytes = cmdline_number("trace_ring", 64 << 10);
	u32 order = 1;
	while (order < MAX_ORDER && (u64)PAGE_SIZE << order < bytes)
		order++;
	struct page *page = buddy_alloc(&zone[0], order, 0);
	if (!page) {
		log_line("jjok: no %lu KiB of memory in one piece for trace_ring=: no tracing", bytes >> 10);
		return;
	}
	for (u32 i = 0; i < 1u << order; i++) {
		page[i].state = PAGE_RESERVED;
		arch_page_clear(page_address(&page[i]));
	}
	mem.reserved += 1ul << order;
	trace_init(page_address(page), ((u64)PAGE_SIZE << order) - PAGE_SIZE, cmdline_number("trace_wait", 0),
		   trace_groups());
}

// A frame of the root pool, for objects that exist from boot.
static frame_t boot_object_frame(struct pool *root)
{
	frame_t frame;
	u64 done;
	if (frame_alloc(root, 0, 1, 0, &frame, &done))
		panic("no memory for the first objects: give the machine more (MEM=)");
	return frame;
}

static void *boot_object(struct pool *root, u32 type)
{
	void *obj;
	if (object_make(root, boot_object_frame(root), 0, type, 0, root, &obj))
		panic("boot: cannot make object of type %u", type);
	return obj;
}

static void give(struct captable *ct, u32 slot, void *obj, u32 type, u32 rights)
{
	cap_insert(ct, cap_slot(ct, slot), obj, type, rights, 0);
}

// SYSTEM and DEVICE objects are made here only. They share one frame each.
static void give_machine(struct pool *root, struct captable *ct)
{
	frame_t frame = boot_object_frame(root);
	void *obj;
	if (object_take(root, frame, 0, TYPE_SYSTEM, sizeof(struct device), &obj))
		panic("boot: SYSTEM object");
	give(ct, SLOT_SYSTEM, obj, TYPE_SYSTEM, RIGHTS_SYSTEM);
	frame = boot_object_frame(root);
	for (u32 i = 0; i < MIN(boot_machine.devices, (u32)(SLOT_PEER0 - SLOT_DEVICE0)); i++) {
		if (object_take(root, frame, i, TYPE_DEVICE, sizeof(struct device), &obj))
			panic("boot: DEVICE object %u", i);
		struct device *dev = obj;
		dev->base = boot_machine.device[i].base;
		dev->size = boot_machine.device[i].size;
		dev->irq = boot_machine.device[i].irq;
		dev->ports = boot_machine.device[i].ports;
		dev->number = i + 1;
		give(ct, SLOT_DEVICE0 + i, dev, TYPE_DEVICE, RIGHTS_DEVICE);
		objects_alive++;
	}
	objects_alive++;
}

// init: the only process the kernel makes. It has everything; what others get, they get from it.
static void start_init(const struct arch_boot *boot, struct pool *root)
{
	struct captable *ct = boot_object(root, TYPE_CAPTABLE);
	struct aspace *as = boot_object(root, TYPE_ASPACE);
	struct thread *t = boot_object(root, TYPE_THREAD);
	void *leaf;
	if (object_make(root, boot_object_frame(root), 0, TYPE_CAPLEAF, 0, NULL, &leaf) ||
	    captable_add_leaf(ct, 0, leaf))
		panic("boot: capability leaf of init");
	objects_alive--; // counted with its table
	give(ct, SLOT_SELF_POOL, root, TYPE_POOL, RIGHTS_POOL);
	give(ct, SLOT_SELF_CAPTABLE, ct, TYPE_CAPTABLE, RIGHTS_CAPTABLE);
	give(ct, SLOT_SELF_ASPACE, as, TYPE_ASPACE, RIGHTS_ASPACE);
	give(ct, SLOT_SELF_THREAD, t, TYPE_THREAD, RIGHTS_THREAD);
	give_machine(root, ct);

	vaddr_t entry;
	boot_init_image(as, root, boot, &entry);
	t->captable = ct;
	t->aspace = as;
	object_ref(ct);
	object_ref(as);
	t->priority = PRIO_INIT;
	__builtin_memcpy(t->name, "init", 5);
	arch_context_init(&t->ctx, entry, 0, BOOT_INFO_VA);
	init_thread = t;
	sched_ready(t);
}

_Noreturn void kernel_main(const struct arch_boot *boot)
{
	start_first_hart(boot);               // traps have somewhere to go
	boot_devtree(boot->devtree);          // what machine is this
	boot_memory(boot);                    // our own page tables, the frame table, the buddy
	start_trace();                        // from here on everything can be watched
	struct pool *root = boot_root_pool(); // every frame belongs to somebody
	start_init(boot, root);               // the first process
	boot_cycles = arch_cycles();
	kernel_lock();
	sched_exit(); // and never come back
}
