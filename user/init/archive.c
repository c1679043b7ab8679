// SPDX-License-Identifier: MIT
#include "archive.h"

#include <lib/base/string.h>

err_t archive_open(struct archive *a, const void *base, u64 pages)
{
	const struct archive_header *h = base;

	if (!pages || h->magic != ARCHIVE_MAGIC || h->pages > pages || !h->count)
		return -ERR_INVAL;
	if (sizeof(*h) + h->count * (u64)sizeof(struct archive_entry) > (u64)h->pages * PAGE_SIZE)
		return -ERR_INVAL;
	a->base = base;
	a->pages = h->pages;
	a->entry = (const struct archive_entry *)(h + 1);
	a->count = h->count;
	return 0;
}

static bool entry_inside(const struct archive *a, const struct archive_entry *e)
{
	u64 room = e->page <= a->pages ? (a->pages - e->page) * PAGE_SIZE : 0;

	return e->size <= room && e->path[sizeof(e->path) - 1] == '\0';
}

const struct archive_entry *archive_find(const struct archive *a, const char *path)
{
	for (u32 i = 0; i < a->count; i++) {
		const struct archive_entry *e = &a->entry[i];

		if (entry_inside(a, e) && !(e->flags & 1) && !strcmp((const char *)e->path, path))
			return e;
	}
	return NULL;
}
