// SPDX-License-Identifier: MIT
#include <abi/files_client.h>
#include <stdio.h>

#include "glass.h"

#define KIB(pages) ((pages) * (PAGE_SIZE / 1024))

int main(int argc, char **argv)
{
	u64 total, reserved, available, ramfiles = 0;

	app_start(argc, argv, "free\nShows in KiB where the memory is.\n");
	total = glass_sys(SYSSTAT_FRAMES);
	reserved = glass_sys(SYSSTAT_KERNEL_FRAMES);
	available = glass_sys(SYSSTAT_FREE);
	files_stats(SLOT_FILES, 1, &ramfiles);
	printf("%-10s %10s %10s %10s\n", "", "total", "used", "free");
	printf("%-10s %10lu %10lu %10lu\n", "Memory:", KIB(total), KIB(total - available), KIB(available));
	printf("%-10s %10lu %10lu %10lu\n", "Programs:", KIB(glass_vm(VMSTAT_POOL_LIMIT)),
	       KIB(glass_vm(VMSTAT_POOL_USED)), KIB(glass_vm(VMSTAT_POOL_LIMIT) - glass_vm(VMSTAT_POOL_USED)));
	printf("%-10s %10s %10lu\n", "Tables:", "", KIB(glass_vm(VMSTAT_POOL_TABLES)));
	printf("%-10s %10s %10lu\n", "RAM files:", "", KIB(ramfiles));
	printf("%-10s %10s %10lu\n", "Kernel:", "", KIB(reserved));
	return 0;
}
