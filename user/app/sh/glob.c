// SPDX-License-Identifier: MIT
// File name patterns: each part between slashes is matched with the names of its directory.
#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sh.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void unquote(char *to, const char *from, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (from[i] == '\\' && i + 1 < len)
			i++;
		*to++ = from[i];
	}
	*to = '\0';
}

static bool is_pattern(const char *part, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (part[i] == '\\')
			i++;
		else if (strchr("*?[", part[i]))
			return true;
	}
	return false;
}

// `done` holds the path so far (it ends in a slash or is empty), `rest` the parts still to match.
static void match(char *done, size_t done_len, const char *rest, struct strings *out)
{
	size_t len = strcspn(rest, "/");
	const char *next = rest + len + strspn(rest + len, "/");
	char part[NAME_MAX + 1];
	struct dirent *entry;
	DIR *dir;

	if (len > NAME_MAX || done_len + len + 2 > PATH_MAX)
		return;
	if (!is_pattern(rest, len)) {
		unquote(done + done_len, rest, len);
		done_len = strlen(done);
		if (!*next && access(done, F_OK) == 0)
			strings_add(out, done, done_len);
		if (*next) {
			strcpy(done + done_len, "/");
			match(done, done_len + 1, next, out);
		}
		return;
	}
	memcpy(part, rest, len);
	part[len] = '\0';
	done[done_len] = '\0';
	dir = opendir(done_len ? done : ".");
	while (dir && (entry = readdir(dir))) {
		size_t name_len = strlen(entry->d_name);

		if (fnmatch(part, entry->d_name, FNM_PERIOD) || done_len + name_len + 2 > PATH_MAX)
			continue;
		memcpy(done + done_len, entry->d_name, name_len + 1);
		if (!*next) {
			strings_add(out, done, done_len + name_len);
		} else if (entry->d_type == DT_DIR) {
			strcpy(done + done_len + name_len, "/");
			match(done, done_len + name_len + 1, next, out);
		}
	}
	if (dir)
		closedir(dir);
}

int glob_names(const char *pattern, struct strings *out)
{
	size_t slashes = strspn(pattern, "/");
	int before = out->count;
	char done[PATH_MAX];

	strcpy(done, slashes ? "/" : "");
	match(done, slashes ? 1 : 0, pattern + slashes, out);
	if (out->count > before)
		qsort(out->item + before, out->count - before, sizeof(*out->item), compare);
	return out->count - before;
}
