// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include "app.h"

int main(int argc, char **argv)
{
	char buffer[4096];
	int status = 0, first, fd = -1;
	unsigned int append;
	ssize_t got;

	app_start(argc, argv,
		  "tee [-a] FILE\nCopies standard input to standard output and to a file. -a: to its end.\n");
	append = app_options(argc, argv, "a", &first);
	if (first + 1 != argc)
		app_usage();
	fd = open(argv[first], O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0666);
	if (fd < 0)
		status = app_warn(argv[first]);
	while ((got = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0) {
		if (write(STDOUT_FILENO, buffer, got) != got)
			return app_warn("standard output");
		if (fd >= 0 && write(fd, buffer, got) != got) {
			status = app_warn(argv[first]);
			close(fd);
			fd = -1;
		}
	}
	return got < 0 ? app_warn("standard input") : status;
}
