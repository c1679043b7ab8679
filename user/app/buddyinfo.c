// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "glass.h"

int main(int argc, char **argv)
{
	app_start(argc, argv, "buddyinfo\nShows the free blocks of each order, as Linux' /proc/buddyinfo.\n");
	for (u64 zone = 0;; zone++) {
		char name[9] = { 0 };
		u64 blocks, name_word;
		err_t err = sys_system(SLOT_SYSTEM, SYS_BUDDY, zone, 0, 0, &blocks, &name_word, NULL, NULL);

		if (err == -ERR_INVAL && zone)
			return 0;
		if (err)
			glass_fail("buddy", err);
		memcpy(name, &name_word, sizeof(name_word));
		printf("Node %d, zone %8s ", 0, name);
		for (u64 order = 0; order <= MAX_ORDER; order++) {
			err = sys_system(SLOT_SYSTEM, SYS_BUDDY, zone, order, 0, &blocks, NULL, NULL, NULL);
			if (err)
				glass_fail("buddy", err);
			printf("%6lu ", blocks);
		}
		putchar('\n');
	}
}
