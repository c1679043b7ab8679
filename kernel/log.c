// SPDX-License-Identifier: MIT
// Lines for people. They are rare (boot, kills, violations, panics), so each byte goes to the port of last resort as it
// comes.
#include <kernel/log.h>

#include <arch/arch.h>
#include <lib/base/fmt.h>

#include <stdarg.h>

void log_text(const char *text, u64 bytes)
{
	for (u64 i = 0; i < bytes && text[i]; i++)
		arch_putc(text[i]);
}

void log_line(const char *fmt, ...)
{
	char line[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_text(line, sizeof(line));
	log_text("\n", 1);
}
