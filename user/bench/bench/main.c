// SPDX-License-Identifier: MIT
#include "bench.h"

int main(void)
{
	u64 started = arch_cycles();

	rows_system(started);
	samples_make();
	rows_fault();
	rows_cow();
	rows_fork();
	rows_mapping();
	rows_pipe();
	return 0;
}
