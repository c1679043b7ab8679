// SPDX-License-Identifier: MIT
// bench-swap: what paging costs, on a machine of its own with a disk and little memory.
#include "bench.h"

int main(void)
{
	samples_make();
	rows_swap();
	rows_pressure();
	return 0;
}
