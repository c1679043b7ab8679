// SPDX-License-Identifier: MIT
// Paths travel at the start of the buffer shared with files.
#include <limits.h>
#include <string.h>

#include "rt.h"

err_t rt_path_at(const char *path, size_t offset, size_t *out_bytes)
{
	size_t bytes;

	if (!path)
		return -ERR_FAULT;
	bytes = strlen(path) + 1;
	if (bytes == 1)
		return -ERR_NOENT;
	if (bytes > PATH_MAX)
		return -ERR_NAMETOOLONG;
	memcpy(rt_files_buffer() + offset, path, bytes);
	*out_bytes = bytes;
	return 0;
}

err_t rt_path(const char *path)
{
	size_t bytes;

	return rt_path_at(path, 0, &bytes);
}
