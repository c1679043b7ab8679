// SPDX-License-Identifier: MIT
// Asks vmalloc for each client's areas, one by one. Where Linux names the caller, this names whose window it is.
#include <stdio.h>
#include <string.h>

#include <abi/vmalloc_client.h>

#include "glass.h"

struct area {
	u64 start, bytes, pages, kind, badge;
};

// "name/pid", or the number of the server in the boot manifest.
static const char *owner(u64 badge, char *text, size_t size)
{
	char name[17] = { 0 };
	u64 index = badge & 0xffff, pid = badge >> 16, found = 0, words[2] = { 0 };

	if (pid && !vm_ps(SLOT_VM, index, &found, NULL, NULL, &words[0], &words[1], NULL, NULL) && found == pid)
		memcpy(name, words, sizeof(words));
	if (!pid)
		snprintf(text, size, "server/%lu", badge - VMALLOC_SERVER);
	else
		snprintf(text, size, "%s/%lu", name[0] ? name : "?", pid);
	return text;
}

static void print(const struct area *a)
{
	u64 kind = (u32)a->kind;
	char text[40];

	printf("0x%016lx-0x%016lx %7lu ", a->start, a->start + a->bytes, a->bytes);
	if (kind == VMALLOC_KIND_UNPURGED)
		printf("unpurged vm_area\n");
	else if (kind == VMALLOC_KIND_RAM)
		printf("%s vm_map_ram\n", owner(a->badge, text, sizeof(text)));
	else if (kind == VMALLOC_KIND_PREPARED)
		printf("%s pages=%lu prepared\n", owner(a->badge, text, sizeof(text)), a->pages);
	else
		printf("%s pages=%lu vmalloc N0=%lu\n", owner(a->badge, text, sizeof(text)), a->pages, a->pages);
}

int main(int argc, char **argv)
{
	err_t err;

	app_start(argc, argv,
		  "vmallocinfo\nLists the areas of all windows, as Linux' /proc/vmallocinfo: range and bytes with the\n"
		  "guard page, whose, pages, kind, pages of node 0.\n");
	err = vm_attach(SLOT_VM, ATTACH_VMALLOC, NULL);
	if (err)
		glass_fail("vmalloc", err);
	for (u64 client = 0; err != -ERR_RANGE; client++) {
		struct area a = { 0 };

		while (!(err = vmalloc_info(SLOT_VMALLOC, client, a.start + a.bytes, &a.start, &a.bytes, &a.pages,
					    &a.kind, &a.badge)))
			print(&a);
		if (err != -ERR_NOENT && err != -ERR_RANGE)
			glass_fail("areas", err);
	}
	return 0;
}
