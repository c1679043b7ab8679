// SPDX-License-Identifier: MIT
// One line of text for people. Kernel: the serial port until the console driver runs, then the kernel log. Host tests:
// stderr.
#pragma once

void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
