// SPDX-License-Identifier: MIT
// Counters of the servers, as the guest's test programs ask for them.
#pragma once

#include <abi/reclaim_client.h>
#include <abi/slab_client.h>
#include <abi/vm_client.h>

#include "check.h"

static inline u64 vm_count(u64 index)
{
	u64 value = 0;

	CHECK(!vm_stat(SLOT_VM, index, &value));
	return value;
}

static inline u64 reclaim_count(u64 index)
{
	u64 value = 0;

	CHECK(!reclaim_stat(SLOT_RECLAIM, index, &value));
	return value;
}

static inline u64 slab_count(u64 index)
{
	u64 value = 0;

	CHECK(!slab_stat(SLOT_SLAB, index, &value));
	return value;
}
