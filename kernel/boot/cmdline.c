// SPDX-License-Identifier: MIT
#include <lib/base/log.h>
#include <lib/base/string.h>

#include "machine.h"

// The value of `key` and its length; NULL: not there.
static const char *find(const char *key, u64 *len)
{
	u64 key_len = strlen(key);
	for (const char *word = boot_machine.cmdline; *word != '\0';) {
		u64 n = 0;
		while (word[n] != '\0' && word[n] != ' ')
			n++;
		if (n >= key_len && memcmp(word, key, key_len) == 0 && (n == key_len || word[key_len] == '=')) {
			*len = n == key_len ? 1 : n - key_len - 1;
			return n == key_len ? "1" : word + key_len + 1;
		}
		word += n + (word[n] == ' ');
	}
	return NULL;
}

bool cmdline_get(const char *key, char *value, u64 size)
{
	u64 len;
	const char *found = find(key, &len);
	if (found == NULL || len >= size)
		return false;
	memcpy(value, found, len);
	value[len] = '\0';
	return true;
}

static u32 unit_shift(char unit)
{
	switch (unit) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	}
	return 0;
}

// Decimal digits, all of them, not more than `most`.
static bool parse(const char *text, u64 len, u64 most, u64 *number)
{
	*number = 0;
	for (u64 i = 0; i < len; i++) {
		u32 digit = (u32)(text[i] - '0');
		if (digit > 9 || *number > (most - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return len > 0;
}

u64 cmdline_number(const char *key, u64 otherwise)
{
	u64 len;
	const char *text = find(key, &len);
	if (text == NULL)
		return otherwise;
	u32 shift = len > 1 ? unit_shift(text[len - 1]) : 0;
	u64 number;
	if (!parse(text, shift != 0 ? len - 1 : len, ~0ul >> shift, &number)) {
		log_line("jjok: %s=%.*s is no number; taking %lu", key, (int)len, text, otherwise);
		return otherwise;
	}
	return number << shift;
}
