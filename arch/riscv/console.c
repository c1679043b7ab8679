// SPDX-License-Identifier: MIT
// The console of last resort: the firmware's, which needs nothing of ours and puts a carriage return before each
// newline. The real one is a driver in user mode.
#include "port.h"

#include "firmware.h"

void arch_putc(char c)
{
	sbi_call(SBI_PUTCHAR_LEGACY, 0, (u8)c, 0);
}
