// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <unistd.h>

#include "app.h"

int main(int argc, char **argv)
{
	int status = 0;

	app_start(argc, argv, "touch FILE...\nMakes empty files where there are none.\n");
	if (argc < 2)
		app_usage();
	for (int i = 1; i < argc; i++) {
		int fd = open(argv[i], O_WRONLY | O_CREAT, 0666);

		if (fd < 0)
			status = app_warn(argv[i]);
		else
			close(fd);
	}
	return status;
}
