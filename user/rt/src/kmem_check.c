// SPDX-License-Identifier: MIT
/*
 * Checked caches: red zones, poison, last users (layout.h draws an object). What is wrong is shown as Linux shows it,
 * and the program ends. Patterns are Linux's, so that a dump reads the same.
 *
 *	free:    red zones 0xbb, object 0x6b ... 0x6b 0xa5      in use: red zones 0xcc, object 0x5a until it is written
 *
 * Objects with a constructor are not filled: they keep their content while they are free.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "counter.h"
#include "kmem.h"
#include "malloc_os.h"

#define RED_INACTIVE 0xbb
#define RED_ACTIVE   0xcc
#define FILL_FREE    0x6b
#define FILL_END     0xa5
#define FILL_INUSE   0x5a
#define DUMP_BYTES   64

enum { TRACK_ALLOC, TRACK_FREE };

static struct slab_track *track_of(const struct kmem_cache *c, char *object, u32 which)
{
	return (struct slab_track *)(object + c->layout.track) + which;
}

static bool filled(const struct kmem_cache *c)
{
	return c->flags & SLAB_POISON && !c->ctor;
}

static void red_set(const struct kmem_cache *c, char *object, int value)
{
	u32 end = c->layout.offset + c->size;

	if (!(c->flags & SLAB_RED_ZONE))
		return;
	memset(object, value, c->layout.offset);
	memset(object + end, value, c->layout.tail - end);
}

static void fill_free(const struct kmem_cache *c, char *object)
{
	if (!filled(c))
		return;
	memset(object + c->layout.offset, FILL_FREE, c->size - 1);
	object[c->layout.offset + c->size - 1] = (char)FILL_END;
}

// ---- the report

static void say(const char *line, int len)
{
	write(STDERR_FILENO, line, len);
}

static void say_track(const char *what, const struct slab_track *t)
{
	char line[120];

	if (t->caller)
		say(line, snprintf(line, sizeof(line), "INFO: %s in 0x%lx age=%lu pid=%lu\n", what, t->caller,
				   arch_time() - t->time, t->pid));
}

static void say_bytes(const char *what, const char *from, u32 bytes)
{
	char line[160];

	for (u32 at = 0; at < bytes; at += 16) {
		int len = snprintf(line, sizeof(line), "%-8s %p:", what, (void *)(from + at));

		for (u32 i = at; i < at + 16 && i < bytes; i++)
			len += snprintf(line + len, sizeof(line) - len, " %02x", (unsigned char)from[i]);
		line[len++] = '\n';
		say(line, len);
	}
}

static _Noreturn void report(const struct kmem_cache *c, char *object, const char *bad, int expected, const char *what)
{
	u32 shown = c->size < DUMP_BYTES ? c->size : DUMP_BYTES, end = c->layout.offset + c->size;
	char line[200];

	say(line, snprintf(line, sizeof(line), "BUG %s (pid %d): %s\nINFO: %p: first byte 0x%x instead of 0x%x\n",
			   c->name, getpid(), what, (void *)bad, (unsigned char)*bad, expected));
	if (c->flags & SLAB_STORE_USER) {
		say_track("Allocated", track_of(c, object, TRACK_ALLOC));
		say_track("Freed", track_of(c, object, TRACK_FREE));
	}
	if (c->flags & SLAB_RED_ZONE)
		say_bytes("Redzone", object, c->layout.offset);
	say_bytes("Object", object + c->layout.offset, shown);
	if (c->flags & SLAB_RED_ZONE)
		say_bytes("Redzone", object + end, c->layout.tail - end);
	malloc_die(c->name, object + c->layout.offset, what);
}

// The first byte that is not `value`, NULL: all are.
static const char *differs(const char *from, u32 bytes, int value)
{
	for (u32 i = 0; i < bytes; i++)
		if ((unsigned char)from[i] != value)
			return from + i;
	return NULL;
}

static void red_check(const struct kmem_cache *c, char *object, int value)
{
	u32 end = c->layout.offset + c->size;
	const char *bad;

	if (!(c->flags & SLAB_RED_ZONE))
		return;
	bad = differs(object, c->layout.offset, value);
	if (bad)
		report(c, object, bad, value, "Left Redzone overwritten");
	bad = differs(object + end, c->layout.tail - end, value);
	if (bad)
		report(c, object, bad, value, "Right Redzone overwritten");
}

static void fill_check(const struct kmem_cache *c, char *object)
{
	const char *from = object + c->layout.offset, *bad;

	if (!filled(c))
		return;
	bad = differs(from, c->size - 1, FILL_FREE);
	if (!bad)
		bad = differs(from + c->size - 1, 1, FILL_END);
	if (bad)
		report(c, object, bad, bad == from + c->size - 1 ? FILL_END : FILL_FREE, "Poison overwritten");
}

static void track_set(const struct kmem_cache *c, char *object, u32 which, const void *caller)
{
	if (c->flags & SLAB_STORE_USER)
		*track_of(c, object, which) =
			(struct slab_track){ .caller = (u64)caller, .time = arch_time(), .pid = (u64)getpid() };
}

// ---- the events

void kmem_check_new(const struct kmem_cache *c, char *object)
{
	red_set(c, object, RED_INACTIVE);
	fill_free(c, object);
}

void kmem_check_alloc(const struct kmem_cache *c, char *object, const void *caller)
{
	red_check(c, object, RED_INACTIVE);
	fill_check(c, object);
	red_set(c, object, RED_ACTIVE);
	if (filled(c))
		memset(object + c->layout.offset, FILL_INUSE, c->size);
	track_set(c, object, TRACK_ALLOC, caller);
}

void kmem_check_free(const struct kmem_cache *c, char *object, const void *caller)
{
	red_check(c, object, RED_ACTIVE);
	track_set(c, object, TRACK_FREE, caller);
	red_set(c, object, RED_INACTIVE);
	fill_free(c, object);
}
