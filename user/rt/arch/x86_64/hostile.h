// SPDX-License-Identifier: MIT
// What a hostile program can try on x86_64: for the guest's test of that name alone.
#pragma once

#include <abi/stubs.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

struct hostile {
	const char *name;
	void (*run)(void);
	int signal; // how it must end; 0: nothing happens, HOSTILE_DIES: somehow, HOSTILE_ANY: or not
};
#define HOSTILE_DIES -1
#define HOSTILE_ANY  -2
#define HOSTILE_TRAP 5 // Linux's numbers; picolibc's differ
#define HOSTILE_BUS  7

// Kernel addresses of this machine, with 4 and with 5 levels: struct page array, direct map, entry area, image.
static const uint64_t hostile_kernel[] = { 0xffffea0000000000, 0xffd4000000000000, 0xffff888000000000,
					   0xff11000000100000, 0xffff800000000000, 0xff00000000000000,
					   0xffffffff80000000, 0xfffffe0000000000 };

// An atomic operation across the end of a page is like any other access there.
#define HOSTILE_ATOMIC_SIGNAL SIGSEGV
static inline void hostile_atomic(uint64_t *p)
{
	__asm__ volatile("lock addq $0, (%0)" ::"r"(p) : "memory", "cc");
}

// A system call that does nothing: a wait that does not block.
#define WAIT_POLL \
	"mov %[cap], %%edi\n\tmov %[wait], %%eax\n\txor %%edx, %%edx\n\tpush %%rbp\n\tsyscall\n\tpop %%rbp\n\t"
// What popf lets a program set; other flags stay as they are.
#define FLAGS_OR(bits)  "pushfq\n\torq $" #bits ", (%%rsp)\n\tpopfq\n\t"
#define FLAGS_AND(bits) "pushfq\n\tandq $~" #bits ", (%%rsp)\n\tpopfq\n\t"

#define HOSTILE(name, text) \
	static void hostile_##name(void) \
	{ \
		__asm__ volatile(text \
				 : \
				 : [cap] "i"(SLOT_NOTIFY), [wait] "i"(NR_WAIT | IPC_POLL) \
				 : "memory", "cc", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", \
				   "r12", "r13", "r14", "r15"); \
	}
HOSTILE(ud2, "ud2")
HOSTILE(int3, "int3")
HOSTILE(hlt, "hlt")
HOSTILE(cli, "cli")
HOSTILE(sti, "sti")
HOSTILE(in, "in $0x60, %%al")
HOSTILE(out_to_the_power_switch, "mov $0xf4, %%edx\n\tmov $0x2a, %%eax\n\tout %%eax, %%dx")
HOSTILE(ins, "mov $0x3f8, %%edx\n\tmov %%rsp, %%rdi\n\tinsb")
HOSTILE(rdmsr, "mov $0xc0000080, %%ecx\n\trdmsr")
HOSTILE(wrmsr, "mov $0xc0000082, %%ecx\n\txor %%eax, %%eax\n\txor %%edx, %%edx\n\twrmsr")
HOSTILE(rdpmc, "xor %%ecx, %%ecx\n\trdpmc")
HOSTILE(mov_from_cr0, "mov %%cr0, %%rax")
HOSTILE(mov_to_cr3, "xor %%eax, %%eax\n\tmov %%rax, %%cr3")
HOSTILE(mov_to_cr4, "xor %%eax, %%eax\n\tmov %%rax, %%cr4")
HOSTILE(mov_to_dr7, "xor %%eax, %%eax\n\tmov %%rax, %%dr7")
HOSTILE(lgdt, "lgdt -64(%%rsp)")
HOSTILE(lidt, "lidt -64(%%rsp)")
HOSTILE(lldt, "xor %%eax, %%eax\n\tlldt %%ax")
HOSTILE(ltr, "mov $0x28, %%eax\n\tltr %%ax")
HOSTILE(lmsw, "xor %%eax, %%eax\n\tlmsw %%ax")
HOSTILE(clts, "clts")
HOSTILE(invlpg, "invlpg (%%rsp)")
HOSTILE(invd, "invd")
HOSTILE(wbinvd, "wbinvd")
HOSTILE(swapgs, "swapgs")
HOSTILE(sysret, "mov $0xffffffff81000000, %%rcx\n\tsysretq")
HOSTILE(sysexit, "sysexitl")
HOSTILE(sysenter, "sysenter")
HOSTILE(wrgsbase, "mov $0xffffffff81000000, %%rax\n\twrgsbase %%rax")
HOSTILE(wrfsbase, "xor %%eax, %%eax\n\twrfsbase %%rax")
HOSTILE(rdgsbase, "rdgsbase %%rax")
HOSTILE(xsetbv, "xor %%ecx, %%ecx\n\tmov $7, %%eax\n\txor %%edx, %%edx\n\txsetbv")
HOSTILE(vmcall, "vmcall")
HOSTILE(vmrun, "vmrun")
HOSTILE(16_bytes_long, ".fill 15, 1, 0x66\n\tnop")
HOSTILE(divide_by_zero, "xor %%ecx, %%ecx\n\tmov $1, %%eax\n\txor %%edx, %%edx\n\tdiv %%ecx")
HOSTILE(unmasked_x87_exception, "push $0x300\n\tfldcw (%%rsp)\n\tfldz\n\tfld1\n\tfdivp\n\tfwait\n\tadd $8, %%rsp")
HOSTILE(bad_MXCSR, "push $-1\n\tldmxcsr (%%rsp)")
HOSTILE(a_selector_beyond_the_table_in_ds, "mov $0xfff8, %%eax\n\tmov %%eax, %%ds")
HOSTILE(a_local_selector_in_ds, "mov $0x7, %%eax\n\tmov %%eax, %%ds")
HOSTILE(a_selector_beyond_the_table_in_es, "mov $0xfff8, %%eax\n\tmov %%eax, %%es")
HOSTILE(a_local_selector_in_es, "mov $0x7, %%eax\n\tmov %%eax, %%es")
HOSTILE(a_selector_beyond_the_table_in_fs, "mov $0xfff8, %%eax\n\tmov %%eax, %%fs")
HOSTILE(a_local_selector_in_fs, "mov $0x7, %%eax\n\tmov %%eax, %%fs")
HOSTILE(a_selector_beyond_the_table_in_gs, "mov $0xfff8, %%eax\n\tmov %%eax, %%gs")
HOSTILE(a_local_selector_in_gs, "mov $0x7, %%eax\n\tmov %%eax, %%gs")
HOSTILE(a_selector_beyond_the_table_in_ss, "mov $0xfff8, %%eax\n\tmov %%eax, %%ss")
HOSTILE(a_local_selector_in_ss, "mov $0x7, %%eax\n\tmov %%eax, %%ss")
HOSTILE(the_kernel_s_data_selector, "mov $0x10, %%eax\n\tmov %%eax, %%ds")
HOSTILE(the_kernel_s_stack_selector, "mov $0x10, %%eax\n\tmov %%eax, %%ss")
HOSTILE(no_stack_selector, "xor %%eax, %%eax\n\tmov %%eax, %%ss")
HOSTILE(no_data_selectors, "xor %%eax, %%eax\n\tmov %%eax, %%ds\n\tmov %%eax, %%es\n\tmov %%eax, %%gs\n\t" WAIT_POLL)
HOSTILE(far_return_to_the_kernel, "push $0x8\n\tpush $1f\n\tlretq\n1:")
HOSTILE(far_return_to_nowhere, "push $0xfff8\n\tpush $1f\n\tlretq\n1:")
HOSTILE(iret_to_the_kernel, "mov %%rsp, %%rax\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rax\n\tpush $0x202\n\tpush "
			    "$0x8\n\tpush $1f\n\tiretq\n1:")
HOSTILE(iret_to_nowhere, "mov %%rsp, %%rax\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rax\n\tpush $0x202\n\tpush "
			 "$0xfff8\n\tpush $1f\n\tiretq\n1:")
HOSTILE(iret_to_no_address, "mov %%rsp, %%rax\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rax\n\tpush $0x202\n\tmov "
			    "%%cs, %%ecx\n\tpush %%rcx\n\tmov $0x8000000000000000, %%rcx\n\tpush %%rcx\n\tiretq\n1:")
HOSTILE(iret_to_a_kernel_address, "mov %%rsp, %%rax\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rax\n\tpush "
				  "$0x202\n\tmov %%cs, %%ecx\n\tpush %%rcx\n\tpush $0xffffffff81000000\n\tiretq\n1:")
HOSTILE(iret_with_all_flags, "mov %%rsp, %%rax\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rax\n\tpush $0x3602\n\tmov "
			     "%%cs, %%ecx\n\tpush %%rcx\n\tpush $1f\n\tiretq\n1:\n\tin $0x60, %%al")
HOSTILE(iret_without_interrupts, "mov %%rsp, %%rax\n\tmov %%ss, %%ecx\n\tpush %%rcx\n\tpush %%rax\n\tpush "
				 "$0x3002\n\tmov %%cs, %%ecx\n\tpush %%rcx\n\tpush $1f\n\tiretq\n1:\n\t" WAIT_POLL)
HOSTILE(popf_with_I_O_privilege, "push $0x3202\n\tpopfq\n\tin $0x60, %%al")
HOSTILE(a_stack_nowhere, "mov $0x8000000000000000, %%rsp\n\tpush %%rax")
HOSTILE(a_call_on_a_kernel_stack, "mov $0xffffffff81000000, %%rsp\n\tcall 1f\n1:")
HOSTILE(ud2_on_a_kernel_stack, "mov $0xffffffff81000000, %%rsp\n\tud2")
HOSTILE(ud2_on_a_stack_nowhere, "mov $0x8000000000000000, %%rsp\n\tud2")
HOSTILE(a_load_from_nowhere, "mov $0x8000000000000000, %%rax\n\tmov (%%rax), %%rax")
HOSTILE(a_jump_to_nowhere, "mov $0x8000000000000000, %%rax\n\tjmp *%%rax")
HOSTILE(a_return_to_nowhere, "mov $0x8000000000000000, %%rax\n\tpush %%rax\n\tret")
HOSTILE(single_step, FLAGS_OR(0x100) "nop\n\tnop")
HOSTILE(single_step_over_a_system_call, FLAGS_OR(0x100) WAIT_POLL "nop")
HOSTILE(single_step_into_a_system_call,
	"mov %[cap], %%edi\n\tmov %[wait], %%r13d\n\txor %%edx, %%edx\n\tpush %%rbp\n\tpushfq\n\torq $0x100, "
	"(%%rsp)\n\tmov %%r13, %%rax\n\tpopfq\n\tsyscall\n\tpop %%rbp")
HOSTILE(a_system_call_with_alignment_checks, FLAGS_OR(0x40000) WAIT_POLL "mov 1(%%rsp), %%rax\n\t" FLAGS_AND(0x40000))
HOSTILE(a_system_call_backwards, "std\n\t" WAIT_POLL "cld")
HOSTILE(a_fault_backwards, "std\n\tud2")
HOSTILE(a_system_call_in_a_nested_task, FLAGS_OR(0x4000) WAIT_POLL FLAGS_AND(0x4000))
HOSTILE(a_fault_in_a_nested_task, FLAGS_OR(0x4000) "ud2")
HOSTILE(a_fault_with_alignment_checks, FLAGS_OR(0x40000) "ud2")
HOSTILE(a_system_call_behind_a_stack_switch, "mov %[cap], %%edi\n\tmov %[wait], %%eax\n\txor %%edx, %%edx\n\tpush "
					     "%%rbp\n\tmov %%ss, %%ecx\n\tmov %%ecx, %%ss\n\tsyscall\n\tpop %%rbp")
HOSTILE(a_breakpoint_behind_a_stack_switch, "mov %%ss, %%ecx\n\tmov %%ecx, %%ss\n\tint3")

static const struct hostile hostile_list[] = {
	{ "ud2", hostile_ud2, SIGILL },
	{ "int3", hostile_int3, HOSTILE_TRAP },
	{ "hlt", hostile_hlt, HOSTILE_DIES },
	{ "cli", hostile_cli, HOSTILE_DIES },
	{ "sti", hostile_sti, HOSTILE_DIES },
	{ "in", hostile_in, HOSTILE_DIES },
	{ "out to the power switch", hostile_out_to_the_power_switch, HOSTILE_DIES },
	{ "ins", hostile_ins, HOSTILE_DIES },
	{ "rdmsr", hostile_rdmsr, HOSTILE_DIES },
	{ "wrmsr", hostile_wrmsr, HOSTILE_DIES },
	{ "rdpmc", hostile_rdpmc, HOSTILE_DIES },
	{ "mov from cr0", hostile_mov_from_cr0, HOSTILE_DIES },
	{ "mov to cr3", hostile_mov_to_cr3, HOSTILE_DIES },
	{ "mov to cr4", hostile_mov_to_cr4, HOSTILE_DIES },
	{ "mov to dr7", hostile_mov_to_dr7, HOSTILE_DIES },
	{ "lgdt", hostile_lgdt, HOSTILE_DIES },
	{ "lidt", hostile_lidt, HOSTILE_DIES },
	{ "lldt", hostile_lldt, HOSTILE_DIES },
	{ "ltr", hostile_ltr, HOSTILE_DIES },
	{ "lmsw", hostile_lmsw, HOSTILE_DIES },
	{ "clts", hostile_clts, HOSTILE_DIES },
	{ "invlpg", hostile_invlpg, HOSTILE_DIES },
	{ "invd", hostile_invd, HOSTILE_DIES },
	{ "wbinvd", hostile_wbinvd, HOSTILE_DIES },
	{ "swapgs", hostile_swapgs, HOSTILE_DIES },
	{ "sysret", hostile_sysret, HOSTILE_DIES },
	{ "sysexit", hostile_sysexit, HOSTILE_DIES },
	{ "sysenter", hostile_sysenter, HOSTILE_DIES },
	{ "wrgsbase", hostile_wrgsbase, HOSTILE_DIES },
	{ "wrfsbase", hostile_wrfsbase, HOSTILE_DIES },
	{ "rdgsbase", hostile_rdgsbase, HOSTILE_DIES },
	{ "xsetbv", hostile_xsetbv, HOSTILE_DIES },
	{ "vmcall", hostile_vmcall, HOSTILE_DIES },
	{ "vmrun", hostile_vmrun, HOSTILE_DIES },
	{ "16 bytes long", hostile_16_bytes_long, HOSTILE_DIES },
	{ "divide by zero", hostile_divide_by_zero, HOSTILE_DIES },
	{ "unmasked x87 exception", hostile_unmasked_x87_exception, HOSTILE_DIES },
	{ "bad MXCSR", hostile_bad_MXCSR, HOSTILE_DIES },
	{ "a selector beyond the table in ds", hostile_a_selector_beyond_the_table_in_ds, HOSTILE_DIES },
	{ "a local selector in ds", hostile_a_local_selector_in_ds, HOSTILE_DIES },
	{ "a selector beyond the table in es", hostile_a_selector_beyond_the_table_in_es, HOSTILE_DIES },
	{ "a local selector in es", hostile_a_local_selector_in_es, HOSTILE_DIES },
	{ "a selector beyond the table in fs", hostile_a_selector_beyond_the_table_in_fs, HOSTILE_DIES },
	{ "a local selector in fs", hostile_a_local_selector_in_fs, HOSTILE_DIES },
	{ "a selector beyond the table in gs", hostile_a_selector_beyond_the_table_in_gs, HOSTILE_DIES },
	{ "a local selector in gs", hostile_a_local_selector_in_gs, HOSTILE_DIES },
	{ "a selector beyond the table in ss", hostile_a_selector_beyond_the_table_in_ss, HOSTILE_DIES },
	{ "a local selector in ss", hostile_a_local_selector_in_ss, HOSTILE_DIES },
	{ "the kernel's data selector", hostile_the_kernel_s_data_selector, HOSTILE_DIES },
	{ "the kernel's stack selector", hostile_the_kernel_s_stack_selector, HOSTILE_DIES },
	{ "no stack selector", hostile_no_stack_selector, HOSTILE_DIES },
	{ "no data selectors", hostile_no_data_selectors, 0 },
	{ "far return to the kernel", hostile_far_return_to_the_kernel, HOSTILE_DIES },
	{ "far return to nowhere", hostile_far_return_to_nowhere, HOSTILE_DIES },
	{ "iret to the kernel", hostile_iret_to_the_kernel, HOSTILE_DIES },
	{ "iret to nowhere", hostile_iret_to_nowhere, HOSTILE_DIES },
	{ "iret to no address", hostile_iret_to_no_address, HOSTILE_DIES },
	{ "iret to a kernel address", hostile_iret_to_a_kernel_address, HOSTILE_DIES },
	{ "iret with all flags", hostile_iret_with_all_flags, HOSTILE_DIES },
	{ "iret without interrupts", hostile_iret_without_interrupts, HOSTILE_ANY }, // QEMU: see trap.S,
	{ "popf with I/O privilege", hostile_popf_with_I_O_privilege, HOSTILE_DIES },
	{ "a stack nowhere", hostile_a_stack_nowhere, HOSTILE_DIES },
	{ "a call on a kernel stack", hostile_a_call_on_a_kernel_stack, HOSTILE_DIES },
	{ "ud2 on a kernel stack", hostile_ud2_on_a_kernel_stack, HOSTILE_DIES },
	{ "ud2 on a stack nowhere", hostile_ud2_on_a_stack_nowhere, HOSTILE_DIES },
	{ "a load from nowhere", hostile_a_load_from_nowhere, HOSTILE_DIES },
	{ "a jump to nowhere", hostile_a_jump_to_nowhere, HOSTILE_DIES },
	{ "a return to nowhere", hostile_a_return_to_nowhere, HOSTILE_DIES },
	{ "single step", hostile_single_step, HOSTILE_TRAP },
	{ "single step over a system call", hostile_single_step_over_a_system_call, HOSTILE_TRAP },
	{ "single step into a system call", hostile_single_step_into_a_system_call, HOSTILE_TRAP },
	{ "a system call with alignment checks", hostile_a_system_call_with_alignment_checks, 0 },
	{ "a system call backwards", hostile_a_system_call_backwards, 0 },
	{ "a fault backwards", hostile_a_fault_backwards, HOSTILE_DIES },
	{ "a system call in a nested task", hostile_a_system_call_in_a_nested_task, 0 },
	{ "a fault in a nested task", hostile_a_fault_in_a_nested_task, HOSTILE_DIES },
	{ "a fault with alignment checks", hostile_a_fault_with_alignment_checks, HOSTILE_DIES },
	{ "a system call behind a stack switch", hostile_a_system_call_behind_a_stack_switch, 0 },
	{ "a breakpoint behind a stack switch", hostile_a_breakpoint_behind_a_stack_switch, HOSTILE_TRAP },
};

// int n, for every n. None is a way into the kernel, and none brings it down.
#define HOSTILE_VARIANTS 256
void hostile_ints(void);
__asm__(".pushsection .text.hostile, \"ax\"\n"
	".balign 4\n"
	".globl hostile_ints\n"
	"hostile_ints:\n"
	".set n, 0\n"
	".rept 256\n"
	".byte 0xcd, n, 0xc3, 0xcc\n"
	".set n, n + 1\n"
	".endr\n"
	".popsection\n");
static inline void hostile_variant(uint64_t n)
{
	((void (*)(void))((uint64_t)hostile_ints + 4 * n))();
}

static uint64_t hostile_rsp, hostile_own_rsp;

// The stack pointer holds `value` during a system call. Answers its status; *changed is not 0 if it did not come back
// as it was, or if another register came back with a kernel address.
static inline err_t hostile_registers(uint64_t value, uint64_t *changed)
{
	register uint64_t rax __asm__("rax") = NR_WAIT | IPC_POLL;
	register uint64_t rdx __asm__("rdx") = 0;

	hostile_rsp = value;
	__asm__ volatile(
		"push %%rbp\n\t"
		"xor %%ebx, %%ebx\n\txor %%ecx, %%ecx\n\txor %%esi, %%esi\n\txor %%ebp, %%ebp\n\t"
		"xor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\txor %%r11d, %%r11d\n\t"
		"xor %%r12d, %%r12d\n\txor %%r13d, %%r13d\n\txor %%r14d, %%r14d\n\txor %%r15d, %%r15d\n\t"
		"mov %[cap], %%edi\n\t"
		"mov %%rsp, %[own]\n\t"
		"mov %[rsp], %%rsp\n\t"
		"syscall\n\t"
		"or %%rbx, %%rdx\n\tor %%rcx, %%rdx\n\tor %%rsi, %%rdx\n\tor %%rdi, %%rdx\n\tor %%rbp, %%rdx\n\t"
		"or %%r8, %%rdx\n\tor %%r9, %%rdx\n\tor %%r10, %%rdx\n\tor %%r11, %%rdx\n\tor %%r12, %%rdx\n\t"
		"or %%r13, %%rdx\n\tor %%r14, %%rdx\n\tor %%r15, %%rdx\n\t"
		"shr $63, %%rdx\n\t"
		"xor %[rsp], %%rsp\n\t"
		"or %%rsp, %%rdx\n\t"
		"mov %[own], %%rsp\n\t"
		"pop %%rbp"
		: "+r"(rax), "+r"(rdx), [rsp] "+m"(hostile_rsp), [own] "+m"(hostile_own_rsp)
		: [cap] "i"(SLOT_NOTIFY)
		: "rbx", "rcx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	*changed = rdx;
	return (err_t)rax;
}
