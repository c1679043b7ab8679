// SPDX-License-Identifier: MIT
// From head.S to kernel_main: the machine's facts, the paging mode, the parts of the kernel image.
#include "port.h"

static const char *const mode_name[] = { "sv39", "sv48", "sv57" };
static struct arch_boot boot;

#define SCOUNTEREN_ALL 7 // user mode reads cycle, time and instret

// The most levels that the CPU walks. It ignores a write to satp that names a mode it lacks; the early tables serve
// every mode, so the mode can be tried where we stand. Leaves the CPU in the mode it returns.
static u32 mode_probe(u32 most)
{
	paddr_t root = (csr_read(satp) & PTE_PFN_MASK) << PAGE_SHIFT;
	for (u32 levels = most; levels > 3; levels--) {
		u64 satp = satp_value(root + (levels - 3) * PAGE_SIZE, levels);
		csr_write(satp, satp);
		arch_flush_all();
		if (csr_read(satp) == satp)
			return levels;
	}
	return 3;
}

// The mode that mode= names, or else the best one.
static u32 mode_select(const void *fdt)
{
	u32 len;
	const char *wanted = machine_option(fdt, "mode", &len);
	if (wanted == NULL)
		return mode_probe(5);
	for (u32 i = 0; i < 3; i++) {
		if (len != 4 || __builtin_memcmp(wanted, mode_name[i], 4) != 0)
			continue;
		u32 levels = mode_probe(i + 3);
		if (levels == i + 3)
			return levels;
		early_print("jjok: this CPU lacks the mode of mode=; the best it has is ");
		early_print(mode_name[levels - 3]);
		early_fatal("");
	}
	early_fatal("mode= must be sv39, sv48 or sv57");
}

static void segment_add(const char *name, const char *start, const char *end, u64 image_offset, u64 prot)
{
	boot.segment[boot.segments++] = (struct arch_segment){
		.name = name,
		.va = (vaddr_t)start,
		.pa = (vaddr_t)start - image_offset,
		.size = end - start,
		.prot = prot,
	};
}

static void registers_add(const char *name, paddr_t base, u64 size)
{
	if (base != 0)
		boot.registers[boot.register_ranges++] = (struct arch_segment){
			.name = name,
			.va = base + ARCH_DIRECT_MAP,
			.pa = base,
			.size = size,
			.prot = PROT_READ | PROT_WRITE,
		};
}

_Noreturn void arch_boot(u64 hart, paddr_t fdt, u64 cycles)
{
	u64 image_offset = (vaddr_t)boot_root - ((csr_read(satp) & PTE_PFN_MASK) << PAGE_SHIFT);

	csr_write(scounteren, SCOUNTEREN_ALL);
	machine_read(arch_p2v(fdt), hart);
	mmu_init(mode_select(arch_p2v(fdt)));
	timer_init();
	irq_init();

	boot.devtree = arch_p2v(fdt);
	boot.cycles = cycles;
	boot.direct_map = ARCH_KERNEL_BASE - ARCH_DIRECT_MAP;
	boot.stack_top = (vaddr_t)image_stack_top;
	boot.mode = mode_name[arch_levels - 3];
	segment_add("text", image_start, image_text_end, image_offset, PROT_READ | PROT_EXEC);
	segment_add("rodata", image_text_end, image_rodata_end, image_offset, PROT_READ);
	segment_add("data", image_rodata_end, image_early_start, image_offset, PROT_READ | PROT_WRITE);
	segment_add("bss", image_early_end, image_guard_start, image_offset, PROT_READ | PROT_WRITE);
	segment_add("stack", image_guard_end, image_end, image_offset, PROT_READ | PROT_WRITE);
	boot.early = (vaddr_t)image_early_start - image_offset;
	boot.early_end = (vaddr_t)image_early_end - image_offset;
	registers_add("plic", riscv_machine.plic, riscv_machine.plic_size);
	registers_add("test", riscv_machine.test, riscv_machine.test_size);
	kernel_main(&boot);
}

// Any trap before the kernel's own entry is installed (head.S).
_Noreturn void boot_trap(u64 cause, u64 pc, u64 value)
{
	early_print("jjok: trap while booting:");
	early_print_hex(" scause ", cause);
	early_print_hex(" sepc ", pc);
	early_print_hex(" stval ", value);
	early_fatal("");
}
