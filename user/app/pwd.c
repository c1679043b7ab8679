// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "app.h"

int main(int argc, char **argv)
{
	char path[PATH_MAX];

	app_start(argc, argv, "pwd\nPrints the working directory.\n");
	if (!getcwd(path, sizeof(path)))
		return app_warn("working directory");
	puts(path);
	return 0;
}
