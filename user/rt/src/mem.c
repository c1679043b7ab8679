// SPDX-License-Identifier: MIT
/*
 * memcpy, memmove, memset for programs: picolibc's are built for size and move bytes. Words here, also between places
 * that are not aligned alike: then two words are merged by shifting, since misaligned accesses may trap. Reading whole
 * aligned words never leaves a page that holds some of the bytes asked for. Compiled with
 * -fno-tree-loop-distribute-patterns, or gcc would call memcpy in memcpy.
 */
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((__may_alias__)) word_t;

#define WORD  sizeof(word_t)
#define SMALL 16 // below this bytes are as good

static inline size_t misaligned(const void *p)
{
	return (uintptr_t)p & (WORD - 1);
}

static size_t copy_aligned(word_t *d, const word_t *s, size_t n)
{
	size_t left = n;

	for (; left >= 4 * WORD; left -= 4 * WORD, d += 4, s += 4) {
		word_t a = s[0], b = s[1], c = s[2], e = s[3];

		d[0] = a;
		d[1] = b;
		d[2] = c;
		d[3] = e;
	}
	for (; left >= WORD; left -= WORD)
		*d++ = *s++;
	return n - left;
}

// `s` is not aligned. Each word stored is made of the two it lies across (little endian).
static size_t copy_merged(word_t *d, const char *s, size_t n)
{
	unsigned int shift = 8 * misaligned(s);
	const word_t *from = (const word_t *)(s - misaligned(s));
	word_t low = *from++;
	size_t left = n;

	for (; left >= WORD; left -= WORD) {
		word_t high = *from++;

		*d++ = low >> shift | high << (64 - shift);
		low = high;
	}
	return n - left;
}

static void copy_forward(char *d, const char *s, size_t n)
{
	if (n >= SMALL) {
		size_t done;

		for (; misaligned(d); n--)
			*d++ = *s++;
		done = misaligned(s) ? copy_merged((word_t *)d, s, n) : copy_aligned((word_t *)d, (const word_t *)s, n);
		d += done;
		s += done;
		n -= done;
	}
	while (n--)
		*d++ = *s++;
}

static void copy_backward(char *d, const char *s, size_t n)
{
	if (n >= SMALL && misaligned(d) == misaligned(s)) {
		for (; misaligned(d); n--)
			*--d = *--s;
		for (; n >= WORD; n -= WORD) {
			d -= WORD;
			s -= WORD;
			*(word_t *)d = *(const word_t *)s;
		}
	}
	while (n--)
		*--d = *--s;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	copy_forward(dst, src, n);
	return dst;
}

// Forward is right unless dst lies within [src, src + n): each word is read before a store can reach it.
void *memmove(void *dst, const void *src, size_t n)
{
	if ((uintptr_t)dst - (uintptr_t)src >= n)
		copy_forward(dst, src, n);
	else
		copy_backward((char *)dst + n, (const char *)src + n, n);
	return dst;
}

void *memset(void *dst, int value, size_t n)
{
	word_t word = (unsigned char)value * 0x0101010101010101;
	char *d = dst;

	if (n >= SMALL) {
		for (; misaligned(d); n--)
			*d++ = (char)value;
		for (; n >= 4 * WORD; n -= 4 * WORD, d += 4 * WORD) {
			((word_t *)d)[0] = word;
			((word_t *)d)[1] = word;
			((word_t *)d)[2] = word;
			((word_t *)d)[3] = word;
		}
		for (; n >= WORD; n -= WORD, d += WORD)
			*(word_t *)d = word;
	}
	while (n--)
		*d++ = (char)value;
	return dst;
}
