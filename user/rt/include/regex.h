// SPDX-License-Identifier: MIT
// picolibc's uses size_t without declaring it.
#pragma once

#include <sys/types.h>

#include_next <regex.h>
