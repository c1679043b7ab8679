// SPDX-License-Identifier: MIT
// For libfdt, which asks for the C library's header.
#pragma once

#include <lib/base/string.h>
