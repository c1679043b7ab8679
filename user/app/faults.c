// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "glass.h"

static const struct {
	u64 index;
	const char *text;
} counters[] = {
	{ VMSTAT_FAULTS, "faults served by vm" },
	{ VMSTAT_ANON, "pages filled with zeroes" },
	{ VMSTAT_AROUND, "pages mapped ahead by fault-around" },
	{ VMSTAT_FILE, "pages of the archive mapped" },
	{ VMSTAT_COW_COPY, "copies on write" },
	{ VMSTAT_COW_REUSE, "exclusive pages made writable again" },
	{ VMSTAT_MAGAZINE, "refills of the frame magazine" },
	{ VMSTAT_SEGV, "processes killed for a bad address" },
	{ VMSTAT_OOM_KILLS, "processes killed for want of memory" },
};

static void print_histogram(void)
{
	u64 count[9] = { 0 }, most = 1;
	static const char bar[] = "########################################";

	for (u64 calls = 1; calls <= 8; calls++) {
		err_t err = vm_fault_histogram(SLOT_VM, calls, &count[calls]);

		if (err)
			glass_fail("fault histogram", err);
		if (count[calls] > most)
			most = count[calls];
	}
	printf("\nsystem calls that vm made for one fault:\n");
	for (u64 calls = 1; calls <= 8; calls++) {
		int length = count[calls] * (sizeof(bar) - 1) / most;

		printf("  %lu%c %10lu %.*s\n", calls, calls == 8 ? '+' : ' ', count[calls],
		       length + (count[calls] && !length), bar);
	}
}

int main(int argc, char **argv)
{
	app_start(argc, argv, "faults\nShows what page faults there were and what they cost vm in system calls.\n");
	printf("%12lu %s\n", glass_sys(SYSSTAT_FAULTS), "page faults taken by the kernel");
	printf("%12lu %s\n", glass_sys(SYSSTAT_FAULTS_SPURIOUS), "resolved by the walk alone");
	for (unsigned int i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		printf("%12lu %s\n", glass_vm(counters[i].index), counters[i].text);
	print_histogram();
	return 0;
}
