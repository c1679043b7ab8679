// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <time.h>

#include "app.h"

int main(int argc, char **argv)
{
	struct timespec ts;
	double seconds;
	char *end;

	app_start(argc, argv, "sleep SECONDS\nWaits. Fractions are allowed.\n");
	if (argc != 2)
		app_usage();
	seconds = strtod(argv[1], &end);
	if (end == argv[1] || *end || !(seconds >= 0 && seconds < 1e9))
		app_fail("'%s' is not a number of seconds", argv[1]);
	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	return nanosleep(&ts, NULL) ? app_warn("sleep") : 0;
}
