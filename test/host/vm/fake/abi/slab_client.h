// SPDX-License-Identifier: MIT
#pragma once

#include <abi/abi.h>

err_t slab_detach(cptr_t ep, u64 badge);
