// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <time.h>

#include "glass.h"

int main(int argc, char **argv)
{
	struct timespec ts;

	app_start(argc, argv, "uptime\nShows how long the machine has been up and what it has done.\n");
	if (clock_gettime(CLOCK_MONOTONIC, &ts))
		return app_warn("clock");
	printf("up %ld.%02ld s, %lu processes, %lu forks, %lu system calls, %lu page faults\n", (long)ts.tv_sec,
	       ts.tv_nsec / 10000000, glass_vm(VMSTAT_PROCS), glass_vm(VMSTAT_FORKS), glass_sys(SYSSTAT_SYSCALLS),
	       glass_sys(SYSSTAT_FAULTS));
	return 0;
}
