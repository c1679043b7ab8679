// SPDX-License-Identifier: MIT
/*
 * limits [faults]: what the kernel and vm promise about every call and every fault since boot; with `faults` only the
 * latter, since the former means something under -icount only, where cycles are instructions. No entry into the kernel
 * keeps interrupts off for more than IRQ_OFF_LIMIT instructions; a fault costs vm one system call, but for the cases
 * named below, of which there are few.
 */
#include <stdio.h>
#include <string.h>

#include <abi/abi_names.h>
#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"

#define IRQ_OFF_LIMIT 20000
#define SINGLE_SHARE  90 // percent of all faults that must cost one call
#define RARE          "shared memory made first, want of memory, the end of somebody"

static uint64_t system_stat(uint64_t index)
{
	u64 value = 0;

	CHECK(!sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL));
	return value;
}

static const char *entry_name(uint64_t nr)
{
	return nr <= NR_SYSTEM ? syscall_name(nr)
	       : nr == 0x100   ? "an interrupt"
	       : nr == 0x101   ? "a fault"
			       : "an exception";
}

static void test_interrupts(void)
{
	uint64_t most = system_stat(SYSSTAT_IRQ_OFF_MAX), nr = system_stat(SYSSTAT_IRQ_OFF_NR);

	printf("limits: interrupts were off for at most %lu instructions, in %s\n", most, entry_name(nr));
	if (most > IRQ_OFF_LIMIT)
		FAIL("the limit is %d", IRQ_OFF_LIMIT);
}

static void test_faults(void)
{
	static const char *const why[] = {
		[1] = "the mapping is the answer",
		[2] = "and the magazine takes 32 frames more",
		[3] = "and the process gets room for page tables",
	};
	uint64_t count[9] = { 0 }, all = 0;

	for (uint64_t calls = 1; calls <= 8; calls++) {
		CHECK(!vm_fault_histogram(SLOT_VM, calls, &count[calls]));
		all += count[calls];
	}
	for (uint64_t calls = 1; calls <= 8; calls++)
		if (count[calls])
			printf("limits: %8lu faults cost %lu system calls: %s\n", count[calls], calls,
			       calls < 4 ? why[calls] : RARE);
	CHECK(all > 100);
	if (count[1] * 100 < all * SINGLE_SHARE)
		FAIL("%lu of %lu faults cost one call; %d of 100 are expected", count[1], all, SINGLE_SHARE);
}

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "faults"))
		test_interrupts();
	test_faults();
	return check_done("limits");
}
