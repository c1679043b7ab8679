// SPDX-License-Identifier: MIT
/*
 * Small wired objects from the slab server (docs/slab.md), by Linux's names. Objects belong to the process: they are
 * not swapped, they do not pass through fork (the child starts without any), and they go with it. NULL comes with
 * errno.
 *
 * Broken frees, and with SLAB_RED_ZONE and SLAB_POISON stray writes, end the process with a line that names the cache.
 */
#pragma once

#include <stddef.h>

#include <abi/abi.h>

struct kmem_cache;

// `align` 0: 8 bytes. flags: SLAB_*. The constructor runs once for each object of a new slab; whoever frees an object
// of such a cache leaves it constructed. A cache that is like an older one becomes an alias of that.
// EINVAL: size (1 .. SLAB_SIZE_MAX), align or flags; ENFILE, EMFILE: too many caches; ENOSYS: there is no slab server.
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, unsigned long flags,
				     void (*ctor)(void *));
// 0; -1 with EBUSY: objects are in use, nothing was done.
int kmem_cache_destroy(struct kmem_cache *cache);
// ENOMEM: no frames; ENOSPC: the process has its share.
void *kmem_cache_alloc(struct kmem_cache *cache);
void *kmem_cache_zalloc(struct kmem_cache *cache);
void kmem_cache_free(struct kmem_cache *cache, void *object);
// Give back what is free: first from here to the server, then from there to the pool. Answers frames.
size_t kmem_cache_shrink(struct kmem_cache *cache);
size_t kmem_cache_size(const struct kmem_cache *cache);
const char *kmem_cache_name(const struct kmem_cache *cache);

// Sizes up to SLAB_SIZE_MAX (EINVAL above: use malloc or mmap).
void *kmalloc(size_t size);
void *kzalloc(size_t size);
void *kcalloc(size_t n, size_t size);
void *krealloc(void *p, size_t size);
void kfree(const void *p);
size_t ksize(const void *p);
