// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"

enum { RECURSIVE = 1, FORCE = 2 };

static int remove_path(const char *path, unsigned int options);

// One name at a time from the start: the directory changes while it is emptied.
static int remove_tree(const char *path, unsigned int options)
{
	char name[PATH_MAX];
	struct dirent *entry;
	int status = 0;

	while (!status) {
		DIR *dir = opendir(path);

		if (!dir)
			return app_warn(path);
		while ((entry = readdir(dir)) && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")))
			;
		if (entry)
			snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		closedir(dir);
		if (!entry)
			return rmdir(path) ? app_warn(path) : 0;
		status = remove_path(name, options);
	}
	return status;
}

static int remove_path(const char *path, unsigned int options)
{
	struct stat st;

	if (stat(path, &st))
		return errno == ENOENT && options & FORCE ? 0 : app_warn(path);
	if (S_ISDIR(st.st_mode) && options & RECURSIVE)
		return remove_tree(path, options);
	return unlink(path) ? app_warn(path) : 0;
}

int main(int argc, char **argv)
{
	int status = 0, first;
	unsigned int options;

	app_start(argc, argv,
		  "rm [-rf] FILE...\nRemoves files. -r: directories and all in them; -f: no complaint about what is "
		  "not there.\n"
		  "Everything is as it was after the next boot.\n");
	options = app_options(argc, argv, "rf", &first);
	if (first == argc && !(options & FORCE))
		app_usage();
	for (int i = first; i < argc; i++)
		status |= remove_path(argv[i], options);
	return status;
}
