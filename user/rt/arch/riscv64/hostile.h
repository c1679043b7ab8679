// SPDX-License-Identifier: MIT
// What a hostile program can try on RISC-V: for the guest's test of that name alone.
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

// Kernel addresses of this machine: struct page array, the kernel's frames in the direct map, its image.
static const uint64_t hostile_kernel[] = { 0xffffffc000000000, 0xffffffd080200000, 0xffffffff80000000 };

// An atomic operation across the end of a page is refused as misaligned.
#define HOSTILE_ATOMIC_SIGNAL HOSTILE_BUS
static inline void hostile_atomic(uint64_t *p)
{
	__asm__ volatile("amoadd.d zero, zero, (%0)" ::"r"(p) : "memory");
}

#define HOSTILE(name, text) \
	static void hostile_##name(void) \
	{ \
		__asm__ volatile(text ::: "memory", "t0"); \
	}
HOSTILE(zero, ".word 0")
HOSTILE(ones, ".word 0xffffffff")
HOSTILE(status, "csrr t0, sstatus")
HOSTILE(satp, "csrw satp, zero")
HOSTILE(sret, "sret")
HOSTILE(mret, "mret")
HOSTILE(fence, "sfence.vma")
HOSTILE(time, "csrw cycle, zero")
HOSTILE(breakpoint, "ebreak")

static const struct hostile hostile_list[] = {
	{ "word of zeroes", hostile_zero, SIGILL },
	{ "word of ones", hostile_ones, SIGILL },
	{ "csrr sstatus", hostile_status, SIGILL },
	{ "csrw satp", hostile_satp, SIGILL },
	{ "sret", hostile_sret, SIGILL },
	{ "mret", hostile_mret, SIGILL },
	{ "sfence.vma", hostile_fence, SIGILL },
	{ "csrw cycle", hostile_time, SIGILL },
	{ "ebreak", hostile_breakpoint, HOSTILE_TRAP },
};

// A write to every supervisor CSR.
#define HOSTILE_VARIANTS 256
void hostile_csrs(void);
__asm__(".pushsection .text.hostile, \"ax\"\n"
	".option push\n"
	".option norvc\n"
	".balign 8\n"
	".globl hostile_csrs\n"
	"hostile_csrs:\n"
	".set n, 0x100\n"
	".rept 256\n"
	".word 0x00001073 | n << 20\n"
	"ret\n"
	".set n, n + 1\n"
	".endr\n"
	".option pop\n"
	".popsection\n");
static inline void hostile_variant(uint64_t n)
{
	((void (*)(void))((uint64_t)hostile_csrs + 8 * n))();
}

// The registers that a kernel must not trust hold `value` during a system call. Answers its status; *changed is not 0
// if they did not come back as they were.
static inline err_t hostile_registers(uint64_t value, uint64_t *changed)
{
	uint64_t status, other;

	__asm__ volatile(
		"mv s2, sp\n\tmv s3, gp\n\tmv s4, tp\n\tmv s5, ra\n\t"
		"mv sp, %[value]\n\tmv gp, %[value]\n\tmv tp, %[value]\n\tmv ra, %[value]\n\tmv s6, %[value]\n\t"
		"mv s7, %[value]\n\t"
		"li a0, %[cap]\n\tli a7, %[nr]\n\tli a2, 0\n\tecall\n\t"
		"mv %[status], a0\n\t"
		"xor s6, s6, %[value]\n\txor t0, sp, %[value]\n\tor s6, s6, t0\n\txor t0, gp, %[value]\n\t"
		"or s6, s6, t0\n\txor t0, tp, %[value]\n\tor s6, s6, t0\n\txor t0, ra, %[value]\n\tor s6, s6, t0\n\t"
		"xor t0, s7, %[value]\n\tor s6, s6, t0\n\t"
		"mv sp, s2\n\tmv gp, s3\n\tmv tp, s4\n\tmv ra, s5\n\t"
		"mv %[other], s6"
		: [status] "=&r"(status), [other] "=&r"(other)
		: [value] "r"(value), [cap] "i"(SLOT_NOTIFY), [nr] "i"(NR_WAIT | IPC_POLL)
		: "memory", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "t0", "t1", "t2", "t3", "t4", "t5", "t6",
		  "s2", "s3", "s4", "s5", "s6", "s7");
	*changed = other;
	return (err_t)status;
}
