// SPDX-License-Identifier: MIT
// picolibc leaves these to the system.
#pragma once

#include_next <sys/features.h>

#define _POSIX_TIMERS          200809L
#define _POSIX_MONOTONIC_CLOCK 200809L
#define _POSIX_CLOCK_SELECTION 200809L
#define _POSIX_CPUTIME         200809L
#define _POSIX_MAPPED_FILES    200809L
#define _POSIX_SPAWN           200809L
