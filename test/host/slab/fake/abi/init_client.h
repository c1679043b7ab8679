// SPDX-License-Identifier: MIT
// Calls of init: the test answers them (world.c).
#pragma once

#include <abi/stubs.h>

err_t init_pool_size(cptr_t ep, u64 pages, u64 *out_pages, u64 *out_wanted);
err_t init_state_size(cptr_t ep, u64 pages, u64 *out_pages);
