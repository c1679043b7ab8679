// SPDX-License-Identifier: MIT
// The kernel log: the last 8 KiB of lines stay in memory; until the console driver owns the serial port they are
// printed too.
#pragma once

#include <lib/base/log.h>
#include <lib/base/types.h>

void log_text(const char *text, u64 bytes);
