// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "app.h"

static int move(const char *source, const char *target)
{
	return rename(source, target) ? app_warn(source) : 0;
}

int main(int argc, char **argv)
{
	app_start(argc, argv, "mv FILE TARGET\nmv FILE... DIRECTORY\nRenames or moves files.\n");
	return app_each_target(argc, argv, move);
}
