// SPDX-License-Identifier: MIT
// What newer picolibc leaves out of it.
#pragma once

#include <sys/types.h>

#include_next <signal.h>

#ifndef NSIG
#define NSIG _NSIG
#endif
