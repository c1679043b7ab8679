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
