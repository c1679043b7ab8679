// SPDX-License-Identifier: MIT
// The console of last resort: the firmware's, which needs nothing of ours and puts a carriage return before each
// newline. The real one is a driver in user mode.
#include "port.h"

#include "firmware.h"

void arch_putc(char c)
{
	sbi_call(SBI_PUTCHAR_LEGACY, 0, (u8)c, 0);
}

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
