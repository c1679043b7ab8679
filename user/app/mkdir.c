// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "app.h"

// All directories on the way, those that are there already included.
static int make_parents(char *path)
{
	for (char *c = path + 1; (c = strchr(c, '/')); c++) {
		*c = '\0';
		if (mkdir(path, 0755) && errno != EEXIST && errno != EROFS)
			return app_warn(path);
		*c = '/';
	}
	return mkdir(path, 0755) && errno != EEXIST ? app_warn(path) : 0;
}

int main(int argc, char **argv)
{
	int status = 0, first;
	unsigned int options;

	app_start(argc, argv,
		  "mkdir [-p] DIRECTORY...\nMakes directories. -p: those on the way too; none is an error if it is "
		  "there.\n");
	options = app_options(argc, argv, "p", &first);
	if (first == argc)
		app_usage();
	for (int i = first; i < argc; i++) {
		if (options)
			status |= make_parents(argv[i]);
		else if (mkdir(argv[i], 0755))
			status = app_warn(argv[i]);
	}
	return status;
}
