// SPDX-License-Identifier: MIT
// log_line of servers and init: the kernel's log takes 16 bytes a call (system(LOG)), so a line goes in pieces and
// ends with its newline.
#include <lib/base/log.h>

#include <abi/stubs.h>
#include <lib/base/fmt.h>
#include <lib/base/string.h>
#include <stdarg.h>

#define LINE 200

void log_line(const char *fmt, ...)
{
	char line[LINE];
	va_list args;
	u64 n;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line) - 1, fmt, args);
	va_end(args);
	n = strlen(line);
	line[n++] = '\n';
	for (u64 at = 0; at < n; at += 16) {
		u64 piece = n - at < 16 ? n - at : 16;
		u64 words[2] = { 0, 0 };

		memcpy(words, line + at, piece);
		// A line that cannot be logged has nowhere else to go.
		(void)sys_system(SLOT_SYSTEM, SYS_LOG, piece, words[0], words[1], NULL, NULL, NULL, NULL);
	}
}
