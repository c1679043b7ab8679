// SPDX-License-Identifier: MIT
/*
 * malloc over the slab core: up to SMALL_MAX bytes from caches by size class, larger ones as pages of their own.
 * Every pointer given to free is checked against the table of extents and its slab's bitmap, so a double or a wild free
 * ends the program with a line that names the cache, before it can break anything. One thread per process, so no lock;
 * fork copies everything as it is.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "malloc_os.h"
#include <lib/slab/arena.h>

#define SMALL_MAX   8192
#define CLASSES     33
#define FINE_MAX    1024 // classes up to here are looked up by 8 bytes
#define COARSE_STEP 256  // above: by 256
#define SLAB_SMALL  ARENA_UNIT
#define SLAB_LARGE  (4 * ARENA_UNIT)

// Four classes per power of two: at most a quarter is lost, and classes above 8 keep 16-byte alignment, as the ABI
// wants.
static const u16 class_size[CLASSES] = {
	8,   16,  32,  48,   64,   80,   96,   112,  128,  160,  192,  224,  256,  320,  384,  448,  512,
	640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168, 8192,
};

static struct {
	bool ready;
	u8 fine[FINE_MAX / 8 + 1];
	u8 coarse[SMALL_MAX / COARSE_STEP + 1];
	char name[CLASSES][16];
	struct slab_cache cache[CLASSES];
	struct extent_map extents;
	struct arena arena;
} heap;

static void name_set(char *name, u32 size)
{
	char digits[8];
	int n = 0;

	for (; size; size /= 10)
		digits[n++] = '0' + size % 10;
	memcpy(name, "malloc-", 7);
	for (name += 7; n > 0; name++)
		*name = digits[--n];
}

static void heap_init(void)
{
	int class = 0;

	extent_map_init(&heap.extents, &malloc_os);
	arena_init(&heap.arena, &heap.extents);
	for (int i = 0; i < CLASSES; i++) {
		name_set(heap.name[i], class_size[i]);
		slab_cache_init(&heap.cache[i], heap.name[i], class_size[i],
				class_size[i] <= FINE_MAX / 2 ? SLAB_SMALL : SLAB_LARGE, &heap.arena.source);
	}
	for (int i = 0; i <= FINE_MAX / 8; i++) {
		class += i * 8 > class_size[class];
		heap.fine[i] = class;
	}
	for (int i = FINE_MAX / COARSE_STEP; i <= SMALL_MAX / COARSE_STEP; i++) {
		class += i * COARSE_STEP > class_size[class];
		heap.coarse[i] = class;
	}
	heap.ready = true;
}

// The cache for a size up to SMALL_MAX.
static struct slab_cache *cache_for(size_t size)
{
	if (!heap.ready)
		heap_init();
	if (size <= FINE_MAX)
		return &heap.cache[heap.fine[(size + 7) / 8]];
	return &heap.cache[heap.coarse[(size + COARSE_STEP - 1) / COARSE_STEP]];
}

static size_t round_pages(size_t size)
{
	return (size + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

// Pages of its own, start a multiple of `align` (a power of two, at least PAGE_SIZE).
static void *large_alloc(size_t size, size_t align)
{
	size_t over = align - PAGE_SIZE, before;
	char *area, *start;

	if (!heap.ready)
		heap_init();
	if (size > PTRDIFF_MAX - PAGE_SIZE || over > PTRDIFF_MAX - PAGE_SIZE - size)
		return NULL;
	size = round_pages(size);
	area = malloc_os.map(size + over);
	if (!area)
		return NULL;
	before = -(uintptr_t)area & (align - 1);
	start = area + before;
	if (before)
		malloc_os.unmap(area, before);
	if (over > before)
		malloc_os.unmap(start + size, over - before);
	if (extent_insert(&heap.extents, start, size, EXTENT_LARGE))
		return start;
	malloc_os.unmap(start, size);
	return NULL;
}

// What an allocation lies in: its slab, or (NULL) the extent that it is. Does not return when it is neither.
static struct slab *find(void *p, struct extent **large)
{
	void *base = (void *)((uintptr_t)p & ~(uintptr_t)(ARENA_CHUNK - 1));
	struct extent *extent = heap.ready ? extent_find(&heap.extents, base) : NULL;
	struct slab *slab;

	if (extent && extent_kind(extent) == EXTENT_CHUNK) {
		slab = arena_slab(p);
		if (!slab)
			malloc_die("wild or double free of", p, "no slab is there");
		return slab;
	}
	extent = heap.ready ? extent_find(&heap.extents, p) : NULL;
	if (!extent)
		malloc_die("wild or double free of", p, "malloc never gave it out, or has it back");
	*large = extent;
	return NULL;
}

// The same, of what must be in use: nothing is read of it before that is sure.
static struct slab *find_used(void *p, struct extent **large)
{
	struct slab *slab = find(p, large);

	if (slab && !slab_in_use(slab, p))
		slab_free_wrong(slab, p);
	return slab;
}

_Noreturn void slab_corrupt(const struct slab_cache *cache, const void *object, const char *what)
{
	malloc_die(cache->name, object, what);
}

void *malloc(size_t size)
{
	void *p = size <= SMALL_MAX ? slab_alloc(cache_for(size)) : large_alloc(size, PAGE_SIZE);

	if (!p)
		errno = ENOMEM;
	return p;
}

void free(void *p)
{
	struct extent *large;
	struct slab *slab;
	size_t size;

	if (!p)
		return;
	slab = find(p, &large);
	if (slab) {
		slab_free(slab, p);
		return;
	}
	size = extent_size(large);
	extent_remove(&heap.extents, p);
	malloc_os.unmap(p, size);
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	p = malloc(bytes);
	if (p && bytes <= SMALL_MAX)
		memset(p, 0, bytes);
	return p;
}

size_t malloc_usable_size(void *p)
{
	struct extent *large;
	struct slab *slab;

	if (!p)
		return 0;
	slab = find_used(p, &large);
	return slab ? slab->cache->size : extent_size(large);
}

static void *large_resize(void *p, size_t old, size_t size)
{
	void *moved;

	if (size > PTRDIFF_MAX - PAGE_SIZE)
		return NULL;
	size = round_pages(size);
	if (size == old)
		return p;
	moved = malloc_os_resize(p, old, size);
	if (!moved)
		return NULL;
	// The entry that goes makes room for the one that comes: this insert cannot fail.
	extent_remove(&heap.extents, p);
	extent_insert(&heap.extents, moved, size, EXTENT_LARGE);
	return moved;
}

static void *copy_resize(void *p, size_t old, size_t size)
{
	void *q = malloc(size);

	if (!q)
		return NULL;
	memcpy(q, p, old < size ? old : size);
	free(p);
	return q;
}

void *realloc(void *p, size_t size)
{
	struct extent *large = NULL;
	struct slab *slab;
	void *q;

	if (!p)
		return malloc(size);
	slab = find_used(p, &large);
	if (slab && size <= SMALL_MAX && cache_for(size) == slab->cache)
		return p;
	if (slab)
		q = copy_resize(p, slab->cache->size, size);
	else if (size <= SMALL_MAX)
		q = copy_resize(p, extent_size(large), size);
	else
		q = large_resize(p, extent_size(large), size);
	if (!q)
		errno = ENOMEM;
	return q;
}

// Objects of a class lie at multiples of its size from an aligned base: find the first class that is a multiple of
// `align`.
static void *small_aligned(size_t align, size_t size)
{
	for (struct slab_cache *cache = cache_for(size); cache < heap.cache + CLASSES; cache++)
		if (cache->size % align == 0)
			return slab_alloc(cache);
	return NULL;
}

static void *alloc_aligned(size_t align, size_t size)
{
	if (size > SMALL_MAX || align > PAGE_SIZE)
		return large_alloc(size ? size : 1, align > PAGE_SIZE ? align : PAGE_SIZE);
	return small_aligned(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
	void *p;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	p = alloc_aligned(align, size);
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void *memalign(size_t align, size_t size)
{
	void *p;

	if (!align || (align & (align - 1))) {
		errno = EINVAL;
		return NULL;
	}
	p = alloc_aligned(align, size);
	if (!p)
		errno = ENOMEM;
	return p;
}

void *aligned_alloc(size_t align, size_t size)
{
	return memalign(align, size);
}

void *valloc(size_t size)
{
	return memalign(PAGE_SIZE, size);
}

// Give back what the program does not use. Answers 1 if that was anything (as glibc's).
int malloc_trim(size_t keep)
{
	u32 dirty = heap.arena.dirty;

	(void)keep;
	if (!dirty)
		return 0;
	arena_purge(&heap.arena);
	return 1;
}
