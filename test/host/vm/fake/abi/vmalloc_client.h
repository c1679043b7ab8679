// SPDX-License-Identifier: MIT
#pragma once

#include <abi/abi.h>

err_t vmalloc_detach(cptr_t ep, u64 badge);
