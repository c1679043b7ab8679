// SPDX-License-Identifier: MIT
// Sizes and order of a cache (layout.h), by Linux's rules.
#include <lib/slab/layout.h>

// So many objects that a refill is shared by many: 32 where the largest order has room for them, of small ones what two
// pages hold, but no more than 128.
#define OBJECTS_WANTED 32
#define OBJECTS_ENOUGH 128
#define BYTES_WANTED   (2 * PAGE_SIZE)

const u16 kmalloc_size[KMALLOC_CLASSES] = { 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192 };

u32 kmalloc_class(u64 size)
{
	u32 class = 0;

	while (kmalloc_size[class] < size)
		class ++;
	return class;
}

u32 kmalloc_align(u32 size)
{
	u32 align = size & -size;

	return align < PAGE_SIZE ? align : PAGE_SIZE;
}

static u32 round_up(u32 n, u32 align)
{
	return (n + align - 1) & -align;
}

static u32 objects_of(u32 order, u32 stride)
{
	u32 n = ((u32)PAGE_SIZE << order) / stride;

	return n < SLAB_OBJECTS ? n : SLAB_OBJECTS;
}

// The smallest order with at least `wanted` objects that loses at most 1/fraction of the slab; SLAB_ORDER_MAX + 1:
// none.
static u32 order_for(u32 stride, u32 wanted, u32 fraction)
{
	u32 order = 0;

	for (; order <= SLAB_ORDER_MAX; order++) {
		u32 bytes = (u32)PAGE_SIZE << order, n = objects_of(order, stride);

		if (n >= wanted && n && bytes - n * stride <= bytes / fraction)
			break;
	}
	return order;
}

// Many objects and little loss; then more loss; then fewer objects.
static u32 order_choose(u32 stride)
{
	u32 most = objects_of(SLAB_ORDER_MAX, stride), order;
	u32 ideal = MIN(MAX(BYTES_WANTED / stride, OBJECTS_WANTED), OBJECTS_ENOUGH);

	for (u32 wanted = MIN(most, ideal); wanted > 1; wanted--)
		for (u32 fraction = 16; fraction >= 4; fraction /= 2) {
			order = order_for(stride, wanted, fraction);
			if (order <= SLAB_ORDER_MAX)
				return order;
		}
	return order_for(stride, 1, 1);
}

bool slab_layout(u64 size, u64 align, u64 flags, struct slab_layout *out)
{
	u32 at;

	if (!size || size > SLAB_SIZE_MAX || align & (align - 1) || align > PAGE_SIZE || flags & ~(u64)SLAB_FLAGS)
		return false;
	if (align < SLAB_ALIGN_MIN)
		align = SLAB_ALIGN_MIN;
	*out = (struct slab_layout){ .offset = flags & SLAB_RED_ZONE ? (u32)align : 0 };
	at = out->offset + round_up((u32)size, SLAB_ALIGN_MIN);
	if (flags & SLAB_RED_ZONE && size % SLAB_ALIGN_MIN == 0)
		at += SLAB_ALIGN_MIN; /* otherwise the rounding has made room */
	out->tail = at;
	out->link = out->offset;
	if (flags & (SLAB_CHECKS | SLAB_CTOR)) {
		out->link = at;
		at += SLAB_ALIGN_MIN;
	}
	out->track = at;
	if (flags & SLAB_STORE_USER)
		at += 2 * sizeof(struct slab_track);
	out->stride = round_up(at, (u32)align);
	out->order = order_choose(out->stride);
	out->objects = objects_of(out->order, out->stride);
	return true;
}
