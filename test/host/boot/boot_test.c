// SPDX-License-Identifier: MIT
// The boot steps that are pure: sets of ranges against a bitmap, the command line by example.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kernel/boot/machine.h>
#include <lib/base/log.h>
#include <lib/base/panic.h>

struct boot_machine boot_machine;
static u32 lines;

void log_line(const char *fmt, ...)
{
	(void)fmt;
	lines++;
}

void panic(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	abort();
}

static u64 seed = 88172645463325252ul;

static u64 rnd(u64 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

// One bit for each address. At most SPAN / 2 ranges fit, fewer than RANGES.
#define SPAN 60
static bool bits[SPAN];

static void check(const struct ranges *set)
{
	bool seen[SPAN] = { 0 };
	u64 size = 0;
	for (u32 i = 0; i < set->count; i++) {
		assert(set->range[i].base < set->range[i].limit && set->range[i].limit <= SPAN);
		assert(i == 0 || set->range[i - 1].limit < set->range[i].base);
		for (u64 a = set->range[i].base; a < set->range[i].limit; a++)
			seen[a] = true;
	}
	for (u32 a = 0; a < SPAN; a++) {
		assert(seen[a] == bits[a]);
		size += bits[a];
	}
	assert(ranges_size(set) == size);
}

// The lowest aligned place with `size` set bits, SPAN: none.
static u64 place_for(u64 size, u64 align)
{
	for (u64 start = 0; start + size <= SPAN; start += align) {
		u64 run = 0;
		while (run < size && bits[start + run])
			run++;
		if (run == size)
			return start;
	}
	return SPAN;
}

static void test_ranges(void)
{
	struct ranges set = { 0 };
	for (u32 round = 0; round < 300000; round++) {
		u64 base = rnd(SPAN), limit = base + rnd(SPAN - base + 1), align = 1ul << rnd(4), size = 1 + rnd(8);
		paddr_t got = SPAN;
		switch (rnd(3)) {
		case 0:
			ranges_add(&set, base, limit);
			memset(bits + base, true, limit - base);
			break;
		case 1:
			ranges_remove(&set, base, limit);
			memset(bits + base, false, limit - base);
			break;
		case 2:
			assert(ranges_take(&set, size, align, &got) == (place_for(size, align) < SPAN));
			assert(got == place_for(size, align));
			if (got < SPAN)
				memset(bits + got, false, size);
			break;
		}
		check(&set);
	}
	// The top of the address space is an address like any other.
	set = (struct ranges){ 0 };
	ranges_add(&set, 1ul << 40, ~0ul & ~0xffful);
	ranges_remove(&set, 1ul << 41, ~0ul);
	assert(set.count == 1 && ranges_size(&set) == 1ul << 40);
	paddr_t got;
	assert(!ranges_take(&set, 1ul << 42, 1, &got) && !ranges_take(&set, 4096, 1ul << 63, &got));
}

static void test_cmdline(void)
{
	char value[8];
	strcpy(boot_machine.cmdline,
	       "mode=sv48  trace trace_ring=64K empty= long=12345678 bad=12x big=99999999999999999999");
	assert(cmdline_get("mode", value, sizeof(value)) && strcmp(value, "sv48") == 0);
	assert(cmdline_get("trace", value, sizeof(value)) && strcmp(value, "1") == 0);
	assert(cmdline_get("empty", value, sizeof(value)) && strcmp(value, "") == 0);
	assert(!cmdline_get("mod", value, sizeof(value)) && !cmdline_get("modes", value, sizeof(value)));
	assert(!cmdline_get("long", value, sizeof(value)) && !cmdline_get("sv48", value, sizeof(value)));
	assert(cmdline_number("trace_ring", 5) == 65536 && cmdline_number("trace", 5) == 1);
	assert(cmdline_number("long", 5) == 12345678 && cmdline_number("none", 5) == 5 && lines == 0);
	assert(cmdline_number("bad", 5) == 5 && cmdline_number("big", 5) == 5 && cmdline_number("mode", 5) == 5);
	assert(cmdline_number("empty", 5) == 5 && lines == 4);
	strcpy(boot_machine.cmdline, "a=16777215G b=17179869183G c=17179869184G d=G e=18446744073709551615");
	assert(cmdline_number("a", 5) == 16777215ul << 30 && cmdline_number("b", 5) == 17179869183ul << 30);
	assert(cmdline_number("c", 5) == 5 && cmdline_number("d", 5) == 5);
	assert(cmdline_number("e", 5) == ~0ul);
	strcpy(boot_machine.cmdline, "");
	assert(!cmdline_get("mode", value, sizeof(value)));
}

int main(void)
{
	test_ranges();
	test_cmdline();
	return 0;
}
