// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "glass.h"

static const char *slot_name(u64 slot)
{
	static const char *const names[] = {
		[SLOT_VM] = "vm",         [SLOT_FILES] = "files",   [SLOT_CONSOLE] = "console",
		[SLOT_NOTIFY] = "notify", [SLOT_SYSTEM] = "system",
	};

	return slot < sizeof(names) / sizeof(*names) && names[slot] ? names[slot] : "";
}

static void print_rights(u32 rights)
{
	const char *between = "";

	for (unsigned int bit = 0; bit < 32; bit++)
		if (rights >> bit & 1) {
			printf("%s%s", between, right_name(bit));
			between = "|";
		}
}

int main(int argc, char **argv)
{
	u64 pid, slot = 0, type_rights, object, badge;
	err_t err;

	app_start(argc, argv,
		  "caps PID|self\nShows the capability table of a process: slot, its name, type, object, badge, "
		  "rights.\n");
	if (argc != 2)
		app_usage();
	pid = glass_pid(argv[1]);
	printf("%4s %-8s %-12s %10s %10s %s\n", "SLOT", "NAME", "TYPE", "OBJECT", "BADGE", "RIGHTS");
	while (!(err = vm_caps(SLOT_VM, pid, slot, &slot, &type_rights, &object, &badge))) {
		printf("%4lu %-8s %-12s %#10lx %#10lx ", slot, slot_name(slot), type_name((u32)type_rights), object,
		       badge);
		print_rights(type_rights >> 32);
		putchar('\n');
		slot++;
	}
	if (err != -ERR_NOENT)
		glass_fail("process", err);
	return 0;
}
