// SPDX-License-Identifier: MIT
/*
 * patterns SIZE [SECONDS] [SEED]: memory that must hold what was put there. SIZE is 64M, or 4x: so many times the
 * memory that programs have. Without SECONDS each pattern once, with it over and over until they are up.
 *
 *	keyed	every word names its address and the round
 *	walking	in every page one bit of each word, then all but that one; another bit in the next page
 *	random	pages in random order are checked at a few words and get the next round's; at the end all is checked
 *	stripes	every 61st page, so that neighbours on disk are not neighbours in use
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <abi/stubs.h>
#include <abi/vm_client.h>

#include "check.h"

#define PAGE   4096ul
#define WORDS  (PAGE / sizeof(uint64_t))
#define STRIDE 61

static uint64_t *memory;
static uint64_t pages, page_checks;
static uint32_t *round_of; // of each page
static struct random source;

static uint64_t *page_at(uint64_t page)
{
	return memory + page * WORDS;
}

static uint64_t word_of(uint64_t page, uint64_t word, uint64_t round)
{
	uint64_t z = (page * WORDS + word) * 0x9e3779b97f4a7c15ul + round * 0xd1342543de82ef95ul;

	return z ^ z >> 32;
}

static _Noreturn void wrong(uint64_t page, uint64_t word, uint64_t found, uint64_t wanted)
{
	FAIL("page %" PRIu64 " at %p, word %" PRIu64 ": %#" PRIx64 ", expected %#" PRIx64, page, page_at(page), word,
	     found, wanted);
}

static void page_put(uint64_t page, uint64_t round)
{
	uint64_t *p = page_at(page);

	for (uint64_t w = 0; w < WORDS; w++)
		p[w] = word_of(page, w, round);
}

// Every `step`-th word.
static void page_check(uint64_t page, uint64_t round, uint64_t step)
{
	const uint64_t *p = page_at(page);

	for (uint64_t w = 0; w < WORDS; w += step)
		if (p[w] != word_of(page, w, round))
			wrong(page, w, p[w], word_of(page, w, round));
	page_checks++;
}

static void keyed(void)
{
	uint64_t round = random_next(&source);

	for (uint64_t i = 0; i < pages; i++)
		page_put(i, round);
	for (uint64_t i = 0; i < pages; i++)
		page_check(i, round, 1);
}

static void page_bits(uint64_t page, uint64_t value)
{
	const uint64_t *p = page_at(page);

	for (uint64_t w = 0; w < WORDS; w++)
		if (p[w] != value)
			wrong(page, w, p[w], value);
	page_checks++;
}

static void walking(void)
{
	uint64_t first = random_below(&source, 64);

	for (uint64_t i = 0; i < pages; i++)
		for (uint64_t w = 0; w < WORDS; w++)
			page_at(i)[w] = 1ul << (first + i) % 64;
	for (uint64_t i = 0; i < pages; i++) {
		page_bits(i, 1ul << (first + i) % 64);
		for (uint64_t w = 0; w < WORDS; w++)
			page_at(i)[w] = ~page_at(i)[w];
	}
	for (uint64_t i = pages; i-- > 0;)
		page_bits(i, ~(1ul << (first + i) % 64));
}

static void randomly(void)
{
	for (uint64_t i = 0; i < pages; i++) {
		page_put(i, 0);
		round_of[i] = 0;
	}
	for (uint64_t n = 0; n < 2 * pages; n++) {
		uint64_t i = random_below(&source, pages);

		page_check(i, round_of[i], 97);
		if (random_next(&source) & 1)
			page_put(i, ++round_of[i]);
	}
	for (uint64_t i = 0; i < pages; i++)
		page_check(i, round_of[i], 1);
}

static void stripes(void)
{
	uint64_t round = random_next(&source);

	for (uint64_t from = 0; from < STRIDE; from++)
		for (uint64_t i = from; i < pages; i += STRIDE)
			page_put(i, round);
	for (uint64_t i = pages; i-- > 0;)
		page_check(i, round, 1);
}

static const struct {
	const char *name;
	void (*run)(void);
} patterns[] = { { "keyed", keyed }, { "walking", walking }, { "random", randomly }, { "stripes", stripes } };

static uint64_t size_of(const char *text)
{
	char *unit;
	uint64_t n = strtoul(text, &unit, 0), limit;

	if (!strcmp(unit, "x")) {
		CHECK(!vm_stat(SLOT_VM, VMSTAT_POOL_LIMIT, &limit));
		return n * limit * PAGE;
	}
	if (!n || strcmp(unit, "M"))
		FAIL("%s: a size is 64M or 4x", text);
	return n << 20;
}

static void *memory_map(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 2 ? strtol(argv[2], NULL, 0) : 0);
	uint64_t rounds = 0;

	if (argc < 2)
		FAIL("say: patterns SIZE [SECONDS] [SEED]");
	pages = size_of(argv[1]) / PAGE;
	source.state = argc > 3 ? strtoul(argv[3], NULL, 0) : 1;
	memory = memory_map(pages * PAGE);
	round_of = memory_map(pages * sizeof(*round_of));
	do {
		for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
			patterns[i].run();
			if (argc > 2 && time(NULL) >= end)
				break;
		}
		rounds++;
	} while (time(NULL) < end);
	printf("patterns: %" PRIu64 " MiB, %" PRIu64 " rounds, %" PRIu64 " pages checked\n", pages >> 8, rounds,
	       page_checks);
	return check_done("patterns");
}
