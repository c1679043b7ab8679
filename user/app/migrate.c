// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "glass.h"

static const char *reason(err_t err)
{
	switch (err) {
	case -ERR_NOENT:
		return "there is no page in memory at that address";
	case -ERR_BUSY:
		return "it cannot go now: a device has it, it is also in swap, mlock or the boot archive keeps it, or "
		       "rmap was wrong";
	case -ERR_BIG:
		return "it is mapped in too many places";
	case -ERR_NOSYS:
		return "no rmap server runs on this machine";
	default:
		return err_text(-err);
	}
}

int main(int argc, char **argv)
{
	u64 pid, addr, times = 1, from = 0, to = 0, moved = 0;
	err_t err = 0;

	app_start(argc, argv,
		  "migrate PID|self ADDRESS [TIMES]\nMoves the page at an address to another frame, and every mapping "
		  "of it with it, while the programs run.\nrmap says where it is mapped, the kernel whether that is "
		  "all. With TIMES again and again; what cannot be\nmoved at the moment is passed over, as long as it "
		  "moves at all.\n");
	if (argc != 3 && argc != 4)
		app_usage();
	pid = glass_pid(argv[1]);
	addr = app_number(argv[2], "ADDRESS");
	if (argc == 4)
		times = app_number(argv[3], "TIMES");
	for (u64 i = 0; i < times; i++) {
		u64 old, now;

		err = vm_migrate(SLOT_VM, pid, addr, &old, &now);
		if (err && err != -ERR_BUSY)
			break;
		if (err)
			continue;
		from = moved ? from : old;
		to = now;
		moved++;
	}
	if (!moved)
		app_fail("process %lu, %#lx: %s", pid, addr, reason(err));
	printf("process %lu, %#lx: frame %#lx moved to %#lx", pid, addr, from, to);
	printf(moved > 1 ? ", %lu times\n" : "\n", moved);
	return 0;
}
