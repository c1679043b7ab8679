// SPDX-License-Identifier: MIT
// lock: mlock of more than there is fails, and then nothing of it is locked: there is room for other memory.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define MIB   (1ul << 20)
#define OTHER (6 * MIB)

static unsigned char *area(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int locks_too_much(size_t bytes)
{
	unsigned char *much = area(bytes), *other = area(OTHER);
	unsigned long sum = 0;

	if (!much || !other || !mlock(much, bytes) || errno != ENOMEM) {
		printf("lock: wrong: %zu MiB could be locked\n", bytes / MIB);
		return 1;
	}
	memset(other, 7, OTHER);
	for (size_t i = 0; i < OTHER; i += 4096)
		sum += other[i] + much[i];
	munmap(much, bytes);
	munmap(other, OTHER);
	return sum != OTHER / 4096 * 7;
}

int main(void)
{
	unsigned char *some = area(2 * MIB);
	int bad = 0;

	bad += !some || mlock(some, 2 * MIB) || munlock(some, 2 * MIB);
	bad += locks_too_much(24 * MIB) + locks_too_much(48 * MIB);
	puts(bad ? "lock: wrong" : "lock: ok");
	return bad;
}
