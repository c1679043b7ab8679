// SPDX-License-Identifier: MIT
// What the machine says about itself. Asked before anything else, so it is the state at the prompt and this program.
#include <stdio.h>

#include "bench.h"

void rows_system(u64 started)
{
	u64 free_frames = system_stat(SYSSTAT_FREE), frames = system_stat(SYSSTAT_FRAMES);

	row_print("boot_to_shell", started);
	printf("bench: ram_used_kib %lu KiB\n", (frames - free_frames) * (PAGE_SIZE / KIB));
	fflush(stdout);
}
