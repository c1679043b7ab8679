// SPDX-License-Identifier: MIT
// From head.S to kernel_main: the machine's facts, what the processor must have, the parts of the kernel image.
#include "port.h"

static const char *const mode_name[] = { "la48", "la57" };
static struct arch_boot boot;

// CPUID leaf 7, ebx
#define CPUID_SMEP (1u << 7)
#define CPUID_SMAP (1u << 20)
#define CPUID_UMIP (1u << 2) // ecx

// head.S has decided (five levels where the processor has them, unless mode=la48); here is told what could not be.
static void mode_check(u32 levels)
{
	u32 len;
	const char *wanted = machine_option("mode", &len);
	if (wanted == NULL)
		return;
	for (u32 i = 0; i < 2; i++) {
		if (len != 4 || __builtin_memcmp(wanted, mode_name[i], 4) != 0)
			continue;
		if (levels != i + 4)
			early_fatal("this CPU lacks the mode of mode=la57 (CPUID.7.ECX.LA57); the best it has is la48");
		return;
	}
	early_fatal("mode= must be la48 or la57");
}

// Where a feature is missing the machine could run, with less protection: rather not.
static void features_enable(void)
{
	u32 a, b, c, d;
	asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
	if (!(b & CPUID_SMEP) || !(b & CPUID_SMAP))
		early_fatal("this CPU lacks SMEP or SMAP");
	// Where there is UMIP, programs cannot read the addresses of the kernel's descriptor tables either.
	u64 umip = c & CPUID_UMIP ? CR4_UMIP : 0;
	control_write(cr4, control_read(cr4) | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_SMEP | CR4_SMAP | umip);
}

static void segment_add(const char *name, const char *start, const char *end, u64 prot)
{
	boot.segment[boot.segments++] = (struct arch_segment){
		.name = name,
		.va = (vaddr_t)start,
		.pa = (vaddr_t)start - ARCH_KERNEL_BASE,
		.size = end - start,
		.prot = prot,
	};
}

static void registers_add(const char *name, paddr_t base)
{
	if (base != 0)
		boot.registers[boot.register_ranges++] = (struct arch_segment){
			.name = name,
			.va = base + ARCH_DIRECT_MAP,
			.pa = base,
			.size = PAGE_SIZE,
			.prot = PROT_READ | PROT_WRITE,
		};
}

_Noreturn void arch_boot(paddr_t start_info, u64 cycles)
{
	u32 levels = control_read(cr4) & CR4_LA57 ? 5 : 4;

	traps_init();
	mmu_init(levels);
	machine_read(start_info);
	mode_check(levels);
	features_enable();
	irq_init();
	timer_init();

	boot.devtree = x86_machine.devtree;
	boot.cycles = cycles;
	boot.direct_map = ARCH_MEMORY_LIMIT;
	boot.stack_top = (vaddr_t)image_stack_top;
	boot.mode = mode_name[levels - 4];
	segment_add("text", image_start, image_text_end, PROT_READ | PROT_EXEC);
	segment_add("rodata", image_text_end, image_rodata_end, PROT_READ);
	segment_add("data", image_rodata_end, image_early_start, PROT_READ | PROT_WRITE);
	segment_add("bss", image_early_end, image_guard_start, PROT_READ | PROT_WRITE);
	segment_add("stack", image_guard_end, image_end, PROT_READ | PROT_WRITE);
	boot.early = (vaddr_t)image_early_start - ARCH_KERNEL_BASE;
	boot.early_end = (vaddr_t)image_early_end - ARCH_KERNEL_BASE;
	registers_add("lapic", LAPIC_BASE);
	for (u32 i = 0; i < IOAPICS; i++)
		registers_add("ioapic", x86_machine.ioapic[i]);
	kernel_main(&boot);
}

// An exception before the kernel's own records are there (cause.c).
_Noreturn void boot_trap(u64 vector, u64 pc, u64 address)
{
	early_print("jjok: trap while booting:");
	early_print_hex(" vector ", vector);
	early_print_hex(" rip ", pc);
	early_print_hex(" cr2 ", address);
	early_fatal("");
}
