// SPDX-License-Identifier: MIT
#pragma once

#include <abi/abi.h>

err_t rmap_places_flow(cptr_t ep, u64 flow, u64 frame, u64 from, u64 *count, u64 *aspace0, u64 *va0, u64 *aspace1,
		       u64 *va1, u64 *aspace2, u64 *va2);
