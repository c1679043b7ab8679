// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "glass.h"

static const char *vma_name(const struct vma *vma, char text[40])
{
	if (vma->flags & MMAP_FILE)
		snprintf(text, 40, "[archive page %lu]", vma->image);
	else if (vma->flags & MMAP_STACK || vma->end == STACK_TOP)
		return "[stack]";
	else
		return vma->flags & MMAP_SHARED ? "[shared]" : "[anon]";
	return text;
}

int main(int argc, char **argv)
{
	u64 pid, addr = 0, rss = 0, size = 0;
	struct vma vma;
	char prot[4], name[40];

	app_start(argc, argv,
		  "maps PID|self\nShows the mappings of a process in the manner of /proc/PID/maps, with KiB present "
		  "and in all.\n");
	if (argc != 2)
		app_usage();
	pid = glass_pid(argv[1]);
	for (; glass_vma(pid, addr, &vma); addr = vma.end) {
		printf("%012lx-%012lx %s%c %08lx %8lu/%lu KiB %s\n", vma.start, vma.end, glass_prot(vma.prot, prot),
		       vma.flags & MMAP_SHARED ? 's' : 'p', vma.offset, vma.rss * (PAGE_SIZE / 1024),
		       (vma.end - vma.start) / 1024, vma_name(&vma, name));
		rss += vma.rss;
		size += vma.end - vma.start;
	}
	printf("total %lu KiB present of %lu KiB\n", rss * (PAGE_SIZE / 1024), size / 1024);
	return 0;
}
