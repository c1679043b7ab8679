// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"

static char buffer[65536];

static int copy(int from, int to, const char *source, const char *target)
{
	ssize_t got;

	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		for (ssize_t done = 0, n; done < got; done += n) {
			n = write(to, buffer + done, got - done); // fewer when room runs short; the next one says why
			if (n <= 0)
				return app_warn(target);
		}
	return got < 0 ? app_warn(source) : 0;
}

static int copy_file(const char *source, const char *target)
{
	struct stat a, b;
	int from = open(source, O_RDONLY), to, status;

	if (from < 0)
		return app_warn(source);
	if (!fstat(from, &a) && !stat(target, &b) && a.st_ino == b.st_ino && S_ISREG(b.st_mode))
		app_fail("%s and %s are the same file", source, target);
	to = open(target, O_WRONLY | O_CREAT | O_TRUNC, a.st_mode & 0777);
	if (to < 0) {
		close(from);
		return app_warn(target);
	}
	status = copy(from, to, source, target);
	close(from);
	close(to);
	return status;
}

int main(int argc, char **argv)
{
	app_start(argc, argv, "cp FILE TARGET\ncp FILE... DIRECTORY\nCopies files.\n");
	return app_each_target(argc, argv, copy_file);
}
