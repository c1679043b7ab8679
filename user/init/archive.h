// SPDX-License-Identifier: MIT
// The boot archive as init sees it: find a file. Pure; the files server has the tree of all names.
#pragma once

#include <abi/abi.h>
#include <lib/base/types.h>

struct archive {
	const u8 *base;
	u64 pages;
	const struct archive_entry *entry;
	u32 count;
};

// INVAL: not an archive, or its table does not fit in `pages`.
err_t archive_open(struct archive *a, const void *base, u64 pages);
// NULL: there is no such file, or its content lies outside the archive.
const struct archive_entry *archive_find(const struct archive *a, const char *path);

static inline const u8 *archive_bytes(const struct archive *a, const struct archive_entry *e)
{
	return a->base + e->page * PAGE_SIZE;
}
