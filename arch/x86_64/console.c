// SPDX-License-Identifier: MIT
// The console of last resort: the first serial port, polled. The real one is a driver in user mode.
#include "port.h"

#define SERIAL_DATA   0x3f8
#define SERIAL_STATUS 0x3fd
#define SEND_EMPTY    0x20

static void send(char c)
{
	while (!(arch_port_in(SERIAL_STATUS, 1) & SEND_EMPTY))
		arch_relax();
	arch_port_out(SERIAL_DATA, 1, (u8)c);
}

void arch_putc(char c)
{
	if (c == '\n')
		send('\r');
	send(c);
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
