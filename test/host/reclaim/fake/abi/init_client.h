// SPDX-License-Identifier: MIT
#pragma once

#include <abi/abi.h>

err_t init_state_size(cptr_t ep, u64 pages, u64 *out_pages);
