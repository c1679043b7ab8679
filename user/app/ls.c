// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app.h"

enum { LONG = 1, ALL = 2, ONE = 4 };

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char type_letter(mode_t mode)
{
	return S_ISDIR(mode) ? 'd' : S_ISCHR(mode) ? 'c' : S_ISFIFO(mode) ? 'p' : '-';
}

static void print_long(const char *path, const char *name)
{
	static const char bits[] = "rwxrwxrwx";
	char mode[11] = { 0 }, date[32];
	struct stat st;

	if (stat(path, &st)) {
		app_warn(path);
		return;
	}
	mode[0] = type_letter(st.st_mode);
	for (int i = 0; i < 9; i++)
		mode[i + 1] = st.st_mode >> (8 - i) & 1 ? bits[i] : '-';
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M", gmtime(&st.st_mtime));
	printf("%s %10lld %s %s\n", mode, (long long)st.st_size, date, name);
}

static int screen_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 1;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
}

static void print_columns(char **names, int count, int width)
{
	int widest = 1, columns, rows;

	for (int i = 0; i < count; i++)
		if ((int)strlen(names[i]) + 2 > widest)
			widest = strlen(names[i]) + 2;
	columns = width / widest > 0 ? width / widest : 1;
	rows = (count + columns - 1) / columns;
	for (int row = 0; row < rows; row++)
		for (int i = row; i < count; i += rows)
			printf("%-*s%s", i + rows < count ? widest : 0, names[i], i + rows < count ? "" : "\n");
}

// The names of a directory, sorted; directories with a slash behind.
static int names_read(const char *path, bool all, char ***out)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char **names = NULL;
	int count = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		char **more;
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] == '.' && !all)
			continue;
		more = realloc(names, (count + 1) * sizeof(*names));
		if (!more || !(names = more, names[count] = malloc(len + 2)))
			app_fail("no memory for the names in %s", path);
		strcpy(names[count], entry->d_name);
		if (entry->d_type == DT_DIR)
			strcpy(names[count] + len, "/");
		count++;
	}
	closedir(dir);
	qsort(names, count, sizeof(*names), name_compare);
	*out = names;
	return count;
}

static int list_directory(const char *path, unsigned int options)
{
	char **names = NULL, full[PATH_MAX];
	int count = names_read(path, options & ALL, &names);

	if (count < 0)
		return app_warn(path);
	if (options & LONG) {
		for (int i = 0; i < count; i++) {
			snprintf(full, sizeof(full), "%s/%s", path, names[i]);
			full[strlen(full) - (full[strlen(full) - 1] == '/')] = '\0';
			print_long(full, names[i]);
		}
	} else {
		print_columns(names, count, options & ONE ? 1 : screen_width());
	}
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return 0;
}

static int list(const char *path, unsigned int options, bool title)
{
	struct stat st;

	if (stat(path, &st))
		return app_warn(path);
	if (S_ISDIR(st.st_mode)) {
		if (title)
			printf("%s:\n", path);
		return list_directory(path, options);
	}
	if (options & LONG)
		print_long(path, path);
	else
		puts(path);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int options;
	int first, status = 0;

	app_start(argc, argv,
		  "ls [-la1] [FILE...]\nLists directories. -l: type, mode, size, date; -a: names with a dot too; -1: "
		  "one a line.\n");
	options = app_options(argc, argv, "la1", &first);
	if (first == argc)
		return list(".", options, false);
	for (int i = first; i < argc; i++)
		status |= list(argv[i], options, argc - first > 1);
	return status;
}
