// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

static char buffer[65536];

static int copy(int fd, const char *name)
{
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		if (write(STDOUT_FILENO, buffer, got) != got)
			return app_warn("standard output");
	return got < 0 ? app_warn(name) : 0;
}

static int cat_file(const char *name)
{
	int status, fd = open(name, O_RDONLY);

	if (fd < 0)
		return app_warn(name);
	status = copy(fd, name);
	close(fd);
	return status;
}

int main(int argc, char **argv)
{
	int status = 0;

	app_start(argc, argv,
		  "cat [FILE...]\nPrints files, one after the other; without one, or for -, standard input.\n");
	if (argc == 1)
		return copy(STDIN_FILENO, "standard input");
	for (int i = 1; i < argc; i++)
		status |= strcmp(argv[i], "-") ? cat_file(argv[i]) : copy(STDIN_FILENO, "standard input");
	return status;
}
