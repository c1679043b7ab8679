// SPDX-License-Identifier: MIT
// A broken invariant in a server: say so, then take an exception on purpose. The exception goes to init, which names
// the server.
#include <lib/base/panic.h>

#include <lib/base/fmt.h>
#include <lib/base/log.h>
#include <stdarg.h>

_Noreturn void panic(const char *fmt, ...)
{
	char line[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_line("panic: %s", line);
	for (;;)
		__builtin_trap();
}
