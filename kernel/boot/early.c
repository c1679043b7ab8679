// SPDX-License-Identifier: MIT
// Text before the kernel can format any: no variables, no format, byte by byte to the port of last resort. The ports
// boot with it (arch/arch.h).
#include <arch/arch.h>

void early_print(const char *text)
{
	while (*text != '\0')
		arch_putc(*text++);
}

void early_print_hex(const char *name, u64 value)
{
	early_print(name);
	for (int shift = 60; shift >= 0; shift -= 4) {
		u32 digit = value >> shift & 15;
		arch_putc(digit < 10 ? '0' + digit : 'a' + digit - 10);
	}
}

_Noreturn void early_fatal(const char *text)
{
	early_print(text[0] != '\0' ? "jjok: " : "");
	early_print(text);
	early_print("\n");
	arch_poweroff(1);
}
