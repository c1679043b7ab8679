// SPDX-License-Identifier: MIT
// picolibc's uses pid_t without declaring it.
#pragma once

#include <sys/types.h>

#include_next <time.h>
