// SPDX-License-Identifier: MIT
#include "check.h"
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static int count_names(const char *path, const char *wanted)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int n = 0, found = 0;

	CHECK(dir);
	while ((entry = readdir(dir))) {
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
		found += !strcmp(entry->d_name, wanted);
	}
	CHECK(found == 1);
	rewinddir(dir);
	CHECK(readdir(dir) && closedir(dir) == 0);
	return n;
}

void test_names(void)
{
	char path[PATH_MAX], *cwd;
	struct stat st;

	CHECK(mkdir("/tmp/d", 0755) == 0 && mkdir("/tmp/d", 0755) == -1 && errno == EEXIST);
	CHECK(chdir("/tmp/d") == 0 && getcwd(path, sizeof(path)) && !strcmp(path, "/tmp/d"));
	CHECK(!getcwd(path, 3) && errno == ERANGE && (cwd = getcwd(NULL, 0)) && !strcmp(cwd, "/tmp/d"));
	free(cwd);
	for (int i = 0; i < 200; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "a-rather-long-name-so-that-one-batch-is-not-enough-%03d", i);
		f = fopen(path, "w");
		CHECK(f && fclose(f) == 0);
	}
	CHECK(count_names(".", "a-rather-long-name-so-that-one-batch-is-not-enough-123") == 200);
	CHECK(rename("a-rather-long-name-so-that-one-batch-is-not-enough-000", "../moved") == 0);
	CHECK(stat("/tmp/moved", &st) == 0 && S_ISREG(st.st_mode) && stat("/tmp/d/../moved", &st) == 0);
	CHECK(rmdir("/tmp/d") == -1 && errno == ENOTEMPTY && unlink("/tmp/d") == -1 && errno == EISDIR);
	for (int i = 1; i < 200; i++) {
		snprintf(path, sizeof(path), "a-rather-long-name-so-that-one-batch-is-not-enough-%03d", i);
		CHECK(unlink(path) == 0);
	}
	CHECK(chdir("..") == 0 && remove("/tmp/d") == 0 && stat("/tmp/d", &st) == -1 && errno == ENOENT);
	CHECK(unlink("/tmp/moved") == 0 && unlink("/dev/null") == -1 && errno == EROFS);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	CHECK(stat(path, &st) == -1 && (errno == ENAMETOOLONG || errno == ENOENT));
	CHECK(stat("", &st) == -1 && errno == ENOENT && stat("/bin/ls/x", &st) == -1 && errno == ENOTDIR);
	CHECK(access("/bin/ls", X_OK) == 0 && access("/bin/nosuch", F_OK) == -1 && count_names("/", "bin") >= 4);
}
