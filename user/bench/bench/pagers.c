// SPDX-License-Identifier: MIT
// bench-pagers: the rows of servers that a process has only when it asks. A program of its own, so that the rows of
// fork do not carry its memory.
#include "bench.h"

int main(void)
{
	samples_make();
	rows_slab();
	rows_vmalloc();
	return 0;
}
