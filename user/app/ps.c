// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "glass.h"

static const char *state_name(u64 state)
{
	static const char *const name[] = {
		[PROC_FREE] = "free", [PROC_NEW] = "new",       [PROC_RUN] = "run",
		[PROC_WAIT] = "wait", [PROC_ZOMBIE] = "zombie", [PROC_EXIT] = "exit",
	};

	return state < sizeof(name) / sizeof(*name) ? name[state] : "?";
}

int main(int argc, char **argv)
{
	u64 index = 0, pid, parent_group, state_rss, words[2], cycles;

	app_start(argc, argv, "ps\nLists the processes: parent, group, state, memory in KiB, processor cycles.\n");
	printf("%6s %6s %6s %-6s %8s %14s %s\n", "PID", "PPID", "PGRP", "STATE", "RSS", "CYCLES", "NAME");
	do {
		char name[17] = { 0 };
		err_t err = vm_ps(SLOT_VM, index, &pid, &parent_group, &state_rss, &words[0], &words[1], &cycles,
				  &index);

		if (err)
			glass_fail("process table", err);
		memcpy(name, words, sizeof(words));
		if (pid)
			printf("%6lu %6u %6u %-6s %8lu %14lu %s\n", pid, (u32)parent_group, (u32)(parent_group >> 32),
			       state_name((u32)state_rss), (state_rss >> 32) * (PAGE_SIZE / 1024), cycles, name);
	} while (index);
	return 0;
}
