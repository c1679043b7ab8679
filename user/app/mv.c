// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app.h"

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	int status = 0;
	bool directory;
	struct stat st;

	app_start(argc, argv, "mv FILE TARGET\nmv FILE... DIRECTORY\nRenames or moves files.\n");
	if (argc < 3)
		app_usage();
	directory = stat(argv[argc - 1], &st) == 0 && S_ISDIR(st.st_mode);
	if (argc > 3 && !directory)
		app_fail("%s: is not a directory", argv[argc - 1]);
	for (int i = 1; i < argc - 1; i++) {
		const char *slash = strrchr(argv[i], '/');

		snprintf(path, sizeof(path), "%s/%s", argv[argc - 1], slash ? slash + 1 : argv[i]);
		if (rename(argv[i], directory ? path : argv[argc - 1]))
			status = app_warn(argv[i]);
	}
	return status;
}
