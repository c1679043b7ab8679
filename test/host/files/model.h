// SPDX-License-Identifier: MIT
// A simple model of files, and random operations that must do the same there and in the server.
#pragma once

#include <lib/base/types.h>

void model_run(u64 operations, u64 seed);
