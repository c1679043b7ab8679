// SPDX-License-Identifier: MIT
// The two halves of the slab server's client: kmem.c and kmem_check.c.
#pragma once

#include <jjok/kmem.h>

#include <lib/slab/layout.h>
#include <lib/slab/slab.h>

#define KMEM_NAME 16

struct kmem_cache {
	struct slab_source source; // first: a source is its cache
	struct slab_cache slabs;
	struct slab_layout layout;
	bool plain;  // ready, and without SLAB_CHECKS
	bool ready;  // known to the server, layout and slabs are set
	u32 id;      // the server's number
	u32 aliases; // further kmem_cache_create that were answered with this cache
	u32 size, align, flags;
	void (*ctor)(void *);
	struct kmem_cache *next; // of all that are ready
	char name[KMEM_NAME + 1];
};

// kmem_check.c: caches with SLAB_RED_ZONE, SLAB_POISON, SLAB_STORE_USER. `object` is where the slab core sees it.
void kmem_check_new(const struct kmem_cache *cache, char *object);
void kmem_check_alloc(const struct kmem_cache *cache, char *object, const void *caller);
void kmem_check_free(const struct kmem_cache *cache, char *object, const void *caller);
