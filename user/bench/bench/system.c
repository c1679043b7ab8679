// SPDX-License-Identifier: MIT
// What the machine says about itself. Asked before anything else, so it is the state at the prompt and this program.
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#include <abi/abi_names.h>
#include <abi/stubs.h>

// Per-frame arrays of servers beside struct page: vm and files keep none (docs/bench.md says how that is checked).
#define SERVER_BYTES 0

static u64 system_stat(u64 index)
{
	u64 value = 0;
	err_t err = sys_system(SLOT_SYSTEM, SYS_STAT, index, 0, 0, &value, NULL, NULL, NULL);

	if (err) {
		fprintf(stderr, "bench: system counter %lu: %s\n", index, err_name(err));
		exit(1);
	}
	return value;
}

void rows_system(u64 started)
{
	u64 free_frames = system_stat(SYSSTAT_FREE), frames = system_stat(SYSSTAT_FRAMES);

	row_print("boot_to_shell", started);
	printf("bench: ram_used_kib %lu KiB\n", (frames - free_frames) * (PAGE_SIZE / KIB));
	printf("bench: page_state_bytes %lu bytes\n", system_stat(SYSSTAT_PAGE_BYTES) + SERVER_BYTES);
	fflush(stdout);
}
